"""runs/<c>/<run>/fold<k>/valid.npy -> runs/<c>/<run>/thresholds.json, tuning.npz (for the report).

An exact search on the out-of-fold predictions of the trained folds, for the competition's metric.
"""

from pathlib import Path

import numpy as np

from pipeline.runs import answers, trained, tuning
from pipeline.runs.job import Job
from pipeline.store import disk, records
from pipeline.tasks import scoring
from pipeline.tasks.scoring import Tally

READS = ("train",)


def makes(job: Job) -> Path:
    """What one process at a time makes."""
    return job.store.thresholds


def is_current(job: Job) -> bool:
    state = records.state(job.store.thresholds, inputs_of(job))
    if state == "yours":
        tuning.read_thresholds(job.store.thresholds, job.competition.task.classes)
        job.say(f"{job.store.shown(job.store.thresholds)} is yours: used as it is")
    return state in ("current", "yours")


def inputs_of(job: Job) -> dict:
    """The predictions of the trained folds, and the labels they are scored on."""
    files = {f"fold{fold}": records.fingerprint(job.store.fold(fold) / "valid.npy") for fold in held_out_folds(job)}
    return {
        "prepared": job.prepared.fingerprint("train"),
        "folds": job.fold_table.fingerprint(),
        "rules": trained.rules(job.competition),
        **files,
    }


def held_out_folds(job: Job) -> list[int]:
    return job.store.folds_holding("valid.npy")


def run(job: Job, named: bool = False) -> None:
    path = job.store.thresholds
    folds = held_out_folds(job)
    if records.state(path, inputs_of(job)) == "yours" and not job.again:
        _score_yours(job, folds)
        return
    task = job.competition.task
    if not folds:
        content = {"classes": list(task.classes), "thresholds": [rule.to_json() for rule in task.plain_thresholds()]}
        content |= {"oof": None, "cross_fitted": None, "standard_error": None, "n": 0}
        job.say("nothing was held out (--fold all): no score, thresholds of .5")
        _write(job, content)
        return
    if len(folds) < job.fold_table.count:
        job.say(f"tuned on the trained folds {', '.join(map(str, folds))} of {job.fold_table.count}")
    data = out_of_fold(job, folds)
    content, tally = tuning.tuned(data, task)
    _write_pictures(job, data)
    _write(job, content)
    _say(job, content, tally, data)


def _score_yours(job: Job, folds: list[int]) -> None:
    """Checks thresholds made by hand, and says what they score. Raises UserError where they are none."""
    path, task = job.store.thresholds, job.competition.task
    _, rules = tuning.read_thresholds(path, task.classes)
    job.say(f"{job.store.shown(path)} is yours: kept (--again replaces it); its scores are not cross-fitted")
    if folds:
        data = out_of_fold(job, folds)
        _say(job, *tuning.scored(data, task, rules, crossed=None), data, "with these thresholds")


def _say(job: Job, content: dict, tally: Tally, data: tuning.OutOfFold, how: str = tuning.CHOSEN) -> None:
    for line in tuning.table(content, how):
        job.say(line)
    task, metric = job.competition.task, job.competition.metric
    warning = tuning.collapsed(task.is_empty(metric, tally.statistics), data.coverage)
    if warning:
        job.say(f"warning: {warning}")


def out_of_fold(job: Job, folds: list[int]) -> tuning.OutOfFold:
    """Reads the predictions of these folds. Raises UserError when they are of other images than the folds'."""
    table = job.prepared.table
    rows = np.concatenate([job.fold_table.held_out(fold) for fold in folds])
    groups = job.prepared.groups(rows)
    task, metric = job.competition.task, job.competition.metric
    plain_kept = all((job.store.fold(fold) / "valid_no_tta.npy").exists() for fold in folds)

    def unflipped(rules):
        return scoring.count(metric, task, answers.items(job, folds, "valid_no_tta"), rules, groups)

    return tuning.OutOfFold(
        ids=table["id"].iloc[rows].tolist(),
        coverage=table["coverage"].to_numpy(float)[rows],
        folds=np.repeat(folds, [len(job.fold_table.held_out(fold)) for fold in folds]),
        search=task.search(metric, answers.items(job, folds, "valid"), groups),
        unflipped=unflipped if plain_kept else None,
        metric=metric,
        groups=groups,
        also={name: _also(job, folds, formula) for name, formula in job.competition.also.items()},
    )


def _also(job: Job, folds: list[int], formula) -> np.ndarray:
    """A further score of each held-out image, from its probabilities."""
    found = [formula(probabilities, labels) for _, probabilities, labels in answers.items(job, folds, "valid")]
    return np.array(found, float)


def _write_pictures(job: Job, data: tuning.OutOfFold) -> None:
    """What the report draws: what the search saw, and of which images."""
    arrays = {"ids": np.array(data.ids), **data.search.pictures(np.arange(len(data.ids)))}
    with disk.atomic(job.store.tuning) as part, part.open("wb") as file:
        np.savez(file, **arrays)


def _write(job: Job, content: dict) -> None:
    with records.recorded(job.store.thresholds, inputs_of(job)) as part:
        disk.write_json(part, content)
