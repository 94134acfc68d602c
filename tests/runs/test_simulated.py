"""Drawn competitions: equal to a literal simulation, and right where the answer is known."""

import math

import numpy as np
import pytest

from pipeline.imaging.metrics import CountMetric, dice, each_group, each_image, iou, whole_set
from pipeline.reporting.picks import facts
from pipeline.runs import simulated
from pipeline.tasks.scoring import Tally

RNG = np.random.default_rng(5)


def tallies(scores, groups=None, unit=each_image) -> list[Tally]:
    """r x n scores from 0 to 1, in hundredths, as the IoU of an image with 100 pixels."""
    counts = np.round(100 * np.asarray(scores, float)).astype(int)
    full = np.full_like(counts, 100)
    stacked = np.stack([counts, counts, full], axis=-1)[:, :, None]
    given = None if groups is None else np.asarray(groups)
    return [Tally(CountMetric("IoU", iou, unit), one, given) for one in stacked]


def literal(given: list[Tally], drawn_parts) -> list[list[float]]:
    """The scores of each run on the images of the parts that were drawn, one after the other."""
    first = given[0]
    names = np.arange(len(first)) if first.groups is None else first.groups
    parts = sorted(set(names.tolist()))
    members = [np.flatnonzero(names == part) for part in parts]
    found = []
    for row in drawn_parts:
        scores = []
        for tally in given:
            statistics, groups = [], []
            for copy, part in enumerate(row):
                statistics += [tally.statistics[i] for i in members[part]]
                # a group that is drawn twice is two groups
                groups += [f"{copy}-{part}"] * len(members[part])
            scores.append(Tally(tally.metric, np.stack(statistics), np.array(groups)).score())
        found.append(scores)
    return found


@pytest.mark.parametrize("unit", [each_image, each_group, whole_set])
@pytest.mark.parametrize("groups", [None, [0, 0, 1, 1, 1, 2, 3, 3]], ids=["images", "groups"])
def test_it_equals_a_literal_simulation(unit, groups):
    counts = RNG.integers(0, 60, (3, 8, 2, 3))
    counts[..., 1:] += counts[..., :1]
    given = [
        Tally(CountMetric("Dice", dice, unit), one, None if groups is None else np.array(groups)) for one in counts
    ]
    parts = simulated.parts_of(given)
    assert len(parts) == (8 if groups is None else 4)
    public, private = parts.size(6), parts.size(10)
    drawn = simulated.drawn(parts, 6, 10, seed=3, repeats=40)
    ((population, *sides),) = simulated.draws(len(parts), public, private, np.random.default_rng(3), 40)
    for numbers, scores, size in zip(sides, (drawn.public, drawn.private), (public, private), strict=True):
        assert numbers.shape == (40, size)
        np.testing.assert_allclose(scores, literal(given, numbers.tolist()), atol=1e-12)
        assert all(set(row) <= set(known) for row, known in zip(numbers.tolist(), population.tolist(), strict=True))

    wins = np.zeros((3, 3))
    best = np.zeros(3)
    both = np.zeros((3, 3))
    held = seen = 0
    for public_scores, private_scores in zip(drawn.public, drawn.private, strict=True):
        top = max(private_scores)
        winners = [run for run in range(3) if private_scores[run] == top]
        for run in winners:
            best[run] += 1 / len(winners) / 40
        for a in range(3):
            for b in range(3):
                won = float(private_scores[a] > private_scores[b]) + 0.5 * (private_scores[a] == private_scores[b])
                wins[a, b] += won / 40
                both[a, b] += max(private_scores[a], private_scores[b]) / 40
                if public_scores[a] - public_scores[b] >= 0.003:
                    seen, held = seen + 1, held + won
    np.testing.assert_allclose(drawn.beats(), wins, atol=1e-12)
    np.testing.assert_allclose(drawn.best(), best, atol=1e-12)
    np.testing.assert_allclose(drawn.expected_best(), both, atol=1e-12)
    assert drawn.holding(0.003) == (pytest.approx(held / seen), seen)


def test_a_run_and_its_copy_are_even_and_no_lead_is_seen():
    scores = RNG.random(30)
    drawn = simulated.drawn(simulated.parts_of(tallies([scores, scores])), 30, 60, repeats=50)
    assert (drawn.beats() == 0.5).all() and (drawn.best() == 0.5).all()
    assert drawn.holding() == (None, 0)


