"""data/<c>/prepared/images.csv -> folds/<c>.csv: which fold holds each train image out.

Stratified by coverage and kind of picture; images of one group (patient, drive) stay together where the competition
has groups.
"""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from pipeline import source
from pipeline.competition import coverage_class
from pipeline.errors import UserError, shown
from pipeline.raw import reader
from pipeline.runs.job import Job
from pipeline.store import disk, fold_table, records

READS = ("prepare",)

# of the folds: fixed, so that two runs of a competition hold out the same images
SEED = 2015


def needs(job: Job) -> tuple[str, ...]:
    return () if job.folds_file.exists() else ("sklearn",)


def makes(job: Job) -> Path:
    """What one process at a time makes."""
    return job.store.folds(job.recipe.folds)


def is_current(job: Job) -> bool:
    path = job.folds_file
    state = records.state(path, inputs_of(job))
    if state == "yours":
        count = job.fold_table.count
        other = f", though the recipe names {job.recipe.folds}" if count != job.recipe.folds else ""
        job.say(f"{job.store.shown(path)} is yours: used as it is, {count} fold(s){other}")
        for line in leaks(job.fold_table, job.prepared):
            job.say(line)
    return state in ("current", "yours")


def inputs_of(job: Job) -> dict:
    return {"prepared": job.prepared.fingerprint("train"), "folds": job.recipe.folds, "seed": SEED}


def run(job: Job, named: bool = False) -> None:
    path = job.folds_file
    yours = records.state(path, inputs_of(job)) == "yours"
    if yours and job.again and path != job.store.folds(job.recipe.folds):
        raise UserError(
            f"{job.store.shown(path)} is yours and holds for every recipe: move it away to have {job.recipe.folds} "
            "folds made"
        )
    if yours and not job.again:
        job.say(f"{job.store.shown(path)} is yours: kept (--again replaces it)")
    else:
        _make(job, path)
    table = fold_table.read(path, job.prepared)
    for line in [*described(table, job.prepared), *leaks(table, job.prepared)]:
        job.say(line)


def _make(job: Job, path) -> None:
    table = job.prepared.table.iloc[job.prepared.train]
    split = job.competition.split or stratified
    with source.of_the_user("split="):
        folds = np.asarray(split(table, job.recipe.folds))
    if folds.shape != (len(table),) or folds.dtype.kind != "i" or folds.min() < -1 or folds.max() < 0:
        raise UserError(
            f"{reader.file_of(job.competition)}: split= must give a whole number from -1 for each of the {len(table)} "
            "train images, and hold some out"
        )
    count = int(folds.max()) + 1
    if count < job.recipe.folds:
        job.say(f"only {count} folds instead of {job.recipe.folds}: there are not enough images or groups for more")
    with records.recorded(path, inputs_of(job)) as part:
        disk.write_rows(part, ["id", "fold"], zip(table["id"], folds.tolist(), strict=True))


def stratified(table, count: int) -> np.ndarray:
    """A fold number 0..count-1 for each row of the images table (columns id, group, kind, coverage).

    With groups there are at most as many folds as groups; without, as images.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    groups = table["group"].to_numpy()
    grouped = (groups != "").any()
    count = min(count, len(set(groups)) if grouped else len(table))
    classes = _merged(_strata(table), count)
    if count < 2:
        return np.zeros(len(table), int)
    splitter = (StratifiedGroupKFold if grouped else StratifiedKFold)(count, shuffle=True, random_state=SEED)
    folds = np.zeros(len(table), int)
    with warnings.catch_warnings():
        # a class with fewer images than folds cannot be in every fold; with groups that is no fault of the data
        warnings.simplefilter("ignore", UserWarning)
        for fold, (_, held_out) in enumerate(splitter.split(classes, classes, groups if grouped else None)):
            folds[held_out] = fold
    return folds


def _strata(table) -> np.ndarray:
    """A class for each image: its coverage, and where there are several kinds of pictures each kind's own."""
    coverage = coverage_class(table["coverage"].to_numpy(float))
    kinds = np.unique(table["kind"].to_numpy(str), return_inverse=True)[1]
    # the least that is empty comes first in each kind, so that small classes join those of their own kind
    return kinds * (coverage.max() + 1) + coverage


def _merged(classes: np.ndarray, count: int) -> np.ndarray:
    """Classes with fewer than `count` images join the class below, so that each can be in every fold."""
    classes = classes.copy()
    for klass in sorted(set(classes.tolist()), reverse=True):
        lower = classes[classes < klass]
        if (classes == klass).sum() < count and len(lower):
            classes[classes == klass] = lower.max()
    return np.zeros_like(classes) if np.bincount(classes)[np.unique(classes)].max() < count else classes


def leaks(table: fold_table.FoldTable, prepared) -> list[str]:
    """A warning where a group is in several folds: a network then knows the patient it is scored on."""
    groups = prepared.table["group"].to_numpy()[prepared.train]
    pairs = {(group, fold) for group, fold in zip(groups, table.folds.tolist(), strict=True) if group}
    counts = Counter(group for group, _ in pairs)
    several = sorted(group for group, count in counts.items() if count > 1)
    if not several:
        return []
    return [f"warning: {len(several)} group(s) are in several folds: {shown(several)}: out-of-fold scores are too high"]


def described(table: fold_table.FoldTable, prepared) -> list[str]:
    """One line per fold: images, coverage, share of empty ones, groups."""
    rows = prepared.table.iloc[prepared.train]
    coverage, groups = rows["coverage"].to_numpy(float), rows["group"].to_numpy()
    lines = []
    for fold in sorted(set(table.folds.tolist())):
        chosen = table.folds == fold
        line = f"fold {fold}: {chosen.sum()} images, mean coverage {coverage[chosen].mean():.3f}, "
        line += f"{np.mean(coverage[chosen] == 0):.1%} empty"
        if (groups != "").any():
            line += f", {len(set(groups[chosen]))} groups"
        lines.append(line)
    return lines
