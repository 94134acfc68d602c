"""A fold over several devices, and the paths of a GPU, on a CPU: half precision, XLA, JAX with its batches spread."""

import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.recipe import Recipe
from pipeline.store import disk
from pipeline.training import backend, hardware, parallel, trainer
from tests.start import ROOT, TINY, environment, run

# `all` holds nothing out: two steps, nothing predicted
SMALLEST = [*TINY, "--fold", "all"]


@pytest.fixture
def jax(monkeypatch):
    monkeypatch.setattr(backend, "chosen", lambda: "jax")
    monkeypatch.setattr(hardware, "gpus", lambda: ())


def test_what_cannot_be_spread_is_refused_before_the_work(jax, monkeypatch):
    recipe = Recipe(batch_size=9)
    parallel.check(recipe, 3)
    parallel.check(replace(recipe, model="classical"), 1)
    with pytest.raises(UserError, match="--batch-size 9 has none; give --batch-size 8 or 10"):
        parallel.check(recipe, 2)
    with pytest.raises(UserError, match=r"give --batch-size 16$"):
        parallel.check(recipe, 16)
    with pytest.raises(UserError, match="--model classical"):
        parallel.check(replace(recipe, model="classical"), 3)
    monkeypatch.setattr(hardware, "gpus", lambda: (("Tesla T4", 7.5),))
    with pytest.raises(UserError, match="--devices 3: there is 1 GPU; give --devices 1"):
        parallel.check(recipe, 3)
    monkeypatch.setattr(backend, "chosen", lambda: "tensorflow")
    with pytest.raises(UserError, match="is of JAX, and the backend is tensorflow: set KERAS_BACKEND=jax"):
        trainer.of(recipe, 3)


def test_it_is_refused_before_the_data_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(backend, "chosen", lambda: "tensorflow")
    assert "is of JAX" in run("demo", "--devices", "2", root=tmp_path, status=2)
    assert not (tmp_path / "data").exists()


def test_one_device_is_no_distribution():
    assert parallel.shared(7) == 7


# A fold on one device, and what it holds after its first epoch; the same fold goes on from there on two.
SPREAD = """
import shutil
import sys
import numpy as np
from pipeline.__main__ import main
from pipeline.training import checkpoint, fit, parallel
root, *words = sys.argv[1:]
save = checkpoint.save

def train(*more):
    return main(["demo", "train", *words, "--run", "two", "--root", root, *more])

def kept(path, arrays, epoch, inputs):
    save(path, arrays, epoch, inputs)
    if epoch == 1:
        shutil.copytree(path.parent.parent, f"{root}/begun")

checkpoint.save = kept
assert train() == 0 and train("--again", "--devices", "3") == 2
shutil.move(f"{root}/runs/demo/two", f"{root}/one")
shutil.copytree(f"{root}/begun", f"{root}/runs/demo/two")
assert train("--devices", "2") == 0
import keras
from pipeline.competitions.demo import competition
from pipeline.recipe import Recipe
recipe = Recipe(width=4, depth=1, size=32, batch_size=4, tta=False)
info = {"channels": 1, "range": 255, "dtype": "uint8", "mean": [0.5], "std": [0.25]}
batch = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), np.uint8)
answers = []
for devices in (1, 2):
    parallel.spread(devices)
    keras.utils.set_random_seed(1)
    network = fit.network_for(recipe, competition, info)
    predictor = fit.predictor_for(recipe, competition, info, network)
    answers.append([predictor.as_it_is._probabilities(batch[:count], fit.IDENTITY) for count in (1,)])
    shared = [len(value.sharding.device_set) for value in (network.weights[0].value,)]
    assert shared == [devices], shared
for one, two in zip(*answers):
    np.testing.assert_allclose(one, two, atol=1e-6)
"""


@pytest.mark.slow
def test_a_fold_over_two_devices_learns_as_over_one(demo_root):
    pytest.importorskip("jax")
    flags = environment(KERAS_BACKEND="jax", XLA_FLAGS="--xla_force_host_platform_device_count=2", NPROC="1")
    command = [sys.executable, "-P", "-c", SPREAD, str(demo_root), *SMALLEST]
    done = subprocess.run(command, cwd=ROOT, env=flags, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "error: --devices 3 takes equal shares of a batch" in done.stderr
    folders = [demo_root / "one" / "foldall", demo_root / "runs" / "demo" / "two" / "foldall"]
    one, two = (disk.read_rows(folder / "history.csv", "loss") for folder in folders)
    assert len(one) == len(two) == 2
    weights = [_arrays(folder / "model.weights.h5") for folder in folders]
    assert len(weights[0]) == len(weights[1]) > 10
    for pair in zip(*weights, strict=True):
        np.testing.assert_allclose(*pair, rtol=1e-3, atol=1e-5)
    for column in ("loss", "iou", "accuracy", "learning_rate"):
        values = [[float(row[column]) for row in rows] for rows in (one, two)]
        np.testing.assert_allclose(*values, rtol=1e-4)
    assert [backend.recorded(folder).get("devices") for folder in folders] == [None, 2]


def _arrays(path):
    with h5py.File(path) as file:
        found = []
        file.visititems(lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "precision"), [(["--precision", "float16"], "float16"), (["--xla", "on"], "float32")], ids=str
)
def test_the_first_minute_on_a_gpu_is_no_first_run(demo_root, options, precision):
    """Half precision with its loss scaled, and the step compiled by XLA: what an older GPU is given by itself."""
    pytest.importorskip("tensorflow")
    options = options if "--precision" in options else [*options, "--precision", "float32"]
    out = run("demo", "train", *SMALLEST, "--epochs", "1", *options, "--run", "path", root=demo_root)
    folder = demo_root / "runs" / "demo" / "path" / "foldall"
    assert (folder / "model.weights.h5").exists() and "epoch 1 of 1: loss " in out
    assert backend.recorded(folder)["precision"] == precision
    assert np.isfinite(float(disk.read_rows(folder / "history.csv", "loss")[0]["loss"]))
