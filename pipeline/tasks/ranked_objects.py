"""How well the probabilities of objects rank them: what average precision is counted from."""

import numpy as np

from pipeline.imaging import average_precision
from pipeline.imaging.average_precision import Ranked
from pipeline.tasks.task import Task


def ranked(task: Task, decoded: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> Ranked | None:
    """Of one image, the first channel of whose probabilities says how likely a pixel is of an object; None where
    nobody counts objects."""
    if not task.objects:
        return None
    return average_precision.ranked(task.apart(decoded), task.apart(labels), probabilities[..., 0] / 255)
