"""Pictures to the network's size and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imaging.sizes import from_network, margins, network_shape, resized, to_network
from pipeline.models.frame import Frame

DTYPES = [np.uint8, np.uint16, np.float16, np.float32]
side = st.integers(1, 40)
added = st.integers(0, 60)


def picture(height, width, channels=1, dtype=np.uint8, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (height, width, channels))
    return values.astype(dtype)


@settings(deadline=None, max_examples=200)
@given(side, side, added, added, st.integers(1, 4), st.sampled_from(DTYPES))
def test_padding_is_undone_exactly(height, width, more_rows, more_columns, channels, dtype):
    original = picture(height, width, channels, dtype)
    shape = height + more_rows, width + more_columns
    padded = to_network(original, shape, "pad")
    assert padded.shape == (*shape, channels)
    assert padded.dtype == dtype
    assert np.array_equal(from_network(padded, (height, width), "pad"), original)


def test_padding_mirrors_without_repeating_the_border():
    row = np.array([1, 2, 3, 4], np.uint8)[None, :, None]
    assert to_network(row, (1, 8), "pad")[0, :, 0].tolist() == [3, 2, 1, 2, 3, 4, 3, 2]
    column = row.transpose(1, 0, 2)
    # of an odd number the bottom gets one more
    assert to_network(column, (7, 1), "pad")[:, 0, 0].tolist() == [2, 1, 2, 3, 4, 3, 2]
    assert margins(4, 1, (7, 1)) == (1, 2, 0, 0)


def test_padding_by_more_than_the_picture_goes_on_mirroring():
    row = np.array([1, 2, 3], np.uint8)[None, :, None]
    assert to_network(row, (1, 13), "pad")[0, :, 0].tolist() == [2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2]


@settings(deadline=None, max_examples=100)
@given(side, side, added, added)
def test_a_padded_pixel_is_the_one_that_mirrors_stand_for(height, width, more_rows, more_columns):
    original = picture(height, width, seed=1)[..., 0]
    padded = to_network(original[..., None], (height + more_rows, width + more_columns), "pad")[..., 0]
    top, _, left, _ = margins(height, width, padded.shape)

    def mirrored(position, length):
        period = max(1, 2 * (length - 1))
        position %= period
        return min(position, period - position) if length > 1 else 0

    rows = [mirrored(row - top, height) for row in range(padded.shape[0])]
    columns = [mirrored(column - left, width) for column in range(padded.shape[1])]
    assert np.array_equal(padded, original[np.ix_(rows, columns)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("shape", [(8, 12), (30, 45), (8, 45), (17, 12)])
def test_resizing_keeps_dtype_and_channels_and_treats_every_channel_alike(dtype, channels, shape):
    original = picture(17, 23, channels, dtype)
    result = to_network(original, shape, "resize")
    assert result.shape == (*shape, channels)
    assert result.dtype == dtype
    for channel in range(channels):
        alone = to_network(original[..., channel : channel + 1], shape, "resize")[..., 0]
        assert np.allclose(result[..., channel].astype(float), alone.astype(float), rtol=1e-2, atol=1)


def test_shrinking_averages_areas():
    original = np.array([[0, 100, 8, 8], [100, 200, 8, 8]], np.uint8)[..., None]
    assert resized(original, (1, 2))[..., 0].tolist() == [[100, 8]]


@settings(deadline=None, max_examples=150)
@given(side, side, side, side, st.integers(1, 5), st.sampled_from(DTYPES), st.integers(0, 255))
def test_a_constant_picture_stays_constant_there_and_back(height, width, rows, columns, channels, dtype, value):
    original = np.full((height, width, channels), value, dtype)
    there = to_network(original, (rows, columns), "resize")
    assert there.shape == (rows, columns, channels)
    back = from_network(there, (height, width), "resize")
    assert back.shape == original.shape and back.dtype == dtype
    exact = 0 if np.issubdtype(dtype, np.integer) else 1e-5 * value
    assert np.abs(there.astype(float) - value).max() <= exact
    assert np.abs(back.astype(float) - value).max() <= exact


@settings(deadline=None, max_examples=100)
@given(side, side, added, added)
def test_doubling_is_resizing_then_padding_and_is_undone(height, width, more_rows, more_columns):
    original = picture(height, width, 2, seed=2)
    twice, shape = resized(original, (2 * height, 2 * width)), (2 * height + more_rows, 2 * width + more_columns)
    there = to_network(original, shape, "double")
    assert np.array_equal(there, to_network(twice, shape, "pad"))
    back = from_network(there, (height, width), "double")
    # each pixel is the mean of the four it became, which lie between it and its neighbours
    assert np.array_equal(back, resized(twice, (height, width)))


def test_16_bits_are_not_squeezed_into_8():
    original = np.full((4, 4, 1), 65535, np.uint16)
    assert (resized(original, (7, 7)) == 65535).all()


@pytest.mark.parametrize("fit", ["pad", "resize"])
def test_a_picture_that_has_the_size_already_is_not_touched(fit):
    original = picture(16, 24, 3)
    assert np.array_equal(to_network(original, (16, 24), fit), original)
    assert np.array_equal(from_network(original, (16, 24), fit), original)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ((101, 101, 128, "pad", 16), (128, 128)),
        ((101, 101, 0, "pad", 16), (112, 112)),
        ((101, 101, 0, "resize", 16), (112, 112)),
        ((101, 101, 64, "resize", 16), (64, 64)),
        ((101, 101, 64, "pad", 16), (112, 112)),  # never cuts
        ((101, 101, 100, "resize", 8), (104, 104)),
        ((520, 696, 256, "resize", 32), (256, 256)),
        ((520, 696, 256, "pad", 32), (544, 704)),
        ((360, 480, 0, "pad", 32), (384, 480)),
        ((7, 300, 128, "pad", 1), (128, 300)),
        ((101, 101, 224, "double", 32), (224, 224)),
        ((101, 101, 128, "double", 16), (208, 208)),
    ],
)
def test_known_network_shapes(arguments, shape):
    *size, multiple = arguments
    assert network_shape(*size, Frame(multiple).side) == shape


@settings(deadline=None, max_examples=300)
@given(
    st.integers(1, 2000),
    st.integers(1, 2000),
    st.integers(0, 1024),
    st.sampled_from(["pad", "resize", "double"]),
    st.sampled_from([1, 2, 4, 8, 16, 32, 64]),
)
def test_a_network_shape_is_the_smallest_multiple_that_is_large_enough(height, width, size, fit, multiple):
    for found, length in zip(
        network_shape(height, width, size, fit, Frame(multiple).side), (height, width), strict=True
    ):
        length *= 2 if fit == "double" else 1
        needed = size if size and fit == "resize" else max(size, length)
        assert found % multiple == 0
        assert needed <= found < needed + multiple


@given(st.integers(1, 3000), st.integers(1, 8))
def test_the_answer_of_an_unpadded_network_is_the_smallest_that_is_large_enough(length, depth):
    frame = Frame(multiple=2**depth, remainder=4, margin=6 * 2**depth - 4)
    side = frame.side(length)
    assert side >= length and side % frame.multiple == 4 % frame.multiple and side >= frame.multiple
    assert side - frame.multiple < length or side == frame.multiple + 4
