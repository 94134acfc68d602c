"""Every model learns a fold on every backend, and the classical one goes through every stage without any."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from pipeline.models import catalogue
from tests.competitions.test_dsb2018 import files, zipped
from tests.start import BACKENDS, ROOT, TINY, environment, run

pytestmark = pytest.mark.slow

# of every network the smallest that is still itself; one process, because loading a backend takes longer than learning
FOLDS = {
    "unet": [],
    "unet2015": ["--optimizer", "sgd", "--momentum", "0.99", "--border-weight", "10", "--crop", "36"],
    "unet3d": ["--downsampling", "strided"],
    "deeplabv3plus": [],
    "maskrcnn": ["--objects", "4", "--proposals", "8", "--mask-size", "8", "--no-tta"],
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


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory):
    """A root with drawn objects, split."""
    root = tmp_path_factory.mktemp("nuclei")
    (root / "raw").mkdir()
    run("dsb2018", "split", "--folds", "3", "--data", zipped(root / "raw", files()), root=root)
    return root


def test_every_network_is_in_this_file():
    assert sorted(FOLDS) == sorted(catalogue.networks())


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_network_learns_and_answers_on_every_backend(demo_root, patches, nuclei, tmp_path, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    where = {"unet3d": ("organs", patches, ["--slices", "4"]), "maskrcnn": ("dsb2018", nuclei, [])}
    folds, wanted = [], []
    for model, options in FOLDS.items():
        name, root, more = where.get(model, ("demo", demo_root, []))
        label = f"{model}-{backend}"
        fold = [name, "train", "--fold", "0", *TINY, "--fit", "resize", "--model", model, "--run", label]
        # --again: the weights that another backend has learnt would be taken
        folds.append([*fold, *options, *more, "--steps", "1", "--epochs", "1", "--again", "--root", str(root)])
        wanted.append(root / "runs" / name / label / "fold0")
    done = subprocess.run(
        [sys.executable, "-c", ALL.format(folds=folds)],
        cwd=ROOT,
        # of JAX: what is computed once need not be compiled well
        env=environment(KERAS_BACKEND=backend, XLA_FLAGS="--xla_backend_optimization_level=0"),
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

    path = tmp_path / "vgg16_notop.weights.h5"
    keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3)).save_weights(path)
    options = ["--encoder", "vgg16", "--weights", path, "--fit", "resize", "--run", "pretrained"]
    run("demo", "train", "--fold", "0", *TINY, "--epochs", "1", *options, root=demo_root)
    other = path.read_bytes()
    path.write_bytes(other + b" ")
    swapped = run("demo", "train", "--fold", "1", "--run", "pretrained", root=demo_root, status=2)
    assert f"{path} is not the file that fold 0 began with" in swapped
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
        (["demo", "--model", "unet4"], "--model is 'unet4'; known are: deeplabv3plus, maskrcnn, unet, "),
        (["demo", "--encoder", "resnet5"], "--encoder is 'resnet5'; known are: "),
        (["demo", "--model", "unet2015", "--encoder", "resnet50"], "--model unet2015 has no place for an --encoder"),
        (["demo", "--weights", "imagenet"], "--weights is of an --encoder"),
        (["demo", "train", "--slices", "4", "--model", "unet3d"], "slices of volumes"),
        (["organs", "--model", "unet3d"], "--model unet3d wants several slices"),
        (["organs", "--model", "classical", "--slices", "4"], "--model classical looks at single images"),
        (["organs", "train", "--border-weight", "10"], "objects that touch"),
        (["organs", "train", "--model", "classical"], "finds one class, here are 3"),
        (
            ["demo", "train", "--border-weight", "10", "--loss", "dice", "--late-loss", "dice"],
            "--border-weight is of the loss bce",
        ),
    ],
)
def test_what_a_network_cannot_do_is_said_in_a_line(demo_root, patches, request, arguments, words):
    root = patches if arguments[0] == "organs" else demo_root
    name = request.node.callspec.id.split("-")[0]  # a run of its own: what a refused one left is not looked at
    error = run(*arguments, *TINY, "--run", name, root=root, status=2)
    assert words in error and len(error.strip().splitlines()) == 1


def test_slices_that_are_held_out_are_not_learnt_with_their_neighbours(patches):
    path = patches / "folds" / "organs-3.csv"
    kept = path.read_text()
    header, *lines = kept.splitlines()
    # every other slice of a volume in another fold
    path.write_text("\n".join([header, *(f"{line.split(',')[0]},{i % 3}" for i, line in enumerate(lines))]) + "\n")
    error = run(
        "organs", "train", "--fold", "0", *TINY, "--slices", "4", "--run", "mixed", root=patches, status=2
    )  # fmt: skip
    path.write_text(kept)
    assert "fold 0 holds out slices of volumes that it also learns from" in error


def test_a_saved_recipe_with_a_model_that_there_is_not_is_refused(demo_root):
    arguments = ["demo", "train", "--fold", "0", *TINY, "--model", "classical", "--run", "odd"]
    run(*arguments, root=demo_root)
    path = demo_root / "runs" / "demo" / "odd" / "recipe.json"
    path.write_text(path.read_text().replace('"classical"', '"unet4"'))
    error = run("demo", "train", "--fold", "1", "--run", "odd", root=demo_root, status=2)
    assert "--model is 'unet4'" in error


def test_of_a_run_that_is_there_only_what_is_given_must_agree(demo_root):
    more = ["--crop", "32", "--non-empty", "0.5"]
    run("demo", "train", "--fold", "0", *TINY, *more, "--model", "classical", "--run", "odd", root=demo_root)
    run("demo", "tune", "--run", "odd", "--non-empty", "0.5", root=demo_root)
    error = run("demo", "tune", "--run", "odd", "--non-empty", "0.25", root=demo_root, status=2)
    assert "--non-empty 0.5, not 0.25" in error


@pytest.mark.parametrize("content", ["{}", '{"filter": "sharp", "channel": 0, "level": null, "scale": null}', "[]"])
def test_a_choice_that_is_none_is_refused_naming_the_file(demo_root, content):
    run("demo", "train", "--fold", "0", *TINY, "--model", "classical", "--run", "mine", root=demo_root)
    path = demo_root / "runs" / "demo" / "mine" / "fold0" / "model.json"
    path.write_text(content)
    error = run("demo", "predict", "--run", "mine", root=demo_root, status=2)
    assert ("model.json is no choice of a filter" in error or "model.json is not an object" in error) and len(
        error.strip().splitlines()
    ) == 1


def test_the_classical_model_can_choose_on_everything(demo_root):
    run("demo", "train", "submit", "--fold", "all", *TINY, "--model", "classical", "--run", "mine", root=demo_root)
    assert (demo_root / "submissions" / "demo-mine.csv").exists()


def test_a_network_that_crashes_in_bfloat16_on_a_cpu_is_not_given_it(monkeypatch):
    pytest.importorskip("keras")
    from pipeline.recipe import Recipe
    from pipeline.training import fit, hardware

    patches_of = {"model": "unet3d", "slices": 4}
    monkeypatch.setattr(hardware, "precision", lambda asked, backend: "bfloat16" if asked == "auto" else asked)
    monkeypatch.setattr(hardware, "is_accelerated", lambda backend: False)
    assert fit.precision_for(Recipe(**patches_of)) == "float32" and fit.precision_for(Recipe()) == "bfloat16"
    assert fit.precision_for(Recipe(**patches_of, precision="float16")) == "float16"
    monkeypatch.setattr(hardware, "is_accelerated", lambda backend: True)
    assert fit.precision_for(Recipe(**patches_of)) == "bfloat16"


def test_the_code_that_decides_a_training_is_watched():
    import re

    from pipeline.training import backend

    watched = set(backend.code_fingerprints())
    learning = [path for folder in ("models", "training") for path in (ROOT / "pipeline" / folder).glob("*.py")]
    for path in [*learning, *(ROOT / name for name in watched if "/store/" in name)]:
        if path.stem not in backend.MEASURING:
            for name in re.findall(r"from pipeline\.imaging\.(\w+) import", path.read_text()):
                assert f"pipeline/imaging/{name}.py" in watched, (path.name, name)
    assert "pipeline/store/prepared.py" in watched
