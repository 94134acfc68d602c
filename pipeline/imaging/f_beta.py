"""F-beta of pixel counts, for a `metrics.CountMetric`: how much more what is missed weighs than what is invented."""

import numpy as np

from pipeline.imaging.metrics import Counts


def f05(intersection: Counts, predicted: Counts, truth: Counts) -> np.ndarray:
    """F-beta with beta .5, 1.25 x intersection / (predicted + .25 x truth): invented weighs more; 1 where both are
    empty."""
    return f_beta(0.5, intersection, predicted, truth)


def f1(intersection: Counts, predicted: Counts, truth: Counts) -> np.ndarray:
    """F-beta with beta 1, which is Dice: 2 x intersection / (predicted + truth); 1 where both are empty."""
    return f_beta(1.0, intersection, predicted, truth)


def f2(intersection: Counts, predicted: Counts, truth: Counts) -> np.ndarray:
    """F-beta with beta 2, 5 x intersection / (predicted + 4 x truth): missed weighs more; 1 where both are empty."""
    return f_beta(2.0, intersection, predicted, truth)


def f_beta(beta: float, both: Counts, predicted: Counts, truth: Counts) -> np.ndarray:
    """(1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP) (van Rijsbergen 1979), from TP, TP + FP and TP + FN."""
    # floating point: small integers would overflow
    both, predicted, truth = (np.asarray(count, np.float64) for count in (both, predicted, truth))
    total = predicted + beta**2 * truth
    return np.where(total == 0, 1.0, (1 + beta**2) * both / np.where(total == 0, 1.0, total))
