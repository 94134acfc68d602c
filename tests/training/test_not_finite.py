"""A training whose numbers are no longer finite, or for which memory is not enough, ends in a line and leaves nothing
that passes for learnt."""

import importlib.util
import math

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.slow

from pipeline import models
from pipeline import recipe as recipes
from pipeline.errors import UserError
from pipeline.imaging.flips import SYMMETRIES
from pipeline.store.prepared import View
from pipeline.tasks.binary import Binary
from pipeline.training import batches, fit, weights
from pipeline.training.learner import Learner
from pipeline.training.one_scale import OneScale
from pipeline.training.optimizer import optimizer_for
from pipeline.training.predict import Predictor
from tests.start import BACKENDS, TINY, run

INFO = {"channels": 1, "range": 255, "dtype": "uint8", "mean": [0.5], "std": [0.25]}
FOLD = ["demo", "train", "--fold", "0", "--run", "tiny", *TINY]


def spoilt(monkeypatch, first_step: int) -> None:
    """From this step on (counted by the optimizer) the loss is NaN."""
    honest = Learner.compute_loss

    def compute_loss(self, *arguments, **named):
        loss = honest(self, *arguments, **named)
        step = keras.ops.convert_to_tensor(self.optimizer.iterations)
        # a factor: through a loss that is left out NaN would reach the gradient
        return loss * keras.ops.where(step >= first_step, math.nan, 1.0)

    monkeypatch.setattr(Learner, "compute_loss", compute_loss)


def line_of(error: str) -> str:
    (line,) = [line for line in error.splitlines() if line.startswith("error:")]
    return line


def test_a_loss_that_is_no_number_ends_the_fold_in_its_epoch(demo_root, monkeypatch):
    folder = demo_root / "runs" / "demo" / "tiny" / "fold0"
    with monkeypatch.context() as patched:
        spoilt(patched, 0)
        line = line_of(run(*FOLD, "--precision", "bfloat16", root=demo_root, status=2))
    assert "fold 0, epoch 1: its loss is nan" in line
    assert "--precision float32 (it is bfloat16), or a lower --learning-rate than 0.003" in line
    # nothing but what it began with
    assert {path.name for path in folder.iterdir()} == {"environment.json"}


def test_the_last_epoch_that_was_finite_stays_and_goes_on(demo_root, monkeypatch):
    folder = demo_root / "runs" / "demo" / "tiny" / "fold0"
    arguments = [*FOLD, "--precision", "float32"]
    with monkeypatch.context() as patched:
        spoilt(patched, 2)
        line = line_of(run(*arguments, root=demo_root, status=2))
    assert "fold 0, epoch 2: its loss is nan" in line and "--precision" not in line
    assert {path.name for path in folder.iterdir()} == {"environment.json", "history.csv", "checkpoint.npz"}
    with np.load(folder / "checkpoint.npz") as saved:
        assert int(saved["epoch"]) == 1 and all(np.isfinite(saved[f"v{i}"]).all() for i in range(len(saved.files) - 2))
    assert "epoch 2 of 2" in run(*arguments, root=demo_root)


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_that_explode_end_the_fold_on_every_backend(demo_root, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    explosive = ["--optimizer", "sgd", "--learning-rate", "10", "--momentum", "0.999", "--epochs", "6"]
    line = line_of(run(*FOLD, *explosive, root=demo_root, status=2, KERAS_BACKEND=backend))
    assert "error: fold 0, epoch " in line and "a lower --learning-rate than 10" in line
    folder = demo_root / "runs" / "demo" / "tiny" / "fold0"
    assert not {"model.weights.h5", "valid.npy", "valid.csv"} & {path.name for path in folder.iterdir()}


def learner_of(scaled: bool) -> Learner:
    """One convolution, to learn from 2 images of 8 x 8."""
    recipe = recipes.Recipe(batch_size=2, flip=False, brightness=0.0, contrast=0.0, gamma=0.0, noise=0.0, loss="bce")
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(1, 1, dtype="float32")])
    shape = (2, 8, 8, 1)
    found = Learner(network, recipe, shape, shape[1:3], 0, 255, Binary(("salt",)), "none", scaled=scaled)
    found.compile(optimizer=optimizer_for(recipe, 4, scaled), jit_compile=False)
    found.optimizer.build(found.trainable_variables)
    return found


