"""What another program answers as the channels of a task: logits, a background of its own, maps of labels."""

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.tasks.task import Task

MOST_OBJECTS = 65535


def is_exclusive(task: Task) -> bool:
    """Whether the probabilities of a pixel add up to one."""
    return task.activation == "softmax"


def channel_counts(task: Task) -> tuple[int, ...]:
    """How many channels an answer may have: the task's own; one more for a background where the task has none; of
    objects that are numbered also one, of all objects together, alone or behind a background."""
    if is_exclusive(task):
        return (task.outputs,)
    return (task.outputs, 1, 2) if task.objects else (task.outputs, task.outputs + 1)


def probabilities(task: Task, values: np.ndarray, are_logits: bool) -> np.ndarray:
    """H x W x C float32, C one of `channel_counts`, to H x W x K probabilities, 0..1: without the background.

    Logits of channels that exclude each other (a background is there, or the task's do) go through a softmax, others
    through a sigmoid each.
    """
    has_background = values.shape[2] != task.outputs and values.shape[2] > 1
    if are_logits:
        values = _softmax(values) if has_background or is_exclusive(task) else _sigmoid(values)
    return values[..., 1:] if has_background else values


def has_background(task: Task, channels: int) -> bool:
    """Whether the first of so many channels is a background that the task does not have."""
    return channels != task.outputs and channels > 1


def channels(task: Task, answer: np.ndarray) -> np.ndarray:
    """H x W x K uint8 to H x W x outputs: where only all objects together are answered, they are told apart by their
    shape."""
    return answer if answer.shape[2] == task.outputs else task.of_one(answer[..., 0])


def reads_labels(task: Task) -> bool:
    """Whether a map of whole numbers says what an answer of several channels does."""
    return task.objects or is_exclusive(task)


def of_labels(task: Task, labels: np.ndarray, scores: np.ndarray | None = None) -> np.ndarray:
    """An H x W map of classes, or of objects, to H x W x outputs uint8 that decodes to it.

    Args: scores: 0..1, of the objects 1, 2, …: the probability of an object's pixels, so that thresholds choose among
        objects. Without, each is certain.

    Raises UserError, without saying where, for numbers that are no classes, or objects without a score.
    """
    if labels.size and labels.min() < 0:
        raise UserError(f"holds the number {labels.min()}; labels are 0 and what is above it")
    if not task.objects:
        wrong = np.unique(labels[(labels >= task.outputs) & (labels != (-1 if task.void is None else task.void))])
        if len(wrong):
            raise UserError(f"holds the numbers {shown(wrong)}; the classes are 0 to {task.outputs - 1}")
        return task.target(labels[..., None].astype(np.uint8))
    numbers, places = np.unique(labels, return_inverse=True)
    places = places.reshape(labels.shape) + (numbers[0] != 0)
    if places.max() > MOST_OBJECTS:
        raise UserError(f"holds {len(numbers)} numbers, more than there can be objects")
    found = task.target(places[..., None].astype(np.uint16))
    if scores is None:
        return found
    own = numbers[numbers != 0]
    if len(scores) < own.max(initial=0):
        raise UserError(f"holds the object {own.max()}, and there are {len(scores)} scores: one for each of 1, 2, …")
    given = np.concatenate([[0], np.asarray(scores, np.float64)[own - 1]])
    if not ((given >= 0) & (given <= 1)).all():
        raise UserError("has scores that are not from 0 to 1")
    found[..., 0] = np.floor(255 * given + 0.5).astype(np.uint8)[places]
    return found


def changed(task: Task, labels: np.ndarray, answer: np.ndarray) -> int:
    """How many objects of a map do not come back as they are when its answer is decoded, whatever their scores."""
    certain = answer.copy()
    certain[..., 0] = np.where(labels != 0, 255, 0)
    back = task.decode(certain, task.plain_thresholds())[..., 0]
    pairs = np.unique(np.stack([labels.ravel().astype(np.int64), back.ravel().astype(np.int64)]), axis=1)
    pairs = pairs[:, (pairs != 0).any(axis=0)]
    # an object comes back where it meets one number alone, and that number only it
    count_own = dict(zip(*np.unique(pairs[0], return_counts=True), strict=True))
    count_back = dict(zip(*np.unique(pairs[1], return_counts=True), strict=True))
    broken = {own for own, other in pairs.T.tolist() if own and (count_own[own] > 1 or count_back[other] > 1)}
    return len(broken)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    # of either sign nothing overflows
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1, small) / (1 + small)


def _softmax(values: np.ndarray) -> np.ndarray:
    raised = np.exp(values - values.max(axis=2, keepdims=True))
    return raised / raised.sum(axis=2, keepdims=True)
