"""The decoding rule and the search for it: exact against decoding every image, known answers for the plateau."""

import json
from collections import deque
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.errors import UserError
from pipeline.imaging.metrics import (
    CountMetric,
    dice,
    iou,
    iou_of_present,
    precision_over_iou,
    standard_error,
    whole_set,
)
from pipeline.imaging.plateau import farthest_inside
from pipeline.tasks import scoring
from pipeline.tasks.binary import Binary
from pipeline.tasks.search import AREAS, GRID, OneClass, Sweep, count_levels
from pipeline.tasks.thresholds import Thresholds, level

METRIC = CountMetric("mean precision over IoU", precision_over_iou)
TASK = Binary(("salt",))
probability = st.one_of(st.floats(0, 1), st.integers(0, 255).map(lambda value: value / 255))
pictures = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=7),
    # few values: parts that hang together
    elements=st.sampled_from([0, 1, 63, 126, 127, 128, 129, 200, 254, 255]),
)


@pytest.mark.parametrize(
    ("threshold", "value"),
    [(0, 0), (1, 255), (0.5, 128), (0.63, 161), (0.55, 140), (0.001, 0), (0.002, 1), (1 / 510, 1), (0.998, 254)],
)
def test_known_levels(threshold, value):
    assert level(threshold) == value


def test_the_level_of_a_stored_value_is_that_value():
    assert [level(value / 255) for value in range(256)] == list(range(256))


