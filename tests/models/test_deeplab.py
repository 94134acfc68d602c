"""DeepLabV3+: its sizes, its number of weights, the rates of its pyramid, and that all of it learns."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("h5py")

from pipeline.models import deeplabv3plus
from pipeline.recipe import Recipe
from tests.models.encoder_examples import SMALL as SMALL_ENCODER
from tests.models.encoder_examples import already_built, array, picture, same_weights, saved, small_application
from tests.models.outlines import without_values

SMALL = Recipe(model="deeplabv3plus", width=4, dropout=0.1)


def network(recipe=SMALL, channels=3, outputs=2):
    return deeplabv3plus.build(recipe, channels, outputs, [0.5] * channels, [0.2] * channels)


def test_the_default_has_the_parameters_counted_by_hand():
    def convolution(inputs, filters, kernel=3, bias=0):
        return kernel**2 * inputs * filters + bias * filters

    def normalization(filters):
        return 4 * filters

    def residual(inputs, filters):
        shortcut = convolution(inputs, filters, 1, bias=1) if inputs != filters else 0
        first = convolution(inputs, filters) + normalization(filters)
        return shortcut + first + convolution(filters, filters, bias=1)

    own = sum(residual(inputs, filters) for inputs, filters in [(1, 32), (32, 64), (64, 128), (128, 256), (256, 512)])
    own += 2 * residual(512, 512)
    separable = 9 * 512 + 512 * 256
    pyramid = 2 * convolution(512, 256, 1) + 3 * separable + convolution(5 * 256, 256, 1) + 6 * normalization(256)
    fine = convolution(128, 48, 1) + normalization(48)
    up = convolution(256 + 48, 256) + convolution(256, 256) + 2 * normalization(256) + 256 + 1
    with without_values():
        found = network(Recipe(model="deeplabv3plus"), channels=1, outputs=1).count_params()
    assert found == own + pyramid + fine + up == 16_633_921


def test_answers_are_of_the_size_of_the_picture():
    model = network()
    assert deeplabv3plus.frame(SMALL).multiple == 16
    for height, width in ((32, 32), (48, 16)):
        logits = array(model(picture(height, width)))
        assert logits.shape == (2, height, width, 2) and logits.dtype == np.float32
        assert np.isfinite(logits).all()


@pytest.mark.parametrize("channels", [1, 5])
def test_pictures_may_have_any_number_of_channels(channels):
    with without_values():
        assert network(channels=channels).compute_output_shape((2, 32, 48, channels)) == (2, 32, 48, 2)


def test_the_rates_of_the_pyramid_are_those_of_the_paper():
    """One bright pixel is seen by each separable convolution at nine places, `rate` apart."""
    x = keras.Input((None, None, 2))
    found = keras.Model(x, deeplabv3plus.pyramid(x, Recipe(width=1)))
    separable = [layer for layer in found.layers if isinstance(layer, keras.layers.SeparableConv2D)]
    image = np.zeros((1, 41, 41, 2), "float32")
    image[0, 20, 20] = 1
    for rate, layer in zip((6, 12, 18), separable, strict=True):
        rows, columns = np.nonzero(np.abs(array(layer(image))[0]).max(-1) > 1e-6)
        places = {20 - rate, 20, 20 + rate}
        assert set(zip(rows, columns, strict=True)) == {(row, column) for row in places for column in places}


def test_the_pyramid_sees_the_whole_picture():
    """A pixel further away than the largest rate still counts."""
    keras.utils.set_random_seed(1)
    x = keras.Input((None, None, 3))
    model = keras.Model(x, deeplabv3plus.pyramid(x, Recipe(width=4, normalization="none")))
    image = np.random.default_rng(0).random((1, 45, 45, 3), dtype=np.float32)
    changed = image.copy()
    changed[0, 44, 44] += 50
    assert np.abs(array(model(changed)) - array(model(image)))[0, 0, 0].max() > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "steps"),
    [(SMALL, 3), (Recipe(width=4, encoder=SMALL_ENCODER, dropout=0.1), 1)],
    ids=["own", "encoder"],
)
def test_every_weight_learns(recipe, steps):
    """What starts behind a convolution of zeros gets a gradient in the second step or the third."""
    model = network(recipe, channels=2)
    before = [array(weight) for weight in model.trainable_weights]
    # it goes by the sign of a gradient, however small; compiling takes longer than these steps do, but not with JAX
    model.compile(keras.optimizers.Lion(0.01), "mse", run_eagerly=keras.backend.backend() != "jax")
    target = np.random.default_rng(1).random((2, 32, 32, 2), dtype=np.float32)
    model.fit(picture(32, 32, 2), target, epochs=steps, verbose=0)
    pairs = zip(model.trainable_weights, before, strict=True)
    assert not [weight.path for weight, old in pairs if np.array_equal(array(weight), old)]
    assert all(np.isfinite(array(weight)).all() for weight in model.weights)


@pytest.mark.slow
def test_an_encoder_is_cut_behind_its_stride_16(tmp_path):
    application = small_application()
    path = saved(application, tmp_path / "old_notop.h5")
    recipe = Recipe(width=4, encoder=SMALL_ENCODER, weights=str(path))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = network(recipe, channels=1, outputs=1)
    finally:
        keras.config.set_dtype_policy("float32")
    assert deeplabv3plus.frame(recipe).multiple == 32
    encoder = model.get_layer("encoder")
    assert {int(stride): tensor.shape[-1] for stride, tensor in encoder.output.items()} == {4: 144, 16: 576}
    with already_built(SMALL_ENCODER, application):
        deeplabv3plus.start(model, recipe)
    assert same_weights(encoder, application)
    assert model.compute_output_shape((2, 32, 64, 1)) == (2, 32, 64, 1) and model.output.dtype == "float32"


def test_there_is_nothing_to_start_without_an_encoder():
    model = network()
    before = model.get_weights()
    deeplabv3plus.start(model, SMALL)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
