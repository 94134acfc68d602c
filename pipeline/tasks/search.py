"""The search for the thresholds of one class: exact, from per-image histograms, in one pass over the pixels.

For every image the pixels at or above each of the 256 levels are counted, all and those inside the truth. From these
counts the score of any (top, min_area, bottom) follows without looking at a pixel again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.imaging.metrics import CountMetric, each_image, standard_error
from pipeline.imaging.plateau import farthest_inside
from pipeline.tasks.candidates import Candidates, surface
from pipeline.tasks.thresholds import Thresholds, level

LEVELS = np.arange(1, 256)  # of the plain threshold
GRID = np.arange(9, 250, 3)  # of top and bottom: .035 to .98 in steps of .012
AREAS = 24  # minimum areas tried, from none to LARGEST_AREA of the image, evenly spaced in their logarithm
LARGEST_AREA = 0.08


@dataclass(frozen=True)
class LevelCounts:
    """Pixels of n images at or above each level.

    Attributes: area, intersection: n x 256, int64; truth: n; pixels: n, of the whole image.
    """

    area: np.ndarray
    intersection: np.ndarray
    truth: np.ndarray
    pixels: np.ndarray

    def under(self, thresholds: Thresholds) -> np.ndarray:
        """(intersection, predicted, truth) of every image under a rule of top, min_area and bottom: n x 3."""
        keeps = self.area[:, level(thresholds.top)] >= thresholds.min_area
        bottom = level(thresholds.bottom)
        return np.stack([self.intersection[:, bottom] * keeps, self.area[:, bottom] * keeps, self.truth], axis=-1)


def count_levels(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> LevelCounts:
    """From (probabilities H x W uint8, truth H x W, not 0 is the class) of each image."""
    areas, intersections = [], []
    for probabilities, truth in pairs:
        index = probabilities.astype(np.int16).ravel()
        index += np.int16(256) * (truth.ravel() != 0)
        histogram = np.bincount(index, minlength=512).reshape(2, 256)
        at_or_above = histogram[:, ::-1].cumsum(axis=1)[:, ::-1]
        areas.append(at_or_above.sum(axis=0))
        intersections.append(at_or_above[1])
    area, intersection = np.stack(areas), np.stack(intersections)
    return LevelCounts(area, intersection, truth=intersection[:, 0], pixels=area[:, 0])


class Sweep:
    """Scores of n images under every rule.

    Args:
        counts: of the images; metric: the competition's; groups: of each image, for standard errors (images of one
            patient are not independent); None where every image stands alone.
    """

    def __init__(self, counts: LevelCounts, metric: CountMetric, groups: np.ndarray | None = None):
        self.counts, self.groups = counts, groups
        self.kept = _scores(metric, counts.intersection, counts.area, counts.truth[:, None])
        nothing = np.zeros_like(counts.truth)
        self.emptied = _scores(metric, nothing, nothing, counts.truth)
        largest = max(2, LARGEST_AREA * float(np.median(counts.pixels)))
        self.areas = np.unique([0, *np.geomspace(4, max(4, largest), AREAS - 1).round().astype(int)])

    def scores(self, thresholds: Thresholds) -> np.ndarray:
        """The score of every image under a rule of top, min_area and bottom."""
        keeps = self.counts.area[:, level(thresholds.top)] >= thresholds.min_area
        return np.where(keeps, self.kept[:, level(thresholds.bottom)], self.emptied)

    def statistics(self, thresholds: Thresholds) -> np.ndarray:
        """(intersection, predicted, truth) of every image under such a rule: n x 3."""
        return self.counts.under(thresholds)

    def choose(self, rows: np.ndarray) -> Thresholds:
        """The rule for these images: the plain threshold unless the richer one gains more than a standard error."""
        plain, rich = self.best_plain(rows), self.best_rich(rows)
        gain = (self.scores(rich) - self.scores(plain))[rows]
        groups = None if self.groups is None else self.groups[rows]
        units = len(rows) if groups is None else len(set(groups))
        # a single unit has no standard error: no gain of it is evidence
        return rich if units > 1 and gain.mean() > standard_error(gain, groups) else plain

    def best_plain(self, rows: np.ndarray) -> Thresholds:
        """The middle of the plateau of plain thresholds."""
        scores = self.kept[np.ix_(rows, LEVELS)]
        means = scores.mean(axis=0)
        difference = scores - scores[:, [means.argmax()]]
        errors = difference.std(axis=0) / np.sqrt(len(rows)) * self._clustering(scores[:, means.argmax()], rows)
        chosen = int(LEVELS[farthest_inside(difference.mean(axis=0) >= -errors, means)])
        return Thresholds(top=chosen / 255, bottom=chosen / 255)

    def best_rich(self, rows: np.ndarray) -> Thresholds:
        """The point farthest inside the plateau over top x min_area x bottom."""
        means, squares, keeps = self._moments(rows)
        best = np.unravel_index(means.argmax(), means.shape)
        # per image: the best rule's score; then E[(x - b)^2] from three products instead of a table per rule
        reference = self.scores(self._rule(best))[rows]
        gains = self.kept[np.ix_(rows, GRID)] - self.emptied[rows, None]
        shape = means.shape
        crossed = (keeps @ (gains * reference[:, None])).reshape(shape) + (self.emptied[rows] * reference).sum()
        count = len(rows)
        deviation = means - reference.mean()
        variance = squares - 2 * crossed / count + (reference**2).mean() - deviation**2
        errors = np.sqrt(np.maximum(variance, 0) / count) * self._clustering(reference, rows)
        plateau = (deviation >= -errors) & np.isfinite(means)
        return self._rule(farthest_inside(plateau, means))

    def curve(self, rows: np.ndarray) -> np.ndarray:
        """The mean score at every plain level 1..255, for pictures."""
        return self.kept[np.ix_(rows, LEVELS)].mean(axis=0)

    def pictures(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """For the report: the mean score over GRID x areas at the best bottom for each, and the plain curve."""
        means = self._moments(rows)[0].max(axis=2)
        x, y = ("top", "top threshold", GRID / 255), ("min_area", "minimum area, pixels", self.areas)
        return {**surface(means, x, y), "curve": self.curve(rows)}

    def _clustering(self, scores: np.ndarray, rows: np.ndarray) -> float:
        """By how much groups enlarge a standard error, measured on one rule's scores and taken for all."""
        alone = standard_error(scores)
        if self.groups is None or alone == 0:
            return 1.0
        return max(1.0, standard_error(scores, self.groups[rows]) / alone)

    def _rule(self, index) -> Thresholds:
        top, area, bottom = GRID[index[0]] / 255, int(self.areas[index[1]]), GRID[index[2]] / 255
        return Thresholds(top=float(top if area else bottom), min_area=area, bottom=float(bottom))

    def _moments(self, rows: np.ndarray):
        """Mean and mean square of the score over GRID x areas x GRID (-inf where top < bottom), and what is kept:
        (GRID x areas) x images, 0 or 1."""
        # images last, as they are gone through
        keeps = self.counts.area.T[np.ix_(GRID, rows)][:, None] >= self.areas[None, :, None]
        keeps = keeps.reshape(-1, len(rows)).astype(np.float64)
        kept, emptied = self.kept[np.ix_(rows, GRID)], self.emptied[rows]
        shape = len(GRID), len(self.areas), len(GRID)
        means = (keeps @ (kept - emptied[:, None])).reshape(shape) / len(rows) + emptied.mean()
        squares = (keeps @ (kept**2 - emptied[:, None] ** 2)).reshape(shape) / len(rows) + (emptied**2).mean()
        means[(GRID[:, None] < GRID[None, :])[:, None, :].repeat(len(self.areas), axis=1)] = -np.inf
        return means, squares, keeps


