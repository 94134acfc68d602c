"""Telling test pictures from train pictures: known answers, slow literal areas, and what is kept."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from pipeline.competition import RawData, RawImage
from pipeline.errors import UserError
from pipeline.runs import dataset_shift
from pipeline.store import disk
from tests.reporting.example_runs import competition, job_of, square


def slow_area(values, is_test, folds) -> float:
    """The mean over test images of the share of train images of their fold that they are above; a tie is a half."""
    places = []
    for value, fold in zip(values[is_test], folds[is_test], strict=True):
        others = values[(folds == fold) & ~is_test]
        if len(others):
            places.append(np.mean([(value > other) + 0.5 * (value == other) for other in others]))
    return float(np.mean(places))


def alone(count: int) -> np.ndarray:
    return np.array([f"g{i}" for i in range(count)])


@pytest.mark.parametrize("seed", range(6))
def test_the_area_is_a_slow_count_of_pairs(seed):
    rng = np.random.default_rng(seed)
    values, is_test, folds = rng.integers(0, 6, 40) / 5, rng.random(40) < 0.4, rng.integers(0, 3, 40)
    area, _ = dataset_shift.area_under(values, is_test, folds, alone(40))
    assert area == pytest.approx(slow_area(values, is_test, folds))


def test_the_standard_error_is_that_of_samples():
    """Over many samples of two overlapping distributions the areas vary by what each of them says of itself."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(400):
        is_test = np.arange(90) < 30
        values = rng.normal(is_test * 0.8)
        found.append(dataset_shift.area_under(values, is_test, np.zeros(90, int), alone(90)))
    areas, errors = np.array(found).T
    assert errors.mean() == pytest.approx(areas.std(), rel=0.1)
    assert areas.mean() == pytest.approx(0.714, abs=0.01)  # the normal distribution's at .8 / sqrt 2


def test_images_of_one_group_are_no_evidence_of_their_own():
    rng = np.random.default_rng(4)
    is_test, values = np.arange(30) < 10, rng.normal(size=30)
    one = dataset_shift.area_under(values, is_test, np.zeros(30, int), alone(30))
    ten = [np.repeat(part, 10) for part in (values, is_test, np.zeros(30, int), alone(30))]
    assert dataset_shift.area_under(*ten) == pytest.approx(one)
    assert dataset_shift.area_under(*ten[:3], alone(300))[1] < one[1] / 2


def test_groups_are_never_split_and_each_fold_leaves_some_of_both_parts():
    rng = np.random.default_rng(5)
    for count in (5, 9, 60):
        groups = rng.integers(0, count, 200)
        groups[:count] = np.arange(count)
        is_test = (groups % 2 == 0) if count > 9 else (rng.random(200) < 0.3) | (groups == 0)
        folds = dataset_shift._folds(is_test, groups)
        assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
        assert all(len(set(is_test[folds != fold])) == 2 for fold in set(folds))


def test_what_is_darker_or_brighter_is_told_apart_and_noise_is_not():
    rng = np.random.default_rng(6)
    is_test = np.arange(200) < 80
    noise = rng.normal(size=(200, 4))
    both_ways = noise.copy()
    both_ways[is_test, 0] += np.where(rng.random(80) < 0.5, -4, 4)
    areas = []
    for features in (noise, both_ways):
        test_like, folds = dataset_shift.classified(features, is_test, alone(200))
        assert (test_like >= 0).all() and (test_like <= 1).all()
        areas.append(dataset_shift.area_under(test_like, is_test, folds, alone(200))[0])
    assert areas[0] < 0.62 and areas[1] > 0.95


def shift_job(tmp_path, brighter: int, tests=24, train=30, group=""):
    """A competition whose test pictures are brighter by so much."""
    chosen = competition(train=train, tests=[square(6)] * tests)
    images = []
    for raw in chosen.read(None).images:
        more = brighter if raw.part == "test" else 0
        images.append(RawImage(raw.id, raw.part, lambda raw=raw, more=more: raw.image() + np.uint8(more), raw.labels))
        if raw.part == "train" and group:
            images[-1] = replace(images[-1], group=group)
    return job_of(tmp_path, replace(chosen, read=lambda raw: RawData(images)))


