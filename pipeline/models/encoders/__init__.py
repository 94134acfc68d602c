"""The ways down that come from elsewhere: those of keras.applications, and a file for each of our own."""

import importlib

from pipeline.models import catalogue

# of what an encoder can give, how much smaller than the image
STRIDES = (2, 4, 8, 16, 32)


def features(image, recipe, strides: tuple[int, ...] = STRIDES) -> dict:
    """What the recipe's encoder sees in an image: stride -> B x H / stride x W / stride x channels.

    Args:
        image: a Keras tensor B x H x W x C in 0..1, any C; H and W must be multiples of the largest stride.
        strides: which are wanted; those that the encoder does not have are left out.
    """
    return named(recipe.encoder).features(image, recipe, strides)


def start(network, recipe, strides: tuple[int, ...] = STRIDES) -> None:
    """Gives the encoder inside a fresh network the weights that the recipe names; `strides` as in `features`.

    Raises UserError, with the network untouched, when they cannot be had or are not of this encoder.
    """
    if recipe.weights != "none":
        named(recipe.encoder).start(network, recipe, strides)


def named(encoder: str):
    """The module of an encoder: it has `features(image, recipe, strides)`; one that can begin with weights from
    elsewhere also `start(network, recipe, strides)`."""
    name = catalogue.APPLICATIONS if encoder in catalogue.of_applications() else encoder
    return importlib.import_module(f"pipeline.models.encoders.{name}")
