"""Encoders: what they see and at which stride, and the networks on top of one."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("h5py")

from pipeline.errors import UserError
from pipeline.models import catalogue, encoders, unet
from pipeline.models.encoders.keras_applications import NETWORKS as ENCODERS
from pipeline.recipe import Recipe
from tests.models.encoder_examples import (
    SMALL,
    already_built,
    array,
    bare_application,
    network_of,
    picture,
    same_weights,
    saved,
    small_application,
)
from tests.models.outlines import with_values, without_values

# seconds each to build, and made of the same blocks as the smaller ones of their families
LARGE = ("resnet101", "efficientnetv2m", "densenet169", "convnextsmall")
# the last layer at stride 16, from the papers' block tables
AT_16 = {
    "vgg16": ("block5_conv3", 512),
    "mobilenetv2": ("block_13_expand_relu", 576),
    "resnet50": ("conv4_block6_out", 1024),
    "efficientnetb0": ("block6a_expand_activation", 672),
    "efficientnetv2b0": ("block6a_expand_activation", 672),
    "densenet121": ("pool4_conv", 512),
    "convnexttiny": ("convnext_tiny_stage_2_block_8_identity", 384),
}


@pytest.fixture(scope="module")
def application():
    return small_application()


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_is_one_of_keras(encoder):
    module, name = ENCODERS[encoder]
    assert name.lower() == encoder
    assert callable(getattr(keras.applications, name))
    assert callable(getattr(keras.applications, module).preprocess_input)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", [name for name in ENCODERS if name not in LARGE])
def test_features_have_the_strides_that_they_are_called_by(encoder):
    with without_values():
        network = network_of(encoder, size=(64, 96))
    wanted = [stride for stride in encoders.STRIDES if stride > 2 or not encoder.startswith("convnext")]
    shapes = {int(stride): tensor.shape for stride, tensor in network.output.items()}
    assert sorted(shapes) == wanted
    assert all(shapes[stride][1:3] == (64 // stride, 96 // stride) for stride in wanted)
    if encoder in AT_16:
        assert shapes[16][-1] == AT_16[encoder][1]
    # the moving average of the weights finds them by their paths
    paths = [weight.path for weight in network.weights]
    assert len(set(paths)) == len(paths)


def test_what_comes_after_the_last_stride_is_left_out(application):
    whole = network_of(SMALL, application=application)
    short = network_of(SMALL, strides=(4, 16), application=application)
    assert set(short.output) == {"4", "16"}
    assert short.count_params() < 0.5 * whole.count_params()


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["mobilenetv2", "resnet50", "efficientnetv2b0", "densenet121", "convnexttiny"])
def test_features_are_those_of_keras_on_its_own_preprocessed_pictures(encoder):
    with without_values():
        application = bare_application(encoder)
        network = network_of(encoder, strides=(16,), application=application)
        theirs = keras.Model(application.input, application.get_layer(AT_16[encoder][0]).output)
    module = getattr(keras.applications, ENCODERS[encoder][0])
    with with_values(network):
        wanted = array(theirs(module.preprocess_input(picture(32, 64) * 255)))
        found = array(network(picture(32, 64))["16"])
    assert wanted.std() > 0
    assert np.allclose(found, wanted, rtol=1e-3, atol=1e-3 * wanted.std())


def test_the_first_efficientnets_see_pictures_normalised_by_imagenet():
    """Their own normalisation holds standard deviations for variances in the published files: it must not be used."""
    with without_values():
        application = bare_application("efficientnetb0")
        network = network_of("efficientnetb0", strides=(4,), application=application)
        last = application.get_layer("block3a_expand_activation")
        rest = keras.Model(application.get_layer("stem_conv_pad").input, last.output)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    with with_values(network):
        wanted = array(rest(((picture() - mean) / deviation).astype("float32")))
        found = array(network(picture())["4"])
    assert wanted.std() > 0
    assert np.allclose(found, wanted, rtol=1e-3, atol=1e-3 * wanted.std())


def test_one_channel_is_seen_as_grey(application):
    grey, colour = (network_of(SMALL, channels, (4,), application) for channels in (1, 3))
    image = picture(channels=1)
    found, wanted = array(grey(image)["4"]), array(colour(np.repeat(image, 3, axis=-1))["4"])
    assert np.allclose(found, wanted, atol=1e-5) and wanted.std() > 0


@pytest.mark.parametrize("channels", [2, 5])
def test_other_channels_are_mixed_and_start_as_their_mean(channels, application):
    mixed, colour = (network_of(SMALL, count, (4,), application) for count in (channels, 3))
    assert len(mixed.trainable_weights) == len(colour.trainable_weights) + 2
    image = picture(channels=channels)
    grey = np.repeat(image.mean(-1, keepdims=True), 3, axis=-1)
    wanted = array(colour(grey)["4"])
    assert np.allclose(array(mixed(image)["4"]), wanted, atol=1e-4) and wanted.std() > 0


def test_statistics_of_a_short_training_are_followed(application):
    inside = network_of(SMALL, application=application).get_layer("encoder")
    momenta = {layer.momentum for layer in inside.layers if isinstance(layer, keras.layers.BatchNormalization)}
    assert momenta == {0.98}


@pytest.mark.slow
def test_the_u_net_takes_an_encoder_in_mixed_precision(application, tmp_path):
    path = saved(application, tmp_path / "old_notop.h5")
    recipe = Recipe(encoder=SMALL, width=4, dropout=0.1, weights=str(path))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = unet.build(recipe, 1, 2, [0.5], [0.2])
    finally:
        keras.config.set_dtype_policy("float32")
    assert unet.frame(recipe).multiple == 32
    with already_built(SMALL, application):
        unet.start(network, recipe)
    assert same_weights(network.get_layer("encoder"), application)
    logits = array(network(picture(32, 64, 1)))
    assert logits.shape == (2, 32, 64, 2) and logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert network.compute_output_shape((1, 96, 32, 1)) == (1, 96, 32, 2)


@pytest.mark.slow
def test_the_u_net_takes_an_encoder_without_features_at_half_the_resolution():
    with without_values():
        network = unet.build(Recipe(encoder="convnexttiny", width=4, stem=2), 3, 1, [0.5] * 3, [0.2] * 3)
        assert network.compute_output_shape((2, 64, 32, 3)) == (2, 64, 32, 1)


@pytest.mark.parametrize(("stride", "levels"), [(1, 5), (2, 4), (4, 3), (8, 2)])
def test_the_way_up_ends_at_the_answers_stride(stride, levels):
    with without_values():
        network = unet.build(Recipe(encoder="resnet18", width=4, stem=2, answer_stride=stride), 1, 2, [0.5], [0.2])
    enlarging = [layer for layer in network.layers if type(layer).__name__ == "Conv2DTranspose"]
    # the last one is the answer's
    assert [layer.strides[0] for layer in enlarging] == [2] * levels + ([stride] if stride > 1 else [])
    assert network.compute_output_shape((1, 96, 32, 1)) == (1, 96, 32, 2)


@pytest.mark.parametrize("other", [{"encoder": ""}, {"model": "deeplabv3plus"}, {"encoder": "", "stem": 2}])
def test_where_nothing_ends_at_an_answers_stride_it_is_refused(other):
    catalogue.check(Recipe(encoder="resnet18", answer_stride=2))
    with pytest.raises(UserError, match="--answer-stride is of --model unet with an --encoder"):
        catalogue.check(Recipe(**{"encoder": "resnet18", "answer_stride": 2, **other}))


def test_the_u_net_without_an_encoder_has_the_weights_it_always_had():
    with without_values():
        network = unet.build(Recipe(), 1, 1, [0.5], [0.2])
        assert network.count_params() == 8_113_601
        unet.start(network, Recipe())
    assert unet.frame(Recipe(depth=3)).multiple == 8


def test_strided_convolutions_stand_where_the_pooling_was():
    with without_values():
        pooled, strided = (
            unet.build(Recipe(depth=3, width=4, downsampling=downsampling), 1, 1, [0.5], [0.2])
            for downsampling in ("pool", "strided")
        )
    kinds = [type(layer).__name__ for layer in pooled.layers]
    replaced = ["Conv2D" if kind == "MaxPooling2D" else kind for kind in kinds]
    assert "MaxPooling2D" in kinds and [type(layer).__name__ for layer in strided.layers] == replaced
    more = sum(4 * filters * filters + filters for filters in (4, 8, 16))
    assert strided.count_params() == pooled.count_params() + more
    assert strided.compute_output_shape((2, 24, 40, 1)) == (2, 24, 40, 1)
