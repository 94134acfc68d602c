"""Weights of runs: planted ones are found, noise is not believed, and nothing is chosen by what it is scored on."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.imaging.metrics import CountMetric, dice
from pipeline.runs import blending
from pipeline.runs.tuning import OutOfFold
from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances

TASK, METRIC = Binary(("a",)), CountMetric("Dice", dice)
RANDOM = np.random.default_rng(3)


def planted(noises: list[float], count: int = 60, shared: float = 0.0) -> tuple[list[np.ndarray], np.ndarray]:
    """(answers of each run, truth): a blurred truth, with noise of its own in each run and some that all share."""
    y, x = np.mgrid[:24, :24]
    middle, radius = RANDOM.uniform(6, 18, (count, 2)), RANDOM.uniform(4, 9, count)
    distance = np.hypot(y - middle[:, :1, None], x - middle[:, 1:, None])
    truth = distance < radius[:, None, None]
    common = RANDOM.normal(0, shared, truth.shape) if shared else 0
    found = [0.5 + 0.1 * (radius[:, None, None] - distance) + common + RANDOM.normal(0, s, truth.shape) for s in noises]
    return [np.rint(255 * np.clip(one, 0, 1)).astype(np.uint8)[..., None] for one in found], truth[..., None]


def trials(answers: list[np.ndarray], truth: np.ndarray, folds: int = 5) -> blending.Trials:
    def data(weights) -> OutOfFold:
        items = (("", blending.mixed([one[i] for one in answers], weights), truth[i]) for i in range(len(truth)))
        return OutOfFold(
            ids=[str(i) for i in range(len(truth))],
            coverage=truth.mean((1, 2, 3)),
            folds=np.arange(len(truth)) % folds,
            search=TASK.search(METRIC, items),
            plain=TASK.plain_thresholds(),
            unflipped=None,
            metric=METRIC,
            groups=None,
        )

    return blending.Trials(len(answers), data)


def share(weights) -> np.ndarray:
    return np.array(weights) / sum(weights)


def test_planted_weights_are_found():
    """Of independent noise the best weights go as one over its variance: .8 and .2, .9 and .1."""
    for ratio, wanted in ((2, 0.8), (3, 0.9)):
        found = blending.choose(trials(*planted([0.25, 0.25 * ratio])))
        assert found.kept is found.weighted
        assert share(found.weighted.weights)[0] == pytest.approx(wanted, abs=0.1001)
        gain, error = found.gains["weights", "the plain mean"]
        assert gain > error > 0


def test_a_run_that_knows_nothing_gets_nothing():
    answers, truth = planted([0.3, 0.3])
    nothing = RANDOM.integers(0, 256, answers[0].shape, np.uint8)
    found = blending.choose(trials([*answers, nothing], truth))
    assert found.weighted.weights[2] == 0 and found.kept is found.weighted
    assert found.single.weights[2] == 0


def test_runs_that_are_alike_are_averaged_plainly():
    kept = [blending.choose(trials(*planted([0.3, 0.3, 0.3], count=40))) for _ in range(4)]
    assert sum(one.kept is one.mean for one in kept) >= 3
    assert kept[0].mean.weights == (1, 1, 1)
    gain, error = kept[0].gains["the plain mean", "the best single run"]
    assert gain > error


def test_the_same_run_twice_gains_nothing():
    (one,), truth = planted([0.3])
    found = blending.choose(trials([one, one], truth))
    assert found.gains["weights", "the plain mean"] == (0, 0) and found.kept is found.mean


def test_each_mixture_is_read_once():
    answers, truth = planted([0.3, 0.5], count=20)
    counted, read = trials(answers, truth), []
    counted.each = lambda: read.append(1)
    blending.choose(counted)
    assert len(read) == len(counted._found) <= 2 * blending.STEPS
    counted.of((2, 4))
    assert len(read) == len(counted._found), "(2, 4) is (1, 2)"


def test_weights_of_a_part_do_not_know_its_labels():
    """Other labels in one part change what was chosen for the others, never what was chosen for it."""
    answers, truth = planted([0.3, 0.6], count=30)
    before = blending.choose(trials(answers, truth))
    other = truth.copy()
    other[::5] = ~other[::5]
    after = blending.choose(trials(answers, other))
    assert after.weighted.apart[0] == before.weighted.apart[0]
    assert after.single.apart[0] == before.single.apart[0]


def test_each_image_has_the_weights_that_were_chosen_without_it():
    """So the run that a blend becomes is scored on what its weights were not chosen on, too."""
    answers, truth = planted([0.3, 0.6], count=30)
    tried = trials(answers, truth)
    found = blending.choose(tried)
    apart = [(3, 1), (2, 1), (3, 1), (1, 0), (5, 2)]
    given = blending.of_images(tried, replace(found.weighted, apart=apart), 30)
    assert given == [apart[i % 5] for i in range(30)]
    alone = trials(*planted([0.3, 0.9], count=1))
    assert blending.of_images(alone, blending.choose(alone).mean, 1) == [(1, 1)]


def test_one_unit_has_no_error_and_keeps_the_plain_mean():
    answers, truth = planted([0.3, 0.9], count=1)
    found = blending.choose(trials(answers, truth))
    assert found.kept is found.mean and found.gains == {} and found.mean.cross_fitted is None


def test_a_mean_is_rounded_to_nearest():
    pictures = [np.array([[0, 1, 255, 7]], np.uint8), np.array([[1, 2, 255, 200]], np.uint8)]
    assert blending.mixed(pictures, (1, 1)).tolist() == [[1, 2, 255, 104]]
    assert blending.mixed(pictures, (3, 1)).tolist() == [[0, 1, 255, 55]]
    assert blending.mixed(pictures, (0, 1)).tolist() == pictures[1].tolist()
    ones = [np.full((1, 1), value, np.uint8) for value in (255, 0, 255)]
    assert blending.mixed(ones, (1, 1, 1)).item() == round(255 * 2 / 3)


def test_objects_are_voted_for_pixel_by_pixel():
    """Numbers of objects are never averaged: two of three runs part what touches, and find what one misses."""
    task = Instances()
    whole = np.zeros((20, 30, 1), np.uint16)
    whole[4:16, 2:12], whole[4:16, 12:22], whole[2:8, 24:29] = 1, 2, 3
    merged = np.where(whole == 2, 1, whole).astype(np.uint16)
    missed = np.where(whole == 3, 0, whole).astype(np.uint16)
    other_numbers = np.array([0, 9, 4, 7], np.uint16)[whole]
    maps = [task.target(one) for one in (other_numbers, merged, missed)]
    voted = task.decode(blending.mixed(maps, (1, 1, 1)), task.plain_thresholds())
    assert np.array_equal(voted, task.decode(task.target(whole), task.plain_thresholds()))
