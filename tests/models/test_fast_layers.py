"""Layers by other kernels are Keras's layers: the same results, gradients, statistics and files."""

import keras
import numpy as np
import pytest

from pipeline.competitions.tgs import competition as tgs
from pipeline.models import fast_layers
from pipeline.recipe import Recipe
from pipeline.training import fit, hardware

tf = pytest.importorskip("tensorflow")
if keras.backend.backend() != "tensorflow":
    pytest.skip("other kernels are TensorFlow's", allow_module_level=True)


@pytest.fixture(autouse=True)
def policy():
    yield
    keras.config.set_dtype_policy("float32")


def values(shape, seed=0):
    return np.random.default_rng(seed).normal(1, 2, shape).astype(np.float32)


def learnt(layer, shape) -> list[np.ndarray]:
    """A step's results and gradients, as the layer's format has them."""
    x, weights = tf.constant(values(shape)), values(layer.compute_output_shape(shape), 1)
    with tf.GradientTape() as tape:
        tape.watch(x)
        ours = isinstance(layer, (keras.layers.BatchNormalization, fast_layers.DepthwiseConv2D))
        found = layer(x, training=True) if ours else layer(x)
        loss = tf.reduce_sum(tf.cast(found, "float32") * weights)
    gradients = tape.gradient(loss, [x, *layer.trainable_variables])
    return [np.asarray(tf.cast(value, "float32")) for value in (found, *gradients)]


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("shape", [(4, 8, 6, 3), (2, 3, 8, 6, 3)])
def test_batch_normalisation_is_that_of_keras(precision, shape):
    keras.config.set_dtype_policy(precision)
    ours, theirs = (
        kind(momentum=0.9, epsilon=1e-3) for kind in (fast_layers.BatchNormalization, keras.layers.BatchNormalization)
    )
    ours.fast = True
    for layer in (ours, theirs):
        layer.build(shape)
        layer.gamma.assign([0.5, 1.0, 2.0])
        layer.beta.assign([0.0, 1.0, -1.0])
    for found, wanted in zip(learnt(ours, shape), learnt(theirs, shape), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=5e-4)
    for name in ("moving_mean", "moving_variance"):
        found, wanted = (np.asarray(getattr(layer, name)) for layer in (ours, theirs))
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert not np.allclose(np.asarray(ours.moving_variance), 1)
    tolerance = 1e-5 if precision == "float32" else 0.05
    plain = [np.asarray(tf.cast(layer(values(shape)), "float32")) for layer in (ours, theirs)]
    np.testing.assert_allclose(*plain, atol=tolerance)
    assert ours(values(shape)).dtype == theirs(values(shape)).dtype


