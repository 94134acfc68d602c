"""Boxes: how much two overlap, how one is told as a change of another, and which a map of numbers holds."""

from keras import ops

# of a size, in log: what is learnt may not ask for a box that is infinitely large
LARGEST = 4.0
# what a change is divided by before it is learnt, so that it is about 1 (as in Fast R-CNN: Girshick 2015)
DEVIATIONS = (0.1, 0.1, 0.2, 0.2)


def areas(boxes):
    """… x 4 to …; 0 of a box without a side."""
    return ops.maximum(boxes[..., 2] - boxes[..., 0], 0.0) * ops.maximum(boxes[..., 3] - boxes[..., 1], 0.0)


def overlaps(boxes, others):
    """Intersection over union of each pair: … x n x 4 and … x m x 4 to … x n x m, 0..1; 0 with an empty box."""
    a, b = boxes[..., :, None, :], others[..., None, :, :]
    height = ops.minimum(a[..., 2], b[..., 2]) - ops.maximum(a[..., 0], b[..., 0])
    width = ops.minimum(a[..., 3], b[..., 3]) - ops.maximum(a[..., 1], b[..., 1])
    both = ops.maximum(height, 0.0) * ops.maximum(width, 0.0)
    either = areas(a) + areas(b) - both
    return ops.where(both > 0, both / ops.maximum(either, 1e-6), 0.0)


def _middles(boxes):
    """(centre y, x, height, width) of … x 4; a side is at least a hundredth of a pixel."""
    height = ops.maximum(boxes[..., 2] - boxes[..., 0], 0.01)
    width = ops.maximum(boxes[..., 3] - boxes[..., 1], 0.01)
    return boxes[..., 0] + height / 2, boxes[..., 1] + width / 2, height, width


def encoded(boxes, start):
    """The changes that make `boxes` of `start`, … x 4 each (R-CNN: Girshick et al. 2014, arXiv:1311.2524, appendix C).

    The centre's move as a share of the side, and the logarithm of how many times larger a side is; by DEVIATIONS.
    """
    y, x, height, width = _middles(boxes)
    from_y, from_x, from_height, from_width = _middles(start)
    changes = (
        (y - from_y) / from_height,
        (x - from_x) / from_width,
        ops.log(height / from_height),
        ops.log(width / from_width),
    )
    return ops.stack([change / by for change, by in zip(changes, DEVIATIONS, strict=True)], axis=-1)


def decoded(changes, start):
    """The inverse of `encoded`; a side grows or shrinks by e^LARGEST at most."""
    down, right, taller, wider = (changes[..., i] * by for i, by in enumerate(DEVIATIONS))
    y, x, height, width = _middles(start)
    y, x = y + down * height, x + right * width
    height = height * ops.exp(ops.clip(taller, -LARGEST, LARGEST))
    width = width * ops.exp(ops.clip(wider, -LARGEST, LARGEST))
    return ops.stack([y - height / 2, x - width / 2, y + height / 2, x + width / 2], axis=-1)


def clipped(boxes, height, width):
    """What of boxes lies inside a picture of that many pixels, … x 4."""
    limits = [ops.cast(side, "float32") for side in (height, width, height, width)]
    sides = [ops.minimum(ops.maximum(boxes[..., i], 0.0), limit) for i, limit in enumerate(limits)]
    return ops.stack(sides, axis=-1)


def of_numbers(numbers, most: int, least: int = 1):
    """(boxes, there) of the objects 1 … most in maps of numbers.

    Args:
        numbers: B x H x W int32, 0 is no object; least: pixels of an object that counts.
    Returns: B x most x 4, and B x most bool: of which there are so many pixels. The box of one that is not is empty.
    """
    height, width = ops.shape(numbers)[1:3]
    own = ops.equal(numbers[:, None], ops.reshape(ops.arange(1, most + 1, dtype="int32"), (1, most, 1, 1)))
    there = ops.sum(ops.cast(own, "float32"), axis=(2, 3)) >= least
    ends = []
    for axis, length in ((3, height), (2, width)):
        lines = ops.any(own, axis=axis)
        places = ops.arange(length, dtype="float32")
        first = ops.min(ops.where(lines, places, ops.cast(length, "float32")), axis=-1)
        last = ops.max(ops.where(lines, places + 1.0, 0.0), axis=-1)
        ends.append((first, last))
    (top, bottom), (left, right) = ends
    found = ops.stack([top, left, bottom, right], axis=-1)
    return ops.where(there[..., None], found, 0.0), there


def taken(values, places):
    """Of each picture the values at these places: B x n x C (or B x n) and B x k int32 to B x k x C (or B x k)."""
    batch, count = ops.shape(values)[0], ops.shape(values)[1]
    flat = ops.reshape(values, (-1, *values.shape[2:]))
    starts = ops.cast(ops.arange(batch) * count, "int32")
    return ops.take(flat, places + starts[:, None], axis=0)
