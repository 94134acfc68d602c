"""Anchors: boxes that lie everywhere, of the sizes that objects have; from them regions are proposed."""

import numpy as np
from keras import ops

SCALES = 2  # sizes at each level of the pyramid
SHAPES = 3  # of each size: as long as wide, lying, standing
# the share of the objects that are smaller than the smallest anchor, and larger than the largest
BEYOND = 0.05


def chosen(sizes: np.ndarray, levels: int) -> np.ndarray:
    """The anchors of a data set: levels x (SCALES SHAPES) x 2, height and width in pixels, float32.

    The sides (root of the area) are a geometric series between the objects that are smaller and larger than all but
    BEYOND of them, spread to a factor of 2 from level to level at least, because the strides are. The longer side of
    lying and standing ones is to the shorter as in four of five objects at most.

    Args:
        sizes: height and width of the boxes of objects, n x 2 in pixels; none at all is taken for objects of 16 pixels.
    """
    sizes = np.asarray(sizes, float).reshape(-1, 2)
    sizes = sizes if len(sizes) else np.full((1, 2), 16.0)
    sides = np.sqrt(sizes.prod(axis=1))
    low, high = np.quantile(sides, [BEYOND, 1 - BEYOND])
    middle, least = np.sqrt(low * high), 2.0 ** ((levels * SCALES - 1) / SCALES)
    spread = max(high / low, least)
    scales = np.geomspace(middle / np.sqrt(spread), middle * np.sqrt(spread), levels * SCALES)
    longer = np.clip(np.quantile(sizes.max(axis=1) / sizes.min(axis=1), 0.8), 1.25, 4.0)
    shapes = np.sqrt(np.array([1.0, 1 / longer, longer]))
    found = np.stack([scales[:, None] * shapes, scales[:, None] / shapes], axis=-1)
    return found.reshape(levels, SCALES * SHAPES, 2).astype(np.float32)


def laid(shape: tuple, stride: int, sizes):
    """The anchors of a level: (h w A) x 4, of each cell those of all sizes, cell after cell in reading order.

    Args: shape: h and w of the level; stride: pixels from cell to cell; sizes: A x 2, height and width in pixels.
    """
    y = (ops.arange(shape[0], dtype="float32") + 0.5) * stride
    x = (ops.arange(shape[1], dtype="float32") + 0.5) * stride
    y, x = y[:, None, None] + 0 * x[None, :, None], x[None, :, None] + 0 * y[:, None, None]
    half = ops.cast(sizes, "float32") / 2
    found = ops.stack([y - half[:, 0], x - half[:, 1], y + half[:, 0], x + half[:, 1]], axis=-1)
    return ops.reshape(found, (-1, 4))
