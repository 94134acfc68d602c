"""How thick the objects of a mask are, where they touch, too."""

import cv2
import numpy as np


def typical_radius(mask: np.ndarray) -> float:
    """The radius in pixels that half of the mask lies in parts of, or in thicker ones; 0 where it is empty.

    Of a connected part (8 neighbours) it is that of the largest circle in it: of objects that touch in a row about that
    of one of them, whatever their number.

    Args: mask: H x W bool.
    """
    inside = np.ascontiguousarray(mask, np.uint8)
    count, parts = cv2.connectedComponents(inside)
    if count < 2:
        return 0.0
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5)
    # where there is no outline at all OpenCV gives a huge distance
    distance = np.minimum(distance, max(mask.shape) / 2)
    where = np.flatnonzero(inside)
    of = parts.ravel()[where] - 1
    radius = np.zeros(count - 1)
    np.maximum.at(radius, of, distance.ravel()[where])
    order = np.argsort(radius)
    below = np.cumsum(np.bincount(of, minlength=count - 1)[order])
    return float(radius[order][np.searchsorted(below, below[-1] / 2)])
