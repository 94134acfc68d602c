"""data/<c>/prepared/, folds/<c>.csv -> runs/<c>/<run>/fold<k>/: model.weights.h5 history.csv valid.npy valid.csv.

A fold once trained is kept unless --again is given; a killed one goes on from its last finished epoch.
"""

import hashlib
import importlib.util
import os
import shutil
import time
from pathlib import Path

import numpy as np

from pipeline import store
from pipeline import recipe as recipes
from pipeline.errors import UserError
from pipeline.job import Job

READS = ("split",)
DONE = "valid.npy"


def is_current(job: Job) -> bool:
    check_trained(job)
    trained = trained_folds(job)
    return all(fold in trained for fold in wanted_folds(job))


def require(job: Job) -> None:
    """What the stages after this one need: at least one trained fold, made from what is there now."""
    check_trained(job)
    if not trained_folds(job):
        others = sorted(path.name for path in job.store.runs.glob("*") if any(path.glob(f"fold*/{DONE}")))
        hint = f"; trained runs: {', '.join(others)} (--run NAME)" if others else ""
        raise UserError(f"no fold of run '{job.store.run}' is trained; run the stage 'train' first{hint}")


def wanted_folds(job: Job) -> list:
    return job.fold_numbers()


def trained_folds(job: Job) -> list:
    """Folds with out-of-fold probabilities (trained here or brought by hand), and `all` with weights."""
    folds = job.store.folds_holding(DONE)
    return folds + (["all"] if (job.store.fold("all") / "model.weights.h5").exists() else [])


def inputs_of(job: Job, fold) -> dict:
    """What a trained fold depends on."""
    recipe = recipes.to_json(job.recipe)
    # which folds are trained says nothing about this one
    recipe.pop("trained_folds")
    return {
        "prepared": job.prepared.fingerprint("train"),
        "fold": job.fold_table.fingerprint(fold),
        "recipe": store.text_hash(sorted(recipe.items())),
    }


def check_trained(job: Job) -> None:
    """Refuses weights and out-of-fold probabilities that were made from other data, folds or another recipe.

    Raises UserError naming the file and what differs; such files are how out-of-fold scores turn into leaks.
    """
    names = {"prepared": "other train images or labels", "fold": "other folds", "recipe": "another recipe"}
    for fold in job.store.folds_holding():
        for name in ("model.weights.h5", DONE):
            record = store.read_record(job.store.fold(fold) / name)
            if record is None:
                continue
            wanted = inputs_of(job, fold)
            other = [text for key, text in names.items() if record["inputs"].get(key) != wanted[key]]
            if other:
                raise UserError(
                    f"{job.store.shown(job.store.fold(fold) / name)} was made from {' and '.join(other)} than now; "
                    f"train the fold again (train --fold {fold} --again), start another run (--run NAME), or restore "
                    f"{job.store.shown(job.store.folds(job.recipe.folds))} and the data"
                )


def run(job: Job, named: bool = False) -> None:
    chosen = wanted_folds(job)
    if not job.again:
        check_trained(job)
        trained = trained_folds(job)
        for fold in [fold for fold in chosen if fold in trained]:
            job.say(f"fold {fold} is trained already (--again trains it again)")
        chosen = [fold for fold in chosen if fold not in trained]
    _save_recipe(job)
    for fold in chosen:
        _train(job, fold)


