"""A fold of the classical model: a filter is chosen on the images that are not held out, and applied. No Keras.

The same functions as `fit`, for a model that has no weights: what was chosen is in `model.json`.
"""

import numpy as np

from pipeline.competition import Competition
from pipeline.errors import UserError
from pipeline.models import classical
from pipeline.recipe import Recipe
from pipeline.store import disk, records
from pipeline.store.predictions import PredictionWriter
from pipeline.store.prepared import Prepared
from pipeline.tasks.ahead import in_order
from pipeline.training import backend, memory
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
    pairs = ((_scaled(prepared, row), prepared.labels[row][..., 0] != 0) for row in rows)
    with _enough_memory(), records.recorded(plan.folder / CHOICE, plan.inputs) as part:
        disk.write_json(part, classical.choose(pairs))


def predict_held_out(plan: FoldPlan, prepared: Prepared, competition: Competition, recipe: Recipe) -> None:
    """Writes the out-of-fold probabilities: `valid.npy`, and the same as `valid_no_tta.npy`, for there are no flips."""
    write_predictions(
        plan.folder, "valid", plan.held_out, prepared, competition, recipe, plan.inputs, title="out-of-fold"
    )


def write_predictions(folder, name, rows, prepared, competition, recipe, inputs, title, keep_plain=True) -> None:
    """Probabilities of `rows`, in order: `<name>.csv` and, last, `<name>.npy`."""
    choice = _read(folder / CHOICE)
    task = competition.task

    def answer(row):
        return task.of_one(classical.soft(_scaled(prepared, row), choice))

    with (
        _enough_memory(),
        PredictionWriter(folder, name, task.outputs, inputs, keep_plain, len(rows), title) as writer,
    ):
        for row, found in zip(rows, in_order(answer, rows, quiet=True), strict=True):
            writer.add(prepared.table["id"].iat[row], found, found)


def _enough_memory():
    return memory.enough(lambda: "the filters of the classical model", lambda: "close other programs")


def _scaled(prepared: Prepared, row: int) -> np.ndarray:
    """H x W x C float32, 0..1."""
    return prepared.images[row].astype(np.float32) / np.float32(prepared.info["range"])


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
