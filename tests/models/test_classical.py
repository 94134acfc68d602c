"""The classical model finds what is drawn: bright, dark, thin or touching; and what it claims is what it does."""

import json
import time

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.errors import UserError
from pipeline.imaging.objects import ObjectMetric
from pipeline.models import classical
from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances
from pipeline.tasks.multiclass import MultiClass
from pipeline.tasks.multilabel import MultiLabel
from pipeline.tasks.touching import parted
from pipeline.tasks.volume import Volume

SHAPE = 64, 80
OTSU = {"level": None, "scale": None}


def discs(*places: tuple[float, float, float], shape=SHAPE) -> np.ndarray:
    """H x W bool from (row, column, radius) of each."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.any([np.hypot(rows - y, columns - x) <= radius for y, x, radius in places], axis=0)


def pictured(truth: np.ndarray, inside: float, outside: float, seed: int = 0) -> np.ndarray:
    """H x W x 1 float32 with some noise."""
    noise = np.random.default_rng(seed).normal(0, 0.02, truth.shape)
    return np.clip(np.where(truth, inside, outside) + noise, 0, 1).astype(np.float32)[..., None]


def some_discs(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return discs(*((*random.uniform(10, 55, 2), random.uniform(4, 8)) for _ in range(3)))


def lines(seed: int) -> np.ndarray:
    """Thin lines through the picture, a pixel or two wide."""
    random = np.random.default_rng(seed)
    drawn = np.zeros(SHAPE, np.uint8)
    for _ in range(4):
        ends = [tuple(int(v) for v in random.integers(0, 64, 2)) for _ in range(2)]
        cv2.line(drawn, *ends, 1, 2)
    return drawn > 0


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


def found_by(image: np.ndarray, choice: dict) -> np.ndarray:
    return classical.soft(image, choice) >= 128


@pytest.mark.parametrize(("inside", "outside"), [(0.8, 0.2), (0.3, 0.9), (0.12, 0.03)], ids=str)
def test_discs_are_found_whether_bright_or_dark(inside, outside):
    truth = some_discs(3)
    image = pictured(truth, inside, outside)
    found = classical.soft(image, {"filter": "rarer 1", "channel": 0, **OTSU})
    assert found.dtype == np.uint8 and found.shape == SHAPE
    assert dice(found >= 128, truth) > 0.93
    assert found[truth].mean() > 170 and found[~truth].mean() < 90


def test_one_choice_serves_both_polarities_in_one_set():
    truths = [some_discs(seed) for seed in range(6)]
    pairs = [(pictured(truth, *((0.8, 0.2) if n % 2 else (0.2, 0.8)), seed=n), truth) for n, truth in enumerate(truths)]
    choice = classical.choose(pairs)
    assert choice["filter"].startswith("rarer") and choice["level"] is None
    assert choice["dice"] > 0.9 and choice["images"] == 6


def test_thin_dark_lines_on_uneven_ground_are_found_as_lines():
    ground = np.linspace(0.5, 0.9, SHAPE[1])
    truths = [lines(seed) for seed in range(4)]
    pairs = [((ground - 0.25 * truth).astype(np.float32)[..., None], truth) for truth in truths]
    choice = classical.choose(pairs)
    assert choice["filter"] in ("valley 2", "darker than around 2", "dark line 4")
    assert choice["dice"] > 0.8
    assert dice(found_by(pairs[0][0], {**choice, "filter": "dark 1", **OTSU}), truths[0]) < 0.7


def test_a_blob_is_found_by_a_level_where_most_of_the_picture_is_brighter_than_black():
    """What Otsu parts here is tissue and air; the class is brighter still."""
    pairs = []
    for seed in range(5):
        random = np.random.default_rng(seed)
        tissue = discs((32, 40, 28))
        truth = discs((*random.uniform((25, 30), (40, 50)), 9))
        gain = random.uniform(0.5, 1)
        image = gain * (0.5 * tissue + 0.3 * truth) + random.normal(0, 0.02, SHAPE)
        pairs.append((np.clip(image, 0, 1).astype(np.float32)[..., None], truth))
    choice = classical.choose(pairs)
    assert choice["filter"].startswith("blob") and choice["level"] is not None and choice["dice"] > 0.9
    assert np.mean([dice(found_by(image, {**choice, **OTSU}), truth) for image, truth in pairs]) < 0.5


def test_the_channel_that_shows_it_is_chosen():
    pairs = []
    for seed in range(3):
        truth = some_discs(seed)
        noise = np.random.default_rng(seed).uniform(0, 1, (*SHAPE, 2))
        pairs.append((np.concatenate([noise, pictured(truth, 0.8, 0.2)], axis=2).astype(np.float32), truth))
    assert classical.choose(pairs)["channel"] == 2


def test_the_dice_that_is_claimed_is_what_applying_the_choice_gives():
    # what is the class in one is the ground in another: a level for all cannot serve
    greys = [(0.9, 0.6), (0.5, 0.2), (0.3, 0.05), (0.7, 0.4)]
    pairs = [(pictured(some_discs(n), *grey, seed=n), some_discs(n)) for n, grey in enumerate(greys)]
    pairs += [(np.full((*SHAPE, 1), 0.5, np.float32), some_discs(9))]
    by_otsu = classical.choose(pairs)
    assert by_otsu["level"] is None
    # Otsu parts a ramp in its middle
    ramps = [(np.linspace(0, 1, 80, dtype=np.float32)[None, :, None].repeat(64, 0), np.arange(80) >= 70)] * 2
    ramps = [(image, np.broadcast_to(truth, SHAPE)) for image, truth in ramps]
    by_level = classical.choose(ramps)
    assert by_level["filter"] == "bright 1" and by_level["dice"] == 1
    # in the middle between the last column outside and the first within
    assert by_level["level"] == pytest.approx(69.5 / 79, abs=2e-3)
    assert by_level["scale"] == pytest.approx(0.5, abs=0.02) == classical.choose(ramps[:1])["scale"]
    for choice, images in ((by_otsu, pairs), (by_level, ramps)):
        measured = [dice(found_by(image, choice), truth) for image, truth in images]
        assert choice["dice"] == pytest.approx(np.mean(measured), abs=2e-3)


def test_otsu_is_preferred_where_a_level_is_as_good():
    half = np.arange(SHAPE[1]) >= 40
    image, truth = (np.broadcast_to(values, SHAPE) for values in (half.astype(np.float32), half))
    choice = classical.choose([(image[..., None], truth)])
    assert choice["dice"] == 1 and choice["level"] is None and choice["scale"] is None


def test_of_two_dents_the_one_that_is_dark_is_the_dark_line():
    """One dent is in even ground, one in a bright ridge."""
    columns = np.arange(SHAPE[1])
    dents = sum(np.exp(-((columns - place) ** 2) / 18) for place in (20, 60))
    ridge = 0.4 * np.exp(-((columns - 60) ** 2) / 200)
    picture = np.broadcast_to(0.5 - 0.3 * dents + ridge, SHAPE).astype(np.float32)
    found, valley = (filtered(picture, 4)[32] for filtered in (classical.dark_line, classical.valley))
    assert found[20] > valley[20] + 0.02
    assert found[20] - found[60] > valley[20] - valley[60] + 0.01
    assert found.argmax() == 20


def test_a_choice_survives_json_and_is_the_same_twice():
    pairs = [(pictured(some_discs(seed), 0.7, 0.4, seed), some_discs(seed)) for seed in range(3)]
    choice = classical.choose(iter(pairs))
    assert set(choice) == {"filter", "channel", "level", "scale", "dice", "images"}
    assert json.loads(json.dumps(choice)) == choice == classical.choose(pairs)
    before = pairs[0][0].copy()
    first, second = (classical.soft(pairs[0][0], choice) for _ in range(2))
    assert np.array_equal(first, second) and np.array_equal(before, pairs[0][0])


def test_empty_truths_take_no_part_and_nothing_but_empty_ones_is_refused():
    truth, nothing = some_discs(0), np.zeros(SHAPE, bool)
    image = pictured(truth, 0.8, 0.2)
    assert classical.choose([(image, nothing), (image, truth), (image, nothing)]) == classical.choose([(image, truth)])
    for pairs in ([], [(image, nothing)]):
        with pytest.raises(UserError, match="nothing is labelled"):
            classical.choose(pairs)


@pytest.mark.parametrize("change", [{"filter": "of another version"}, {"channel": 1}])
def test_a_choice_that_does_not_fit_is_refused(change):
    choice = {"filter": "bright 1", "channel": 0, **OTSU, **change}
    with pytest.raises(UserError, match="--again") as error:
        classical.soft(np.zeros((9, 9, 1), np.float32), choice)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", classical.CANDIDATES)
def test_every_filter_takes_every_picture_and_finds_nothing_in_a_constant_one(name):
    random = np.random.default_rng(1)
    for shape in ((1, 1), (1, 9), (7, 3), (33, 50)):
        for level in (OTSU, {"level": -0.5, "scale": 0.1}):
            choice = {"filter": name, "channel": 1, **level}
            values = random.random((*shape, 2)).astype(np.float32)
            before = values.copy()
            found = classical.soft(values, choice)
            assert found.shape == shape and found.dtype == np.uint8 and np.array_equal(values, before)
            # of the Hessian of a constant rounding leaves something
            for constant in np.linspace(0, 1, 21):
                assert not classical.soft(np.full((*shape, 2), constant, np.float32), choice).any()


def test_the_threshold_is_otsus():
    from skimage.filters import threshold_otsu

    for seed in range(5):
        values = cv2.GaussianBlur(pictured(some_discs(seed), 0.6, 0.3, seed)[..., 0], (0, 0), 1)
        threshold, distance = classical.otsu(values)
        # two of 256 bins: each takes another point of a bin
        assert threshold == pytest.approx(threshold_otsu(values), abs=float(np.ptp(values)) / 128)
        upper = values >= threshold
        assert distance == pytest.approx(values[upper].mean() - values[~upper].mean())


pictures = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(1)))


@settings(deadline=None, max_examples=60)
@given(pictures, st.sampled_from(["bright 1", "dark 2", "rarer 1", "valley 2"]))
@example(np.array([[[0], [17]]], np.uint8).reshape(2, 1, 1), "dark 2")
def test_at_128_a_map_is_otsus_mask_and_higher_where_the_filter_is(picture, name):
    image = picture.astype(np.float32) / 255
    values = classical.CANDIDATES[name](image[..., 0])
    threshold, distance = classical.otsu(values)
    found = classical.soft(image, {"filter": name, "channel": 0, **OTSU})
    if np.ptp(picture) and distance:
        assert np.array_equal(found >= 128, values >= threshold)
        assert (found >= 128).any() and (found < 128).any()
    order = np.argsort(values, axis=None, kind="stable")
    assert (np.diff(found.ravel()[order].astype(int)) >= 0).all()


@settings(deadline=None, max_examples=60)
@given(pictures)
def test_the_negative_of_a_picture_swaps_bright_and_dark(picture):
    image = picture.astype(np.float32) / 255
    one, other = (classical.CANDIDATES[name] for name in ("dark 1", "bright 1"))
    assert np.allclose(one(image[..., 0]), other(1 - image[..., 0]), atol=1e-5)


# what a map of one class says


def test_a_map_of_one_class_is_the_answer_itself():
    soft = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)
    for task in (Binary(("salt",)), Volume(("tumour",))):
        answer = task.of_one(soft)
        assert answer.dtype == np.uint8 and np.array_equal(answer, soft[..., None])


@pytest.mark.parametrize("task", [MultiClass(("sky", "road")), MultiLabel(("a", "b", "c"))], ids=["class", "label"])
def test_several_classes_are_refused(task):
    with pytest.raises(UserError, match=f"finds one class, here are {len(task.classes)}") as error:
        task.of_one(np.zeros(SHAPE, np.uint8))
    assert "\n" not in str(error.value)


TASK = Instances(("nucleus",))
TOUCHING = {
    "two": [(30, 25, 10), (30, 43, 10)],
    "three": [(18, 30, 9), (34, 21, 9), (34, 39, 9)],
    "a large one and a small one": [(32, 30, 16), (32, 51, 7)],
    "cut by the edge": [(3, 30, 9), (3, 46, 9)],
    "apart, and a tiny one": [(20, 20, 6), (40, 50, 8), (25, 29, 1.5)],
}


@pytest.mark.parametrize("places", TOUCHING.values(), ids=TOUCHING)
def test_discs_that_touch_become_objects(places):
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distances = np.stack([np.hypot(rows - y, columns - x) / radius for y, x, radius in places])
    mask = distances.min(axis=0) <= 1
    truth = np.where(mask, distances.argmin(axis=0) + 1, 0).astype(np.uint16)[..., None]
    found = TASK.decode(TASK.of_one(np.where(mask, 200, 60).astype(np.uint8)), TASK.plain_thresholds())
    assert found.max() == len(places)
    metric = ObjectMetric("precision")
    assert metric.scores(metric.statistic(TASK, found, truth)) > 0.85


@pytest.mark.parametrize("angle", range(0, 180, 15))
def test_a_long_object_stays_one(angle):
    mask = cv2.ellipse(np.zeros((90, 90), np.uint8), (45, 45), (32, 8), angle, 0, 360, 1, -1) > 0
    assert parted(mask).max() == 1


def test_the_mask_of_objects_is_the_map_and_the_rest_is_their_target():
    soft = classical.soft(pictured(some_discs(5), 0.7, 0.3), {"filter": "rarer 1", "channel": 0, **OTSU})
    answer = TASK.of_one(soft)
    target = TASK.target(parted(soft >= 128)[..., None])
    assert answer.dtype == np.uint8 and np.array_equal(answer[..., 0], soft)
    assert np.array_equal(answer[..., 1:], target[..., 1:])
    assert np.array_equal(TASK.decode(answer, TASK.plain_thresholds())[..., 0] > 0, soft >= 128)


@settings(deadline=None, max_examples=80)
@given(arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24))))
def test_parts_cover_the_mask_and_lie_within_its_connected_parts(mask):
    numbers = parted(mask)
    assert numbers.dtype == np.uint16 and np.array_equal(numbers > 0, mask)
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    for number in np.unique(numbers[mask]):
        assert len(np.unique(parts[numbers == number])) <= 1 or _only_diagonal(numbers == number)


def _only_diagonal(mask: np.ndarray) -> bool:
    """One part by 8 neighbours, several by 4."""
    return cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] == 2


def test_nothing_and_everything_are_parted_too():
    assert not parted(np.zeros((9, 12), bool)).any()
    assert (parted(np.ones((9, 12), bool)) == 1).all()


def test_a_large_picture_takes_no_time_to_speak_of():
    random = np.random.default_rng(0)
    places = np.zeros((1040, 1388), np.uint8)
    for y, x in random.integers(0, (1040, 1388), (400, 2)):
        cv2.circle(places, (int(x), int(y)), 14, 255, -1)
    started = time.process_time()
    answer = TASK.of_one(places)
    # about a third of a second
    assert time.process_time() - started < 5
    assert 250 < parted(places > 0).max() < 500 and answer.shape == (1040, 1388, 3)
