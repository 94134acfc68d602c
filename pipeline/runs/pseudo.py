"""Which test predictions a fold may learn from: those of the same fold of another run, which held out the same images.

Fold k learns what fold k of the other run answers, never a mean over folds: the other folds have learnt the very labels
that fold k is scored on. So no label of a held-out image reaches fold k, and its out-of-fold score stays honest; also
where the other run has learnt pseudo-labels itself, because each run in such a chain is held to the same.
"""

from dataclasses import replace
from pathlib import Path

from pipeline.errors import UserError, shown
from pipeline.recipe import Recipe
from pipeline.runs import trained
from pipeline.runs.job import Job
from pipeline.store import records
from pipeline.store.paths import Store
from pipeline.store.predictions import Predictions
from pipeline.training import pseudo_labels
from pipeline.training.pseudo_labels import PseudoLabels


def check(job: Job, folds) -> None:
    """Raises UserError where one of these folds has nothing that it may learn from; before any of them is trained."""
    learning = [fold for fold in folds if job.again or not job.store.model_file(fold)]
    if job.recipe.pseudo and learning:
        _refuse_run(job)
        for fold in learning:
            _predictions(job, fold)


def count(recipe: Recipe, test: int) -> int:
    """How many of so many test images a fold learns."""
    return pseudo_labels.count(test, recipe.pseudo_share) if recipe.pseudo else 0


def of_fold(job: Job, fold) -> tuple[PseudoLabels, str]:
    """The pseudo-labels of a fold, and the fingerprint of the predictions that they are decoded from. Says what they
    are. Raises UserError like `check`."""
    found, is_ours = _predictions(job, fold)
    chosen = pseudo_labels.choose(found, job.competition.task, job.prepared.test, job.recipe.pseudo_share)
    if not is_ours and fold != "all":
        job.say(
            f"warning: {job.store.shown(found.path)}, or the weights that made it, are yours: whether these have never "
            f"seen the images that fold {fold} holds out, only you know"
        )
    job.say(
        f"fold {fold} also learns {len(chosen.rows)} of {len(found)} test images from run '{job.recipe.pseudo}' "
        f"(confidence {chosen.lowest:.2f} and more)"
    )
    return chosen, records.fingerprint(found.path)


def _refuse_run(job: Job) -> None:
    name = job.recipe.pseudo
    if name == job.store.run:
        raise UserError(f"--pseudo {name} is this run itself; name an earlier run, or give this one another --run NAME")
    runs = sorted(folder.name for folder in job.store.runs.glob("*") if folder.is_dir())
    if name not in runs:
        known = f"there are: {shown(runs)}" if runs else "train one first"
        raise UserError(f"--pseudo {name}: there is no such run in {job.store.shown(job.store.runs)}; {known}")
    if not len(job.prepared.test):
        raise UserError(f"{job.competition.name} has no test part, so there are no pseudo-labels; leave out --pseudo")


def _predictions(job: Job, fold) -> tuple[Predictions, bool]:
    """Those of the other run's fold, and whether records say what made them."""
    source = replace(job.store, run=job.recipe.pseudo)
    path = source.fold(fold) / "test.npy"
    if not path.exists() and fold != "all" and (source.fold("all") / "test.npy").exists() and source.adopted.exists():
        raise UserError(
            f"run '{source.run}' was adopted with one answer of all folds to the test images: it knows the labels that "
            f"fold {fold} holds out; adopt test predictions of each fold, or name another --pseudo"
        )
    if not path.exists():
        is_trained = fold in trained.folds(replace(job, store=source))
        stages = "predict" if is_trained else f"train predict --fold {fold}"
        raise UserError(
            f"{source.shown(path)} is missing; run ./run.sh {job.competition.name} {stages} --run {source.run}"
        )
    is_known = _refuse_other_folds(job, source, fold)
    _refuse_other_images(job, source, fold, path)
    table = job.prepared.table.iloc[job.prepared.test]
    found = Predictions(path.parent, "test", job.competition.task.outputs)
    found.check(table["id"].tolist(), table["height"], table["width"])
    return found, is_known and records.read_record(path) is not None


def _refuse_other_folds(job: Job, source: Store, fold) -> bool:
    """Raises UserError unless the other fold held out what this one does. Returns whether records say so; without any
    (brought by hand) the index of its out-of-fold predictions must."""
    wanted, read = trained.inputs_of(job, fold), []
    for path in filter(None, (source.model_file(fold), source.fold(fold) / trained.DONE)):
        record = records.read_record(path)
        other = trained.other_data(record["inputs"], wanted) if record else []
        if other:
            raise UserError(
                f"{source.shown(path)} was made from {' and '.join(other)} than this run, so its predictions may know "
                f"what fold {fold} holds out; train both runs on the same data and --folds, or name another --pseudo"
            )
        read.append(record)
    # the weights answered the test images; what else lies there says nothing about them
    is_known = read[0] is not None
    if not is_known and fold != "all":
        table = job.prepared.table.iloc[job.fold_table.held_out(fold)]
        held_out = Predictions(source.fold(fold), "valid", job.competition.task.outputs)
        held_out.check(table["id"].tolist(), table["height"], table["width"])
    return is_known


def _refuse_other_images(job: Job, source: Store, fold, path: Path) -> None:
    """Raises UserError where the predictions are of other test images, or of other weights, than are there now."""
    record, weights = records.read_record(path), source.model_file(fold)
    if record is None:
        return
    made_from = record["inputs"]
    other = made_from.get("test") != job.prepared.fingerprint("test")
    if other or (weights and made_from.get("weights") != records.fingerprint(weights)):
        raise UserError(
            f"{source.shown(path)} is of other {'test images' if other else 'weights'} than are there now; run "
            f"./run.sh {job.competition.name} predict --run {source.run}"
        )
