"""How much each of several runs should count, found on what they answered to images that they held out.

Weights are whole numbers. They are found greedily, run by run, as ensembles are selected from libraries of models
(Caruana et al. 2004, doi:10.1145/1015330.1015432), for the competition's metric under thresholds that are searched for
each mixture. What finding them gains is cross-fitted like thresholds: weights and thresholds are chosen on the other
folds, and scored on this one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.runs import tuning
from pipeline.runs.tuning import OutOfFold
from pipeline.tasks import scoring
from pipeline.tasks.scoring import Tally

STEPS = 10  # runs that are put into a mixture, one after the other, the same one again or another
Weights = tuple[int, ...]


@dataclass(frozen=True)
class Tried:
    """What a mixture got.

    Attributes:
        on_all: the score of all images under thresholds chosen on all.
        learnt: for each part that is left out, the score of the other images under thresholds chosen on these.
        held: what each image got under thresholds chosen without its part; None where there is one unit only.
    """

    on_all: float
    learnt: list[float]
    held: Tally | None


@dataclass
class Trials:
    """Tries mixtures, each once.

    Attributes:
        count: of runs.
        data: weights -> the held-out images as that mixture answers them (its pixels are read once).
        each: called after each mixture that is new, for a bar.
    """

    count: int
    data: Callable[[Weights], OutOfFold]
    each: Callable[[], None] = lambda: None
    _found: dict[Weights, Tried] = field(default_factory=dict)
    _parts: list[np.ndarray] = field(default_factory=list)

    def of(self, weights: Sequence[int]) -> Tried:
        weights = reduced(weights)
        if weights not in self._found:
            data = self.data(weights)
            everything = np.arange(len(data.ids))
            apart = tuning.chosen_apart(data)
            self._parts = [inside for inside, _ in apart]
            learnt = [data.tally(rules).of(np.setdiff1d(everything, inside)).score() for inside, rules in apart]
            on_all = data.tally(data.choose(everything)).score()
            self._found[weights] = Tried(on_all, learnt, tuning.crossed_by(data, apart))
            self.each()
        return self._found[weights]

    def alone(self, k: int) -> Weights:
        """The mixture that is run k."""
        return tuple(int(i == k) for i in range(self.count))

    @property
    def parts(self) -> list[np.ndarray]:
        """The places of the images of each part that thresholds are chosen without."""
        self.of(self.alone(0))
        return self._parts


def reduced(weights: Sequence[int]) -> Weights:
    """The same mixture in the smallest numbers."""
    divisor = math.gcd(*weights)
    return tuple(int(weight) // divisor for weight in weights)


def greedy(trials: Trials, score: Callable[[Tried], float]) -> Weights:
    """The best mixture on the way from nothing to STEPS runs, each step adding the run that scores best; of mixtures
    that score alike the one with fewer runs, which comes first."""
    weights = np.zeros(trials.count, int)
    best, best_score = trials.alone(0), -math.inf
    for _ in range(STEPS):
        ways = [reduced(weights + np.eye(trials.count, dtype=int)[k]) for k in range(trials.count)]
        scores = [score(trials.of(way)) for way in ways]
        k = int(np.argmax(scores))
        weights[k] += 1
        if scores[k] > best_score:
            best, best_score = ways[k], scores[k]
    return best


@dataclass(frozen=True)
class Contender:
    """A way to mix.

    Attributes:
        name: for people. weights: as chosen on all images.
        on_all: see `Tried`; cross_fitted: what each image got under weights and thresholds chosen without its part.
        apart: the weights that were chosen for each part.
    """

    name: str
    weights: Weights
    on_all: float
    cross_fitted: Tally | None
    apart: list[Weights]


@dataclass(frozen=True)
class Choice:
    """Attributes: kept: the contender that is; single, mean, weighted: all there are; gains: of a name against another
    the paired gain and its standard error, where scores can be cross-fitted."""

    kept: Contender
    single: Contender
    mean: Contender
    weighted: Contender
    gains: dict[tuple[str, str], tuple[float, float]]


def choose(trials: Trials) -> Choice:
    """Weights that are found are kept where they gain more than a paired standard error over the plain mean."""
    alone = [trials.alone(k) for k in range(trials.count)]

    def best_alone(score: Callable[[Tried], float]) -> Weights:
        return max(alone, key=lambda weights: score(trials.of(weights)))

    single = _contender(trials, "the best single run", best_alone)
    mean = _contender(trials, "the plain mean", lambda score: (1,) * trials.count)
    weighted = _contender(trials, "weights", lambda score: greedy(trials, score))
    gains = {
        (one.name, other.name): scoring.gain(one.cross_fitted, other.cross_fitted)
        for one, other in ((mean, single), (weighted, mean), (weighted, single))
        if one.cross_fitted is not None
    }
    gain, error = gains.get((weighted.name, mean.name), (0.0, 0.0))
    held = trials.of(alone[0]).held
    parts = 0 if held is None else tuning.parts_of(held.groups, len(held))
    kept = weighted if tuning.is_evidence(gain, error, parts) else mean
    return Choice(kept, single, mean, weighted, gains)


def _contender(trials: Trials, name: str, chosen: Callable[[Callable[[Tried], float]], Weights]) -> Contender:
    """Args: chosen: from what a mixture scored on the images that may be looked at to the mixture."""
    weights = chosen(lambda tried: tried.on_all)
    apart = [chosen(lambda tried, part=part: tried.learnt[part]) for part in range(len(trials.parts))]
    return Contender(name, weights, trials.of(weights).on_all, _joined(trials, apart), apart)


def _joined(trials: Trials, apart: list[Weights]) -> Tally | None:
    """What each image got from the mixture that was chosen without its part."""
    if not apart:
        return None
    first = trials.of(apart[0]).held
    statistics = np.zeros_like(first.statistics)
    for inside, weights in zip(trials.parts, apart, strict=True):
        statistics[inside] = trials.of(weights).held.statistics[inside]
    return Tally(first.metric, statistics, first.groups)


def of_images(trials: Trials, found: Contender, count: int) -> list[Weights]:
    """For each of `count` held-out images the weights that were chosen without its part; those chosen on all where
    nothing can be left out."""
    weights = [found.weights] * count
    for inside, own in zip(trials.parts, found.apart, strict=True):
        for place in inside:
            weights[place] = own
    return weights


def mixed(pictures: Sequence[np.ndarray], weights: Sequence[int]) -> np.ndarray:
    """The mean of uint8 pictures by their weights, rounded to nearest."""
    total = np.zeros(pictures[0].shape, np.uint32)
    for picture, weight in zip(pictures, weights, strict=True):
        if weight:
            total += picture * np.uint32(weight)
    count = sum(weights)
    return ((2 * total + count) // (2 * count)).astype(np.uint8)
