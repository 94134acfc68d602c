"""Scores of counted objects: the organisers' texts taken literally, object by object, and known answers."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

from pipeline.imaging.metrics import whole_set
from pipeline.imaging.object_counts import ObjectCountMetric, average_precision, object_f1, object_f2
from pipeline.imaging.objects import ObjectMetric
from tests.imaging.test_objects import THRESHOLDS, objects, pairs_of_maps, square

TASK = None  # what an object metric is given and does not ask


def literal(found, truth, thresholds, score) -> float:
    """Objects one by one at each threshold, and the mean of their scores."""
    found, truth = list(objects(found).values()), list(objects(truth).values())
    scores = []
    for t in thresholds:
        hits = sum(any(Fraction(len(a & b), len(a | b)) > t for b in truth) for a in found)
        scores.append(score(hits, len(found) - hits, len(truth) - hits))
    return float(sum(scores) / len(scores))


def of_airbus(hits, invented, missed):
    """The evaluation page's F2; where no ship is and none is found an image is right."""
    total = 5 * hits + 4 * missed + invented
    return Fraction(5 * hits, total) if total else Fraction(1)


def of_dsb(hits, invented, missed):
    return Fraction(hits, hits + invented + missed) if hits + invented + missed else Fraction(1)


def of_f1(hits, invented, missed):
    return Fraction(2 * hits, 2 * hits + invented + missed) if hits + invented + missed else Fraction(1)


@settings(max_examples=200)
@given(pairs_of_maps())
def test_objects(pair):
    found, truth = pair
    for formula, score in ((object_f2, of_airbus), (average_precision, of_dsb), (object_f1, of_f1)):
        for chosen in (range(10), [2], [0, 5], [9]):
            metric = ObjectCountMetric("m", formula, thresholds=[0.5 + 0.05 * k for k in chosen])
            statistic = metric.statistic(TASK, found[..., None], truth[..., None])
            wanted = literal(found, truth, [THRESHOLDS[k] for k in chosen], score)
            assert metric.scores(statistic) == pytest.approx(wanted, abs=1e-12)


@given(pairs_of_maps())
def test_at_all_thresholds_the_precision_is_that_of_dsb(pair):
    statistic = ObjectMetric("m").statistic(TASK, pair[0][..., None], pair[1][..., None])
    assert ObjectCountMetric("m").scores(statistic) == pytest.approx(float(ObjectMetric("m").scores(statistic)))


@pytest.mark.parametrize(
    ("found", "truth", "score"),
    [
        (square(), square(), 1),
        (square((0, 0)), square(), 0),
        (square(), square((0, 0)), 0),
        # one of two is missed, one of two is invented
        (square((0, 0)), square((0, 0), (20, 20)), 5 / 9),
        (square((0, 0), (20, 20)), square((0, 0)), 5 / 6),
        # touching, but apart: both are found
        (square((0, 0), (0, 10)), square((0, 0), (0, 10)), 1),
        # touching, found as one of twice the size: IoU .5 is not above .5
        (square((0, 0), (0, 10)) > 0, square((0, 0), (0, 10)), 0),
    ],
)
def test_known_scores_of_ships(found, truth, score):
    metric = ObjectCountMetric("F2", object_f2)
    assert metric.scores(metric.statistic(TASK, np.asarray(found, int), truth)) == pytest.approx(score)


def test_objects_of_the_whole_set_are_counted_together():
    metric = ObjectCountMetric("AP at .6", average_precision, thresholds=(0.6,), unit=whole_set)
    pairs = [(square((0, 0)), square((0, 0))), (square(), square((0, 0), (20, 20))), (square(), square())]
    total = sum(metric.statistic(TASK, *pair) for pair in pairs)
    assert metric.unit(None, 3).tolist() == [0, 0, 0] and metric.scores(total) == pytest.approx(1 / 3)


@pytest.mark.parametrize("thresholds", [(), (0.62,), (0.5, 1.0), (0.45,)])
def test_a_threshold_at_which_nothing_is_counted_is_refused(thresholds):
    with pytest.raises(ValueError, match=r"among \.5"):
        ObjectCountMetric("m", thresholds=thresholds)
