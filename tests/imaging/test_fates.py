"""What became of objects: cases by hand, and a slow literal count."""

import numpy as np
import pytest

from pipeline.imaging.fates import COUNTS, DOUBLE, INVENTED, MATCHED, MERGED, MISSED, PART, SPLIT, fates


def line(*runs: tuple[int, int]) -> np.ndarray:
    """1 x n: (number, pixels) after each other."""
    return np.repeat([number for number, _ in runs], [pixels for _, pixels in runs])[None]


CASES = {
    "found": (line((1, 9), (0, 9)), line((7, 8), (0, 10)), [MATCHED], [MATCHED]),
    "missed": (line((0, 9)), line((7, 9)), [MISSED], []),
    "invented": (line((3, 9)), line((0, 9)), [], [INVENTED]),
    "two in one": (line((1, 20)), line((4, 10), (5, 10)), [MERGED, MERGED], [PART]),
    "two in one, of which one is most": (line((1, 20)), line((4, 15), (5, 5)), [MATCHED, MERGED], [MATCHED]),
    "in two": (line((1, 10), (2, 10)), line((4, 20)), [SPLIT], [PART, PART]),
    "seen twice": (line((1, 12), (2, 8)), line((4, 20)), [MATCHED], [MATCHED, DOUBLE]),
    "a piece of it": (line((1, 6), (0, 14)), line((4, 20)), [MISSED], [PART]),
    "pieces of it": (line((1, 3), (0, 5), (2, 3), (0, 9)), line((4, 20)), [MISSED], [PART, PART]),
    "much too large": (line((1, 30)), line((0, 20), (4, 10)), [MISSED], [INVENTED]),
    "nothing at all": (line((0, 9)), line((0, 9)), [], []),
}


@pytest.mark.parametrize(("found", "truth", "of_truth", "of_found"), CASES.values(), ids=CASES)
def test_what_became_of_each(found, truth, of_truth, of_found):
    seen = fates(found, truth)
    assert (seen.truth.tolist(), seen.found.tolist()) == (of_truth, of_found)


def slow(found: np.ndarray, truth: np.ndarray) -> tuple[list[int], list[int]]:
    """The definitions, object by object."""
    mine = [found == number for number in sorted(set(found.ravel().tolist()) - {0})]
    theirs = [truth == number for number in sorted(set(truth.ravel().tolist()) - {0})]

    def matches(one, other):
        return 2 * (one & other).sum() > (one | other).sum()

    def half_of(one, other):
        return 2 * (one & other).sum() >= one.sum()

    def of_true(true):
        if any(matches(one, true) for one in mine):
            return MATCHED
        if any(half_of(true, one) and sum(half_of(other, one) for other in theirs) > 1 for one in mine):
            return MERGED
        pieces = [one for one in mine if half_of(one, true)]
        return SPLIT if len(pieces) > 1 and half_of(true, np.any(pieces, axis=0)) else MISSED

    of_truth = [of_true(true) for true in theirs]

    def of_one(one):
        if any(matches(one, true) for true in theirs):
            return MATCHED
        inside = {fate == MATCHED for true, fate in zip(theirs, of_truth, strict=True) if half_of(one, true)}
        return PART if False in inside else DOUBLE if inside else INVENTED

    return of_truth, [of_one(one) for one in mine]


@pytest.mark.parametrize("seed", range(40))
def test_any_two_maps_as_a_slow_count_has_them(seed):
    random = np.random.default_rng(seed)
    found, truth = np.zeros((2, 24, 28), np.int32)
    for numbers in (found, truth):
        for number in range(1, int(random.integers(1, 12))):
            top, left, height, width = random.integers([0, 0, 2, 2], [20, 24, 14, 14])
            numbers[top : top + height, left : left + width] = 10 * number
    seen = fates(found, truth)
    assert (seen.truth.tolist(), seen.found.tolist()) == slow(found, truth)
    counts = dict(zip(COUNTS, seen.counts().tolist(), strict=True))
    assert counts["true"] == len(seen.truth) == sum(counts[name] for name in ("matched", "merged", "split", "missed"))
    assert counts["found"] == len(seen.found) and counts["double"] == seen.found.tolist().count(DOUBLE)
    assert counts["invented"] == seen.found.tolist().count(INVENTED)
