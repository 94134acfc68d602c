"""The same scenes in other units are learnt as they are in 8 bits: decibels, heights, hot pixels, gaps."""

import numpy as np
import pytest

from pipeline.competition import Competition, RawData, RawImage
from pipeline.imaging.metrics import CountMetric, dice
from pipeline.recipe import SMOKE, Recipe
from pipeline.runs import trained
from pipeline.runs.job import Job
from pipeline.stages import prepare
from pipeline.store import disk, records
from pipeline.store.paths import Store
from pipeline.store.predictions import Predictions
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary
from pipeline.tasks.multiclass import MultiClass
from pipeline.training import trainer, weights
from pipeline.training.plan import FoldPlan

SIDE, COUNT, FOLDS = 64, 48, 2
# enough to see what is learnt from, not that anything is
TINY = {"width": 4, "depth": 2, "size": 32, "steps": 2, "epochs": 1, "batch_size": 4, "tta": False, "late_loss": ""}


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A grey picture, H x W x 1 uint8, and its labels: two bright discs on noise."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    labels = np.zeros((SIDE, SIDE, 1), np.uint8)
    for _ in range(2):
        top, left = draw.integers(10, SIDE - 10, 2)
        labels[(rows - top) ** 2 + (columns - left) ** 2 <= draw.integers(36, 100)] = 1
    picture = draw.integers(40, 110, labels.shape) + 60 * labels + draw.integers(0, 30, labels.shape)
    return picture.astype(np.uint8), labels


def hot(picture: np.ndarray, value: float) -> np.ndarray:
    """One pixel of the picture far away."""
    picture[5, 7] = value
    return picture


def with_gaps(picture: np.ndarray, value: float) -> np.ndarray:
    """Of 12 columns nothing is known."""
    picture[:, 20:32] = value
    return picture


def claimed(labels: np.ndarray) -> np.ndarray:
    """Labels that are wrong where nothing is known."""
    return with_gaps(labels.copy(), 1)


# name -> from a picture, H x W x 1 uint8, to what somebody else has saved of the same scene
SYSTEMS = {
    "decibels": lambda x: (-25 + 20 * (x / 255)).astype(np.float32),
    "hounsfield": lambda x: x.astype(np.int16) * 8 - 1024,
    "heights": lambda x: (2000 + x / 10).astype(np.float32),
    "reflectances": lambda x: x / 255 * 1e-7,
    "a hot pixel": lambda x: hot((x / 255).astype(np.float32), 1e6),
    "12 bits and 65535": lambda x: hot(x.astype(np.uint16) * 16, 65535),
    "whole numbers of 32 bits": lambda x: x.astype(np.int32) * 1000,
    "half": lambda x: (x / 255).astype(np.float16),
}


def stretched(x: np.ndarray) -> np.ndarray:
    """From the darkest to the brightest in 8 bits."""
    return np.rint((x - 40.0) * (255 / (198 - 40))).astype(np.uint8)