def test_brighter_test_pictures_are_told_and_kept(tmp_path, monkeypatch):
    job = shift_job(tmp_path, brighter=15)
    found = dataset_shift.of(job)
    assert found.auc > 0.95 and found.is_large and "AUC" in found.warning() and found.telling[0][1] > 0.9
    likeness = [value for _, value in found.least_like_train()]
    assert likeness == sorted(likeness, reverse=True) and len(likeness) == 24
    assert found.sure == [name for name, value in found.least_like_train() if value > 0.9]
    monkeypatch.setattr(dataset_shift, "found_in", lambda *_: pytest.fail("computed again"))
    again = dataset_shift.of(job)
    assert dataset_shift.is_known(job) and again.auc == found.auc
    assert np.allclose(again.test_like, found.test_like, atol=1e-4) and again.ids == found.ids


def test_pictures_drawn_alike_are_no_reason_to_warn(tmp_path):
    found = dataset_shift.of(shift_job(tmp_path, brighter=0))
    assert found.auc < dataset_shift.LIMIT and found.warning() is None and found.left_out == {"train": 0, "test": 0}


def test_of_many_pictures_evenly_spaced_ones_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset_shift, "MOST", 20)
    found = dataset_shift.of(shift_job(tmp_path, brighter=15))
    assert found.left_out == {"train": 10, "test": 4} and len(found.ids) == 40
    assert {found.ids[0], found.ids[19]} == {"t00", "t29"}


def test_nothing_is_said_of_too_few_images_or_groups_or_without_a_test_part(tmp_path):
    for folder, options, why in (
        ("none", {"tests": 0}, ""),
        ("few", {"tests": 5}, "the test part has 5 images"),
        ("one", {"group": "drive"}, "of 1 group(s)"),
    ):
        job = shift_job(tmp_path / folder, brighter=15, **options)
        assert dataset_shift.of(job) is None and dataset_shift.is_known(job)
        assert why in dataset_shift.why_not(job.prepared) and bool(why) == bool(dataset_shift.why_not(job.prepared))
        assert not job.store.dataset_shift.exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content.pop("auc"),
        lambda content: content.update(auc="high"),
        lambda content: content.update(ids=["another"] * 54),
        lambda content: content["test_like"].pop(),
        lambda content: content.update(telling=[]),
        lambda content: content.update(telling=[["mean"]]),
    ],
)
def test_a_spoilt_file_is_refused(shifted, spoil):
    job, content = shifted
    disk.write_json(job.store.dataset_shift, spoiled := {**content, "test_like": list(content["test_like"])})
    spoil(spoiled)
    disk.write_json(job.store.dataset_shift, spoiled)
    with pytest.raises(UserError, match="delete it to have it made again"):
        dataset_shift.of(job)


@pytest.fixture(scope="module")
def shifted(tmp_path_factory):
    job = shift_job(tmp_path_factory.mktemp("shifted"), brighter=15)
    dataset_shift.of(job)
    return job, disk.read_json(job.store.dataset_shift)


def test_pictures_of_other_values_are_looked_at_as_they_are_seen(tmp_path):
    """16 bits, half of them without data: looked at as 0..1, and as one network or the other sees them."""
    chosen = competition(train=4, dtype=np.uint16, channels=5)
    images = chosen.read(None).images
    job = job_of(tmp_path, replace(chosen, read=lambda raw: RawData(images, nodata=0)))
    numbers = [dataset_shift.look(job.prepared, row) for row in range(4)]
    assert all(np.isfinite(found).all() and len(found) == len(numbers[0]) for found in numbers)
    assert list(itertools.islice(numbers[0], 2)) == [np.log2(24)] * 2
