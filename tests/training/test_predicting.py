"""Predicting: tiles agree with the whole, volumes come back slice by slice."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas
import pytest

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.slow

from pipeline import models
from pipeline import recipe as recipes
from pipeline.imaging.flips import SYMMETRIES
from pipeline.imaging.sizes import resized
from pipeline.store.prepared import Patches, View
from pipeline.training import volumes as volumes_along
from pipeline.training.one_scale import OneScale
from pipeline.training.predict import Predictor

INFO = {"channels": 1, "range": 255, "dtype": "uint8", "mean": [0.5], "std": [0.25]}


class Images:
    """A reader of patches of noise of these sizes."""

    def __init__(self, *shapes):
        random = np.random.default_rng(5)
        self.found = []
        for height, width in shapes:
            coarse = random.random((height // 8 + 1, width // 8 + 1, 1))
            self.found.append((np.repeat(np.repeat(coarse, 8, 0), 8, 1)[:height, :width] * 255).astype(np.uint8))
        self.heights, self.widths = np.array(shapes).T

    def __getitem__(self, row):
        return self.found[row]


class Alone(Images):
    """A reader of this picture."""

    def __init__(self, picture):
        self.found = [picture]
        self.heights, self.widths = np.array([picture.shape[:2]]).T


def predictor(network, recipe):
    return Predictor(OneScale(network, recipe, INFO, "sigmoid", models.named(recipe.model).frame(recipe)))


def network_of(recipe, channels=1, outputs=1):
    keras.utils.set_random_seed(3)
    return models.named(recipe.model).build(recipe, channels, outputs, [0.5] * channels, [0.25] * channels)


def different(network, recipe, flips, images, rows) -> int:
    """The largest difference between what is stored of tiles and of the whole."""
    whole = predictor(network, replace(recipe, tile=0))
    largest = 0
    tiled = predictor(network, recipe).pictures(images, rows, flips)
    for (row, *found), (other, *wanted) in zip(tiled, whole.pictures(images, rows, flips), strict=True):
        assert row == other
        for one, two in zip(found, wanted, strict=True):
            assert one.shape == (*images[row].shape[:2], 1) and one.dtype == np.uint8 and two.std() > 3
            largest = max(largest, int(np.abs(one.astype(int) - two).max()))
    return largest


@pytest.mark.parametrize(
    "fields",
    [
        {"depth": 2, "tile": 112},
        {"depth": 2, "tile": 112, "decoder": "transposed3", "downsampling": "strided"},
        {"depth": 2, "tile": 128, "decoder": "upsampling", "block": "residual"},
        {"depth": 1, "tile": 48},
        {"depth": 1, "tile": 112, "stem": 2},
        {"depth": 1, "tile": 128, "stem": 2, "decoder": "upsampling"},
        # unpadded: a tile sees all that there is to see
        {"model": "unet2015", "depth": 2, "tile": 100},
        {"model": "unet2015", "depth": 1, "tile": 20},
    ],
    ids=str,
)
def test_tiles_and_the_whole_agree(fields):
    images = Images((150, 230), (90, 250), (64, 40))
    recipe = recipes.Recipe(**{"size": 0, "precision": "float32", "width": 4, "block": "plain", **fields})
    # rounding alone
    assert different(network_of(recipe), recipe, SYMMETRIES["none"], images, [0, 1, 2]) <= 1


def test_tiles_and_the_whole_agree_when_they_are_turned():
    recipe = recipes.Recipe(size=0, precision="float32", width=4, depth=1, tile=64)
    assert different(network_of(recipe), recipe, SYMMETRIES["turns"], Images((100, 150)), [0]) <= 1


def test_tiles_of_a_network_that_looks_at_everything_are_close():
    recipe = recipes.Recipe(
        size=0, precision="float32", width=4, depth=1, tile=64, normalization="group", block="plain"
    )
    assert 1 < different(network_of(recipe), recipe, SYMMETRIES["none"], Images((100, 150)), [0]) < 64


def test_a_pyramid_answers_for_pictures_of_several_sizes():
    recipe = recipes.Recipe(size=0, precision="float32", width=2, model="deeplabv3plus")
    images = Images((64, 48), (32, 80), (100, 30))
    answers = list(predictor(network_of(recipe), recipe).pictures(images, [0, 1, 2], SYMMETRIES["none"]))
    assert [plain.shape[:2] for _, plain, _ in answers] == [(64, 48), (32, 80), (100, 30)]


@pytest.mark.parametrize("fit", ["resize", "double"])
def test_a_scaled_picture_is_tiled_at_the_size_of_the_network(fit):
    images = Images((90, 120))
    recipe = recipes.Recipe(depth=1, width=4, size=160, fit=fit, tile=96, precision="float32", block="plain")
    network = network_of(recipe)
    ((_, tiled, _),) = predictor(network, recipe).pictures(images, [0], SYMMETRIES["none"])
    whole = predictor(network, replace(recipe, tile=0))
    ((_, wanted, _),) = whole.pictures(images, [0], SYMMETRIES["none"])
    assert tiled.shape == (90, 120, 1) and np.abs(tiled.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("fit", ["pad", "resize", "double"])
@pytest.mark.parametrize("tile", [0, 64])
def test_scales_are_a_mean_of_answers_to_resized_pictures(fit, tile):
    images = Images((50, 70), (90, 60))
    recipe = recipes.Recipe(depth=2, width=4, size=96, fit=fit, tile=tile, precision="float32", block="plain")
    network, flips, scale = network_of(recipe), SYMMETRIES["left-right"], 1.3
    single = predictor(network, replace(recipe, fit="pad", size=0 if fit == "resize" else 96))
    without = predictor(network, recipe).pictures(images, [1, 0], flips)
    found = predictor(network, recipe).pictures(images, [1, 0], flips, (scale,))
    for (row, plain, averaged), (_, same, at_one) in zip(found, without, strict=True):
        height, width = images[row].shape[:2]
        seen = {"pad": (height, width), "double": (2 * height, 2 * width), "resize": (96, 96)}[fit]
        larger = resized(images[row], tuple(round(scale * side) for side in seen))
        ((_, _, other),) = single.pictures(Alone(larger), [0], flips)
        wanted = (at_one.astype(float) + resized(other, (height, width))) / 2
        assert np.array_equal(plain, same) and averaged.shape == (height, width, 1)
        assert np.abs(averaged - wanted).max() <= 0.5 and np.abs(wanted - at_one).max() > 3


@pytest.mark.parametrize("fit", ["pad", "resize"])
def test_a_picture_is_seen_at_the_scale_that_its_plain_answer_asks_for(fit):
    images = Images((50, 70), (90, 60))
    recipe = recipes.Recipe(depth=2, width=4, size=96, fit=fit, precision="float32", block="plain")
    network, flips, scale = network_of(recipe), SYMMETRIES["left-right"], 1.3
    own = {(50, 70): 0.5, (90, 60): 2.0}
    asked = []

    def own_scale(answer):
        asked.append(answer)
        return own[answer.shape[:2]]

    adapting = predictor(network, recipe)
    adapting.own_scale = own_scale
    found = list(adapting.pictures(images, [1, 0], flips, (scale,)))
    for (row, plain, averaged), answer in zip(found, asked, strict=True):
        ((_, same, _),) = predictor(network, recipe).pictures(images, [row], flips)
        assert np.array_equal(plain, same) and np.array_equal(answer, same)
        at_one = predictor(network, recipe)
        seen = own[plain.shape[:2]]
        wanted = [next(at_one._scaled(images, [row], flips, {row: times * seen})) for times in (1.0, scale)]
        assert averaged.shape == plain.shape and np.abs(averaged - np.mean(wanted, axis=0)).max() <= 0.5
        assert np.abs(averaged.astype(int) - plain).max() > 3
    # one that sees all as they are asks nobody
    before = len(asked)
    assert [row for row, _ in adapting.plain(View(images, INFO, 1), [0, 1])] == [0, 1]
    assert len(asked) == before


def test_at_every_scale_a_pixel_is_itself():
    images, recipe = Images((64, 96)), recipes.Recipe(depth=1, size=0, precision="float32")
    echo = predictor(Echo(), recipe)
    ((_, plain, averaged),) = echo.pictures(images, [0], SYMMETRIES["none"], (2.0,))
    # twice as large and back: a pixel in a patch of one value keeps it
    inside = np.s_[2:-2:8, 2:-2:8]
    assert np.abs(averaged[inside].astype(int) - plain[inside]).max() <= 1


class Echo(keras.Model):
    """Answers each slice with itself."""

    def call(self, image):
        values = keras.ops.clip(image, 0.01, 0.99)
        return keras.ops.log(values / (1 - values))

    def compute_output_shape(self, shape):
        return shape


def volumes():
    """Two volumes of 7 and 2 slices in patches of 4, and the slices."""
    slices = Images(*[(16, 24)] * 9)
    table = pandas.DataFrame({"part": ["train"] * 9, "volume": ["p1"] * 7 + ["p2"] * 2})
    return Patches(SimpleNamespace(images=slices, table=table), 4), slices


@pytest.mark.parametrize("rows", [range(9), range(7), range(2, 6), range(7, 9), [0, 1, 7, 8]])
def test_every_slice_of_a_volume_is_answered_once_and_is_its_own(rows):
    (images, slices), recipe = volumes(), recipes.Recipe(depth=1, size=0, slices=4, precision="float32")
    info = {**INFO, "channels": 4}
    echo = Predictor(OneScale(Echo(), recipe, info, "sigmoid", models.named("unet").frame(recipe)))
    found = echo.predict(View(images, info, 4), rows, SYMMETRIES["left-right"])
    seen = []
    for row, plain, averaged in found:
        seen.append(row)
        for answer in (plain, averaged):
            assert answer.shape == (16, 24, 1)
            assert np.abs(answer.astype(int) - slices[row].clip(3, 252)).max() <= 2
    assert seen == list(rows)


def test_a_slice_is_given_back_when_no_later_window_reaches_it():
    """However deep a volume is: of forty slices a window of four, and half of the next one, are held."""
    slices = Images(*[(16, 24)] * 40)
    table = pandas.DataFrame({"part": ["test"] * 40, "volume": ["p"] * 40})
    view = View(Patches(SimpleNamespace(images=slices, table=table), 4), {}, 4)
    windows = []

    def answer(asked):
        for row in asked:
            windows.append(row)
            both = np.asarray(view.images[row])
            yield row, both, both

    held = []
    for row, plain, _ in volumes_along.predict(answer, view, list(range(40))):
        held.append(max(view.members(windows[-1])) - row)
        assert np.array_equal(plain, slices[row])
    assert len(held) == 40 and max(held) < 4


@pytest.mark.parametrize("fields", [{}, {"size": 160}, {"fit": "resize", "size": 160}, {"tile": 0}], ids=str)
@pytest.mark.parametrize("nodata", [None, 9])
def test_bands_of_an_answer_are_its_lines(fields, nodata):
    images = Images((150, 90), (40, 50), (90, 250))
    for picture in images.found:
        picture[30:60, 5:20] = 9
    recipe = recipes.Recipe(**{"size": 0, "tile": 64, "depth": 1, "width": 4, "precision": "float32", **fields})
    found = predictor(network_of(recipe), recipe)
    scaling = SimpleNamespace(nodata=nodata, known=lambda window: (window != 9).astype(np.float32))
    view = View(images, INFO, 1, scaling if nodata else None, images)
    images.channels = 1
    whole = list(found.predict(view, [2, 0, 1], SYMMETRIES["flips"]))
    many = []
    answers = found.predict_in_bands(view, [2, 0, 1], SYMMETRIES["flips"])
    plain = found.plain(view, [2, 0, 1])
    for (row, *wanted), (other, bands), (third, alone) in zip(whole, answers, plain, strict=True):
        bands = list(bands)
        many.append(len(bands) > 1)
        assert row == other == third and np.array_equal(alone, wanted[0])
        for part in (0, 1):
            joined = np.concatenate([band[part] for band in bands])
            assert joined.dtype == np.uint8 and np.array_equal(joined, wanted[part])
            assert not nodata or not joined[30:60, 5:20].any()
            assert joined[:25].any()
    # large ones at their own size alone
    is_cut = "tile" not in fields and "fit" not in fields
    assert many == [is_cut, is_cut, is_cut and "size" in fields]
