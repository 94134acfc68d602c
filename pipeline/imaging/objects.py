"""Maps of object numbers: which objects overlap, how many are matched, and their run lengths.

A map is H x W, 0 is background, every other integer the pixels of one object; numbers need not be consecutive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.imaging.metrics import each_image

LEVELS = np.arange(10)  # of the thresholds .5, .55 … .95, which are (10 + level) / 20
SMALL = 1 << 16  # numbers below it are counted directly; larger ones are sorted first


class Overlaps(NamedTuple):
    """The pairs of objects that share pixels, and all areas, in pixels, int64.

    Attributes:
        found, truth, intersection: of each pair the indices into the areas and the pixels they share.
        found_areas, truth_areas: of all objects, in the order of their numbers.
    """

    found: np.ndarray
    truth: np.ndarray
    intersection: np.ndarray
    found_areas: np.ndarray
    truth_areas: np.ndarray


def overlaps(found: np.ndarray, truth: np.ndarray) -> Overlaps:
    """From two maps of one shape, by the stretches of pixels in which neither changes, a tenth of them or fewer."""
    starts, lengths = stretches(found, truth)
    found_numbers, a = _indexed(found.reshape(-1)[starts])
    truth_numbers, b = _indexed(truth.reshape(-1)[starts])
    pairs, areas = _counted(a * len(truth_numbers) + b, lengths, len(found_numbers) * len(truth_numbers))
    a, b = np.divmod(pairs, max(1, len(truth_numbers)))
    a, found_areas = _summed(found_numbers[a], areas)
    b, truth_areas = _summed(truth_numbers[b], areas)
    both = (a >= 0) & (b >= 0)
    return Overlaps(a[both], b[both], areas[both], found_areas, truth_areas)


def stretches(*maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where, row after row, stretches of pixels begin in which none of these maps of one shape changes, and how long
    each is; int64, counted from 0."""
    changes = np.zeros(maps[0].size, bool)
    changes[:1] = True
    for one in maps:
        flat = one.reshape(-1)
        changes[1:] |= flat[1:] != flat[:-1]
    starts = np.flatnonzero(changes)
    return starts, np.diff(starts, append=changes.size)


def matches(found: np.ndarray, truth: np.ndarray, smallest: Sequence[int] = (0,)) -> np.ndarray:
    """How many objects are matched at each IoU threshold t = .5, .55 … .95, without those found that are too small.

    A pair is matched where IoU > t, strictly; because t >= .5 an object has at most one match. In integers, as in
    `metrics.precision_over_iou`: 20 x intersection > (10 + level) x union.

    Args:
        found, truth: maps of one shape.
        smallest: areas in pixels; an object of `found` with fewer is taken for background.
    Returns: len(smallest) x 10 x 3, int64: true positives, false positives, false negatives.
    """
    table = overlaps(found, truth)
    areas = table.found_areas[table.found]
    union = areas + table.truth_areas[table.truth] - table.intersection
    hits = 20 * table.intersection[:, None] > (10 + LEVELS) * union[:, None]
    # few pairs are matched at all
    matched = hits[:, 0]
    hits, areas = hits[matched], areas[matched]
    minima = np.asarray(smallest, np.int64)[:, None]
    true = (areas >= minima).astype(np.int64) @ hits.astype(np.int64)
    kept = (table.found_areas >= minima).sum(axis=1, keepdims=True)
    return np.stack([true, kept - true, len(table.truth_areas) - true], axis=-1)


@dataclass(frozen=True)
class ObjectMetric:
    """The score of Data Science Bowl 2018: TP / (TP + FP + FN) over objects, mean over t = .5, .55 … .95 and images.

    An image with no object, found or true, scores 1. (https://www.kaggle.com/c/data-science-bowl-2018/overview/evaluation)
    Its statistic of an image is that of `matches`.

    Attributes:
        name: how the competition calls it, for tables.
    """

    name: str

    unit = staticmethod(each_image)
    objects = True

    def statistic(self, task, decoded: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Of one image, both H x W x 1 numbers of objects: 10 x 3, int64."""
        return matches(decoded[..., 0], labels[..., 0])[0]

    def scores(self, statistics: np.ndarray) -> np.ndarray:
        """(…, 10, 3) to (…), 0..1."""
        total = statistics.sum(axis=-1)
        return np.where(total == 0, 1.0, statistics[..., 0] / np.maximum(total, 1)).mean(axis=-1)

    def is_empty(self, statistics: np.ndarray) -> np.ndarray:
        """Whether nothing at all was found: (…, 10, 3) to (…)."""
        return statistics[..., 0, :2].sum(axis=-1) == 0

    def class_scores(self, statistics: np.ndarray) -> None:
        """Objects are of one class."""
        return

    def overlap(self, statistics: np.ndarray) -> None:
        """Matched objects do not say how many pixels overlap."""
        return


def encode_labels(labels: np.ndarray) -> list[str]:
    """The run lengths (as in `rle`) of each object of an H x W map, in the order of their numbers; none: []."""
    flat = labels.T.ravel()
    starts, lengths = stretches(flat)
    numbers = flat[starts]
    filled = np.flatnonzero(numbers)
    # stable: the runs of an object stay sorted
    order = filled[np.argsort(numbers[filled], kind="stable")]
    words = np.stack([starts[order] + 1, lengths[order]], axis=-1).ravel()
    words = list(map(str, words.tolist()))
    ends = [*(2 * np.flatnonzero(np.diff(numbers[order])) + 2).tolist(), len(words)]
    return [" ".join(words[i:j]) for i, j in zip([0, *ends[:-1]], ends, strict=True) if j]


def paint_runs(rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The inverse of `encode_labels`: an H x W uint16 map where the object of row 0, 1, … has the number 1, 2, …

    Args: rows, starts, lengths: of checked runs, as `rle.parse_many` returns them; where they overlap the later wins.
    """
    height, width = shape
    flat = np.zeros(height * width, np.uint16)
    before = np.cumsum(lengths) - lengths
    pixels = np.arange(lengths.sum()) + np.repeat(starts - 1 - before, lengths)
    flat[pixels] = np.repeat(rows + 1, lengths)
    return np.ascontiguousarray(flat.reshape(width, height).T)


def _indexed(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, and of each entry the index into them; some of these numbers may occur nowhere."""
    if numbers.size == 0 or (numbers.min() >= 0 and numbers.max() < SMALL):
        return np.arange(int(numbers.max(initial=0)) + 1), numbers.astype(np.int64)
    return np.unique(numbers, return_inverse=True)


def _counted(keys: np.ndarray, pixels: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """The keys 0 … limit - 1 that occur, in order, and the pixels of each."""
    # a table of all keys only where it is not much larger than the picture
    if limit > 4 * keys.size + SMALL:
        present, keys = np.unique(keys, return_inverse=True)
        return present, np.bincount(keys, pixels).astype(np.int64)
    counts = np.bincount(keys, pixels).astype(np.int64)
    present = np.flatnonzero(counts)
    return present, counts[present]


def _summed(numbers: np.ndarray, areas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The index of each number among those that are not 0 (-1 for 0), and the areas summed for each of these."""
    objects = np.unique(numbers[numbers != 0])
    index = np.where(numbers != 0, np.searchsorted(objects, numbers), -1)
    sums = np.zeros(len(objects), np.int64)
    np.add.at(sums, index[index >= 0], areas[index >= 0])
    return index, sums
