"""Labels that are the share of the people who marked a pixel."""

import numpy as np
import pytest

from pipeline.imaging.metrics import CountMetric, dice, whole_set
from pipeline.tasks.binary import Binary
from pipeline.tasks.shares import HALF, Shares, share_of
from pipeline.tasks.thresholds import Thresholds

TASK = Shares(("contrail",))
PLAIN = [Thresholds()]


@pytest.mark.parametrize("people", [*range(1, 40), 100, 254, 255])
def test_a_label_is_above_a_half_if_and_only_if_more_than_half_marked(people):
    marked = np.arange(people + 1)
    share = share_of(marked, people)
    assert np.array_equal(share > HALF, 2 * marked > people)
    assert np.abs(share / 255 - marked / people).max() < 1 / 255
    assert share[0] == 0 and share[-1] == 255


def test_what_is_learnt_is_the_share_and_what_is_decoded_is_the_majority():
    labels = share_of(np.arange(7).reshape(1, 7, 1), 6)
    assert np.array_equal(TASK.target(labels), labels)
    decoded = TASK.decode(TASK.target(labels), PLAIN)
    assert decoded[..., 0].tolist() == [[0, 0, 0, 0, 255, 255, 255]]
    assert np.array_equal(TASK.decode(TASK.target(decoded), PLAIN), decoded)


def test_a_binary_task_of_the_majority_counts_scores_and_writes_the_same():
    random = np.random.default_rng(0)
    labels = random.integers(0, 256, (9, 11, 1)).astype(np.uint8)
    probabilities = random.integers(0, 256, (9, 11, 1)).astype(np.uint8)
    plain, majority = Binary(("contrail",)), (labels > HALF).astype(np.uint8)
    decoded, other = TASK.decode(probabilities, PLAIN), plain.decode(probabilities, PLAIN)
    assert np.array_equal(TASK.counts(decoded, labels), plain.counts(other, majority))
    assert TASK.wrong(decoded, labels) == plain.wrong(other, majority)
    assert TASK.coverage(labels) == plain.coverage(majority)
    assert np.array_equal(TASK.filled(labels), plain.filled(majority))
    assert np.array_equal(TASK.apart(labels), plain.apart(majority))
    assert TASK.texts(decoded) == plain.texts(other) and TASK.texts(labels) == plain.texts(majority)


def test_labels_come_back_from_their_run_lengths():
    decoded = TASK.decode(np.random.default_rng(1).integers(0, 256, (9, 11, 1)).astype(np.uint8), PLAIN)
    texts = TASK.texts(decoded)
    assert np.array_equal(TASK.read_back([texts], (9, 11))[0], decoded)


def test_thresholds_are_searched_for_the_majority():
    random = np.random.default_rng(2)
    labels = [random.integers(0, 256, (16, 16, 1)).astype(np.uint8) for _ in range(6)]
    metric = CountMetric("Dice", dice, whole_set)
    shifted = [np.clip(one.astype(int) // 2, 0, 255).astype(np.uint8) for one in labels]
    rows = np.arange(6)
    found = TASK.search(metric, [("", *pair) for pair in zip(shifted, labels, strict=True)]).choose(rows)
    plain = [(one > HALF).astype(np.uint8) for one in labels]
    wanted = Binary(("a",)).search(metric, [("", *pair) for pair in zip(shifted, plain, strict=True)]).choose(rows)
    assert found == wanted and found[0].bottom < 0.3


def test_a_page_outlines_what_is_scored():
    from pipeline.reporting.shared import pictures

    labels = share_of(np.arange(7).reshape(1, 7, 1), 6)
    assert pictures.things(labels, TASK).tolist() == [[False] * 4 + [True] * 3]
    assert np.array_equal(
        pictures.things((labels > HALF).astype(np.uint8), Binary(("a",))), pictures.things(labels, TASK)
    )
