"""No network: a filter, a threshold, and nothing learnt but which of them. The floor that a network must beat.

Valleys by the Hessian: Lindeberg 1998 (Int. J. Comput. Vis. 30, 117). What touches is told apart by the kind of answer
(`Task.of_one`).
"""

from collections.abc import Iterable
from functools import partial

import cv2
import numpy as np

from pipeline.errors import UserError
from pipeline.imaging.otsu import FLAT, otsu

BINS = 4096  # of the fixed levels tried, from -1 to 1; filters hardly answer beyond


def blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), sigma)


def surroundings(values: np.ndarray) -> np.ndarray:
    """The mean of a wide neighbourhood: a box of a quarter of the shorter side, twice."""
    side = max(3, min(values.shape) // 4 | 1)
    return cv2.blur(cv2.blur(values, (side, side)), (side, side))


def dark(values: np.ndarray, sigma: float) -> np.ndarray:
    return 1 - blurred(values, sigma)


def rarer(values: np.ndarray, sigma: float) -> np.ndarray:
    """Bright where the smaller of Otsu's two classes is: what is dark on bright and what is bright on dark, alike.

    Of the square root, so that what glows faintly counts beside what glows brightly.
    """
    root = blurred(np.sqrt(np.maximum(values, 0)), sigma)
    threshold, _ = otsu(root)
    return root if np.count_nonzero(root >= threshold) * 2 <= root.size else 1 - root


def brighter_than_around(values: np.ndarray, sigma: float) -> np.ndarray:
    return blurred(values, sigma) - surroundings(values)


def darker_than_around(values: np.ndarray, sigma: float) -> np.ndarray:
    return -brighter_than_around(values, sigma)


def valley(values: np.ndarray, sigma: float) -> np.ndarray:
    """How deep a dark line of about that width is: sigma^2 times the larger eigenvalue of the Hessian."""
    smooth = blurred(values, sigma)
    along_x, along_y = (cv2.Sobel(smooth, cv2.CV_32F, *order) / 4 for order in ((2, 0), (0, 2)))
    mixed = cv2.Sobel(smooth, cv2.CV_32F, 1, 1) / 4
    return sigma**2 * ((along_x + along_y) / 2 + np.hypot((along_x - along_y) / 2, mixed))


def ridge(values: np.ndarray, sigma: float) -> np.ndarray:
    return valley(-values, sigma)


def dark_line(values: np.ndarray, sigma: float) -> np.ndarray:
    """A valley, the better the darker it is: a gap between dark grains is one, too."""
    return valley(values, sigma) + 0.2 * darker_than_around(values, sigma / 2)


def rough(values: np.ndarray, sigma: float) -> np.ndarray:
    """The local standard deviation."""
    centred = values - values.mean()
    return np.sqrt(np.maximum(blurred(centred**2, sigma) - blurred(centred, sigma) ** 2, 0))


def even(values: np.ndarray, sigma: float) -> np.ndarray:
    return -rough(values, sigma)


def blob(values: np.ndarray, radius: int) -> np.ndarray:
    """What is bright and has room for a disc, as a third of what is usual in the picture's brighter part.

    The picture's own measure because the units of a scanner (MRI) mean nothing.
    """
    smooth = blurred(values, 1)
    threshold, _ = otsu(smooth)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    usual = float(np.median(smooth[smooth >= threshold]))
    return cv2.morphologyEx(smooth, cv2.MORPH_OPEN, disc) / max(3 * usual, FLAT)


# name -> from a channel, H x W float32 0..1, to H x W float32, higher where the class is likelier
CANDIDATES = {
    "bright 1": partial(blurred, sigma=1),
    "bright 2": partial(blurred, sigma=2),
    "bright 4": partial(blurred, sigma=4),
    "dark 1": partial(dark, sigma=1),
    "dark 2": partial(dark, sigma=2),
    "dark 4": partial(dark, sigma=4),
    "rarer 1": partial(rarer, sigma=1),
    "rarer 2": partial(rarer, sigma=2),
    "brighter than around 2": partial(brighter_than_around, sigma=2),
    "darker than around 2": partial(darker_than_around, sigma=2),
    "valley 2": partial(valley, sigma=2),
    "valley 4": partial(valley, sigma=4),
    "ridge 2": partial(ridge, sigma=2),
    "ridge 4": partial(ridge, sigma=4),
    "dark line 4": partial(dark_line, sigma=4),
    "rough 4": partial(rough, sigma=4),
    "even 4": partial(even, sigma=4),
    "blob 5": partial(blob, radius=5),
    "blob 9": partial(blob, radius=9),
}


def soft(image: np.ndarray, choice: dict) -> np.ndarray:
    """How likely the class is by what `choose` chose: H x W uint8, 128 or more from the threshold on.

    The threshold and what spans the values (128 of them) are the picture's own, by Otsu, or those of the training
    images where the choice has a level. A constant channel gives 0 everywhere.

    Args: image: H x W x C float32, 0..1. Raises UserError when the choice does not fit it.
    """
    name, channel = choice["filter"], choice["channel"]
    if name not in CANDIDATES or channel >= image.shape[2]:
        raise UserError(
            f"the classical model was fitted with filter '{name}' of channel {channel}, which these images or this "
            "version do not have; train the fold with --again"
        )
    values, threshold, spread = _filtered(np.ascontiguousarray(image[..., channel], np.float32), name)
    if not spread:
        return np.zeros(values.shape, np.uint8)
    if choice["level"] is not None:
        threshold, spread = choice["level"], choice["scale"]
    return np.clip(np.floor((values - threshold) * (128 / spread)) + 128, 0, 255).astype(np.uint8)


def check(choice: dict) -> None:
    """Raises KeyError, TypeError or ValueError where something is not what `choose` would have chosen."""
    if choice["filter"] not in CANDIDATES:
        raise ValueError(f"there is no filter '{choice['filter']}'")
    if type(choice["channel"]) is not int or choice["channel"] < 0:
        raise ValueError(f"channel is {choice['channel']!r}")
    if choice["level"] is not None and not (np.isfinite(choice["level"]) and choice["scale"] > 0):
        raise ValueError("with a level there must be a scale above 0")


def _filtered(plane: np.ndarray, name: str) -> tuple[np.ndarray, float, float]:
    """What a filter makes of a channel, and `otsu` of that; no distance where the channel itself is constant."""
    values = CANDIDATES[name](plane)
    threshold, spread = otsu(values)
    return values, threshold, spread if np.ptp(plane) >= FLAT else 0.0


def choose(pairs: Iterable[tuple[np.ndarray, ...]]) -> dict:
    """The best of all filters, channels and ways to a threshold: the one with the highest mean Dice at 128.

    Args: pairs: (image H x W x C float32 0..1, truth H x W bool) of training images, read once; those without any truth
        take no part. All of the others do, so the caller limits their number. A third, H x W bool, says which pixels
        count.
    Returns: filter: a name of CANDIDATES; channel: 0, 1, …; level and scale: the threshold and the span of values that
        hold for every image, or None for the image's own; dice: the mean reached; images: how many took part.
    Raises: UserError: no image has any truth.
    """
    tried: dict[tuple[str, int], _Tried] = {}
    images = 0
    for image, truth, *known in pairs:
        if truth.any():
            images += 1
            for channel in range(image.shape[2]):
                plane = np.ascontiguousarray(image[..., channel], np.float32)
                for name in CANDIDATES:
                    tried.setdefault((name, channel), _Tried()).add(*_filtered(plane, name), truth, *known)
    if not images:
        raise UserError("nothing is labelled in the images that the classical model may choose by; make other folds")
    found = [{"filter": name, "channel": channel, **one.best(images)} for (name, channel), one in tried.items()]
    # of equals the first
    return {**max(found, key=lambda one: one["dice"]), "images": images}


class _Tried:
    """What one filter of one channel got, summed over images."""

    def __init__(self):
        self.spread = self.by_otsu = 0.0
        self.by_level = np.zeros(BINS)

    def add(self, values: np.ndarray, threshold: float, spread: float, truth: np.ndarray, known=...) -> None:
        values, truth = values[known], truth[known]
        if not spread or not truth.any():
            return
        found = values >= threshold
        self.spread += spread
        self.by_otsu += 2 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + np.count_nonzero(truth))
        self.by_level += _dice_by_level(values, truth)

    def best(self, images: int) -> dict:
        """level, scale and dice; a level must be better than Otsu, of equally good ones it is the middle one."""
        good = np.flatnonzero(self.by_level >= self.by_level.max() - 1e-9)
        middle = int(good[len(good) // 2])
        if self.by_level[middle] <= self.by_otsu:
            return {"level": None, "scale": None, "dice": float(self.by_otsu / images)}
        level = 2 * middle / BINS - 1
        return {"level": level, "scale": self.spread / images, "dice": float(self.by_level[middle] / images)}


def _dice_by_level(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Dice of `values >= level` for each of the BINS levels."""
    bins = np.clip((values + 1) * (BINS / 2), 0, BINS - 1).astype(np.int64)
    counts = np.bincount((bins + BINS * truth).ravel(), minlength=2 * BINS).reshape(2, BINS)
    outside, inside = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    return 2 * inside / (outside + inside + np.count_nonzero(truth))
