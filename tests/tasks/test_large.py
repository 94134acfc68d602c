"""A task of large pictures answers as `Binary` does, whatever the height of its bands."""

import numpy as np
import pytest

from pipeline.imaging.metrics import CountMetric, dice, whole_set
from pipeline.tasks import large, scoring
from pipeline.tasks.binary import Binary
from pipeline.tasks.large import Large
from pipeline.tasks.thresholds import Thresholds

PLAIN, PARTS = Binary(("thing",)), Large(("thing",))
SHAPES = [(31, 17), (1, 40), (23, 1), (8, 8), (12, 33), (5, 7)]
RULES = [
    Thresholds(),
    Thresholds(0.8, 30, 0.3),
    Thresholds(0.99, 400, 0.5),
    Thresholds(0.6, 3, 0.6),
    Thresholds(0.5, 0, 0.5, min_component=3),
]


@pytest.fixture(params=[1, 50, 1 << 22], autouse=True)
def _bands(request, monkeypatch):
    monkeypatch.setattr(large, "AT_ONCE", request.param)


@pytest.fixture
def items():
    random = np.random.default_rng(1)
    found = []
    for i, shape in enumerate(SHAPES):
        labels = (random.random((*shape, 1)) < 0.1 * i).astype(np.uint8)
        noisy = np.clip(200 * labels + random.integers(-90, 140, labels.shape), 0, 255).astype(np.uint8)
        found.append((f"g{i // 2}", noisy, labels))
    return found


@pytest.mark.parametrize("rule", RULES)
def test_it_decodes_counts_and_writes_the_same(items, rule):
    for _, probabilities, labels in items:
        one, other = (task.decode(probabilities, [rule]) for task in (PARTS, PLAIN))
        assert one.dtype == other.dtype and np.array_equal(one, other)
        assert np.array_equal(PARTS.counts(one, labels), PLAIN.counts(one, labels))
        assert PARTS.wrong(one, labels) == PLAIN.wrong(one, labels)
        assert PARTS.texts(one) == PLAIN.texts(one)
        assert PARTS.coverage(one) == PLAIN.coverage(one) and np.array_equal(PARTS.target(one), PLAIN.target(one))


def test_the_labels_of_a_text_are_those_it_was_made_of(items):
    for _, _, labels in items:
        assert np.array_equal(PARTS.read_back([PARTS.texts(labels)], labels.shape[:2])[0], labels)


@pytest.mark.parametrize("metric", [CountMetric("Dice", dice), CountMetric("of all", dice, whole_set)])
@pytest.mark.parametrize("grouped", [True, False])
def test_it_finds_the_same_thresholds(items, metric, grouped):
    groups = np.array([group for group, _, _ in items]) if grouped else None
    one, other = (task.search(metric, items, groups) for task in (PARTS, PLAIN))
    rows = np.arange(len(items))
    assert one.choose(rows) == other.choose(rows)
    for rule in RULES[:4]:
        assert np.array_equal(one.statistics([rule]), other.statistics([rule]))
        counted = scoring.count(metric, PARTS, items, [rule], groups)
        assert np.array_equal(counted.statistics, one.statistics([rule]))
