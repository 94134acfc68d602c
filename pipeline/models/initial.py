"""What the weights of a network are before it learns."""

import random

import keras
import numpy as np
from keras import ops

TRUNCATED = 0.87962566  # the deviation of normal numbers without those beyond 2


class HeNormal(keras.initializers.Initializer):
    """Normal numbers with deviation sqrt(2 / N), N the inputs of a neuron (He et al. 2015, arXiv:1502.01852).

    Of an up-convolution N counts its positions times its outputs, as in Keras. NumPy draws the numbers.

    Args:
        truncated: without those of more than two deviations, as Keras's `he_normal` has it.
    """

    def __init__(self, truncated: bool = True):
        self.truncated = truncated

    def __call__(self, shape, dtype=None):
        """`shape`: of a kernel, N before outputs. `keras.utils.set_random_seed` decides which numbers they are."""
        inputs = int(np.prod(shape[:-1]))
        generator = np.random.default_rng(random.getrandbits(32))
        numbers = generator.standard_normal(shape, np.float32)
        while self.truncated and (outside := np.abs(numbers) > 2).any():
            numbers[outside] = generator.standard_normal(np.count_nonzero(outside), np.float32)
        deviation = np.sqrt(2 / inputs) / (TRUNCATED if self.truncated else 1)
        return ops.convert_to_tensor(numbers * np.float32(deviation), dtype=dtype)


def he_normal():
    """Keras's `he_normal`; the same by NumPy under JAX, which would compile a generator for the shape of each kernel, a
    second and a half each."""
    return HeNormal() if keras.backend.backend() == "jax" else "he_normal"
