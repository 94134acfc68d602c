"""A fold of the classical model: a filter is chosen on the images that are not held out, and applied. No Keras.

The same functions as `fit`, for a model that has no weights: what was chosen is in `model.json`.
"""

from collections.abc import Callable, Iterator

import numpy as np

from pipeline.competition import Competition
from pipeline.errors import UserError
from pipeline.imaging.flips import IDENTITY, Flip
from pipeline.models import classical
from pipeline.recipe import Recipe
from pipeline.store import disk, records
from pipeline.store.predictions import PredictionWriter
from pipeline.store.prepared import Prepared, View
from pipeline.tasks.ahead import in_order
from pipeline.training import backend, memory, weights
from pipeline.training.plan import FoldPlan

CHOICE = "model.json"
MOST = 150  # images that the choice is made on


def environment(recipe: Recipe) -> dict:
    """What a fold begins with."""
    return backend.machine() | {"backend": "none", "backend_version": ""}


def train_fold(plan: FoldPlan, prepared: Prepared, competition: Competition, recipe: Recipe) -> None:
    """Writes `model.json`. Raises UserError when the competition asks for more than one class."""
    competition.task.of_one(np.zeros((8, 8), np.uint8))
    filled = plan.learnt[prepared.table["coverage"].to_numpy(float)[plan.learnt] > 0]
    rows = filled[np.linspace(0, len(filled) - 1, min(MOST, len(filled))).astype(int)]
    view = prepared.view(scaling=prepared.scaling_of(plan.inputs, plan.folder), tones=recipe.tones)
    filled_in = competition.task.filled
    pairs = ((_scaled(view, row), filled_in(prepared.labels[row]), *_known(view, row)) for row in rows)
    with _enough_memory(), records.recorded(plan.folder / CHOICE, plan.inputs) as part:
        disk.write_json(part, classical.choose(pairs))


def predict_held_out(plan: FoldPlan, prepared: Prepared, competition: Competition, recipe: Recipe) -> None:
    """Writes the out-of-fold probabilities: `valid.npy`, and the same as `valid_no_tta.npy`, for there are no flips."""
    write_predictions(
        plan.folder, "valid", plan.held_out, prepared, competition, recipe, plan.inputs, title="out-of-fold"
    )


def write_predictions(folder, name, rows, prepared, competition, recipe, inputs, title, keep_plain=True) -> None:
    """Probabilities of `rows`, in order: `<name>.csv` and, last, `<name>.npy`."""
    answer, outputs = answering(folder, prepared, competition, recipe), competition.task.outputs
    with PredictionWriter(folder, name, outputs, inputs, keep_plain, len(rows), title) as writer:
        for row, bands in answer(prepared, rows):
            writer.add_bands(prepared.table["id"].iat[row], bands)


def answering(folder, prepared: Prepared, competition: Competition, recipe: Recipe) -> Callable[..., Iterator]:
    """Reads what was chosen in `folder` once. Returns what answers by it: (prepared data of the same kind, rows) ->
    (row, [(plain, averaged)]), both the same: there are no flips or scales, whichever are asked for."""
    choice, task, scaling = _read(folder / CHOICE), competition.task, weights.scaling_of(folder / CHOICE, prepared)

    def answer(prepared: Prepared, rows, flips=(), scales=()) -> Iterator:
        view = prepared.view(scaling=scaling, tones=recipe.tones)

        def one(row):
            return view.blanked(row, task.of_one(classical.soft(_scaled(view, row), choice)))

        with _enough_memory():
            for row, found in zip(rows, in_order(one, rows, quiet=True), strict=True):
                yield row, [(found, found)]

    return answer


def flips_for(recipe: Recipe, competition: Competition) -> tuple[Flip, ...]:
    """As `fit` has it: there is nothing to average over."""
    return (IDENTITY,)


def scales_for(recipe: Recipe) -> tuple[float, ...]:
    """As `fit` has it."""
    return ()


def _enough_memory():
    return memory.enough(lambda: "the filters of the classical model", lambda: "close other programs")


def _scaled(view: View, row: int) -> np.ndarray:
    """H x W x C float32, 0..1: what lies beyond is as bright or dark as can be."""
    seen = np.asarray(view.images[row]).astype(np.float32) / np.float32(view.info["range"])
    return seen if view.scaling is None else np.clip(seen, 0, 1)


def _known(view: View, row: int) -> list[np.ndarray]:
    """Which pixels count, H x W bool; none where all do."""
    return [np.asarray(view.known(row))[..., 0] > 0] if view.has_gaps else []


def _read(path) -> dict:
    if not path.exists():
        raise UserError(f"{path} is missing; train the fold with --again")
    choice = disk.read_json(path)
    try:
        classical.check(choice)
        if choice["level"] is not None and not np.isfinite(choice["scale"]):
            raise ValueError("its scale is infinite")
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is no choice of a filter ({error}); mend it, or train the fold with --again"
        ) from error
    return choice
