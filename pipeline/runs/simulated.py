"""Which of several runs would win: competitions drawn from what their held-out images got.

A competition is drawn in two steps. First n parts (groups, or images where there are none) are drawn with replacement
from the n there are: another set of as many images might have come to other scores by as much. From these the test
part is drawn, with replacement, so many for the public part and so many others for the private one; groups stay whole.
(The bootstrap: Efron 1979. Without its first step a large test part would make any difference between runs certain,
though that difference itself is known only as well as n images tell.) All runs answer the same draws.
"""

import sys
from dataclasses import dataclass

import numpy as np

from pipeline.tasks.scoring import Tally

DRAWS = 2000
LEAD = 0.003  # on the public part, of which is asked whether it holds
_AT_ONCE = 1 << 18  # numbers drawn at a time: as many as stay near the processor


@dataclass(frozen=True)
class Parts:
    """What p independent parts add to the scores of r runs.

    Attributes:
        sums: r x p x …: the sum of the scores of a part's units, or, where the whole set is one unit, its statistics.
        units: p, how many units are in each; None where the whole set is one.
        images: of all parts.
        metric: the competition's.
    """

    sums: np.ndarray
    units: np.ndarray | None
    images: int
    metric: object

    def __len__(self) -> int:
        return self.sums.shape[1]

    def size(self, images: int) -> int:
        """How many parts have about so many images: at least one."""
        return max(1, round(images * len(self) / self.images))

    def scores(self, counts: np.ndarray) -> np.ndarray:
        """How often each part is there, d x p, to the scores of the runs: d x r."""
        if self.units is not None:
            return (counts @ self.sums.T) / (counts @ self.units)[:, None]
        flat = self.sums.reshape(*self.sums.shape[:2], -1)
        totals = np.einsum("dp,rps->drs", counts, flat)
        return self.metric.scores(totals.reshape(len(counts), len(flat), *self.sums.shape[2:]))


def parts_of(tallies: list[Tally]) -> Parts:
    """From what the runs got on the same images."""
    first = tallies[0]
    units = first.units()
    part = np.arange(len(first)) if first.groups is None else np.unique(first.groups, return_inverse=True)[1]
    count = int(part.max()) + 1
    if units.max() == 0 and count > 1:
        sums = np.stack([_summed(tally.statistics, part, count) for tally in tallies])
        return Parts(sums.astype(float), None, len(first), first.metric)
    part_of_unit = np.zeros(int(units.max()) + 1, int)
    part_of_unit[units] = part
    scores = [first.metric.scores(_summed(tally.statistics, units, len(part_of_unit))) for tally in tallies]
    sums = np.stack([np.bincount(part_of_unit, weights=values, minlength=count) for values in scores])
    return Parts(sums, np.bincount(part_of_unit, minlength=count).astype(float), len(first), first.metric)


def draws(count: int, public: int, private: int, random: np.random.Generator, repeats: int = DRAWS):
    """Numbers of parts as they are drawn, in pieces: (population, public, private), each d x how many, of `count`
    parts; the public and the private ones are drawn from their population."""
    step = max(1, _AT_ONCE // (count + public + private))
    for first in range(0, repeats, step):
        size = min(step, repeats - first)
        population = random.integers(0, count, (size, count), np.int32)
        chosen = random.integers(0, count, (size, public + private), np.int32)
        test = np.take_along_axis(population, chosen, axis=1)
        yield population, test[:, :public], test[:, public:]


def counted(drawn: np.ndarray, count: int) -> np.ndarray:
    """How often each of the numbers below `count` is in each row: d x k to d x count, as floats."""
    rows = np.arange(len(drawn))[:, None] * count
    return np.bincount((drawn + rows).ravel(), minlength=len(drawn) * count).reshape(-1, count).astype(float)


@dataclass(frozen=True)
class Drawn:
    """Scores of r runs in d drawn competitions. Attributes: public, private: d x r."""

    public: np.ndarray
    private: np.ndarray

    def beats(self) -> np.ndarray:
        """r x r: how often the first has the higher private score than the second; a tie is half."""
        first, second = self.private[:, :, None], self.private[:, None, :]
        return ((first > second) + 0.5 * (first == second)).mean(axis=0)

    def best(self) -> np.ndarray:
        """r: how often a run has the highest private score; those that share it share the count."""
        top = self.private == self.private.max(axis=1, keepdims=True)
        return (top / top.sum(axis=1, keepdims=True)).mean(axis=0)

    def expected(self) -> np.ndarray:
        """r: the mean private score."""
        return self.private.mean(axis=0)

    def expected_best(self) -> np.ndarray:
        """r x r: the mean of the higher private score of two runs; of one with itself, its own."""
        return np.maximum(self.private[:, :, None], self.private[:, None, :]).mean(axis=0)

    def holding(self, lead: float = LEAD) -> tuple[float | None, int]:
        """How often a lead of at least so much on the public part holds on the private one (a tie is half), over all
        pairs of runs and all draws, and how many such leads were seen; None where there was none."""
        leads = self.public[:, :, None] - self.public[:, None, :] >= lead
        first, second = self.private[:, :, None], self.private[:, None, :]
        held = (first > second) + 0.5 * (first == second)
        seen = int(leads.sum())
        return (float(held[leads].mean()) if seen else None), seen


def drawn(parts: Parts, public: int, private: int, seed: int = 0, repeats: int = DRAWS) -> Drawn:
    """Competitions of about so many public and private images."""
    from tqdm import tqdm

    random, count = np.random.default_rng(seed), len(parts)
    scores = []
    with tqdm(total=repeats, desc="drawn", unit="test", disable=not sys.stderr.isatty(), delay=1) as bar:
        for _, *sides in draws(count, parts.size(public), parts.size(private), random, repeats):
            scores.append([parts.scores(counted(numbers, count)) for numbers in sides])
            bar.update(len(sides[0]))
    return Drawn(*(np.concatenate(side) for side in zip(*scores, strict=True)))


def _summed(statistics: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    total = np.zeros((count, *statistics.shape[1:]), statistics.dtype)
    np.add.at(total, index, statistics)
    return total
