"""One fold learns: from prepared images to averaged weights and out-of-fold probabilities, all in the fold's folder.

A function of files: it can run on any machine, and a fold that was killed goes on from its last finished epoch.
"""

import contextlib
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import keras
import numpy as np

from pipeline import models
from pipeline.competition import Competition
from pipeline.errors import UserError
from pipeline.imaging.flips import IDENTITY, SYMMETRIES, Flip
from pipeline.models import catalogue, encoders, fast_layers
from pipeline.models.frame import Frame
from pipeline.recipe import Recipe, scales
from pipeline.store import disk, records
from pipeline.store.predictions import PredictionWriter
from pipeline.store.prepared import Prepared, View
from pipeline.store.scaling import Scaling
from pipeline.tasks import scoring
from pipeline.training import (
    backend,
    checkpoint,
    hardware,
    history,
    losses,
    memory,
    own_scale,
    proposals,
    statistics,
    weights,
)
from pipeline.training.batches import Batches
from pipeline.training.drawn import Drawn
from pipeline.training.fused import fuses
from pipeline.training.learner import Learner
from pipeline.training.object_learner import ObjectLearner
from pipeline.training.one_scale import OneScale
from pipeline.training.optimizer import optimizer_for
from pipeline.training.plan import FoldPlan, check_held_out, check_loss, late_from, network_window, training_shape
from pipeline.training.predict import Predictor
from pipeline.training.progress import Progress
from pipeline.training.pseudo_labels import LearntLabels

WEIGHTS = weights.NAME


def precision_for(recipe: Recipe) -> str:
    """The number format of the recipe's network on this machine."""
    backend_name = keras.backend.backend()
    on_cpu = getattr(models.named(recipe.model), "AUTO_ON_CPU", None)
    if recipe.precision == "auto" and on_cpu and not hardware.is_accelerated(backend_name):
        return on_cpu
    return hardware.precision(recipe.precision, backend_name)


def network_for(recipe: Recipe, competition: Competition, info: dict):
    """A fresh network; its weights depend on the recipe's seed alone when they are initialised."""
    precision = precision_for(recipe)
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    try:
        outputs = competition.task.outputs * recipe.slices
        network = models.named(recipe.model).build(recipe, info["channels"], outputs, info["mean"], info["std"])
    finally:
        keras.config.set_dtype_policy("float32")
    return fast_layers.turned_on(network) if fuses(recipe) else network


def frame_for(recipe: Recipe) -> Frame:
    """The sizes that the recipe's network takes."""
    return models.named(recipe.model).frame(recipe)


def predictor_for(recipe: Recipe, competition: Competition, info: dict, network, name="the network") -> Predictor:
    """`name`: of what answers, for a message."""
    task, remedy = competition.task, weights.remedy(recipe, precision_for(recipe))
    drawn = Drawn(task, recipe.objects) if catalogue.finds_objects(recipe) else None
    as_it_is = OneScale(network, recipe, info, task.activation, frame_for(recipe), name, remedy, drawn)
    return Predictor(as_it_is, own_scale.of(recipe, task))


def flips_for(recipe: Recipe, competition: Competition) -> tuple[Flip, ...]:
    """What predictions are averaged over."""
    return SYMMETRIES[competition.symmetry] if recipe.tta else (IDENTITY,)


def scales_for(recipe: Recipe) -> tuple[float, ...]:
    """The scales, beside 1, that predictions are averaged over."""
    return scales(recipe.tta_scales) if recipe.tta else ()


def environment(recipe: Recipe) -> dict:
    """What a fold begins with: versions, hardware, code, and the file of weights if there is one."""
    path = catalogue.weights_file(recipe)
    found = backend.environment() | {"precision": precision_for(recipe)}
    return {**found, "pretrained": disk.file_hash(path)} if path else found


