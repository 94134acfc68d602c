"""What the weights of a network are before it learns."""

import random

import keras
import numpy as np
from keras import ops


class HeNormal(keras.initializers.Initializer):
    """Normal numbers with deviation sqrt(2 / N), N the inputs of a neuron (He et al. 2015, arXiv:1502.01852).

    Of an up-convolution N counts its positions times its outputs, as Keras has it. NumPy draws them: they are the same
    on every backend, and JAX need not compile a generator for each shape, which takes it a second and a half each.
    """

    def __call__(self, shape, dtype=None):
        """`shape`: of a kernel, N before outputs. `keras.utils.set_random_seed` decides which numbers they are."""
        inputs = int(np.prod(shape[:-1]))
        numbers = np.random.default_rng(random.getrandbits(32)).standard_normal(shape, np.float32)
        return ops.convert_to_tensor(numbers * np.sqrt(2 / inputs, dtype=np.float32), dtype=dtype)
