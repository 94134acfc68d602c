"""Runs of a large mask by parts: the words and masks of `imaging.rle`, which is tested against others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.imaging import columns, rle
from pipeline.imaging.columns import Columns


@pytest.mark.parametrize("at_once", [1, 7, 40, 1 << 24])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (6, 5), (13, 31)])
def test_the_words_are_those_of_the_whole(monkeypatch, at_once, share, shape):
    monkeypatch.setattr(columns, "AT_ONCE", at_once)
    mask = (np.random.default_rng(shape[0]).random(shape) < share).astype(np.uint8) * 255
    assert columns.encode(mask) == rle.encode(mask) and columns.encode(mask > 0) == rle.encode(mask)


@given(st.data(), st.integers(1, 12), st.integers(1, 12))
def test_lines_are_those_of_the_whole(data, height, width):
    pixels = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(pixels).reshape(height, width)
    top = data.draw(st.integers(0, height - 1))
    bottom = data.draw(st.integers(top + 1, height))
    _, starts, lengths = rle.parse_many([rle.encode(mask)])
    found = Columns(starts, lengths, height, width).lines(top, bottom)
    assert found.dtype == bool and np.array_equal(found, mask[top:bottom])


def test_runs_that_touch_are_one_and_a_run_may_cover_many_columns():
    found = Columns(np.array([2, 4, 20]), np.array([2, 14, 1]), 5, 4).lines(0, 5)
    assert np.array_equal(found, rle.decode("2 2 4 14 20 1", 5, 4))
    assert np.array_equal(found.T.ravel(), np.isin(np.arange(20), [*range(1, 17), 19]))
