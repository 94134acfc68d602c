"""Large TIFFs a band of lines at a time, however they are stored: tiled, compressed, planes apart, with copies of
themselves in smaller sizes. Small pictures, and what cannot be read so, are read whole."""

import weakref

import numpy as np

from pipeline.raw import pictures, values
from pipeline.raw.files import RawFiles
from pipeline.raw.pixels import tiff
from pipeline.raw.pixels.one_line import named
from pipeline.store.bands import AT_ONCE, Bands

MOST_PIXELS = 1 << 33  # by its header: more is a header that lies


def picture(raw: RawFiles, name: str, has_gaps: bool = False, most: int = 0) -> np.ndarray | Bands:
    """A picture with the values that `raw.picture` gives; of a TIFF with more than `most` values (AT_ONCE, where
    nothing is said) the `Bands`, which may be larger than any picture that is read whole. Raises UserError as
    `raw.picture` does: in bands where those lines are read."""
    return _bands(raw, name, has_gaps, most or AT_ONCE) or raw.picture(name, has_gaps)


def _bands(raw: RawFiles, name: str, has_gaps: bool, most: int) -> Bands | None:
    if raw.head(name, 4) not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return None
    file = _File(raw, name, has_gaps)
    with file:
        if file.stack.count != 1 or file.lines is None:
            return None
        like, height = file.like(), file.stack.shape(0)[0]
        # a row of tiles of each part, kept from one band to the next
        held = sum(getattr(part, "nbytes", 0) for part in file.lines.parts)
    if height * like.size <= most or like.dtype not in values.STORED:
        return None
    return Bands((height, *like.shape[1:]), like.dtype, file.read, held)


class _File:
    """A TIFF that is open from the first line that is read to the last: many of them are known of at a time, and what
    lies in an archive is taken out of it for as long.

    As a context manager it is open within the block.
    """

    def __init__(self, raw: RawFiles, name: str, has_gaps: bool):
        self.raw, self.name, self.has_gaps = raw, name, has_gaps
        self.stack: tiff.Stack | None = None
        self.lines: tiff.Lines | None = None

    def __enter__(self) -> "_File":
        file = self.raw.open(self.name)
        with named(self.raw.where(self.name)):
            try:
                self.stack = tiff.opened(file, MOST_PIXELS)
                self.lines = self.stack.lines(0)
            except BaseException:
                file.close()
                raise
        self._close = weakref.finalize(self, file.close)
        return self

    def __exit__(self, *exception) -> None:
        self._close()
        self.stack = self.lines = None

    def like(self) -> np.ndarray:
        """A line of zeros, 1 x W x C, as `read` gives lines. Raises UserError."""
        with named(self.raw.where(self.name)):
            return self.lines.like()

    def read(self, top: int, bottom: int) -> np.ndarray:
        """h x W x C. Raises UserError."""
        if self.lines is None:
            self.__enter__()
        height = self.stack.shape(0)[0]
        with named(self.raw.where(self.name)):
            found = pictures.checked(self.lines.read(top, bottom), self.has_gaps)
        if bottom == height:
            self.__exit__()
        return found
