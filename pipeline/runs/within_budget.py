"""How many epochs a --budget allows for the folds of a job: measured, and said in a line."""

import importlib
import math
import time
from dataclasses import replace

from pipeline import recipe as recipes
from pipeline.errors import UserError
from pipeline.runs import pseudo
from pipeline.runs.job import Job
from pipeline.training import budget, trainer
from pipeline.training.plan import FoldPlan, steps_of


def epochs(job: Job, plans: list[FoldPlan], in_turn: int) -> int:
    """As many as the budget allows for these folds. Raises UserError when it is too short for one.

    Args: in_turn: how many of them are trained one after the other, where others train beside them; all of them are
    predicted with one after the other.
    """
    recipe, every, test = job.recipe, job.recipe.score_every, len(job.prepared.test)
    pace = trainer.pace_of(plans[0], job.prepared, job.competition, recipe, job.devices)
    more = pseudo.count(recipe, test)
    # what each of those that learn in turn predicts for the ones beside it, too
    each = math.ceil(test * len(plans) / in_turn)
    work = [budget.Work(steps_of(recipe, len(plan.learnt) + more), len(plan.held_out), each) for plan in plans]
    work = work[:in_turn]
    spent, folds = time.monotonic() - job.started, counted(len(plans), "fold")
    beside = f", {in_turn} of them one after the other" if in_turn < len(plans) else ""
    left = budget.usable(recipes.seconds(recipe.budget)) - spent
    found = budget.epochs_within(left, work, pace, every)
    instead = _fewer_folds(recipe, left, work, pace) if in_turn == len(plans) else ""
    if not found:
        one = budget.estimated(1, work, pace, every)
        enough = math.ceil(budget.needed(spent + one) / 6) / 10
        raise UserError(
            f"--budget {recipe.budget} is too short: one epoch of {folds}{beside}, with predictions, takes about "
            f"{one:.0f} s, and {spent:.0f} s are over; give at least --budget {enough}m, or less to do"
            + (f": {instead}" if instead else "")
        )
    job.say(f"budget {recipe.budget}: a step takes {pace.step:.3g} s, {folds} of {counted(found, 'epoch')}{beside}")
    if found < recipe.epochs / 2 and instead:
        job.say(f"warning: the recipe has {recipe.epochs}, more than twice as many; {instead}")
    return found


def epochs_of(name: str, job: Job, plans: list[FoldPlan], in_turn: int) -> int:
    """`epochs` for a job that came without its competition, which may hold what cannot be sent to a process."""
    found = importlib.import_module(f"pipeline.competitions.{name}").competition
    return epochs(replace(job, competition=found), plans, in_turn)


def _fewer_folds(recipe: recipes.Recipe, left: float, work: list[budget.Work], pace: budget.Pace) -> str:
    """How many epochs fewer folds would get: as many folds as can have half of what the recipe names (with less it is
    not what the recipe was made for); blank where that is all of them, or fewer get none."""
    every = recipe.score_every
    fewer = max(budget.folds_within(left, math.ceil(recipe.epochs / 2), work, pace, every), 1)
    others = budget.epochs_within(left, work[:fewer], pace, every)
    if not others or fewer == len(work):
        return ""
    return f"{counted(fewer, 'fold')} (--trained-folds {fewer}) would get {counted(others, 'epoch')}"


def counted(count: int, word: str) -> str:
    """`1 fold`, `3 folds`."""
    return f"{count} {word}{'s' if count > 1 else ''}"
