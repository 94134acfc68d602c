"""Which labels mean something to a task."""

import numpy as np

from pipeline.tasks.task import Task


def largest_label(task: Task) -> tuple[int, str]:
    """The largest label that a class or an object has, and in words all that mean something."""
    if hasattr(task, "labels_in_words"):
        return task.largest_label, task.labels_in_words
    void = "" if task.void is None else f", and {task.void} where a pixel does not count"
    if task.objects:
        return 65535, "0 to 65535, the numbers of its objects"
    if task.activation == "softmax":
        return len(task.classes) - 1, f"0 to {len(task.classes) - 1}, the numbers of its classes{void}"
    return 1, f"0 and 1 in each layer{void}: (… > 0).astype(np.uint8)"


def comes_back(value: int, task: Task) -> bool:
    """Whether a label is one that the task decodes from its target: void is, and what a task of one's own means."""
    if task.objects:
        return False
    labels = np.full((1, 1, task.layers), value)
    return np.array_equal(task.decode(task.target(labels), task.plain_thresholds()), labels)