def train_fold(plan: FoldPlan, prepared: Prepared, competition: Competition, recipe: Recipe) -> None:
    """Trains until the last epoch, then writes `model.weights.h5`: the moving average of the weights.

    Raises UserError when the recipe does not fit the competition, a file of an earlier start is damaged, memory is
    exhausted, or what is learnt is no longer finite.
    """
    with enough_memory(plan, recipe):
        scorer = _learnt(plan, prepared, competition, recipe)
    with records.recorded(plan.folder / WEIGHTS, plan.inputs) as part:
        # Keras insists on this ending
        scorer.save_weights(part)


def enough_memory(plan: FoldPlan, recipe: Recipe) -> contextlib.AbstractContextManager:
    """Where a block that learns exhausts memory, it ends with what to try instead."""
    return memory.enough(
        lambda: f"fold {plan.name} to learn from batches of {recipe.batch_size}",
        lambda: memory.smaller_batch(recipe.batch_size),
    )


def _learnt(plan: FoldPlan, prepared: Prepared, competition: Competition, recipe: Recipe):
    """A network with the moving average of what the fold has learnt until the last epoch."""
    learner, batches = learner_for(plan, prepared, competition, recipe)
    path = plan.folder / "checkpoint.npz"
    first_epoch = checkpoint.load(path, learner, plan.inputs)
    if path.exists() and not first_epoch:
        print(f"{path} is of other data, another recipe or another network: the fold begins anew", flush=True)
    if not first_epoch:
        models.start(learner.network, recipe)
    before = [row for row in history.read(plan.folder) if row["epoch"] <= first_epoch]
    scorer = network_for(recipe, competition, batches.view.info)
    epoch_end = _EpochEnd(plan, prepared, competition, recipe, scorer, before)
    progress = Progress(f"fold {plan.name}", recipe.epochs, first_epoch, batches.steps, before)
    if first_epoch < recipe.epochs:
        _learn(learner, batches, recipe.epochs, first_epoch, [epoch_end, progress])
    scorer.set_weights(checkpoint.averaged_weights(learner))
    statistics.renew(scorer, batches, learner.augment.window, recipe, f"fold {plan.name}, batch statistics")
    return scorer


def _learn(learner: Learner, batches: Batches, epochs: int, first_epoch: int, callbacks: list) -> None:
    failed: list[Exception] = []
    stream = batches.stream(first_epoch * batches.steps)
    try:
        learner.fit(
            _remembering(stream, failed),
            steps_per_epoch=batches.steps,
            epochs=epochs,
            initial_epoch=first_epoch,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )
    except Exception:
        # of a batch that could not be made TensorFlow says only that something went wrong
        if failed:
            raise failed[0] from None
        raise
    # not where it failed: a thread may still be asking for batches
    stream.close()


def _remembering(stream: Iterable, failed: list[Exception]) -> Iterator:
    """The stream, and in `failed` the error that it ends with."""
    try:
        yield from stream
    except Exception as error:
        failed.append(error)
        raise


def learner_for(plan: FoldPlan, prepared: Prepared, competition: Competition, recipe: Recipe) -> tuple:
    """(Learner, Batches): what a fold begins to learn with, and from. Raises UserError as `train_fold`."""
    check_loss(recipe, competition)
    view, frame = _view_of(plan, prepared, recipe), frame_for(recipe)
    check_held_out(plan, view, prepared.table["id"])
    fold_seed = (recipe.seed, plan.number + 1)
    keras.utils.set_random_seed(int(np.random.SeedSequence(fold_seed).generate_state(1)[0]) & 0x7FFFFFFF)
    network = network_for(recipe, competition, view.info)
    window = network_window(prepared, recipe, frame, plan.learnt)
    shape, labels = training_shape(window, recipe), LearntLabels(prepared, plan.pseudo)
    batches = Batches(prepared, view, plan.learnt, competition.task, shape, frame, recipe, fold_seed, labels)
    batches.targets.introduce(network, batches)
    return _learner(network, recipe, competition, view, batches, window), batches


