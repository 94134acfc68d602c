"""How a run came about: the commands that make it again, the recipe, versions, and fingerprints."""

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

from pipeline import recipe as recipes
from pipeline.errors import UserError
from pipeline.runs import adopted, trained
from pipeline.runs.identity import saved_in
from pipeline.runs.job import Job
from pipeline.store import disk, records
from pipeline.training import backend


def commands(job: Job) -> list[str]:
    """What to type, for the runs whose predictions it learnt from, too, the first one first."""
    chain = {job.store.run: job}
    while (source := _source(job)) and source.store.run not in chain:
        job = chain[source.store.run] = source
    return [line for one in reversed(chain.values()) for line in _commands(one)]


def _source(job: Job) -> Job | None:
    """The run that a run's pseudo-labels are from; None where there is none, or none that can be read."""
    there = replace(job.store, run=job.recipe.pseudo)
    if not job.recipe.pseudo or not there.recipe.exists():
        return None
    try:
        name, recipe = saved_in(there.recipe)
    except UserError:
        # of an earlier version: its commands would not run either
        return None
    return replace(job, store=there, recipe=recipe, recipe_name=name)


def _commands(job: Job) -> list[str]:
    """Of one run: one command where every fold of the recipe is trained, otherwise training and the rest; of one that
    was adopted, what adopts it."""
    if origin := adopted.read(job.store):
        return [origin["command"]]
    name, run = job.competition.name, ["--run", job.store.run, *recipe_options(job)]
    folds = trained.folds(job)
    count = job.recipe.trained_folds or job.fold_table.count
    if folds == list(range(min(count, job.fold_table.count))):
        return [shlex.join(["./run.sh", name, *run])]
    chosen = [word for fold in folds for word in ("--fold", str(fold))]
    return [
        shlex.join(["./run.sh", name, "train", *chosen, *run]),
        shlex.join(["./run.sh", name, "tune", "predict", "submit", "report", *run]),
    ]


def origin(job: Job, most: int = 12) -> dict | None:
    """Of a run that was adopted, what adopted.json says, and the first of its files; None of one trained here."""
    found = adopted.read(job.store)
    if found is None:
        return None
    return {**found, "shown": list(found["files"].items())[:most], "more": max(0, len(found["files"]) - most)}


def recipe_options(job: Job) -> list[str]:
    """`--recipe R --field value …`: the fields that differ from the named recipe.

    The epochs, not the budget that picked them: it would pick others elsewhere.
    """
    return ["--recipe", job.recipe_name, *recipes.words(replace(job.recipe, budget=""), job.named_recipe)]


def recipe_fields(job: Job) -> list[dict]:
    """Every field with its value, and whether it differs from the default."""
    changed = recipes.differences(job.recipe, recipes.Recipe())
    return [
        {"name": name, "value": _plain(value), "changed": name in changed}
        for name, value in recipes.to_json(job.recipe).items()
    ]


def environments(job: Job) -> list[dict]:
    """What the folds were trained with; folds with the same answer share a line."""
    lines: dict[tuple, list[str]] = {}
    for fold in trained.folds(job):
        path = job.store.fold(fold) / "environment.json"
        found = disk.read_json(path) if path.exists() else {}
        version = f"{found['backend']} {found.get('backend_version', '')}".strip() if "backend" in found else ""
        key = version, *(str(found.get(name, "")) for name in ("keras", "python", "hardware"))
        lines.setdefault(key, []).append(str(fold))
    names = ("backend", "keras", "python", "hardware")
    return [{"folds": ", ".join(folds), **dict(zip(names, key, strict=True))} for key, folds in lines.items()]


def changed_code(job: Job) -> list[str]:
    """Files that decide what a training gives and are others now than when a fold was trained."""
    return sorted({name for fold in trained.folds(job) for name in backend.changed_code(job.store.fold(fold))})


def fingerprints(job: Job) -> list[dict]:
    """(name, value) of what the run was made from."""
    kinds = ("train", "test") if len(job.prepared.test) else ("train",)
    found = [{"name": f"{kind} data", "value": job.prepared.fingerprint(kind)} for kind in kinds]
    found.append({"name": "fold table", "value": job.fold_table.fingerprint()})
    if job.store.submission.exists():
        found.append({"name": "submission (SHA-256)", "value": records.fingerprint(job.store.submission)})
    return found


def git_commit() -> str:
    """The commit of this code, with a note when files differ from it; blank without git or outside a repository."""
    here = Path(__file__).parents[3]

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *words], capture_output=True, text=True, timeout=20, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "pipeline/__main__.py")
        commit = git("rev-parse", "HEAD")
        return commit + (" and changes that are not committed" if git("status", "--porcelain", "pipeline") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _plain(value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "none"
