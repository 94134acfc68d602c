"""A pixel at random among those that hold something: the one that a list of them all gives, whatever the size."""

import numpy as np
import pytest

from pipeline.training import filled_pixels
from pipeline.training.filled_pixels import FilledPixels


def listed(filled, random):
    spots = np.flatnonzero(filled)
    return np.unravel_index(spots[random.integers(len(spots))], filled.shape)


@pytest.mark.parametrize("share", [0.001, 0.3, 1.0])
@pytest.mark.parametrize("size", [(40, 30), (1, 50), (50, 1), (17, 64)])
@pytest.mark.parametrize("at_once", [1, 100, 1 << 22])
def test_it_is_the_one_of_the_list_of_all(monkeypatch, share, size, at_once):
    monkeypatch.setattr(filled_pixels, "AT_ONCE", at_once)
    filled = np.random.default_rng(1).random(size) < share
    filled[-1, -1] = True
    pixels = FilledPixels(lambda row, lines: filled[lines])
    for seed in range(20):
        one, other = np.random.default_rng(seed), np.random.default_rng(seed)
        assert pixels.one(0, *size, one) == listed(filled, other)
        assert one.random() == other.random()


def test_where_nothing_is_filled_there_is_none_and_no_number_is_drawn():
    random = np.random.default_rng(3)
    pixels = FilledPixels(lambda row, lines: np.zeros((5, 4), bool)[lines])
    assert pixels.one(0, 5, 4, random) is None
    assert random.random() == np.random.default_rng(3).random()


def test_of_a_large_picture_the_lines_are_counted_once_and_then_one_line_is_read(monkeypatch):
    monkeypatch.setattr(filled_pixels, "LARGE", 100)
    asked = []

    def filled(row, lines):
        found = np.full((20, 10), row == 1)[lines]
        asked.append(len(found))
        return found

    pixels, random = FilledPixels(filled), np.random.default_rng(0)
    for _ in range(5):
        assert pixels.one(1, 20, 10, random) is not None
    assert pixels.one(2, 20, 10, random) is None
    assert asked == [20, 1, 1, 1, 1, 1, 20]
