"""Every flip and turn has its inverse."""

import numpy as np
import pytest

from pipeline.imaging.flips import IDENTITY, LEFT_RIGHT, QUARTER_TURN, SYMMETRIES, TRANSPOSE, UP_DOWN

ALL = SYMMETRIES["turns"]
SHAPES = [(5, 5, 1), (4, 7, 3), (1, 6, 2), (3, 4, 7, 3), (2, 6, 6, 1), (2, 3, 5, 4, 2)]


def numbered(shape):
    return np.arange(np.prod(shape)).reshape(shape)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("flip", ALL, ids=lambda flip: flip.name)
def test_a_flip_followed_by_its_inverse_changes_nothing(flip, shape):
    original = numbered(shape)
    assert np.array_equal(flip.inverse(flip.forward(original)), original)
    assert np.array_equal(flip.forward(flip.inverse(original)), original)


@pytest.mark.parametrize("flip", ALL, ids=lambda flip: flip.name)
def test_a_batch_is_flipped_picture_by_picture(flip):
    batch = numbered((3, 4, 7, 2))
    assert np.array_equal(flip.forward(batch), np.stack([flip.forward(picture) for picture in batch]))


@pytest.mark.parametrize("flip", ALL, ids=lambda flip: flip.name)
def test_channels_stay_where_they_are(flip):
    picture = np.stack([np.full((3, 5), 1), np.full((3, 5), 2)], axis=-1)
    flipped = flip.forward(picture)
    assert (flipped[..., 0] == 1).all() and (flipped[..., 1] == 2).all()


def test_the_eight_symmetries_of_the_square_are_all_different():
    square = numbered((3, 3, 1))
    results = {flip.forward(square).tobytes() for flip in ALL}
    assert len(ALL) == len(results) == 8
    assert len({flip.name for flip in ALL}) == 8


def test_the_eight_symmetries_are_closed_under_one_after_the_other():
    square = numbered((3, 3, 1))
    results = {flip.forward(square).tobytes() for flip in ALL}
    assert {second.forward(first.forward(square)).tobytes() for first in ALL for second in ALL} == results


def test_known_pictures():
    picture = np.array([[1, 2], [3, 4], [5, 6]])[..., None]
    known = {
        IDENTITY: [[1, 2], [3, 4], [5, 6]],
        LEFT_RIGHT: [[2, 1], [4, 3], [6, 5]],
        UP_DOWN: [[5, 6], [3, 4], [1, 2]],
        TRANSPOSE: [[1, 3, 5], [2, 4, 6]],
        QUARTER_TURN: [[2, 4, 6], [1, 3, 5]],  # against the clock
    }
    for flip, wanted in known.items():
        assert flip.forward(picture)[..., 0].tolist() == wanted, flip.name


def test_what_a_competition_may_allow_begins_with_the_picture_as_it_is():
    assert {name: len(flips) for name, flips in SYMMETRIES.items()} == {
        "none": 1,
        "left-right": 2,
        "flips": 4,
        "turns": 8,
    }
    for flips in SYMMETRIES.values():
        assert flips[0] is IDENTITY
        assert len(set(flips)) == len(flips)


def test_without_quarter_turns_a_picture_keeps_its_shape():
    for name in ("none", "left-right", "flips"):
        for flip in SYMMETRIES[name]:
            assert flip.forward(numbered((4, 7, 1))).shape == (4, 7, 1)
