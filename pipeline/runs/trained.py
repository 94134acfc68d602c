"""Which folds of a run are trained, and whether they still belong to the data, the folds and the recipe of today."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline import recipe as recipes
from pipeline.errors import UserError, shown
from pipeline.runs.job import Job
from pipeline.store import disk, records, submission
from pipeline.store.numbers import number

DONE = "valid.npy"
_RECIPE = "another recipe"


def folds(job: Job) -> list:
    """Folds with out-of-fold probabilities (trained here or brought), and `all` with weights or test predictions."""
    numbered = job.store.folds_holding(DONE)
    has_all = job.store.model_file("all") or "all" in job.store.folds_holding("test.npy")
    return numbered + (["all"] if has_all else [])


def predicting_folds(job: Job) -> list:
    """The trained folds whose test predictions a submission wants: where `all` was brought, it answers for those that
    have no weights."""
    found = folds(job)
    if "all" not in found or job.store.model_file("all"):
        return found
    answered = job.store.folds_holding("test.npy")
    return [fold for fold in found if fold in answered or job.store.model_file(fold)]


def can_answer(job: Job) -> bool:
    """Whether a submission can be made of the folds that are trained now, if any: they have weights or test
    predictions, or there is no test part."""
    found, answered = folds(job), job.store.folds_holding("test.npy")
    ready = not found or any(fold in answered or job.store.model_file(fold) for fold in found)
    is_prepared = (job.store.prepared / "prepared.json").exists()
    return ready or not is_prepared or answered_part(job) == "valid"


def inputs_of(job: Job, fold) -> dict:
    """What a trained fold depends on. (Which other folds are trained says nothing about this one.)

    The records of a fold that learnt pseudo-labels also hold `pseudo`, the fingerprint of the predictions these came
    from. `check` does not ask for it: what was learnt stays learnt when that other run predicts anew.
    """
    return {
        "prepared": job.prepared.fingerprint("train"),
        "fold": job.fold_table.fingerprint(fold),
        # the epochs say what a budget has come to
        "recipe": recipes.to_json(replace(job.recipe, trained_folds=0, budget="")),
        "symmetry": job.competition.symmetry,
        # for ever how these weights see images; prepared again, the same images may be seen otherwise
        **({"scaling": job.prepared.scaling.to_json()} if job.prepared.scaling else {}),
    }


def check(job: Job, leaving_out=()) -> None:
    """Refuses weights and out-of-fold probabilities that were made from other data, folds or another recipe.

    Such files are how out-of-fold scores turn into leaks. Raises UserError naming the file and what differs.
    """
    asked = [fold for fold in job.store.folds_holding() if fold not in leaving_out]
    stale = {fold: found for fold in asked if (found := _stale(job, fold))}
    if not stale:
        return
    path, other = next(iter(stale.values()))
    count = job.fold_table.count
    gone = [f"fold{fold}" for fold in stale if fold != "all" and fold >= count]
    again = " ".join(f"--fold {fold}" for fold in stale if fold == "all" or fold < count)
    mend = [f"train {'them' if len(stale) > 1 else 'it'} again (train {again} --again)"] if again else []
    mend += [f"delete {shown(gone)} (there are only the folds 0 to {count - 1})"] if gone else []
    if job.store.adopted.exists():
        mend = [f"adopt the run again (./run.sh {job.competition.name} adopt DIR --run {job.store.run} --again)"]
    more = f" and {len(stale) - 1} more fold(s)" if len(stale) > 1 else ""
    raise UserError(
        f"{job.store.shown(path)}{more} was made from {' and '.join(other)} than now; {' and '.join(mend)}, start "
        f"another run (--run NAME), or restore {_origin(job, other)}"
    )


def _origin(job: Job, other: list[str]) -> str:
    """What to restore of a run's origin, where this is other than it was."""
    recipe, folds = map(job.store.shown, (job.store.recipe, job.folds_file))
    if other == [_RECIPE]:
        return f"{recipe} as it was"
    return f"the data{f', {recipe}' if _RECIPE in other else ''} and {folds} as they were"


def _stale(job: Job, fold) -> tuple[Path, list[str]] | None:
    """The file of a fold that was made from something else than there is now, and what that is."""
    for path in (job.store.model_file(fold), job.store.fold(fold) / DONE):
        record = records.read_record(path) if path else None
        if record and (other := differences(record["inputs"], inputs_of(job, fold))):
            return path, other
    return None


def minutes(histories: list[Path]) -> float | None:
    """That the folds of these history.csv learnt (scores while learning included), or None where one is missing.

    Raises UserError where one holds no seconds."""
    if not all(path.exists() for path in histories):
        return None
    try:
        return sum(number(row["seconds"]) for path in histories for row in disk.read_rows(path, "seconds")) / 60
    except ValueError as error:
        raise UserError(f"history.csv: its seconds are no numbers ({error}); mend or delete it") from error


def require(job: Job) -> None:
    """What the stages after this one need: at least one trained fold, made from what is there now."""
    check(job)
    if not folds(job):
        others = sorted(path.name for path in job.store.runs.glob("*") if any(path.glob(f"fold*/{DONE}")))
        hint = f"; trained runs: {', '.join(others)} (--run NAME)" if others else ""
        raise UserError(f"no fold of run '{job.store.run}' is trained; run the stage 'train' first{hint}")


def answered_part(job: Job) -> str:
    """What a submission of this competition is made from: `test`, or `valid` where there is no test part."""
    return "test" if len(job.prepared.test) else "valid"


def answering_folds(job: Job) -> list:
    """The trained folds that predicted that part."""
    return [fold for fold in folds(job) if (job.store.fold(fold) / f"{answered_part(job)}.npy").exists()]


def expected(job: Job) -> submission.Expected:
    """What the run's submission must answer: the test part, or without one what the trained folds held out.

    Raises UserError when there is neither.
    """
    if answered_part(job) == "test":
        return submission.expected(job.competition, job.prepared)
    numbered = [fold for fold in folds(job) if fold != "all"]
    if not numbered:
        raise UserError("no test part and nothing held out: there is nothing to submit; train a fold with --fold 0")
    rows = sorted(int(row) for fold in numbered for row in job.fold_table.held_out(fold))
    return submission.expected_rows(job.competition, job.prepared, np.array(rows))


def other_data(saved: dict, wanted: dict) -> list[str]:
    """What differs between two folds' inputs in what they have learnt from and held out, in words."""
    names = {"prepared": "other train images or labels", "fold": "other folds"}
    return [text for key, text in names.items() if saved.get(key) != wanted[key]]


def differences(saved: dict, wanted: dict) -> list[str]:
    """What differs between what a fold was made from and `inputs_of` today, in words."""
    found = other_data(saved, wanted)
    # not recorded by earlier versions
    found += ["other flips (symmetry)"] if saved.get("symmetry", wanted["symmetry"]) != wanted["symmetry"] else []
    # what another program made (`adopted`) has none
    if "recipe" not in saved:
        return found
    # a field that did not exist then has its default now
    recipe = recipes.completed(saved["recipe"])
    return found + ([_RECIPE] if recipe != wanted["recipe"] else [])