def literal(thresholds: Thresholds, picture: np.ndarray, score: float | None) -> np.ndarray:
    """The file contract, pixel by pixel."""
    height, width = picture.shape
    top, bottom = (int((255 * value + 0.5) // 1) for value in (thresholds.top, thresholds.bottom))
    nothing = np.zeros((height, width), bool)
    confident = sum(int(value) >= top for value in picture.ravel())
    if confident < thresholds.min_area or (score is not None and score < thresholds.min_score):
        return nothing
    mask = [[int(picture[y, x]) >= bottom for x in range(width)] for y in range(height)]
    kept, seen = nothing.copy(), set()
    for start in ((y, x) for y in range(height) for x in range(width)):
        if start in seen or not mask[start[0]][start[1]]:
            continue
        part, waiting = [], deque([start])
        seen.add(start)
        while waiting:
            y, x = waiting.popleft()
            part.append((y, x))
            for there in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= there[0] < height and 0 <= there[1] < width
                if inside and there not in seen and mask[there[0]][there[1]]:
                    seen.add(there)
                    waiting.append(there)
        if len(part) >= thresholds.min_component:
            for place in part:
                kept[place] = True
    return kept


@settings(deadline=None, max_examples=300)
@given(
    pictures,
    st.builds(
        Thresholds,
        top=probability,
        bottom=probability,
        min_area=st.integers(0, 12),
        min_component=st.integers(0, 6),
        min_score=st.sampled_from([0.0, 0.3, 0.5]),
    ),
    st.sampled_from([None, 0.0, 0.3, 0.49, 0.5, 1.0]),
)
def test_a_mask_is_what_the_contract_says_pixel_by_pixel(picture, thresholds, score):
    mask = thresholds.mask(picture, score)
    assert mask.dtype == bool
    assert np.array_equal(mask, literal(thresholds, picture, score))


def test_exactly_min_area_pixels_at_exactly_the_top_level_are_enough():
    picture = np.array([[200, 200, 100, 99]], np.uint8)
    rule = Thresholds(top=200 / 255, min_area=2, bottom=100 / 255)
    assert rule.mask(picture).tolist() == [[True, True, True, False]]
    for stricter in ({"min_area": 3}, {"top": 201 / 255}):
        assert not Thresholds(**{**asdict(rule), **stricter}).mask(picture).any()


def test_min_area_counts_the_whole_mask_and_min_component_each_part():
    picture = np.array([[255, 0, 255, 255, 0, 255]], np.uint8)
    assert Thresholds(min_area=4).mask(picture).sum() == 4
    assert Thresholds(min_component=2).mask(picture).tolist() == [[False, False, True, True, False, False]]
    # the area is that before small parts are dropped
    assert Thresholds(min_area=4, min_component=2).mask(picture).sum() == 2


def test_parts_that_touch_at_a_corner_alone_are_two():
    picture = np.diag([255, 255, 255]).astype(np.uint8)
    assert not Thresholds(min_component=2).mask(picture).any()


@settings(deadline=None)
@given(st.builds(Thresholds, top=probability, bottom=probability, min_area=st.integers(0, 999), min_score=probability))
def test_a_rule_written_to_json_comes_back_at_full_precision(thresholds):
    assert Thresholds.from_json(json.loads(json.dumps(thresholds.to_json())), "x") == thresholds


def test_a_plain_rule_is_written_in_three_words():
    assert Thresholds().to_json() == {"top": 0.5, "min_area": 0, "bottom": 0.5}
    assert Thresholds.from_json({"top": 1, "min_area": 3, "bottom": 0, "min_score": 0.5}, "x").min_score == 0.5


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"topp": 0.5}, "topp"),
        ({"top": "0.5"}, "top is '0.5'"),
        ({"bottom": None}, "bottom is None"),
        ({"min_area": -1}, "min_area is -1"),
        ({"min_area": True}, "min_area is True"),
        ({"top": float("nan")}, "top is nan"),
        ({"min_area": float("inf")}, "min_area is inf"),
        ({"top": 63}, "top is 63"),  # per cent, or a level: nothing would ever be found
        ({"top": 0.5, "bottom": 1.5}, "bottom is 1.5"),
        ({"min_score": 2}, "min_score is 2"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_naming_the_file_and_the_field(content, says):
    with pytest.raises(UserError, match=says) as found:
        Thresholds.from_json(content, "thresholds.json")
    assert "thresholds.json" in str(found.value)


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(np.int32, st.tuples(st.integers(1, 8), st.integers(1, 8), st.just(1)), elements=st.integers(0, 3)),
    st.sampled_from([np.uint8, np.uint16, np.int32]),
)
def test_decoding_the_target_of_labels_gives_the_labels_back(labels, dtype):
    target = TASK.target(labels.astype(dtype))
    assert target.dtype == np.uint8 and target.shape == labels.shape
    for threshold in (1 / 255, 0.5, 1.0):
        decoded = TASK.decode(target, [Thresholds(top=threshold, bottom=threshold)])
        assert np.array_equal(decoded, (labels != 0).astype(np.uint8))
    assert np.array_equal(TASK.decode(target, TASK.plain_thresholds()), decoded)
    assert np.array_equal(list(TASK.masks(decoded)), (labels != 0)[None, ..., 0])
    assert TASK.coverage(labels) == pytest.approx(np.mean(labels != 0))


