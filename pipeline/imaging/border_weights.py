"""How much a pixel between two objects counts, so that a network learns to keep them apart."""

import cv2
import numpy as np

REACH = 5.0  # sigmas: where d1 + d2 is more, less than 4e-6 of the weight would be left


def border_weights(objects: np.ndarray, weight: float, sigma: float) -> np.ndarray:
    """The second term of equation 2 of the U-Net paper (Ronneberger, Fischer, Brox 2015, arXiv:1505.04597).

    weight x exp(-(d1 + d2)^2 / (2 sigma^2)) between the objects, 0 on them and where d1 + d2 > REACH x sigma. d1 and d2
    are the distances, in pixels from centre to centre, to the nearest and the second nearest object.

    Args:
        objects: H x W integers, 0 is background, every other number the pixels of one object.
        weight: w0 of the paper, which uses 10. sigma: in pixels; the paper uses about 5.
    Returns: H x W float32, 0..weight.
    """
    near, second = nearest_two(objects, int(np.ceil(REACH * sigma)))
    total = near + second
    weights = np.float32(weight) * np.exp(-np.square(total) / np.float32(2 * sigma**2))
    weights[(objects != 0) | (total > REACH * sigma)] = 0
    return weights


def nearest_two(objects: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """The distances to the nearest and the second nearest object, in pixels; infinite where they are out of reach.

    Args:
        objects: as in `border_weights`.
        reach: pixels; distances up to it are found, of larger ones only some.
    Returns: two H x W float32.
    """
    near, second = (np.full(objects.shape, np.inf, np.float32) for _ in range(2))
    for number, box in _boxes(objects, reach):
        # the distance to the nearest pixel that is 0 here
        other = (objects[box] != number).astype(np.uint8)
        distance = cv2.distanceTransform(other, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        np.minimum(second[box], np.maximum(near[box], distance), out=second[box])
        np.minimum(near[box], distance, out=near[box])
    return _exact(near), _exact(second)


def _exact(distances: np.ndarray) -> np.ndarray:
    """OpenCV's roots differ in their last bit with the place in memory; what they are taken of are whole numbers."""
    return np.sqrt(np.rint(np.square(distances)))


def _boxes(objects: np.ndarray, reach: int) -> list[tuple[int, tuple[slice, slice]]]:
    """The number of each object and the box around it, `reach` pixels larger on each side."""
    from scipy import ndimage

    # numbers may be huge or negative; their ranks are 1, 2, … and those of every box
    numbers, ranks = np.unique(objects, return_inverse=True)
    boxes = ndimage.find_objects(ranks.reshape(objects.shape) + 1)
    return [(number, _grown(box, reach)) for number, box in zip(numbers, boxes, strict=True) if number]


def _grown(box: tuple[slice, ...], reach: int) -> tuple[slice, ...]:
    return tuple(slice(max(0, side.start - reach), side.stop + reach) for side in box)
