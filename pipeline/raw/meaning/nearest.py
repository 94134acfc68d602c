"""Which class a pixel of a mask belongs to whose value is none of the classes' own: a stray, or a soft edge."""

import cv2
import numpy as np

REACH = 3  # pixels: how far from a region its soft edge may lie


def by_value_or_place(pixels: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strays go to the class whose value is nearest by far, otherwise to that of the nearest pixel that has one.

    Args:
        pixels: H x W x C, int64. classes: K x C, the value of each class.

    Returns: places in `classes`, H x W; where a pixel was of none of them, H x W bool.
    """
    first, second, place = _distances(pixels, classes)
    strays = first > 0
    if strays.any() and not strays.all():
        unclear = strays & (4 * first > second)
        # squared: less than twice as far from the second nearest as from the nearest
        _, nearest = cv2.distanceTransformWithLabels(
            strays.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        of_label = np.zeros(int(nearest.max()) + 1, place.dtype)
        of_label[nearest[~strays]] = place[~strays]
        place = np.where(unclear, of_label[nearest], place)
    return place, strays


def by_edges(pixels: np.ndarray, classes: np.ndarray, wide: int = REACH) -> tuple[np.ndarray, np.ndarray]:
    """Soft edges go to one of the classes on their two sides: what lies between black and white is no grey class.

    Args:
        pixels: H x W x C, int64. classes: K x C, the value of each class. wide: how far an edge reaches, in pixels.

    Returns: places in `classes`, H x W; where a pixel was of none of them, H x W bool.
    """
    first, _, place = _distances(pixels, classes)
    near = _near(classes)
    soft = first > near**2
    core = _core(np.where(soft, -1, place))
    undecided = ~core
    if not undecided.any() or not core.any():
        return place, soft
    kernel = np.ones((2 * wide + 1, 2 * wide + 1), np.uint8)
    beside = np.stack(
        [cv2.dilate((core & (place == k)).astype(np.uint8), kernel)[undecided] > 0 for k in range(len(classes))], axis=1
    )
    colours = pixels[undecided].astype(np.float32)
    distances = ((colours[:, None] - classes[None].astype(np.float32)) ** 2).sum(axis=2)
    best = np.where(beside, distances, np.inf).argmin(axis=1)
    own = place[undecided]
    # a thin line is a class of its own, unless its value lies between those on both sides
    alone = ~soft[undecided] & ~beside[np.arange(len(own)), own] & ~_between(colours, classes, beside, near)
    place = place.copy()
    place[undecided] = np.where(alone | ~beside.any(axis=1), own, best)
    return place, soft


def _distances(pixels: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squared distances to the nearest class and the second nearest, and which the nearest is; each H x W."""
    first = np.full(pixels.shape[:2], np.inf)
    second, place = first.copy(), np.zeros(pixels.shape[:2], np.int64)
    for k, value in enumerate(classes):
        distance = ((pixels - value) ** 2).sum(axis=2).astype(float)
        closer = distance < first
        second = np.where(closer, first, np.minimum(second, distance))
        place[closer] = k
        first = np.where(closer, distance, first)
    return first, second, place


def _near(classes: np.ndarray) -> float:
    """A quarter of the distance between the two classes that are nearest to each other."""
    apart = ((classes[:, None] - classes[None]) ** 2).sum(axis=2).astype(float)
    np.fill_diagonal(apart, np.inf)
    return float(np.sqrt(apart.min()) / 4)


def _core(places: np.ndarray) -> np.ndarray:
    """Pixels that have one class with all their neighbours."""
    values = places.astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    low = cv2.erode(values, kernel, borderType=cv2.BORDER_REPLICATE)
    return (low == cv2.dilate(values, kernel, borderType=cv2.BORDER_REPLICATE)) & (places >= 0)


def _between(colours: np.ndarray, classes: np.ndarray, beside: np.ndarray, near: float) -> np.ndarray:
    """Whether a colour lies, within `near`, on the line between two classes that lie beside the pixel: n bool."""
    found = np.zeros(len(colours), bool)
    for i in range(len(classes)):
        for j in range(i):
            both = beside[:, i] & beside[:, j] & ~found
            if both.any():
                start, way = classes[j].astype(np.float32), (classes[i] - classes[j]).astype(np.float32)
                share = ((colours[both] - start) @ way / (way @ way)).clip(0, 1)[:, None]
                away = np.sqrt(((start + share * way - colours[both]) ** 2).sum(axis=1))
                found[both] = away <= near
    return found
