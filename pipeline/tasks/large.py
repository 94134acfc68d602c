"""One class in pictures of hundreds of millions of pixels: counted, decoded and written a part of them at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipeline.imaging import columns
from pipeline.imaging.metrics import CountMetric
from pipeline.tasks.binary import Binary
from pipeline.tasks.search import LevelCounts, PerClass, count_levels, search_class
from pipeline.tasks.task import Items, runs_of_each
from pipeline.tasks.thresholds import Thresholds, level

AT_ONCE = 1 << 22  # pixels


@dataclass(frozen=True)
class Large(Binary):
    """Binary, with the same answers, labels and counts. Beside an image's own arrays (a byte for each pixel) the memory
    holds a few bands of lines, except where a rule has a `min_component`, which wants the whole."""

    def decode(self, probabilities: np.ndarray, thresholds: list[Thresholds]) -> np.ndarray:
        """H x W x 1 uint8 probabilities to H x W x 1 labels {0, 1}, uint8."""
        rule = thresholds[0]
        if rule.min_component:
            return super().decode(probabilities, thresholds)
        found = np.zeros(probabilities.shape, np.uint8)
        top, everywhere = level(rule.top), replace(rule, min_area=0)
        bands = list(_bands(probabilities.shape))
        if rule.min_area and sum(np.count_nonzero(probabilities[lines] >= top) for lines in bands) < rule.min_area:
            return found
        for lines in bands:
            found[lines, :, 0] = everywhere.mask(probabilities[lines, :, 0])
        return found

    def search(self, metric: CountMetric, items: Items, groups=None) -> PerClass:
        """As `Binary` searches."""
        return PerClass([search_class(_levels(items), metric, groups)])

    def counts(self, decoded: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return sum(super(Large, self).counts(decoded[lines], labels[lines]) for lines in _bands(labels.shape))

    def wrong(self, decoded: np.ndarray, labels: np.ndarray) -> float:
        parts = ((decoded[lines] != 0) != (labels[lines] != 0) for lines in _bands(labels.shape))
        return sum(int(np.count_nonzero(part)) for part in parts) / labels.size

    def texts_of_each(self, labels: np.ndarray) -> list[list[str]]:
        return [[columns.encode(image[..., 0])] for image in labels]

    def labels_of(self, images, rows, starts, lengths, shape: tuple[int, int, int]) -> np.ndarray:
        found = np.empty((*shape, 1), np.uint8)
        for image, runs in zip(found, runs_of_each(images, shape[0]), strict=True):
            drawn = columns.Columns(starts[runs], lengths[runs], *shape[1:])
            for lines in _bands(image.shape):
                image[lines, :, 0] = drawn.lines(lines.start, lines.stop)
        return found


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Lines from top to bottom of a picture of this shape."""
    step = max(1, AT_ONCE // max(shape[1], 1))
    for top in range(0, shape[0], step):
        yield slice(top, min(top + step, shape[0]))


def _levels(items: Iterable[tuple]) -> LevelCounts:
    """Of every image what `count_levels` counts, of its bands together."""
    areas, intersections = [], []
    for _, probabilities, labels in items:
        pairs = ((probabilities[lines, :, 0], labels[lines, :, 0]) for lines in _bands(labels.shape))
        counted = count_levels(pairs)
        areas.append(counted.area.sum(axis=0))
        intersections.append(counted.intersection.sum(axis=0))
    area, intersection = np.stack(areas), np.stack(intersections)
    return LevelCounts(area, intersection, truth=intersection[:, 0], pixels=area[:, 0])
