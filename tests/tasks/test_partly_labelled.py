"""One class in pictures that are labelled in part, against loops over pixels: what is not labelled never counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.imaging.metrics import CountMetric, dice, each_group, each_image, whole_set
from pipeline.tasks.binary import Binary
from pipeline.tasks.candidates import Candidates
from pipeline.tasks.partly_labelled import LEVELS, PartlyLabelled
from pipeline.tasks.thresholds import Thresholds

TASK = PartlyLabelled(("surface",))
PLAIN = [Thresholds()]
LABELS = arrays(np.uint8, (3, 4, 1), elements=st.integers(0, 2))


@settings(max_examples=50, deadline=None)
@given(LABELS, arrays(np.uint8, (3, 4, 1)))
def test_counts_and_shares_are_those_of_a_loop_over_what_is_labelled(labels, probabilities):
    decoded = TASK.decode(probabilities, PLAIN)
    pairs = [(int(a), int(b)) for a, b in zip(decoded.ravel(), labels.ravel(), strict=True) if b != 2]
    both, found, true = sum(a and b for a, b in pairs), sum(a for a, _ in pairs), sum(b for _, b in pairs)
    assert TASK.counts(decoded, labels).tolist() == [[both, found, true]]
    wrong = sum(a != b for a, b in pairs) / len(pairs) if pairs else 0.0
    assert TASK.wrong(decoded, labels) == pytest.approx(wrong, abs=1e-12)
    assert TASK.coverage(labels) == true / 12 and TASK.filled(labels).sum() == true
    assert next(TASK.masks(labels)).sum() == true and (TASK.apart(labels) != 0).sum() == true
    assert np.array_equal(TASK.known(labels)[..., 0], labels[..., 0] != 2)
    assert TASK.target(labels).tolist() == np.where(labels == 1, 255, 0).tolist()


@given(LABELS, LABELS)
def test_what_is_not_labelled_may_be_answered_in_any_way(labels, others):
    decoded = np.where(labels == 2, others % 2, labels).astype(np.uint8)
    both, found, true = TASK.counts(decoded, labels)[0]
    assert both == found == true and TASK.wrong(decoded, labels) == 0


def examples(count=12, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, (count, 6, 7, 1)).astype(np.uint8)
    noisy = random.integers(0, 256, labels.shape) * 0.6 + 90 * (labels == 1)
    groups = np.array([f"g{i // 3}" for i in range(count)], object)
    return labels, noisy.astype(np.uint8), groups


@pytest.mark.parametrize("unit", [whole_set, each_group, each_image])
@pytest.mark.parametrize("rows", [range(12), range(3, 12), [0, 1, 2]])
def test_levels_are_chosen_as_candidates_of_every_image_are(unit, rows):
    labels, probabilities, groups = examples()
    metric, rows = CountMetric("Dice", dice, unit), np.array(rows)
    search = TASK.search(metric, zip(groups, probabilities, labels, strict=True), groups)
    rules = [[Thresholds() if level == 128 else Thresholds(level / 255, 0, level / 255)] for level in LEVELS]
    counted = [
        [TASK.counts(TASK.decode(p, rule), t) for p, t in zip(probabilities, labels, strict=True)] for rule in rules
    ]
    slow = Candidates(rules, np.array(counted), metric, groups)
    assert search.choose(rows) == slow.choose(rows)
    for number in (0, 99, 127, 254):
        assert np.array_equal(search.statistics(rules[number]), slow.statistics(rules[number]))
    scores = [slow._tally(number, rows).score() for number in range(255)]
    assert search.pictures(rows)["curve0"] == pytest.approx(np.array(scores), abs=1e-12)


def test_without_groups_every_image_stands_alone():
    labels, probabilities, _ = examples()
    metric = CountMetric("Dice", dice, whole_set)
    search = TASK.search(metric, zip([""] * 12, probabilities, labels, strict=True))
    assert search.choose(np.arange(12)) and search.statistics(PLAIN).shape == (12, 1, 3)


def test_where_all_is_labelled_it_is_binary():
    labels, probabilities, _ = examples()
    labels %= 2
    for one, truth in zip(probabilities, labels, strict=True):
        decoded = TASK.decode(one, PLAIN)
        assert np.array_equal(TASK.counts(decoded, truth), Binary(("surface",)).counts(decoded, truth))
        assert np.array_equal(TASK.target(truth), Binary(("surface",)).target(truth))
