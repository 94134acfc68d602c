"""Parts of a step that TensorFlow runs as many small operations on a CPU, each compiled into one.

To compile the whole step there would double its time: XLA's convolutions are slower than TensorFlow's own.
"""

import functools
from collections.abc import Callable

import keras

from pipeline.recipe import Recipe
from pipeline.training import hardware


def fused(function: Callable, recipe: Recipe) -> Callable:
    """The function, of tensors to tensors of shapes that do not change, as one kernel where that is faster."""
    return _compiled(function) if hardware.fuses(recipe.xla, keras.backend.backend()) else function


@functools.cache
def _compiled(function: Callable) -> Callable:
    """Once for each function: all folds of a run share what was compiled."""
    import tensorflow as tf

    return tf.function(function, jit_compile=True)
