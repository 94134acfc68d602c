"""Which folds of a run are trained, and whether they still belong to the data, the folds and the recipe of today."""

import functools
import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline import recipe as recipes
from pipeline.competition import Competition
from pipeline.errors import UserError, shown
from pipeline.runs.job import Job
from pipeline.store import disk, records, submission

DONE = "valid.npy"
SCORING = ("metrics", "objects", "plateau", "rle")  # of imaging/


def folds(job: Job) -> list:
    """Folds with out-of-fold probabilities (trained here or brought by hand), and `all` with weights."""
    numbered = job.store.folds_holding(DONE)
    return numbered + (["all"] if job.store.model_file("all") else [])


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
    }


def rules(competition: Competition) -> str:
    """A fingerprint of what scores and decodes: other code, another formula or another rule is another answer."""
    package = Path(__file__).parents[1]
    files = [*sorted((package / "tasks").glob("*.py")), *(package / "imaging" / f"{name}.py" for name in SCORING)]
    metric = competition.metric
    functions = [value for value in vars(metric).values() if callable(value)] + list(competition.also.values())
    parts = [metric.name, repr(competition.task), *(_source(function) for function in functions)]
    return disk.text_hash(*parts, *(path.read_text(encoding="utf-8") for path in files))


def _source(function) -> str:
    """The code of a function, and the values it holds; of anything else what it prints as."""
    if isinstance(function, functools.partial):
        return f"{_source(function.func)} {function.args} {function.keywords}"
    try:
        held = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
        return f"{inspect.getsource(function)} {held}"
    except (TypeError, OSError):
        return repr(function)


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
    more = f" and {len(stale) - 1} more fold(s)" if len(stale) > 1 else ""
    raise UserError(
        f"{job.store.shown(path)}{more} was made from {' and '.join(other)} than now; {' and '.join(mend)}, start "
        f"another run (--run NAME), or restore the data and {job.store.shown(job.folds_file)} as they were"
    )


def _stale(job: Job, fold) -> tuple[Path, list[str]] | None:
    """The file of a fold that was made from something else than there is now, and what that is."""
    for path in (job.store.model_file(fold), job.store.fold(fold) / DONE):
        record = records.read_record(path) if path else None
        if record and (other := _differences(record["inputs"], inputs_of(job, fold))):
            return path, other
    return None


def minutes(histories: list[Path]) -> float | None:
    """That the folds of these history.csv learnt (scores while learning included), or None where one is missing.

    Raises UserError where one holds no seconds."""
    if not all(path.exists() for path in histories):
        return None
    try:
        return sum(float(row["seconds"]) for path in histories for row in disk.read_rows(path, "seconds")) / 60
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


def _differences(saved: dict, wanted: dict) -> list[str]:
    found = other_data(saved, wanted)
    # not recorded by earlier versions
    found += ["other flips (symmetry)"] if saved.get("symmetry", wanted["symmetry"]) != wanted["symmetry"] else []
    # a field that did not exist then has its default now
    recipe = recipes.completed(saved.get("recipe", {}))
    return found + (["another recipe"] if recipe != wanted["recipe"] else [])
