"""Weights that another run has learnt: taken where everything that decides them is the same, and nowhere else."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from pipeline import recipe as recipes
from pipeline.runs import learnt_before
from pipeline.stages import train
from pipeline.store import disk, records
from pipeline.store.paths import Store
from pipeline.training import backend, history

ENVIRONMENT = {"code": {"pipeline/training/fit.py": "1"}, "backend": "tensorflow", "hardware": "a"}


ROWS = [dict(zip(history.COLUMNS, (1, 0.5, 0.5, 0.5, 1e-3, None, 2.0), strict=True))]


def write_weights(path, value=1.0) -> None:
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = np.array([0.5, value], np.float32)


def inputs(**changes) -> dict:
    recipe = recipes.to_json(recipes.resolve({}, changes))
    return {"prepared": "p", "fold": "f", "recipe": recipe, "symmetry": "left-right"}


@pytest.fixture
def job(tmp_path):
    """Run `second`, beside run `first` whose fold 0 is trained."""
    first = Store(tmp_path, "demo", "first").fold(0)
    with records.recorded(first / "model.weights.h5", inputs()) as part:
        write_weights(part)
    history.write(first, ROWS)
    disk.write_json(first / "environment.json", ENVIRONMENT)
    return SimpleNamespace(store=Store(tmp_path, "demo", "second"))


def taken(job, fold=0, environment=ENVIRONMENT, wanted=None) -> str:
    name = learnt_before.take(job, fold, wanted or inputs(), environment)
    assert job.store.fold(fold).exists() == bool(name)
    return name


@pytest.mark.parametrize(
    "changes", [{}, {"tta": False}, {"tta_scales": "0.9+1.25"}, {"object_radius": 9}, {"tile": 64}], ids=str
)
def test_what_learns_the_same_is_taken_and_stands_for_itself(job, changes):
    assert taken(job, wanted=inputs(**changes)) == "first"
    folder = job.store.fold(0)
    first = Store(job.store.root, "demo", "first").fold(0)
    assert (folder / "model.weights.h5").read_bytes() == (first / "model.weights.h5").read_bytes()
    assert records.read_record(folder / "model.weights.h5")["inputs"] == inputs(**changes)
    assert history.read(folder) == ROWS
    assert json.loads((folder / "environment.json").read_text()) == {"taken_from": "first", **ENVIRONMENT}


def test_on_other_hardware_it_is_the_same(job):
    assert taken(job, environment={**ENVIRONMENT, "hardware": "b"}) == "first"


@pytest.mark.parametrize(
    "change",
    [
        {"code": {"pipeline/training/fit.py": "2"}},
        {"backend": "jax"},
        {"pretrained": "hash of a file"},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
def test_with_other_code_another_backend_or_beginning_it_is_not(job, change):
    assert taken(job, environment={**ENVIRONMENT, **change}) == ""


@pytest.mark.parametrize(
    "wanted",
    [
        inputs(seed=1),
        inputs(tta=False, epochs=3),
        {**inputs(), "prepared": "q"},
        {**inputs(), "fold": "g"},
        {**inputs(), "pseudo": "predictions"},
        {**inputs(), "symmetry": "none"},
    ],
    ids=["seed", "epochs", "data", "folds", "pseudo-labels", "symmetry"],
)
def test_what_would_learn_otherwise_is_not_taken(job, wanted):
    assert taken(job, wanted=wanted) == ""


def test_another_fold_and_the_run_itself_are_not_taken(job):
    assert taken(job, fold=1) == ""
    alone = SimpleNamespace(store=Store(job.store.root, "demo", "first"))
    assert learnt_before.take(alone, 0, inputs(), ENVIRONMENT) == ""


def test_weights_that_are_yours_or_have_no_history_are_not_taken(job):
    first = Store(job.store.root, "demo", "first").fold(0)
    (first / "history.csv").unlink()
    assert taken(job) == ""
    history.write(first, ROWS)
    disk.write_json(first / "environment.json", {**ENVIRONMENT, "changed_meanwhile": ["pipeline/training/fit.py"]})
    assert taken(job) == ""
    (first / "environment.json").write_text("{")
    assert taken(job) == ""
    disk.write_json(first / "environment.json", ENVIRONMENT)
    (first / "model.weights.h5").write_bytes(b"brought")
    assert taken(job) == ""


@pytest.mark.parametrize("spoil", ["NaN", "infinite", "cut off", "history", "environment"])
def test_what_is_damaged_or_not_finite_is_never_taken(job, spoil):
    first = Store(job.store.root, "demo", "first").fold(0)
    assert learnt_before._same(Store(job.store.root, "demo", "first"), 0, inputs())
    if spoil == "history":
        (first / "history.csv").write_text("epoch,loss\n1,low\n")
    elif spoil == "environment":
        disk.write_json(first / "environment.json", {**ENVIRONMENT, "code": "1"})
    else:
        # recorded: nobody has touched them since they were written
        with records.recorded(first / "model.weights.h5", inputs()) as part:
            write_weights(part, {"NaN": np.nan, "infinite": np.inf}.get(spoil, 1.0))
            if spoil == "cut off":
                part.write_bytes(part.read_bytes()[:-100])
    assert taken(job) == ""


def test_a_killed_fold_that_goes_on_with_other_code_says_so_for_good(tmp_path):
    now = backend.code_fingerprints()
    disk.write_json(tmp_path / "environment.json", {"code": {**now, "pipeline/store/prepared.py": "then"}})
    # nothing was learnt with it
    assert train._changed_meanwhile(tmp_path) == {}
    (tmp_path / "checkpoint.npz").write_bytes(b"half a training")
    marked = train._changed_meanwhile(tmp_path)
    assert marked == {"changed_meanwhile": ["pipeline/store/prepared.py"]}
    # killed once more
    disk.write_json(tmp_path / "environment.json", {"code": now, **marked})
    assert train._changed_meanwhile(tmp_path) == marked
    disk.write_json(tmp_path / "environment.json", {"code": now})
    assert train._changed_meanwhile(tmp_path) == {}
