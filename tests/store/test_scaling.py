"""Other values than 0 to 255: percentiles that no pixel decides, gaps that stay neutral, and what is kept of both."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.errors import UserError
from pipeline.store.measuring import Measure
from pipeline.store.scaling import LINEAR, MOST, Sample, Scaling, fitted, missing
from pipeline.store.seen import Seen, SeenPicture

RAMP = np.arange(1001, dtype=np.float32)[:, None]
UNITS = {"decibels": (0.02, -25), "heights": (0.01, 2000), "reflectances": (1e-10, 0), "kelvin": (-0.1, 300)}


def test_the_ends_are_the_percentiles():
    found = fitted(RAMP, None)
    assert (found.low, found.high) == ((5.0,), (995.0,))
    seen = found.seen(RAMP)[:, 0]
    assert seen[5] == 0 and seen[995] == 1 and seen[500] == 0.5
    # a little beyond is a little beyond
    assert seen[0] == pytest.approx(-5 / 990) and seen[1000] == pytest.approx(1 + 5 / 990)
    assert found.mean[0] == pytest.approx(0.5, abs=1e-6) and found.std[0] == pytest.approx(seen.std(), abs=1e-6)


@pytest.mark.parametrize(("factor", "offset"), UNITS.values(), ids=UNITS)
def test_the_same_in_other_units_is_seen_the_same(factor, offset):
    values = np.random.default_rng(0).gamma(2, 80, (5000, 1)).astype(np.float32)
    plain, other = fitted(values, None), fitted((values * factor + offset).astype(np.float32), None)
    seen, turned = plain.seen(values), other.seen((values * factor + offset).astype(np.float32))
    assert np.allclose(seen, turned if factor > 0 else 1 - turned, atol=2e-3)


@pytest.mark.parametrize("far", [65535.0, -1e30, 3e38])
def test_one_pixel_far_away_changes_nothing_for_the_others(far):
    values = RAMP.copy()
    values[17] = far
    plain, found = fitted(RAMP, None), fitted(values, None)
    seen = found.seen(values)
    assert np.abs(np.delete(seen - plain.seen(RAMP), 17)).max() < 0.01
    assert np.isfinite(seen).all() and abs(seen[17, 0]) < 16


@given(arrays(np.float32, 40, elements=st.floats(-1e6, 1e6, width=32)))
def test_what_is_larger_is_seen_no_darker(values):
    order = np.sort(values)
    for found in (fitted(RAMP, None), fitted(order[:, None], None)):
        seen = found.seen(order[:, None])[:, 0]
        assert np.isfinite(seen).all() and (np.diff(seen) >= 0).all()


def test_far_out_levels_stay_apart():
    seen = fitted(RAMP, None).seen(np.array([[1e4], [2e4], [1e5], [-1e4], [-1e5]], np.float32))[:, 0]
    assert LINEAR[1] < seen[0] < seen[1] < seen[2] and LINEAR[0] > seen[3] > seen[4]


@pytest.mark.parametrize("rare", [1, 30])
def test_where_nearly_all_is_one_value_the_others_decide(rare):
    values = np.full((10_000, 1), 100, np.float32)
    values[:rare] = np.linspace(200, 300, rare)[:, None]
    seen = fitted(values, None).seen(values)
    assert seen[-1] == 0 and seen[:rare].min() > 0.4


@pytest.mark.parametrize("value", [0, -7, 2000, 1e-30])
def test_what_is_constant_is_seen_as_a_number(value):
    found = fitted(np.full((50, 2), value, np.float32), None)
    assert np.isfinite(found.seen(np.full((3, 4, 2), value, np.float32))).all() and min(found.std) > 0


# no data


@pytest.mark.parametrize("nodata", [-9999, math.nan])
def test_what_is_not_known_counts_for_nothing_and_is_seen_as_the_mean(nodata):
    picture = np.stack([RAMP, RAMP * 2], axis=2).astype(np.float32)
    measure = Measure(picture, nodata)
    picture[:300, :, 0] = nodata
    picture[:100, :, 1] = nodata
    measure.add(picture)
    found = Scaling.from_json(measure.info()["scaling"], 2, "here")
    assert found.low[0] == pytest.approx(300 + 0.005 * 700) and found.high[1] == pytest.approx(200 + 0.995 * 1800)
    seen = found.seen(picture)
    assert (seen[:300, :, 0] == np.float32(found.mean[0])).all() and (
        seen[:100, :, 1] == np.float32(found.mean[1])
    ).all()
    assert np.isfinite(seen).all() and seen[300:].std() > 0.2
    # something is known of a pixel of which one channel is there
    assert found.known(picture)[:, 0, 0].tolist() == [0] * 100 + [1] * 901
    assert measure.filled == 1 and measure.gaps == 400
    filled = found.filled(picture)
    assert np.array_equal(filled[300:], picture[300:]) and np.allclose(found.seen(filled), seen, atol=1e-5)


def test_a_colour_with_a_zero_in_it_is_a_colour():
    picture = np.array([[[0, 0, 0], [0, 9, 9], [255, 0, 0]]], np.uint8)
    measure = Measure(picture, 0)
    measure.add(picture)
    found = Scaling.from_json(measure.info()["scaling"], 3, "here")
    assert missing(picture, 0)[0, :, 0].tolist() == [True, False, False]
    assert np.allclose(found.seen(picture)[0, 1:], picture[0, 1:] / 255)
    assert found.mean[0] == pytest.approx(0.5)


@pytest.mark.parametrize("nodata", [-9999, 70000, 0.5, math.nan, math.inf])
def test_a_value_that_cannot_be_is_nowhere(nodata):
    for kind in (np.uint8, np.int16, np.uint16):
        assert not missing(np.arange(12, dtype=kind).reshape(2, 3, 2), nodata).any()


# what is written


@pytest.mark.parametrize("nodata", [None, 0, -9999, 1e-40, math.nan, math.inf, -math.inf])
def test_it_comes_back_from_json(nodata):
    found = Scaling((-25.0, 0.0), (-5.0, 1e-7), (0.4, 0.5), (0.2, 0.1), nodata)
    assert repr(Scaling.from_json(found.to_json(), 2, "here")) == repr(found)


@pytest.mark.parametrize(
    "change",
    [
        {"low": [1.0]},
        {"low": "x"},
        {"low": None},
        {"high": [-30.0, 1.0]},
        {"std": [0.1, 0.0]},
        {"mean": [0.1, math.nan]},
        {"nodata": "x"},
        {"nodata": [1]},
        {"nodata": True},
    ],
)
def test_another_one_is_a_line(change):
    content = Scaling((-25.0, 0.0), (-5.0, 1e-7), (0.4, 0.5), (0.2, 0.1)).to_json()
    for wrong in ({**content, **change}, {}, [], "x", 7):
        with pytest.raises(UserError, match=r"^here: its scaling is none"):
            Scaling.from_json(wrong, 2, "here")


# a sample


def test_a_sample_of_few_is_all_of_them_and_of_many_is_like_them():
    pictures = [np.random.default_rng(i).normal(i, 1, (997, 2)) for i in range(40)]
    everything = np.concatenate(pictures)
    whole, few = Sample(2), Sample(2, 4096)
    for picture in pictures:
        whole.add(picture)
        few.add(picture)
        assert few.count <= 2048
    assert np.array_equal(whole.pixels(), everything.astype(np.float32)) and everything.size < MOST
    kept = few.pixels()
    assert 900 < len(kept) <= 2048 and np.abs(kept.mean(axis=0) - everything.mean(axis=0)).max() < 1
    # every picture has its share
    assert np.histogram(kept[:, 0], 10, (0, 40))[0].min() > 50
    again = Sample(2, 4096)
    for picture in pictures:
        again.add(picture)
    assert np.array_equal(again.pixels(), kept)


def test_a_sample_meets_every_column():
    """A fixed step would see a picture of 1024 columns in a few of them."""
    sample = Sample(1, 2048)
    for _ in range(8):
        sample.add(np.tile(np.arange(1024.0), 64)[:, None])
    assert len(np.unique(sample.pixels())) > 700


# windows


def test_a_window_of_a_large_picture_is_all_that_is_computed():
    stored, asked = np.arange(60, dtype=np.int16).reshape(5, 6, 2), []

    def change(part):
        asked.append(part.shape)
        return part.astype(np.float32) / 2

    picture = SeenPicture(stored, change)
    assert picture.shape == (5, 6, 2) and np.array_equal(picture[1:3, 2:4], stored[1:3, 2:4] / 2)
    assert np.array_equal(picture[np.ix_([4, 0], [1, 1, 2])], stored[np.ix_([4, 0], [1, 1, 2])] / 2)
    assert asked == [(2, 2, 2), (2, 3, 2)]
    for part in (np.s_[..., :1], np.s_[2], np.s_[:, :, 1], np.s_[1:3, 2:4]):
        assert np.array_equal(picture[part], stored[part] / 2)
    assert len(asked) == 3 and np.concatenate([picture, picture], axis=2).shape == (5, 6, 4)


def test_a_reader_gives_such_pictures():
    class Two:
        heights, widths = [5, 5], [6, 6]

        def __len__(self):
            return 2

        def __getitem__(self, row):
            return np.full((5, 6, 1), row, np.uint16)

    seen = Seen(Two(), lambda part: part.astype(np.float32) + 1)
    assert len(seen) == 2 and (np.asarray(seen[1]) == 2).all() and seen.heights == [5, 5]
