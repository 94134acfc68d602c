"""data/<c>/prepared/, folds/<c>.csv -> runs/<c>/<run>/fold<k>/: model.weights.h5 history.csv valid.npy valid.csv.

Of the classical model `model.json` stands in the weights' place.
With --pseudo RUN a fold also reads fold<k>/test.npy and test.csv of that run.
A fold once trained is kept unless --again is given; a killed one goes on from its last finished epoch. A run that
differs from another in how it predicts alone (--tta, --tta-scales, --tile) takes the weights of that one, if the code
that learns is still the same.
"""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline import recipe as recipes
from pipeline.errors import UserError, shown
from pipeline.machines import apart, ways, work
from pipeline.runs import adopted, answers, decoding, learnt_before, official, pseudo, trained, tuning, within_budget
from pipeline.runs.job import Job
from pipeline.store import disk, locks, records
from pipeline.tasks import scoring
from pipeline.training import backend, history, parallel, trainer
from pipeline.training.plan import FoldPlan, late_from, steps_of

READS = ("split",)


def needs(job: Job) -> tuple[str, ...]:
    return trainer.packages(job.recipe) if _may_train(job) else ()


def _may_train(job: Job) -> bool:
    """Whether there is, or may be when the data is prepared, a fold to train."""
    known = (job.store.prepared / "prepared.json").exists() and job.folds_file.exists()
    return not known or bool(unfinished(job))


def tidy(job: Job) -> None:
    """A fold that was killed when all but this was done keeps no checkpoint."""
    for fold in trained.folds(job):
        if job.store.model_file(fold):
            (job.store.fold(fold) / "checkpoint.npz").unlink(missing_ok=True)


def refuse(job: Job) -> None:
    """Raises UserError where folds cannot be trained where the job asks for, before anything else is made."""
    if _may_train(job):
        parallel.check(job.recipe, job.devices)
        ways.check(job)
        # the machines of a cluster may have what this one has not
        if not job.on:
            trainer.check_weights(job.recipe)


def is_current(job: Job) -> bool:
    if job.again:
        return False
    trained.check(job)
    return not unfinished(job)


def run(job: Job, named: bool = False) -> None:
    way = ways.way(job)
    job, chosen = begun(job)
    if way and chosen:
        ways.do(way, works_of(job, chosen))
        return
    for fold in chosen:
        with locks.making(job.store.fold(fold), job.wait, job.say) as waited:
            if waited and not job.again and fold in trained.folds(job):
                job.say(f"fold {fold} was trained meanwhile")
            else:
                _train(job, fold)


def begun(job: Job) -> tuple[Job, list]:
    """(the job, its folds that are to be trained), when its recipe is saved with the epochs that a budget allows."""
    check(job)
    chosen = unfinished(job)
    for fold in [fold for fold in job.fold_numbers() if fold not in chosen]:
        job.say(f"fold {fold} is trained already (--again trains it again)")
    _warn_of_other_code(job, chosen)
    # who comes second finds what the first has measured
    with locks.making(job.store.recipe_lock, wait=True, say=job.say, beside=job.store.run_folder):
        _save_recipe(job, chosen)
    job = job.settled()
    if chosen:
        job.prepared.check_arrays()
    return job, chosen


def works_of(job: Job, folds: list, of_several: bool = False) -> list[work.Work]:
    """These folds of a job that has begun, as work that is done apart. `of_several`: runs."""
    epochs = job.recipe.epochs if trainer.packages(job.recipe) else 0
    return [work.of(job, fold, epochs, of_several) for fold in folds]


def check(job: Job) -> None:
    """Raises UserError where `run` would, as far as that can be told without Keras."""
    adopted.refuse_training(job)
    # single folds that are trained again may be the first of several that must be; later stages ask for all
    again = job.store.folds_holding() if job.folds else job.fold_numbers()
    trained.check(job, leaving_out=again if job.again else ())
    official.check(job)
    decoding.check(job)
    folds = unfinished(job)
    for fold in folds:
        trainer.check(plan_of(job, fold), job.prepared, job.competition, job.recipe, job.devices)
    pseudo.check(job, folds)