def _train(job: Job, fold) -> None:
    prepare_backend()
    from pipeline.training import fit

    started = time.monotonic()
    folder = job.store.fold(fold)
    if job.again:
        shutil.rmtree(folder, ignore_errors=True)
    table = job.fold_table
    plan = fit.FoldPlan(
        number=-1 if fold == "all" else fold,
        learnt=table.learnt(fold),
        held_out=table.held_out(fold),
        inputs=inputs_of(job, fold),
        folder=folder,
    )
    _warn_of_changed_code(job, folder)
    arguments = plan, job.prepared, job.competition, job.recipe
    if store.state(folder / "model.weights.h5", plan.inputs) not in ("current", "yours"):
        store.write_json(folder / "environment.json", environment())
        fit.train_fold(*arguments)
    if len(plan.held_out):
        fit.predict_held_out(*arguments)
        for line in _scores(job, plan):
            job.say(f"fold {fold}: {line}")
    (folder / "checkpoint.npz").unlink(missing_ok=True)
    job.say(f"fold {fold} took {(time.monotonic() - started) / 60:.1f} minutes")


def _scores(job: Job, plan) -> list[str]:
    from pipeline.predictions import Predictions
    from pipeline.tasks.scoring import image_scores

    task, labels, lines = job.competition.task, job.prepared.labels, []
    for name, title in (("valid_no_tta", "without flips"), ("valid", "averaged over flips")):
        answers = Predictions(plan.folder, name, task.outputs, index="valid")
        pairs = (
            (task.decode(answers[i], task.plain_thresholds()), labels[row]) for i, row in enumerate(plan.held_out)
        )
        score = image_scores(job.competition.metric, pairs).mean()
        lines.append(f"out-of-fold score at threshold .5, {title}: {score:.4f}")
    return lines


def prepare_backend() -> None:
    """Chooses TensorFlow unless KERAS_BACKEND says otherwise, or another backend is all there is.

    Raises UserError when Keras or a backend is missing.
    """
    if importlib.util.find_spec("keras") is None:
        raise UserError("Keras is not installed for this Python; pip install -r requirements.txt")
    modules = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
    chosen = os.environ.get("KERAS_BACKEND")
    if chosen is None:
        chosen = next((name for name, module in modules.items() if importlib.util.find_spec(module)), None)
        if chosen is None:
            raise UserError("none of tensorflow, jax and torch is installed; pip install tensorflow")
        os.environ["KERAS_BACKEND"] = chosen
    if chosen not in modules:
        raise UserError(f"KERAS_BACKEND is '{chosen}'; known are: {', '.join(modules)}")
    if importlib.util.find_spec(modules[chosen]) is None:
        raise UserError(f"KERAS_BACKEND is '{chosen}', which is not installed; pip install {chosen}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def environment() -> dict:
    """What a fold was trained with: versions, hardware, and the code that made it."""
    import platform

    import keras

    from pipeline.training import hardware

    backend = keras.backend.backend()
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": backend,
        "backend_version": importlib.import_module(backend).__version__ if backend != "tensorflow" else _version("tensorflow"),
        "hardware": hardware.described(),
        "code": code_fingerprints(),
    }


def _version(package: str) -> str:
    from importlib import metadata

    return metadata.version(package)


def code_fingerprints() -> dict[str, str]:
    """Of the files that decide what a training gives."""
    package = Path(__file__).parents[1]
    files = sorted([*(package / "models").glob("*.py"), *(package / "training").glob("*.py")])
    return {
        path.relative_to(package.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in files
    }


def _warn_of_changed_code(job: Job, folder: Path) -> None:
    """A checkpoint goes on under changed code, but not silently."""
    path = folder / "environment.json"
    if path.exists():
        saved, now = store.read_json(path).get("code", {}), code_fingerprints()
        changed = sorted(name for name in saved.keys() | now.keys() if saved.get(name) != now.get(name))
        if changed:
            job.say(f"warning: changed since {folder.name} began: {', '.join(changed)}")


def _save_recipe(job: Job) -> None:
    if not job.store.recipe.exists():
        store.write_json(job.store.recipe, {"recipe": job.recipe_name, **recipes.to_json(job.recipe)})


def held_out_rows(job: Job, folds: list) -> np.ndarray:
    """The rows of the prepared table that these folds hold out, fold after fold."""
    return np.concatenate([job.fold_table.held_out(fold) for fold in folds if fold != "all"])
