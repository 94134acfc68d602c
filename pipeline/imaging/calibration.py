"""Whether probabilities come true: pixels counted by what was said of them, and how far that is from what they are.

Of pixels with a probability near .7 about 70 % should be the class (reliability: Murphy and Winkler 1977,
doi:10.2307/2346866).
"""

import numpy as np

BINS = 10  # of probability, equally wide: .0 to .1, .1 to .2 …
_AT_ONCE = 1 << 22  # pixels
_BIN = np.minimum(np.arange(256) * BINS // 255, BINS - 1)  # of each level


def histogram(probabilities: np.ndarray, truth: np.ndarray, found: np.ndarray, known=None) -> np.ndarray:
    """Pixels by (is the class, was taken for it, level): 2 x 2 x 256, int64.

    Args:
        probabilities: H x W uint8. truth, found: H x W bool. known: the same, what is not is left out; None is all.
    """
    counts = np.zeros(1024, np.int64)
    step = max(1, _AT_ONCE // max(1, probabilities.shape[1]))
    for top in range(0, len(probabilities), step):
        lines = slice(top, top + step)
        index = truth[lines] * np.int16(512)
        index += found[lines] * np.int16(256)
        index += probabilities[lines]
        counts += np.bincount(index.ravel() if known is None else index[known[lines]], minlength=1024)
    return counts.reshape(2, 2, 256)


def binned(counts: np.ndarray) -> np.ndarray:
    """From a histogram to BINS x 3, int64: pixels, those of them that are the class, and the sum of their levels."""
    pixels, true = counts.sum(axis=(0, 1)), counts[1].sum(axis=0)
    found = np.zeros((BINS, 3), np.int64)
    np.add.at(found, _BIN, np.stack([pixels, true, pixels * np.arange(256)], axis=-1))
    return found


def expected(counts: np.ndarray) -> tuple[float, float, float]:
    """From a histogram the mean of (intersection, predicted, truth) in pixels, if the probabilities were true.

    Means are exact, however pixels depend on each other: they add up.
    """
    levels, found = np.arange(256) / 255, counts.sum(axis=0)
    return float(found[1] @ levels), float(found[1].sum()), float(found.sum(axis=0) @ levels)


def said(counts: np.ndarray) -> np.ndarray:
    """The mean probability of each bin, (…, BINS, 3) to (…, BINS); not a number where it is empty."""
    return _ratio(counts[..., 2], 255 * counts[..., 0])


def seen(counts: np.ndarray) -> np.ndarray:
    """The share of the class in each bin, likewise."""
    return _ratio(counts[..., 1], counts[..., 0])


def expected_error(counts: np.ndarray) -> float:
    """The expected calibration error of one class, BINS x 3 counts: the mean over pixels of |said - seen| of their bin;
    0 without pixels.

    As Naeini et al. 2015 (doi:10.1609/aaai.v29i1.9602) have it for two classes, over the class's own probability as in
    the class-wise error of Kull et al. 2019 (arXiv:1910.12656).
    """
    apart = np.abs(counts[:, 2] / 255 - counts[:, 1])
    return float(apart.sum() / max(1, counts[:, 0].sum()))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
