"""runs/<c>/<run>/fold<k>/valid.npy -> runs/<c>/<run>/thresholds.json, tuning.npz (for the report).

An exact search on the out-of-fold predictions of the trained folds, for the competition's metric.
"""

import inspect

import numpy as np

from pipeline import store, tuning
from pipeline.job import Job
from pipeline.predictions import Predictions

READS = ("train",)


def is_current(job: Job) -> bool:
    state = store.state(job.store.thresholds, inputs_of(job))
    if state == "yours":
        tuning.read_thresholds(job.store.thresholds, job.competition.task.classes)
        job.say(f"{job.store.shown(job.store.thresholds)} is yours: used as it is")
    return state in ("current", "yours")


def inputs_of(job: Job) -> dict:
    """The predictions of the trained folds, and the labels they are scored on."""
    files = {f"fold{fold}": store.fingerprint(job.store.fold(fold) / "valid.npy") for fold in held_out_folds(job)}
    metric = job.competition.metric
    return {
        "prepared": job.prepared.fingerprint("train"),
        "folds": job.fold_table.fingerprint(),
        "metric": store.text_hash(metric.name, inspect.getsource(metric.formula)),
        **files,
    }


def held_out_folds(job: Job) -> list[int]:
    return job.store.folds_holding("valid.npy")


def run(job: Job, named: bool = False) -> None:
    path = job.store.thresholds
    if store.state(path, inputs_of(job)) == "yours" and not job.again:
        job.say(f"{job.store.shown(path)} is yours: kept (--again replaces it)")
        return
    folds = held_out_folds(job)
    task, metric = job.competition.task, job.competition.metric
    if not folds:
        content = {"classes": list(task.classes), "thresholds": [rule.to_json() for rule in task.plain_thresholds()]}
        content |= {"oof": None, "cross_fitted": None, "standard_error": None, "n": 0}
        job.say("nothing was held out (--fold all): no score, thresholds of .5")
        _write(job, content)
        return
    if len(folds) < job.fold_table.count:
        job.say(f"tuned on the trained folds {', '.join(map(str, folds))} of {job.fold_table.count}")
    data = out_of_fold(job, folds)
    content, scores = tuning.tuned(data, task.classes, metric.name)
    _write_pictures(job, data, scores)
    _write(job, content)
    for line in tuning.table(content):
        job.say(line)


def out_of_fold(job: Job, folds: list[int]) -> tuning.OutOfFold:
    """Reads the predictions of these folds once. Raises UserError when they are of other images than the folds'."""
    table = job.prepared.table
    rows = np.concatenate([job.fold_table.held_out(fold) for fold in folds])
    groups = job.prepared.groups(rows)
    plain_kept = all((job.store.fold(fold) / "valid_no_tta.npy").exists() for fold in folds)
    return tuning.OutOfFold(
        ids=table["id"].iloc[rows].tolist(),
        coverage=table["coverage"].to_numpy(float)[rows],
        folds=np.concatenate([np.full(len(job.fold_table.held_out(fold)), fold) for fold in folds]),
        sweeps=_sweeps(job, folds, "valid", groups),
        sweeps_plain=_sweeps(job, folds, "valid_no_tta", groups) if plain_kept else None,
        groups=groups,
    )


def _sweeps(job: Job, folds: list[int], name: str, groups: np.ndarray | None) -> list:
    def pairs():
        table, labels = job.prepared.table, job.prepared.labels
        for fold in folds:
            rows = job.fold_table.held_out(fold)
            answers = Predictions(job.store.fold(fold), name, job.competition.task.outputs, index="valid")
            chosen = table.iloc[rows]
            answers.check(chosen["id"].tolist(), chosen["height"], chosen["width"])
            for i, row in enumerate(rows):
                yield answers[i], labels[row]

    return job.competition.task.sweeps(job.competition.metric, pairs(), groups)


def _write_pictures(job: Job, data: tuning.OutOfFold, scores: np.ndarray) -> None:
    """What the report draws: the threshold curve and surface of each class, and every image's score."""
    everything = np.arange(len(scores))
    arrays = {"ids": np.array(data.ids), "folds": data.folds, "scores": scores, "coverage": data.coverage}
    for i, sweep in enumerate(data.sweeps):
        arrays |= {
            f"curve{i}": sweep.curve(everything),
            f"surface{i}": sweep.surface(everything),
            f"areas{i}": sweep.areas,
        }
    with store.atomic(job.store.tuning) as part, part.open("wb") as file:
        np.savez(file, **arrays)


def _write(job: Job, content: dict) -> None:
    with store.recorded(job.store.thresholds, inputs_of(job)) as part:
        store.write_json(part, content)