def job_of(root, change, labels=lambda labels: labels, nodata=None, task=None, **changes) -> Job:
    """A run of the recipe `smoke`, prepared and split into two folds."""

    def raw(i):
        return RawImage(
            f"t{i:02}", "train", lambda: change(scene(i)[0]), lambda: labels(scene(i)[1]), group=f"g{i // 4}"
        )

    chosen = Competition(
        name="tiny",
        title="Tiny",
        page="",
        slug="",
        task=task or Binary(("disc",)),
        metric=CountMetric("mean Dice", dice),
        read=lambda given: RawData([raw(i) for i in range(COUNT)], nodata=nodata),
        format=Format("id", "rle", class_column="class" if task and len(task.classes) > 1 else ""),
        symmetry="turns",
        recipes={"smoke": {}},
        costs={},
    )
    recipe = Recipe(**{**SMOKE, "folds": FOLDS, **changes})
    job = Job(chosen, recipe, "smoke", Store(root, "tiny", "mine"))
    prepare.convert(chosen, None, job.store.prepared, {})
    rows = [(name, i // 4 % FOLDS) for i, name in enumerate(job.prepared.table["id"])]
    disk.write_rows(job.store.folds(FOLDS), ["id", "fold"], rows)
    return job


def learnt(job: Job) -> FoldPlan:
    """Fold 0, trained and its held-out images answered."""
    table = job.fold_table
    plan = FoldPlan(0, table.learnt(0), table.held_out(0), trained.inputs_of(job, 0), job.store.fold(0))
    learner = trainer.of(job.recipe)
    learner.train_fold(plan, job.prepared, job.competition, job.recipe)
    learner.predict_held_out(plan, job.prepared, job.competition, job.recipe)
    return plan


def scores(job: Job, known=None) -> np.ndarray:
    """The Dice of each held-out image at its best common threshold (of so short a training .5 says little)."""
    plan = learnt(job)
    answers = Predictions(plan.folder, "valid", 1)
    found = []
    for level in range(16, 250, 8):
        pairs = [
            (answers[i][..., 0] >= level, job.prepared.labels[row][..., 0] != 0) for i, row in enumerate(plan.held_out)
        ]
        found.append([2 * (a & b).sum() / max(a.sum() + b.sum(), 1) for a, b in pairs])
    return max(np.array(found), key=np.mean)


@pytest.fixture(scope="module")
def in_8_bits(tmp_path_factory) -> dict[str, np.ndarray]:
    """model -> scores of the same scenes in 8 bits."""
    pytest.importorskip("keras")
    folder = tmp_path_factory.mktemp("8")
    return {model: scores(job_of(folder / model, stretched, model=model)) for model in ("unet", "classical")}


# one each that is below 0, tiny, and led astray by single pixels; what the others become is the same to the network
BY_NETWORK = ("decibels", "reflectances", "12 bits and 65535")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "system"), [*(("unet", name) for name in BY_NETWORK), *(("classical", name) for name in SYSTEMS)]
)
def test_other_units_are_learnt_as_8_bits_are(tmp_path, in_8_bits, model, system):
    known = in_8_bits[model]
    found = scores(job_of(tmp_path, SYSTEMS[system], model=model))
    error = known.std() / np.sqrt(len(known))
    # images are few, and alike: their error leaves out that of the training
    assert known.mean() > 0.8 and abs(found.mean() - known.mean()) < 0.02 + error


KINDS = [(np.uint8, 0), (np.int16, -9999), (np.float32, -9999), (np.float16, np.nan)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "kind", "gap"), [*(("classical", *kind) for kind in KINDS), *(("unet", *kind) for kind in KINDS[1::2])]
)
def test_what_is_not_known_is_neither_learnt_nor_answered(tmp_path, kind, gap, model):
    """Whatever is claimed of it: what is learnt is the same to the last digit."""
    pytest.importorskip("keras")
    contents = []
    for labels in (lambda labels: with_gaps(labels, 0), claimed):
        folder = tmp_path / str(len(contents))
        changes = {**TINY, "model": model, "loss": "bce+dice+lovasz"}
        job = job_of(folder, lambda x: with_gaps(x.astype(kind), gap), labels, gap, **changes)
        plan = learnt(job)
        answers = Predictions(plan.folder, "valid", 1)
        for i in range(len(plan.held_out)):
            assert not answers[i][:, 20:32].any() and answers[i].any()
        contents.append((plan.folder / "valid.npy").read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{"crop": 32, "fit": "pad", "size": 0, "border_weight": 2.0}, {"slices": 2, "model": "unet3d"}]
)
def test_neither_in_windows_nor_in_volumes(tmp_path, changes):
    pytest.importorskip("keras")
    contents = []
    for labels in (lambda labels: with_gaps(labels, 0), claimed):
        folder = tmp_path / str(len(contents))
        job = job_of(folder, lambda x: with_gaps(x.astype(np.int16), -9), labels, -9, **{**TINY, **changes})
        plan = learnt(job)
        answers = Predictions(plan.folder, "valid", 1)
        assert not any(answers[i][:, 20:32].any() for i in range(len(plan.held_out)))
        contents.append((plan.folder / "valid.npy").read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.slow
def test_exclusive_classes_with_gaps(tmp_path):
    """What is not known is void where there is void, otherwise the first class."""
    pytest.importorskip("keras")
    for void, wanted in ((None, 0), (9, 9)):
        task = MultiClass(("ground", "disc"), void=void)
        folder = tmp_path / str(void)
        job = job_of(folder, lambda x: with_gaps(x.astype(np.int16), -9), claimed, -9, task, **TINY, loss="ce+dice")
        answers = Predictions(learnt(job).folder, "valid", 2)
        decoded = task.decode(answers[0], task.plain_thresholds())
        assert (decoded[:, 20:32] == wanted).all() and not (decoded[:, :20] == 9).any()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["unet", "classical"])
