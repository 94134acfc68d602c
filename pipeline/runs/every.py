"""The runs of a competition that are there, each with its own recipe, or why that cannot be read."""

import contextlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import recipe as recipes
from pipeline.errors import UserError, shown
from pipeline.runs.identity import resolve_run
from pipeline.runs.job import Job
from pipeline.store import disk

ADOPTED = "adopted.json"  # in a run whose predictions another program made
# any of these makes a folder a run
_SIGNS = ("recipe.json", ADOPTED, "thresholds.json", "fold*")


@dataclass(frozen=True)
class Run:
    """A run by its folder's name.

    Attributes:
        job: of this run, or None where its recipe cannot be read; `trouble` then says why.
        fields: of its recipe, and `recipe`, the named one; None where these are not known: unreadable, or predictions
            that were brought from elsewhere.
    """

    name: str
    job: Job | None
    fields: dict | None
    trouble: str = ""


def found(job: Job) -> list[Run]:
    """Every run of the competition, by name."""
    folders = sorted(job.store.runs.iterdir()) if job.store.runs.is_dir() else []
    return [_read(job, folder) for folder in folders if _is_run(folder)]


def split_otherwise(job: Job) -> list[Run]:
    """The runs of the same recipe but for how its folds are made: by kind, where this one's are not, and the other way
    round."""
    if (job.store.run_folder / ADOPTED).exists():
        return []
    mine = _but_folds(job)
    known = [run for run in found(job) if run.fields is not None and run.job.recipe.split != job.recipe.split]
    return [run for run in known if _but_folds(run.job) == mine]


def _but_folds(job: Job) -> tuple:
    return job.recipe_name, replace(job.recipe, split="", folds=5, trained_folds=0, budget="")


def chosen(job: Job, words: list[str]) -> list[Run]:
    """Those of these names, in this order. Raises UserError for a name that is no run's, or whose recipe cannot be
    read."""
    known = {run.name: run for run in found(job)}
    for word in words:
        if word not in known:
            there = f"there are {shown(known, 12)}" if known else "there is none yet"
            raise UserError(f"'{word}' is no run of {job.competition.name}; {there}")
        if known[word].job is None:
            raise UserError(f"run '{word}': {known[word].trouble}")
    return [known[word] for word in words]


def _is_run(folder: Path) -> bool:
    is_left_over = disk.is_part(folder.name) or disk.is_replaced(folder)
    return folder.is_dir() and not is_left_over and any(any(folder.glob(sign)) for sign in _SIGNS)


def _read(job: Job, folder: Path) -> Run:
    try:
        _, recipe_name, recipe = resolve_run(job.competition, job.store.root, folder.name, None, {})
    except UserError as error:
        return Run(folder.name, None, None, str(error))
    own = replace(job, recipe=recipe, recipe_name=recipe_name, store=replace(job.store, run=folder.name))
    with contextlib.suppress(UserError):
        # one index serves all of them (a cached property keeps its value there); without one each says so itself
        vars(own)["prepared"] = job.prepared
    # what another program made has a recipe that says how it is read, not how it was learnt
    is_ours = own.store.recipe.exists() and not (folder / ADOPTED).exists()
    fields = {"recipe": recipe_name, **recipes.to_json(recipe)} if is_ours else None
    return Run(folder.name, own, fields)


def one_by_one(runs: list[Run]):
    """The same, with a bar on a terminal: what one lacks may have to be counted."""
    if not sys.stderr.isatty():
        return runs
    from tqdm import tqdm

    return tqdm(runs, desc="runs", unit="run", delay=1)


def differing(runs: list[Run]) -> list[str]:
    """The fields of which these runs have more than one value, in the order of the recipe."""
    known = [run.fields for run in runs if run.fields is not None]
    return [name for name in (known[0] if known else ()) if len({repr(fields[name]) for fields in known}) > 1]
