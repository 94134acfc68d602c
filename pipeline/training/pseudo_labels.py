"""Pseudo-labels: confident test predictions, decoded and learnt as if they were the truth (Lee 2013, "Pseudo-Label",
ICML workshop on challenges in representation learning).

Which run and fold they may come from is decided in `pipeline.runs.pseudo`.
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.store.predictions import Predictions
from pipeline.store.prepared import Prepared
from pipeline.tasks.ahead import in_order
from pipeline.tasks.task import Task

SPARE = 0.1  # of an image's pixels: what is counted as answered without a doubt before anything is


@dataclass(frozen=True)
class PseudoLabels:
    """`pseudo[row]`: the labels of a test image, H x W x layers, decoded each time they are asked for (thousands of
    images do not lie in memory); KeyError for an image that was not chosen.

    Attributes:
        predictions: of every test image, mapped into memory. task: decodes them.
        places: row of `prepared.table` -> place in `predictions`, of each chosen image.
        coverage: of the chosen images, in the order of `places`, 0..1.
        lowest: the confidence of the least confident of them, 0..1; 1 when there is none.
    """

    predictions: Predictions
    task: Task
    places: dict[int, int]
    coverage: np.ndarray
    lowest: float

    @property
    def rows(self) -> np.ndarray:
        return np.array(list(self.places), np.int64)

    def __getitem__(self, row: int) -> np.ndarray:
        return _decoded(self.predictions[self.places[int(row)]], self.task)


def choose(predictions: Predictions, task: Task, rows: np.ndarray, share: float) -> PseudoLabels:
    """The most confident images: `share` (0..1) of them, rounded; of equal ones those that come first.

    Args: rows: of `prepared.table`, one for each of `predictions`, sorted by id.
    """

    def judged(place: int) -> tuple[float, float]:
        labels = _decoded(predictions[place], task)
        return confidence(predictions[place], labels, task), task.coverage(labels)

    found = np.array(list(in_order(judged, range(len(predictions)), "pseudo-labels"))).reshape(-1, 2)
    chosen = np.sort(np.argsort(-found[:, 0], kind="stable")[: count(len(found), share)])
    places = {int(rows[place]): int(place) for place in chosen}
    lowest = float(found[chosen, 0].min()) if len(chosen) else 1.0
    return PseudoLabels(predictions, task, places, found[chosen, 1], lowest)


def count(total: int, share: float) -> int:
    """How many of so many images are chosen."""
    return math.floor(share * total + 0.5)


def confidence(probabilities: np.ndarray, labels: np.ndarray, task: Task) -> float:
    """How far an answer agrees with itself, 0..1: the expected overlap of its decoded labels with the truth.

    Sum of min(t, p) / sum of max(t, p) over pixels and channels, t the target of the labels and p the probabilities,
    SPARE of the image's pixels added to both sums. For a mask that is the expected intersection over the expected
    union (Nowozin 2014, "Optimal decisions from probabilistic models", CVPR); for exclusive classes it grows with the
    mean of the largest probability; for objects it also asks whether border and centre are those of the objects found.

    Not the mean of |2p - 1|: that counts sure pixels, of which background has most, and so prefers what is empty. On
    out-of-fold answers of the recipe `quick`, the half that it chose scored .756 in TGS (all: .748), and 70% of it was
    empty (all: 44%); chosen as here .892 and 21%. In the demo .773 and .944, in DSB 2018 .527 and .622. Without SPARE
    an empty answer would have no overlap at all; .01 chose almost no empty images, 1 in the demo mostly such.

    Args: probabilities: H x W x outputs uint8. labels: what they are decoded to.
    """
    target = task.target(labels)
    both = np.minimum(target, probabilities).sum(dtype=np.int64)
    either = np.maximum(target, probabilities).sum(dtype=np.int64)
    spare = 255 * SPARE * labels.shape[0] * labels.shape[1]
    return float((both + spare) / (either + spare))


def _decoded(probabilities: np.ndarray, task: Task) -> np.ndarray:
    """Each image alone, also where a volume would be decoded together. Thresholds that were tuned would not do: the
    labels of every fold chose them."""
    return task.decode(probabilities, task.plain_thresholds())


class LearntLabels:
    """What a fold learns of each image: the truth in the train part, pseudo-labels in the test part.

    `labels[row]` is H x W x layers.

    Attributes:
        table: `prepared.table`, with the coverage of the pseudo-labels where there are any.
    """

    def __init__(self, prepared: Prepared, pseudo: PseudoLabels | None = None):
        self.prepared, self.pseudo = prepared, pseudo
        self.table = prepared.table
        if pseudo is not None:
            self.table = self.table.copy()
            self.table.loc[pseudo.rows, "coverage"] = pseudo.coverage

    def __getitem__(self, row: int) -> np.ndarray:
        if self.pseudo is not None and not self.prepared.is_train[row]:
            return self.pseudo[row]
        return self.prepared.labels[row]

    def class_pixels(self, rows: np.ndarray, task: Task) -> np.ndarray:
        """The pixels of each class in the truth of these rows, int64: what a fold holds out it must not know, and what
        pseudo-labels guess is not counted."""
        truth = (self.prepared.labels[row] for row in rows if self.prepared.is_train[row])
        return sum((task.counts(labels, labels)[:, 2] for labels in truth), np.zeros(len(task.classes), np.int64))
