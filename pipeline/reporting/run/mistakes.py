"""What is wrong in the answers to held-out images, and whether their probabilities say so: counted image by image."""

import functools
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.imaging.average_precision import Ranked, joined
from pipeline.imaging.found_objects import Found
from pipeline.tasks import mistakes, ranked_objects
from pipeline.tasks.ahead import in_order
from pipeline.tasks.scoring import Tally
from pipeline.tasks.task import Task


class Look(NamedTuple):
    """What is kept of one image.

    Attributes:
        statistic: the metric's. wrong: the share of the pixels that are wrong; found: coverage as predicted.
        confusion: see `tasks.mistakes.confusion`; objects: likewise, summed later.
        said: classes x BINS x 3; promised: classes x 3; see `tasks.mistakes.promised`. expected_wrong: 0..1.
        ranked: the objects found, from the likeliest on; None where nobody counts any.
        fates: see `tasks.mistakes.fates_of`.
    """

    statistic: np.ndarray
    wrong: float
    found: float
    confusion: np.ndarray | None
    objects: list[Found]
    said: np.ndarray
    promised: np.ndarray
    expected_wrong: float
    ranked: Ranked | None
    fates: np.ndarray | None


@dataclass(frozen=True)
class Mistakes:
    """Of n images.

    Attributes:
        confusion: pixels, classes x (classes + 1), the sum; None where classes do not exclude each other.
        objects: of each class, the sum; empty where nobody counts any.
        said: n x classes x BINS x 3.
        expected: what the images would get if the probabilities were true: the metric's formula on the mean counts;
            None where the metric counts no pixels.
        expected_wrong: n, the share of the pixels that would be wrong then.
        ranked, fates: of all images together; None where nobody counts objects.
    """

    confusion: np.ndarray | None
    objects: list[Found]
    said: np.ndarray
    expected: Tally | None
    expected_wrong: np.ndarray
    ranked: Ranked | None
    fates: np.ndarray | None = None


def looks(task: Task, metric, answered: Iterable[tuple], total: int) -> list[Look]:
    """Of each (decoded, labels, probabilities)."""
    from tqdm import tqdm

    found = in_order(functools.partial(_look, task, metric), answered, quiet=True)
    return list(tqdm(found, total=total, desc="report", unit="image", disable=not sys.stderr.isatty(), delay=1))


def summed(seen: list[Look], metric, groups: np.ndarray | None) -> Mistakes:
    first = seen[0]
    promised = np.stack([look.promised for look in seen])
    counts_pixels = metric.overlap(first.statistic) is not None
    return Mistakes(
        confusion=None if first.confusion is None else np.sum([look.confusion for look in seen], axis=0),
        objects=[
            Found(*(np.sum([look.objects[k][side] for look in seen], axis=0) for side in (0, 1)))
            for k in range(len(first.objects))
        ],
        said=np.stack([look.said for look in seen]),
        expected=Tally(metric, np.rint(promised).astype(np.int64), groups) if counts_pixels else None,
        expected_wrong=np.array([look.expected_wrong for look in seen]),
        ranked=None if first.ranked is None else joined([look.ranked for look in seen]),
        fates=None if first.fates is None else np.sum([look.fates for look in seen], axis=0),
    )


def _look(task: Task, metric, answer: tuple) -> Look:
    decoded, labels, probabilities = answer
    said, promised = mistakes.promised(task, probabilities, decoded, labels)
    return Look(
        statistic=metric.statistic(task, decoded, labels),
        wrong=task.wrong(decoded, labels),
        found=task.coverage(decoded),
        confusion=mistakes.confusion(task, decoded, labels),
        objects=mistakes.objects(task, decoded, labels),
        said=said,
        promised=promised,
        expected_wrong=mistakes.expected_wrong(task, promised, int(mistakes.known(task, labels).sum())),
        ranked=ranked_objects.ranked(task, decoded, labels, probabilities),
        fates=mistakes.fates_of(task, decoded, labels),
    )
