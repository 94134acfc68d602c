"""Scores of decoded labels against the truth, one per image, by the competition's metric."""

from collections.abc import Iterable

import numpy as np

from pipeline.imaging.metrics import CountMetric


def counts(decoded: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Pixels in (intersection, predicted, truth) of each layer: H x W x layers, not 0 is the class -> layers x 3."""
    found, truth = decoded != 0, labels != 0
    return np.stack([(found & truth).sum((0, 1)), found.sum((0, 1)), truth.sum((0, 1))], axis=-1)


def image_scores(metric: CountMetric, pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """One score per (decoded, labels) pair: the mean of the formula over the layers."""
    table = np.stack([counts(decoded, labels) for decoded, labels in pairs])
    return metric.formula(table[..., 0], table[..., 1], table[..., 2]).mean(axis=1)
