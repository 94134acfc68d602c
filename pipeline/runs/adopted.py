"""A run whose predictions another program made: where they came from, and what nothing here can do with them.

`adopted.json` stands in such a run, beside a recipe that says no more than its folds: none made it here. Its
predictions are held to the same data and folds as those of a trained fold (`trained.check`).
"""

import math
from dataclasses import replace

from pipeline.errors import UserError
from pipeline.recipe import Recipe
from pipeline.runs import trained
from pipeline.runs.job import Job
from pipeline.store import disk
from pipeline.store.paths import Store

NAME = "adopted"  # what stands where a run's recipe has its name
FAR = 5  # standard errors by which a fold may be better than the others
LEAST = 0.05  # that it is better by, before anybody is asked
PERFECT = 0.98


def read(store: Store) -> dict | None:
    """What adopted.json of a run says; None where the run was trained here, or is not there."""
    return disk.read_json(store.adopted) if store.adopted.exists() else None


def refuse_training(job: Job) -> None:
    """Raises UserError for a run that was adopted."""
    found = read(job.store)
    if found:
        raise UserError(
            f"run '{job.store.run}' was adopted from {found.get('from')}: another program learnt it, and nothing here "
            f"can train it; ./run.sh {job.competition.name} adopt takes its predictions, or give another --run NAME"
        )


def job_of(job: Job, fit: str) -> Job:
    """The job of an adopted run: of its recipe the folds alone are known, and how its pictures came to their size."""
    recipe = Recipe(folds=job.recipe.folds, split=job.recipe.split, tta=False, **({"fit": fit} if fit else {}))
    return replace(job, recipe=recipe, recipe_name=NAME)


def recipe_of(job: Job) -> dict:
    """What recipe.json holds: only what is known."""
    split = {"split": job.recipe.split} if job.recipe.split else {}
    return {"recipe": NAME, "folds": job.recipe.folds, **split, "tta": False, "fit": job.recipe.fit}


def inputs_of(job: Job, fold, fingerprint: str) -> dict:
    """What the predictions of a fold depend on: data and folds as of one trained here, and the files they are from."""
    known = trained.inputs_of(job, fold)
    return {"prepared": known["prepared"], "fold": known["fold"], "adopted": fingerprint}


def doubts(content: dict) -> list[str]:
    """What of thresholds.json makes one ask whether held-out images were really held out."""
    folds = [entry for entry in content.get("by_fold", []) if entry["n"] > 1]
    found = []
    for entry in folds:
        others = [other for other in folds if other is not entry]
        if others and (line := _outlier(entry, others)):
            found.append(line)
    half = content.get("oof_at_half")
    if half is not None and half > PERFECT:
        found.append(
            f"out-of-fold {half:.3f} at .5 is nearly perfect: were these images held out of the networks that answer?"
        )
    return found


def _outlier(entry: dict, others: list[dict]) -> str:
    scores = [other["score"] for other in others]
    mean = sum(scores) / len(scores)
    # by how much the folds differ anyway, and by how much chance alone makes them
    spread = math.sqrt(sum((score - mean) ** 2 for score in scores) / len(scores))
    error = math.hypot(entry["standard_error"], *(other["standard_error"] / len(others) for other in others), spread)
    above = entry["score"] - mean
    if above < max(LEAST, FAR * error):
        return ""
    return (
        f"fold {entry['name']} scores {entry['score']:.3f}, the others {mean:.3f} ± {error:.3f}: was it trained on "
        "what it holds out?"
    )
