"""From what a run answers to an image to the run lengths that are submitted: averaged, decoded, encoded, read back."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.imaging import rle
from pipeline.runs.decoding import Decoder

AT_ONCE = 1 << 22  # values of an answer


def labels(
    decoder: Decoder, ids: Sequence[str], answers: Iterable[np.ndarray], thresholds: list
) -> Iterator[tuple[str, np.ndarray]]:
    """(id, labels) image by image, of H x W x outputs uint8 answers in the same order; of those whose picture cannot be
    read what nothing has."""
    job = decoder.job
    row_of = {name: row for row, name in enumerate(job.prepared.columns["id"])}
    bad = set(job.prepared.info.get("bad", []))
    found = decoder.labels([row_of[name] for name in ids], answers, thresholds)
    for name, decoded in zip(ids, found, strict=True):
        yield name, nothing(job.competition.task, decoded.shape[:2]) if name in bad else decoded


def texts(
    decoder: Decoder, answered: Iterable[tuple[str, np.ndarray]], pictures: Path | None = None
) -> Iterator[tuple[str, list[str]]]:
    """(id, run lengths) image by image: encoded, and read back to make sure. `pictures`: the folder for labels as PNGs,
    where they are wanted."""
    task, form = decoder.job.competition.task, decoder.job.competition.format
    for names, found in _of_one_size(answered, len(task.classes)):
        # a large one, which is alone, is not copied
        turned = np.stack([form.turned(one) for one in found]) if found[1:] else form.turned(found[0])[None]
        encoded = task.texts_of_each(turned)
        for name, one, other in zip(names, task.read_back(encoded, turned.shape[1:3]), turned, strict=True):
            if not _are_equal(one, other):
                raise RuntimeError(f"the run lengths of {name} did not decode to the labels they were made from")
        if pictures:
            for name, one in zip(names, found, strict=True):
                write_picture(pictures / f"{name}.png", one)
        yield from zip(names, encoded, strict=True)


def _of_one_size(answered: Iterable[tuple[str, np.ndarray]], classes: int) -> Iterator[tuple[list[str], list]]:
    """(ids, labels) of images that follow each other and are encoded together."""
    names, found = [], []
    for name, labels in answered:
        if found and (labels.shape != found[0].shape or len(found) == rle.together((*labels.shape[:2], classes))):
            yield names, found
            names, found = [], []
        names.append(name)
        found.append(labels)
    if found:
        yield names, found


def nothing(task, shape: tuple[int, int]) -> np.ndarray:
    """The labels of an image whose picture cannot be read: those of blank rows."""
    return task.read_back([[""] * len(task.classes)], shape)[0]


def mean(answers: list[np.ndarray]) -> np.ndarray:
    """Of several H x W x K uint8 answers to an image, rounded to nearest; of a large one some lines at a time."""
    count, found = len(answers), np.empty(answers[0].shape, np.uint8)
    for lines in _parts(found):
        total = np.add.reduce([answer[lines] for answer in answers], dtype=np.uint32)
        found[lines] = (2 * total + count) // (2 * count)
    return found


def write_picture(path: Path, found: np.ndarray) -> None:
    """Labels as a PNG."""
    done, content = cv2.imencode(".png", found)
    if not done:
        raise RuntimeError(f"OpenCV could not encode the labels of {path.stem}")
    # an id may hold the folder of its image
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.tobytes())


def _are_equal(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and all(np.array_equal(one[lines], other[lines]) for lines in _parts(one))


def _parts(picture: np.ndarray) -> Iterator[slice]:
    """Its lines from top to bottom, as many as are looked at together."""
    step = max(1, AT_ONCE // max(picture[0].size, 1))
    return (slice(top, top + step) for top in range(0, len(picture), step))
