"""A few dozen numbers that say how a picture looks, not what is in it: size, brightness, contrast, edges, colour."""

import cv2
import numpy as np

from pipeline.imaging import evenly

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
CHANNELS = 4  # that are looked at: of more, as many evenly spaced ones
MOST = 1 << 20  # pixels of a picture that is looked at whole
PATCHES, SIDE = 4, 256  # of a larger one: so many squares along each side, evenly spaced, and their pixels along one
OF_SIZE = ("height, logarithm", "width, logarithm")
OF_CHANNEL = (
    "mean",
    "spread",
    *(f"percentile {share}" for share in PERCENTILES),
    "entropy",
    "share of the least value",
    "share of the largest value",
    "steps between neighbours",
    "steps by spread",
)


def names(channels: int) -> list[str]:
    """What each number is, for pictures of so many channels."""
    chosen = looked_at(channels)
    if len(chosen) == 1:
        return [*OF_SIZE, *OF_CHANNEL]
    found = [*OF_SIZE, *(f"{name}, channel {k + 1}" for k in chosen for name in OF_CHANNEL)]
    return [*found, *(f"share of channel {k + 1}" for k in chosen), "difference of channels"]


def looked_at(channels: int) -> np.ndarray:
    """Which of the channels 0, 1, … are looked at."""
    return evenly.places(channels, CHANNELS)


def part_of(picture: np.ndarray) -> np.ndarray:
    """The channels that are looked at of an H x W x C picture, and where it has more than MOST pixels, patches of it
    beside each other."""
    height, width, channels = picture.shape
    chosen = looked_at(channels)
    if height * width <= MOST:
        return picture[..., chosen]
    spans = []
    for length in (height, width):
        side = max(1, min(SIDE, length // PATCHES))
        starts = np.linspace(0, length - side, PATCHES).round().astype(int)
        spans.append([slice(start, start + side) for start in starts])
    return np.concatenate([np.concatenate([picture[y, x][..., chosen] for x in spans[1]], axis=1) for y in spans[0]])


def measured(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As many numbers as `names` has, float64.

    Steps between neighbours: the mean difference of pixels beside and below each other. Entropy: in bits, of the
    histogram over 64 levels (Shannon 1948).

    Args:
        picture: H x W x C uint8, what `part_of` takes. size: of the whole, in pixels.
    """
    planes = [_of_channel(np.ascontiguousarray(plane)) for plane in np.moveaxis(picture, -1, 0)]
    found = [*np.log2(size), *(number for plane in planes for number in plane)]
    if len(planes) > 1:
        means = np.array([plane[0] for plane in planes])
        found += [*(means / max(means.sum(), 1)), np.ptp(picture, axis=2).mean()]
    return np.array(found, np.float64)


def _of_channel(plane: np.ndarray) -> list[float]:
    pairs = (plane[:, 1:], plane[:, :-1]), (plane[1:], plane[:-1])
    steps = np.mean([cv2.absdiff(*map(np.ascontiguousarray, pair)).mean() if pair[0].size else 0 for pair in pairs])
    counts = np.bincount(plane.ravel(), minlength=256)
    levels, shares = np.arange(256), counts / counts.sum()
    mean = float(levels @ shares)
    spread = float(np.sqrt(np.square(levels - mean) @ shares))
    at_most, present = np.cumsum(counts), np.flatnonzero(counts)
    percentiles = np.searchsorted(at_most, np.array(PERCENTILES) / 100 * at_most[-1])
    ends = shares[present[0]], shares[present[-1]]
    return [mean, spread, *percentiles, _entropy(shares), *ends, float(steps), float(steps) / max(spread, 1)]


def _entropy(shares: np.ndarray) -> float:
    """Of the shares of 256 levels, four of them together."""
    shares = shares.reshape(64, 4).sum(axis=1)
    return float(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum())
