"""Scores from pixel counts. A count metric is a formula of (intersection, predicted, truth) in pixels, vectorised.

Because the formula needs only counts, a sweep over all thresholds reads the pixels once (idea 9 of the house).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Counts = np.ndarray


def iou(intersection: Counts, predicted: Counts, truth: Counts) -> np.ndarray:
    """Intersection over union (Jaccard, 1912); 1 where both are empty. Any broadcastable integer arrays."""
    union = predicted + truth - intersection
    return np.where(union == 0, 1.0, intersection / np.maximum(union, 1))


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


@dataclass(frozen=True)
class CountMetric:
    """A competition's score: `formula` on the pixel counts of an image; the mean counts.

    Attributes:
        name: how the competition calls it, for tables.
        formula: (intersection, predicted, truth) -> scores in 0..1, arrays of one broadcast shape; one per image.
    """

    name: str
    formula: Callable[[Counts, Counts, Counts], np.ndarray]


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
