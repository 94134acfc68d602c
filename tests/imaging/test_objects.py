"""Objects and their matches: the competition's text taken literally, known answers, run lengths object by object."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.imaging import rle
from pipeline.imaging.objects import ObjectMetric, encode_labels, matches, overlaps, paint_runs, stretches

METRIC = ObjectMetric("objects")
THRESHOLDS = [Fraction(50 + 5 * step, 100) for step in range(10)]  # .5, .55 … .95, exact
SHAPES = st.tuples(st.integers(1, 8), st.integers(1, 9))


def maps(draw, shape):
    """A random map: small blocks of one number, so that some objects overlap well; numbers small, huge or negative."""
    numbers = draw(st.sampled_from([(0, 1, 2, 3), (0, 7, 40000, 2**40), (-5, 0, 65535)]))
    coarse = draw(arrays(np.int64, (3, 3), elements=st.sampled_from(numbers)))
    rows, columns = (np.arange(length) * 3 // length for length in shape)
    labels = coarse[np.ix_(rows, columns)]
    for _ in range(draw(st.integers(0, 3))):
        labels[draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))] = draw(st.sampled_from(numbers))
    return labels


@st.composite
def pairs_of_maps(draw):
    shape = draw(SHAPES)
    truth = maps(draw, shape)
    found = truth.copy() if draw(st.booleans()) else maps(draw, shape)
    found[draw(st.integers(0, shape[0] - 1)) :, draw(st.integers(0, shape[1] - 1))] = draw(st.sampled_from([0, 1, 2]))
    return found, truth


def objects(labels):
    pixels = {}
    for row, column in np.ndindex(labels.shape):
        if labels[row, column]:
            pixels.setdefault(int(labels[row, column]), set()).add((row, column))
    return pixels


def literal(found, truth, smallest=0):
    """The evaluation page, word by word: loops over objects and thresholds. (score, (TP, FP, FN) at each t)."""
    found = [pixels for pixels in objects(found).values() if len(pixels) >= smallest]
    truth = list(objects(truth).values())
    table = []
    for t in THRESHOLDS:
        hits = sum(any(Fraction(len(a & b), len(a | b)) > t for b in truth) for a in found)
        table.append([hits, len(found) - hits, len(truth) - hits])
    if not found and not truth:
        return 1.0, table
    return float(sum(Fraction(row[0], sum(row)) for row in table) / 10), table


@settings(max_examples=300)
@given(pairs_of_maps())
def test_statistics_and_scores_equal_the_literal_reading(pair):
    found, truth = pair
    score, table = literal(found, truth)
    statistic = METRIC.statistic(None, found[..., None], truth[..., None])
    assert statistic.dtype == np.int64 and statistic.tolist() == table
    assert METRIC.scores(statistic) == pytest.approx(score, abs=1e-12)
    assert METRIC.is_empty(statistic) == (not found.any())


@given(pairs_of_maps(), st.lists(st.integers(0, 30), min_size=1, max_size=5))
def test_several_minimum_areas_at_once(pair, smallest):
    statistics = matches(*pair, smallest)
    assert statistics.tolist() == [literal(*pair, area)[1] for area in smallest]


@given(pairs_of_maps())
def test_overlaps_are_those_of_the_objects(pair):
    table = overlaps(*pair)
    found, truth = (sorted(objects(labels).items()) for labels in pair)
    assert table.found_areas.tolist() == [len(pixels) for _, pixels in found]
    assert table.truth_areas.tolist() == [len(pixels) for _, pixels in truth]
    wanted = [(i, j, len(a & b)) for i, (_, a) in enumerate(found) for j, (_, b) in enumerate(truth) if a & b]
    assert list(zip(*(column.tolist() for column in table[:3]), strict=True)) == wanted


def test_stretches_end_where_either_map_changes():
    one, other = np.array([[0, 0, 2], [2, 2, 2]]), np.array([[7, 7, 7], [7, 8, 8]])
    assert [values.tolist() for values in stretches(one)] == [[0, 2], [2, 4]]
    assert [values.tolist() for values in stretches(one, other)] == [[0, 2, 4], [2, 2, 2]]
    assert [values.tolist() for values in stretches(one[:0])] == [[], []]


def test_a_picture_of_single_pixels():
    """More pairs are possible than any table could hold."""
    labels = np.arange(300 * 300).reshape(300, 300) % 65536
    table = overlaps(labels, labels[::-1])
    assert len(table.found_areas) == 65535 and table.intersection.sum() == np.count_nonzero(labels * labels[::-1])


def square(*corners, side=10, shape=(40, 40)):
    labels = np.zeros(shape, np.uint16)
    for number, (top, left) in enumerate(corners, start=1):
        labels[top : top + side, left : left + side] = number
    return labels[..., None]


@pytest.mark.parametrize(
    ("found", "truth", "score"),
    [
        (square(), square(), 1),
        (square((0, 0)), square(), 0),
        (square(), square((0, 0)), 0),
        (square((0, 0), (20, 20)), square((20, 20), (0, 0)), 1),
        # one of two: TP 1, FN 1 at every t
        (square((0, 0)), square((0, 0), (20, 20)), 1 / 2),
        # an invented one beside: TP 1, FP 1
        (square((0, 0), (20, 20)), square((0, 0)), 1 / 2),
        # 80 of 120 pixels: IoU 2/3 is above .5, .55, .6 and .65
        (square((2, 0)), square((0, 0)), 4 / 10),
        # 90 of 110: .818 is above seven
        (square((0, 1)), square((0, 0)), 7 / 10),
    ],
)
def test_known_answers(found, truth, score):
    assert METRIC.scores(METRIC.statistic(None, found, truth)) == pytest.approx(score)


def test_an_overlap_of_exactly_the_threshold_is_no_match():
    truth, found = np.zeros((1, 20, 1), int), np.zeros((1, 20, 1), int)
    truth[:, :20], found[:, :17] = 1, 1
    # IoU .85, which in floating point is less than .5 + .05 * 7
    assert METRIC.statistic(None, found, truth)[:, 0].tolist() == [1] * 7 + [0] * 3
    found[:, 10:] = 0
    assert METRIC.statistic(None, found, truth)[:, 0].tolist() == [0] * 10


def test_scores_keep_the_leading_axes():
    statistics = matches(square((0, 0))[..., 0], square((1, 0))[..., 0], [0, 50, 101])
    assert METRIC.scores(statistics[None]).shape == (1, 3)
    assert METRIC.is_empty(statistics).tolist() == [False, False, True]
    assert METRIC.unit(None, 3).tolist() == [0, 1, 2] and METRIC.overlap(statistics) is None


label_maps = SHAPES.flatmap(lambda shape: arrays(np.uint16, shape, elements=st.sampled_from([0, 0, 1, 2, 300])))


@given(label_maps)
def test_run_lengths_are_those_of_each_mask_and_paint_the_map_again(labels):
    numbers = [number for number in np.unique(labels).tolist() if number]
    texts = encode_labels(labels)
    assert texts == [rle.encode(labels == number) for number in numbers]
    painted = paint_runs(*rle.parse_many(texts), labels.shape)
    assert painted.dtype == np.uint16
    assert np.array_equal(painted, np.searchsorted([0, *numbers], labels))
