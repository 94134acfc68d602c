"""A run goes on from an earlier output that cannot be written to: what it holds of the run is copied into the root.

Such an output is a root of its own (runs/<c>/<run>/), as a Kaggle notebook leaves one and the next one reads it.
"""

import os
import shlex
import shutil
from pathlib import Path

from pipeline import recipe as recipes
from pipeline.errors import UserError
from pipeline.runs.identity import saved_in
from pipeline.runs.job import Job
from pipeline.store import disk, locks
from pipeline.store.paths import Store


def take(job: Job, folder: Path) -> None:
    """Copies the recipe, finished folds and checkpoints of unfinished ones, and says which; what stands here already
    is never replaced. Whether they belong to the data and folds of now is asked by who reads them.

    Raises UserError where the folder holds nothing of the run, or of another recipe.
    """
    there = Store(folder, job.store.competition, job.store.run)
    folds = there.folds_holding()
    if not folds:
        held = sorted(path.name for path in there.runs.glob("*") if path.is_dir())
        instead = f"it has {', '.join(held)}" if held else "it holds no run of this competition"
        raise UserError(
            f"{folder} holds nothing of run '{job.store.run}' ({instead}); name a root whose runs/ has it, or the run "
            "with --run NAME"
        )
    _refuse_other_recipe(job, there)
    if there.recipe.exists() and not job.store.recipe.exists():
        disk.write_json_once(job.store.recipe, disk.read_json(there.recipe))
    taken = [fold for fold in folds if not job.store.fold(fold).exists()]
    for fold in taken:
        target = job.store.fold(fold)
        with locks.making(target, job.wait, job.say), disk.whole_folder(target) as part:
            # with the times of the files: by them a record knows its file as untouched
            _copy_folder(there.fold(fold), part)
    if taken:
        job.say(f"from {folder}: {', '.join(_described(job.store, fold) for fold in taken)}")
    if len(taken) < len(folds):
        job.say(f"{len(folds) - len(taken)} fold(s) of {folder} are here already, and stay as they are")


def _refuse_other_recipe(job: Job, there: Store) -> None:
    """Of another recipe nothing could be gone on with. A budget has found its epochs there."""
    name, saved = saved_in(there.recipe) if there.recipe.exists() else (job.recipe_name, job.recipe)
    other = recipes.differences(saved, job.recipe)
    if job.recipe.budget:
        other.pop("epochs", None)
    if other or name != job.recipe_name:
        named = recipes.resolve(job.competition.recipes.get(name, {}), {})
        words = shlex.join(["--recipe", name, *recipes.words(saved, named)])
        raise UserError(f"run '{job.store.run}' of {there.root} was made with {words}; give the same options here")


def _described(store: Store, fold) -> str:
    checkpoint = (store.fold(fold) / "checkpoint.npz").exists()
    return f"fold {fold} ({'to be gone on with' if checkpoint else 'finished'})"


def _copy_folder(source: Path, target: Path) -> None:
    try:
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=_left_out, copy_function=_copy)
    except shutil.Error as error:
        file, _, why = error.args[0][0]
        raise UserError(f"cannot copy {file}: {why}; mend that, make room, or use --root DIR") from error


def _copy(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    stat = Path(source).stat()
    # not the rights: what is read-only there is to be written here
    os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _left_out(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(".") or disk.is_part(name)]
