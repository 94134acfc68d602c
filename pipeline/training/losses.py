"""Losses of logits against targets, one name each; all B x H x W x K, logits any float, targets 0..1."""

from keras import ops


def bce(logits, target):
    """Binary cross-entropy, in the form that does not overflow."""
    return ops.mean(ops.maximum(logits, 0) - logits * target + ops.log1p(ops.exp(-ops.abs(logits))))


def dice(logits, target):
    """1 - Dice of the whole batch, per class (V-Net: Milletari et al. 2016, arXiv:1606.04797).

    Over the batch, because the Dice of an image without any truth is all or nothing.
    """
    probability = ops.sigmoid(logits)
    axes = (0, 1, 2)
    both = ops.sum(probability * target, axis=axes)
    total = ops.sum(probability, axis=axes) + ops.sum(target, axis=axes)
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


def named(name: str):
    """The loss called `name`; a `+` adds two."""
    parts = [{"bce": bce, "dice": dice, "lovasz": lovasz}[part] for part in name.split("+")]

    def total(logits, target):
        return sum(part(logits, target) for part in parts)

    return total
