"""How much each pixel counts in the loss: more between objects that touch (U-Net: Ronneberger et al. 2015,
arXiv:1505.04597, equation 2)."""

import threading
from collections.abc import Callable

import numpy as np

from pipeline.imaging.border_weights import border_weights
from pipeline.recipe import Recipe
from pipeline.training.pseudo_labels import LearntLabels

MOST_BYTES = 1 << 29  # of weights that are kept; others are computed each time


class PixelWeights:
    """`weights[row]` is H x W x 1 float32: 1, or the weight of the pixel's class, plus the border weight.

    Args:
        labels: what is learnt of each row.
        rows: those that are learnt, which classes are balanced over.
        known: from a row to H x W x 1, 0 where nothing is known of a pixel: there is no object there.
    """

    def __init__(self, labels: LearntLabels, rows: np.ndarray, task, recipe: Recipe, known: Callable | None = None):
        self.labels, self.task, self.recipe, self.known = labels, task, recipe, known
        self.of_classes = class_weights(labels, rows, recipe.class_balance)
        self.kept: dict[int, np.ndarray] = {}
        self.room = MOST_BYTES
        self.lock = threading.Lock()

    def __getitem__(self, row: int) -> np.ndarray:
        found = self.kept.get(row)
        if found is None:
            labels = self.labels[row]
            found = self._computed(labels if self.known is None else np.where(self.known(row), labels, 0))
            with self.lock:
                if row not in self.kept and found.nbytes <= self.room:
                    self.kept[row] = found
                    self.room -= found.nbytes
        return found

    def _computed(self, labels: np.ndarray) -> np.ndarray:
        borders = border_weights(self.task.apart(labels), self.recipe.border_weight, self.recipe.border_sigma)
        of_class = np.where(self.task.filled(labels), np.float32(self.of_classes[1]), np.float32(self.of_classes[0]))
        return (of_class + borders)[..., None].astype(np.float32)


def class_weights(labels: LearntLabels, rows: np.ndarray, power: float) -> tuple[float, float]:
    """Of what is labelled 0 and of the rest: (.5 / share)^power over the pixels of these rows; 1 with power 0."""
    table = labels.table.iloc[rows]
    pixels = (table["height"] * table["width"]).to_numpy(float)
    filled = np.clip((table["coverage"].to_numpy(float) * pixels).sum() / pixels.sum(), 1e-6, 1 - 1e-6)
    return float((0.5 / (1 - filled)) ** power), float((0.5 / filled) ** power)
