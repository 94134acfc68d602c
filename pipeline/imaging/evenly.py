"""Some of many, evenly spaced from the first to the last: what is looked at where all would take too long."""

from collections.abc import Sequence

import numpy as np


def places(count: int, most: int) -> np.ndarray:
    """Which of 0, 1, … count - 1: all, or `most` of them, int64 and ascending."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def some(items: Sequence, most: int) -> list:
    """All of the items, or `most` of them."""
    return [items[place] for place in places(len(items), most).tolist()]
