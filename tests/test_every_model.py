"""Every model learns a fold on every backend, and the classical one goes through every stage without any."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from runs import ROOT, TINY, environment, run

from pipeline.models import catalogue

pytestmark = pytest.mark.slow

# of every network the smallest that is still itself; one process, because loading a backend takes longer than learning
FOLDS = {
    "unet": [],
    "unet2015": ["--optimizer", "sgd", "--momentum", "0.99", "--border-weight", "10", "--crop", "36"],
    "unet3d": ["--downsampling", "strided"],
    "deeplabv3plus": [],
}
ALL = """
import sys
from pipeline.__main__ import main
for arguments in {folds!r}:
    status = main(arguments)
    assert not status, (arguments, status)
"""


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    """A root with drawn volumes, split."""
    root = tmp_path_factory.mktemp("volumes")
    run("organs", "split", "--folds", "3", root=root)
    return root


def test_every_network_is_in_this_file():
    assert sorted(FOLDS) == sorted(catalogue.NETWORKS)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_every_network_learns_and_answers_on_every_backend(demo_root, patches, tmp_path, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    where = {"unet3d": ("organs", patches, ["--slices", "4"])}
    folds, wanted = [], []
    for model, options in FOLDS.items():
        name, root, more = where.get(model, ("demo", demo_root, []))
        label = f"{model}-{backend}"
        fold = [name, "train", "--fold", "0", *TINY, "--fit", "resize", "--model", model, "--run", label]
        folds.append([*fold, *options, *more, "--steps", "1", "--epochs", "1", "--root", str(root)])
        wanted.append(root / "runs" / name / label / "fold0")
    done = subprocess.run(
        [sys.executable, "-c", ALL.format(folds=folds)],
        cwd=ROOT,
        env=environment(KERAS_BACKEND=backend),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    for folder in wanted:
        answers = np.load(folder / "valid.npy", mmap_mode="r")
        assert len(answers) and f'"backend": "{backend}"' in (folder / "environment.json").read_text()


def test_an_encoder_learns_from_a_file_of_weights_and_answers_without_it(demo_root, tmp_path):
    import keras

    path = tmp_path / "mobilenet_v2_notop.weights.h5"
    keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(64, 64, 3)).save_weights(path)
    options = ["--encoder", "mobilenetv2", "--weights", path, "--fit", "resize", "--run", "pretrained"]
    run("demo", "train", "--fold", "0", *TINY, "--epochs", "1", *options, root=demo_root)
    path.unlink()
    out = run("demo", "submit", *TINY, "--run", "pretrained", "--epochs", "1", root=demo_root)
    assert "submissions/demo-pretrained.csv: valid" in out
    error = run("demo", "train", "--fold", "1", "--run", "pretrained", root=demo_root, status=2)
    assert f"--weights {path} is no file" in error and len(error.strip().splitlines()) == 1


def test_the_classical_model_goes_through_every_stage_without_keras(demo_root):
    # a Keras that cannot be imported
    (demo_root / "keras.py").write_text("raise RuntimeError('Keras was loaded')\n")
    arguments = ["demo", "--model", "classical", "--folds", "3", "--run", "floor"]
    out = run(*arguments, root=demo_root, PYTHONPATH=f"{demo_root}:{ROOT}")
    assert "submissions/demo-floor.csv: valid, 160 rows" in out and "score on the hidden truth" in out
    for fold in range(3):
        folder = demo_root / "runs" / "demo" / "floor" / f"fold{fold}"
        assert (folder / "model.json").exists() and not (folder / "model.weights.h5").exists()
        assert (folder / "valid.npy").exists() and (folder / "test.npy").exists()
    again = run(*arguments, root=demo_root)
    assert "predict: up to date" in again and "report: up to date" in again


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "--model", "unet4"], "--model is 'unet4'; known are: unet, "),
        (["demo", "--encoder", "resnet5"], "--encoder is 'resnet5'; known are: "),
        (["demo", "--model", "unet2015", "--encoder", "resnet50"], "--model unet2015 has no place for an --encoder"),
        (["demo", "--weights", "imagenet"], "--weights are of an --encoder"),
        (["demo", "train", "--slices", "4", "--model", "unet3d"], "slices of volumes"),
        (["organs", "train", "--border-weight", "10"], "objects that touch"),
        (["organs", "train", "--model", "classical"], "more than one class"),
        (["demo", "train", "--border-weight", "10", "--loss", "dice"], "--border-weight is of the loss bce"),
    ],
)
def test_what_a_network_cannot_do_is_said_in_a_line(demo_root, patches, arguments, words):
    root = patches if arguments[0] == "organs" else demo_root
    error = run(*arguments, *TINY, "--run", "refused", root=root, status=2)
    assert words in error and len(error.strip().splitlines()) == 1
