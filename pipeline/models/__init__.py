"""The networks, each readable alone."""

import importlib


def named(model: str):
    """The module of a network: it has `build(recipe, channels, outputs, mean, std)` and `multiple(recipe)`."""
    return importlib.import_module(f"pipeline.models.{model}")
