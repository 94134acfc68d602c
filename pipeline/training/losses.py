"""The losses, a function each: a new function here is a loss at once, in `--loss`, in the help and in the docs.

Its first parameters are `logits` and `target`, both B x H x W x K, logits any float, targets 0..1; it returns a number.
What else it takes it names, and is given:
    probabilities   B x H x W x K: the logits after the task's activation; of exclusive classes without what is void
    pixel_weights   B x H x W x 1, or None: how much a pixel counts
    class_weights   K numbers, or None: how much a pixel of each class counts
A task names what it learns by: bce, ce, dice, lovasz. Another loss fits where `dice` does if it takes probabilities,
otherwise where `bce` does (each channel alone); `@like("ce")` says that it fits elsewhere.
"""

import inspect
from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from pipeline.recipe import parts

SURE = -1e4  # a logit beyond which no loss has anything to learn


def like(name: str) -> Callable:
    """Marks a loss that a task can learn by where it can learn by `name`."""
    return lambda function: function


def bce(logits, target, pixel_weights=None):
    """Binary cross-entropy of each channel, in the form that does not overflow."""
    losses = ops.maximum(logits, 0) - logits * target + ops.log1p(ops.exp(-ops.abs(logits)))
    return ops.mean(losses if pixel_weights is None else losses * pixel_weights)


def ce(logits, target, class_weights=None):
    """Cross-entropy of exclusive classes, a mean over pixels. Where the target is all 0 (void) nothing is learnt."""
    counted = target if class_weights is None else target * ops.convert_to_tensor(class_weights, "float32")
    return -ops.sum(counted * ops.log_softmax(logits, axis=-1)) / ops.maximum(ops.sum(counted), 1.0)


def dice(logits, target, probabilities):
    """1 - Dice of the whole batch, per class (V-Net: Milletari et al. 2016, arXiv:1606.04797).

    Over the batch, because the Dice of an image without any truth is all or nothing.
    """
    axes = (0, 1, 2)
    both = ops.sum(probabilities * target, axis=axes)
    total = ops.sum(probabilities, axis=axes) + ops.sum(target, axis=axes)
    return ops.mean(1 - (2 * both + 1) / (total + 1))


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


def composed(name: str, activation: str = "sigmoid", class_weights=None) -> Callable:
    """The sum of the losses that `name` joins by `+`. `activation`: the task's.

    Returns: a function of logits, target, where pixels differ in weight those weights, and where nothing is known of
        some, of which it is (B x H x W x 1, 0..1): from the others nothing is learnt, by any loss.
    """
    chosen = [globals()[part] for part, _ in parts(name)]

    def total(logits, target, pixel_weights=None, known=None):
        if known is not None:
            logits, target = _of_known(logits, target, known, activation)
        given = {
            "probabilities": lambda: _probabilities(logits, target, activation),
            "pixel_weights": lambda: pixel_weights,
            "class_weights": lambda: class_weights,
        }
        return sum(loss(logits, target, **{name: given[name]() for name in _wanted(loss)}) for loss in chosen)

    return total


def _of_known(logits, target, known, activation: str):
    """Where nothing is known, an answer that is right already: nothing, without a doubt and without a gradient; of
    exclusive classes void."""
    gaps = known < 0.5
    target = ops.where(gaps, 0.0, target)
    return (logits, target) if activation == "softmax" else (ops.where(gaps, SURE, logits), target)


def _wanted(loss: Callable) -> list[str]:
    """What a loss takes beside logits and target."""
    return list(inspect.signature(loss).parameters)[2:]


def _probabilities(logits, target, activation: str):
    if activation == "softmax":
        return ops.softmax(logits, axis=-1) * ops.sum(target, axis=-1, keepdims=True)
    return keras.activations.sigmoid(logits)


def balance(pixels: Sequence[int], power: float) -> list[float] | None:
    """The weight of each class from its pixels: (median share / share)^power (SegNet's median frequency balancing:
    Badrinarayanan et al. 2015, arXiv:1511.00561). None with a power of 0."""
    if not power:
        return None
    shares = np.maximum(np.asarray(pixels, float), 1)
    return ((np.median(shares) / shares) ** power).tolist()
