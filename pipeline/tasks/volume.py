"""One class in volumes: slices that belong together, of which the largest connected part counts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.imaging.metrics import CountMetric
from pipeline.tasks.ahead import in_order
from pipeline.tasks.binary import Binary
from pipeline.tasks.candidates import Candidates
from pipeline.tasks.task import Items, together
from pipeline.tasks.thresholds import Thresholds

LEVELS = tuple(range(16, 250, 16))  # of the thresholds tried; 128 is the plain one
AREAS = (0, 50, 200)  # smallest areas of a slice tried, in pixels


@dataclass(frozen=True)
class Volume(Binary):
    """Binary; the images of a group are the slices of a volume in their order, of one size. Of each volume the largest
    connected part is kept, slices lying on each other (6 neighbours), as the LGG study scores it (Buda et al. 2019,
    arXiv:1906.03720)."""

    needs_groups = True

    def decoded(self, items: Items, thresholds: list[Thresholds]) -> Iterator[np.ndarray]:
        """The labels of each (group, probabilities), in order; a whole volume is read before its first answer."""
        for slices in together(items):
            volume = np.stack([self.decode(probabilities, thresholds)[..., 0] for (probabilities,) in slices])
            for layer in largest_part(volume != 0):
                yield layer[..., None].astype(np.uint8)

    def in_words(self, rule: Thresholds) -> str:
        return f"{super().in_words(rule)[:-1]}; of a volume the largest connected part."

    def search(self, metric: CountMetric, items: Items, groups=None) -> Candidates:
        """Each rule is tried on each volume."""
        rules = [[self._rule(level, area)] for level in LEVELS for area in AREAS]

        def counted(slices):
            answers = [("volume", probabilities) for probabilities, _ in slices]
            truth = [labels for _, labels in slices]
            return np.array(
                [
                    [self.counts(*pair) for pair in zip(self.decoded(answers, rule), truth, strict=True)]
                    for rule in rules
                ]
            )

        statistics = np.concatenate(list(in_order(counted, together(items))), axis=1)
        levels = [level / 255 for level in LEVELS]
        axes = ("bottom", "threshold", levels), ("min_area", "minimum area of a slice, pixels", AREAS)
        return Candidates(rules, statistics, metric, groups, (len(LEVELS), len(AREAS)), axes)

    def _rule(self, level: int, area: int) -> Thresholds:
        value = 0.5 if level == 128 else level / 255
        return Thresholds(top=value, min_area=area, bottom=value)


def largest_part(volume: np.ndarray) -> np.ndarray:
    """The largest connected part (6 neighbours) of a bool volume; the volume itself when it is empty."""
    from scipy import ndimage

    labels, count = ndimage.label(volume)
    if count < 2:
        return volume
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()
