"""Scores from pixel counts: the competition's text taken literally, and known answers."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imaging.metrics import dice, iou, precision_over_iou, standard_error

THRESHOLDS = [Fraction(50 + 5 * step, 100) for step in range(10)]  # .5, .55 … .95, exact


def literal(intersection: int, predicted: int, truth: int) -> float:
    """The evaluation page, word by word: at each t, TP / (TP + FP + FN) of one predicted and one true object."""
    union = predicted + truth - intersection
    if predicted == 0 and truth == 0:
        return 1.0
    if predicted == 0 or truth == 0:
        return 0.0
    hits = sum(Fraction(intersection, union) > t for t in THRESHOLDS)
    return float(Fraction(hits, 10))


@st.composite
def pixel_counts(draw):
    """(intersection, predicted, truth) of two masks in a picture of at most 10201 pixels."""
    both, alone, missed = (draw(st.integers(0, 3400)) for _ in range(3))
    return both, both + alone, both + missed


@settings(deadline=None, max_examples=300)
@given(st.lists(pixel_counts(), min_size=1, max_size=20))
def test_precision_over_iou_equals_the_literal_reading(table):
    intersection, predicted, truth = np.array(table).T
    found = precision_over_iou(intersection, predicted, truth)
    assert found.tolist() == [literal(*row) for row in table]


@pytest.mark.parametrize("step", range(10))
@pytest.mark.parametrize("times", [1, 3, 7, 101, 4999])
def test_an_iou_exactly_on_a_threshold_is_no_hit_there(step, times):
    # 10/20, 11/20 … 19/20: the prediction lies inside the truth
    intersection, union = (10 + step) * times, 20 * times
    assert precision_over_iou(intersection, intersection, union) == step / 10
    assert precision_over_iou(intersection, union, intersection) == step / 10
    # one pixel of 20 x 20 x times more is above it
    assert precision_over_iou(20 * intersection + 1, 20 * intersection + 1, 20 * union) == (step + 1) / 10


def test_17_of_20_misses_085_though_floating_point_sees_it_the_other_way():
    assert precision_over_iou(17, 17, 20) == 0.7
    assert 0.5 + 0.05 * 7 > 17 / 20 and 0.85 == 17 / 20
    assert precision_over_iou(1700001, 1700001, 2000000) == 0.8


@pytest.mark.parametrize(
    ("counts", "score"),
    [
        ((0, 0, 0), 1.0),
        ((0, 5, 0), 0.0),
        ((0, 0, 5), 0.0),
        ((0, 0, 10201), 0.0),
        ((0, 10201, 0), 0.0),
        ((0, 5, 5), 0.0),
        ((5, 5, 5), 1.0),
        ((1, 1, 1), 1.0),
        ((1, 2, 1), 0.0),
        ((19, 19, 20), 0.9),
        ((3, 3, 4), 0.5),  # .75 is above .5 .55 .6 .65 .7
    ],
)
def test_known_scores_of_one_image(counts, score):
    assert precision_over_iou(*counts) == score


@pytest.mark.parametrize("covered", [0.51, 0.6, 0.9, 1.0])
def test_an_empty_prediction_scores_nothing_however_much_of_the_image_the_truth_covers(covered):
    assert precision_over_iou(0, 0, int(covered * 10201)) == 0


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int16, np.uint8])
def test_precision_over_iou_does_not_overflow_small_integers(dtype):
    assert precision_over_iou(dtype(100), dtype(100), dtype(110)) == 0.9


def test_scores_of_a_table_of_thresholds_broadcast_against_the_truth():
    intersection, predicted, truth = np.array([[4, 2], [0, 0]]), np.array([[4, 2], [3, 0]]), np.array([[4], [0]])
    assert precision_over_iou(intersection, predicted, truth).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert iou(intersection, predicted, truth).tolist() == [[1.0, 0.5], [0.0, 1.0]]
    assert dice(intersection, predicted, truth).tolist() == [[1.0, 2 / 3], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("counts", "overlap", "coefficient"),
    [
        ((0, 0, 0), 1, 1),
        ((0, 4, 0), 0, 0),
        ((0, 0, 4), 0, 0),
        ((4, 4, 4), 1, 1),
        ((2, 4, 4), 1 / 3, 1 / 2),
        ((3, 3, 4), 3 / 4, 6 / 7),
        ((1, 4, 1), 1 / 4, 2 / 5),
    ],
)
def test_known_iou_and_dice(counts, overlap, coefficient):
    assert iou(*counts) == pytest.approx(overlap, abs=1e-15)
    assert dice(*counts) == pytest.approx(coefficient, abs=1e-15)


@settings(deadline=None)
@given(pixel_counts())
def test_dice_follows_from_iou(counts):
    overlap = iou(*counts)
    assert dice(*counts) == pytest.approx(2 * overlap / (1 + overlap))


def test_the_plain_standard_error_is_the_textbook_one():
    # variance 1/3 with n - 1, over 4
    assert standard_error(np.array([0, 0, 1, 1])) == pytest.approx((1 / 3 / 4) ** 0.5)
    scores = np.random.default_rng(1).random(50)
    assert standard_error(scores) == pytest.approx(scores.std(ddof=1) / 50**0.5)


def test_images_that_are_each_a_group_of_their_own_have_the_plain_standard_error():
    scores = np.random.default_rng(2).random(30)
    names = np.array([f"patient {number}" for number in range(30)], dtype=object)
    assert standard_error(scores, names) == pytest.approx(standard_error(scores))


def test_the_standard_error_of_two_groups_is_that_worked_out_by_hand():
    # deviations of +-.5 add up to +1 and -1; sqrt((1 + 1) x 2/1) / 4
    assert standard_error(np.array([1, 1, 0, 0]), np.array(["a", "a", "b", "b"])) == pytest.approx(0.5)
    # within each group they cancel: the two groups agree
    assert standard_error(np.array([1, 0, 1, 0]), np.array(["a", "a", "b", "b"])) == 0
    # groups of unequal size: mean .5; sums .5, .5 - .5 - .5; sqrt((.25 + .25) x 2) / 4
    assert standard_error(np.array([1, 1, 0, 0]), np.array(["a", "b", "b", "b"])) == pytest.approx(0.25)


def test_copies_of_one_image_in_a_group_are_no_new_evidence():
    scores = np.random.default_rng(3).random(12)
    copied = standard_error(np.repeat(scores, 5), np.repeat(np.arange(12), 5))
    assert copied == pytest.approx(standard_error(scores))
    assert copied > standard_error(np.repeat(scores, 5)) * 2


@pytest.mark.parametrize(("scores", "groups"), [([0.5], None), ([0.1, 0.9], ["a", "a"]), ([0.3], ["a"])])
def test_one_unit_alone_has_no_standard_error(scores, groups):
    assert standard_error(np.array(scores), None if groups is None else np.array(groups)) == 0
