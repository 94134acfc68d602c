"""Objects that a network found, drawn into the channels that the task decodes."""

import numpy as np

from pipeline.tasks import foreign
from pipeline.tasks.task import Task


class Drawn:
    """From numbers and scores (`models.regions.drawing`) to probabilities.

    Attributes: channels: of the probabilities.
    """

    def __init__(self, task: Task):
        self.task, self.channels = task, task.outputs

    def __call__(self, answers: np.ndarray) -> np.ndarray:
        """B x h x w x 2 to B x h x w x channels float32, 0..1: what the task would draw of the same labels, each object
        as probable as its score."""
        return np.stack([self._one(*np.moveaxis(answer, -1, 0)) for answer in answers]).astype(np.float32) / 255

    def _one(self, numbers: np.ndarray, score: np.ndarray) -> np.ndarray:
        numbers = np.rint(numbers).astype(np.int64)
        scores = np.zeros(int(numbers.max(initial=0)) + 1)
        scores[numbers.ravel()] = score.ravel()
        return foreign.of_labels(self.task, numbers, np.clip(scores[1:], 0, 1))
