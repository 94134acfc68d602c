"""Scores of objects that are counted as matched, invented or missed: formulas, and the metric that takes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.imaging.f_beta import f_beta
from pipeline.imaging.metrics import Counts, each_image
from pipeline.imaging.objects import LEVELS, ObjectMetric

IOU_THRESHOLDS = tuple((10 + level) / 20 for level in LEVELS.tolist())  # .5, .55 … .95


def average_precision(true_positives: Counts, false_positives: Counts, false_negatives: Counts) -> np.ndarray:
    """TP / (TP + FP + FN): objects that count alike, without an order of confidence (DSB 2018); 1 where there are
    none."""
    total = true_positives + false_positives + false_negatives
    return np.where(total == 0, 1.0, true_positives / np.maximum(total, 1))


def object_f1(true_positives: Counts, false_positives: Counts, false_negatives: Counts) -> np.ndarray:
    """F1 of objects, 2 TP / (2 TP + FP + FN); 1 where there are none."""
    return f_beta(1.0, true_positives, true_positives + false_positives, true_positives + false_negatives)


def object_f2(true_positives: Counts, false_positives: Counts, false_negatives: Counts) -> np.ndarray:
    """F2 of objects, 5 TP / (5 TP + 4 FN + FP) (Airbus Ship Detection 2018); 1 where there are none."""
    return f_beta(2.0, true_positives, true_positives + false_positives, true_positives + false_negatives)


@dataclass(frozen=True)
class ObjectCountMetric(ObjectMetric):
    """A score of matched objects: `formula` on the counts of a unit at each threshold, mean over these and over units.

    Its statistic of an image is that of `objects.matches`, as `ObjectMetric` has it, so rules are searched alike. A
    pair is matched where IoU > t, strictly.

    Attributes:
        name: how the competition calls it, for tables.
        formula: (TP, FP, FN) -> scores in 0..1, arrays of one shape.
        thresholds: of IoU, each one of .5, .55 … .95; all where nothing is said.
        unit: what is scored: `each_image`, `each_group` or `whole_set` of `metrics`.

    Raises ValueError for a threshold at which nothing is counted.
    """

    formula: Callable[[Counts, Counts, Counts], np.ndarray] = average_precision
    thresholds: Sequence[float] = IOU_THRESHOLDS
    unit: Callable[[np.ndarray | None, int], np.ndarray] = each_image

    def __post_init__(self):
        odd = [value for value in self.thresholds if not np.isclose(value, IOU_THRESHOLDS).any()]
        if odd or not self.thresholds:
            said = odd[0] if odd else "none given"
            raise ValueError(f"thresholds of IoU are among .5, .55 … .95; {said} is not")

    def scores(self, statistics: np.ndarray) -> np.ndarray:
        """(…, 10, 3) to (…), 0..1."""
        levels = [int(np.abs(np.subtract(IOU_THRESHOLDS, value)).argmin()) for value in self.thresholds]
        chosen = statistics[..., levels, :]
        return self.formula(chosen[..., 0], chosen[..., 1], chosen[..., 2]).mean(axis=-1)
