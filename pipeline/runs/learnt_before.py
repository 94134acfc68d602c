"""A fold that another run of the competition has learnt already: its weights are copied, not learnt once more.

Recipes that differ only in how a network predicts (`recipe.PREDICTING`) learn the same from the same data and folds.
What is damaged, or not finite, is never taken.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from pipeline import recipe as recipes
from pipeline.errors import UserError
from pipeline.runs.job import Job
from pipeline.store import disk, records
from pipeline.store.paths import Store
from pipeline.training import backend, history, weights

# of the environment: with another of these the fold would be another one
DECISIVE = ("code", "backend", "precision", "pretrained", "changed_meanwhile")


def take(job: Job, fold, inputs: dict, environment: dict) -> str:
    """Copies a fold's weights and history from a run that learnt it from the same inputs, with the same code.

    Args:
        inputs: what the fold is to be made from (`trained.inputs_of`, with pseudo-labels their fingerprint, too).
        environment: what it would be made with now, as `environment.json` holds it.
    Returns: the name of that run; blank where there is none, and nothing is written.
    """
    for other, found in _alike(job, fold, inputs):
        if _decisive(found) == _decisive(environment):
            _copy(other, job.store, fold, inputs, found)
            return other.run
    return ""


def files(job: Job, fold, inputs: dict) -> list[Path]:
    """What `take` would look at, for a machine that has nothing of other runs: whatever these were made with."""
    names = (weights.NAME, records.record_path(Path(weights.NAME)).name, history.NAME, backend.ENVIRONMENT)
    return [other.fold(fold) / name for other, _ in _alike(job, fold, inputs) for name in names]


def key(inputs: dict) -> str:
    """The same for inputs that a fold learns the same from."""
    return disk.text_hash(json.dumps(_learnt(inputs), sort_keys=True))


def _alike(job: Job, fold, inputs: dict) -> Iterator[tuple[Store, dict]]:
    """Other runs that learnt the fold from the same inputs, each with the environment that it did it in."""
    for folder in sorted(job.store.runs.glob("*")):
        other = Store(job.store.root, job.store.competition, folder.name)
        found = _same(other, fold, inputs) if other.run != job.store.run else None
        if found is not None:
            yield other, found


def _same(other: Store, fold, inputs: dict) -> dict | None:
    """The environment that another run learnt the fold in, where that run may do; None where it does not."""
    learnt, folder = other.model_file(fold), other.fold(fold)
    # how the weights came about: the report shows it
    beside = [folder / name for name in (history.NAME, backend.ENVIRONMENT)]
    if learnt is None or learnt.name != weights.NAME or not all(path.exists() for path in beside):
        return None
    try:
        record, found = records.read_record(learnt), backend.recorded(folder)
        if record is None or _learnt(record["inputs"]) != _learnt(inputs):
            return None
        history.read(folder)
        weights.check_file(learnt)
    except UserError:
        # a damaged file of a run that nobody asked about: that run will not do
        return None
    return found


def _copy(other: Store, own: Store, fold, inputs: dict, environment: dict) -> None:
    with disk.atomic(own.fold(fold) / history.NAME) as part:
        shutil.copyfile(other.fold(fold) / history.NAME, part)
    disk.write_json(own.fold(fold) / backend.ENVIRONMENT, {"taken_from": other.run, **environment})
    with records.recorded(own.fold(fold) / weights.NAME, inputs) as part:
        shutil.copyfile(other.fold(fold) / weights.NAME, part)


def _decisive(environment: dict) -> list:
    return [environment.get(name) for name in DECISIVE]


def _learnt(inputs: dict) -> dict:
    """The inputs without what only predictions depend on."""
    recipe = recipes.completed(inputs.get("recipe", {}))
    return {**inputs, "recipe": {name: value for name, value in recipe.items() if name not in recipes.PREDICTING}}
