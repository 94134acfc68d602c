"""data/<c>/prepared/images.csv -> folds/<c>.csv: which fold holds each train image out.

Stratified by coverage and kind of picture; images of one group (patient, drive) stay together where the competition
has groups, copies of one picture where it asks for that. With `--split kind` (`./run.sh dsb2018 split --recipe quick
--split kind`) whole kinds are held out: the score of pictures unlike those that are learnt.
"""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from pipeline import source
from pipeline.competition import coverage_class
from pipeline.errors import UserError, shown
from pipeline.raw import reader
from pipeline.runs import by_kind, copies, own_groups
from pipeline.runs.copies import Compared
from pipeline.runs.job import Job
from pipeline.store import disk, fold_table, records

READS = ("prepare",)

# of the folds: fixed, so that two runs of a competition hold out the same images
SEED = 2015


def needs(job: Job) -> tuple[str, ...]:
    return () if job.folds_file.exists() else ("sklearn",)


def makes(job: Job) -> Path:
    """What one process at a time makes."""
    return job.made_folds_file


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
    kept = {"copies": job.competition.copies} if _keeps_copies(job) else {}
    kept |= {"groups": job.prepared.own_groups} if job.prepared.own_groups else {}
    kept |= by_kind.inputs_of(job)
    return {"prepared": job.prepared.fingerprint("train"), "folds": job.recipe.folds, "seed": SEED, **kept}


def _keeps_copies(job: Job) -> bool:
    """Whether copies are to be in one fold: groups, kinds, and a rule of the competition's own, say more."""
    own = job.competition.split is not None or job.recipe.split or job.prepared.groups(job.prepared.train) is not None
    return job.competition.copies == "together" and not own


def run(job: Job, named: bool = False) -> None:
    path = job.folds_file
    yours = records.state(path, inputs_of(job)) == "yours"
    if yours and job.again and path != job.made_folds_file:
        raise UserError(
            f"{job.store.shown(path)} is yours and holds for every recipe: move it away to have {job.recipe.folds} "
            "folds made"
        )
    keeps = _keeps_copies(job) and (job.again or not yours)
    compared = copies.compare(job.prepared, all_train=keeps)
    if yours and not job.again:
        job.say(f"{job.store.shown(path)} is yours: kept (--again replaces it)")
    else:
        _make(job, path, compared if keeps else None)
    if job.recipe.split and records.is_yours(job.store.own_folds()):
        job.say(f"{job.store.shown(job.store.own_folds())} is yours, and not --split {job.recipe.split}: not used here")
    table = fold_table.read(path, job.prepared)
    groups = own_groups.described(job.prepared, job.store.shown(job.store.own_groups))
    for line in [*groups, *by_kind.described(job, table), *described(table, job.prepared), *leaks(table, job.prepared)]:
        job.say(line)
    for line in copies.described(compared, table.folds):
        job.say(f"warning: {line}")


def _make(job: Job, path, compared: Compared | None) -> None:
    """`compared`: where copies are to be in one fold."""
    table = by_kind.table(job).iloc[job.prepared.train]
    if compared:
        table = _with_copies(job, table, compared)
    free = ~table["always_learnt"].to_numpy()
    if not free.any():
        raise UserError(f"all {len(table)} train images are always learnt (valid_as=), and none is left to hold out")
    if job.recipe.split:
        by_kind.refuse_always_learnt(table)
        if job.competition.split:
            job.say(f"split= of {reader.file_of(job.competition)} is not asked: --split {job.recipe.split} says more")
    split = by_kind.folds if job.recipe.split else job.competition.split or stratified
    with source.of_the_user("split="):
        found = np.asarray(split(table[free], job.recipe.folds))
    if found.shape != (free.sum(),) or found.dtype.kind != "i" or found.min() < -1 or found.max() < 0:
        raise UserError(
            f"{reader.file_of(job.competition)}: split= must give a whole number from -1 for each of the {free.sum()} "
            "train images, and hold some out"
        )
    folds = np.full(len(table), -1)
    folds[free] = found
    count = int(folds.max()) + 1
    if count < job.recipe.folds:
        job.say(f"only {count} folds instead of {job.recipe.folds}: there are not enough images or groups for more")
    with records.recorded(path, inputs_of(job)) as part:
        disk.write_rows(part, ["id", "fold"], zip(table["id"], folds.tolist(), strict=True))


def _with_copies(job: Job, table, compared: Compared):
    """The table with copies as groups, every other image a group of its own; unchanged where there are none."""
    groups, said = copies.together(compared, len(table), job.recipe.folds)
    for line in said:
        job.say(line)
    if not (groups != "").any():
        return table
    alone = np.array([f"image {name}" for name in table["id"]], object)
    return table.assign(group=np.where(groups != "", groups, alone))


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