def blobs(count, seed=0, size=12):
    """(probabilities, truth) of pictures with a blob or none, sometimes wrong, with noise and ties."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    pairs = []
    for _ in range(count):
        y, x, radius = random.uniform(0, size), random.uniform(0, size), random.uniform(1, size / 2)
        distance = np.hypot(rows - y, columns - x) - radius
        truth = distance < 0 if random.random() < 0.7 else np.zeros((size, size), bool)
        signal = np.where(truth.any() or random.random() < 0.5, -60 * distance, -200)
        noisy = 128 + signal * random.uniform(0.2, 1) + random.normal(0, 40, (size, size))
        pairs.append((noisy.clip(0, 255).astype(np.uint8), truth.astype(np.uint8)))
    return pairs


@settings(deadline=None, max_examples=60)
@given(pictures, st.integers(0, 2**32 - 1))
def test_levels_are_counted_as_direct_counting_does(picture, seed):
    truth = np.random.default_rng(seed).integers(0, 3, picture.shape)
    counts = count_levels([(picture, truth), (picture.T, np.zeros_like(truth.T))])
    for value in range(256):
        chosen = picture >= value
        assert counts.area[:, value].tolist() == [chosen.sum(), chosen.sum()]
        assert counts.intersection[:, value].tolist() == [(chosen & (truth != 0)).sum(), 0]
    assert counts.truth.tolist() == [np.count_nonzero(truth), 0]
    assert counts.pixels.tolist() == [picture.size, picture.size]


def decoded_scores(pairs, rule, metric=METRIC):
    """What the rule really gives: every image decoded, then scored."""
    items = (("", picture[..., None], truth[..., None]) for picture, truth in pairs)
    return scoring.count(metric, TASK, items, [rule]).image_scores()


PAIRS = [*blobs(14), *blobs(6, seed=1, size=9)]
SWEEPS = {metric.name: Sweep(count_levels(PAIRS), metric) for metric in (METRIC, CountMetric("Dice", dice))}


@settings(deadline=None, max_examples=150)
@given(
    st.builds(Thresholds, top=probability, bottom=probability, min_area=st.integers(0, 90)),
    st.sampled_from(["Dice", METRIC.name]),
)
def test_the_scores_of_a_rule_are_those_of_really_decoding_every_image(rule, name):
    metric = METRIC if name == METRIC.name else CountMetric(name, dice)
    assert np.allclose(SWEEPS[name].scores(rule), decoded_scores(PAIRS, rule, metric), rtol=0, atol=1e-12)
    emptied = [not rule.mask(picture).any() for picture, _ in PAIRS]
    assert (SWEEPS[name].statistics(rule)[:, 1] == 0).tolist() == emptied


def test_the_task_makes_the_sweep_of_its_one_class():
    search = TASK.search(METRIC, [("", picture[..., None], truth[..., None]) for picture, truth in PAIRS])
    rule = Thresholds(top=0.6, min_area=5, bottom=0.4)
    assert np.array_equal(METRIC.scores(search.statistics([rule])), SWEEPS[METRIC.name].scores(rule))
    assert search.choose(np.arange(len(PAIRS))) == [SWEEPS[METRIC.name].choose(np.arange(len(PAIRS)))]


def test_a_metric_of_the_whole_set_is_searched_rule_by_rule():
    metric = CountMetric("Dice of all", dice, unit=whole_set)
    search = TASK.search(metric, [("", picture[..., None], truth[..., None]) for picture, truth in PAIRS])
    rows = np.arange(len(PAIRS))
    (rule,) = search.choose(rows)
    assert isinstance(search.searches[0], OneClass)
    both, found, truth = search.statistics([rule]).sum(axis=0)[0]
    plain = search.statistics([Thresholds()]).sum(axis=0)[0]
    assert 2 * both / (found + truth) >= 2 * plain[0] / (plain[1] + plain[2])
    assert {"surface0", "x0", "y0", "fields0", "titles0"} <= set(search.pictures(rows))


def test_a_class_that_is_nowhere_scores_one_in_the_search_too():
    empty = (np.zeros((5, 5), np.uint8), np.zeros((5, 5), np.uint8))
    metric = CountMetric("IoU of present", iou_of_present)
    sweep, plain = (Sweep(count_levels([*PAIRS, empty]), m) for m in (metric, CountMetric("IoU", iou)))
    rows = np.arange(len(PAIRS) + 1)
    assert np.array_equal(sweep.kept, plain.kept) and sweep.choose(rows) == plain.choose(rows)


def depth_in_a_row(plateau):
    """How many steps from each place to the nearest one outside; beyond both ends is outside."""
    outside = [-1, len(plateau), *(i for i, inside in enumerate(plateau) if not inside)]
    return [min(abs(i - other) for other in outside) for i in range(len(plateau))]


@pytest.mark.parametrize("seed", range(4))
def test_the_best_plain_threshold_is_that_of_brute_force(seed):
    pairs = blobs(9, seed)
    table = np.array([decoded_scores(pairs, Thresholds(top=v / 255, bottom=v / 255)) for v in range(1, 256)])
    means = table.mean(axis=1)
    losses = table - table[means.argmax()]
    plateau = [loss.mean() >= -loss.std() / 9**0.5 for loss in losses]
    depths = depth_in_a_row(plateau)
    middle = max(range(255), key=lambda i: (depths[i], means[i]))
    rule = Sweep(count_levels(pairs), METRIC).best_plain(np.arange(9))
    assert rule.min_area == 0 and rule.top == rule.bottom
    assert level(rule.bottom) == middle + 1
    assert plateau[middle]


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_scores_of_all_rules_are_those_of_each_rule(seed):
    pairs = blobs(7, seed)
    sweep = Sweep(count_levels(pairs), METRIC)
    rows = np.array([0, 2, 3, 6])
    means, squares, _ = sweep._moments(rows)
    assert means.shape == (len(GRID), len(sweep.areas), len(GRID))
    random = np.random.default_rng(seed)
    for _ in range(60):
        top, area, bottom = (int(random.integers(length)) for length in means.shape)
        if top < bottom:
            assert means[top, area, bottom] == -np.inf
            continue
        rule = Thresholds(top=GRID[top] / 255, min_area=int(sweep.areas[area]), bottom=GRID[bottom] / 255)
        scores = decoded_scores([pairs[row] for row in rows], rule)
        assert means[top, area, bottom] == pytest.approx(scores.mean())
        assert squares[top, area, bottom] == pytest.approx((scores**2).mean())


@pytest.mark.parametrize("seed", range(3))
def test_the_best_rich_rule_is_within_a_standard_error_of_the_best_of_all_rules(seed):
    sweep = Sweep(count_levels(blobs(12, seed)), METRIC)
    rows = np.arange(12)
    means = sweep._moments(rows)[0]
    best = sweep.scores(sweep._rule(np.unravel_index(means.argmax(), means.shape)))
    assert best.mean() == pytest.approx(means.max())
    loss = sweep.scores(sweep.best_rich(rows)) - best
    assert loss.mean() >= -loss.std() / 12**0.5 - 1e-9


def test_the_minimum_areas_tried_begin_with_none_and_grow_to_a_share_of_the_picture():
    areas = Sweep(count_levels([(np.zeros((101, 101), np.uint8), np.zeros((101, 101)))]), METRIC).areas
    assert areas[0] == 0 and areas[-1] == round(0.08 * 10201)
    assert (np.diff(areas) > 0).all() and len(areas) <= AREAS
    # a picture of one pixel
    assert Sweep(count_levels([(np.zeros((1, 1), np.uint8), np.zeros((1, 1)))]), METRIC).areas.tolist() == [0, 4]


@pytest.mark.parametrize(
    ("plateau", "means", "index"),
    [
        ("..###..", "0000000", 3),
        ("..####.", "0012300", 4),  # two in the middle: the better one
        ("..####.", "0021000", 3),
        ("#####", "00000", 2),  # beyond both ends is outside
        ("#####", "90000", 2),
        ("####..", "900000", 1),
        ("##....", "120000", 1),
        ("#.###.#", "9000009", 3),  # the widest, not the best
        ("###.###", "0000050", 5),
        ("...#...", "0001000", 3),
        ("#", "0", 0),
    ],
)
def test_the_middle_of_a_plateau_in_a_row(plateau, means, index):
    plateau = np.array([letter == "#" for letter in plateau])
    assert farthest_inside(plateau, np.array([float(digit) for digit in means])) == index


def test_the_middle_of_a_plateau_in_two_and_three_dimensions():
    plateau = np.zeros((9, 9), bool)
    plateau[1:6, 2:9] = True
    means = np.zeros((9, 9))
    means[3, 4] = 1
    assert farthest_inside(plateau, means) == (3, 4)
    means[3, 6] = 2
    assert farthest_inside(plateau, means) == (3, 6)
    # (3, 7) is two steps from the edge of the grid, three rows deep or not
    means[3, 7] = 3
    assert farthest_inside(plateau, means) == (3, 6)
    cube = np.ones((3, 5, 3), bool)
    means = np.zeros((3, 5, 3))
    means[1, 3, 1] = 1
    assert farthest_inside(cube, means) == (1, 3, 1)


def noisy_and_sure(noisy: int, sure: int):
    """Empty pictures with a false speck as sure as the truth of the others is: only a minimum area parts them."""
    speck, nothing = np.zeros((30, 30), np.uint8), np.zeros((30, 30), np.uint8)
    speck[:3, :3] = 230
    block, truth = np.zeros((30, 30), np.uint8), np.zeros((30, 30), np.uint8)
    block[5:25, 5:25], truth[5:25, 5:25] = 230, 1
    return [(speck, nothing)] * noisy + [(block, truth)] * sure


def test_a_minimum_area_is_chosen_where_it_gains_more_than_a_standard_error():
    sweep = Sweep(count_levels(noisy_and_sure(12, 28)), METRIC)
    rule = sweep.choose(np.arange(40))
    assert 9 < rule.min_area <= 400
    assert sweep.scores(rule).mean() == 1
    assert sweep.scores(sweep.best_plain(np.arange(40))).mean() == pytest.approx(0.7)


def test_the_richer_rule_is_not_chosen_where_it_gains_nothing():
    sweep = Sweep(count_levels(noisy_and_sure(0, 20)), METRIC)
    rule = sweep.choose(np.arange(20))
    assert rule.min_area == 0 and rule.top == rule.bottom
    # any level up to 230 is perfect
    assert sweep.scores(rule).mean() == 1
    assert level(rule.bottom) in (115, 116)


def test_the_rule_is_chosen_by_the_rows_it_is_given_alone():
    sweep = Sweep(count_levels(noisy_and_sure(12, 28)), METRIC)
    assert sweep.choose(np.arange(12, 40)).min_area == 0
    assert sweep.choose(np.array([0, 1, 2, 20, 21])).min_area > 9


def test_one_lucky_image_is_no_reason_for_the_richer_rule():
    sweep = Sweep(count_levels(noisy_and_sure(1, 39)), METRIC)
    everything = np.arange(40)
    gain = sweep.scores(sweep.best_rich(everything)) - sweep.scores(sweep.best_plain(everything))
    assert gain.mean() == pytest.approx(1 / 40) == pytest.approx(standard_error(gain))
    two = Sweep(count_levels(noisy_and_sure(2, 38)), METRIC)
    assert two.choose(everything).min_area > 9


def test_a_gain_within_one_group_alone_is_no_reason_for_the_richer_rule():
    # 12 images of one patient gain 1 each: .3 in the mean; standard error .07 over images, .42 over two patients
    counts = count_levels(noisy_and_sure(12, 28))
    groups = np.array(["a"] * 12 + ["b"] * 28, dtype=object)
    everything = np.arange(40)
    assert Sweep(counts, METRIC).choose(everything).min_area > 9
    assert Sweep(counts, METRIC, groups).choose(everything).min_area == 0
    # spread over the patients it is one
    spread = np.array(["a", "b", "c", "d"] * 10, dtype=object)
    assert Sweep(counts, METRIC, spread).choose(everything).min_area > 9


def test_pictures_for_the_report_show_the_mean_scores():
    sweep, rows = SWEEPS[METRIC.name], np.arange(len(PAIRS))
    assert sweep.curve(rows)[99] == pytest.approx(sweep.scores(Thresholds(top=100 / 255, bottom=100 / 255)).mean())
    pictures = sweep.pictures(rows)
    surface = pictures["surface"]
    assert pictures["fields"].tolist() == ["top", "min_area"]
    assert surface.shape == (len(GRID), len(sweep.areas))
    rules = [Thresholds(top=GRID[50] / 255, min_area=int(sweep.areas[3]), bottom=low / 255) for low in GRID[:51]]
    assert surface[50, 3] == pytest.approx(max(sweep.scores(rule).mean() for rule in rules))


def test_iou_is_swept_as_any_formula_of_counts_is():
    sweep = Sweep(count_levels(PAIRS), CountMetric("IoU", iou))
    rule = Thresholds(top=0.7, min_area=6, bottom=0.3)
    assert np.allclose(sweep.scores(rule), decoded_scores(PAIRS, rule, CountMetric("IoU", iou)))
