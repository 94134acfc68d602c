"""Scores as the organisers compute them, where these cannot be counted at every threshold: of volumes, of objects.

The search then runs on the nearest metric that can (`Competition.metric`); an `OfficialMetric` is reported beside it.
It is made of parts, each measured on a unit (an image, a volume, all that was taken of a patient on one day): a sum and
how much of it there is. Both add up over units; a part's score is the one by the other, so that a mean over units, a
mean over all slices of all units, and a ratio of two sums over all units are said alike.

A measure is a function of (volume, truth), what was found and what is true: S x H x W x layers, the slices of a unit in
the order of their ids, as the metric's `reads` gives them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.imaging.metrics import whole_set

Measure = Callable[[np.ndarray, np.ndarray], tuple[float, float]]


def by_image(name: str, group: str) -> str:
    """Every image is a unit."""
    return name


def by_group(name: str, group: str) -> str:
    """The images of a group are one unit; an image without a group is alone."""
    return group or name


def class_masks(task, labels: np.ndarray) -> np.ndarray:
    """S x H x W x layers labels to a bool mask of each class: S x H x W x classes."""
    return np.stack([np.stack(list(task.masks(picture)), axis=-1) for picture in labels])


def object_numbers(task, labels: np.ndarray) -> np.ndarray:
    """S x H x W x 1 labels as they are: the numbers of objects."""
    return labels


@dataclass(frozen=True)
class Part:
    """A part of an official score.

    Attributes:
        name: for tables. weight: its share of the score.
        measure: (volume, truth) -> (sum, how much); `None` where nobody computes it here: it is then named as left out.
    """

    name: str
    weight: float
    measure: Measure | None


@dataclass(frozen=True)
class OfficialMetric:
    """The organisers' score: the mean of its parts by their weights.

    Attributes:
        name: how the competition calls it, for tables.
        parts: at least one of which can be measured.
        unit_of: (id, group) of an image -> the name of its unit; the images of a unit have one size.
        reads: (task, labels S x H x W x layers) -> what measures are given, found and true alike.
        classes: that count, by name; all of the task's where nothing is said.

    Raises ValueError where nothing can be measured.
    """

    name: str
    parts: Sequence[Part]
    unit_of: Callable[[str, str], str] = by_image
    reads: Callable[[object, np.ndarray], np.ndarray] = class_masks
    classes: Sequence[str] = ()

    # for a tally of units: their statistics add up, and are scored once
    unit = staticmethod(whole_set)

    def __post_init__(self):
        if not any(part.weight > 0 for part in self.measured):
            raise ValueError(f"the official metric '{self.name}' has no part that is measured")

    @property
    def measured(self) -> list[Part]:
        return [part for part in self.parts if part.measure is not None]

    @property
    def left_out(self) -> dict[str, float]:
        """The parts that nobody computes here, with their weights."""
        return {part.name: part.weight for part in self.parts if part.measure is None}

    def statistic(self, task, found: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Of one unit, S x H x W x layers labels each: measured parts x 2, the sum and how much of it there is.

        Where the truth is void nothing was found and nothing is true.
        """
        volume, true = self.reads(task, found), self.reads(task, truth)
        if task.void is not None:
            void = (truth == task.void).any(axis=-1, keepdims=True)
            volume, true = np.where(void, 0, volume).astype(volume.dtype), np.where(void, 0, true).astype(true.dtype)
        if self.classes:
            kept = [list(task.classes).index(name) for name in self.classes]
            volume, true = volume[..., kept], true[..., kept]
        return np.array([part.measure(volume, true) for part in self.measured], float)

    def part_scores(self, statistics: np.ndarray) -> np.ndarray:
        """(…, parts, 2) to (…, parts): 1 where there is nothing to score, found or true."""
        much = statistics[..., 1]
        return np.where(much == 0, 1.0, statistics[..., 0] / np.where(much == 0, 1.0, much))

    def scores(self, statistics: np.ndarray) -> np.ndarray:
        """(…, parts, 2) to (…): the mean of the measured parts by their weights."""
        weights = np.array([part.weight for part in self.measured])
        return self.part_scores(statistics) @ weights / weights.sum()
