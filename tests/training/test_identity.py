"""A network that answers the picture itself: what comes back lies where it lay, and weighs what it weighed."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.slow

from pipeline.imaging.flips import SYMMETRIES
from pipeline.imaging.sizes import network_shape, scaled_size
from pipeline.models.frame import Frame
from pipeline.recipe import Recipe
from pipeline.training.one_scale import OneScale
from pipeline.training.predict import Predictor

LOW, HIGH = 40, 200
LINES = 12  # places of a line
SHIFT = 0.1  # pixels
WEIGHT = 0.06  # a line of two pixels: linear interpolation by a factor just above 1 does not weigh all places alike

SHAPES = [(64, 64), (200, 200), (64, 512), (512, 64), (101, 37), (130, 71), (7, 300), (1, 40), (40, 1)]
FRAMES = {"padding": Frame(16), "looking around": Frame(8, 4, 12)}


class Echo(keras.Model):
    """Answers with what it sees, without the margin around it."""

    def __init__(self, margin: int):
        super().__init__()
        self.margin = margin

    def call(self, image):
        inner = slice(self.margin, -self.margin or None)
        values = keras.ops.clip(image[:, inner, inner], 0.001, 0.999)
        return keras.ops.log(values / (1 - values))

    def compute_output_shape(self, shape):
        return (shape[0], None, None, shape[3])


class Alone:
    """A reader of one picture."""

    def __init__(self, picture):
        self.picture = picture
        self.heights, self.widths = np.array([picture.shape[:2]]).T

    def __getitem__(self, row):
        return self.picture


def answer(picture, fit, size, scales, tile, frame):
    """What of H x W x C comes back, averaged over flips and scales, above LOW: float."""
    recipe = Recipe(size=size, fit=fit, tile=tile, precision="float32", xla="off")
    info = {"channels": picture.shape[2], "range": 255, "dtype": "uint8"}
    echo = Predictor(OneScale(Echo(frame.margin), recipe, info, "sigmoid", frame))
    ((_, _, averaged),) = echo.pictures(Alone(picture), [0], SYMMETRIES["flips"], scales)
    assert averaged.shape == picture.shape and averaged.dtype == np.uint8
    return averaged.astype(float) - LOW


def lines(shape, axis):
    """Two pixels thick, at places one pixel from one to the next, as channels."""
    places = [place for place in range(shape[axis] // 3, shape[axis] // 3 + LINES) if place + 2 <= shape[axis]]
    picture = np.full((*shape, len(places)), LOW, np.uint8)
    for channel, place in enumerate(places):
        picture[..., channel].swapaxes(0, axis)[place : place + 2] = HIGH
    return picture


def bells(shape, wide):
    """In four places, as channels; `wide`: their standard deviations along both axes, in pixels."""
    found = []
    for places in ((0.5, 0.5), (0.4, 0.33), (0.37, 0.6), (0.61, 0.45)):
        y, x = (
            np.exp(-0.5 * ((np.arange(side) - share * (side - 1)) / width) ** 2)
            for side, share, width in zip(shape, places, wide, strict=True)
        )
        found.append(np.rint(LOW + (HIGH - LOW) * np.outer(y, x)))
    return np.stack(found, axis=-1).astype(np.uint8)


def centres(weight):
    """channels x 2: the centre of gravity of each channel of H x W x C."""
    total = weight.sum(axis=(0, 1))
    rows, columns = (np.arange(side) for side in weight.shape[:2])
    return np.stack([rows @ weight.sum(axis=1) / total, columns @ weight.sum(axis=0) / total], axis=1)


def check(shape, fit, size, scales, tile, frame):
    seen = scaled_size(shape, network_shape(*shape, size, fit, frame.side), fit)
    # how many pixels of the picture one that the network sees stands for, at the least scale
    cell = [own / (side * min(1, *scales, 1)) for own, side in zip(shape, seen, strict=True)]
    smooth = bells(shape, [max(side / 14, cell[axis]) for axis, side in enumerate(shape)])
    drawn = {axis: lines(shape, axis) for axis in (0, 1) if shape[axis] > LINES}
    picture = np.concatenate([smooth, *drawn.values()], axis=2)
    before = picture.astype(float) - LOW
    after = answer(picture, fit, size, scales, tile, frame)
    moved, weights = centres(after) - centres(before), after.sum(axis=(0, 1)) / before.sum(axis=(0, 1))
    assert np.abs(moved[: smooth.shape[2]]).max() < SHIFT
    first = smooth.shape[2]
    for axis, some in drawn.items():
        these = slice(first, first := first + some.shape[2])
        assert np.abs(weights[these] - 1).max() < WEIGHT
        # within a cell nobody knows where it lay; over many places that cancels
        assert abs(moved[these, axis].mean()) < SHIFT
        assert np.abs(moved[these, axis]).max() < max(SHIFT, cell[axis] / 2)


@pytest.mark.parametrize("tile", [0, 64], ids=["whole", "tiles"])
@pytest.mark.parametrize("scales", [(), (0.75, 1.3)], ids=str)
@pytest.mark.parametrize(("fit", "size"), [("pad", 0), ("pad", 128), ("resize", 128), ("double", 128)])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_comes_back_lies_where_it_lay(shape, fit, size, scales, tile):
    check(shape, fit, size, scales, tile, FRAMES["padding"])


@pytest.mark.parametrize("tile", [0, 64], ids=["whole", "tiles"])
@pytest.mark.parametrize("scales", [(), (0.75,)], ids=str)
@pytest.mark.parametrize(("fit", "size"), [("pad", 0), ("resize", 100), ("double", 0)])
@pytest.mark.parametrize("shape", [(64, 300), (101, 37), (1, 40)], ids=str)
def test_so_it_does_where_a_network_looks_at_a_margin(shape, fit, size, scales, tile):
    check(shape, fit, size, scales, tile, FRAMES["looking around"])
