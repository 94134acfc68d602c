"""Encoders: what they see and at which stride, what they start from, and the U-Net on top of one."""

import os
import urllib.error

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")

from pipeline.errors import UserError
from pipeline.models import encoders, unet
from pipeline.models.catalogue import ENCODERS
from pipeline.recipe import Recipe

SMALL = "mobilenetv2"
FORMS = ("whole.keras", "new.weights.h5", "old_notop.h5")
FEW = ("mobilenetv2", "efficientnetb0", "convnexttiny")
# of those that were once in doubt: the last layer at stride 16, from the papers' block tables
AT_16 = {"mobilenetv2": 576, "efficientnetb0": 672, "convnexttiny": 384, "resnet50": 1024, "densenet121": 512}


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def picture(height=64, width=96, channels=3, seed=0):
    return np.random.default_rng(seed).random((2, height, width, channels), dtype=np.float32)


def network_of(encoder, channels=3, strides=encoders.STRIDES, **fields):
    """A network whose answers are the encoder's features, by stride."""
    image = keras.Input((None, None, channels))
    found = encoders.features(image, Recipe(encoder=encoder, **fields), strides)
    return keras.Model(image, {str(stride): tensor for stride, tensor in found.items()})


def shaken(weight, random):
    """A kernel about as large as it was, so that numbers stay in range through many layers; other vectors not zero."""
    if weight.ndim > 1:
        return weight * random.uniform(0.5, 1.5, weight.shape)
    return weight + random.uniform(0, 0.1, weight.shape)


def application_of(encoder, seed=5):
    """The bare application with weights that nothing else has: none is as it was initialised."""
    application = getattr(keras.applications, ENCODERS[encoder][1])(
        include_top=False, weights=None, input_shape=(64, 96, 3)
    )
    random = np.random.default_rng(seed)
    for layer in application.layers:
        layer.set_weights([shaken(weight, random) for weight in layer.get_weights()])
    return application


def saved(application, path):
    """One file in the form that its name says."""
    if path.name.endswith("_notop.h5"):
        from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

        with h5py.File(path, "w") as file:
            save_weights_to_hdf5_group(file, application)
    elif path.suffix == ".keras":
        application.save(path)
    else:
        application.save_weights(path)
    return path


@pytest.fixture(scope="module")
def trained():
    return application_of(SMALL)