def unfinished(job: Job) -> list:
    """The folds that `run` would train."""
    finished = () if job.again else trained.folds(job)
    # of a run that was adopted there is no more than what is there
    wanted = job.fold_numbers() if job.folds or not job.store.adopted.exists() else trained.folds(job)
    return [fold for fold in wanted if fold not in finished]


def plan_of(job: Job, fold) -> FoldPlan:
    """Without pseudo-labels (see `whole_plan`). Raises UserError where nothing is left to learn from."""
    table = job.fold_table
    if not len(table.learnt(fold)):
        raise UserError(f"fold {fold} holds out every image: nothing is left to learn from; use --fold all")
    return FoldPlan(
        number=-1 if fold == "all" else fold,
        learnt=table.learnt(fold),
        held_out=table.held_out(fold),
        inputs=trained.inputs_of(job, fold),
        folder=job.store.fold(fold),
    )


def _train(job: Job, fold) -> None:
    started = time.monotonic()
    # a fold is what it is when it is trained alone, and twenty of them need no more memory than one
    trainer.release()
    learner = trainer.of(job.recipe, job.devices)
    plan = whole_plan(job, fold)
    folder = plan.folder
    if job.again:
        shutil.rmtree(folder, ignore_errors=True)
    _warn_of_changed_code(job, folder)
    # what cannot be read is said before the work
    history.read(folder)
    arguments = plan, job.prepared, job.competition, job.recipe
    before = ""
    if not job.store.model_file(fold):
        environment = learner.environment(job.recipe)
        _refuse_another_beginning(job, environment)
        before = "" if job.again else learnt_before.take(job, fold, plan.inputs, environment)
        if before:
            job.say(f"fold {fold}: run '{before}' learnt the same, and its weights are taken (--again trains them)")
        else:
            spread = {"devices": job.devices} if job.devices > 1 else {}
            disk.write_json(folder / backend.ENVIRONMENT, {**environment, **spread, **_changed_meanwhile(folder)})
            learner.train_fold(*arguments)
    if len(plan.held_out):
        learner.predict_held_out(*arguments)
        for line in _scores(job, plan):
            job.say(f"fold {fold}: {line}")
    (folder / "checkpoint.npz").unlink(missing_ok=True)
    epochs = history.read(folder)
    still = history.not_falling(epochs, steps_of(job.recipe, len(plan.learnt)), late_from(job.recipe))
    if still:
        job.say(f"warning: fold {fold}: {still}")
    words = f", of which its epochs took {history.minutes(epochs):.1f}" if epochs and not before else ""
    job.say(f"fold {fold} took {(time.monotonic() - started) / 60:.1f} minutes{words}")


def whole_plan(job: Job, fold) -> FoldPlan:
    """With the pseudo-labels that the recipe asks for, chosen now; said in a line."""
    plan = plan_of(job, fold)
    model = None if job.again else job.store.model_file(fold)
    if not job.recipe.pseudo:
        return plan
    if model:
        # it has learnt: what it answers comes from the predictions of then
        record = records.read_record(model)
        return replace(plan, inputs=record["inputs"]) if record else plan
    labels, fingerprint = pseudo.of_fold(job, fold)
    learnt = np.concatenate([plan.learnt, labels.rows])
    return replace(plan, learnt=learnt, inputs={**plan.inputs, "pseudo": fingerprint}, pseudo=labels)


def _changed_meanwhile(folder: Path) -> dict:
    """Which files that decide what is learnt are others now than when a killed fold began; blank where none is."""
    if not (folder / "checkpoint.npz").exists():
        return {}
    before = backend.recorded(folder).get("changed_meanwhile") or []
    changed = sorted({*before, *backend.changed_code(folder)})
    return {"changed_meanwhile": changed} if changed else {}


