"""Dice of probabilities instead of masks: what some publish as their score, and what thresholds do not change."""

import cv2
import numpy as np

EPSILON = 1e-6


def soft_dice(predicted: np.ndarray, truth: np.ndarray) -> float:
    """(2 sum(pt) + e) / (sum(pp) + sum(tt) + e) with e = 1e-6; two arrays of one shape, values 0..1.

    The squares are V-Net's (Milletari et al. 2016, arXiv:1606.04797), the constant is of NVIDIA's UNet_Medical
    (`dice_coef`). 1 where both are 0 everywhere.
    """
    predicted, truth = np.asarray(predicted, np.float64).ravel(), np.asarray(truth, np.float64).ravel()
    both = predicted @ truth
    total = predicted @ predicted + truth @ truth
    return float((2 * both + EPSILON) / (total + EPSILON))


def of_both_classes(probability: np.ndarray, truth: np.ndarray, side: int) -> float:
    """The mean of the soft Dice of a class and of its opposite, both brought to `side` x `side` pixels.

    Args:
        probability: H x W, 0..1. truth: H x W bool. Where the resized opposite is at least half, it is the opposite.
    """
    probability = _resized(probability, side)
    opposite = _resized(~truth, side) >= 0.5
    return (soft_dice(probability, ~opposite) + soft_dice(1 - probability, opposite)) / 2


def _resized(plane: np.ndarray, side: int) -> np.ndarray:
    """Bilinear between pixel centres, without averaging where it shrinks: as `tf.image.resize` does by default."""
    return cv2.resize(np.asarray(plane, np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
