"""The search among rules that are tried one by one, for whatever a metric counts: objects, volumes, whole sets."""

import numpy as np

from pipeline.imaging.plateau import farthest_inside
from pipeline.tasks.scoring import Tally, error_of
from pipeline.tasks.thresholds import Thresholds


class Candidates:
    """Scores of n images under each of m rules.

    Args:
        rules: m rules, each one `Thresholds` per class, in C order of a grid. The rule in the plain place (.5
            everywhere, or the nearest to it) is kept unless another gains more than a standard error.
        statistics: m x n x …, what the metric counts of each image under each rule.
        metric, groups: see `Tally`.
        shape: of the grid.
        axes: of each axis of the grid the field of `Thresholds` it varies, its title and its values, for pictures.
    """

    def __init__(self, rules, statistics: np.ndarray, metric, groups=None, shape=None, axes=()):
        self.rules, self.all_statistics = rules, statistics
        self.metric, self.groups = metric, groups
        self.shape, self.axes = shape or (len(rules),), axes

    def statistics(self, rules: list[Thresholds]) -> np.ndarray:
        """n x …: the statistics of each image under one of the m rules."""
        return self.all_statistics[self.rules.index(rules)]

    def choose(self, rows: np.ndarray) -> list[Thresholds]:
        """The rule farthest inside the plateau of the best ones, unless it gains too little over the plain one."""
        tallies = [self._tally(i, rows) for i in range(len(self.rules))]
        scores = np.array([tally.score() for tally in tallies])
        deviations = np.stack([tally.deviations() for tally in tallies])
        best = int(scores.argmax())
        errors = np.array([error_of(row - deviations[best]) for row in deviations])
        plateau = scores >= scores[best] - errors
        chosen = int(np.ravel_multi_index(self._farthest(plateau, scores), self.shape))
        plain = self._plain()
        if plain is not None and deviations.shape[1] > 1:
            gained = scores[chosen] - scores[plain]
            if gained <= error_of(deviations[chosen] - deviations[plain]):
                return self.rules[plain]
        elif plain is not None:
            # a single part has no standard error: no gain of it is evidence
            return self.rules[plain]
        return self.rules[chosen]

    def pictures(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """For the report: the mean score over the first two axes of the grid, at the best of the others."""
        if len(self.axes) < 2:
            return {}
        scores = np.array([self._tally(i, rows).score() for i in range(len(self.rules))]).reshape(self.shape)
        means = scores.reshape(*scores.shape[:2], -1).max(axis=2)
        return {f"{name}0": array for name, array in surface(means, *self.axes[:2]).items()}

    def _tally(self, rule: int, rows: np.ndarray) -> Tally:
        return Tally(self.metric, self.all_statistics[rule][rows], None if self.groups is None else self.groups[rows])

    def _farthest(self, plateau: np.ndarray, scores: np.ndarray) -> tuple:
        index = farthest_inside(plateau.reshape(self.shape), scores.reshape(self.shape))
        return index if isinstance(index, tuple) else (int(index),)

    def _plain(self) -> int | None:
        """Where every class has .5 and no minimum, if it is among the rules."""
        plain = [Thresholds()] * len(self.rules[0])
        return self.rules.index(plain) if plain in self.rules else None


def surface(means: np.ndarray, x: tuple, y: tuple) -> dict[str, np.ndarray]:
    """What the report needs to draw mean scores over two axes, each (field of `Thresholds`, title, values)."""
    fields, titles, values = zip(x, y, strict=True)
    arrays = {"fields": np.array(fields), "titles": np.array(titles)}
    return {"surface": means, "x": np.asarray(values[0], float), "y": np.asarray(values[1], float), **arrays}
