"""Flips and quarter turns, each with its inverse: what test-time augmentation averages over.

Every entry works on the last three axes (H x W x C), so on one picture or on a batch.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Flip(NamedTuple):
    name: str
    forward: Callable[[np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]


def _turn(picture):
    return np.flip(np.swapaxes(picture, -3, -2), -3)


def _turn_back(picture):
    return np.swapaxes(np.flip(picture, -3), -3, -2)


IDENTITY = Flip("as it is", lambda picture: picture, lambda picture: picture)
LEFT_RIGHT = Flip("left-right", lambda picture: np.flip(picture, -2), lambda picture: np.flip(picture, -2))
UP_DOWN = Flip("up-down", lambda picture: np.flip(picture, -3), lambda picture: np.flip(picture, -3))
HALF_TURN = Flip("half turn", lambda picture: np.flip(picture, (-3, -2)), lambda picture: np.flip(picture, (-3, -2)))
QUARTER_TURN = Flip("quarter turn", _turn, _turn_back)
THREE_QUARTER_TURN = Flip("three-quarter turn", _turn_back, _turn)

TRANSPOSE = Flip(
    "transpose", lambda picture: np.swapaxes(picture, -3, -2), lambda picture: np.swapaxes(picture, -3, -2)
)
ANTI_TRANSPOSE = Flip(
    "anti-transpose", lambda picture: np.flip(_turn(picture), -2), lambda picture: np.flip(_turn(picture), -2)
)

# what a competition may allow, by name: the pictures look alike under these
SYMMETRIES = {
    "none": (IDENTITY,),
    "left-right": (IDENTITY, LEFT_RIGHT),
    "flips": (IDENTITY, LEFT_RIGHT, UP_DOWN, HALF_TURN),
    "turns": (
        IDENTITY,
        LEFT_RIGHT,
        UP_DOWN,
        HALF_TURN,
        QUARTER_TURN,
        THREE_QUARTER_TURN,
        TRANSPOSE,
        ANTI_TRANSPOSE,
    ),
}
