"""What is measured on a unit, and the official scores made of it, against the organisers' texts taken literally."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.imaging.official import OfficialMetric, Part, object_numbers
from pipeline.imaging.unit_measures import (
    DICE_AND_HAUSDORFF,
    SURFACE_AND_COMPONENTS,
    agreement_of_components,
    dice_of_slices,
    nearness_of_volume,
    optimal_f1,
    surface_dice,
)
from pipeline.tasks.instances import Instances
from pipeline.tasks.multiclass import MultiClass
from pipeline.tasks.multilabel import MultiLabel
from tests.imaging.test_hausdorff import literal as hausdorff
from tests.imaging.test_objects import maps, objects
from tests.imaging.test_surface_dice import literal as surface
from tests.imaging.test_variation_of_information import components
from tests.imaging.test_variation_of_information import literal as information

ORGANS = MultiLabel(("a", "b"))
GI_TRACT = OfficialMetric(".4 Dice + .6 (1 - Hausdorff)", DICE_AND_HAUSDORFF)
SURFACE = OfficialMetric("surface", SURFACE_AND_COMPONENTS)


def dice(found, truth) -> float | None:
    total = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / total if total else None


def gi_tract(days) -> float:
    """The grader: Dice of every slice and organ, the distance of every day, both without what is empty in both."""
    scores, distances = [], []
    for found, truth in days:
        for s, k in itertools.product(range(len(truth)), range(truth.shape[-1])):
            scores.append(dice(found[s, ..., k], truth[s, ..., k]))
        one, other = found.any(axis=-1), truth.any(axis=-1)
        if not one.any() and not other.any():
            continue
        if not one.any() or not other.any() or one.sum() > 10 * other.sum():
            distances.append(1.0)
        else:
            distances.append(hausdorff(one, other, [1 / n for n in other.shape]) / math.sqrt(3))
    scores = [score for score in scores if score is not None]
    if not scores:
        return 1.0
    return 0.4 * float(np.mean(scores)) + 0.6 * (1 - float(np.mean(distances)))


@st.composite
def days(draw, layers=2):
    found = []
    for _ in range(draw(st.integers(1, 3))):
        shape = (draw(st.integers(1, 3)), 4, 5, layers)
        kinds = [arrays(bool, shape), st.just(np.zeros(shape, bool)), st.just(np.ones(shape, bool))]
        truth = draw(st.one_of(kinds))
        found.append((draw(st.one_of([*kinds, st.just(truth)])), truth))
    return found


def scored(metric, task, pairs, scale=1) -> float:
    statistics = [metric.statistic(task, *(part.astype(np.uint8) * scale for part in pair)) for pair in pairs]
    return float(metric.scores(np.sum(statistics, axis=0)))


@settings(max_examples=150)
@given(days())
def test_dice_and_hausdorff_are_those_of_the_grader(pairs):
    assert scored(GI_TRACT, ORGANS, pairs) == pytest.approx(gi_tract(pairs), abs=1e-9)


@given(days())
def test_the_truth_scores_one(pairs):
    for metric in (GI_TRACT, SURFACE):
        assert scored(metric, ORGANS, [(truth, truth) for _, truth in pairs]) == pytest.approx(1)


def test_known_days():
    truth = np.zeros((4, 10, 10, 2), bool)
    truth[1, 2:6, 2:6, 0] = True
    nothing, doubled = np.zeros_like(truth), truth.copy()
    assert scored(GI_TRACT, ORGANS, [(nothing, truth)]) == 0
    assert scored(GI_TRACT, ORGANS, [(nothing, nothing)]) == 1
    # the organ in the other layer: Dice 0 twice, the volume is the same
    assert scored(GI_TRACT, ORGANS, [(truth[..., ::-1], truth)]) == pytest.approx(0.6)
    # a second slice: Dice (1 + 0) / 2, a quarter of the cube's side away
    doubled[2] = truth[1]
    assert scored(GI_TRACT, ORGANS, [(doubled, truth)]) == pytest.approx(0.4 / 2 + 0.6 * (1 - 0.25 / math.sqrt(3)))
    # more than ten times the voxels
    assert nearness_of_volume(np.ones((4, 10, 10, 1), bool), truth[..., :1]) == (0, 1)
    assert dice_of_slices(nothing, nothing) == (0, 0) and nearness_of_volume(nothing, nothing) == (0, 0)


@settings(max_examples=60)
@given(days())
def test_surface_and_components_are_those_of_the_organisers(pairs):
    for found, truth in pairs:
        dices, agreements = [], []
        for k in range(truth.shape[-1]):
            one, other = found[..., k], truth[..., k]
            here = (one[0], other[0]) if len(one) == 1 else (one, other)
            near, total = surface(*here, 2)
            dices.append(near / total if total else 1)
            either = one | other
            voi = information(components(one)[either], components(other)[either]) if either.any() else 0
            agreements.append(1 / (1 + 0.3 * voi))
        assert surface_dice(found, truth, tolerance=2) == pytest.approx((sum(dices), len(dices)), abs=1e-9)
        assert agreement_of_components(found, truth) == pytest.approx((sum(agreements), len(agreements)), abs=1e-9)
        wanted = (np.mean(dices) + np.mean(agreements)) / 2
        assert scored(SURFACE, ORGANS, [(found, truth)]) == pytest.approx(wanted, abs=1e-9)


def test_what_is_not_computed_is_named_with_its_weight():
    assert SURFACE.left_out == {"topology (Betti matching)": 0.3} and len(SURFACE.measured) == 2
    with pytest.raises(ValueError, match="no part that is measured"):
        OfficialMetric("topology", SURFACE_AND_COMPONENTS[:1])


def paired(found, truth) -> float:
    """Every way to pair the objects; the best mean, by the larger number."""
    found, truth = list(objects(found).values()), list(objects(truth).values())
    if not found and not truth:
        return 1.0
    few, many = sorted((found, truth), key=len)
    best = 0.0
    for chosen in itertools.permutations(many, len(few)):
        best = max(best, sum(2 * len(a & b) / (len(a) + len(b)) for a, b in zip(few, chosen, strict=True)))
    return best / len(many)


@st.composite
def pictures(draw):
    shape = draw(st.tuples(st.integers(1, 8), st.integers(1, 9)))
    found, truth = maps(draw, shape), maps(draw, shape)
    return found, truth.copy() if draw(st.booleans()) else found


@settings(max_examples=200)
@given(pictures())
def test_the_best_pairing_is_found(pair):
    volume, truth = (labels[None, ..., None] for labels in pair)
    assert optimal_f1(volume, truth) == pytest.approx((paired(*pair), 1), abs=1e-9)


def test_known_pairings():
    metric = OfficialMetric("forgery", [Part("optimal F1", 1, optimal_f1)], reads=object_numbers)
    truth = np.zeros((1, 4, 8, 1), np.uint16)
    truth[0, :, :2], truth[0, :, 6:] = 1, 2
    one, many = np.where(truth == 1, 7, 0), truth.copy()
    many[0, 0, 4], many[0, 2, 4] = 3, 4

    def score(found, true=truth):
        return float(metric.scores(metric.statistic(Instances(), found, true)))

    assert score(truth) == 1 and score(truth[:, :, ::-1]) == 1
    assert score(one) == pytest.approx(1 / 2)  # one of two is missed
    assert score(many) == pytest.approx(2 / 4)  # two too many
    assert score(truth * 0) == 0 and score(truth, truth * 0) == 0 and score(truth * 0, truth * 0) == 1
    # less than half of an object is still something
    assert score(np.where(np.arange(8)[:, None] < 1, one, 0)) == pytest.approx((2 * 4 / 12) / 2)


def test_void_is_neither_found_nor_true():
    """As the organisers of Vesuvius Surface do: where the label is 2 both are background."""
    task = MultiClass(("background", "surface"), void=2)
    random = np.random.default_rng(3)
    truth, found = random.integers(0, 3, (3, 6, 6, 1)), random.integers(0, 2, (3, 6, 6, 1))
    metric = OfficialMetric("surface", SURFACE_AND_COMPONENTS, classes=("surface",))
    known = truth != 2
    cleaned = ((found == 1) & known).astype(np.uint8), (truth == 1).astype(np.uint8)
    alone = OfficialMetric("surface", SURFACE_AND_COMPONENTS).statistic(MultiLabel(("surface",)), *cleaned)
    assert metric.statistic(task, found, truth) == pytest.approx(alone)
    other = np.where(known, found, 1 - found)
    assert metric.statistic(task, other, truth) == pytest.approx(alone)
