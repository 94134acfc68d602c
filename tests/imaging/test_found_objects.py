"""Objects by size and best IoU, against a slow literal count."""

from fractions import Fraction

import numpy as np
import pytest

from pipeline.imaging import fates, found_objects
from pipeline.imaging.objects import matches


def slow(one: np.ndarray, other: np.ndarray) -> dict:
    """(class of size, step of IoU) -> how many objects of `one`."""
    counts: dict[tuple[int, int], int] = {}
    for number in set(one.ravel().tolist()) - {0}:
        mine = one == number
        best = Fraction(0)
        for name in set(other.ravel().tolist()) - {0}:
            theirs = other == name
            best = max(best, Fraction(int((mine & theirs).sum()), int((mine | theirs).sum())))
        step = next(k for k in range(21) if best <= Fraction(k, 20))
        size = max(k for k, least in enumerate(found_objects.SIZES) if mine.sum() >= least)
        counts[size, step] = counts.get((size, step), 0) + 1
    return counts


def maps(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two maps of rectangles, the second like the first but moved, with numbers that are far apart."""
    rng = np.random.default_rng(seed)
    truth, found = np.zeros((2, 30, 34), np.int32)
    for number in range(1, int(rng.integers(0, 9)) + 1):
        top, left, height, width = rng.integers(0, 22, 2).tolist() + rng.integers(1, 11, 2).tolist()
        truth[top : top + height, left : left + width] = number
        if rng.random() < 0.8:
            down, right = rng.integers(0, 3, 2)
            found[top + down : top + height, left + right : left + width + 1] = 100 * number
    return found, truth


@pytest.mark.parametrize("seed", range(25))
def test_objects_are_counted_as_a_slow_count_does(seed):
    found, truth = maps(seed)
    fast = found_objects.counted(found, truth)
    for table, pair in ((fast.truth, (truth, found)), (fast.found, (found, truth))):
        places = zip(*np.nonzero(table), strict=True)
        assert {(int(k), int(j)): int(table[k, j]) for k, j in places} == slow(*pair)


@pytest.mark.parametrize("seed", range(25))
def test_what_is_above_a_step_is_what_the_metric_matches(seed):
    found, truth = maps(seed)
    fast, by_metric = found_objects.counted(found, truth), matches(found, truth)[0]
    for level in range(10):
        hits = int(fast.truth[:, 11 + level :].sum())
        false, missed = (int(table[:, : 11 + level].sum()) for table in (fast.found, fast.truth))
        assert [hits, false, missed] == by_metric[level].tolist()
    fate = fates.fates(found, truth)
    hit_found = fates.those(found, fate.found == fates.MATCHED)
    hit_true = fates.those(truth, fate.truth == fates.MATCHED)
    assert len(set(truth[hit_true].tolist())) == len(set(found[hit_found].tolist())) == by_metric[0, 0]
    # whole objects
    for numbers, hit in ((found, hit_found), (truth, hit_true)):
        assert all(len(set(hit[numbers == number].tolist())) == 1 for number in set(numbers.ravel().tolist()) - {0})


def test_an_iou_at_a_limit_is_no_match():
    truth, found = np.zeros((2, 4, 40), np.uint16)
    truth[0, :20], found[0, :11] = 1, 1
    table = found_objects.counted(found, truth).truth
    assert np.argwhere(table).tolist() == [[2, 11]]  # 11/20 = .55: above .5, not above .55
    found[0, 10] = 0
    assert np.argwhere(found_objects.counted(found, truth).truth).tolist() == [[2, 10]]


def test_without_objects_nothing_is_counted():
    nothing, one = np.zeros((2, 5, 5), np.uint16)
    one[2, 2] = 9
    assert not any(table.any() for table in found_objects.counted(nothing, nothing))
    missed, invented = found_objects.counted(nothing, one), found_objects.counted(one, nothing)
    assert missed.truth[0, 0] == invented.found[0, 0] == 1 and not missed.found.any() and not invented.truth.any()