def test_what_is_better_on_every_image_always_wins_and_its_lead_always_holds():
    scores = np.round(RNG.random(40) * 0.8, 2)
    drawn = simulated.drawn(simulated.parts_of(tallies([scores, scores + 0.1, scores + 0.05])), 20, 60, repeats=200)
    assert drawn.best().tolist() == [0, 1, 0]
    assert drawn.beats()[1].tolist() == [1, 0.5, 1]
    held, seen = drawn.holding(0.01)
    # each pair leads in each draw, one way
    assert (held, seen) == (1.0, 600)
    assert facts.best_pair(drawn) == (1, 2)


def test_chances_are_those_of_normal_differences():
    """n = 400 differences of mean m and deviation s: the mean of 800 new ones, drawn from a redrawn 400, lies around m
    with the variance s^2 / 400 + s^2 / 800, so A beats B with Phi(m / that's root)."""
    differences = np.repeat([-0.4, 0.0, 0.4], [110, 160, 130])
    base = np.full(400, 0.5)
    drawn = simulated.drawn(simulated.parts_of(tallies([base + differences, base])), 400, 800, repeats=8000)
    spread = np.sqrt(differences.var() * (1 / 400 + 1 / 800))
    wanted = 0.5 * (1 + math.erf(differences.mean() / spread / math.sqrt(2)))
    assert 0.55 < wanted < 0.97
    assert drawn.beats()[0, 1] == pytest.approx(wanted, abs=0.02)
    assert drawn.private.mean(axis=0) == pytest.approx([0.5 + differences.mean(), 0.5], abs=0.002)
    assert (drawn.private[:, 0] - drawn.private[:, 1]).std() == pytest.approx(spread, rel=0.03)


def test_the_expected_best_of_two_is_that_of_two_normal_scores():
    """Independent runs of one mean: the better of two normal scores of deviation s lies s / sqrt(pi) above it."""
    scores = RNG.choice([0.2, 0.8], size=(2, 900))
    drawn = simulated.drawn(simulated.parts_of(tallies(scores)), 300, 900, repeats=6000)
    difference = drawn.private[:, 0] - drawn.private[:, 1]
    theta, gap = difference.std(), float(scores[0].mean() - scores[1].mean())
    density = math.exp(-((gap / theta) ** 2) / 2) / math.sqrt(2 * math.pi)
    below = 0.5 * (1 + math.erf(gap / theta / math.sqrt(2)))
    wanted = scores[0].mean() * below + scores[1].mean() * (1 - below) + theta * density
    assert drawn.expected_best()[0, 1] == pytest.approx(wanted, abs=5e-4)


def test_the_best_pair_need_not_be_the_best_two():
    """Two copies of the best run are no better than one; a worse run that is right elsewhere is worth more."""
    first = RNG.choice([0.0, 1.0], size=200, p=[0.4, 0.6])
    twin, other = first.copy(), (1 - first) * 0.98 + 0.08 * first
    drawn = simulated.drawn(simulated.parts_of(tallies([first, twin, other + 0.05])), 60, 120, repeats=800)
    assert set(facts.best_pair(drawn)) in ({0, 2}, {1, 2})


def test_groups_stay_whole():
    """Two images of a group that differ against each other cancel, whatever is drawn."""
    scores = np.array([[0.9, 0.1] * 20, [0.5, 0.5] * 20])
    drawn = simulated.drawn(simulated.parts_of(tallies(scores, np.repeat(np.arange(20), 2))), 10, 20, repeats=50)
    np.testing.assert_allclose(drawn.private, 0.5, atol=1e-12)
    alone = simulated.drawn(simulated.parts_of(tallies(scores)), 10, 20, repeats=50)
    assert alone.private[:, 0].std() > 0.03


def test_the_same_seed_is_the_same_answer():
    parts = simulated.parts_of(tallies(RNG.random((2, 50))))
    one, other = (simulated.drawn(parts, 30, 60, seed=1, repeats=20) for _ in range(2))
    assert np.array_equal(one.private, other.private) and np.array_equal(one.public, other.public)
    assert not np.array_equal(one.private, simulated.drawn(parts, 30, 60, seed=2, repeats=20).private)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ((0, 0, 18000, 3000), (6000, 12000)),
        ((0, 0, 0, 300), (100, 200)),
        ((10, 20, 18000, 3000), (10, 20)),
        ((5000, 0, 18000, 3000), (5000, 13000)),
        ((0, 12000, 18000, 3000), (6000, 12000)),
        ((0, 0, 1, 3000), (1, 1)),
    ],
)
def test_sizes_are_given_or_typical(given, found):
    sizes = facts.sizes(*given)
    assert (sizes.public, sizes.private) == found