def _view_of(plan: FoldPlan, prepared: Prepared, recipe: Recipe) -> View:
    """The images as the fold sees them while it learns."""
    return _seen(prepared, recipe, prepared.scaling_of(plan.inputs, plan.folder))


def _seen(prepared: Prepared, recipe: Recipe, scaling: Scaling | None) -> View:
    """The images as the recipe's network sees them."""
    return prepared.view(recipe.neighbours, recipe.slices, scaling, recipe.tones)


def predict_held_out(plan: FoldPlan, prepared: Prepared, competition: Competition, recipe: Recipe) -> None:
    """Writes the out-of-fold probabilities of the fold's weights: `valid.npy`, and unaveraged `valid_no_tta.npy`."""
    write_predictions(
        plan.folder, "valid", plan.held_out, prepared, competition, recipe, plan.inputs, title="out-of-fold"
    )
    if catalogue.finds_objects(recipe) and len(plan.held_out):
        network, scaling = _loaded(plan.folder, prepared, competition, recipe)
        view = _seen(prepared, recipe, scaling)
        proposals.write(plan.folder, network, view, plan.held_out, prepared, frame_for(recipe))


def write_predictions(folder, name, rows, prepared, competition, recipe, inputs, title, keep_plain=True) -> None:
    """Probabilities of `rows`, in order, by the weights in `folder`: `<name>.csv` and, last, `<name>.npy`."""
    answer = answering(folder, prepared, competition, recipe)
    flips, seen = flips_for(recipe, competition), scales_for(recipe)
    with PredictionWriter(folder, name, competition.task.outputs, inputs, keep_plain, len(rows), title) as writer:
        for row, bands in answer(prepared, rows, flips, seen):
            writer.add_bands(prepared.table["id"].iat[row], bands)


def answering(folder: Path, prepared: Prepared, competition: Competition, recipe: Recipe) -> Callable[..., Iterator]:
    """Loads the weights in `folder` once. Returns what answers by them: (prepared data of the same kind, rows, flips,
    scales) -> (row, bands) as `Predictor.predict_in_bands`. Raises UserError as `load_weights`."""
    network, scaling = _loaded(folder, prepared, competition, recipe)
    info = _seen(prepared, recipe, scaling).info
    predictor = predictor_for(recipe, competition, info, network, str(folder / WEIGHTS))
    drawn = predictor.as_it_is.drawn

    def answer(prepared: Prepared, rows: Iterable[int], flips: tuple[Flip, ...], seen: tuple[float, ...]) -> Iterator:
        view = _seen(prepared, recipe, scaling)
        yield from predictor.predict_in_bands(view, rows, flips, seen)
        if drawn is not None and drawn.line():
            print(f"{folder}: {drawn.line()}", flush=True)

    return answer


def _loaded(folder: Path, prepared: Prepared, competition: Competition, recipe: Recipe) -> tuple:
    """(network with the weights in `folder`, the scaling by which it sees pictures)."""
    scaling = weights.scaling_of(folder / WEIGHTS, prepared)
    info = _seen(prepared, recipe, scaling).info
    with memory.enough(lambda: f"the network of {folder}", lambda: "close what else uses the device"):
        network = network_for(recipe, competition, info)
        load_weights(network, folder / WEIGHTS)
    return network, scaling


def load_weights(network, path: Path) -> None:
    """Raises UserError when the file is damaged, or holds no weights for this network, or some that are not finite."""
    weights.check_file(path)
    try:
        with warnings.catch_warnings():
            # Keras leaves layers as they were where the file has none of their kind, and only warns
            warnings.filterwarnings("error", message="Skipping", category=UserWarning)
            network.load_weights(path)
    except (ValueError, OSError, KeyError, TypeError, AttributeError, RuntimeError, UserWarning) as error:
        line = str(error).splitlines()[0][:120]
        raise UserError(f"{path} holds no weights for this network ({line}); train the fold with --again") from error


