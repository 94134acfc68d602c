"""The ways down that come from elsewhere: of keras.applications and of PyTorch; and a file for each of our own."""

import importlib
from collections.abc import Iterator

from pipeline.errors import UserError
from pipeline.models import catalogue

# of what an encoder can give, how much smaller than the image
STRIDES = (2, 4, 8, 16, 32)


def features(image, recipe, strides: tuple[int, ...] = STRIDES) -> dict:
    """What the recipe's encoder sees in an image: stride -> B x H / stride x W / stride x channels.

    Args:
        image: a Keras tensor B x H x W x C in 0..1, any C; H and W must be multiples of the largest stride.
        strides: which are wanted; those that the encoder does not have are left out.
    """
    return module_of(recipe).features(image, recipe, strides)


def start(network, recipe, strides: tuple[int, ...] = STRIDES) -> None:
    """Gives the encoder inside a fresh network the weights that the recipe names; `strides` as in `features`.

    Raises UserError, with the network untouched, when they cannot be had or are not of this encoder.
    """
    if recipe.weights != "none":
        module_of(recipe).start(network, recipe, strides)


def below(network, recipe) -> list:
    """The variables that the encoder of a network learns. Raises UserError where they cannot be told from others."""
    within = [layer for layer in _models(network) if layer.name == "encoder"]
    if not within:
        raise UserError(
            f"--encoder {recipe.encoder} does not keep its layers in a model named encoder: leave out --encoder-rate "
            "and --freeze-epochs"
        )
    return within[0].trainable_variables


def _models(network) -> Iterator:
    """Those within a network, and within them."""
    for layer in network.layers:
        if hasattr(layer, "layers"):
            yield layer
            yield from _models(layer)


def module_of(recipe):
    """The module of a recipe's encoder: it has `features(image, recipe, strides)`; one that can begin with weights from
    elsewhere also `start(network, recipe, strides)`."""
    return importlib.import_module(f"pipeline.models.encoders.{catalogue.module_of(recipe)}")
