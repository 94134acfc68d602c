"""One class that several people marked: their mean is learnt, and what more than half of them marked is scored."""

from dataclasses import dataclass

import numpy as np

from pipeline.imaging.metrics import CountMetric
from pipeline.tasks.binary import Binary
from pipeline.tasks.search import PerClass
from pipeline.tasks.task import Items

HALF = 127  # labels above it are the class


@dataclass(frozen=True)
class Shares(Binary):
    """Binary; labels are H x W x 1 uint8, the share of those who marked a pixel, 0 to 255 as `share_of` makes it.

    What is decoded holds 0 and 255, so labels of both kinds are read alike: the class is where more than half marked.
    """

    largest_label = 255
    labels_in_words = "0 to 255, the share of those who marked a pixel: share_of(…)"

    def target(self, labels: np.ndarray) -> np.ndarray:
        """H x W x 1 labels as they are: the share is what the network learns."""
        return labels.astype(np.uint8)

    def apart(self, labels: np.ndarray) -> np.ndarray:
        return super().apart(_marked(labels))

    def decode(self, probabilities: np.ndarray, thresholds) -> np.ndarray:
        """H x W x 1 uint8 probabilities to H x W x 1 labels {0, 255}, uint8."""
        return super().decode(probabilities, thresholds) * np.uint8(255)

    def search(self, metric: CountMetric, items: Items, groups=None) -> PerClass:
        pairs = ((group, probabilities, _marked(labels)) for group, probabilities, labels in items)
        return super().search(metric, pairs, groups)

    def masks(self, labels: np.ndarray):
        yield from super().masks(_marked(labels))

    def counts(self, decoded: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return super().counts(_marked(decoded), _marked(labels))

    def wrong(self, decoded: np.ndarray, labels: np.ndarray) -> float:
        return super().wrong(_marked(decoded), _marked(labels))

    def filled(self, labels: np.ndarray) -> np.ndarray:
        return super().filled(_marked(labels))

    def coverage(self, labels: np.ndarray) -> float:
        return super().coverage(_marked(labels))

    def labels_of(self, images, rows, starts, lengths, shape: tuple[int, int, int]) -> np.ndarray:
        return super().labels_of(images, rows, starts, lengths, shape) * np.uint8(255)


def share_of(marked: np.ndarray, people: int) -> np.ndarray:
    """How many of `people` (255 at the most) marked each pixel, to labels, uint8: above HALF if and only if it is more
    than half of them, so exactly a half rounds down."""
    return (255 * marked.astype(np.int64) // people).astype(np.uint8)


def _marked(labels: np.ndarray) -> np.ndarray:
    return (labels > HALF).astype(np.uint8)
