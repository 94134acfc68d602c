"""Objects that touch, told apart by the shape of their common outline alone."""

import cv2
import numpy as np

SMOOTH = 1.0  # pixels: sigma of what takes the steps of a pixel outline out of its depth
DIP = 0.75  # pixels: the way between two objects is at least so much narrower (in half widths) than both


def parted(mask: np.ndarray) -> np.ndarray:
    """An H x W bool mask to numbers of objects, uint16, 0 outside.

    The depth of a pixel is its Euclidean distance to the outline. Every top of the smoothed depth that rises more
    than DIP above the way to a higher one is an object (the h-maxima: Soille, Morphological Image Analysis, 6.3.5);
    from these tops a watershed goes down to the outline. A connected part without such a top is one object.
    """
    from skimage.morphology import reconstruction
    from skimage.segmentation import watershed

    inside = mask.astype(np.uint8)
    # the picture's edge is no outline: without any there is no depth
    depth = cv2.GaussianBlur(cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5), (0, 0), SMOOTH)
    depth[~mask] = 0
