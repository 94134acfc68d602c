"""Small data sets packed in any way, and what `new` and `read_folders` make of them."""

import types

import cv2
import numpy as np

from pipeline.drafting import chooser, page
from pipeline.raw.files import RawFiles
from pipeline.raw.folders import read_folders

SIZE = (24, 32)


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture H x W x 3 and its labels H x W of 0 and 1, each seed's its own."""
    random = np.random.default_rng(seed)
    labels = np.zeros(SIZE, np.uint8)
    x, y = random.integers(2, 20), random.integers(2, 12)
    labels[y : y + 6, x : x + 9] = 1
    labels[0, seed % SIZE[1]] = 1
    image = random.integers(40, 90, (*SIZE, 3)).astype(np.uint8)
    image[labels > 0] += 100
    return image, labels


def save(path, array) -> None:
    """As the ending says; floating point and GIF aside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = array[..., ::-1] if array.ndim == 3 else array
    path.write_bytes(cv2.imencode(path.suffix.lower(), np.ascontiguousarray(array))[1].tobytes())


def pair(folder, image: str, mask: str, seed: int) -> np.ndarray:
    """Writes a picture and its mask (0, 255); returns the labels."""
    picture, labels = scene(seed)
    save(folder / image, picture)
    save(folder / mask, labels * 255)
    return labels


def drafted(folder, *named: str, answer: str = ""):
    """(the competition that `new` writes, what it says)."""
    with RawFiles(folder) as raw:
        draft = chooser.draft(raw, *named, answer=answer)
    module = types.ModuleType("drafted")
    exec(compile(page.filled_in("drafted", draft), "drafted.py", "exec"), module.__dict__)
    return module.competition, "\n".join(draft.said)


def labels_of(data) -> dict[str, np.ndarray]:
    """id -> labels, one layer as H x W."""
    found = {image.id: image.labels() for image in data.images if image.labels}
    return {name: labels[..., 0] if labels.shape[2] == 1 else labels for name, labels in found.items()}


def check(folder, truth: dict[str, np.ndarray], *named: str, answer: str = "", **options):
    """That `new` reads just this truth, and `read_folders` with the same options; returns (RawData, what is said)."""
    competition, said = drafted(folder, *named, answer=answer)
    with RawFiles(folder) as raw:
        data = competition.read(raw)
        same(labels_of(data), truth)
        if options:
            same(labels_of(read_folders(raw, **options)), truth)
        for image in data.images:
            image.image()
    return data, said


def same(found: dict, truth: dict) -> None:
    assert sorted(found) == sorted(truth)
    for name, labels in truth.items():
        assert np.array_equal(found[name], labels), name
