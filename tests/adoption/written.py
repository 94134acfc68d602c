"""Small runs as other programs write them, for tests: every layout of the same predictions."""

from dataclasses import replace
from unittest import mock

import cv2
import numpy as np

from pipeline.runs.job import Job
from pipeline.store.predictions import Predictions
from pipeline.tools import adopt

GIVEN = {"logits": False, "names": "", "channels": "", "fit": ""}


def drawn(job: Job, seed: int = 0, low: int = 0, high: int = 255) -> dict[str, np.ndarray]:
    """id -> H x W x outputs uint8, of every image."""
    rng = np.random.default_rng(seed)
    table, outputs = job.prepared.table, job.competition.task.outputs
    return {
        name: rng.integers(low, high + 1, (height, width, outputs)).astype(np.uint8)
        for name, height, width in zip(table["id"], table["height"], table["width"], strict=True)
    }


def parts(job: Job) -> dict[str, list[str]]:
    """`oof` and `test` -> ids, in an order that is not ours."""
    ids = job.prepared.table["id"].to_numpy()
    return {"oof": ids[job.prepared.train][::-1].tolist(), "test": ids[job.prepared.test][::-1].tolist()}


def held_out(job: Job, fold: int) -> list[str]:
    return job.prepared.table["id"].iloc[job.fold_table.held_out(fold)].tolist()


def stack(values: dict, ids: list[str], change=lambda array: array[..., 0]) -> np.ndarray:
    return np.stack([change(values[name]) for name in ids])


def pictures(folder, values: dict, ids: list[str], ending: str, change=lambda array: array[..., 0]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ids:
        assert cv2.imwrite(str(folder / f"{name}{ending}"), change(values[name]))


def adopted(job: Job, folder, run: str, **options) -> Job:
    """The job of the run that the folder has become, as far as it is written; nothing is tuned."""
    job = replace(job, store=replace(job.store, run=run))
    with mock.patch("pipeline.command.order.bring_up_to_date"):
        adopt._adopt(job, folder, {**GIVEN, **options})
    return job


def expect(job: Job, values: dict, tests="all") -> None:
    """The run holds just these predictions, each fold its own. `tests`: the folds that answer the test part."""
    for fold in range(job.fold_table.count):
        _same(Predictions(job.store.fold(fold), "valid", job.competition.task.outputs), held_out(job, fold), values)
    wanted = ["all"] if tests == "all" else list(tests)
    assert job.store.folds_holding("test.npy") == wanted
    ids = job.prepared.table["id"].iloc[job.prepared.test].tolist()
    for fold in wanted:
        _same(Predictions(job.store.fold(fold), "test", job.competition.task.outputs), ids, values)


def _same(found: Predictions, ids: list[str], values: dict) -> None:
    assert found.ids == ids
    for i, name in enumerate(ids):
        np.testing.assert_array_equal(found[i], values[name])
