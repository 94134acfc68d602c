"""One class against the rest: salt or not, nerve or not."""

from dataclasses import dataclass

import numpy as np

from pipeline.imaging.metrics import CountMetric
from pipeline.tasks.search import PerClass, count_levels, search_class
from pipeline.tasks.task import Items, Task
from pipeline.tasks.thresholds import Thresholds


@dataclass(frozen=True)
class Binary(Task):
    """A task with one layer of labels and one probability per pixel.

    Attributes:
        classes: the name of the class, alone in a tuple.
        objects_are: the label whose connected parts are objects: 1, or 0 where the class is what lies between them.
    """

    classes: tuple[str]
    objects_are: int = 1

    layers = 1
    outputs = 1

    def target(self, labels: np.ndarray) -> np.ndarray:
        """H x W x 1 labels (any integer, not 0 is the class) to uint8 {0, 255}."""
        return np.where(labels != 0, np.uint8(255), np.uint8(0))

    def apart(self, labels: np.ndarray) -> np.ndarray:
        """The connected parts (4 neighbours) of the class, or of what is not: H x W int32."""
        from scipy import ndimage

        return ndimage.label((labels[..., 0] != 0) == bool(self.objects_are))[0]

    def of_one(self, soft: np.ndarray) -> np.ndarray:
        return soft[..., None]

    def decode(self, probabilities: np.ndarray, thresholds: list[Thresholds]) -> np.ndarray:
        """H x W x 1 uint8 probabilities to H x W x 1 labels {0, 1}, uint8."""
        return thresholds[0].mask(probabilities[..., 0])[..., None].astype(np.uint8)

    def search(self, metric: CountMetric, items: Items, groups=None) -> PerClass:
        """Exact, from (group, probabilities, labels) of each image, in one pass over the pixels."""
        planes = ((probabilities[..., 0], labels[..., 0]) for _, probabilities, labels in items)
        return PerClass([search_class(count_levels(planes), metric, groups)])
