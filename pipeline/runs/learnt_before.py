"""A fold that another run of the competition has learnt already: its weights are copied, not learnt once more.

Recipes that differ only in how a network predicts (`recipe.PREDICTING`) learn the same from the same data and folds.
"""

import shutil

from pipeline import recipe as recipes
from pipeline.store import disk, records
from pipeline.errors import UserError
from pipeline.runs.job import Job
from pipeline.store.paths import Store

# how the weights came about: the report shows it
HISTORY, ENVIRONMENT = "history.csv", "environment.json"
# of the environment: with another of these the fold would be another one
DECISIVE = ("code", "backend", "precision", "pretrained", "changed_meanwhile")


def take(job: Job, fold, inputs: dict, environment: dict) -> str:
    """Copies a fold's weights and history from a run that learnt it from the same inputs, with the same code.

    Args:
        inputs: what the fold is to be made from (`trained.inputs_of`, with pseudo-labels their fingerprint, too).
        environment: what it would be made with now, as `environment.json` holds it.
    Returns: the name of that run; blank where there is none, and nothing is written.
    """
    for folder in sorted(job.store.runs.glob("*")):
        other = Store(job.store.root, job.store.competition, folder.name)
        if other.run != job.store.run and (found := _same(other, fold, inputs, environment)):
            _copy(other, job.store, fold, inputs, found)
            return other.run
    return ""


def _same(other: Store, fold, inputs: dict, environment: dict) -> dict | None:
    """The environment that another run learnt the fold in, where that run would do; None where it would not."""
    weights, beside = other.model_file(fold), [other.fold(fold) / name for name in (HISTORY, ENVIRONMENT)]
    if weights is None or weights.suffix != ".h5" or not all(path.exists() for path in beside):
        return None
    try:
        record, found = records.read_record(weights), disk.read_json(beside[1])
    except UserError:
        # a damaged file of a run that nobody asked about: that run will not do
        return None
    if record is None or _learnt(record["inputs"]) != _learnt(inputs) or _decisive(found) != _decisive(environment):
        return None
    return found


def _copy(other: Store, own: Store, fold, inputs: dict, environment: dict) -> None:
    with disk.atomic(own.fold(fold) / HISTORY) as part:
        shutil.copyfile(other.fold(fold) / HISTORY, part)
    disk.write_json(own.fold(fold) / ENVIRONMENT, {"taken_from": other.run, **environment})
    weights = other.model_file(fold)
    with records.recorded(own.fold(fold) / weights.name, inputs) as part:
        shutil.copyfile(weights, part)


def _decisive(environment: dict) -> list:
    return [environment.get(name) for name in DECISIVE]


def _learnt(inputs: dict) -> dict:
    """The inputs without what only predictions depend on."""
    recipe = recipes.completed(inputs.get("recipe", {}))
    return {**inputs, "recipe": {name: value for name, value in recipe.items() if name not in recipes.PREDICTING}}
