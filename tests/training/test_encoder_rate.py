"""An encoder that learns more slowly, or later: whole steps are scaled, and nothing of the others changes."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from pipeline.errors import UserError
from pipeline.models import encoders
from pipeline.recipe import Recipe
from pipeline.training.optimizer import optimizer_for

START = np.array([1.0, -2.0, 3.0], "float32")
GRADIENTS = [np.array([0.5, -0.1, 0.2], "float32"), np.array([-0.3, 0.4, 0.1], "float32"), START]


def learnt(steps, below=True, scaled=False, **fields):
    """(encoder, decoder) after so many steps, and the averages of both. A step is an epoch."""
    recipe = Recipe(**{"weight_decay": 0.1, "epochs": 10, "ema": 0.5, "warmup": 0.0, **fields})
    variables = [keras.Variable(START, name=name) for name in ("kernel", "kernel")]
    optimizer = optimizer_for(recipe, 1, scaled, [variables[0]] if below else None)
    optimizer.build(variables)
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    for gradient in GRADIENTS[:steps]:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)] * 2, variables)
    both = [keras.ops.convert_to_numpy(variable) for variable in variables]
    return both, [keras.ops.convert_to_numpy(average) for average in inner._model_variables_moving_average]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_at_rate_one_nothing_changes(optimizer):
    (plain, _), averages = learnt(3, below=False, optimizer=optimizer)
    both, same = learnt(3, optimizer=optimizer)
    assert all(np.allclose(plain, values, rtol=1e-6) for values in both)
    assert np.allclose(averages, same, rtol=1e-6) and not np.allclose(plain, START, atol=1e-3)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_step_is_as_much_smaller_as_the_rate_says(optimizer):
    (slow, fast), _ = learnt(1, encoder_rate=0.25, optimizer=optimizer, learning_rate=10.0)
    (plain, _), _ = learnt(1, below=False, optimizer=optimizer, learning_rate=10.0)
    assert np.allclose(fast, plain, rtol=1e-6)
    # the decay, too
    assert np.allclose(slow - START, 0.25 * (fast - START), rtol=1e-4)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_frozen_encoder_stays_as_it_is_and_then_learns(optimizer):
    fields = {"optimizer": optimizer, "freeze_epochs": 2, "learning_rate": 0.1}
    (frozen, fast), (average, _) = learnt(2, **fields)
    assert np.array_equal(frozen, START) and np.array_equal(average, START)
    assert np.allclose(fast, learnt(2, below=False, **fields)[0][0], rtol=1e-6)
    (thawed, _), _ = learnt(3, **fields)
    assert np.abs(thawed - START).min() > 1e-4
    assert np.array_equal(learnt(3, encoder_rate=0.0, **fields)[0][0], START)


def test_a_scaled_loss_changes_nothing_of_this():
    if keras.backend.backend() == "jax":
        pytest.skip("its scaled optimizer works only inside of a training")
    scaled, _ = learnt(1, scaled=True, freeze_epochs=1, learning_rate=0.1)
    assert np.array_equal(scaled[0], START) and not np.allclose(scaled[1], START)


def test_an_encoder_whose_layers_cannot_be_told_apart_is_refused():
    image = keras.Input((None, None, 1))
    plain = keras.Model(image, keras.layers.Conv2D(1, 1)(image))
    with pytest.raises(UserError, match="in a model named encoder"):
        encoders.below(plain, Recipe(encoder="strided"))
    inside = keras.Model(image, keras.layers.Conv2D(1, 1)(image), name="encoder")
    whole = keras.Model(image, keras.layers.Conv2D(1, 1)(inside(image)))
    assert [v.path for v in encoders.below(whole, Recipe())] == [v.path for v in inside.trainable_variables]
