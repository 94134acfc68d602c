"""What prepared images and labels hold, from one pass over their pixels: a few numbers of each image, and copies.

The pixels are read once, by all cores, and not kept: of an image a kilobyte stays for each of at most four channels.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.imaging import duplicates
from pipeline.store import disk
from pipeline.store.prepared import Prepared
from pipeline.tasks.task import Task

CHANNELS = 4  # that thumbnails are made of: of more, as many evenly spaced ones
ALIKE = (0.99, 0.995, 0.999, 0.9999)  # correlations of thumbnails: the first that leaves few enough pairs is used
APART = 0.1  # of the image: from this on, the coverage of near copies counts as different
MOST = 1_000_000  # pairs of images alike: beyond that they say nothing, and fill the memory


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
class Copies:
    """Pairs of rows (m x 2, the smaller first) that are the same, or nearly; constant images are in none.

    Attributes:
        exact: each copy with the one before it.
        near: all others whose thumbnails have a correlation of at least `alike`; of exact copies the first stands
            for all.
        alike: None where so many images resemble each other that pairs would say nothing.
    """

    exact: np.ndarray
    near: np.ndarray
    alike: float | None


@dataclass(frozen=True)
class Explored:
    """What was found; n images in the order of `table`, the first of them the train part.

    Attributes:
        table: the index of the prepared data.
        constant: n bool; finite: n shares; values: n x 4 x channels, see `Look`.
        truths: the fingerprints of the train labels.
        pixels: train x classes int64; known, several: train, int64, see `Look`.
        objects: for each train image the pixels of its objects; None where labels are no object numbers.
        copies: see `Copies`.
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
    copies: Copies
    extra: object = None

    @property
    def is_train(self) -> np.ndarray:
        return (self.table["part"] == "train").to_numpy()

    @property
    def coverage(self) -> np.ndarray:
        """Of the train images, 0..1."""
        return self.table["coverage"].to_numpy(float)[self.is_train]

    def contradictions(self) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of train images that are copies when their labels are not: exact ones of which any label differs, near
        ones of which one alone is empty or the coverage differs by more than APART."""
        exact, near = self._within_train(self.copies.exact), self._within_train(self.copies.near)
        other = np.array([self.truths[a] != self.truths[b] for a, b in exact], bool)
        a, b = self.coverage[near].T
        return exact[other], near[((a == 0) != (b == 0)) | (np.abs(a - b) > APART)]

    def split_by_folds(self) -> np.ndarray:
        """Pairs of train images, exact or near, that no common group keeps in one fold."""
        pairs = self._within_train(np.concatenate([self.copies.exact, self.copies.near]))
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
        return look(prepared.images[row], prepared.labels[row] if row < train else None, task)

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
        copies=find_copies([e.content for e in looks], np.stack([e.thumbnail for e in looks]), constant),
        extra=_extra(prepared),
    )


def look(image: np.ndarray, labels: np.ndarray | None, task: Task) -> Look:
    """H x W x C of any dtype, and its labels H x W x layers or None, to what is kept of them."""
    finite = 1.0
    content = duplicates.fingerprint(image)
    if not np.issubdtype(image.dtype, np.integer):
        known = np.isfinite(image)
        finite = float(known.mean())
        image = np.where(known, image, 0).astype(np.float32)
    channels = np.unique(np.linspace(0, image.shape[2] - 1, min(image.shape[2], CHANNELS)).round().astype(int))
    kept = duplicates.thumbnail(image[..., channels])
    values = _values(image)
    found = Look(content, "", bool((values[0] == values[1]).all()), kept, values, finite)
    if labels is None:
        return found
    void = 0 if task.void is None else int(np.count_nonzero(labels == task.void))
    return found._replace(
        truth=duplicates.fingerprint(labels),
        pixels=task.counts(labels, labels)[:, 1],
        known=labels.shape[0] * labels.shape[1] - void,
        several=int(((labels != 0).sum(axis=2) > 1).sum()) if task.layers > 1 else 0,
        objects=object_sizes(labels[..., 0], task.void) if task.layers == len(task.classes) == 1 else None,
    )


def object_sizes(numbers: np.ndarray, void: int | None = None) -> np.ndarray:
    """The pixels of each number but 0 and void in an H x W map, in the order of the numbers."""
    sizes = np.bincount(numbers.ravel())
    sizes[:1] = 0
    if void is not None and void < len(sizes):
        sizes[void] = 0
    return sizes[sizes > 0]


def find_copies(contents: list[str], thumbnails: np.ndarray, constant: np.ndarray) -> Copies:
    """Pairs among n images, from their fingerprints, thumbnails (n x d float32) and whether each is constant."""
    rows = np.flatnonzero(~constant)
    exact = rows[duplicates.equal_pairs([contents[row] for row in rows])]
    first = np.setdiff1d(rows, exact[:, 1])
    alike = alike_enough(thumbnails[first])
    if alike is None:
        return Copies(exact, duplicates.NO_PAIRS, None)
    return Copies(exact, first[duplicates.similar_pairs(thumbnails[first], alike)], alike)


def alike_enough(thumbnails: np.ndarray, most: int = MOST, sample: int = 2048) -> float | None:
    """The first correlation of ALIKE with at most `most` pairs among all, as estimated from evenly spaced ones; None
    when there is none."""
    some = thumbnails[:: -(-len(thumbnails) // sample) or 1]
    correlation = some @ some.T
    for alike in ALIKE:
        pairs = (np.count_nonzero(correlation >= alike) - len(some)) / 2
        if pairs * (len(thumbnails) / max(len(some), 1)) ** 2 <= most:
            return alike
    return None


def _values(image: np.ndarray) -> np.ndarray:
    measured = []
    for k in range(image.shape[2]):
        # channel by channel: sums along a short last axis are ten times slower
        plane = image[..., k].astype(np.float64).ravel()
        measured.append((plane.min(), plane.max(), plane.mean(), np.square(plane).mean()))
    return np.array(measured).T


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