def test_statistics_that_are_frozen_are_used_and_kept():
    layer = fast_layers.BatchNormalization()
    layer.fast = True
    layer.build((2, 4, 4, 1))
    layer.trainable = False
    x = values((2, 4, 4, 1))
    np.testing.assert_allclose(layer(x, training=True), x / np.sqrt(1 + layer.epsilon), rtol=1e-5)
    assert np.asarray(layer.moving_mean) == [0.0]


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, "same"), (5, 2, "same"), (3, 2, "valid")])
def test_depthwise_gradients_of_bfloat16_are_those_of_float32(kernel, stride, padding):
    shape = (2, 9, 8, 4)
    exact = keras.layers.DepthwiseConv2D(kernel, stride, padding, use_bias=False)
    exact.build(shape)
    keras.config.set_dtype_policy("mixed_bfloat16")
    ours = fast_layers.DepthwiseConv2D(kernel, stride, padding, use_bias=False)
    ours.fast = True
    ours.build(shape)
    rounded = np.asarray(tf.cast(tf.cast(values(exact.kernel.shape, 2), "bfloat16"), "float32"))
    exact.kernel.assign(rounded)
    ours.kernel.assign(rounded)
    for found, wanted in zip(learnt(ours, shape), learnt(exact, shape), strict=True):
        # eight bits of each number
        np.testing.assert_allclose(found, wanted, rtol=0.02, atol=0.02 * np.abs(wanted).max())


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    ("arguments", "is_product"),
    [
        ({"kernel_size": 1, "use_bias": False}, True),
        ({"kernel_size": 1, "activation": "relu"}, True),
        ({"kernel_size": 1, "strides": 2}, False),
        ({"kernel_size": 1, "groups": 2}, False),
        ({"kernel_size": 3, "padding": "same"}, False),
    ],
    ids=str,
)
def test_convolutions_are_those_of_keras(monkeypatch, precision, arguments, is_product):
    shape = (2, 9, 8, 4)
    keras.config.set_dtype_policy(precision)
    ours, theirs = (kind(filters=6, **arguments) for kind in (fast_layers.Conv2D, keras.layers.Conv2D))
    ours.fast = True
    for layer in (ours, theirs):
        layer.build(shape)
        layer.set_weights([values(variable.shape, 2) for variable in layer.weights])
    pairs = zip(learnt(ours, shape), learnt(theirs, shape), strict=True)
    for found, wanted in pairs:
        tolerance = 1e-5 if precision == "float32" else 0.02
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * np.abs(wanted).max())
    assert ours(values(shape)).dtype == theirs(values(shape)).dtype
    asked = []
    monkeypatch.setattr(keras.layers.Conv2D, "call", lambda _, x: asked.append(x) or x)
    ours(values(shape))
    assert len(asked) == (not is_product)


@pytest.mark.parametrize("name", ["BatchNormalization", "Conv2D", "DepthwiseConv2D"])
def test_a_file_of_weights_fits_either(tmp_path, name):
    arguments = {"BatchNormalization": {}, "Conv2D": {"filters": 3, "kernel_size": 1}}.get(name, {"kernel_size": 3})
    networks = [
        keras.Sequential([keras.Input((8, 8, 2)), getattr(kind, name)(**arguments)])
        for kind in (keras.layers, fast_layers)
    ]
    networks[0].set_weights([values(variable.shape, 3) for variable in networks[0].weights])
    networks[0].save_weights(tmp_path / "some.weights.h5")
    networks[1].load_weights(tmp_path / "some.weights.h5")
    for found, wanted in zip(networks[1].weights, networks[0].weights, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_another_axis_is_normalised_by_keras():
    ours, theirs = (kind(axis=1) for kind in (fast_layers.BatchNormalization, keras.layers.BatchNormalization))
    ours.fast = True
    x = values((4, 4, 4, 4))
    np.testing.assert_allclose(ours(x, training=True), theirs(x, training=True), atol=1e-5)


@pytest.mark.parametrize("xla", ["auto", "on", "off"])
def test_what_xla_compiles_keeps_to_kerass_layers(monkeypatch, xla):
    # of a channel far from 0 XLA's own batch normalisation has variances below 0
    monkeypatch.setattr(hardware, "is_accelerated", lambda backend: False)
    recipe = Recipe(width=4, depth=1, encoder="", xla=xla)
    network = fit.network_for(recipe, tgs, {"channels": 1, "mean": [0.0], "std": [1.0]})
    layers = [layer for layer in fast_layers.within(network) if isinstance(layer, fast_layers.BatchNormalization)]
    assert layers and {layer.fast for layer in layers} == {xla == "auto"}
    step = tf.function(lambda x: network(x, training=True), jit_compile=xla == "on")
    assert np.isfinite(step(np.full((8, 16, 16, 1), 30.1, np.float32))).all()


def test_a_network_that_only_answers_is_not_kept_for_its_gradients():
    from tensorflow.python.framework import ops

    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = fast_layers.DepthwiseConv2D(3, use_bias=False)
    layer.fast = True
    before = len(ops.gradient_registry._registry)
    tf.function(lambda x: layer(x))(values((1, 8, 8, 2)))
    assert len(ops.gradient_registry._registry) == before
    tf.function(lambda x: layer(x, training=True))(values((1, 8, 8, 2)))
    assert len(ops.gradient_registry._registry) == before + 1
