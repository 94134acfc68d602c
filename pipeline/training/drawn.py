"""Objects that a network found, drawn into the channels that the task decodes."""

import numpy as np

from pipeline.tasks import foreign
from pipeline.tasks.task import Task


class Drawn:
    """From numbers and scores (`models.regions.drawing`) to probabilities.

    Args: most: objects that the answer to a picture or tile can have.
    Attributes: channels: of the probabilities. seen, full: pictures and tiles, each flip counted, and those that have
        as many objects as they can.
    """

    def __init__(self, task: Task, most: int):
        self.task, self.channels, self.most = task, task.outputs, most
        self.seen = self.full = 0

    def line(self) -> str:
        """What may have been left out; blank where nothing was."""
        if not self.full:
            return ""
        return (
            f"{self.full} of {self.seen} pictures and tiles (flips counted) hold --objects {self.most} or more: the "
            "likeliest are answered, others are not; give a smaller --tile, or train with more --objects"
        )

    def __call__(self, answers: np.ndarray) -> np.ndarray:
        """B x h x w x 2 to B x h x w x channels float32, 0..1: what the task would draw of the same labels, each object
        as probable as its score."""
        self.seen += len(answers)
        self.full += sum(int(answer[..., 0].max()) >= self.most for answer in answers)
        return np.stack([self._one(*np.moveaxis(answer, -1, 0)) for answer in answers]).astype(np.float32) / 255

    def _one(self, numbers: np.ndarray, score: np.ndarray) -> np.ndarray:
        numbers = np.rint(numbers).astype(np.int64)
        scores = np.zeros(int(numbers.max(initial=0)) + 1)
        scores[numbers.ravel()] = score.ravel()
        return foreign.of_labels(self.task, numbers, np.clip(scores[1:], 0, 1))
