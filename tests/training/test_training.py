"""How a fold learns: resuming, backends, refusing what belongs to other data."""

import hashlib
import importlib.util
import shutil
import signal
import time

import numpy as np
import pytest

from tests.start import BACKENDS, TINY, run, start

pytestmark = pytest.mark.slow

LONGER = ["--epochs", "4", "--steps", "6"]


def hashes(folder) -> dict[str, str]:
    names = ["model.weights.h5", "valid.npy", "valid_no_tta.npy", "valid.csv"]
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def test_a_fold_killed_in_mid_epoch_and_resumed_equals_an_undisturbed_one(demo_root):
    arguments = ["demo", "train", "--fold", "0", *TINY, *LONGER, "--dropout", "0.2"]
    run(*arguments, "--run", "whole", root=demo_root)
    whole = hashes(demo_root / "runs" / "demo" / "whole" / "fold0")
    # otherwise its weights would be taken
    shutil.rmtree(demo_root / "runs" / "demo" / "whole")
    folder = demo_root / "runs" / "demo" / "killed" / "fold0"
    process = start(*arguments, "--run", "killed", root=demo_root)
    deadline = time.monotonic() + 120
    while not _epochs(folder) >= 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (folder / "checkpoint.npz").exists()
    assert not (folder / "model.weights.h5").exists()
    run(*arguments, "--run", "killed", root=demo_root)
    assert hashes(folder) == whole
    assert _epochs(folder) == 4
    assert not (folder / "checkpoint.npz").exists()


def _epochs(folder) -> int:
    path = folder / "history.csv"
    return len(path.read_text().splitlines()) - 1 if path.exists() else 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_smoke_fold_on_every_backend(demo_root, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    out = run(
        "demo", "train", "predict", "--fold", "0", *TINY, "--late-loss", "bce+lovasz", "--late-share", "0.5",
        "--elastic", "2", "--dropout", "0.1", root=demo_root, KERAS_BACKEND=backend,
    )  # fmt: skip
    assert "out-of-fold score at threshold .5" in out
    folder = next((demo_root / "runs" / "demo").glob("*/fold0"))
    assert len(np.load(folder / "test.npy", mmap_mode="r")) == 160 * 101 * 101
    assert f'"backend": "{backend}"' in (folder / "environment.json").read_text()


WARP = """
import numpy as np
from scipy import ndimage
from keras import ops
from pipeline.training.augment import warp, warp_nearest
random = np.random.default_rng(3)
pictures = random.random((3, 17, 23, 2)).astype("float32")
coordinates = random.uniform(-60, 80, (3, 11, 13, 2)).astype("float32")
coordinates[0, 0, :8, 0] = [-0.5, -0.25, 0, 16, 16.25, 16.5, 17, -1]
for ours, order in ((warp, 1), (warp_nearest, 0)):
    where = coordinates if order else np.round(coordinates * 4) / 4 + 0.1
    found = ops.convert_to_numpy(ours(ops.convert_to_tensor(pictures), ops.convert_to_tensor(where)))
    for i in range(3):
        for c in range(2):
            at = np.moveaxis(where[i], -1, 0).astype("float64")
            wanted = ndimage.map_coordinates(pictures[i, ..., c], at, order=order, mode="reflect")
            assert abs(found[i, ..., c] - wanted).max() < 1e-5, abs(found[i, ..., c] - wanted).max()
print("equal")
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_warp_equals_scipy_on_every_backend(backend):
    import subprocess
    import sys

    from tests.start import ROOT, environment

    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", WARP], cwd=ROOT, env=environment(KERAS_BACKEND=backend), capture_output=True, text=True
    )
    assert done.returncode == 0 and "equal" in done.stdout, done.stderr[-2000:]


def test_a_run_that_predicts_in_another_way_takes_the_weights_of_the_one_that_has_learnt_them(demo_root):
    # in half precision the last digits of an answer depend on which other sizes were seen
    arguments = ["demo", "train", "--fold", "0", *TINY, "--fit", "resize", "--precision", "float32"]
    run(*arguments, "--run", "first", root=demo_root)
    runs = demo_root / "runs" / "demo"
    first = hashes(runs / "first" / "fold0")

    out = run(*arguments, "--run", "scaled", "--tta-scales", "0.9+1.25", root=demo_root)
    assert "run 'first' learnt the same" in out and "epoch 1" not in out
    assert "averaged over flips and scales" in out
    scaled = hashes(runs / "scaled" / "fold0")
    same = {name for name in first if first[name] == scaled[name]}
    assert same == {"model.weights.h5", "valid_no_tta.npy", "valid.csv"}
    assert (runs / "scaled" / "fold0" / "history.csv").read_text() == (runs / "first/fold0/history.csv").read_text()
    # it stands for itself: nothing of it is made again, and the first one is not needed any more
    shutil.rmtree(runs / "first")
    run("demo", "tune", "predict", "submit", "report", "--run", "scaled", root=demo_root)
    assert "at 1, 0.9, 1.25 times the size" in (runs / "scaled" / "report.html").read_text()

    # what learns otherwise, or is asked to learn again, learns
    other = run(*arguments, "--run", "other", "--tta-scales", "0.9", "--seed", "1", root=demo_root)
    assert "epoch 2 of 2" in other and "learnt the same" not in other
    again = run(*arguments, "--run", "again", "--no-tta", "--again", root=demo_root)
    assert "epoch 2 of 2" in again and hashes(runs / "again" / "fold0")["model.weights.h5"] == first["model.weights.h5"]
    # weights that were brought by hand are nobody's proof of having learnt this
    weights = runs / "again" / "fold0" / "model.weights.h5"
    weights.write_bytes((runs / "other" / "fold0" / weights.name).read_bytes())
    shutil.rmtree(runs / "scaled")
    assert "epoch 2 of 2" in run(*arguments, "--run", "last", root=demo_root)


def test_folds_of_other_data_or_recipe_are_refused(demo_root):
    run("demo", "train", "--fold", "0", *TINY, "--run", "mine", root=demo_root)
    assert "--epochs 2, not 3" in run("demo", "tune", "--run", "mine", "--epochs", "3", root=demo_root, status=2)
    path = demo_root / "folds" / "demo-3.csv"
    lines = path.read_text().splitlines()
    swapped = [line[:-1] + {"0": "1", "1": "0"}.get(line[-1], line[-1]) for line in lines[1:]]
    path.write_text("\n".join([lines[0], *swapped]) + "\n")
    error = run("demo", "tune", "--run", "mine", root=demo_root, status=2)
    assert "other folds" in error and "fold0" in error and len(error.strip().splitlines()) == 1
    assert "other folds" in run("demo", "train", "--fold", "1", "--run", "mine", root=demo_root, status=2)