def test_what_has_learnt_sees_as_it_learnt(tmp_path, model):
    """Data that is prepared again by a version that scales otherwise, and weights of an earlier one without any."""
    pytest.importorskip("keras")
    job = job_of(tmp_path, SYSTEMS["12 bits and 65535"], **{**TINY, "model": model})
    done = job.store.prepared / "prepared.json"
    info = disk.read_json(done)
    earlier = {name: value for name, value in info.items() if name != "scaling"}
    other = {**info["scaling"], "low": [300.0], "high": [301.0]}
    for then, now in ((earlier, info), (info, {**info, "scaling": other})):
        disk.write_json(done, then)
        plan = learnt(Job(job.competition, job.recipe, "smoke", job.store))
        before = (plan.folder / "valid.npy").read_bytes()
        disk.write_json(done, now)
        again = Job(job.competition, job.recipe, "smoke", job.store)
        trained.check(again)
        arguments = plan.folder, "valid", plan.held_out, again.prepared, job.competition, job.recipe, plan.inputs
        trainer.of(job.recipe).write_predictions(*arguments, title="")
        assert (plan.folder / "valid.npy").read_bytes() == before
        # of weights that nobody knows the origin of: as what is learnt now
        name = job.store.model_file(0)
        assert (weights.scaling_of(name, again.prepared) is None) == (then is earlier)
        records.record_path(name).unlink()
        assert weights.scaling_of(name, again.prepared) == again.prepared.scaling
        trainer.of(job.recipe).write_predictions(*arguments, title="")
        assert (plan.folder / "valid.npy").read_bytes() != before


LOSSES = ["bce", "dice", "lovasz", "bce+dice+lovasz", "ce", "ce+dice"]


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_no_loss_learns_from_what_is_not_known(name):
    keras = pytest.importorskip("keras")
    from pipeline.training import losses

    random = np.random.default_rng(0)
    logits = random.normal(size=(2, 6, 6, 2)).astype(np.float32)
    target = np.eye(2, dtype=np.float32)[random.integers(0, 2, (2, 6, 6))]
    known = np.ones((2, 6, 6, 1), np.float32)
    known[:, :, 4:] = 0
    loss = losses.composed(name, "softmax" if name.startswith("ce") else "sigmoid")

    def total(logits, target):
        return float(keras.ops.convert_to_numpy(loss(logits, target, None, known)))

    before, others = total(logits, target), known == 0
    assert np.isfinite(before)
    assert total(np.where(others, logits + 3, logits), np.where(others, 1 - target, target)) == before
    assert total(np.where(others, logits, logits + [1, 0]).astype(np.float32), target) != before
    if name in ("dice", "lovasz"):
        within = [values[:, :, :4] for values in (logits, target)]
        assert before == pytest.approx(float(keras.ops.convert_to_numpy(loss(*within))), abs=1e-6)


# tones of its own


def foreign(picture: np.ndarray) -> np.ndarray:
    """The same scene, dark on bright, in colour and of little contrast: H x W x 3."""
    return np.concatenate([200 - picture // 2, 220 - picture // 2, 180 - picture // 2], axis=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields", [TINY, {**TINY, "neighbours": 1}, {"model": "classical"}], ids=["unet", "2.5d", "classical"]
)
def test_in_its_own_tones_a_picture_of_another_kind_is_learnt_and_answered_as_it_was(tmp_path, fields):
    """Batches, held-out pictures and flips see the same numbers, up to 8 bits of another contrast."""
    answers = []
    for name, change in (("plain", lambda x: np.repeat(x, 3, axis=2)), ("foreign", foreign)):
        job = job_of(tmp_path / name, change, tones="own", hue=0.0, to_grey=0.0, **fields)
        plan = learnt(job)
        assert job.prepared.view(tones="own").info["channels"] == 1
        found = Predictions(plan.folder, "valid", 1)
        answers.append(np.stack([found[i] for i in range(len(plan.held_out))]).astype(int))
    plain, other = answers
    assert plain.std() > 2 and np.abs(plain - other).mean() < 0.2 * plain.std()
