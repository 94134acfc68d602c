"""Which boxes are to find which objects, and which of them are learnt in a step."""

import keras
from keras import ops

from pipeline.models.regions import boxes as geometry
from pipeline.models.regions.suppression import strongest


def assigned(boxes, truth, there, positive: float, negative: float, each: bool):
    """What is true of boxes (Faster R-CNN: Ren et al. 2015, arXiv:1506.01497).

    Args:
        boxes: B x n x 4; truth: B x m x 4; there: B x m bool, which of these are objects.
        positive: from this overlap (IoU) on a box is of an object; negative: below it of none; in between neither.
        each: whether the boxes that overlap an object most are of it, too, however little that is.
    Returns: (is of an object, is of none), B x n bool, and which object overlaps it most, B x n int32.
    """
    overlap = ops.where(there[:, None, :], geometry.overlaps(boxes, truth), 0.0)
    best, which = ops.max(overlap, axis=2), ops.cast(ops.argmax(overlap, axis=2), "int32")
    yes = best >= positive
    if not each:
        return yes, best < negative, which
    largest = ops.max(overlap, axis=1, keepdims=True)
    # the same product on both sides: equal numbers are equal
    most = ops.logical_and(overlap >= largest, largest > 0)
    is_most = ops.any(most, axis=2)
    which_most = ops.cast(ops.argmax(ops.where(most, overlap, -1.0), axis=2), "int32")
    return (
        ops.logical_or(yes, is_most),
        ops.logical_and(best < negative, ops.logical_not(is_most)),
        ops.where(ops.logical_and(is_most, ops.logical_not(yes)), which_most, which),
    )


def drawn(yes, no, count: int, positives: int, seed):
    """Boxes by lot: at most `positives` that are of an object, and so many that are of none that they are `count`.

    Args: yes, no: B x n bool; seed: a SeedGenerator.
    Returns: (places B x (positives + count) int32, weights of the same shape: 1 or 0). The first `positives` are those
        of an object; what there is too little of has the weight 0.
    """
    lot = keras.random.uniform(ops.shape(yes), seed=seed)
    found, first = strongest(ops.where(yes, lot, -1.0), positives)
    is_yes = ops.cast(found >= 0, "float32")
    found, second = strongest(ops.where(no, lot, -1.0), count)
    room = count - ops.sum(is_yes, axis=1, keepdims=True)
    is_no = ops.logical_and(found >= 0, ops.arange(count, dtype="float32")[None] < room)
    weights = ops.concatenate([is_yes, ops.cast(is_no, "float32")], axis=1)
    return ops.concatenate([first, second], axis=1), weights
