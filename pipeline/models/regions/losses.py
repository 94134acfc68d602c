"""What an R-CNN learns by, each a number of a batch: Ren et al. 2015 (boxes), He et al. 2017 (masks)."""

from keras import ops


def binary(logits, truth):
    """Binary cross-entropy of each, in the form that does not overflow."""
    return ops.maximum(logits, 0) - logits * truth + ops.log1p(ops.exp(-ops.abs(logits)))


def averaged(values, weights):
    """The mean of those that count, 0 where none does."""
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), 1.0)


def told(logits, truth, weights):
    """Whether boxes are of an object: B x n each, truth and weights 0 or 1."""
    return averaged(binary(logits, truth), weights)


def moved(changes, truth, weights):
    """How boxes must change, B x n x 4: the smooth L1 of Girshick 2015 (arXiv:1504.08083), summed over the four; a mean
    over the boxes that count."""
    error = ops.abs(changes - truth)
    smooth = ops.where(error < 1, 0.5 * error**2, error - 0.5)
    return averaged(ops.sum(smooth, axis=-1), weights)


def masked(logits, truth, weights):
    """Masks, B x n x size x size: cross-entropy, a mean over the pixels and the boxes that count."""
    return averaged(ops.mean(binary(logits, truth), axis=(2, 3)), weights)
