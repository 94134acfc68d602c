"""One class in pictures of which a part is labelled: elsewhere nothing is learnt and nothing scored."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from pipeline.imaging.metrics import CountMetric, each_image
from pipeline.tasks.binary import Binary
from pipeline.tasks.candidates import Candidates
from pipeline.tasks.scoring import Tally
from pipeline.tasks.search import LevelCounts, count_levels
from pipeline.tasks.task import Items
from pipeline.tasks.thresholds import Thresholds

LEVELS = tuple(range(1, 256))  # of the plain threshold
TOGETHER = 256  # images counted before they are packed


@dataclass(frozen=True)
class PartlyLabelled(Binary):
    """Binary; labels are H x W x 1: 0, 1, and `void` where nobody has said which.

    A threshold is searched among all levels. No minimum area is: what a slice shows of a sheet says little of it.
    """

    void = 2
    largest_label = 2
    labels_in_words = "0 and 1, and 2 where a pixel is not labelled"

    def target(self, labels: np.ndarray) -> np.ndarray:
        """H x W x 1 labels to uint8 {0, 255}; what is not `known` counts in no loss, whatever stands there."""
        return super().target(labels == 1)

    def known(self, labels: np.ndarray) -> np.ndarray:
        """Which pixels are labelled: H x W x 1 bool."""
        return labels != self.void

    def apart(self, labels: np.ndarray) -> np.ndarray:
        return super().apart(labels == 1)

    def search(self, metric: CountMetric, items: Items, groups=None) -> "Levels":
        """Exact, from (group, probabilities, labels) of each image, in one pass over the pixels."""
        planes = ((found[labels != self.void][None], labels[labels != self.void][None]) for _, found, labels in items)
        return Levels(_counted(planes), metric, groups)

    def masks(self, labels: np.ndarray):
        yield labels[..., 0] == 1

    def counts(self, decoded: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return super().counts((decoded == 1) & self.known(labels), labels == 1)

    def wrong(self, decoded: np.ndarray, labels: np.ndarray) -> float:
        known = self.known(labels)
        return super().wrong(decoded[known] == 1, labels[known] == 1) if known.any() else 0.0

    def filled(self, labels: np.ndarray) -> np.ndarray:
        return super().filled(labels == 1)

    def coverage(self, labels: np.ndarray) -> float:
        return super().coverage(labels == 1)


def _counted(planes: Iterator[tuple[np.ndarray, np.ndarray]]) -> LevelCounts:
    """As `count_levels`, in half the bytes: of volumes there are hundreds of thousands of slices."""
    areas, intersections, pixels = [], [], []
    while some := list(islice(planes, TOGETHER)):
        found = count_levels(some)
        areas.append(found.area.astype(np.int32))
        intersections.append(found.intersection.astype(np.int32))
        pixels.append(found.pixels)
    area, intersection = np.concatenate(areas), np.concatenate(intersections)
    return LevelCounts(area, intersection, intersection[:, 0].astype(np.int64), np.concatenate(pixels))


class Levels:
    """The search among plain thresholds, from sums over what is scored or left out together: hundreds of thousands of
    slices are a few volumes.

    Args: counts: of the images; metric, groups: see `Tally`.
    """

    def __init__(self, counts: LevelCounts, metric: CountMetric, groups: np.ndarray | None = None):
        self.counts, self.metric = counts, metric
        alone = np.arange(len(counts.truth))
        self.groups = alone if groups is None else groups
        # of counts that add up over groups, or over everything
        self.parts = alone if metric.unit is each_image else np.unique(self.groups, return_inverse=True)[1]
        self.rules = [[Thresholds() if level == 128 else Thresholds(level / 255, 0, level / 255)] for level in LEVELS]

    def choose(self, rows: np.ndarray) -> list[Thresholds]:
        """The rule for these images, as `Candidates` chooses."""
        found = self._candidates(rows)
        return found.choose(np.arange(found.all_statistics.shape[1]))

    def statistics(self, rules: list[Thresholds]) -> np.ndarray:
        """n x 1 x 3: (intersection, predicted, truth) of each image under a rule."""
        return self.counts.under(rules[0])[:, None]

    def pictures(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """For the report: the score at every level."""
        found = self._candidates(rows)
        tallies = (Tally(self.metric, statistics, found.groups) for statistics in found.all_statistics)
        return {"curve0": np.array([tally.score() for tally in tallies])}

    def _candidates(self, rows: np.ndarray) -> Candidates:
        _, first, sizes = np.unique(self.parts[rows], return_index=True, return_counts=True)
        members = np.split(rows[np.argsort(self.parts[rows], kind="stable")], np.cumsum(sizes)[:-1])
        counts = (
            self.counts.intersection,
            self.counts.area,
            np.broadcast_to(self.counts.truth[:, None], (len(self.parts), 256)),
        )
        sums = np.array([[each[some].sum(axis=0, dtype=np.int64) for each in counts] for some in members])
        # parts x 3 x levels
        statistics = sums[..., list(LEVELS)].transpose(2, 0, 1)[:, :, None]
        return Candidates(self.rules, statistics, self.metric, np.asarray(self.groups)[rows[first]])
