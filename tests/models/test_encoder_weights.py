"""Files of an encoder's weights: which it starts from, and with which line the others are refused."""

import urllib.error

import numpy as np
import pytest

keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")

from pipeline.errors import UserError
from pipeline.models import encoders
from pipeline.recipe import Recipe
from tests.models.encoder_examples import (
    SMALL,
    already_built,
    bare_application,
    network_of,
    same_weights,
    saved,
    small_application,
)
from tests.models.outlines import without_values

FORMS = ("whole.keras", "new.weights.h5", "old_notop.h5")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained():
    return small_application()


@pytest.fixture(scope="module")
def files(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return {form: saved(trained, folder / form) for form in FORMS}


@pytest.fixture(scope="module")
def untouched(trained):
    """A network that refuses what it is given."""
    return network_of(SMALL, application=trained)


@pytest.fixture(scope="module")
def spare():
    """Built once, for networks and for files that nothing is kept of."""
    return bare_application(SMALL)


@pytest.fixture
def blank(spare):
    """An application whose weights are all zero."""
    spare.set_weights([np.zeros_like(weight) for weight in spare.get_weights()])
    return spare


def refusal(network, weights, reader, encoder=SMALL):
    """The one line with which weights are refused; the network must be as it was. A file is read into `reader`."""
    before = network.get_weights()
    with already_built(encoder, reader), pytest.raises(UserError) as caught:
        encoders.start(network, Recipe(encoder=encoder, weights=str(weights)))
    assert all(np.array_equal(old, new) for old, new in zip(before, network.get_weights(), strict=True))
    line = str(caught.value)
    assert "\n" not in line and encoder in line and str(weights) in line and len(line) < 700
    return line


def test_an_encoder_starts_from_a_file(trained, files, blank):
    network = network_of(SMALL, application=blank)
    encoders.start(network, Recipe(encoder=SMALL, weights=str(files["whole.keras"])))
    inside = network.get_layer("encoder")
    assert same_weights(inside, trained) and len(inside.weights) == len(trained.weights)


@pytest.mark.parametrize(("form", "strides"), [("new.weights.h5", encoders.STRIDES), ("old_notop.h5", (4, 16))])
def test_files_have_other_forms_too_and_encoders_may_be_cut_short(form, strides, trained, files, blank):
    network = network_of(SMALL, strides=strides, application=blank)
    with already_built(SMALL, blank):
        encoders.start(network, Recipe(encoder=SMALL, weights=str(files[form])), strides)
    inside = network.get_layer("encoder")
    assert same_weights(inside, trained)
    assert (len(inside.weights) == len(trained.weights)) == (strides == encoders.STRIDES)


def test_without_weights_nothing_changes(untouched):
    before = untouched.get_weights()
    encoders.start(untouched, Recipe(encoder=SMALL))
    assert all(np.array_equal(a, b) for a, b in zip(before, untouched.get_weights(), strict=True))


def test_weights_of_another_encoder_are_refused(untouched, spare, tmp_path):
    with without_values():
        other = bare_application("mobilenetv3large")
    for form in ("new.weights.h5", "old_notop.h5"):
        assert f"holds no weights of {SMALL}" in refusal(untouched, saved(other, tmp_path / form), spare)


@pytest.mark.slow
def test_weights_of_a_sister_are_refused(untouched, tmp_path):
    """The larger one has the same kinds of layers, and more. What is untouched may be any network."""
    encoder = "efficientnetv2b0"
    with without_values():
        sister, reader = bare_application("efficientnetv2b1"), bare_application(encoder)
        path = saved(sister, tmp_path / "whole.keras")
        assert f"holds no weights of {encoder}" in refusal(untouched, path, reader, encoder)


def test_a_classifier_in_a_file_is_left_out_or_all_is_refused(trained, untouched, blank, tmp_path):
    pooled = keras.layers.GlobalAveragePooling2D()(trained.output)
    whole = keras.Model(trained.input, keras.layers.Dense(3, name="predictions")(pooled))
    network = network_of(SMALL, application=blank)
    path = saved(whole, tmp_path / "whole.keras")
    with already_built(SMALL, blank):
        encoders.start(network, Recipe(encoder=SMALL, weights=str(path)))
    inside = network.get_layer("encoder")
    assert same_weights(inside, whole) and len(whole.weights) == len(inside.weights) + 2
    assert "_notop" in refusal(untouched, saved(whole, tmp_path / "old_notop.h5"), blank)


@pytest.mark.parametrize("form", FORMS)
def test_files_that_are_none_are_refused(form, files, untouched, spare, tmp_path):
    path = tmp_path / form
    assert "is no file" in refusal(untouched, path, spare)
    path.write_text("not weights at all")
    assert "holds no weights" in refusal(untouched, path, spare)
    path.write_bytes(files[form].read_bytes()[:-5000])
    assert "holds no weights" in refusal(untouched, path, spare)


def test_other_endings_and_folders_are_refused(untouched, spare, tmp_path):
    path = tmp_path / "weights.npz"
    path.write_bytes(b"")
    assert "does not end in .h5 or .keras" in refusal(untouched, path, spare)
    assert "is no file" in refusal(untouched, tmp_path, spare)


def test_a_file_with_fewer_layers_is_refused(files, untouched, spare, tmp_path):
    """Old files are read by the order of their layers: one that lacks some must not be taken for a part."""
    path = tmp_path / "old_notop.h5"
    path.write_bytes(files["old_notop.h5"].read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["layer_names"] = file.attrs["layer_names"][:-4]
    assert "holds no weights" in refusal(untouched, path, spare)


def test_imagenet_is_what_keras_fetches(trained, files, blank, monkeypatch):
    asked = []

    def get_file(name, origin, **_):
        asked.append(origin)
        return str(files["old_notop.h5"])

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    network = network_of(SMALL, application=blank)
    encoders.start(network, Recipe(encoder=SMALL, weights="imagenet"))
    assert len(asked) == 1 and asked[0].startswith("https://") and asked[0].endswith("no_top.h5")
    inside = network.get_layer("encoder")
    assert same_weights(inside, trained) and len(inside.weights) == len(trained.weights)


def test_without_a_network_the_line_says_which_file_from_where(monkeypatch, untouched, tmp_path):
    def unreachable(origin, *_):
        raise urllib.error.URLError("Temporary failure in name resolution")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", unreachable)
    # nothing that was fetched before
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    before = untouched.get_weights()
    with pytest.raises(UserError, match=r"https://storage\.googleapis\.com/") as caught:
        encoders.start(untouched, Recipe(encoder=SMALL, weights="imagenet"))
    line = str(caught.value)
    assert "_no_top.h5" in line and "--weights FILE" in line and SMALL in line and "\n" not in line
    assert all(np.array_equal(old, new) for old, new in zip(before, untouched.get_weights(), strict=True))
