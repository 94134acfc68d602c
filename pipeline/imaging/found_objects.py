"""Which objects are found, missed and invented: counted by their size and by the best IoU that they reach."""

from typing import NamedTuple

import numpy as np

from pipeline.imaging.objects import overlaps

SIZES = 4 ** np.arange(9)  # the least pixels of each class of size: 1, 4, 16 … 65536
STEPS = 20  # of IoU: step k is (k - 1) / 20 < IoU <= k / 20, and 0 where an object overlaps nothing
HALF = 10  # an object is matched where its step is above it: IoU > .5, so that it has at most one match


class Found(NamedTuple):
    """Objects counted by class of size and step of IoU; adds up over images.

    Attributes: truth: the true ones, by the best IoU with one that was found; found: those found, by the best IoU with
    a true one. Both len(SIZES) x (STEPS + 1), int64.
    """

    truth: np.ndarray
    found: np.ndarray


def counted(found: np.ndarray, truth: np.ndarray) -> Found:
    """From two H x W maps of object numbers, 0 is background."""
    table = overlaps(found, truth)
    union = table.found_areas[table.found] + table.truth_areas[table.truth] - table.intersection
    # rounded up in integers: 20 x .55 is not 11 in floating point
    steps = -(-STEPS * table.intersection // union)
    return Found(_best(table.truth_areas, table.truth, steps), _best(table.found_areas, table.found, steps))


def _best(areas: np.ndarray, owner: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Objects of these areas by class of size and by the largest of the steps that they own."""
    best = np.zeros(len(areas), np.int64)
    np.maximum.at(best, owner, steps)
    size = np.searchsorted(SIZES, areas, side="right") - 1
    table = np.bincount(size * (STEPS + 1) + best, minlength=len(SIZES) * (STEPS + 1))
    return table.reshape(len(SIZES), STEPS + 1)
