"""A run of predictions that nothing here has learnt is written: as a whole, with the records that hold it to its data
and folds."""

import contextlib
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.runs import adopted
from pipeline.runs.job import Job
from pipeline.store import disk, locks, records
from pipeline.store.predictions import PredictionWriter


@dataclass(frozen=True)
class Answers:
    """The predictions of one file: how many, and what gives (id, H x W x outputs uint8) of each, in the order of the
    prepared table."""

    count: int
    pictures: Callable[[], Iterable[tuple[str, np.ndarray]]]


def write(
    job: Job, content: dict, valid: dict[int, Answers], test: dict, test_inputs: Callable[..., dict], title: str
) -> None:
    """The run's folder, in the place of what is there.

    Args:
        content: of adopted.json; its `fingerprint` is that of what the predictions were made from.
        valid, test: fold -> predictions; `all` of test answers for all folds.
        test_inputs: fold -> what test predictions depend on.
        title: of the bars.

    Raises UserError where somebody else begins the run meanwhile, or the predictions cannot be read.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(locks.making(job.store.recipe_lock, job.wait, job.say, beside=job.store.runs))
        disk.restore_folder(job.store.run_folder)
        if job.store.recipe.exists() and not job.again:
            raise UserError(f"run '{job.store.run}' was begun meanwhile; give another --run NAME")
        part = stack.enter_context(disk.whole_folder(job.store.run_folder))
        _keep_yours(job, part)
        fingerprint = content["fingerprint"]
        for fold, found in valid.items():
            inputs = adopted.inputs_of(job, fold, fingerprint)
            _write_fold(job, part / f"fold{fold}", "valid", found, inputs, title)
        for fold, found in test.items():
            inputs = {**test_inputs(job, fold), "weights": fingerprint}
            _write_fold(job, part / f"fold{fold}", "test", found, inputs, title)
        disk.write_json(part / job.store.adopted.name, content)
        disk.write_json(part / job.store.recipe.name, adopted.recipe_of(job))


def _write_fold(job: Job, folder: Path, name: str, found: Answers, inputs: dict, title: str) -> None:
    outputs, title = job.competition.task.outputs, f"{title} {folder.name}, {name}"
    with PredictionWriter(folder, name, outputs, inputs, False, found.count, title) as writer:
        for image_id, picture in found.pictures():
            writer.add(image_id, picture, picture)


def _keep_yours(job: Job, part: Path) -> None:
    """Of a run that is replaced, what was made by hand stays: thresholds."""
    if records.is_yours(job.store.thresholds):
        shutil.copy2(job.store.thresholds, part)