@pytest.fixture(scope="module")
def files(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return {form: saved(trained, folder / form) for form in FORMS}


@pytest.fixture(scope="module")
def untouched():
    """A network that refuses what it is given."""
    return network_of(SMALL)


@pytest.fixture(scope="module")
def other_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("other")
    other = application_of("mobilenetv3large")
    return {form: saved(other, folder / form) for form in FORMS}


def refusal(network, weights, encoder=SMALL):
    """The one line with which weights are refused; the network must be as it was."""
    before = network.get_weights()
    with pytest.raises(UserError) as caught:
        encoders.start(network, Recipe(encoder=encoder, weights=str(weights)))
    assert all(np.array_equal(old, new) for old, new in zip(before, network.get_weights(), strict=True))
    line = str(caught.value)
    assert "\n" not in line and encoder in line and str(weights) in line and len(line) < 700
    return line


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_is_one_of_keras(encoder):
    module, name = ENCODERS[encoder]
    assert name.lower() == encoder
    assert callable(getattr(keras.applications, name))
    assert callable(getattr(keras.applications, module).preprocess_input)


@pytest.mark.parametrize(
    "encoder", [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in ENCODERS]
)
def test_features_have_the_strides_that_they_are_called_by(encoder):
    network = network_of(encoder)
    shapes = network.compute_output_shape((2, 64, 96, 3))
    wanted = [stride for stride in encoders.STRIDES if stride > 2 or not encoder.startswith("convnext")]
    assert sorted(map(int, shapes)) == wanted
    assert {shape[:3] for shape in shapes.values()} == {(2, 64 // stride, 96 // stride) for stride in wanted}
    assert shapes["16"][-1] == AT_16.get(encoder, shapes["16"][-1])
    # the moving average of the weights finds them by their paths
    paths = [weight.path for weight in network.weights]
    assert len(set(paths)) == len(paths)


def test_what_comes_after_the_last_stride_is_left_out():
    whole, short = network_of(SMALL), network_of(SMALL, strides=(4, 16))
    assert set(short.output) == {"4", "16"}
    assert short.count_params() < 0.5 * whole.count_params()


@pytest.mark.parametrize(
    ("encoder", "layer"),
    [
        ("mobilenetv2", "block_13_expand_relu"),
        pytest.param("resnet50", "conv4_block6_out", marks=pytest.mark.slow),
        pytest.param("efficientnetv2b0", "block6a_expand_activation", marks=pytest.mark.slow),
        pytest.param("densenet121", "pool4_conv", marks=pytest.mark.slow),
        pytest.param("convnexttiny", "convnext_tiny_stage_2_block_8_identity", marks=pytest.mark.slow),
    ],
)
def test_features_are_those_of_keras_on_its_own_preprocessed_pictures(encoder, layer, tmp_path):
    application = application_of(encoder)
    network = network_of(encoder)
    path = saved(application, tmp_path / "any.weights.h5")
    encoders.start(network, Recipe(encoder=encoder, weights=str(path)))
    module = getattr(keras.applications, ENCODERS[encoder][0])
    theirs = keras.Model(application.input, application.get_layer(layer).output)
    wanted = array(theirs(module.preprocess_input(picture() * 255)))
    found = array(network(picture())["16"])
    assert wanted.std() > 0
    assert np.allclose(found, wanted, rtol=1e-3, atol=1e-3 * wanted.std())


def test_the_first_efficientnets_see_pictures_normalised_by_imagenet(tmp_path):
    """Their own normalisation holds standard deviations for variances in the published files: it must not be used."""
    application = application_of("efficientnetb0")
    inside = next(layer for layer in application.layers if isinstance(layer, keras.layers.Normalization))
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    inside.set_weights([mean, deviation, np.zeros((), "int32")])
    network = network_of("efficientnetb0")
    path = saved(application, tmp_path / "old_notop.h5")
    encoders.start(network, Recipe(encoder="efficientnetb0", weights=str(path)))
    rest = keras.Model(
        application.get_layer("stem_conv_pad").input, application.get_layer("block3a_expand_activation").output
    )
    wanted = array(rest(((picture() - mean) / deviation).astype("float32")))
    assert np.allclose(array(network(picture())["4"]), wanted, rtol=1e-3, atol=1e-3 * wanted.std())


def test_one_channel_is_seen_as_grey():
    grey, colour = network_of(SMALL, channels=1, strides=(8,)), network_of(SMALL, strides=(8,))
    colour.set_weights(grey.get_weights())
    image = picture(channels=1)
    found, wanted = array(grey(image)["8"]), array(colour(np.repeat(image, 3, axis=-1))["8"])
    assert np.allclose(found, wanted, atol=1e-5) and wanted.std() > 0


@pytest.mark.parametrize("channels", [2, 5])
def test_other_channels_are_mixed_and_start_as_their_mean(channels):
    mixed, colour = network_of(SMALL, channels=channels, strides=(8,)), network_of(SMALL, strides=(8,))
    encoder = mixed.get_layer("encoder")
    colour.get_layer("encoder").set_weights(encoder.get_weights())
    assert len(mixed.trainable_weights) == len(colour.trainable_weights) + 2
    image = picture(channels=channels)
    grey = np.repeat(image.mean(-1, keepdims=True), 3, axis=-1)
    assert np.allclose(array(mixed(image)["8"]), array(colour(grey)["8"]), atol=1e-4)


def test_statistics_of_a_short_training_are_followed(untouched):
    layers = untouched.get_layer("encoder").layers
    momenta = {layer.momentum for layer in layers if isinstance(layer, keras.layers.BatchNormalization)}
    assert momenta == {0.98}


@pytest.mark.parametrize("form", FORMS)
def test_an_encoder_starts_from_a_file(form, trained, files):
    network = network_of(SMALL)
    encoders.start(network, Recipe(encoder=SMALL, weights=str(files[form])))
    wanted, found = trained.get_weights(), network.get_layer("encoder").get_weights()
    assert all(np.array_equal(theirs, ours) for theirs, ours in zip(wanted, found, strict=True))


def test_an_encoder_that_is_cut_short_starts_from_the_whole_file(trained, files):
    network = network_of(SMALL, strides=(4, 16))
    encoders.start(network, Recipe(encoder=SMALL, weights=str(files["old_notop.h5"])), (4, 16))
    ours = network.get_layer("encoder")
    for layer in ours.layers:
        wanted = trained.get_layer(layer.name).get_weights() if layer.weights else []
        assert all(np.array_equal(a, b) for a, b in zip(wanted, layer.get_weights(), strict=True))


def test_without_weights_nothing_changes(untouched):
    before = untouched.get_weights()
    encoders.start(untouched, Recipe(encoder=SMALL))
    assert all(np.array_equal(a, b) for a, b in zip(before, untouched.get_weights(), strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_weights_of_another_encoder_are_refused(form, other_files, untouched):
    assert f"holds no weights of {SMALL}" in refusal(untouched, other_files[form])


@pytest.mark.slow
def test_of_a_file_with_its_classifier_the_classifier_is_left_out_or_all_is_refused(untouched, tmp_path):
    whole = keras.applications.MobileNetV2(weights=None, classes=3)
    assert "_notop" in refusal(untouched, saved(whole, tmp_path / "old_notop.h5"))
    network = network_of(SMALL)
    encoders.start(network, Recipe(encoder=SMALL, weights=str(saved(whole, tmp_path / "whole.keras"))))
    found = network.get_layer("encoder").get_weights()
    wanted = whole.get_weights()
    assert len(wanted) == len(found) + 2
    assert all(np.array_equal(a, b) for a, b in zip(wanted, found, strict=False))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["new.weights.h5", "old_notop.h5"])
@pytest.mark.parametrize(("encoder", "other"), [("resnet50", "resnet101"), ("efficientnetv2b0", "efficientnetv2b1")])
def test_weights_of_a_sister_are_refused(encoder, other, form, tmp_path):
    path = saved(application_of(other), tmp_path / form)
    assert "holds no weights" in refusal(network_of(encoder), path, encoder)


@pytest.mark.parametrize("form", FORMS)
def test_files_that_are_none_are_refused(form, files, untouched, tmp_path):
    path = tmp_path / form
    assert "is no file" in refusal(untouched, path)
    path.write_text("not weights at all")
    assert "holds no weights" in refusal(untouched, path)
    path.write_bytes(files[form].read_bytes()[:-5000])
    assert "holds no weights" in refusal(untouched, path)


def test_other_endings_and_folders_are_refused(untouched, tmp_path):
    path = tmp_path / "weights.npz"
    path.write_bytes(b"")
    assert "does not end in .h5 or .keras" in refusal(untouched, path)
    assert "is no file" in refusal(untouched, tmp_path)


def test_a_file_with_fewer_layers_is_refused(files, untouched, tmp_path):
    """Old files are read by the order of their layers: one that lacks some must not be taken for a part."""
    path = tmp_path / "old_notop.h5"
    path.write_bytes(files["old_notop.h5"].read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["layer_names"] = file.attrs["layer_names"][:-4]
    assert "holds no weights" in refusal(untouched, path)


def test_imagenet_is_what_keras_fetches(trained, files, monkeypatch):
    asked = []

    def get_file(name, origin, **_):
        asked.append(origin)
        return str(files["old_notop.h5"])

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    network = network_of(SMALL)
    encoders.start(network, Recipe(encoder=SMALL, weights="imagenet"))
    assert len(asked) == 1 and asked[0].startswith("https://") and asked[0].endswith("no_top.h5")
    found = network.get_layer("encoder").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(trained.get_weights(), found, strict=True))


def test_without_a_network_the_line_says_which_file_from_where(monkeypatch, untouched, tmp_path):
    def unreachable(origin, *_):
        raise urllib.error.URLError("Temporary failure in name resolution")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", unreachable)
    # nothing that was fetched before
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    line = refusal(untouched, "imagenet")
    assert "https://storage.googleapis.com/" in line and "_no_top.h5" in line
    assert "--weights FILE" in line and SMALL in line


def test_the_u_net_takes_an_encoder_in_mixed_precision(files, trained):
    recipe = Recipe(encoder=SMALL, width=4, dropout=0.1, weights=str(files["whole.keras"]))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = unet.build(recipe, 1, 2, [0.5], [0.2])
    finally:
        keras.config.set_dtype_policy("float32")
    assert unet.frame(recipe).multiple == 32
    unet.start(network, recipe)
    found = network.get_layer("encoder").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(trained.get_weights(), found, strict=True))
    logits = array(network(picture(32, 64, 1)))
    assert logits.shape == (2, 32, 64, 2) and logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert network.compute_output_shape((1, 96, 32, 1)) == (1, 96, 32, 2)


@pytest.mark.slow
def test_the_u_net_takes_an_encoder_without_features_at_half_the_resolution():
    network = unet.build(Recipe(encoder="convnexttiny", width=4), 3, 1, [0.5] * 3, [0.2] * 3)
    assert array(network(picture(64, 32))).shape == (2, 64, 32, 1)


def test_the_u_net_without_an_encoder_has_the_weights_it_always_had():
    network = unet.build(Recipe(), 1, 1, [0.5], [0.2])
    assert network.count_params() == 8_113_601
    unet.start(network, Recipe())
    assert unet.frame(Recipe(depth=3)).multiple == 8


def test_strided_convolutions_stand_where_the_pooling_was():
    pooled, strided = (
        unet.build(Recipe(depth=3, width=4, downsampling=downsampling), 1, 1, [0.5], [0.2])
        for downsampling in ("pool", "strided")
    )
    kinds = [type(layer).__name__ for layer in pooled.layers]
    replaced = ["Conv2D" if kind == "MaxPooling2D" else kind for kind in kinds]
    assert "MaxPooling2D" in kinds and [type(layer).__name__ for layer in strided.layers] == replaced
    more = sum(4 * filters * filters + filters for filters in (4, 8, 16))
    assert strided.count_params() == pooled.count_params() + more
    assert array(strided(picture(24, 40, 1))).shape == (2, 24, 40, 1)
