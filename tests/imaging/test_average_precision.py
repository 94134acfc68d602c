"""Average precision: by hand, and against one that goes through its objects one by one."""

import numpy as np
import pytest

from pipeline.imaging.average_precision import average_precision, joined, ranked


def test_known_precisions():
    # the likeliest is right, then a wrong one, then a right one; a third true object is never found
    hits = np.array([[True], [True], [False]])
    scores = np.array([0.9, 0.3, 0.6])
    # recall to .33 with precision 1 (34 of 101 points), to .66 with 2/3 (33)
    assert average_precision(scores, hits, 3)[0] == pytest.approx((34 + 33 * 2 / 3) / 101)
    assert average_precision(scores[:0], hits[:0], 3)[0] == 0
    assert average_precision(scores[:2], hits[:2], 2)[0] == 1


def masks_of(numbers):
    return [numbers == k for k in np.unique(numbers) if k]


def boxed(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = np.zeros_like(mask)
    box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return box


def one_by_one(images, threshold, change):
    """The average precision of (found, truth, likely) at a threshold, straight from the definition."""
    entries, total = [], 0
    for found, truth, likely in images:
        true = [change(mask) for mask in masks_of(truth)]
        total += len(true)
        own = sorted(((likely[mask].mean(), change(mask)) for mask in masks_of(found)), key=lambda pair: -pair[0])
        taken = set()
        for score, mask in own:
            best, which = 0.0, None
            for k, other in enumerate(true):
                overlap = (mask & other).sum() / (mask | other).sum()
                if k not in taken and overlap >= threshold - 1e-9 and overlap > best:
                    best, which = overlap, k
            taken.add(which)
            entries.append((score, which is not None))
    entries.sort(key=lambda pair: -pair[0])
    right = np.cumsum([hit for _, hit in entries])
    precision, recall = right / np.arange(1, len(right) + 1), right / total
    reached = [precision[recall >= k / 100 - 1e-9] for k in range(101)]
    return np.mean([part.max() if len(part) else 0.0 for part in reached])


@pytest.mark.parametrize(("kind", "change"), [("masks", lambda mask: mask), ("boxes", boxed)])
def test_it_is_that_of_the_definition(kind, change):
    random = np.random.default_rng(8)
    images = []
    for _ in range(5):
        truth = np.zeros((40, 40), int)
        for k in range(1, 9):
            y, x = random.integers(0, 32, 2)
            truth[y : y + random.integers(4, 9), x : x + random.integers(4, 9)] = 3 * k
        found = np.roll(truth, random.integers(0, 2, 2), (0, 1))
        found[found == 3 * random.integers(1, 9)] = 0
        found[:3, :3] = 50
        images.append((found, truth, random.uniform(0, 1, truth.shape)))
    # nothing found, nothing true
    images.append((np.zeros((4, 4), int), np.eye(4, dtype=int), np.ones((4, 4))))
    images.append((np.eye(4, dtype=int), np.zeros((4, 4), int), np.ones((4, 4))))
    every = joined([ranked(*image) for image in images])
    found = average_precision(every.scores, getattr(every, kind), every.truth)
    wanted = [one_by_one(images, (10 + level) / 20, change) for level in range(10)]
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    assert 0 < found[-1] < found[0] < 1
