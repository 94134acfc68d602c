"""Every kind of answer passes the same tests: labels to target and back, rows and back, counts, the search, a tally."""

import itertools

import numpy as np
import pytest

from pipeline.imaging import rle
from pipeline.imaging.metrics import CountMetric, dice, each_group, iou, iou_of_present, precision_over_iou, whole_set
from pipeline.imaging.objects import ObjectMetric
from pipeline.tasks import scoring
from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances
from pipeline.tasks.multiclass import MultiClass
from pipeline.tasks.multilabel import MultiLabel
from pipeline.tasks.scoring import Tally
from pipeline.tasks.volume import Volume, largest_part

HEIGHT, WIDTH = 40, 56


def discs(random, count: int, empty: float = 0.0) -> np.ndarray:
    """H x W numbers: `count` discs of a few pixels, apart or touching; nothing at all for a share of the pictures."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint16)
    if random.random() < empty:
        return labels
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for number in range(1, count + 1):
        y, x, radius = random.uniform(6, HEIGHT - 6), random.uniform(6, WIDTH - 6), random.uniform(4, 6)
        disc = np.hypot(rows - y, columns - x) < radius
        # a little may lie behind another, so that they touch; a sliver is no object
        if (disc & (labels != 0)).sum() < 0.15 * disc.sum():
            labels[disc & (labels == 0)] = number
    return np.searchsorted(np.unique(labels), labels).astype(np.uint16)


def one_layer(random):
    return (discs(random, 3, empty=0.3) > 0).astype(np.uint8)[..., None]


def class_numbers(random):
    labels = (discs(random, 5) % 3).astype(np.uint8)[..., None]
    labels[:3] = 255
    return labels


def layers(random):
    return np.stack([discs(random, 2, empty=0.5) > 0 for _ in range(3)], axis=-1).astype(np.uint8)


def objects(random):
    return discs(random, 7, empty=0.1)[..., None]


def one_part(random):
    labels = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    labels[10:20, 12:30] = 1
    return labels


KINDS = {
    "binary": (Binary(("salt",)), CountMetric("precision", precision_over_iou), one_layer),
    "binary, a score per group": (Binary(("salt",)), CountMetric("Dice", dice, unit=each_group), one_layer),
    "multiclass": (MultiClass(("a", "b", "c"), void=255), CountMetric("IoU", iou_of_present, whole_set), class_numbers),
    "multilabel": (MultiLabel(("a", "b", "c")), CountMetric("Dice", dice), layers),
    "instances": (Instances(("nucleus",)), ObjectMetric("precision of objects"), objects),
    "volume": (Volume(("tumour",)), CountMetric("Dice of volumes", dice, unit=each_group), one_part),
}


@pytest.fixture(params=KINDS, ids=lambda name: name)
def kind(request):
    return KINDS[request.param]


def some(kind, count: int = 12):
    """(groups, labels) of images in groups of three."""
    random = np.random.default_rng(4)
    return [f"g{i // 3}" for i in range(count)], [kind[2](random) for _ in range(count)]


def same(task, found: np.ndarray, labels: np.ndarray) -> bool:
    """Equal, objects up to their numbers."""
    if found.max() <= 1 or task.void is not None or task.layers > 1:
        return np.array_equal(found, labels)
    pairs = {(a, b) for a, b in zip(found.ravel().tolist(), labels.ravel().tolist(), strict=True)}
    return len(pairs) == len(np.unique(found)) == len(np.unique(labels)) and found.shape == labels.shape


def test_decoding_the_target_gives_the_labels_back(kind):
    task = kind[0]
    for labels in some(kind)[1]:
        target = task.target(labels)
        assert target.dtype == np.uint8 and target.shape == (HEIGHT, WIDTH, task.outputs)
        decoded = task.decode(target, task.plain_thresholds())
        assert decoded.shape == (HEIGHT, WIDTH, task.layers)
        assert same(task, decoded, labels)


def test_rows_and_back(kind):
    task = kind[0]
    for labels in some(kind)[1]:
        texts = task.texts(labels)
        assert len(texts) >= 1
        runs = rle.parse_many(texts)
        rle.check_runs(*runs, np.full(len(texts), HEIGHT * WIDTH))
        assert np.array_equal(task.read_back([texts], (HEIGHT, WIDTH))[0], labels)


def test_the_rows_of_several_images_are_those_of_each(kind):
    task, labels = kind[0], np.stack(some(kind)[1])
    texts = task.texts_of_each(labels)
    assert texts == [task.texts(one) for one in labels]
    assert np.array_equal(task.read_back(texts, (HEIGHT, WIDTH)), labels)


def test_counts_are_those_of_the_masks(kind):
    task, (_, all_labels) = kind[0], some(kind)
    for found, labels in itertools.pairwise(all_labels):
        known = labels[..., 0] != (task.void if task.void is not None else -1)
        wanted = []
        for mask, truth in zip(task.masks(found), task.masks(labels), strict=True):
            wanted.append([(mask & truth & known).sum(), (mask & known).sum(), (truth & known).sum()])
        assert task.counts(found, labels).tolist() == wanted
        assert task.wrong(labels, labels) == 0 and 0 <= task.coverage(labels) <= 1


def noisy(task, labels: np.ndarray, random) -> np.ndarray:
    target = task.target(labels).astype(float)
    return np.clip(0.7 * target + 30 + random.normal(0, 25, target.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def searched(kind):
    task, metric, _ = kind
    groups, labels = some(kind, 18)
    random = np.random.default_rng(5)
    items = [(g, noisy(task, truth, random), truth) for g, truth in zip(groups, labels, strict=True)]
    groups = np.array(groups, dtype=object)
    return task, metric, items, groups, task.search(metric, iter(items), groups)


def test_the_search_counts_what_decoding_with_its_rule_gives(searched):
    task, metric, items, groups, search = searched
    rules = search.choose(np.arange(len(items)))
    assert len(rules) == len(task.classes)
    counted = Tally(metric, search.statistics(rules), groups)
    decoded = scoring.count(metric, task, items, rules, groups)
    assert np.array_equal(counted.statistics, decoded.statistics)
    plain = Tally(metric, search.statistics(task.plain_thresholds()), groups)
    assert 0.2 < plain.score() <= counted.score() + plain.error() <= 2
    assert all(isinstance(array, np.ndarray) for array in search.pictures(np.arange(len(items))).values())


def test_the_search_chooses_by_the_rows_it_is_given(searched):
    _, _, items, _, search = searched
    for rows in (np.arange(9), np.arange(9, len(items)), np.arange(3)):
        assert search.choose(rows) == search.choose(rows)
        assert search.statistics(search.choose(rows)).shape[0] == len(items)


def test_what_a_rule_does_is_said_in_words(kind):
    assert kind[0].in_words(kind[0].plain_thresholds()[0]).endswith(".")


def test_void_is_neither_learnt_nor_scored():
    task = MultiClass(("a", "b"), void=255)
    labels = np.array([[[0], [1], [255], [1]]], np.uint8)
    assert task.target(labels)[0].tolist() == [[255, 0], [0, 255], [0, 0], [0, 255]]
    found = np.array([[[0], [0], [1], [1]]], np.uint8)
    assert task.counts(found, labels).tolist() == [[1, 2, 1], [1, 1, 2]]
    assert task.wrong(found, labels) == pytest.approx(1 / 3)


def test_a_class_that_is_favoured_wins_where_it_is_nearly_likeliest():
    task = MultiClass(("a", "b"))
    answer = np.array([[[140, 115], [200, 55]]], np.uint8)
    a, b = task.plain_thresholds()
    assert task.decode(answer, [a, b])[..., 0].tolist() == [[0, 0]]
    favoured = type(b)(top=0.35, bottom=0.35)
    assert task.decode(answer, [a, favoured])[..., 0].tolist() == [[1, 0]]
    assert "1.43 times" in task.in_words(favoured)


def test_of_a_volume_the_largest_part_is_kept_across_its_slices():
    task = Volume(("tumour",))
    small, large = np.zeros((9, 9, 1), np.uint8), np.zeros((9, 9, 1), np.uint8)
    small[7:, 7:], large[1:3, 1:4] = 255, 255
    both = np.maximum(small, large)
    answers = [("p", both), ("p", large), ("q", small), ("", small), ("", small)]
    found = [labels[..., 0] * 255 for labels in task.decoded(answers, task.plain_thresholds())]
    wanted = [large, large, small, small, small]
    assert all(np.array_equal(one, other[..., 0]) for one, other in zip(found, wanted, strict=True))
    assert not largest_part(np.zeros((2, 3, 3), bool)).any()


def test_a_tally_is_scored_by_its_unit():
    statistics = np.array([[[1, 2, 2]], [[0, 0, 0]], [[3, 4, 6]], [[0, 2, 0]]])
    groups = np.array(["a", "a", "b", "b"], dtype=object)
    each = Tally(CountMetric("Dice", dice), statistics, groups)
    assert each.score() == pytest.approx((0.5 + 1 + 0.6 + 0) / 4)
    volumes = Tally(CountMetric("Dice", dice, unit=each_group), statistics, groups)
    assert volumes.score() == pytest.approx((2 / 4 + 6 / 12) / 2)
    whole = Tally(CountMetric("Dice", dice, unit=whole_set), statistics, groups)
    assert whole.score() == pytest.approx(8 / 16)
    assert whole.image_scores().tolist() == each.image_scores().tolist()
    assert [int(t.units().max()) + 1 for t in (each, volumes, whole)] == [4, 2, 1]


def test_a_class_that_is_nowhere_takes_no_part_in_a_mean():
    metric = CountMetric("IoU", iou_of_present, unit=whole_set)
    tally = Tally(metric, np.array([[[2, 4, 2], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]))
    assert tally.score() == pytest.approx(0.5)
    assert tally.by_class()[0] == pytest.approx(0.5) and np.isnan(tally.by_class()[1])
    nothing = Tally(metric, np.zeros((1, 2, 3), int))
    assert nothing.score() == 1


def test_standard_errors_are_over_independent_parts():
    random = np.random.default_rng(0)
    statistics = random.integers(1, 50, (40, 1, 3))
    statistics[..., 0] = np.minimum(statistics[..., 1], statistics[..., 2]) // 2
    metric = CountMetric("IoU", iou)
    scores = metric.scores(statistics)
    alone = Tally(metric, statistics)
    assert alone.error() == pytest.approx(scores.std(ddof=1) / np.sqrt(40))
    # four copies of each image in a group are no more evidence than one
    fours = Tally(metric, np.repeat(statistics, 4, axis=0), np.repeat([f"g{i}" for i in range(40)], 4))
    assert fours.error() == pytest.approx(alone.error())
    groups = np.array([f"g{i // 10}" for i in range(40)], dtype=object)
    volumes = Tally(CountMetric("IoU", iou, unit=each_group), statistics, groups)
    of_groups = metric.scores(statistics.reshape(4, 10, 1, 3).sum(axis=1))
    assert volumes.error() == pytest.approx(of_groups.std(ddof=1) / 2)
    # the jackknife, literally: the whole set scored with each group left out
    whole = Tally(CountMetric("IoU", iou, unit=whole_set), statistics, groups)
    left = [metric.scores(np.delete(statistics, range(10 * g, 10 * g + 10), axis=0).sum(axis=0)) for g in range(4)]
    assert whole.error() == pytest.approx(np.sqrt(3 / 4 * ((np.array(left) - np.mean(left)) ** 2).sum()))
    assert Tally(metric, statistics[:1]).error() == 0
    gain, error = scoring.gain(alone, alone)
    assert gain == 0 and error == 0