def _refuse_another_beginning(job: Job, environment: dict) -> None:
    """Raises UserError where another fold of the run began with another file of weights under the same name."""
    for fold in trained.folds(job):
        began = backend.recorded(job.store.fold(fold)).get("pretrained")
        if began and environment.get("pretrained", began) != began:
            raise UserError(
                f"{job.recipe.weights} is not the file that fold {fold} began with; bring that one back, or start "
                "another run with --run NAME"
            )


def _scores(job: Job, plan) -> list[str]:
    task, metric, groups = job.competition.task, job.competition.metric, job.prepared.groups(plan.held_out)
    lines = []
    for name, title in _answers(job.recipe):
        items = answers.items(job, [plan.number], name)
        tally = scoring.count(metric, task, items, task.plain_thresholds(), groups)
        lines.append(f"out-of-fold score at threshold .5{title}: {tally.score():.4f}")
    coverage = job.prepared.table["coverage"].to_numpy(float)[plan.held_out]
    warning = tuning.collapsed(task.is_empty(metric, tally.statistics), coverage)
    return [*lines, *([f"warning: {warning}"] if warning else [])]


def _answers(recipe) -> list[tuple[str, str]]:
    """The predictions of a fold that are scored, and what they are: with views averaged also those of one view."""
    if not trainer.averages(recipe):
        return [("valid", "")]
    averaged = ", averaged over flips" + (" and scales" if recipe.tta_scales or recipe.object_radius else "")
    return [("valid_no_tta", ", not averaged"), ("valid", averaged)]


def _save_recipe(job: Job, chosen: list) -> None:
    """The recipe as it is from now on; with a budget, with the epochs that it allows for these folds."""
    path, recipe = job.store.recipe, job.recipe
    if path.exists():
        if recipe.budget and chosen:
            epochs = within_budget.counted(recipe.epochs, "epoch")
            job.say(f"budget {recipe.budget}: {epochs} a fold, as found when the run began")
        return
    if recipe.budget:
        if not chosen:
            # nothing is learnt now: a later call finds the epochs
            return
        recipe = replace(recipe, epochs=_epochs(job, chosen))
    # measuring takes a while, and another process may have begun with another fold: the first one decides
    disk.write_json_once(path, {"recipe": job.recipe_name, **recipes.to_json(recipe)})


def _epochs(job: Job, folds: list) -> int:
    """As many as the budget allows for these folds. Raises UserError when it is too short for one."""
    plans = [plan_of(job, fold) for fold in folds]
    if ways.way(job) is None:
        return within_budget.epochs(job, plans, len(plans))
    # those that train want the memory of a device for themselves
    environment, in_turn = ways.share(job, len(folds))
    sent = job.competition.name, replace(job, competition=None), plans, in_turn
    return apart.called(environment, within_budget.epochs_of, *sent)


def _warn_of_other_code(job: Job, chosen: list) -> None:
    """Of a run whose folds are not all learnt by the same code, the scores of single folds do not say the same."""
    found: dict[tuple[str, ...], list] = {}
    for fold in [fold for fold in trained.folds(job) if chosen and fold not in chosen]:
        changed = backend.changed_code(job.store.fold(fold))
        if changed:
            found.setdefault(tuple(changed), []).append(fold)
    for changed, folds in found.items():
        job.say(
            f"warning: changed since fold {shown(folds)} of this run learnt, and before fold {shown(chosen)} does: "
            f"{shown(changed)} (train --again makes them alike)"
        )


def _warn_of_changed_code(job: Job, folder: Path) -> None:
    """A checkpoint goes on under changed code, but not silently."""
    changed = backend.changed_code(folder)
    if changed:
        job.say(f"warning: changed since {folder.name} began: {shown(changed)}")
