"""What prepared images and labels hold, from one pass over their pixels: a few numbers of each image, and copies.

The pixels are read once, by all cores, and not kept: of an image a kilobyte stays for each of at most four channels.
"""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.imaging import duplicates
from pipeline.runs import copies
from pipeline.store import disk
from pipeline.store.prepared import Prepared
from pipeline.tasks.task import Task

AT_ONCE = 1 << 24  # values


class Look(NamedTuple):
    """What is kept of one image.

    Attributes:
        content: the fingerprint of its pixels; truth: of its labels, blank in the test part.
        thumbnail: see `imaging.duplicates`.
        values: 4 x channels float64: the least, the largest, the mean and the mean square of its finite values.
        finite: the share of its values that are numbers, 0..1.
        pixels: those of each class, int64; known: those that are not void; several: those in more than one class.
        objects: the pixels of each object number, where the labels may be object numbers.
    """

    content: str
    truth: str
    constant: bool
    thumbnail: np.ndarray
    values: np.ndarray
    finite: float
    pixels: np.ndarray | None = None
    known: int = 0
    several: int = 0
    objects: np.ndarray | None = None


@dataclass(frozen=True)
class Explored:
    """What was found; n images in the order of `table`, the first of them the train part.

    Attributes:
        table: the index of the prepared data.
        constant: n bool; finite: n shares; values: n x 4 x channels, see `Look`.
        truths: the fingerprints of the train labels.
        pixels: train x classes int64; known, several: train, int64, see `Look`.
        objects: for each train image the pixels of its objects; None where labels are no object numbers.
        copies: see `runs.copies.Copies`.
        extra: numbers known of images, a pandas table with the rows of `table`, or None.
    """

    table: object
    constant: np.ndarray
    finite: np.ndarray
    values: np.ndarray
    truths: list[str]
    pixels: np.ndarray
    known: np.ndarray
    several: np.ndarray
    objects: list[np.ndarray] | None
    copies: copies.Copies
    extra: object = None

    @property
    def is_train(self) -> np.ndarray:
        return (self.table["part"] == "train").to_numpy()

    @property
    def coverage(self) -> np.ndarray:
        """Of the train images, 0..1."""
        return self.table["coverage"].to_numpy(float)[self.is_train]

    def contradictions(self) -> tuple[np.ndarray, np.ndarray]:
        """See `runs.copies.contradictions`."""
        return copies.contradictions(self.copies, self.truths, self.coverage)

    def split_by_folds(self) -> np.ndarray:
        """Pairs of train images, exact or near, that no common group keeps in one fold."""
        pairs = self._within_train(self.copies.pairs)
        a, b = self.table["group"].to_numpy()[pairs].T
        return pairs[(a != b) | (a == "")]

    def _within_train(self, pairs: np.ndarray) -> np.ndarray:
        # train comes first, and so does the smaller row of a pair
        return pairs[pairs[:, 1] < len(self.truths)]


def explore(prepared: Prepared, task: Task) -> Explored:
    """Reads every image and the labels of the train part once."""
    from tqdm import tqdm

    train = len(prepared.train)

    def one(row: int) -> Look:
        image = prepared.images[row] if prepared.scaling is None else prepared.scaling.filled(prepared.images[row])
        return look(image, prepared.labels[row] if row < train else None, task)

    rows = range(len(prepared.table))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        quiet = not sys.stderr.isatty()
        bar = tqdm(pool.map(one, rows), total=len(rows), desc="explore", unit="image", disable=quiet, delay=1)
        looks = list(bar)
    labelled = looks[:train]
    objects = [entry.objects for entry in labelled]
    # a single number other than 0 is the class; two in one image are objects
    numbered = any(sizes is not None and len(sizes) > 1 for sizes in objects)
    constant = np.array([entry.constant for entry in looks])
    return Explored(
        table=prepared.table,
        constant=constant,
        finite=np.array([entry.finite for entry in looks]),
        values=np.stack([entry.values for entry in looks]),
        truths=[entry.truth for entry in labelled],
        pixels=np.stack([entry.pixels for entry in labelled]),
        known=np.array([entry.known for entry in labelled]),
        several=np.array([entry.several for entry in labelled]),
        objects=objects if numbered else None,
        copies=copies.find_copies([e.content for e in looks], np.stack([e.thumbnail for e in looks]), constant),
        extra=_extra(prepared),
    )


def look(image: np.ndarray, labels: np.ndarray | None, task: Task) -> Look:
    """H x W x C of any dtype, and its labels H x W x layers or None, to what is kept of them."""
    finite, kept = 1.0, copies.look(image)
    if not np.issubdtype(image.dtype, np.integer):
        known = np.isfinite(image)
        finite = float(known.mean())
        image = np.where(known, image, 0).astype(np.float32)
    found = Look(kept.content, "", kept.constant, kept.thumbnail, _values(image), finite)
    if labels is None:
        return found
    void = 0 if task.void is None else int(np.count_nonzero(labels == task.void))
    return found._replace(
        truth=duplicates.fingerprint(labels),
        pixels=task.counts(labels, labels)[:, 1],
        known=labels.shape[0] * labels.shape[1] - void,
        several=int(((labels != 0).sum(axis=2) > 1).sum()) if task.layers > 1 else 0,
        objects=object_sizes(_numbers(task, labels), task.void) if task.layers == len(task.classes) == 1 else None,
    )


def _numbers(task, labels: np.ndarray) -> np.ndarray:
    """H x W whole numbers: of objects, or where the one class is."""
    return labels[..., 0] if task.objects else next(task.masks(labels)).astype(np.uint8)


def object_sizes(numbers: np.ndarray, void: int | None = None) -> np.ndarray:
    """The pixels of each number but 0 and void in an H x W map, in the order of the numbers."""
    sizes = np.zeros(int(numbers.max(initial=0)) + 1, np.int64)
    for lines in _parts(numbers):
        sizes += np.bincount(numbers[lines].ravel(), minlength=len(sizes))
    sizes[:1] = 0
    if void is not None and void < len(sizes):
        sizes[void] = 0
    return sizes[sizes > 0]


def _values(image: np.ndarray) -> np.ndarray:
    """Of each channel the smallest and largest value, the mean, and the mean of the squares: 4 x C."""
    measured = []
    for k in range(image.shape[2]):
        parts = []
        for lines in _parts(image):
            # channel by channel: sums along a short last axis are ten times slower
            plane = image[lines, ..., k].astype(np.float64).ravel()
            parts.append((plane.min(), plane.max(), plane.sum(), np.square(plane).sum()))
        low, high, total, squares = zip(*parts, strict=True)
        pixels = image.shape[0] * image.shape[1]
        measured.append((min(low), max(high), sum(total) / pixels, sum(squares) / pixels))
    return np.array(measured).T


def _parts(picture: np.ndarray) -> Iterator[slice]:
    """Its lines from top to bottom: of a large one some at a time, as it is eight times as large while it is looked
    at."""
    step = max(1, AT_ONCE // max(picture[0].size, 1))
    return (slice(top, top + step) for top in range(0, len(picture), step))


def _extra(prepared: Prepared):
    """`extra.csv` in the order of the index, numbers alone; None when there is none."""
    import pandas

    path = prepared.folder / "extra.csv"
    if not path.exists():
        return None
    rows = {row.pop("id"): row for row in disk.read_rows(path, "id")}
    names = list(next(iter(rows.values()), {}))
    ids = prepared.table["id"].tolist()
    table = pandas.DataFrame([[rows.get(one, {}).get(name, "") for name in names] for one in ids], ids, names)
    return table.apply(pandas.to_numeric, errors="coerce") if names else None
