"""Windows that must hold something: which image one is cut from, and around what.

Of several classes each is wanted as often as any other, however rare: a pixel drawn from all that hold something is
nearly always of the largest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipeline.tasks.ahead import in_order
from pipeline.training.filled_pixels import FilledPixels


@dataclass(frozen=True)
class Wanted:
    """What a window may be cut around: a class, or with one class anything.

    Attributes:
        pixels: of each, where it is.
        holders: of each, the numbers of the images that hold it; none where no image does.
    """

    pixels: list[FilledPixels]
    holders: list[np.ndarray]

    def draw(self, row: int, random: np.random.Generator) -> tuple[int, FilledPixels | None]:
        """An image and what of it is wanted: image `row` where it holds that, else another that does; `row` and None
        where no image holds anything."""
        occurring = [k for k, rows in enumerate(self.holders) if len(rows)]
        if not occurring:
            return row, None
        # where there is one nothing is drawn
        k = occurring[int(random.integers(len(occurring)))] if len(self.holders) > 1 else 0
        rows = self.holders[k]
        place = np.searchsorted(rows, row)
        holds = place < len(rows) and rows[place] == row
        return (row if holds else int(random.choice(rows))), self.pixels[k]


def of_anything(rows: np.ndarray, coverage: np.ndarray, filled: Callable) -> Wanted:
    """With one class. Args: rows: numbers of the images; coverage: of each, 0..1; filled: as FilledPixels has it."""
    return Wanted([FilledPixels(filled)], [np.sort(rows[coverage > 0])])


def of_classes(rows: np.ndarray, sizes: np.ndarray, classes: int, filled: Callable) -> Wanted:
    """With several; every image is looked at once.

    Args:
        rows: numbers of the images. sizes: of each, height and width.
        filled: of an image's number, a slice of its lines and a class, where that is: h x w bool.
    """
    pixels = [FilledPixels(partial(filled, which=k)) for k in range(classes)]

    def held(item) -> list[bool]:
        row, (height, width) = item
        return [one.any(row, height, width) for one in pixels]

    items = list(zip(rows.tolist(), sizes.tolist(), strict=True))
    found = np.array(list(in_order(held, items, "classes")), bool).reshape(len(rows), classes)
    return Wanted(pixels, [np.sort(rows[column]) for column in found.T])
