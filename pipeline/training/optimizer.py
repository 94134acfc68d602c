"""The optimizer of a training: its schedule is driven by its own steps, so a restart goes on where it was."""

import keras

from pipeline.recipe import Recipe


def optimizer_for(recipe: Recipe, steps: int, scaled: bool):
    """The recipe's optimizer with its schedule and moving average.

    Args: steps: of an epoch; scaled: whether the loss must be scaled up, so that gradients in float16 do not vanish.
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
        optimizer = keras.optimizers.SGD(
            schedule, momentum=recipe.momentum, weight_decay=recipe.weight_decay or None, **average
        )
    else:
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay, **average)
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer
