"""Which stages run, and when: each after what it reads is up to date."""

import contextlib
import importlib.util
from dataclasses import replace
from pathlib import Path

from pipeline.command import names, trial
from pipeline.errors import UserError, not_installed
from pipeline.runs import earlier
from pipeline.runs.identity import absolute
from pipeline.runs.job import Job
from pipeline.store import locks


def run(job: Job, named: list[str]) -> None:
    """Runs the named stages in their order, each after bringing up to date what it reads; where none is named, all but
    those that only run when they are named (ONLY_NAMED)."""
    known = names.stages()
    unknown = [word for word in named if word not in known]
    if unknown:
        raise UserError(
            f"'{unknown[0]}' is no stage; known are: {', '.join(known)}, and the tools {', '.join(names.tools())}"
        )
    chosen = [name for name in known if name in named] if named else [name for name in known if not _only_named(name)]
    _refuse(job, chosen, may_train=not named)
    if job.continue_from:
        earlier.take(job, absolute(Path(job.continue_from)))
    if job.folds and named and not set(named) & {"train", "predict"}:
        job.say("--fold is of train and predict: the other stages take every trained fold")
    if named and "train" not in named and (job.on or job.jobs != 1):
        job.say("--jobs and --on are of train: the other stages work here, on one fold after the other")
    done: set[str] = set()
    for name in chosen:
        # `train` may have found what a budget leaves open
        job = job.settled()
        if named:
            _bring_up_to_date(job, _reads(job, name), done, may_train=False)
            _tidy(job, name)
            _run(job, name, named=True)
            done.add(name)
        else:
            _bring_up_to_date(job, (name,), done, may_train=True)


def bring_up_to_date(job: Job, *wanted: str) -> None:
    """Makes what these stages make, and what they read, where it is missing or no longer true; trains nothing."""
    _bring_up_to_date(job, wanted, set(), may_train=False)


def _bring_up_to_date(job: Job, wanted, done: set[str], may_train: bool) -> None:
    for name in wanted:
        if name in done:
            continue
        _bring_up_to_date(job, _reads(job, name), done, may_train)
        _tidy(job, name)
        if name == "train" and not may_train:
            from pipeline.runs import trained

            trained.require(job)
        elif names.stage(name).is_current(job):
            job.say(f"{name}: up to date")
        else:
            _run(job, name, named=False)
        done.add(name)


def _tidy(job: Job, name: str) -> None:
    """Removes what a killed process has left of a stage's work."""
    stage = names.stage(name)
    if hasattr(stage, "tidy"):
        stage.tidy(job)
    if hasattr(stage, "makes"):
        locks.tidy(stage.makes(job))


def _run(job: Job, name: str, named: bool) -> None:
    stage = names.stage(name)
    with contextlib.ExitStack() as stack:
        waited = hasattr(stage, "makes") and stack.enter_context(locks.making(stage.makes(job), job.wait, job.say))
        if waited and not named and stage.is_current(replace(job)):
            job.say(f"{name}: up to date")
            return
        job.say(f"{name}:")
        stage.run(job, named=named)


def _reads(job: Job, name: str) -> tuple[str, ...]:
    """The stages whose files a stage reads now: a file of the user's own may need fewer of them (`reads`)."""
    stage = names.stage(name)
    return stage.reads(job) if hasattr(stage, "reads") else stage.READS


def _only_named(name: str) -> bool:
    return getattr(names.stage(name), "ONLY_NAMED", False)


def _refuse(job: Job, chosen: list[str], may_train: bool) -> None:
    """Raises UserError for what can be known to fail before any work: a package that is missing, an upload that nobody
    takes."""
    trial.check(job)
    # a copy: what it keeps of the files (the prepared table) may be others when the work begins
    job = replace(job)
    for name in chosen:
        if hasattr(names.stage(name), "refuse"):
            names.stage(name).refuse(job)
    for name in names.stages():
        if name in _with_all_they_read(job, chosen) and (may_train or name != "train" or name in chosen):
            _refuse_without_packages(job, name)


def _with_all_they_read(job: Job, chosen) -> set[str]:
    return set(chosen).union(*(_with_all_they_read(job, _reads(job, name)) for name in chosen))


def _refuse_without_packages(job: Job, name: str) -> None:
    stage = names.stage(name)
    for module in stage.needs(job) if hasattr(stage, "needs") else ():
        if importlib.util.find_spec(module) is None:
            raise UserError(f"the stage {name} needs {not_installed(module)}")
