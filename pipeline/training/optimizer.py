"""The optimizer of a training: its schedule is driven by its own steps, so a restart goes on where it was."""

import keras
from keras import ops

from pipeline.recipe import Recipe
from pipeline.training.fused import fuses, stepping_at_once


def optimizer_for(recipe: Recipe, steps: int, scaled: bool, below: list | None = None):
    """The recipe's optimizer with its schedule and moving average.

    Args:
        steps: of an epoch; scaled: whether the loss must be scaled up, so that gradients in float16 do not vanish.
        below: the variables of the encoder, where they are to learn at a rate of their own.
    """
    total = recipe.epochs * steps
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=recipe.learning_rate / 100,
        warmup_target=recipe.learning_rate,
        warmup_steps=max(1, round(recipe.warmup * total)),
        decay_steps=max(1, total - round(recipe.warmup * total)),
        alpha=1.0 if recipe.schedule == "constant" else 0.0,
    )
    average = {"use_ema": recipe.ema > 0, "ema_momentum": recipe.ema or 0.99, "ema_overwrite_frequency": None}
    if recipe.optimizer == "sgd":
        kind, own = keras.optimizers.SGD, {"momentum": recipe.momentum, "weight_decay": recipe.weight_decay or None}
    else:
        kind, own = keras.optimizers.AdamW, {"weight_decay": recipe.weight_decay}
    if fuses(recipe):
        kind = stepping_at_once(kind)
    if below is None:
        optimizer = kind(schedule, **own, **average)
    else:
        optimizer = _at_two_rates(kind)(schedule, **own, **average)
        optimizer.below = frozenset(map(id, below))
        optimizer.rate, optimizer.first_step = recipe.encoder_rate, recipe.freeze_epochs * steps
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer


def _at_two_rates(kind: type) -> type:
    """An optimizer whose variables `below` learn at `rate` times the learning rate, and before `first_step` not at all.

    The whole step is scaled, its weight decay included, never the gradient: Adam divides by how large that is.
    """

    class AtTwoRates(kind):
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient, variable, learning_rate * self._share(variable))

        def _apply_weight_decay(self, variables):
            # in `_decayed`, at each variable's own rate
            pass

        def _backend_update_step(self, grads, trainable_variables, learning_rate):
            for variable in trainable_variables:
                self._decayed(variable, learning_rate)
            super()._backend_update_step(grads, trainable_variables, learning_rate)

        def _decayed(self, variable, learning_rate):
            if self.weight_decay and self._use_weight_decay(variable):
                rate = ops.cast(learning_rate * self._share(variable) * self.weight_decay, variable.dtype)
                variable.assign(variable - variable * rate)

        def _share(self, variable):
            """Of the learning rate, for this variable now."""
            ours = self._trainable_variables[self._get_variable_index(variable)]
            if id(ours) not in self.below:
                return 1.0
            return self.rate * ops.cast(self.iterations >= self.first_step, "float32")

    return AtTwoRates
