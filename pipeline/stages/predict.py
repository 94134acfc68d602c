"""runs/<c>/<run>/fold<k>/model.weights.h5 (or model.json), the test images -> fold<k>/test.npy test.csv.

Averaged over flips, and over scales where the recipe names some; memory is bounded by a few dozen images. Nothing to do
where a competition has no test part.
"""

from pipeline.errors import UserError, shown
from pipeline.runs import trained
from pipeline.runs.job import Job
from pipeline.store import locks, records
from pipeline.training import backend, trainer

READS = ("train",)


def needs(job: Job) -> tuple[str, ...]:
    answered = job.store.folds_holding("test.npy")
    return () if set(trained.predicting_folds(job)) <= set(answered) else trainer.packages(job.recipe)


def is_current(job: Job) -> bool:
    if len(job.prepared.test) == 0:
        return True
    return all(_state(job, fold) in ("current", "yours") for fold in trained.predicting_folds(job))


def inputs_of(job: Job, fold) -> dict:
    return {
        "weights": _weights(job, fold),
        "test": job.prepared.fingerprint("test"),
        "tta": job.recipe.tta,
        # what is off is not named: predictions from before it was there stay what they are
        **{name: value for name in ("tta_scales", "object_radius") if (value := getattr(job.recipe, name))},
        "symmetry": job.competition.symmetry,
    }


def _weights(job: Job, fold) -> str:
    """The fingerprint of the fold's weights; where these are gone, of those that its predictions were made by."""
    weights = job.store.model_file(fold)
    if weights:
        return records.fingerprint(weights)
    record = records.read_record(job.store.fold(fold) / "test.npy")
    return record["inputs"].get("weights", "") if record else ""


def run(job: Job, named: bool = False) -> None:
    if len(job.prepared.test) == 0:
        job.say("there is no test part: nothing to predict")
        return
    for fold in trained.predicting_folds(job):
        state = _state(job, fold)
        path = job.store.shown(job.store.fold(fold) / "test.npy")
        # --fold narrows what is done again, never what a submission needs
        asked = named and (not job.folds or fold in job.folds)
        if state == "yours" and not (asked and job.again):
            job.say(f"{path} is yours: kept (--again replaces it)")
        elif state == "current" and not asked:
            job.say(f"{path}: up to date")
        else:
            with locks.making(job.store.fold(fold) / "test.npy", job.wait, job.say) as waited:
                if not waited or asked or _state(job, fold) != "current":
                    _predict(job, fold)
            job.say(f"{path}: {len(job.prepared.test)} images")


def _state(job: Job, fold) -> str:
    return records.state(job.store.fold(fold) / "test.npy", inputs_of(job, fold))


def _predict(job: Job, fold) -> None:
    job.prepared.check_arrays()
    folder = job.store.fold(fold)
    if not job.store.model_file(fold):
        raise UserError(
            f"{job.store.shown(folder)} holds predictions but no weights, and none of the test images of today; bring "
            "its test.npy and test.csv too (or adopt them), or remove the folder"
        )
    changed = backend.changed_code(folder)
    if changed:
        job.say(f"warning: changed since {folder.name} was trained: {shown(changed)}")
    trainer.of(job.recipe, job.devices).write_predictions(
        folder,
        "test",
        job.prepared.test,
        job.prepared,
        job.competition,
        job.recipe,
        inputs_of(job, fold),
        title=f"predict fold {fold}",
        keep_plain=False,
    )
