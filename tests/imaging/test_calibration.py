"""Reliability of probabilities: against a slow literal count, and known answers."""

import numpy as np
import pytest

from pipeline.imaging import calibration


def picture(seed: int, shape=(9, 11)):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, shape).astype(np.uint8), *(rng.random((3, *shape)) < 0.6)


@pytest.mark.parametrize("seed", range(5))
def test_pixels_are_binned_as_a_slow_count_does(seed):
    levels, truth, found, known = picture(seed)
    slow = np.zeros((calibration.BINS, 3), int)
    expected = np.zeros(3)
    for level, true, taken, counts in zip(*(part.ravel() for part in (levels, truth, found, known)), strict=True):
        if counts:
            place = min(int(level) * calibration.BINS // 255, calibration.BINS - 1)
            slow[place] += [1, int(true), int(level)]
            expected += [level / 255 * taken, taken, level / 255]
    counts = calibration.histogram(levels, truth, found, known)
    assert np.array_equal(calibration.binned(counts), slow)
    assert calibration.expected(counts) == pytest.approx(expected)


def test_a_large_picture_is_counted_line_by_line(monkeypatch):
    levels, truth, found, known = picture(7)
    whole = calibration.histogram(levels, truth, found, known), calibration.histogram(levels, truth, found)
    monkeypatch.setattr(calibration, "_AT_ONCE", 12)
    parts = calibration.histogram(levels, truth, found, known), calibration.histogram(levels, truth, found)
    assert all(np.array_equal(one, other) for one, other in zip(whole, parts, strict=True))
    assert whole[0].sum() == known.sum() and whole[1].sum() == levels.size


def test_the_ends_of_the_bins():
    levels = np.arange(256, dtype=np.uint8)[None]
    yes = np.ones((1, 256), bool)
    counts = calibration.binned(calibration.histogram(levels, yes, yes))[:, 0]
    assert counts.tolist() == [26, 25, 26, 25, 26, 25, 26, 25, 26, 26]


def test_the_expected_error_of_known_promises():
    """100 pixels said to be .2 of which 30 are, 50 said to be .8 of which 40 are: (100 x .1 + 0) / 150."""
    levels = np.r_[np.full(100, 51), np.full(50, 204)].astype(np.uint8)[None]
    truth = np.r_[np.arange(100) < 30, np.arange(50) < 40][None]
    counts = calibration.binned(calibration.histogram(levels, truth, truth))
    assert calibration.expected_error(counts) == pytest.approx(0.1 * 100 / 150)
    assert calibration.said(counts)[[2, 8]] == pytest.approx([0.2, 0.8])
    assert calibration.seen(counts)[[2, 8]] == pytest.approx([0.3, 0.8])
    assert np.isnan(calibration.said(counts)[5])
    assert calibration.expected_error(np.zeros((calibration.BINS, 3), int)) == 0
