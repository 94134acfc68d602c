"""Average precision of objects that have scores, of their masks and of their boxes, as COCO has it.

Lin et al. 2014 (arXiv:1405.0312): those found are gone through from the likeliest on; each is matched with the true one
of its image that it overlaps most and that no likelier one has, if its IoU reaches the threshold.
"""

from typing import NamedTuple

import numpy as np

from pipeline.imaging.objects import overlaps

LEVELS = np.arange(10)  # of the thresholds .5, .55 … .95, which are (10 + level) / 20
RECALLS = np.arange(101)  # in hundredths


class Ranked(NamedTuple):
    """Of one image or of many.

    Attributes:
        scores: n, of the objects found. masks, boxes: n x 10 bool, whether each is matched at each threshold.
        truth: how many true objects there are.
    """

    scores: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray
    truth: int


def ranked(found: np.ndarray, truth: np.ndarray, likely: np.ndarray) -> Ranked:
    """From two H x W maps of numbers of objects, 0 is background, and how likely a pixel is of one, H x W.

    The score of an object is the mean over its pixels.
    """
    table = overlaps(found, truth)
    scores = scores_of(found, likely)
    union = table.found_areas[table.found] + table.truth_areas[table.truth] - table.intersection
    both = np.zeros((len(table.found_areas), len(table.truth_areas)), np.int64)
    either = np.ones_like(both)
    both[table.found, table.truth], either[table.found, table.truth] = table.intersection, union
    order = np.argsort(-scores, kind="stable")
    boxes = _shared(_boxes(found), _boxes(truth))
    return Ranked(scores, _matched(both, either, order), _matched(*boxes, order), len(table.truth_areas))


def scores_of(found: np.ndarray, likely: np.ndarray) -> np.ndarray:
    """The score of each object, in the order of their numbers: the mean of `likely` over its pixels."""
    places = np.unique(found[found != 0], return_inverse=True)[1]
    return np.bincount(places, np.asarray(likely, float)[found != 0]) / np.maximum(np.bincount(places), 1)


def joined(parts: list[Ranked]) -> Ranked:
    """Of all images together."""
    scores, masks, boxes = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return Ranked(scores, masks, boxes, sum(part.truth for part in parts))


def average_precision(scores: np.ndarray, hits: np.ndarray, truth: int) -> np.ndarray:
    """At each threshold the mean of the best precision that is reached at each of RECALLS or beyond, 0 where none is.

    Args: scores: n; hits: n x thresholds bool; truth: how many true objects there are, 1 or more.
    """
    hits = hits[np.argsort(-scores, kind="stable")]
    true = np.cumsum(hits, axis=0)
    precision = true / np.arange(1, len(hits) + 1)[:, None]
    best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    found = np.zeros(hits.shape[1])
    for k in range(hits.shape[1]):
        # in integers: a recall of .35 is 7 of 20
        first = np.searchsorted(100 * true[:, k], RECALLS * truth)
        found[k] = np.concatenate([best[:, k], [0.0]])[first].mean()
    return found


def _boxes(numbers: np.ndarray) -> np.ndarray:
    """n x 4, top, left, bottom, right of each object, in the order of their numbers."""
    from scipy.ndimage import find_objects

    # None for a number that no pixel has
    found = [places for places in find_objects(np.asarray(numbers).astype(np.int64)) if places]
    return np.array([[side.start for side in at] + [side.stop for side in at] for at in found], np.int64).reshape(-1, 4)


def _shared(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(intersection, union) of each pair of boxes, in pixels."""
    first, last = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.maximum(last - first, 0).prod(axis=2)
    areas = [(side[:, 2:] - side[:, :2]).prod(axis=1) for side in (a, b)]
    return both, areas[0][:, None] + areas[1][None] - both


def _matched(both: np.ndarray, either: np.ndarray, order: np.ndarray) -> np.ndarray:
    """n x 10 bool, of the objects found, which are gone through in this order."""
    hits = np.zeros((len(both), len(LEVELS)), bool)
    free = np.ones((len(LEVELS), both.shape[1]), bool)
    least = 10 + LEVELS[:, None]
    near = 20 * both >= least[0] * either
    for i in order[near[order].any(axis=1)]:
        # few true ones are near enough at the lowest threshold, and at the others no further ones are
        close = np.flatnonzero(near[i])
        fits = free[:, close] & (20 * both[i, close] >= least * either[i, close])
        best = np.argmax(np.where(fits, both[i, close] / either[i, close], -1), axis=1)
        hits[i] = fits.any(axis=1)
        free[hits[i], close[best[hits[i]]]] = False
    return hits
