"""Which scores of a run are true today: what its thresholds depend on, and whether they still belong to that."""

import numpy as np

from pipeline.errors import UserError
from pipeline.runs import decoding, scored_by, trained, tuning
from pipeline.runs.job import Job
from pipeline.store import disk, records


def inputs_of(job: Job) -> dict:
    """The predictions of the trained folds, and the labels they are scored on."""
    folds = held_out_folds(job)
    files = {f"fold{fold}": records.fingerprint(job.store.fold(fold) / "valid.npy") for fold in folds}
    return {
        "prepared": job.prepared.fingerprint("train"),
        "folds": job.fold_table.fingerprint(),
        "rules": scored_by.fingerprint(job.competition),
        **decoding.inputs_of(job, job.prepared.train),
        **({"groups": job.prepared.own_groups} if job.prepared.own_groups else {}),
        **({"fewest parts": tuning.FEWEST} if folds and _parts(job, folds) < tuning.FEWEST else {}),
        **files,
    }


def _parts(job: Job, folds: list[int]) -> int:
    """How many independent parts these folds hold out."""
    rows = np.concatenate([job.fold_table.held_out(fold) for fold in folds])
    return tuning.parts_of(job.prepared.groups(rows), len(rows))


def held_out_folds(job: Job) -> list[int]:
    return job.store.folds_holding("valid.npy")


def standing(job: Job) -> tuple[dict, str]:
    """The content of thresholds.json where its scores are true; otherwise nothing, and why, in words."""
    path = job.store.thresholds
    try:
        trained.check(job)
        if not held_out_folds(job):
            only_all = job.store.model_file("all") is not None
            return {}, "nothing held out (--fold all)" if only_all else f"not trained: {command(job, 'train')}"
        state = records.state(path, inputs_of(job))
        if state == "current":
            content = disk.read_json(path)
            known = isinstance(content.get("cross_fitted"), float)
            return (content, "") if known else (content, "not cross-fitted: one group holds all that is held out")
    except UserError as error:
        return {}, str(error)
    words = {"missing": "not tuned", "stale": "stale", "yours": "thresholds made by hand: not cross-fitted"}
    return {}, words[state] + ("" if state == "yours" else f": {command(job, 'tune')}")


def command(job: Job, stage: str) -> str:
    return f"./run.sh {job.competition.name} {stage} --run {job.store.run}"
