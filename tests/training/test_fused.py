"""What is compiled in parts gives what it gives uncompiled."""

import keras
import numpy as np
import pytest

from pipeline.models import on_tensorflow
from pipeline.recipe import Recipe
from pipeline.training import augment, hardware
from pipeline.training.fused import fused
from pipeline.training.optimizer import optimizer_for

tf = pytest.importorskip("tensorflow")
if keras.backend.backend() != "tensorflow":
    pytest.skip("parts of a step are compiled on TensorFlow alone", allow_module_level=True)


@pytest.mark.parametrize(
    ("asked", "backend", "accelerated", "found"),
    [
        ("auto", "tensorflow", False, True),
        ("auto", "tensorflow", True, False),
        ("on", "tensorflow", False, False),
        ("off", "tensorflow", False, False),
        ("auto", "jax", False, False),
    ],
)
def test_parts_are_compiled_where_the_step_is_not(monkeypatch, asked, backend, accelerated, found):
    monkeypatch.setattr(hardware, "is_accelerated", lambda backend: accelerated)
    assert hardware.compiles_parts(asked, backend) == found
    assert not (found and hardware.xla(asked, backend))


def test_a_warp_moves_pixels_alike():
    random = np.random.default_rng(0)
    pictures = random.random((2, 9, 7, 3), np.float32)
    coordinates = random.uniform(-12, 20, (2, 6, 5, 2)).astype(np.float32)
    compiled = fused(augment.warp, Recipe())
    assert compiled is not augment.warp and compiled is fused(augment.warp, Recipe(width=1))
    np.testing.assert_allclose(compiled(pictures, coordinates), augment.warp(pictures, coordinates), atol=1e-6)
    assert fused(augment.warp, Recipe(xla="off")) is augment.warp


@pytest.mark.parametrize("change", [{}, {"optimizer": "sgd"}, {"ema": 0.0}, {"encoder_rate": 0.5}])
def test_an_optimizer_takes_the_same_steps(change):
    compiled, plain = (after_steps(Recipe(xla=xla, weight_decay=0.1, **change), 7) for xla in ("auto", "off"))
    assert len(compiled) == len(plain) and compiled[2] == 7
    for found, wanted in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)


def after_steps(recipe: Recipe, steps: int) -> list[np.ndarray]:
    """Two variables, and all that the optimizer keeps of them: how often it stepped comes first."""
    variables = [keras.Variable(np.full(shape, 1.0, np.float32)) for shape in ((3, 2), (2,))]
    below = variables[:1] if recipe.encoder_rate != 1 else None
    optimizer = optimizer_for(recipe, 5, scaled=False, below=below)
    optimizer.build(variables)
    step = tf.function(lambda *gradients: optimizer.apply(list(gradients), variables))
    for seed in range(steps):
        random = np.random.default_rng(seed)
        step(*(tf.constant(random.normal(size=variable.shape).astype(np.float32)) for variable in variables))
    return [np.asarray(variable) for variable in (*variables, *optimizer.variables)]


def test_outside_a_step_nothing_is_compiled_anew():
    recipe = Recipe()
    variable = keras.Variable(np.ones(2, np.float32))
    optimizer = optimizer_for(recipe, 5, scaled=False)
    optimizer.build([variable])
    optimizer.apply([tf.ones(2)], [variable])
    assert np.asarray(variable).max() < 1 and int(optimizer.iterations) == 1


def test_a_build_without_a_compiler_does_without(monkeypatch):
    assert on_tensorflow.compiles()
    monkeypatch.setattr(on_tensorflow, "compiles", lambda: False)
    assert fused(augment.warp, Recipe()) is augment.warp
    assert type(optimizer_for(Recipe(), 5, scaled=False)) is keras.optimizers.AdamW
