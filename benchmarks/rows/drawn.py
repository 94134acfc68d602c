"""What rows are measured on: drawn, the same every time."""

import numpy as np

SIDE = 101  # of a TGS picture


def blobs(count: int, seed: int, side: int = SIDE) -> np.ndarray:
    """count x side x side smooth random fields as uint8 probabilities, 40 % of them low everywhere."""
    import cv2

    random = np.random.default_rng(seed)
    fields = random.normal(size=(count, 4, 4)).astype(np.float32) * 3
    fields[random.random(count) < 0.4] -= 9
    large = np.stack([cv2.resize(field, (side, side), interpolation=cv2.INTER_CUBIC) for field in fields])
    return (255 / (1 + np.exp(-large))).astype(np.uint8)


def nuclei(seed: int, side: int = 256) -> np.ndarray:
    """side x side uint16 numbers of 30 to 300 discs, some of which touch."""
    random = np.random.default_rng(seed)
    labels = np.zeros((side, side), np.uint16)
    rows, columns = np.ogrid[:side, :side]
    for number in range(1, int(random.integers(30, 301)) + 1):
        (top, left), radius = random.integers(0, side, 2), random.uniform(3, 9)
        first, last = max(0, top - 10), max(0, left - 10)
        window = labels[first : top + 11, last : left + 11]
        inside = (rows[first : top + 11] - top) ** 2 + (columns[:, last : left + 11] - left) ** 2 < radius**2
        window[inside & (window == 0)] = number
    return labels
