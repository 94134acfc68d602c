"""The networks, each readable alone: a file with `build` and `frame` is one.

It may say `TAKES_ENCODER = True` (it has a place for one, and `start`), `OF_VOLUMES = True` (it wants several slices)
and `FINDS_OBJECTS = True` (it answers with the numbers of objects, and learns from them by losses of its own).
"""

import importlib


def named(model: str):
    """The module of a network: it has `build(recipe, channels, outputs, mean, std)` and `frame(recipe)`; one that can
    begin with weights from elsewhere also `start(network, recipe)`."""
    return importlib.import_module(f"pipeline.models.{model}")


def start(network, recipe) -> None:
    """Gives a fresh network the weights from elsewhere that the recipe asks for. Raises UserError."""
    begin = getattr(named(recipe.model), "start", None)
    if begin:
        begin(network, recipe)
