"""A picture in its own tones: the same in other units, as a negative and in colour, whichever window is asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.errors import UserError
from pipeline.imaging.tones import MOST, tone_of
from pipeline.recipe import Recipe
from pipeline.store.seen import Toned

SIDE = 96


def nuclei(channels: int = 1) -> np.ndarray:
    """Bright discs on dark ground, H x W x C uint8."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    picture = np.random.default_rng(0).integers(20, 40, (SIDE, SIDE))
    for top, left in ((20, 30), (50, 70), (80, 20)):
        picture[(rows - top) ** 2 + (columns - left) ** 2 < 60] += 90
    return np.repeat(picture[..., None], channels, axis=2).astype(np.uint8)


def seen(picture: np.ndarray) -> np.ndarray:
    return tone_of(picture).seen(picture)


STAIN = np.array([140, 200, 90])

CHANGES = {
    "a negative": lambda x: 255 - x,
    "other units": lambda x: x.astype(np.float32) * 1e-7 + 3e-5,
    "decibels, upside down": lambda x: (-25 - x / 10).astype(np.float32),
    "16 bits": lambda x: x.astype(np.uint16) * 250 + 7,
    "three channels": lambda x: np.repeat(x, 3, axis=2),
    "stained on white": lambda x: (250 - x.astype(np.float32) * STAIN / 255).astype(np.float32),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_same_scene_of_another_microscope_is_seen_the_same(change):
    plain = seen(nuclei())
    assert plain.shape == (SIDE, SIDE, 1) and plain.dtype == np.float32
    assert plain.min() == 0 and plain.max() == 1
    # what there is less of is bright
    assert plain[20, 30] > 0.7 > 0.3 > plain[2, 2]
    assert np.abs(seen(change(nuclei())) - plain).max() < 0.02


@pytest.mark.parametrize("value", [0, 255])
def test_a_constant_picture_is_dark(value):
    assert not seen(np.full((9, 7, 3), value, np.uint8)).any()


@pytest.mark.parametrize("value", [0.0, 200.0])
def test_one_object_in_an_even_picture_is_bright(value):
    picture = np.full((100, 100, 1), 100.0, np.float32)
    picture[50, 50:53] = value
    found = seen(picture)
    assert found[50, 50:53].tolist() == [[1], [1], [1]] and found.sum() == 3


@given(arrays(np.uint8, (7, 5, 2), elements=st.integers(0, 255)))
def test_any_picture_is_seen_within_0_and_1(picture):
    found = seen(picture)
    assert found.shape == (7, 5, 1) and np.isfinite(found).all() and 0 <= found.min() <= found.max() <= 1


def test_of_a_large_picture_a_part_of_the_pixels_decides():
    small, times = nuclei(), 8
    large = np.kron(small[..., 0], np.ones((times, times), np.uint8))[..., None]
    assert large.size > 4 * MOST
    assert np.abs(seen(large) - seen(np.repeat(np.repeat(small, times, 0), times, 1))).max() == 0
    assert np.abs(seen(large)[::times, ::times] - seen(small)).max() < 0.02


class Pictures:
    """A reader that counts how often it is asked for all of a picture."""

    heights, widths = [SIDE, SIDE], [SIDE, SIDE]

    def __init__(self):
        self.pictures = [nuclei(3), 255 - nuclei(3)]

    def __len__(self):
        return 2

    def __getitem__(self, row):
        return self.pictures[row]


def test_a_window_is_seen_as_in_the_whole_picture():
    images = Toned(Pictures())
    assert len(images) == 2 and images[0].shape == (SIDE, SIDE, 1)
    for row in (0, 1):
        whole = np.asarray(images[row])
        # of dark ground alone, which by itself would be stretched
        assert np.array_equal(images[row][:12, :12], whole[:12, :12]) and whole[:12, :12].max() < 0.3
    assert np.abs(np.asarray(images[0]) - np.asarray(images[1])).max() < 0.02


@pytest.mark.parametrize("fields", [{"hue": 30.0}, {"to_grey": 0.5}])
def test_there_are_no_colours_to_change(fields):
    with pytest.raises(UserError, match="--tones own sees none; give --hue 0 --to-grey 0"):
        Recipe(tones="own", **fields)
