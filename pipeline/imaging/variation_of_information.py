"""How two ways to part the same pixels differ: what one does not say of the other, in bits."""

import numpy as np


def variation_of_information(first: np.ndarray, second: np.ndarray) -> float:
    """H(first | second) + H(second | first) in bits (Meila 2007), of two maps of labels (whole numbers) of one shape.

    0 where both part the pixels alike, whatever the labels are called; 0 for no pixel at all.
    """
    if first.size == 0:
        return 0.0
    _, a = np.unique(first, return_inverse=True)
    _, b = np.unique(second, return_inverse=True)
    _, pairs = np.unique(a.ravel().astype(np.int64) * (int(b.max()) + 1) + b.ravel(), return_counts=True)
    both, one, other = (_entropy(counts) for counts in (pairs, np.bincount(a.ravel()), np.bincount(b.ravel())))
    # of equal partitions the difference is rounding
    return max(0.0, 2 * both - one - other)


def of_components(first: np.ndarray, second: np.ndarray) -> float:
    """The variation of information of the connected parts of two bool masks (neighbours by corners, too: 26 in space).

    Over the pixels that are in either mask; what is outside of one of them is there a label of its own.
    """
    from scipy import ndimage

    either, everywhere = first | second, np.ones((3,) * first.ndim, bool)
    maps = (ndimage.label(mask, everywhere)[0][either] for mask in (first, second))
    return variation_of_information(*maps)


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())
