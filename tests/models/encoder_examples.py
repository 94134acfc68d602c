"""Encoders with weights of their own, networks around them, and files of their weights in every form."""

import contextlib
import functools
from pathlib import Path
from unittest import mock

import h5py
import keras
import numpy as np

from pipeline.models import encoders
from pipeline.models.encoders.keras_applications import NETWORKS as ENCODERS
from pipeline.recipe import Recipe
from tests.models.outlines import shaken

SMALL = "mobilenetv2"


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def picture(height=64, width=96, channels=3, seed=0) -> np.ndarray:
    """Two pictures: 2 x H x W x channels, float32 in 0..1."""
    return np.random.default_rng(seed).random((2, height, width, channels), dtype=np.float32)


def bare_application(encoder: str) -> keras.Model:
    """As the pipeline asks Keras for it."""
    build = getattr(keras.applications, ENCODERS[encoder][1])
    return build(include_top=False, weights=None, input_shape=(None, None, 3))


def application_of(encoder: str, seed=5) -> keras.Model:
    """The bare application with weights that nothing else has: none is as it was initialised."""
    application = bare_application(encoder)
    random = np.random.default_rng(seed)
    application.set_weights([shaken(weight, random) for weight in application.get_weights()])
    return application


@functools.cache
def small_application() -> keras.Model:
    """The application of SMALL, built once for all tests: they share its layers and leave its weights as they are."""
    return application_of(SMALL)


def already_built(encoder: str, application: keras.Model):
    """A context in which Keras builds nothing for this encoder, which is slow, but has this application at hand."""
    return mock.patch.object(keras.applications, ENCODERS[encoder][1], lambda **_: application)


def network_of(encoder: str, channels=3, strides=encoders.STRIDES, application=None, size=(None, None)) -> keras.Model:
    """A network whose answers are the encoder's features, by stride; it shares the layers of an application given."""
    image = keras.Input((*size, channels))
    with already_built(encoder, application) if application else contextlib.nullcontext():
        found = encoders.features(image, Recipe(encoder=encoder), strides)
    return keras.Model(image, {str(stride): tensor for stride, tensor in found.items()})


def saved(application: keras.Model, path: Path) -> Path:
    """One file in the form that its name says."""
    if path.name.endswith("_notop.h5"):
        # as the published files are; Keras no longer writes them
        from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

        with h5py.File(path, "w") as file:
            save_weights_to_hdf5_group(file, application)
    elif path.suffix == ".keras":
        application.save(path)
    else:
        application.save_weights(path)
    return path


def same_weights(encoder: keras.Model, application: keras.Model) -> bool:
    """Whether each layer of an encoder, which may be cut short, has the weights of the application's."""
    pairs = [(layer, application.get_layer(layer.name)) for layer in encoder.layers if layer.weights]
    return all(
        np.array_equal(ours, theirs)
        for layer, other in pairs
        for ours, theirs in zip(layer.get_weights(), other.get_weights(), strict=True)
    )
