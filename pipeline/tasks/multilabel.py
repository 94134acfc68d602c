"""Several classes that may overlap: a layer, an answer and a rule for each."""

from dataclasses import dataclass

import numpy as np

from pipeline.imaging.metrics import CountMetric
from pipeline.tasks.search import LevelCounts, PerClass, count_levels, search_class
from pipeline.tasks.task import Items, Task
from pipeline.tasks.thresholds import Thresholds


@dataclass(frozen=True)
class MultiLabel(Task):
    """A task with one layer of labels {0, 1} and one probability per class and pixel.

    Attributes:
        classes: their names, one per layer.
    """

    classes: tuple[str, ...]

    @property
    def layers(self) -> int:
        return len(self.classes)

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def target(self, labels: np.ndarray) -> np.ndarray:
        """H x W x classes labels (not 0 is the class) to uint8 {0, 255}."""
        return np.where(labels != 0, np.uint8(255), np.uint8(0))

    def decode(self, probabilities: np.ndarray, thresholds: list[Thresholds]) -> np.ndarray:
        """H x W x classes uint8 probabilities to labels {0, 1}, uint8, of the same shape."""
        masks = [rule.mask(probabilities[..., k]) for k, rule in enumerate(thresholds)]
        return np.stack(masks, axis=-1).astype(np.uint8)

    def search(self, metric: CountMetric, items: Items, groups=None) -> PerClass:
        """A search per class; the pixels are read once."""
        per_image = []
        for _, probabilities, labels in items:
            planes = ((probabilities[..., k], labels[..., k]) for k in range(self.layers))
            per_image.append(count_levels(planes))
        return PerClass([search_class(_of_class(per_image, k), metric, groups) for k in range(self.layers)])


def _of_class(per_image: list[LevelCounts], k: int) -> LevelCounts:
    """From the counts of each image over its classes to the counts of one class over the images."""
    parts = [(counts.area[k], counts.intersection[k], counts.truth[k], counts.pixels[k]) for counts in per_image]
    return LevelCounts(*(np.stack(column) for column in zip(*parts, strict=True)))
