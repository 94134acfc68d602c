"""Mask R-CNN learns four drawn pictures by heart, through every stage, and ellipses that cross."""

import numpy as np
import pytest

from pipeline.imaging.objects import matches
from pipeline.store.prepared import Prepared
from pipeline.tasks.instances import Instances
from pipeline.tasks.touching import parted
from tests.competitions.test_dsb2018 import entries
from tests.start import run

SIDE = 64
SMALL = ("--model", "maskrcnn", "--width", "4", "--depth", "3", "--objects", "8", "--proposals", "32")
FLAT = ("--scale", "0", "--rotation", "0", "--shear", "0", "--shift", "0", "--no-flip", "--no-tta")
CALM = ("--hue", "0", "--to-grey", "0", "--invert", "0", "--brightness", "0", "--contrast", "0", "--gamma", "0")
SIZES = ("--mask-size", "14", "--size", "0", "--crop", "0", "--fit", "pad", "--batch-size", "4", "--folds", "2")


def ellipse(y, x, length, width, angle=0.0):
    """SIDE x SIDE bool."""
    down, right = np.mgrid[:SIDE, :SIDE] + 0.5 - np.array([y, x])[:, None, None]
    along, across = (
        down * np.cos(angle) + right * np.sin(angle),
        right * np.cos(angle) - down * np.sin(angle),
    )
    return (along / length) ** 2 + (across / width) ** 2 < 1


def touching(random):
    """Three discs, of which two touch: SIDE x SIDE numbers."""
    numbers = np.zeros((SIDE, SIDE), int)
    y, angle = random.uniform(14, 20), random.uniform(-0.5, 0.5)
    numbers[ellipse(y, 20, 9, 9)] = 1
    numbers[ellipse(y + 15 * np.sin(angle), 20 + 15 * np.cos(angle), 8, 8) & (numbers == 0)] = 2
    numbers[ellipse(random.uniform(45, 52), random.uniform(15, 50), 7, 7)] = 3
    return numbers


def crossing(random):
    """Two ellipses, the second over the first: SIDE x SIDE numbers."""
    angle, (y, x) = random.uniform(0, np.pi), random.uniform(28, 36, 2)
    numbers = np.zeros((SIDE, SIDE), int)
    numbers[ellipse(y, x, 18, 5, angle)] = 1
    across = angle + np.pi / 2
    numbers[ellipse(y + 8 * np.cos(across), x + 8 * np.sin(across), 18, 5, across)] = 2
    return numbers


