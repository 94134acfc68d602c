"""From what was found in each image to a score with its standard error, whatever the metric's unit is."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.tasks.thresholds import Thresholds


@dataclass(frozen=True)
class Tally:
    """What n images got.

    Attributes:
        metric: the competition's.
        statistics: n x …, what the metric counts of each image; adds up over the images of a unit.
        groups: of each image, or None.
    """

    metric: object
    statistics: np.ndarray
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.statistics)

    def of(self, rows: np.ndarray) -> "Tally":
        """The tally of some of the images."""
        return Tally(self.metric, self.statistics[rows], None if self.groups is None else self.groups[rows])

    def units(self) -> np.ndarray:
        """The number 0, 1, … of each image's unit."""
        return self.metric.unit(self.groups, len(self))

    def image_scores(self) -> np.ndarray:
        """n scores, each image taken for itself, whatever the unit is."""
        return self.metric.scores(self.statistics)

    def score(self) -> float:
        """The competition's score: the mean over units, unrounded."""
        return float(self._unit_scores().mean())

    def error(self) -> float:
        """The standard error of `score`; 0 where there is only one independent part."""
        return error_of(self.deviations())

    def deviations(self) -> np.ndarray:
        """What each independent part (group, or image where there are none) moves the score by.

        Parts, not units: the images of one patient, the frames of one drive are no independent evidence (for means:
        the cluster-robust error of Liang and Zeger 1986). Where the whole set is one unit, what leaving a part out
        does to the score (the jackknife: Tukey 1958).
        """
        units, parts = self.units(), self._parts()
        if units.max(initial=0) == 0 and parts.max(initial=0) > 0:
            total = self.statistics.sum(axis=0)
            left = self.metric.scores(total - _sums(self.statistics, parts))
            return (left.mean() - left) * (len(left) - 1) / len(left)
        scores = self._unit_scores()
        part_of_unit = np.zeros(len(scores), int)
        part_of_unit[units] = parts
        return np.bincount(part_of_unit, weights=scores - scores.mean()) / len(scores)

    def by_class(self) -> np.ndarray | None:
        """The score of each class, mean over units; None where the metric knows no classes."""
        scores = self.metric.class_scores(_sums(self.statistics, self.units()))
        if scores is None:
            return None
        return np.array(
            [column[~np.isnan(column)].mean() if (~np.isnan(column)).any() else np.nan for column in scores.T]
        )

    def _parts(self) -> np.ndarray:
        return np.arange(len(self)) if self.groups is None else np.unique(self.groups, return_inverse=True)[1]

    def _unit_scores(self) -> np.ndarray:
        return self.metric.scores(_sums(self.statistics, self.units()))


def error_of(deviations: np.ndarray) -> float:
    """The standard error that belongs to the deviations of independent parts; 0 for fewer than two."""
    parts = len(deviations)
    return float(np.sqrt((deviations**2).sum() * parts / (parts - 1))) if parts > 1 else 0.0


def gain(tally: Tally, other: Tally) -> tuple[float, float]:
    """By how much the first is better on the same images, and the standard error of that (paired)."""
    return tally.score() - other.score(), error_of(tally.deviations() - other.deviations())


def count(metric, task, items: Iterable[tuple], thresholds: list[Thresholds], groups=None) -> Tally:
    """The tally of images decoded by `thresholds`, from (group, probabilities, labels) of each."""
    truth = []

    def answers():
        for group, probabilities, labels in items:
            truth.append(labels)
            yield group, probabilities

    statistics = []
    for decoded in task.decoded(answers(), thresholds):
        # `decoded` may run ahead of what it gives back: a volume is read before its first slice is answered
        statistics.append(metric.statistic(task, decoded, truth.pop(0)))
    return Tally(metric, np.stack(statistics), groups)


def _sums(statistics: np.ndarray, index: np.ndarray) -> np.ndarray:
    """n x … summed over the images of each index 0, 1, …"""
    if np.array_equal(index, np.arange(len(index))):
        return statistics
    total = np.zeros((int(index.max(initial=-1)) + 1, *statistics.shape[1:]), statistics.dtype)
    np.add.at(total, index, statistics)
    return total