def _scores(metric: CountMetric, *counts: np.ndarray) -> np.ndarray:
    """Scores of one class from (intersection, predicted, truth), arrays that broadcast."""
    return metric.scores(np.stack(np.broadcast_arrays(*counts), axis=-1)[..., None, :])


class PerClass:
    """The search where each class has a rule of its own and the score is a mean over classes.

    Args:
        searches: one per class: a `Sweep`, or `Candidates` of that class alone.
    """

    def __init__(self, searches: list):
        self.searches = searches

    def choose(self, rows: np.ndarray) -> list[Thresholds]:
        """One rule per class."""
        return [search.choose(rows) for search in self.searches]

    def statistics(self, rules: list[Thresholds]) -> np.ndarray:
        """n x classes x 3."""
        return np.stack([s.statistics(rule) for s, rule in zip(self.searches, rules, strict=True)], axis=1)

    def pictures(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Those of every class, its number behind the name."""
        found = enumerate(search.pictures(rows) for search in self.searches)
        return {f"{name}{k}": array for k, pictures in found for name, array in pictures.items()}


class OneClass(Candidates):
    """A class that is not scored image by image: plain thresholds and minimum areas, tried one by one.

    Args: counts: of the images; metric, groups: see `Candidates`.
    """

    def __init__(self, counts: LevelCounts, metric: CountMetric, groups=None):
        self.counts = counts
        largest = max(2, LARGEST_AREA * float(np.median(counts.pixels)))
        areas = np.unique([0, *np.geomspace(4, max(4, largest), 7).round().astype(int)])
        levels = [level / 255 for level in sorted({*range(13, 250, 8), 128})]
        rules = [Thresholds(value, int(area), value) for value in levels for area in areas]
        rules = [[Thresholds() if rule.bottom == 128 / 255 and not rule.min_area else rule] for rule in rules]
        statistics = np.stack([counts.under(rule[0])[:, None] for rule in rules])
        axes = ("bottom", "threshold", levels), ("min_area", "minimum area, pixels", areas)
        super().__init__(rules, statistics, metric, groups, (len(levels), len(areas)), axes)

    def choose(self, rows: np.ndarray) -> Thresholds:
        return super().choose(rows)[0]

    def statistics(self, thresholds: Thresholds) -> np.ndarray:
        """n x 3."""
        return self.counts.under(thresholds)

    def pictures(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {name.removesuffix("0"): array for name, array in super().pictures(rows).items()}


def search_class(counts: LevelCounts, metric: CountMetric, groups=None):
    """The exact sweep where every image is scored alone; elsewhere the rules are tried one by one."""
    return (Sweep if metric.unit is each_image else OneClass)(counts, metric, groups)
