"""The paper's U-Net: its sizes, its number of weights, and that no answer depends on what lies beyond the margin."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from pipeline.models import unet2015
from pipeline.models.frame import Frame
from pipeline.recipe import Recipe
from tests.models.outlines import without_values

PAPER = Recipe(model="unet2015", depth=4, width=64, dropout=0.5)


def network(channels=1, outputs=1, mean=0.0, std=1.0, **fields):
    """A small one with random biases, too: nothing may hide behind a zero."""
    recipe = Recipe(**{"model": "unet2015", "depth": 2, "width": 4, **fields})
    keras.utils.set_random_seed(3)
    model = unet2015.build(recipe, channels, outputs, [mean] * channels, [std] * channels)
    random = np.random.default_rng(5)
    model.set_weights([w if w.ndim > 1 else random.normal(0, 0.1, w.shape) for w in model.get_weights()])
    return model


def answer(model, image, training=False):
    """H x W x outputs."""
    return keras.ops.convert_to_numpy(model(image[None], training=training))[0]


def picture(side, channels=1, seed=0):
    return np.random.default_rng(seed).random((side, side, channels)).astype("float32")


def test_the_network_of_the_paper():
    with without_values():
        model = unet2015.build(PAPER, 1, 2, [0.5], [0.2])
    assert model.compute_output_shape((1, 572, 572, 1)) == (1, 388, 388, 2)
    assert model.count_params() == 31_030_658
    kinds = [type(layer).__name__ for layer in model.layers]
    # "in total the network has 23 convolutional layers"
    assert kinds.count("Conv2D") == 19 and kinds.count("Conv2DTranspose") == 4
    assert not any("Norm" in kind for kind in kinds if kind != "Normalization")
    # behind conv4_2 and conv5_2, before what follows each
    places = [place for place, kind in enumerate(kinds) if kind == "Dropout"]
    assert [kinds[place - 1] for place in places] == ["Conv2D"] * 2
    assert [model.layers[place].output.shape[-1] for place in places] == [512, 1024]
    assert [kinds[place + 1] for place in places] == ["MaxPooling2D", "Conv2DTranspose"]
    up = [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    assert up == [512, 256, 128, 64]


def test_weights_start_as_he_normal_and_biases_at_zero():
    model = unet2015.build(Recipe(width=32, depth=2), 1, 1, [0.5], [0.2])
    for layer in model.layers:
        if layer.weights:
            assert not keras.ops.convert_to_numpy(layer.bias).any()
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (3, 3):
            kernel = keras.ops.convert_to_numpy(layer.kernel)
            # sqrt(2 / N): the paper's example has N = 9 x 64
            wanted = np.sqrt(2 / (9 * kernel.shape[2]))
            # four standard errors
            assert abs(kernel.std() / wanted - 1) < 4 / np.sqrt(2 * kernel.size)


def test_one_output_less_is_one_filter_less():
    with without_values():
        assert unet2015.build(PAPER, 1, 1, [0.5], [0.2]).count_params() == 31_030_593


def test_sizes_at_the_depth_of_the_paper():
    model = network(depth=4, width=1, outputs=2)
    for side, wanted in ((188, 4), (204, 20), (220, 36)):
        assert answer(model, picture(side)).shape == (wanted, wanted, 2)


def test_the_frame_of_the_paper():
    frame = unet2015.frame(PAPER)
    assert frame == Frame(multiple=16, remainder=4, margin=92)
    assert [frame.side(length) for length in (1, 20, 21, 388, 389, 512)] == [20, 20, 36, 388, 404, 516]


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_the_frame_is_what_the_network_does(depth):
    frame = unet2015.frame(Recipe(depth=depth))
    with without_values():
        model = unet2015.build(Recipe(depth=depth, width=1), 1, 1, [0.5], [0.2])
    for length in (1, 3 * frame.multiple):
        side = frame.side(length)
        shape = model.compute_output_shape((1, side + 2 * frame.margin, side + frame.multiple + 2 * frame.margin, 1))
        assert shape == (1, side, side + frame.multiple, 1)


@pytest.mark.parametrize(("depth", "step"), [(1, 2), (2, 4), (4, 16)])
def test_a_shift_by_a_multiple_shifts_the_answer(depth, step):
    model = network(depth=depth)
    large = picture(unet2015.frame(Recipe(depth=depth)).side(40) + 2 * (6 * 2**depth - 4) + step)
    there, here = answer(model, large[:-step, :-step]), answer(model, large[step:, step:])
    assert there.std() > 1e-3
    assert np.allclose(there[step:, step:], here[:-step, :-step], atol=1e-5)


def test_a_tile_with_its_margin_has_the_answers_of_the_whole_picture():
    model, frame = network(depth=2, channels=3, outputs=2), unet2015.frame(Recipe(depth=2))
    side = frame.side(60)
    image = np.pad(picture(side, 3), [(frame.margin,) * 2] * 2 + [(0, 0)], mode="reflect")
    whole, tile = answer(model, image), frame.side(20)
    assert whole.shape == (side, side, 2)
    for row, column in [(0, 0), (8, 20), (side - tile, side - tile)]:
        window = image[row : row + tile + 2 * frame.margin, column : column + tile + 2 * frame.margin]
        assert np.allclose(answer(model, window), whole[row : row + tile, column : column + tile], atol=1e-5)


def test_the_outermost_pixels_of_the_margin_are_seen():
    model, frame = network(depth=2), unet2015.frame(Recipe(depth=2))
    # without negative weights nothing is lost on the way
    model.set_weights([np.abs(weight) for weight in model.get_weights()])
    image = picture(frame.side(8) + 2 * frame.margin)
    for corner, reached in ((0, slice(0, 4)), (-1, slice(4, 8))):
        other = image.copy()
        other[corner, corner] += 1e6
        changed = np.abs(answer(model, other) - answer(model, image))[..., 0] > 1
        # all that hangs on one pixel of the bottom, and no more
        assert changed[reached, reached].all() and changed.sum() == 16


def test_fields_of_what_the_paper_has_not_change_nothing():
    model = network(block="plain")
    image = picture(unet2015.frame(Recipe(depth=2)).side(8) + 40)
    for fields in (
        {"block": "residual", "normalization": "none"},
        {"normalization": "group", "decoder": "upsampling", "downsampling": "strided"},
    ):
        assert np.array_equal(answer(network(**fields), image), answer(model, image))


def test_pictures_are_normalised_by_mean_and_deviation():
    image = picture(52)
    wanted = answer(network(), (image - 0.3) / 0.2)
    assert np.allclose(answer(network(mean=0.3, std=0.2), image), wanted, atol=1e-4)


def test_dropout_drops_in_training_alone():
    image = picture(52)
    plain, dropping = network(), network(dropout=0.5)
    dropping.set_weights([*plain.get_weights(), *dropping.get_weights()[len(plain.get_weights()) :]])
    assert np.array_equal(answer(dropping, image), answer(plain, image))
    assert not np.allclose(answer(dropping, image, training=True), answer(plain, image), atol=1e-3)


def test_every_weight_learns():
    model = network(channels=2, outputs=3, width=8, dropout=0.2)
    before = model.get_weights()
    # compiling takes longer than this step does; with JAX it takes less
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=keras.backend.backend() != "jax")
    target = np.random.default_rng(2).random((2, 12, 12, 3)).astype("float32")
    model.fit(np.stack([picture(52, 2, seed) for seed in (0, 1)]), target, epochs=1, verbose=0)
    assert all(np.abs(new - old).max() > 0 for new, old in zip(model.get_weights(), before, strict=True))