def logs_of(learner, values: list[float]) -> dict:
    """Of an epoch whose batches have these losses: the target of a batch says which."""
    honest = learner.early_loss

    def spoilt_loss(logits, target, pixel_weights, known):
        place = keras.ops.cast(keras.ops.round(keras.ops.mean(target) * 255), "int32")
        return honest(logits, target) * 0 + keras.ops.take(np.array(values, np.float32), place)

    learner.early_loss = spoilt_loss
    image = np.full((2, 8, 8, 1), 100, np.uint8)
    stream = (({"image": image, "target": np.full_like(image, i)},) for i in range(len(values)))
    return learner.fit(stream, steps_per_epoch=len(values), shuffle=False, verbose=0).history


def test_batches_that_a_scaled_loss_skips_do_not_count():
    learner = learner_of(scaled=True)
    logs = {name: values[0] for name, values in logs_of(learner, [1.0, math.nan, 3.0, math.inf]).items()}
    assert not math.isfinite(logs["loss"]) and learner.mean_loss(logs) == 2.0
    assert all(np.isfinite(weight).all() for weight in learner.network.get_weights())
    # of an epoch in which every batch is skipped nothing is learnt: that is no training
    learner = learner_of(scaled=True)
    assert not math.isfinite(learner.mean_loss({k: v[0] for k, v in logs_of(learner, [math.nan] * 3).items()}))
    learner = learner_of(scaled=True)
    assert learner.mean_loss({k: v[0] for k, v in logs_of(learner, [1.0, 2.0]).items()}) == 1.5


def test_without_a_scale_every_batch_counts():
    learner = learner_of(scaled=False)
    logs = {name: values[0] for name, values in logs_of(learner, [1.0, math.nan, 3.0]).items()}
    assert learner.finite_loss is None and math.isnan(learner.mean_loss(logs))
    assert learner.mean_loss({"loss": 0.5}) == 0.5


def test_answers_that_are_no_numbers_are_an_error_and_never_an_empty_mask():
    recipe = recipes.Recipe(depth=1, width=4, size=0, precision="float32", tile=16)
    network = models.named("unet").build(recipe, 1, 1, [0.5], [0.25])
    images = Noise((8, 8), (40, 24))
    view, frame = View(images, INFO, 1), models.named("unet").frame(recipe)
    predictor = Predictor(OneScale(network, recipe, INFO, "sigmoid", frame, "fold 3", "try this"))
    assert len(list(predictor.predict(view, [0, 1], SYMMETRIES["none"], (0.5,)))) == 2
    network.set_weights([weight * np.nan for weight in network.get_weights()])
    for row in (0, 1):
        with pytest.raises(UserError, match="fold 3 answers with NaN or infinite probabilities; try this"):
            list(predictor.predict(view, [row], SYMMETRIES["none"]))


class Noise:
    """A reader of pictures of noise of these sizes."""

    def __init__(self, *sizes):
        self.found = [np.random.default_rng(1).integers(0, 256, (*size, 1), np.uint8) for size in sizes]
        self.heights, self.widths = np.array(sizes).T
        self.first = np.arange(len(sizes))

    def __getitem__(self, row):
        return self.found[row]


