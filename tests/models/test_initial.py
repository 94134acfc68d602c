"""Weights before learning: their distribution, and that a seed decides them."""

import random

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from pipeline.models.initial import HeNormal

SHAPE = (3, 3, 64, 512)  # 294,912 numbers with N = 576


def drawn(initializer, seed=0) -> np.ndarray:
    random.seed(seed)
    return keras.ops.convert_to_numpy(initializer(SHAPE, "float32"))


@pytest.mark.parametrize("truncated", [True, False])
def test_mean_and_deviation(truncated):
    numbers, deviation = drawn(HeNormal(truncated)), np.sqrt(2 / 576)
    # five standard errors
    assert abs(numbers.mean()) < 5 * deviation / np.sqrt(numbers.size)
    assert abs(numbers.std() / deviation - 1) < 5 / np.sqrt(2 * numbers.size)


def test_truncated_ones_are_distributed_as_keras_draws_them():
    ours = np.abs(drawn(HeNormal())).ravel()
    theirs = np.abs(keras.ops.convert_to_numpy(keras.initializers.HeNormal(seed=1)(SHAPE))).ravel()
    assert ours.max() == pytest.approx(theirs.max(), rel=1e-3)
    quantiles = np.linspace(0.05, 0.95, 19)
    assert np.quantile(ours, quantiles) == pytest.approx(np.quantile(theirs, quantiles), rel=0.02)
    assert np.abs(drawn(HeNormal(truncated=False))).max() > 1.3 * ours.max()


def test_the_seed_decides():
    assert np.array_equal(drawn(HeNormal()), drawn(HeNormal()))
    assert not np.array_equal(drawn(HeNormal()), drawn(HeNormal(), seed=1))
