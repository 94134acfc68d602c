"""Predicting: tiles agree with the whole, volumes come back slice by slice."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from types import SimpleNamespace

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.slow

from pipeline import models
from pipeline import recipe as recipes
from pipeline.imaging.flips import SYMMETRIES
from pipeline.prepared import View
from pipeline.training.predict import Predictor

INFO = {"channels": 1, "range": 255, "dtype": "uint8", "mean": [0.5], "std": [0.25]}


def pictures(*shapes, channels=1):
    """Smooth noise of these sizes, as a reader of images."""
    random = np.random.default_rng(5)
    found = []
    for height, width in shapes:
        coarse = random.random((height // 8 + 1, width // 8 + 1, channels))
        found.append((np.repeat(np.repeat(coarse, 8, 0), 8, 1)[:height, :width] * 255).astype(np.uint8))
    heights, widths = np.array(shapes).T
    return SimpleNamespace(heights=heights, widths=widths), found


class Images:
    def __init__(self, *shapes, channels=1):
        self.sizes, self.found = pictures(*shapes, channels=channels)
        self.heights, self.widths = self.sizes.heights, self.sizes.widths

    def __getitem__(self, row):
        return self.found[row]


def predictor(network, recipe):
    return Predictor(network, recipe, INFO, "sigmoid", models.named(recipe.model).frame(recipe))


def network_of(recipe, channels=1, outputs=1):
    keras.utils.set_random_seed(3)
    return models.named(recipe.model).build(recipe, channels, outputs, [0.5] * channels, [0.25] * channels)


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        # an answer depends on 20 pixels around it; of what two tiles share, neither's outer 24 count
        ({"depth": 2, "width": 4, "block": "plain", "tile": 256}, 1),
        # unpadded: a tile sees all that there is to see
        ({"model": "unet2015", "depth": 2, "width": 4, "tile": 100}, 1),
    ],
)
@pytest.mark.parametrize("symmetry", ["none", "turns"])
def test_tiles_and_the_whole_agree(fields, most, symmetry):
    images = Images((300, 420), (90, 250), (64, 80))
    recipe = recipes.Recipe(**{"size": 0, "precision": "float32", **fields})
    network = network_of(recipe)
    whole = predictor(network, recipes.Recipe(**{**recipes.to_json(recipe), "tile": 0}))
    rows, flips = [0, 1, 2], SYMMETRIES[symmetry]
    tiled = list(predictor(network, recipe).pictures(images, rows, flips))
    for (row, *found), (other, *wanted) in zip(tiled, whole.pictures(images, rows, flips), strict=True):
        assert row == other
        for one, two in zip(found, wanted, strict=True):
            assert one.shape == (*images[row].shape[:2], 1) and one.dtype == np.uint8
            assert np.abs(one.astype(int) - two).max() <= most
            assert two.std() > 3


def test_a_resized_picture_is_tiled_at_the_size_of_the_network():
    images = Images((90, 120))
    recipe = recipes.Recipe(depth=1, width=4, size=160, fit="resize", tile=96, precision="float32", block="plain")
    network = network_of(recipe)
    ((_, tiled, _),) = predictor(network, recipe).pictures(images, [0], SYMMETRIES["none"])
    whole = predictor(network, recipes.Recipe(**{**recipes.to_json(recipe), "tile": 0}))
    ((_, wanted, _),) = whole.pictures(images, [0], SYMMETRIES["none"])
    assert tiled.shape == (90, 120, 1) and np.abs(tiled.astype(int) - wanted).max() <= 1


class Echo(keras.Model):
    """Answers each slice with itself."""

    def call(self, image):
        values = keras.ops.clip(image, 0.01, 0.99)
        return keras.ops.log(values / (1 - values))

    def compute_output_shape(self, shape):
        return shape


class Volumes(Images):
    """Two volumes of 7 and 2 slices; patches of 4."""

    def __init__(self):
        super().__init__(*[(16, 24)] * 9)
        self.first = np.array([0] * 7 + [7] * 2)
        self.last = np.array([6] * 7 + [8] * 2)

    def around(self, row):
        first, last = self.first[row], self.last[row]
        start = max(first, min(row - 2, last - 3))
        return np.arange(start, start + 4).clip(first, last)

    def __getitem__(self, row):
        return np.concatenate([self.found[i] for i in self.around(row)], axis=2)


@pytest.mark.parametrize("rows", [range(9), range(7), range(2, 6), range(7, 9), [0, 1, 7, 8]])
def test_every_slice_of_a_volume_is_answered_once_and_is_its_own(rows):
    images, recipe = Volumes(), recipes.Recipe(depth=1, size=0, slices=4, precision="float32")
    info = {**INFO, "channels": 4}
    found = Predictor(Echo(), recipe, info, "sigmoid", models.named("unet").frame(recipe)).predict(
        View(images, info, 4), rows, SYMMETRIES["left-right"]
    )
    seen = []
    for row, plain, averaged in found:
        seen.append(row)
        for answer in (plain, averaged):
            assert answer.shape == (16, 24, 1)
            assert np.abs(answer.astype(int) - images.found[row].clip(3, 252)).max() <= 2
    assert seen == list(rows)