def picture(numbers, random):
    values = np.where(numbers > 0, 170, 50) + random.normal(0, 5, numbers.shape)
    return np.repeat(values.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """(root, truth of the pictures by name): four pictures of discs and four of ellipses, learnt by heart."""
    root, random = tmp_path_factory.mktemp("objects"), np.random.default_rng(2)
    drawn = {f"disc{i}": touching(random) for i in range(4)} | {f"cross{i}": crossing(random) for i in range(4)}
    raw = root / "raw"
    for name, numbers in drawn.items():
        seen = picture(numbers, random)
        masks = [255 * (numbers == k).astype(np.uint8)[..., None] for k in range(1, numbers.max() + 1)]
        files = [("stage1_train", entry) for entry in entries(name, seen, masks)]
        if name.startswith("disc"):
            files += [("stage1_test", entry) for entry in entries(f"again_{name}", seen)]
        for part, (path, content) in files:
            (raw / part / path).parent.mkdir(parents=True, exist_ok=True)
            (raw / part / path).write_bytes(content)
    learning = ("--epochs", "2", "--steps", "110", "--learning-rate", "0.003", "--ema", "0.9", "--score-every", "9")
    chosen = [*SMALL, *FLAT, *CALM, "--noise", "0", *SIZES, *learning, "--warmup", "0.02", "--precision", "float32"]
    out = run("dsb2018", "train", "submit", "--fold", "all", "--data", raw, *chosen, "--run", "heart", root=root)
    assert "submissions/dsb2018-heart.csv: valid" in out
    return root, drawn


def numbers_in(path, name):
    """The objects of a picture in a submission: SIDE x SIDE."""
    found = np.zeros(SIDE * SIDE, int)
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    for number, runs in enumerate((runs for key, runs in rows if key == name), start=1):
        values = list(map(int, runs.split()))
        for start, length in zip(values[::2], values[1::2], strict=True):
            assert not found[start - 1 : start - 1 + length].any(), "one object over another"
            found[start - 1 : start - 1 + length] = number
    return found.reshape(SIDE, SIDE).T


@pytest.mark.slow
def test_four_pictures_are_learnt_by_heart_up_to_the_submission(learnt):
    root, drawn = learnt
    path = root / "submissions" / "dsb2018-heart.csv"
    count = sum(
        matches(numbers_in(path, f"again_{name}"), truth)[0][0] for name, truth in drawn.items() if "disc" in name
    )
    true, invented, missed = count
    assert true + missed == 12 and true / (true + invented + missed) >= 0.9, count


@pytest.mark.slow
def test_ellipses_that_cross_are_told_apart_where_a_watershed_cannot(learnt):
    from pipeline.models import maskrcnn
    from pipeline.recipe import from_json
    from pipeline.store.disk import read_json
    from pipeline.training import fit

    root, drawn = learnt
    folder = root / "runs" / "dsb2018" / "heart"
    saved = read_json(folder / "recipe.json")
    del saved["recipe"]  # its name
    recipe = from_json(saved, "recipe.json")
    prepared = Prepared(root / "data" / "dsb2018" / "prepared")
    network = maskrcnn.build(recipe, 3, 3, prepared.info["mean"], prepared.info["std"])
    fit.load_weights(network, folder / "foldall" / fit.WEIGHTS)
    rows = [row for row, name in enumerate(prepared.columns["id"]) if name.startswith("cross")]
    images = np.stack([np.asarray(prepared.images[row]) for row in rows]).astype(np.float32) / 255
    answers = np.asarray(network(images))[..., 0].astype(int)
    truth = [drawn[prepared.columns["id"][row]] for row in rows]
    boxes, likely = map(np.asarray, network.propose(images))
    assert boxes.shape == (4, recipe.proposals, 4) and likely.shape == (4, recipe.proposals)
    # the likeliest first, and where there is none nothing
    assert (np.diff(likely, axis=1) <= 0).all() and (likely[:, 0] > 0.5).all()
    found = sum(matches(answer, each)[0][0] for answer, each in zip(answers, truth, strict=True))
    flooded = sum(matches(parted(each > 0).astype(int), each)[0][0] for each in truth)
    assert found[0] / found.sum() >= 0.9, found
    assert flooded[0] <= 4, flooded


def test_what_is_found_is_drawn_as_the_task_draws_it():
    from pipeline.training.drawn import Drawn

    random = np.random.default_rng(4)
    task, truth = Instances(("nucleus",)), np.stack([touching(random), crossing(random)])
    scores = np.array([0.0, 0.9, 0.6, 0.3])
    answer = np.stack([truth, scores[truth]], axis=-1).astype(np.float32)
    answer[0][truth[0] == 2] = 0  # a number may be missing
    found = np.rint(255 * Drawn(task, 128)(answer)).astype(np.uint8)
    for each, numbers in zip(found, answer[..., 0].astype(int), strict=True):
        wanted = task.target(numbers[..., None].astype(np.uint16))
        np.testing.assert_array_equal(each[..., 1:], wanted[..., 1:])
        np.testing.assert_allclose(each[..., 0], 255 * scores[numbers], atol=0.51)


def test_more_objects_than_an_answer_can_have_are_said():
    from pipeline.training.drawn import Drawn

    numbers = np.stack([touching(np.random.default_rng(4))] * 2)
    answer = np.stack([numbers, numbers > 0], axis=-1).astype(np.float32)
    answer[1][numbers[1] == numbers.max()] = 0
    drawn = Drawn(Instances(("nucleus",)), int(numbers.max()))
    assert drawn.line() == ""
    drawn(answer)
    assert drawn.line().startswith(f"1 of 2 pictures and tiles (flips counted) hold --objects {numbers.max()} or more:")


def test_more_objects_than_are_learnt_are_said(capsys):
    from types import SimpleNamespace

    from pipeline.recipe import Recipe
    from pipeline.training.targets import Numbers

    class Learnt:
        steps, recipe = 1, Recipe(loss="bce")

        def __init__(self, target):
            self.target = target

        def __call__(self, step):
            return {"target": self.target}

    windows = [touching(np.random.default_rng(seed))[..., None] for seed in (0, 1)]
    measured = []
    network = SimpleNamespace(name="maskrcnn", measure=measured.append)
    for most, said in ((2, "2 of 2 windows looked at hold --objects 2 or more: the largest are learnt"), (99, "")):
        form = Numbers(Instances(("nucleus",)), most)
        finished = np.stack([form.finished(window, False) for window in windows])
        form.introduce(network, Learnt(finished))
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "maskrcnn learns by losses of its own: --loss bce is not used"
        assert ("".join(lines[1:]).startswith(said) and len(lines) == 2) if said else len(lines) == 1
    assert len(measured[0]) == 4 and measured[0].shape[1] == 2


@pytest.mark.slow
def test_objects_that_a_seam_of_tiles_cuts_are_whole():
    keras = pytest.importorskip("keras")
    from types import SimpleNamespace

    from pipeline.imaging.flips import SYMMETRIES
    from pipeline.models.frame import Frame
    from pipeline.recipe import Recipe
    from pipeline.training.drawn import Drawn
    from pipeline.training.one_scale import OneScale
    from pipeline.training.predict import Predictor

    class Known(keras.Model):
        """Answers with the numbers that the picture holds, of each certain by nine tenths."""

        def call(self, image):
            return keras.ops.concatenate([image * 255, keras.ops.where(image > 0, 0.9, 0.0)], axis=-1)

        def compute_output_shape(self, shape):
            return (*shape[:3], 2)

    random = np.random.default_rng(6)
    quarters = [np.where(numbers > 0, numbers + 3 * k, 0) for k in range(9) for numbers in [touching(random)]]
    whole = np.block([quarters[0:3], quarters[3:6], quarters[6:9]])
    images = SimpleNamespace(heights=[3 * SIDE], widths=[3 * SIDE])
    images = type("Alone", (), {**vars(images), "__getitem__": lambda self, row: whole[..., None].astype(np.uint8)})()
    task, info = Instances(("nucleus",)), {"channels": 1, "range": 255, "dtype": "uint8", "mean": [0.5], "std": [0.2]}
    # seams at every 48 pixels go through many
    recipe = Recipe(model="maskrcnn", size=0, tile=64, batch_size=4)
    answering = Predictor(OneScale(Known(), recipe, info, "sigmoid", Frame(multiple=16), drawn=Drawn(task, 128)))
    for flips in (SYMMETRIES["none"], SYMMETRIES["turns"]):
        ((_, plain, averaged),) = answering.pictures(images, [0], flips)
        assert plain.shape == averaged.shape == (3 * SIDE, 3 * SIDE, 3)
        found = matches(task.decode(averaged, task.plain_thresholds())[..., 0].astype(int), whole)[0]
        assert found[0].tolist() == [27, 0, 0] and found[8][0] >= 26, found


def test_numbers_are_never_mixed_and_images_in_a_mirror_are_others():
    from pipeline.training.targets import Numbers, sizes_of

    numbers = np.zeros((10, 12, 1), np.uint16)
    numbers[2:5, 2:5], numbers[7:, 9:], numbers[0, 0] = 700, 4, 9
    form = Numbers(Instances(("nucleus",)), 2)
    larger = form.framed(numbers, (20, 24), "resize", 0)
    np.testing.assert_array_equal(larger, numbers.repeat(2, 0).repeat(2, 1))
    finished = form.finished(larger, False)
    # the smallest is one too many
    np.testing.assert_array_equal(finished, np.where(larger == 700, 2, np.where(larger == 4, 1, 0)))
    padded = Numbers(Instances(("nucleus",)), 99).finished(form.framed(numbers, (16, 20), "pad", 0), True)
    # mirrored are what lies alone near a border and, across the corner, what it joins
    assert len(np.unique(padded)) - 1 > 3 and all(side <= 8 for size in sizes_of(padded[..., 0]) for side in size)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "train"], "--model maskrcnn finds single objects, and demo asks for none"),
        (["dsb2018", "--border-weight", "5"], "--border-weight is of losses of pixels"),
        (["dsb2018", "--late-loss", "dice"], "--late-loss is of losses of pixels"),
        (["dsb2018", "--mask-size", "15"], "--mask-size is 15; it must be even"),
    ],
)
def test_what_it_cannot_do_is_said_in_a_line(demo_root, arguments, words):
    error = run(*arguments, "--model", "maskrcnn", root=demo_root, status=2)
    assert words in error and len(error.strip().splitlines()) == 1


@pytest.mark.slow
def test_an_encoder_is_its_way_down():
    pytest.importorskip("keras")
    from pipeline.models import encoders, maskrcnn
    from pipeline.recipe import Recipe

    recipe = Recipe(model="maskrcnn", encoder="resnet18", width=4, objects=4, proposals=8, mask_size=8)
    network = maskrcnn.build(recipe, 3, 3, [0.5] * 3, [0.2] * 3)
    assert network.strides == (4, 8, 16, 32) and maskrcnn.frame(recipe).multiple == 32
    below = encoders.below(network, recipe)
    assert 0 < len(below) < len(network.trainable_variables)
    assert {id(variable) for variable in below} <= {id(variable) for variable in network.trainable_variables}
    assert network(np.zeros((1, 64, 32, 3), np.float32)).shape == (1, 64, 32, 2)
