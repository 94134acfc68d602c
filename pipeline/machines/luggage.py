"""What travels with a piece of work to a machine that sees nothing of ours, and what has to be there already."""

import os
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.machines import nodes
from pipeline.machines.errand import Data, Errand
from pipeline.machines.nodes import Share
from pipeline.machines.work import Work
from pipeline.runs import identity, learnt_before, trained
from pipeline.runs.job import Job
from pipeline.store import disk, records
from pipeline.training import trainer, weights

# of the prepared folder: what only the report reads
NOT_FOR_LEARNING = ("truth.npy",)
# words of the command that are answered here: a fold that is sent back to its checkpoint must not begin again
ANSWERED_HERE = ("--again", "--wait")


def job_of(job: Job, work: Work) -> Job:
    """The job of one piece of work, whose run may be another than that of the command."""
    name, recipe = identity.saved_in(work.folder.parent / "recipe.json")
    store = replace(job.store, run=work.folder.parent.name)
    return replace(job, recipe_name=name, recipe=recipe, store=store)


def fold_of(work: Work):
    name = work.folder.name.removeprefix("fold")
    return name if name == "all" else int(name)


def is_done(job: Job, work: Work) -> bool:
    return fold_of(work) in trained.folds(job_of(job, work))


def epoch_of(work: Work) -> int:
    """The epoch that its checkpoint has finished; 0 without one that can be read: who goes on says what is wrong."""
    path = work.folder / "checkpoint.npz"
    if not path.exists():
        return 0
    try:
        with np.load(path, allow_pickle=False) as saved:
            return int(saved["epoch"])
    except (*disk.BROKEN_ARRAYS, KeyError, zipfile.BadZipFile):
        return 0


def data_of(job: Job) -> Data:
    folder = job.store.prepared
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    sizes = {
        path.name: path.stat().st_size
        for path in files
        if not disk.is_part(path.name) and path.name not in NOT_FOR_LEARNING
    }
    return Data(folder, disk.file_hash(folder / "prepared.json"), sizes)


def errand_of(job: Job, work: Work, data: Data, share: Share, every: float) -> Errand:
    one = job_of(job, work)
    words = [word for word in _without(work.words, "--on-bad-image") if word not in ANSWERED_HERE]
    return Errand(
        arguments=("-m", "pipeline", *words),
        environment=nodes.environment(share),
        folder=work.folder.relative_to(work.root),
        prepared=job.store.prepared.relative_to(work.root),
        last=(weights.NAME, "model.json", trained.DONE),
        data=data,
        setting=nodes.setting(trainer.packages(one.recipe)),
        modules=trainer.packages(one.recipe),
        every=every,
    )


def _without(words: Sequence[str], option: str) -> list[str]:
    """The words without an option and its value: of raw files, which no node has."""
    found = list(words)
    if option in found:
        place = found.index(option)
        del found[place : place + 2]
    return found


def names_of(job: Job, work: Work) -> list[str]:
    """The files, below the root, that a fold begins with: folds and groups, the recipe, what it has learnt so far, what
    it may take from other runs, and the predictions that its pseudo-labels come from."""
    one, store = job_of(job, work), job.store
    tables = {one.folds_file, store.own_folds(one.recipe.split), store.own_groups}
    paths = [path for table in tables for path in (table, records.record_path(table))]
    paths += [work.folder.parent / "recipe.json", *_in(work.folder)]
    if one.recipe.pseudo:
        paths += _in(replace(store, run=one.recipe.pseudo).fold(fold_of(work)))
    elif not job.again:
        paths += learnt_before.files(one, fold_of(work), trained.inputs_of(one, fold_of(work)))
    found = dict.fromkeys(path.relative_to(work.root).as_posix() for path in paths if path.is_file())
    # each record before its file
    return sorted(found, key=lambda name: (name.removesuffix(".inputs.json"), not name.endswith(".inputs.json")))


def _in(folder: Path) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else []
    return [path for path in found if not path.name.startswith(".") and not disk.is_part(path.name)]


def first_of_those_alike(job: Job, works: Sequence[Work]) -> dict[Path, Path]:
    """Folder of a piece of work -> folder of an earlier one that learns the same: it takes over the other's weights
    when these are there. Of works that are trained again each learns for itself."""
    first: dict[str, Path] = {}
    found: dict[Path, Path] = {}
    for work in works if not job.again else ():
        one = job_of(job, work)
        key = f"{work.folder.name} {learnt_before.key(trained.inputs_of(one, fold_of(work)))}"
        if first.setdefault(key, work.folder) != work.folder:
            found[work.folder] = first[key]
    return found


def modules(job: Job, works: Sequence[Work]) -> tuple[str, ...]:
    """The packages whose versions decide what these learn."""
    names = [name for work in works for name in trainer.packages(job_of(job, work).recipe)]
    return tuple(dict.fromkeys(names))


def beside(job: Job, works: Sequence[Work]) -> dict[str, str]:
    """Files that recipes name by their whole path -> their digest here. They do not travel: the path is a part of what
    a fold was made from."""
    paths = {job_of(job, work).recipe.weights for work in works}
    return {path: disk.file_hash(Path(path)) for path in sorted(paths) if Path(path).is_file()}


def digest(path: str) -> str:
    """Of a file on this machine; blank where there is none."""
    return disk.file_hash(Path(path)) if Path(path).is_file() and os.access(path, os.R_OK) else ""


def refuse_other_files(node: str, here: dict[str, str], there: dict[str, str]) -> None:
    """Raises UserError where a node lacks a file that a recipe names, or has another one in its place."""
    for path, wanted in here.items():
        if there.get(path) != wanted:
            what = "has another file as" if there.get(path) else "does not see"
            raise UserError(
                f"node {node} {what} {path}, which the recipe begins with; copy it there under the same path"
            )
