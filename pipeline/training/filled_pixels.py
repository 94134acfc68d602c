"""A pixel at random among those of an image that hold something, without a list of them all: large pictures have
millions."""

from collections.abc import Callable

import numpy as np

AT_ONCE = 1 << 22  # pixels looked at together
LARGE = 1 << 20  # pixels: of pictures from here on it is kept how many each line holds


class FilledPixels:
    """Counts line by line.

    Args: filled: of an image's number and a slice of its lines, which pixels are: h x w bool.
    """

    def __init__(self, filled: Callable[[int, slice], np.ndarray]):
        self.filled = filled
        self.kept: dict[int, np.ndarray] = {}

    def one(self, row: int, height: int, width: int, random: np.random.Generator) -> tuple[int, int] | None:
        """(y, x) of a filled pixel of image `row`, each as likely as any other; None where there is none, and then
        nothing is drawn from `random`."""
        upto = self._upto(row, height, width)
        if not len(upto) or not upto[-1]:
            return None
        place = int(random.integers(int(upto[-1])))
        y = int(np.searchsorted(upto, place, side="right"))
        before = int(upto[y - 1]) if y else 0
        return y, int(np.flatnonzero(self.filled(row, slice(y, y + 1))[0])[place - before])

    def _upto(self, row: int, height: int, width: int) -> np.ndarray:
        """How many pixels are filled down to each line, that line too."""
        found = self.kept.get(row)
        if found is None:
            step = max(1, AT_ONCE // max(width, 1))
            bands = (self.filled(row, slice(y, y + step)) for y in range(0, height, step))
            counts = [band.sum(axis=1, dtype=np.int64) for band in bands]
            found = np.cumsum(np.concatenate(counts)) if counts else np.zeros(0, np.int64)
            if height * width >= LARGE:
                self.kept[row] = found
        return found