def _learner(network, recipe: Recipe, competition: Competition, view: View, batches: Batches, window) -> Learner:
    info = view.info
    scaled = precision_for(recipe) == "float16"
    # of a long list of images seconds, which a recipe that does not ask for it need not spend
    pixels = batches.labels.class_pixels(batches.rows, competition.task) if recipe.class_balance else []
    kind = ObjectLearner if catalogue.finds_objects(recipe) else Learner
    learner = kind(
        network,
        recipe,
        shape=(recipe.batch_size, *batches.shape, info["channels"]),
        window=window,
        margin=batches.frame.margin,
        value_range=info["range"],
        task=competition.task,
        symmetry=competition.symmetry,
        weights=losses.balance(pixels, recipe.class_balance),
        scaled=scaled,
        bounded=view.scaling is None or recipe.tones == "own",
    )
    of_two_rates = recipe.encoder_rate != 1 or recipe.freeze_epochs
    below = encoders.below(network, recipe) if of_two_rates else None
    optimizer = optimizer_for(recipe, batches.steps, scaled=scaled, below=below)
    learner.compile(optimizer=optimizer, jit_compile=hardware.xla(recipe.xla, keras.backend.backend()))
    optimizer.build(learner.trainable_variables)
    return learner


class _EpochEnd(keras.callbacks.Callback):
    """Sets the randomness of an epoch as it begins; at its end: is all finite, score, history, then the checkpoint.

    Args: finished: the epochs before, to which each epoch adds its own.
    """

    def __init__(self, plan, prepared, competition, recipe, scorer, finished: list[dict]):
        super().__init__()
        self.plan, self.prepared, self.competition, self.recipe = plan, prepared, competition, recipe
        self.scorer, self.finished = scorer, finished
        self.view = _view_of(plan, prepared, recipe)
        self.predictor = predictor_for(recipe, competition, self.view.info, scorer, f"fold {plan.name}")
        self.late_from = late_from(recipe)

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.monotonic()
        checkpoint.set_randomness(self.model, self.recipe.seed, self.plan.number + 1, epoch)
        self.model.is_late.assign(float(epoch >= self.late_from))

    def on_epoch_end(self, epoch, logs=None):
        loss, arrays = self.model.mean_loss(logs), checkpoint.arrays_of(self.model)
        # before anything of this epoch is written
        self._refuse_what_is_not_finite(epoch + 1, loss, arrays)
        due = (epoch + 1) % self.recipe.score_every == 0 or epoch + 1 == self.recipe.epochs
        score = self._score() if due and len(self.plan.held_out) else None
        self.finished.append(
            {
                "epoch": epoch + 1,
                "loss": loss,
                "iou": float(logs["iou"]),
                "accuracy": float(logs["accuracy"]),
                "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
                "score": score,
                "seconds": round(time.monotonic() - self.started, 2),
            }
        )
        history.write(self.plan.folder, self.finished)
        checkpoint.save(self.plan.folder / "checkpoint.npz", arrays, epoch + 1, self.plan.inputs)

    def _refuse_what_is_not_finite(self, epoch: int, loss: float, arrays: list[np.ndarray]) -> None:
        if math.isfinite(loss) and checkpoint.are_finite(self.model, arrays):
            return
        what = "its weights are NaN or infinite" if math.isfinite(loss) else f"its loss is {loss}"
        remedy = weights.remedy(self.recipe, precision_for(self.recipe))
        raise UserError(f"fold {self.plan.name}, epoch {epoch}: {what}, nothing of this epoch is kept; {remedy}")

    def _score(self) -> float:
        """The held-out score at threshold .5 of the averaged weights, without flips."""
        self.scorer.set_weights(checkpoint.averaged_weights(self.model))
        task, rows = self.competition.task, self.plan.held_out
        groups = self.prepared.table["group"].to_numpy()
        answers = self.predictor.plain(self.view, rows)
        items = ((groups[row], plain, self.prepared.labels[row]) for row, plain in answers)
        metric, thresholds = self.competition.metric, task.plain_thresholds()
        return scoring.count(metric, task, items, thresholds, self.prepared.groups(rows)).score()