def test_weights_are_loaded_whole_and_finite_or_not_at_all(tmp_path):
    recipe = recipes.Recipe(depth=1, width=4, precision="float32")
    network = models.named("unet").build(recipe, 1, 1, [0.5], [0.25])
    path = tmp_path / weights.NAME
    network.save_weights(path)
    fit.load_weights(network, path)
    whole = path.read_bytes()
    for length in (0, 50, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:length])
        refused(network, path)
    for fields in ({"depth": 2}, {"width": 8}, {"normalization": "none"}, {"block": "plain"}):
        others = recipes.Recipe(**{"depth": 1, "width": 4, "precision": "float32", **fields})
        # Keras may hold what it could not read
        path = tmp_path / "-".join(map(str, fields.items())) / weights.NAME
        path.parent.mkdir()
        models.named("unet").build(others, 1, 1, [0.5], [0.25]).save_weights(path)
        assert "for this network" in refused(network, path)
    path = tmp_path / "infinite" / weights.NAME
    path.parent.mkdir()
    network.set_weights([weight + np.inf for weight in network.get_weights()])
    network.save_weights(path)
    assert "NaN or infinite" in refused(network, path)


def refused(network, path) -> str:
    with pytest.raises(UserError) as found:
        fit.load_weights(network, path)
    assert len(str(found.value).splitlines()) == 1 and weights.NAME in str(found.value)
    return str(found.value)


class ResourceExhaustedError(Exception):
    """As TensorFlow has it."""


def exhausted(*_, **__):
    raise ResourceExhaustedError("Graph execution error:\n\nOOM when allocating tensor with shape[4,32,32,64]")


def test_a_step_for_which_memory_is_not_enough_is_one_line(demo_root, monkeypatch):
    monkeypatch.setattr(
        Learner, "make_train_function", lambda self, force=False: setattr(self, "train_function", exhausted)
    )
    line = line_of(run(*FOLD, root=demo_root, status=2))
    assert line == "error: there is not enough memory for fold 0 to learn from batches of 4; give --batch-size 2"
    line = line_of(run(*FOLD, "--run", "one", "--batch-size", "1", root=demo_root, status=2))
    assert line.endswith("batches of 1; give a smaller --crop, --size or --width")
    for name in ("tiny", "one"):
        assert [path.name for path in (demo_root / "runs/demo" / name / "fold0").iterdir()] == ["environment.json"]
    budget = ["demo", "train", "--fold", "0", *TINY[: TINY.index("--epochs")], "--batch-size", "4", "--folds", "3"]
    line = line_of(run(*budget, "--run", "timed", "--budget", "5m", root=demo_root, status=2))
    assert line.endswith("batches of 4; give --batch-size 2")


def test_a_batch_for_which_memory_is_not_enough_is_the_same_line(demo_root, monkeypatch):
    def no_room(self, step):
        if step < 6:
            return honest(self, step)
        raise MemoryError

    honest = batches.Batches.__call__
    monkeypatch.setattr(batches.Batches, "__call__", no_room)
    line = line_of(run(*FOLD, "--epochs", "9", root=demo_root, status=2))
    assert line == "error: there is not enough memory for fold 0 to learn from batches of 4; give --batch-size 2"


@pytest.mark.parametrize(
    ("size", "batch", "wanted"),
    [
        # four tiles of half the side would go together
        ((256, 256), 4, "give --tile 64"),
        ((1024, 1024), 16, "give --tile 128"),
        ((1024, 1024), 1, "give --tile 512"),
        ((4, 4), 4, "give a smaller --batch-size or --width"),
    ],
)
def test_where_an_answer_needs_too_much_a_tile_is_suggested(monkeypatch, size, batch, wanted):
    recipe = recipes.Recipe(depth=1, width=4, size=0, precision="float32", batch_size=batch, tile=0)
    network = models.named("unet").build(recipe, 1, 1, [0.5], [0.25])
    predictor = Predictor(OneScale(network, recipe, INFO, "sigmoid", models.named("unet").frame(recipe)))
    monkeypatch.setattr(predictor.as_it_is.model, "predict_on_batch", exhausted)
    with pytest.raises(UserError, match="there is not enough memory for the network to answer") as found:
        list(predictor.predict(View(Noise(size), INFO, 1), [0], SYMMETRIES["none"]))
    assert str(found.value).endswith(wanted)
