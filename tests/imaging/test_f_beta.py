"""F-beta of pixels: the definition by precision and recall, taken literally."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imaging.f_beta import f05, f1, f2
from pipeline.imaging.metrics import CountMetric, dice, each_image, whole_set

BETAS = {f05: Fraction(1, 2), f1: Fraction(1), f2: Fraction(2)}


def by_precision_and_recall(beta: Fraction, both: int, found: int, true: int) -> float:
    """(1 + b^2) P R / (b^2 P + R), in fractions."""
    if not found and not true:
        return 1.0
    if not both:
        return 0.0
    precision, recall = Fraction(both, found), Fraction(both, true)
    return float((1 + beta**2) * precision * recall / (beta**2 * precision + recall))


masks = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=200)
@given(masks, st.sampled_from(list(BETAS)))
def test_pixels(pairs, formula):
    found, truth = np.array(pairs).T
    counts = int((found & truth).sum()), int(found.sum()), int(truth.sum())
    assert float(formula(*counts)) == pytest.approx(by_precision_and_recall(BETAS[formula], *counts), abs=1e-12)


@pytest.mark.parametrize(
    ("counts", "scores"),
    [
        ((0, 0, 0), (1, 1, 1)),
        ((0, 5, 0), (0, 0, 0)),
        ((0, 0, 5), (0, 0, 0)),
        ((5, 5, 5), (1, 1, 1)),
        # all of the truth and as much beside it; half of the truth and nothing beside it
        ((5, 10, 5), (1.25 * 5 / 11.25, 2 / 3, 25 / 30)),
        ((5, 5, 10), (1.25 * 5 / 7.5, 2 / 3, 25 / 45)),
    ],
)
def test_known_scores(counts, scores):
    assert [float(formula(*counts)) for formula in BETAS] == pytest.approx(scores)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_f1_is_dice(both, alone, missed):
    counts = both, both + alone, both + missed
    assert float(f1(*counts)) == pytest.approx(float(dice(*counts)), abs=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_small_integers_do_not_overflow(dtype):
    counts = [np.array([value], dtype) for value in (100, 200, 150)]
    assert f2(*counts)[0] == pytest.approx(500 / 800)


def test_images_and_the_whole_set():
    statistics = np.array([[[5, 10, 5]], [[0, 0, 0]], [[1, 1, 4]]])
    alone = CountMetric("F2", f2, unit=each_image)
    assert alone.scores(statistics).tolist() == pytest.approx([25 / 30, 1, 5 / 17])
    assert CountMetric("F2", f2, unit=whole_set).scores(statistics.sum(axis=0)) == pytest.approx(30 / (11 + 36))
