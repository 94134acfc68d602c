"""Scores from pixel counts. A count metric is a formula of (intersection, predicted, truth) in pixels, vectorised.

Counts add up: over the images of a unit (an image, a patient, the whole set), which is then scored by the formula. And
because the formula needs only counts, a sweep over all thresholds reads the pixels once (idea 9 of the house).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Counts = np.ndarray


def iou(intersection: Counts, predicted: Counts, truth: Counts) -> np.ndarray:
    """Intersection over union (Jaccard, 1912); 1 where both are empty. Any broadcastable integer arrays."""
    union = predicted + truth - intersection
    return np.where(union == 0, 1.0, intersection / np.maximum(union, 1))


def iou_of_present(intersection: Counts, predicted: Counts, truth: Counts) -> np.ndarray:
    """`iou`, but not a number where both are empty: a class that is not there takes no part in a mean over classes."""
    return np.where(predicted + truth == 0, np.nan, iou(intersection, predicted, truth))


def dice(intersection: Counts, predicted: Counts, truth: Counts) -> np.ndarray:
    """2 x intersection / (predicted + truth) (Dice, 1945); 1 where both are empty."""
    total = predicted + truth
    return np.where(total == 0, 1.0, 2 * intersection / np.maximum(total, 1))


def precision_over_iou(intersection: Counts, predicted: Counts, truth: Counts) -> np.ndarray:
    """TGS Salt's score of one image: the share of the thresholds t = 0.5, 0.55 … 0.95 with IoU > t.

    Both empty scores 1, exactly one empty 0. In integers, because 0.5 + 0.05 * 7 is not 0.85 in floating point:
    IoU > (10 + j) / 20 if and only if 20 x intersection > (10 + j) x union.
    (https://www.kaggle.com/c/tgs-salt-identification-challenge/overview/evaluation)
    """
    intersection, predicted, truth = (np.asarray(count, np.int64) for count in (intersection, predicted, truth))
    union = predicted + truth - intersection
    hits = np.zeros(np.broadcast(intersection, union).shape, np.int64)
    for j in range(10):
        hits += 20 * intersection > (10 + j) * union
    return np.where(union == 0, 1.0, hits / 10)


def each_image(groups: np.ndarray | None, count: int) -> np.ndarray:
    """The unit of each of `count` images: every image is scored."""
    return np.arange(count)


def each_group(groups: np.ndarray | None, count: int) -> np.ndarray:
    """Every group (patient) is scored as a whole; where there are no groups, every image."""
    return np.arange(count) if groups is None else np.unique(groups, return_inverse=True)[1]


def whole_set(groups: np.ndarray | None, count: int) -> np.ndarray:
    """All images together are scored once."""
    return np.zeros(count, int)


@dataclass(frozen=True)
class CountMetric:
    """A competition's score: `formula` on the pixel counts of a unit, mean over classes, mean over units.

    Its statistic of an image is (…, classes, 3): pixels in (intersection, predicted, truth) for each class.

    Attributes:
        name: how the competition calls it, for tables.
        formula: (intersection, predicted, truth) -> scores in 0..1, arrays of one broadcast shape; not a number where
            a class takes no part.
        unit: what is scored: `each_image`, `each_group` or `whole_set`.
    """

    name: str
    formula: Callable[[Counts, Counts, Counts], np.ndarray]
    unit: Callable[[np.ndarray | None, int], np.ndarray] = each_image

    objects = False  # it counts pixels

    def statistic(self, task, decoded: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Of one image: classes x 3, int64."""
        return task.counts(decoded, labels)

    def class_scores(self, statistics: np.ndarray) -> np.ndarray:
        """(…, classes, 3) to (…, classes)."""
        return self.formula(statistics[..., 0], statistics[..., 1], statistics[..., 2])

    def scores(self, statistics: np.ndarray) -> np.ndarray:
        """(…, classes, 3) to (…): the mean over the classes that take part; 1 where none does."""
        scores = self.class_scores(statistics)
        taking_part = ~np.isnan(scores)
        count = taking_part.sum(axis=-1)
        return np.where(count == 0, 1.0, np.where(taking_part, scores, 0).sum(axis=-1) / np.maximum(count, 1))

    def is_empty(self, statistics: np.ndarray) -> np.ndarray:
        """Whether nothing at all was found: (…, classes, 3) to (…)."""
        return statistics[..., 1].sum(axis=-1) == 0

    def overlap(self, statistics: np.ndarray) -> np.ndarray:
        """IoU, mean over classes: (…, classes, 3) to (…)."""
        return iou(statistics[..., 0], statistics[..., 1], statistics[..., 2]).mean(axis=-1)


def standard_error(scores: np.ndarray, groups: np.ndarray | None = None) -> float:
    """The standard error of the mean of `scores`; 0 for fewer than two units.

    With groups (patients, drives) the units are the groups: deviations are added within a group first, because the
    images of one group are no independent evidence (cluster-robust: Liang and Zeger 1986).
    """
    deviations = np.asarray(scores, float) - np.mean(scores)
    if groups is not None:
        _, index = np.unique(groups, return_inverse=True)
        deviations = np.bincount(index, weights=deviations)
    units = len(deviations)
    if units < 2:
        return 0.0
    return float(np.sqrt((deviations**2).sum() * units / (units - 1)) / len(scores))
