"""Parts of a step that TensorFlow runs as many small operations on a CPU, each compiled into one.

Of TGS's `quick` a step took 175 ms on two cores with AMX. The warp compiled (32 to 2 ms), the optimizer compiled (14 to
6) and batch normalisation by one kernel (`models.on_tensorflow`) made 113 of it.
"""

from collections.abc import Callable

import keras

from pipeline.models import on_tensorflow
from pipeline.recipe import Recipe
from pipeline.training import hardware


def fuses(recipe: Recipe) -> bool:
    """Whether parts of a step are compiled: where the whole is not, unless the recipe says `--xla off`."""
    return hardware.compiles_parts(recipe.xla, keras.backend.backend()) and on_tensorflow.compiles()


def fused(function: Callable, recipe: Recipe) -> Callable:
    """The function, of tensors to tensors of shapes that do not change, as one kernel where that is faster."""
    return on_tensorflow.compiled(function) if fuses(recipe) else function


def stepping_at_once(kind: type) -> type:
    """An optimizer whose step is one kernel, instead of a dozen for each variable."""

    class Fused(kind):
        def apply(self, grads, trainable_variables=None):
            step = super().apply
            on_tensorflow.at_once(lambda *given: step(list(given), trainable_variables), grads)
            return self.iterations

    return Fused
