"""Batch statistics taken again: what a literal mean over batches gives, and nothing else is touched."""

from types import SimpleNamespace

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from pipeline.recipe import Recipe
from pipeline.training import statistics

WINDOW = (4, 6)


class SomeBatches:
    """uint8 pictures, 6 x 8 with the window in their middle; counts how often it is asked."""

    def __init__(self, steps=5):
        self.steps, self.asked = steps, []
        self.view = SimpleNamespace(info={"range": 255})

    def __call__(self, step):
        self.asked.append(step)
        random = np.random.default_rng(step)
        return {"image": random.integers(0, 256, (4, 6, 8, 2), np.uint8)}

    def seen(self, step):
        return self(step)["image"][:, 1:5, 1:7] / 255


def network(normalized=True, inside=False):
    image = keras.Input((None, None, 2))
    x = keras.layers.Conv2D(3, 1)(image)
    if normalized:
        x = keras.layers.BatchNormalization(momentum=0.98, name="first")(x)
    x = keras.layers.SpatialDropout2D(0.5, name="dropout")(x)
    x = keras.layers.ReLU()(x)
    if normalized:
        x = keras.layers.BatchNormalization(momentum=0.9, name="second")(x)
    found = keras.Model(image, x, name="encoder")
    if not inside:
        return found
    outer = keras.Input((None, None, 2))
    return keras.Model(outer, keras.layers.Conv2D(1, 1)(found(outer)))


def renewed(model, batches, **fields):
    statistics.renew(model, batches, WINDOW, Recipe(**{"batch_size": 4, "renew_statistics": "on", **fields}), "test")


def literal(model, steps):
    """Mean over batches of the mean and the variance of what enters each normalisation, and of what leaves it."""
    kernel, bias = model.layers[1].get_weights()
    found = []
    for step in steps:
        x = SomeBatches().seen(step) @ kernel[0, 0] + bias
        first = x.mean((0, 1, 2)), x.var((0, 1, 2))
        x = np.maximum((x - first[0]) / np.sqrt(first[1] + 1e-3), 0)
        found.append([*first, x.mean((0, 1, 2)), x.var((0, 1, 2))])
    return np.mean(found, axis=0)


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "inside another"])
def test_statistics_are_the_mean_over_batches(inside):
    outer, batches = network(inside=inside), SomeBatches(steps=3)
    model = outer.get_layer("encoder") if inside else outer
    before = [keras.ops.convert_to_numpy(variable) for variable in outer.trainable_variables]
    renewed(outer, batches)
    assert batches.asked == [0, 1, 2]
    layers = [model.get_layer(name) for name in ("first", "second")]
    found = [keras.ops.convert_to_numpy(v) for layer in layers for v in (layer.moving_mean, layer.moving_variance)]
    assert np.allclose(found, literal(model, range(3)), rtol=1e-5, atol=1e-6)
    after = [keras.ops.convert_to_numpy(variable) for variable in outer.trainable_variables]
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))
    assert [layer.momentum for layer in layers] == [0.98, 0.9] and model.get_layer("dropout").rate == 0.5


def test_the_same_is_found_again_and_what_was_there_does_not_count():
    model = network()
    renewed(model, SomeBatches())
    once = model.get_weights()
    model.get_layer("first").moving_mean.assign(np.full(3, 7, "float32"))
    renewed(model, SomeBatches())
    assert all(np.array_equal(a, b) for a, b in zip(once, model.get_weights(), strict=True))


def test_at_most_an_epoch_is_seen_and_a_thousand_images():
    assert statistics.batches_of(Recipe(batch_size=32, renew_statistics="on"), 20) == 20
    assert statistics.batches_of(Recipe(batch_size=32, renew_statistics="on"), 500) == 32
    assert statistics.batches_of(Recipe(batch_size=4, slices=8, renew_statistics="on"), 500) == 32
    # by itself only with an encoder
    assert statistics.batches_of(Recipe(batch_size=32, encoder="resnet18"), 500) == 32
    assert statistics.batches_of(Recipe(batch_size=32), 500) == 0


@pytest.mark.parametrize(("normalized", "wanted"), [(False, "on"), (True, "off"), (True, "auto")])
def test_without_normalisations_or_where_it_is_off_no_batch_is_made(normalized, wanted):
    model, batches = network(normalized), SomeBatches()
    before = model.get_weights()
    renewed(model, batches, renew_statistics=wanted)
    assert not batches.asked
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
