"""Pictures that are read a band of lines at a time, because they are larger than the memory should hold."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

AT_ONCE = 1 << 24  # values of a band


@dataclass(frozen=True)
class Bands:
    """A picture H x W x C whose lines are read when they are asked for.

    Attributes:
        shape: height, width, channels. dtype: of what `read` gives: one in which pictures are stored.
        read: (top, bottom) -> the lines from `top` up to `bottom`, h x W x C. Raises UserError.
        held: bytes that are in the memory for it beside a band.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    read: Callable[[int, int], np.ndarray]
    held: int = 0

    @property
    def nbytes(self) -> int:
        """Of what is in the memory."""
        return self.held + min(int(np.prod(self.shape, dtype=np.int64)), AT_ONCE) * self.dtype.itemsize

    def __iter__(self) -> Iterator[np.ndarray]:
        for top, bottom in spans(self.shape):
            yield self.read(top, bottom)


def spans(shape: tuple[int, int, int]) -> Iterator[tuple[int, int]]:
    """(top, bottom) of the bands of a picture of this shape, from top to bottom."""
    height, width, channels = shape
    step = max(1, AT_ONCE // (width * channels))
    for top in range(0, height, step):
        yield top, min(top + step, height)


def bands_of(picture: "np.ndarray | Bands") -> Iterable[np.ndarray]:
    """A picture from top to bottom: an array as a whole, another band by band."""
    return picture if isinstance(picture, Bands) else (picture,)


def whole(picture: "np.ndarray | Bands") -> np.ndarray:
    """H x W x C in the memory."""
    return np.concatenate(list(picture)) if isinstance(picture, Bands) else picture


def in_steps(bands: Iterable[np.ndarray], step: int) -> Iterator[np.ndarray]:
    """The pixels of bands h x W x C, n x C each, `step` at a time however high the bands are; fewer in the end."""
    left: np.ndarray | None = None
    for band in bands:
        rows = band.reshape(-1, band.shape[2])
        if left is not None and len(left):
            rows = np.concatenate([left, rows])
        whole = len(rows) // step * step
        for start in range(0, whole, step):
            yield rows[start : start + step]
        # a copy, so that the band is not kept
        left = rows[whole:].copy()
    if left is not None and len(left):
        yield left
