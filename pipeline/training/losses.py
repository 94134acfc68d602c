"""Losses of logits against targets, one name each; all B x H x W x K, logits any float, targets 0..1."""

import functools

import keras
import numpy as np
from keras import ops


def bce(logits, target, weight=None):
    """Binary cross-entropy, in the form that does not overflow. `weight`, B x H x W x 1: how much a pixel counts."""
    losses = ops.maximum(logits, 0) - logits * target + ops.log1p(ops.exp(-ops.abs(logits)))
    return ops.mean(losses if weight is None else losses * weight)


def ce(logits, target, weights=None):
    """Cross-entropy of exclusive classes, a mean over pixels; where the target is all 0 (void) nothing is learnt.

    `weights`, K numbers, says how much a pixel of each class counts.
    """
    counted = target if weights is None else target * ops.convert_to_tensor(weights, "float32")
    return -ops.sum(counted * ops.log_softmax(logits, axis=-1)) / ops.maximum(ops.sum(counted), 1.0)


def dice(logits, target, activation=keras.activations.sigmoid):
    """1 - Dice of the whole batch, per class (V-Net: Milletari et al. 2016, arXiv:1606.04797).

    Over the batch, because the Dice of an image without any truth is all or nothing.
    """
    probability = activation(logits)
    axes = (0, 1, 2)
    both = ops.sum(probability * target, axis=axes)
    total = ops.sum(probability, axis=axes) + ops.sum(target, axis=axes)
    return ops.mean(1 - (2 * both + 1) / (total + 1))


def softmax_dice(logits, target):
    """`dice` of exclusive classes, void left out."""
    known = ops.sum(target, axis=-1, keepdims=True)
    return dice(logits, target, lambda values: ops.softmax(values, axis=-1) * known)


def lovasz(logits, target):
    """Lovász hinge, mean over images and classes (Berman et al. 2018, arXiv:1705.08790).

    The errors of an image, sorted, times the growth of its Jaccard loss as one pixel after the other is wrong.
    """
    batch, classes = ops.shape(logits)[0], logits.shape[3]
    flat = (batch, -1, classes)
    truth = ops.cast(ops.reshape(target, flat) > 0.5, "float32")
    errors = 1 - ops.reshape(logits, flat) * (2 * truth - 1)
    order = ops.argsort(-errors, axis=1)
    errors = ops.take_along_axis(errors, order, axis=1)
    truth = ops.take_along_axis(truth, order, axis=1)
    positives = ops.sum(truth, axis=1, keepdims=True)
    intersection = positives - ops.cumsum(truth, axis=1)
    union = positives + ops.cumsum(1 - truth, axis=1)
    jaccard = 1 - intersection / union
    growth = ops.concatenate([jaccard[:, :1], jaccard[:, 1:] - jaccard[:, :-1]], axis=1)
    return ops.mean(ops.sum(ops.relu(errors) * growth, axis=1))


def named(name: str, activation: str = "sigmoid", weights=None):
    """The loss called `name`; a `+` adds two. `activation`: the task's; `weights`: of the classes, for `ce`.

    Returns: a function of logits, target and, where pixels differ in weight, those weights (for `bce`).
    """
    known = {"bce": bce, "lovasz": lovasz, "ce": functools.partial(ce, weights=weights)}
    known["dice"] = softmax_dice if activation == "softmax" else dice
    parts = [known[part] for part in name.split("+")]

    def total(logits, target, weight=None):
        return sum(part(logits, target, weight) if part is bce else part(logits, target) for part in parts)

    return total


def balance(pixels: list[int], power: float) -> list[float] | None:
    """The weight of each class from its pixels: (median share / share)^power (SegNet's median frequency balancing:
    Badrinarayanan et al. 2015, arXiv:1511.00561). None with a power of 0."""
    if not power:
        return None
    shares = np.maximum(np.asarray(pixels, float), 1)
    return ((np.median(shares) / shares) ** power).tolist()
