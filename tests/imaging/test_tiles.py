"""Tiles: mirrored windows, places, and answers put together."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imaging.tiles import blended, mirrored, shares, starts, stored


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(-25, 25), st.integers(-25, 25), st.integers(1, 12))
def test_a_window_is_what_a_mirrored_picture_shows(height, width, top, left, side):
    picture = np.arange(height * width * 2).reshape(height, width, 2)
    reach = 40
    whole = np.pad(picture, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    wanted = whole[reach + top : reach + top + side, reach + left : reach + left + side]
    assert np.array_equal(mirrored(picture, top, left, side, side), wanted)


def test_a_window_inside_is_no_copy():
    picture = np.zeros((20, 20, 1))
    assert np.shares_memory(mirrored(picture, 3, 4, 10, 10), picture)


@given(st.integers(1, 400), st.integers(0, 4000), st.integers(1, 400))
def test_tiles_cover_everything_and_their_shares_add_up(tile, more, stride):
    stride, length = min(stride, tile), tile + more % 900
    begins = starts(length, tile, stride)
    assert begins[0] == 0 and begins[-1] == length - tile and sorted(set(begins)) == begins
    assert all(later - earlier <= stride for earlier, later in itertools.pairwise(begins))
    total = np.zeros(length)
    for begin, share in zip(begins, shares(begins, tile, stride, length), strict=True):
        assert (share >= 0).all()
        total[begin : begin + tile] += share
    assert np.allclose(total, 1, atol=1e-5)


@pytest.mark.parametrize("shape", [(50, 70), (16, 16), (16, 40), (33, 16)])
def test_tiles_that_agree_give_the_picture_back(shape):
    picture = np.random.default_rng(0).random((*shape, 3)).astype(np.float32)
    asked = []

    def answer(places):
        asked.append(places)
        return [picture[top : top + 16, left : left + 16] for top, left in places]

    assert np.abs(blended(shape, (16, 16), (12, 12), 3, answer).astype(int) - stored(picture)).max() <= 1
    # one row of tiles after the other
    assert [len({top for top, _ in places}) for places in asked] == [1] * len(asked)


def test_where_tiles_disagree_there_is_no_seam():
    def answer(places):
        return [np.full((40, 40, 1), (left // 20) % 2, np.float32) for _, left in places]

    row = blended((40, 200), (40, 40), (20, 20), 1, answer)[20, :, 0].astype(int)
    assert row.min() == 0 and row.max() >= 253 and np.abs(np.diff(row)).max() < 80


def test_the_memory_beside_the_result_is_a_row_of_tiles():
    import tracemalloc

    def answer(places):
        for _ in places:
            yield np.zeros((64, 64, 1), np.float32)

    tracemalloc.start()
    result = blended((4096, 512), (64, 64), (48, 48), 1, answer)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < result.nbytes + 6 * 64 * 512 * 4
