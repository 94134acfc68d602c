"""One class against the rest: salt or not, nerve or not."""

from dataclasses import dataclass

import numpy as np

from pipeline.imaging.metrics import CountMetric
from pipeline.tasks.search import Sweep, count_levels
from pipeline.tasks.thresholds import Thresholds


@dataclass(frozen=True)
class Binary:
    """A task with one layer of labels and one probability per pixel.

    Attributes:
        classes: the name of the class, alone in a tuple.
    """

    classes: tuple[str]

    layers = 1  # of labels
    outputs = 1  # channels of the network's answer
    activation = "sigmoid"  # from logits to probabilities
    blends = True  # a target may be interpolated: it is the share of the class in a pixel

    def target(self, labels: np.ndarray) -> np.ndarray:
        """What the network learns: H x W x 1 labels (any integer, not 0 is the class) to uint8 {0, 255}.

        A target has the units of stored probabilities, so `decode(target(labels))` gives the labels back.
        """
        return np.where(labels != 0, np.uint8(255), np.uint8(0))

    def decode(self, probabilities: np.ndarray, thresholds: list[Thresholds], scores=None) -> np.ndarray:
        """H x W x 1 uint8 probabilities to H x W x 1 labels {0, 1}, uint8; `scores` is one value 0..1 per class."""
        score = None if scores is None else scores[0]
        return thresholds[0].mask(probabilities[..., 0], score)[..., None].astype(np.uint8)

    def masks(self, labels: np.ndarray) -> np.ndarray:
        """H x W x 1 labels to the masks that become rows of a submission: 1 x H x W, bool."""
        return (labels[..., 0] != 0)[None]

    def coverage(self, labels: np.ndarray) -> float:
        """The share of the image that is not empty, 0..1."""
        return float(np.count_nonzero(labels)) / labels.size

    def plain_thresholds(self) -> list[Thresholds]:
        """What is used where nothing could be tuned: .5 everywhere."""
        return [Thresholds() for _ in self.classes]

    def sweeps(self, metric: CountMetric, pairs, groups=None) -> list[Sweep]:
        """One search per class, from (probabilities H x W x 1 uint8, labels H x W x 1) of each image."""
        planes = ((probabilities[..., 0], labels[..., 0]) for probabilities, labels in pairs)
        return [Sweep(count_levels(planes), metric, groups)]
