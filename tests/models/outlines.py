"""Networks without values: their variables have shapes and names, and are filled only where they are to be run."""

import contextlib

import keras
import numpy as np


@contextlib.contextmanager
def without_values():
    """What is built inside can be counted, named and asked for its shapes; filling large networks takes far longer."""
    with keras.StatelessScope(initialize_variables=False):
        yield
    from keras.src.backend.common import global_state

    # Keras keeps a list of what it has not filled, to do so when the next such scope ends
    global_state.set_global_attribute("uninitialized_variables", [])


def shaken(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A kernel about as large as it was, so that numbers stay in range through many layers; other vectors not zero."""
    if values.ndim > 1:
        return values * random.uniform(0.5, 1.5, values.shape).astype(values.dtype)
    return values + random.uniform(0, 0.1, values.shape).astype(values.dtype)


def with_values(network: keras.Model, seed=5) -> keras.StatelessScope:
    """A context in which a network that was built without values has some, as has any other with its layers."""
    random = np.random.default_rng(seed)
    # the value of a variable that has none is drawn by its initializer
    start = [(variable, keras.ops.convert_to_numpy(variable.value)) for variable in network.weights]
    return keras.StatelessScope([(variable, shaken(values, random)) for variable, values in start])
