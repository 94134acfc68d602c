"""A fold that another run of the competition has learnt already: its weights are copied, not learnt once more.

Recipes that differ only in how a network predicts (`recipe.PREDICTING`) learn the same from the same data and folds.
"""

import shutil

from pipeline import recipe as recipes
from pipeline import store
from pipeline.job import Job
from pipeline.store import Store

# how the weights came about: the report shows it
HISTORY, ENVIRONMENT = "history.csv", "environment.json"
# of the environment: with another of these the fold would be another one
DECISIVE = ("code", "backend", "pretrained")


def take(job: Job, fold, inputs: dict, environment: dict) -> str:
    """Copies a fold's weights and history from a run that learnt it from the same inputs, with the same code.

    Args:
        inputs: what the fold is to be made from (`trained.inputs_of`, with pseudo-labels their fingerprint, too).
        environment: what it would be made with now, as `environment.json` holds it.
    Returns: the name of that run; blank where there is none, and nothing is written.
    """
    for folder in sorted(job.store.runs.glob("*")):
        other = Store(job.store.root, job.store.competition, folder.name)
        weights = other.model_file(fold) if other.run != job.store.run else None
        record = store.read_record(weights) if weights and weights.suffix == ".h5" else None
        if record is None or _learnt(record["inputs"]) != _learnt(inputs):
            continue
        beside = [other.fold(fold) / name for name in (HISTORY, ENVIRONMENT)]
        if not all(path.exists() for path in beside) or _decisive(store.read_json(beside[1])) != _decisive(environment):
            continue
        for path in beside:
            with store.atomic(job.store.fold(fold) / path.name) as part:
                shutil.copyfile(path, part)
        with store.recorded(job.store.fold(fold) / weights.name, inputs) as part:
            shutil.copyfile(weights, part)
        return other.run
    return ""


def _decisive(environment: dict) -> list:
    return [environment.get(name) for name in DECISIVE]


def _learnt(inputs: dict) -> dict:
    """The inputs without what only predictions depend on. Fields that did not exist then have their defaults."""
    recipe = {**recipes.to_json(recipes.Recipe()), **inputs.get("recipe", {})}
    return {**inputs, "recipe": {name: value for name, value in recipe.items() if name not in recipes.PREDICTING}}
