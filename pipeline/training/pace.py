"""How long the parts of a fold take on this machine: a few steps and a few predictions, all thrown away.

Nothing is written but a checkpoint in the system's temporary folder.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from pipeline import models
from pipeline.competition import Competition
from pipeline.imaging.sizes import network_shape
from pipeline.recipe import Recipe
from pipeline.store.prepared import Prepared
from pipeline.tasks import scoring
from pipeline.training import checkpoint, fit, statistics
from pipeline.training.batches import AHEAD, Batches
from pipeline.training.budget import Pace
from pipeline.training.learner import Learner
from pipeline.training.plan import FoldPlan, network_window

SECONDS = 10.0  # of steps, once they are compiled
STEPS = 2 * AHEAD + 4  # at most: the first half takes batches that were made while it was compiled
COMPILING = 2  # the first steps; JAX compiles the second one again
IMAGES = 64  # at most
BACKWARD = 3  # a step takes about so many times what its prediction takes


def measured(plan: FoldPlan, prepared: Prepared, competition: Competition, recipe: Recipe) -> Pace:
    """Of a network of this fold, built as `fit.train_fold` builds it.

    Raises UserError when the recipe does not fit the competition, or memory is exhausted.
    """
    with fit.enough_memory(plan, recipe):
        return _measured(plan, prepared, competition, recipe)


def _measured(plan: FoldPlan, prepared: Prepared, competition: Competition, recipe: Recipe) -> Pace:
    began = time.monotonic()
    learner, batches = fit.learner_for(plan, prepared, competition, recipe)
    models.start(learner.network, recipe)
    ends = _ends(learner, batches, recipe)
    early, late = _step(ends[0]), _step(ends[-1])
    share = recipe.late_share if recipe.late_loss else 0.0
    step = (1 - share) * early + share * late
    rows = _sample(plan, prepared, recipe, competition, step)
    return Pace(
        # batch statistics are taken once, too, and op by op: a batch of that takes about a step
        start=max(0.0, ends[0][COMPILING - 1] - began - COMPILING * early)
        + statistics.batches_of(recipe, batches.steps) * step,
        step=step,
        save=_save(learner, plan),
        **_predictions(rows, prepared, competition, recipe),
    )


def _ends(learner: Learner, batches: Batches, recipe: Recipe) -> list[list[float]]:
    """When each step ended, with the first loss and with the late one: the compiled step holds both and takes one."""
    clock, stream = _Clock(), batches.stream(0)
    epochs = 2 if recipe.late_loss else 1
    # a single call: at its end the optimizer puts the averages into the network, and JAX then trains no further
    learner.fit(stream, steps_per_epoch=STEPS, epochs=epochs, shuffle=False, verbose=0, callbacks=[clock])
    stream.close()
    return clock.ends


def _step(ends: list[float]) -> float:
    """Seconds of a step. The first ones do not count: batches made ahead hide how long they take to make."""
    first = max(COMPILING, len(ends) // 2) - 1
    return (ends[-1] - ends[first]) / (len(ends) - 1 - first)


class _Clock(keras.callbacks.Callback):
    """When each step of each epoch ended; ends an epoch when there was time for enough of them."""

    def __init__(self):
        super().__init__()
        self.ends: list[list[float]] = []

    def on_epoch_begin(self, epoch, logs=None):
        self.ends.append([])
        self.model.is_late.assign(float(epoch))

    def on_train_batch_end(self, batch, logs=None):
        # a device may be ahead of the program: a number of its answer is not
        float(logs["loss"])
        ends = self.ends[-1]
        ends.append(time.monotonic())
        self.model.stop_training = len(ends) > COMPILING and ends[-1] - ends[COMPILING - 1] >= SECONDS

    def on_epoch_end(self, epoch, logs=None):
        # of this epoch alone
        self.model.stop_training = False


def _save(learner: Learner, plan: FoldPlan) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.npz"
        return _seconds(lambda: checkpoint.save(path, checkpoint.arrays_of(learner), 0, plan.inputs))[0]


def _sample(plan: FoldPlan, prepared: Prepared, recipe: Recipe, competition: Competition, step: float) -> np.ndarray:
    """As many of the fold's images as are predicted in about half of SECONDS, judged by the time of a step.

    A power of two, for batches are filled up to one. Where slices are answered together they follow each other, and are
    several windows long.
    """
    pool = plan.held_out if len(plan.held_out) else plan.learnt[prepared.is_train[plan.learnt]]
    frame, sizes = fit.frame_for(recipe), prepared.table[["height", "width"]].to_numpy()[pool]
    seen = np.mean([np.prod(network_shape(*map(int, size), recipe.size, recipe.fit, frame.side)) for size in sizes])
    learnt = recipe.batch_size * recipe.slices * np.prod(network_window(prepared, recipe, frame, plan.learnt))
    views = len(fit.flips_for(recipe, competition)) * sum(scale**2 for scale in (1.0, *fit.scales_for(recipe)))
    each = step / BACKWARD * seen / learnt * views
    count = 1 << int(np.log2(np.clip(SECONDS / 2 / each, 1, IMAGES)))
    count = min(len(pool), max(count, 4 * recipe.slices if recipe.slices > 1 else 1))
    return pool[:count] if recipe.slices > 1 else pool[np.linspace(0, len(pool) - 1, count).astype(int)]


def _predictions(rows: np.ndarray, prepared: Prepared, competition: Competition, recipe: Recipe) -> dict[str, float]:
    """`ready`, `image`, `flipped` and `count` of a Pace, from these images of the train part."""
    began = time.monotonic()
    view, task = prepared.view(recipe.neighbours, recipe.slices, prepared.scaling, recipe.tones), competition.task
    network = fit.network_for(recipe, competition, view.info)
    predictor = fit.predictor_for(recipe, competition, view.info, network)
    groups = prepared.table["group"].to_numpy()

    def predict():
        averaged = fit.flips_for(recipe, competition), fit.scales_for(recipe)
        return list(predictor.predict(view, rows, *averaged))

    def count(answers):
        items = ((groups[row], plain, prepared.labels[row]) for row, plain, _ in answers)
        return scoring.count(competition.metric, task, items, task.plain_thresholds(), prepared.groups(rows))

    count(predict())
    compiled = time.monotonic() - began
    flipped, answers = _seconds(predict)
    image, _ = _seconds(lambda: list(predictor.plain(view, rows)))
    scored, _ = _seconds(lambda: count(answers))
    once = {"image": image / len(rows), "flipped": flipped / len(rows), "count": scored / len(rows)}
    return {"ready": max(0.0, compiled - flipped - scored), **once}


def _seconds(work: Callable) -> tuple[float, object]:
    """(how long it took, what it gave)."""
    began = time.monotonic()
    found = work()
    return time.monotonic() - began, found
