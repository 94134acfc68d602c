"""Weights between objects: the paper's formula taken literally, and known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.imaging.border_weights import REACH, border_weights, nearest_two

SIGMAS = st.sampled_from([0.5, 1.0, 2.5, 5.0, 20.0])


@st.composite
def objects(draw):
    """A few pixels and boxes of random numbers: some small, huge or negative, some of several parts."""
    labels = np.zeros((draw(st.integers(1, 24)), draw(st.integers(1, 24))), np.int64)
    for number in draw(st.lists(st.sampled_from([1, 2, 3, 9, 40000, 2**40, -5]), max_size=6)):
        row, column = (draw(st.integers(0, length - 1)) for length in labels.shape)
        labels[row : row + draw(st.integers(1, 5)), column : column + draw(st.integers(1, 5))] = number
    return labels


def distances(labels):
    """From each pixel to each object, over all pairs of pixels: objects x H x W."""
    grid = np.stack(np.indices(labels.shape), axis=-1)
    steps = [grid[:, :, None] - np.argwhere(labels == number) for number in np.unique(labels[labels != 0])]
    return [np.sqrt((step**2).sum(axis=-1)).min(axis=-1) for step in steps]


def literal(labels, weight, sigma):
    found = np.sort(distances(labels), axis=0)
    if len(found) < 2:
        return np.zeros(labels.shape)
    return np.where(labels == 0, weight * np.exp(-((found[0] + found[1]) ** 2) / (2 * sigma**2)), 0)


@given(objects(), SIGMAS, st.sampled_from([1.0, 10.0, 100.0]))
def test_weights_equal_the_formula_over_all_distances_to_all_objects(labels, sigma, weight):
    weights = border_weights(labels, weight, sigma)
    assert weights.dtype == np.float32 and weights.shape == labels.shape
    assert np.abs(weights - literal(labels, weight, sigma)).max() <= 1e-5 * weight


@given(objects(), st.integers(1, 40))
def test_distances_are_exact_up_to_the_reach(labels, reach):
    wanted = np.sort([*distances(labels), *np.full((2, *labels.shape), np.inf)], axis=0)
    for found, true in zip(nearest_two(labels, reach), wanted, strict=False):
        close = true <= reach
        assert np.array_equal(found[close], true[close].astype(np.float32))
        assert (found[~close] > reach).all()


def test_a_gap_of_one_pixel_between_two_objects():
    labels = np.zeros((9, 9), np.uint16)
    labels[:, :4], labels[:, 5:] = 1, 2
    weights = border_weights(labels, 10, 5)
    assert weights[:, 4] == pytest.approx(10 * np.exp(-4 / 50))
    assert not weights[:, :4].any() and not weights[:, 5:].any()


def test_a_gap_of_three_pixels_counts_as_much_at_its_sides_as_in_its_middle():
    labels = np.array([[1, 0, 0, 0, 2]])
    assert border_weights(labels, 10, 5)[0, 1:4] == pytest.approx([10 * np.exp(-16 / 50)] * 3)


@pytest.mark.parametrize("labels", [np.zeros((6, 7), int), np.eye(6, 7, dtype=int), np.ones((3, 3), int)])
def test_fewer_than_two_objects_have_nothing_between_them(labels):
    assert not border_weights(labels, 10, 5).any()


def test_beyond_the_reach_nothing_counts_and_just_within_something_does():
    labels = np.zeros((1, 40), int)
    labels[0, 0], labels[0, 11:] = 1, 2
    # d1 + d2 is 11 everywhere between them
    assert border_weights(labels, 10, 11 / REACH)[0, 1:11].all()
    assert not border_weights(labels, 10, 10.9 / REACH).any()


def test_weights_are_the_same_bytes_every_time():
    labels = np.array([[1, 2, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0]])
    # what is kept moves what comes next to other places in memory
    kept = [(bytes(length), border_weights(labels, 10, 5)) for length in range(300)]
    assert len({weights.tobytes() for _, weights in kept}) == 1


@given(objects(), SIGMAS)
def test_neither_the_numbers_nor_the_orientation_matter(labels, sigma):
    weights = border_weights(labels, 10, sigma)
    renamed = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    renamed = np.where(labels == 0, 0, renamed + 1).astype(np.uint8)
    assert np.array_equal(border_weights(renamed, 10, sigma), weights)
    assert np.allclose(border_weights(labels.T[::-1], 10, sigma), weights.T[::-1], atol=1e-5)
