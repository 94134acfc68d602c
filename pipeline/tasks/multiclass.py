"""One of several classes for every pixel: sky, building, road …"""

import colorsys
from dataclasses import dataclass, replace

import numpy as np

from pipeline.imaging.metrics import CountMetric
from pipeline.tasks.ahead import in_order
from pipeline.tasks.candidates import Candidates
from pipeline.tasks.task import Items, Task
from pipeline.tasks.thresholds import Thresholds

# of the prior that the search puts on each class: its share of the answers to this power
POWERS = (-0.5, -0.375, -0.25, -0.125, 0.0, 0.125, 0.25, 0.375, 0.5)


@dataclass(frozen=True)
class MultiClass(Task):
    """A task with one layer of class numbers 0, 1, … and a probability per class and pixel that add up to one.

    Attributes:
        classes: their names, in the order of their numbers.
        void: a number that is not a class: pixels that are neither learnt nor scored. None: there are none.
        colours: RGB of each class, for pictures; made up where none are given.
    """

    classes: tuple[str, ...]
    void: int | None = None
    colours: tuple[tuple[int, int, int], ...] = ()

    layers = 1
    activation = "softmax"
    losses = ("ce", "dice")
    # the nearest pixel is a quarter of the work of a mixture, which counts with a channel for every class
    blends = False

    def __post_init__(self):
        if not self.colours:
            hues = [colorsys.hls_to_rgb(0.61 * k % 1, 0.4 + 0.1 * (k % 3), 0.7) for k in range(len(self.classes))]
            # the dataclass is frozen: this is its way to a default that depends on another field
            object.__setattr__(self, "colours", tuple(tuple(round(255 * v) for v in hue) for hue in hues))

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def target(self, labels: np.ndarray) -> np.ndarray:
        """H x W x 1 class numbers to H x W x classes uint8, 255 in the channel of the class; all 0 where void."""
        return np.where(labels == np.arange(self.outputs), np.uint8(255), np.uint8(0))

    def decode(self, probabilities: np.ndarray, thresholds: list[Thresholds]) -> np.ndarray:
        """H x W x classes uint8 probabilities to class numbers H x W x 1 uint8.

        The class with the largest probability as a multiple of its `bottom`: with all at .5 the likeliest. Void where
        every probability is 0, which no softmax gives.
        """
        weights = np.array([0.5 / max(rule.bottom, 1 / 255) for rule in thresholds], np.float32)
        weighted = probabilities if (weights == 1).all() else probabilities * weights
        found = weighted.argmax(axis=-1).astype(np.uint8)[..., None]
        if self.void is not None:
            found[~probabilities.any(axis=-1)] = self.void
        return found

    def search(self, metric: CountMetric, items: Items, groups=None) -> Candidates:
        """Along one line: how much rare classes are favoured. Pixels are decoded once for each of POWERS.

        How rare a class is, the answers themselves say: the truth of an image must not take part in what decodes it.
        """
        items = list(items)  # of views: nothing is read yet
        totals = sum(probabilities.sum(axis=(0, 1), dtype=np.int64) for _, probabilities, _ in items)
        shares = np.maximum(totals, 1) / max(totals.sum(), 1)
        rules = [self._rule(shares**power) for power in POWERS]

        def counted(item):
            _, probabilities, labels = item
            return [self.counts(self.decode(probabilities, rule), labels) for rule in rules]

        statistics = np.stack([np.array(found) for found in in_order(counted, items)], axis=1)
        return Candidates(rules, statistics, metric, groups)

    def in_words(self, rule: Thresholds) -> str:
        if rule.bottom == 0.5:
            return "The likeliest class of every pixel."
        return f"Its probability counts {0.5 / rule.bottom:.2f} times where the likeliest class is sought."

    def masks(self, labels: np.ndarray):
        for k in range(self.outputs):
            yield labels[..., 0] == k

    def counts(self, decoded: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """classes x 3, from one pass: the table of (truth, found), less the void of the truth."""
        known = self.outputs + 1
        truth = np.minimum(labels[..., 0].astype(np.int64), self.outputs)
        found = np.minimum(decoded[..., 0].astype(np.int64), self.outputs)
        table = np.bincount((truth * known + found).ravel(), minlength=known**2).reshape(known, known)
        # the last row is what is void
        table = table[: self.outputs]
        both = np.diagonal(table)
        return np.stack([both, table.sum(axis=0)[: self.outputs], table.sum(axis=1)], axis=-1)

    def is_empty(self, metric, statistics: np.ndarray) -> np.ndarray:
        return statistics[:, 1:, 1].sum(axis=1) == 0

    def wrong(self, decoded: np.ndarray, labels: np.ndarray) -> float:
        known = labels < self.outputs
        return float(np.mean(decoded[known] != labels[known])) if known.any() else 0.0

    def filled(self, labels: np.ndarray) -> np.ndarray:
        return ((labels != 0) & (labels != (self.void if self.void is not None else 0))).any(axis=2)

    def coverage(self, labels: np.ndarray) -> float:
        """The share of the image that is neither the first class (the background, where there is one) nor void."""
        return float(np.mean(self.filled(labels)))

    def labels_of(self, images, rows, starts, lengths, shape: tuple[int, int, int]) -> np.ndarray:
        masks = self._class_masks(images, rows, starts, lengths, shape)
        labels = masks.argmax(axis=1).astype(np.uint8)[..., None]
        if self.void is not None:
            labels[~masks.any(axis=1)] = self.void
        return labels

    def _rule(self, weights: np.ndarray) -> list[Thresholds]:
        """`bottom` in proportion to the weights, .5 in the geometric mean, in the range of a threshold."""
        values = np.clip(0.5 * weights / np.exp(np.log(weights).mean()), 1 / 255, 1)
        if np.allclose(values, 0.5):
            return self.plain_thresholds()
        return [replace(Thresholds(), top=float(value), bottom=float(value)) for value in values]
