"""A run that was learnt on another machine comes back: its files get the places they would have if they had been made
here, and what does not belong to the data, the folds and the recipe of here is refused.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from pipeline import recipe as recipes
from pipeline.errors import UserError, shown
from pipeline.recipe import Recipe
from pipeline.runs import trained
from pipeline.runs.identity import saved_in
from pipeline.runs.job import Job
from pipeline.store import disk, locks, records
from pipeline.store.paths import Store
from pipeline.training import backend

RECORD = ".inputs.json"


def put(job: Job, folder: Path, pretrained: str = "") -> None:
    """Moves a run from a root that nobody works in any more, `folder`, into that of the job; what the job's run had is
    replaced.

    Args:
        pretrained: where the file of weights lay there that the recipe names; blank where it names none.
    Raises:
        UserError: it was learnt from other data, folds or another recipe, or other weights, or was changed since; then
            nothing is moved.
    """
    there = Store(folder, job.store.competition, job.store.run, job.store.suffix)
    _settle(there, pretrained, job.recipe.weights)
    name, recipe = saved_in(there.recipe)
    _refuse_other_recipe(job, name, recipe)
    _check(replace(job, recipe=recipe), there)
    # what was fetched is of this run alone
    moved = [*there.run_folder.iterdir(), *(there.submission.parent.glob("*") if there.submission.exists() else ())]
    # the recipe first: without it folds would be of no run; a record before its file, which is then never another's
    for path in sorted(moved, key=lambda path: (path != there.recipe, not path.is_dir(), not _is_record(path), path)):
        _move(job, path, job.store.root / path.relative_to(folder))


def _settle(there: Store, pretrained: str, weights: str) -> None:
    """Makes records say what they would say here: the times of files, and where pretrained weights lie."""
    for record in there.root.rglob(f"*{RECORD}"):
        content = disk.read_fields(record, inputs=dict, modified_ns=int)
        recipe = content["inputs"].get("recipe")
        if pretrained and isinstance(recipe, dict) and recipe.get("weights") == pretrained:
            recipe["weights"] = weights
            disk.write_json(record, content)
        file = record.with_name(record.name.removesuffix(RECORD))
        if file.exists() and 0 <= content["modified_ns"] < 2**63:
            os.utime(file, ns=(content["modified_ns"], content["modified_ns"]))
    content = disk.read_json(there.recipe)
    if pretrained and content.get("weights") == pretrained:
        disk.write_json(there.recipe, {**content, "weights": weights})
        # it shows where the weights lay there
        there.report.unlink(missing_ok=True)


def _refuse_other_recipe(job: Job, name: str, recipe: Recipe) -> None:
    other = recipes.differences(recipe, job.recipe)
    if job.recipe.budget:
        other.pop("epochs", None)
    if other or name != job.recipe_name:
        field, value = next(iter(other.items()), ("recipe", name))
        raise UserError(
            f"the run that came back was learnt with {recipes.option(field)} {value or repr(value)}, not as run "
            f"'{job.store.run}' is now; give the options that it was sent with, or another --run NAME"
        )


def _check(job: Job, there: Store) -> None:
    """Raises UserError for what would be refused as soon as it lay here."""
    folds = there.folds_holding()
    if not folds:
        raise UserError(f"the run '{job.store.run}' came back without any fold; start again with --again")
    began = disk.file_hash(Path(job.recipe.weights)) if Path(job.recipe.weights).is_file() else None
    for fold in folds:
        for path in (there.model_file(fold), there.fold(fold) / trained.DONE):
            if path is None or not path.exists():
                # of `all` nothing is held out
                continue
            record = records.read_record(path)
            other = trained.differences(record["inputs"], trained.inputs_of(job, fold)) if record else ["other bytes"]
            if other:
                raise UserError(
                    f"{path.relative_to(there.root)} that came back was made from {' and '.join(other)} than here: it "
                    "is left there; bring back the data and folds of then, or start again with --again"
                )
        if began and backend.recorded(there.fold(fold)).get("pretrained", began) != began:
            raise UserError(f"{job.recipe.weights} is not the file that fold {fold} began with; bring that one back")
    changed = sorted({name for fold in folds for name in backend.changed_code(there.fold(fold))})
    if changed:
        job.say(f"warning: changed here since the run was sent: {shown(changed)}")


def _is_record(path: Path) -> bool:
    return path.name.endswith(RECORD)


def _move(job: Job, path: Path, target: Path) -> None:
    if path.is_dir():
        with locks.making(target, job.wait, job.say), disk.whole_folder(target) as part:
            for file in path.iterdir():
                shutil.move(file, part / file.name)
        return
    if _is_record(path):
        # until its own record is there and its own file, neither is: never a file that looks like the user's
        target.with_name(target.name.removesuffix(RECORD)).unlink(missing_ok=True)
    with disk.atomic(target) as part:
        shutil.move(path, part)
