"""What is wrong in an answer, for every kind of answer, against slow literal counts."""

import numpy as np
import pytest

from pipeline.imaging import calibration
from pipeline.tasks import mistakes
from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances
from pipeline.tasks.multiclass import MultiClass
from pipeline.tasks.multilabel import MultiLabel
from pipeline.tasks.shares import Shares
from pipeline.tasks.volume import Volume

STREET = MultiClass(("sky", "road", "car"), void=255)
TASKS = (
    Binary(("salt",)),
    Binary(("membrane",), objects_are=0),
    Volume(("tumour",)),
    Shares(("contrail",)),
    MultiLabel(("a", "b")),
    Instances(("nucleus",)),
    STREET,
)
BY_NAME = [f"{type(task).__name__} {task.classes[0]}" for task in TASKS]


def example(task, seed=0):
    """Labels of squares, and probabilities near their target: (labels, probabilities, decoded)."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((26, 24, task.layers), np.uint16 if task.objects else np.uint8)
    last = 255 if isinstance(task, Shares) else 2 if task.classes == STREET.classes else 1
    for number in range(1, 6):
        top, left = rng.integers(0, 20, 2)
        labels[top : top + 6, left : left + 5, number % task.layers] = number if task.objects else last
    if task.void is not None:
        labels[3:5] = task.void
    target = task.target(labels).astype(int)
    probabilities = (target * 0.6 + rng.integers(0, 103, target.shape)).astype(np.uint8)
    return labels, probabilities, task.decode(probabilities, task.plain_thresholds())


def masks(task, labels) -> list[np.ndarray]:
    return list(task.masks(labels))


@pytest.mark.parametrize("task", TASKS, ids=BY_NAME)
def test_what_is_promised_is_what_a_slow_count_gives(task):
    labels, probabilities, decoded = example(task)
    said, promised = mistakes.promised(task, probabilities, decoded, labels)
    assert said.shape == (len(task.classes), calibration.BINS, 3) and promised.shape == (len(task.classes), 3)
    counted = [[labels[y, x, 0] != task.void for x in range(24)] for y in range(26)]
    assert np.array_equal(mistakes.known(task, labels), counted)
    for k, (true, found) in enumerate(zip(masks(task, labels), masks(task, decoded), strict=True)):
        slow, bins = np.zeros(3), np.zeros((calibration.BINS, 3), int)
        for y, x in np.argwhere(counted):
            p = probabilities[y, x, k] / 255
            slow += [p * found[y, x], found[y, x], p]
            bins[min(int(p * calibration.BINS), calibration.BINS - 1)] += [1, true[y, x], probabilities[y, x, k]]
        assert promised[k] == pytest.approx(slow)
        assert np.array_equal(said[k], bins)


@pytest.mark.parametrize("task", TASKS, ids=BY_NAME)
def test_probabilities_that_are_certain_promise_what_is_seen(task):
    labels, _, _ = example(task)
    certain = task.target(labels)
    # what is right, and what is wrong in a part
    answer = np.roll(labels, 2, axis=0)
    for decoded in (labels, answer):
        _, promised = mistakes.promised(task, certain, decoded, labels)
        if not task.objects:
            assert promised == pytest.approx(task.counts(decoded, labels))
        wrong = mistakes.expected_wrong(task, promised, int(mistakes.known(task, labels).sum()))
        lost = mistakes.known(task, labels) & ~mistakes.known(task, decoded) if task.void is not None else None
        # void in an answer is no class: wrong, but no pixel of any other class
        assert wrong == pytest.approx(task.wrong(decoded, labels), abs=0 if lost is None else lost.mean() * 1.2)


def test_confusion_is_a_slow_count_without_void():
    labels, _, decoded = example(STREET)
    decoded[7, 3:6] = 255
    slow = np.zeros((3, 4), int)
    for true, found in zip(labels.ravel(), decoded.ravel(), strict=True):
        if true != 255:
            slow[true, min(found, 3)] += 1
    table = mistakes.confusion(STREET, decoded, labels)
    assert np.array_equal(table, slow) and table[:, 3].sum() > 0
    both, _, truth = STREET.counts(decoded, labels).T
    assert np.array_equal(np.diagonal(table), both) and np.array_equal(table.sum(axis=1), truth)


@pytest.mark.parametrize("task", TASKS[:-1], ids=BY_NAME[:-1])
def test_where_classes_may_overlap_nothing_is_confused_and_objects_are_counted(task):
    labels, _, decoded = example(task)
    assert mistakes.confusion(task, decoded, labels) is None
    found = mistakes.objects(task, labels, labels)
    assert len(found) == len(task.classes)
    assert all(entry.truth.sum() == entry.truth[:, 20].sum() > 0 for entry in found)


def test_a_street_has_no_objects():
    labels, _, decoded = example(STREET)
    assert mistakes.objects(STREET, decoded, labels) == []


def test_cells_are_what_lies_between_membranes():
    labels = np.ones((9, 9, 1), np.uint8)
    labels[1:4, 1:4] = labels[5:8, 5:8] = 0
    found = [mistakes.objects(task, labels, labels)[0].truth.sum() for task in TASKS[:2]]
    assert found == [1, 2]


def test_mistakes_of_masks_lie_where_they_are():
    truth, found = np.zeros((2, 1, 4, 1), np.uint8)
    truth[0, 1:3], found[0, 2:4] = 1, 1
    codes = mistakes.mistake_map(Binary(("salt",)), found, truth, 0)
    assert codes.tolist() == [[mistakes.RIGHT_EMPTY, mistakes.MISSED, mistakes.RIGHT, mistakes.INVENTED]]


def test_mistakes_of_objects_are_whole_objects():
    truth, found = np.zeros((2, 8, 20, 1), np.uint16)
    truth[:, 0:4], found[:, 0:3] = 1, 9  # IoU .75
    truth[:, 6:8] = 2
    found[:, 10:12] = 3
    truth[:, 14:18], found[:, 17:20] = 4, 5  # IoU 1/6
    codes = mistakes.mistake_map(Instances(), found, truth, 0)
    none, right, missed, invented, other = range(5)
    line = [right] * 4 + [none] * 2 + [missed] * 2 + [none] * 2 + [invented] * 2 + [none] * 2
    assert codes[0].tolist() == [*line, missed, missed, missed, other, invented, invented]
    assert (codes == codes[0]).all()


def test_an_object_that_is_found_twice_is_said_so():
    truth, found = np.zeros((2, 2, 12, 1), np.uint16)
    truth[:, 0:10] = 4
    found[:, 0:7], found[:, 7:10], found[:, 11:12] = 1, 2, 3
    codes = mistakes.mistake_map(Instances(), found, truth, 0)
    assert codes[0].tolist() == [mistakes.RIGHT] * 7 + [mistakes.TWICE] * 3 + [mistakes.RIGHT_EMPTY, mistakes.INVENTED]
    assert mistakes.fates_of(Instances(), found, truth).tolist() == [1, 1, 0, 0, 0, 3, 1, 1]
    assert mistakes.fates_of(Binary(("salt",)), found, truth) is None
