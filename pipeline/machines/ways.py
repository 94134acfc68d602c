"""How work is done that a job wants done apart: by processes here (--jobs), or by Ray (--on).

Each way is a module with `check(job)`, which raises UserError before the work where it cannot be gone, and
`do(job, works)`: title -> why, in one line, of what failed for good; the rest is finished when it returns. Where it
knows, `share(job, folds)` says how much of a machine each process has.
"""

import functools
from collections.abc import Callable, Sequence

from pipeline.errors import UserError
from pipeline.machines.work import Work
from pipeline.runs.job import Job

Way = Callable[[Sequence[Work]], dict[str, str]]


def way(job: Job) -> Way | None:
    """How the work of a job is done apart; None where its folds are trained here, one after the other."""
    module = _module(job)
    return functools.partial(module.do, job) if module else None


def check(job: Job) -> None:
    """Raises UserError where the work cannot be done as the job asks, as far as that can be told before any."""
    if job.on and job.jobs != 1:
        raise UserError("--on sends folds to other machines, --jobs to processes of this one; give one of them")
    module = _module(job)
    if module:
        module.check(job)


def share(job: Job, folds: int) -> tuple[dict[str, str], int]:
    """(what the environment of a process has besides, how many of so many folds are trained one after the other): what
    a budget is for. Without better knowledge all of them are."""
    module = _module(job)
    return module.share(job, folds) if hasattr(module, "share") else ({}, folds)


def do(chosen: Way, *lists: Sequence[Work]) -> None:
    """Does one list of work after the other: what is of a later one may take what an earlier one made.

    Raises UserError, naming them, where some of the work failed for good; the rest of it is finished then.
    """
    failed = {title: line for works in lists if works for title, line in chosen(works).items()}
    if failed:
        why = "; ".join(f"{title} failed: {line}" for title, line in failed.items())
        left = sum(map(len, lists)) - len(failed)
        others = f"; the other{'s are' if left > 1 else ' is'} finished" if left else ""
        raise UserError(f"{why}{others}; the same command (without --again) goes on")


def _module(job: Job):
    """The module for the way a job asks for: it has `check(job)` and `do(job, works)`."""
    if job.on:
        from pipeline.machines import on_ray

        return on_ray
    if job.jobs != 1:
        from pipeline.machines import processes

        return processes
    return None
