"""Otsu's threshold between two classes of values: Otsu 1979 (IEEE Trans. Syst. Man Cybern. 9, 62)."""

import cv2
import numpy as np

FLAT = 1e-6  # what varies less than this is constant


def otsu(values: np.ndarray) -> tuple[float, float]:
    """Otsu's threshold and the distance between the means of its two classes; 0 is the distance where all are equal.

    Of H x W float32. The upper class is `values >= threshold`. 256 bins from the smallest to the largest value.
    """
    low, high = float(values.min()), float(values.max())
    if high - low < FLAT:
        return low, 0.0
    step = (high - low) / 255
    binned = ((values - low) / step + 0.5).astype(np.uint8)
    below, _ = cv2.threshold(binned, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    threshold = low + (below + 0.5) * step
    upper = values >= threshold
    if upper.all():
        # as near to each other as float32 knows
        return threshold, 0.0
    return threshold, float(values[upper].mean() - values[~upper].mean())
