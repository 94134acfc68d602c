"""What is wrong in an answer, and whether its probabilities say so: from what every task offers.

Channel k of the probabilities is that of class k.
"""

import cv2
import numpy as np

from pipeline.imaging import calibration, fates, found_objects
from pipeline.imaging.found_objects import Found
from pipeline.tasks.task import Task

# what a map of mistakes says of a pixel
RIGHT_EMPTY, RIGHT, MISSED, INVENTED, OTHERWISE, TWICE = range(6)


def exclude_each_other(task: Task) -> bool:
    """Whether a pixel is of one of several classes, so that one can be taken for another."""
    return task.layers == 1 and len(task.classes) > 1


def known(task: Task, labels: np.ndarray) -> np.ndarray:
    """Where a pixel counts, H x W bool."""
    return np.ones(labels.shape[:2], bool) if task.void is None else (labels != task.void).all(axis=2)


def confusion(task: Task, decoded: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """Pixels of each true class (rows) by the class that was found: classes x (classes + 1), int64, the last column
    where none was. What is void is left out. None where classes do not exclude each other."""
    if not exclude_each_other(task):
        return None
    count = len(task.classes)
    # what is void is no class, so its number is beyond theirs
    truth, found = (np.minimum(side[..., 0].astype(np.int64), count) for side in (labels, decoded))
    table = np.bincount((truth * (count + 1) + found).ravel(), minlength=(count + 1) ** 2)
    return table.reshape(count + 1, count + 1)[:count]


def objects(task: Task, decoded: np.ndarray, labels: np.ndarray) -> list[Found]:
    """For each class its objects, found and missed: those that are numbered, elsewhere the connected parts of its mask.
    Empty where classes exclude each other: a street has no parts that anyone counts."""
    if exclude_each_other(task):
        return []
    pairs = zip(_things(task, decoded), _things(task, labels), strict=True)
    return [found_objects.counted(found, truth) for found, truth in pairs]


def fates_of(task: Task, decoded: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """How many objects were found, merged, split, missed, seen twice and invented, as `Fates.counts`; None where nobody
    counts objects."""
    if not task.objects:
        return None
    return fates.fates(task.apart(decoded), task.apart(labels)).counts()


def promised(task: Task, probabilities: np.ndarray, decoded: np.ndarray, labels: np.ndarray):
    """What the probabilities say of an image: for each class what was said of its pixels and what they are (classes x
    calibration.BINS x 3, int64), and what `task.counts` would be if they were true (classes x 3, float64)."""
    counts = None if task.void is None else known(task, labels)
    # a plane of its own for each class: along a short last axis everything is slower
    planes = np.ascontiguousarray(np.moveaxis(probabilities, -1, 0))
    triples = zip(planes, task.masks(labels), task.masks(decoded), strict=False)
    histograms = [calibration.histogram(*triple, counts) for triple in triples]
    return np.stack(list(map(calibration.binned, histograms))), np.array(list(map(calibration.expected, histograms)))


def expected_wrong(task: Task, counts: np.ndarray, pixels: int) -> float:
    """`task.wrong`, 0..1, if the probabilities were true: from the counts of `promised` and the pixels that count."""
    both, predicted, truth = counts.sum(axis=0)
    if exclude_each_other(task):
        return float((predicted - both) / max(1, pixels))
    return float((predicted + truth - 2 * both) / max(1, pixels * task.layers))


def mistake_map(task: Task, decoded: np.ndarray, labels: np.ndarray, layer: int) -> np.ndarray:
    """What is wrong where, H x W uint8: RIGHT_EMPTY, RIGHT, MISSED, INVENTED; of objects whole ones, with OTHERWISE
    where one is there and one was found, but they do not match (IoU > .5), and TWICE where one that is matched was
    found once more. Of layers, not of classes in one."""
    if task.objects:
        true, found = labels[..., layer], decoded[..., layer]
        fate = fates.fates(found, true)
        hit_found, twice = (fates.those(found, fate.found == each) for each in (fates.MATCHED, fates.DOUBLE))
        hit_true = fates.those(true, fate.truth == fates.MATCHED)
        missed, invented = (true != 0) & ~hit_true, (found != 0) & ~hit_found
        right = hit_found | hit_true
    else:
        true, found = (list(task.masks(side))[layer] for side in (labels, decoded))
        missed, invented, right, twice = true & ~found, found & ~true, true & found, np.zeros_like(true)
    found_as = [twice, missed & invented, missed, invented, right]
    codes = np.select(found_as, [TWICE, OTHERWISE, MISSED, INVENTED, RIGHT], RIGHT_EMPTY)
    return codes.astype(np.uint8)


def _things(task: Task, labels: np.ndarray) -> list[np.ndarray]:
    """For each class an H x W map of its objects."""
    if task.layers == 1 and type(task).apart is not Task.apart:
        return [task.apart(labels)]
    return [cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[1] for mask in task.masks(labels)]
