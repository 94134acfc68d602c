"""Pictures of every size in one flat array that maps into memory, and its index.

`x.npy` is one-dimensional; picture i is the slice from `offset` of `height * width * channels` values, rows C-ordered
H x W x C. The index is a table with the columns `height,width,channels,offset` (and whatever its owner adds).
"""

import hashlib
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.store.disk import BROKEN_ARRAYS, refuse_no_file

_PART = 1 << 24  # values read at once to be counted


class FlatReader:
    """Reads pictures from a flat array without loading it: `reader[i]` is a view H x W x C. Raises UserError where the
    file does not hold just these, or other numbers than `dtype`."""

    def __init__(self, path: Path, heights, widths, channels: int, dtype=None):
        self.path = Path(path)
        self.heights = np.asarray(heights, np.int64)
        self.widths = np.asarray(widths, np.int64)
        self.channels = int(channels)
        self.offsets = offsets_of(self.heights, self.widths, self.channels)
        refuse_no_file(self.path)
        try:
            # of a shape that no memory holds NumPy would only warn
            with np.errstate(over="raise"):
                # as a plain array: each view of a memmap costs more than many a picture takes to be read
                self.values = np.asarray(np.lib.format.open_memmap(self.path, mode="r"))
        except BROKEN_ARRAYS as error:
            raise UserError(f"{self.path} is not a NumPy file ({error}); delete it to have it made again") from error
        if dtype is not None and self.values.dtype != dtype:
            raise UserError(
                f"{self.path} holds {self.values.dtype} instead of {np.dtype(dtype)}; make it anew or delete it"
            )
        needed = int((self.heights * self.widths).sum()) * self.channels
        if self.values.ndim != 1 or len(self.values) != needed:
            raise UserError(
                f"{self.path} holds {self.values.size} values in {self.values.ndim} dimension(s), its index asks for "
                f"{needed} in one; delete it to have it made again"
            )

    def __len__(self) -> int:
        return len(self.heights)

    def digest(self) -> str:
        """SHA-256 of the values, as the writer counted it; reads the whole file, a part at a time."""
        found = hashlib.sha256()
        for start in range(0, len(self.values), _PART):
            found.update(self.values[start : start + _PART])
        return found.hexdigest()

    def __getitem__(self, i: int) -> np.ndarray:
        height, width, start = self.heights[i], self.widths[i], self.offsets[i]
        flat = self.values[start : start + height * width * self.channels]
        return flat.reshape(height, width, self.channels)


class FlatWriter:
    """Appends pictures to a flat array file; memory is bounded by one picture. Use as a context manager."""

    def __init__(self, path: Path, dtype):
        self.path = Path(path)
        self.dtype = np.dtype(dtype)
        self.count = 0
        # of the values alone: the header is written again at the end
        self.digest = hashlib.sha256()

    def __enter__(self):
        self.file = self.path.open("wb")
        self.header_size = self._write_header()
        return self

    def append(self, picture: np.ndarray) -> None:
        if picture.dtype != self.dtype:
            raise TypeError(f"{self.path.name} holds {self.dtype}, not {picture.dtype}")
        # the bytes as they lie: a large picture is not copied
        content = np.ascontiguousarray(picture).reshape(-1).view(np.uint8)
        self.file.write(content)
        self.digest.update(content)
        self.count += picture.size

    def widen(self, dtype) -> None:
        """What is written so far becomes values of a type that holds them, too, and so does what follows."""
        narrow, place = self.dtype, self.path.with_name(f"{self.path.name}.narrow")
        self.file.close()
        self.path.replace(place)
        self.dtype, self.digest = np.dtype(dtype), hashlib.sha256()
        self.file = self.path.open("wb")
        with place.open("rb") as before:
            before.seek(self.header_size)
            self.header_size = self._write_header()
            while len(values := np.fromfile(before, narrow, _PART)):
                content = values.astype(self.dtype).tobytes()
                self.file.write(content)
                self.digest.update(content)
        place.unlink()

    def __exit__(self, *exception):
        if exception[0] is None:
            self.file.seek(0)
            # NumPy pads its header so that a longer count fits: the data need not move
            if self._write_header() != self.header_size:
                raise RuntimeError("the header of a growing NumPy file changed its size")
        self.file.close()

    def _write_header(self) -> int:
        description = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self.count,),
        }
        np.lib.format.write_array_header_1_0(self.file, description)
        return self.file.tell()


def offsets_of(heights: np.ndarray, widths: np.ndarray, channels: int) -> np.ndarray:
    """Where each picture starts in the flat array, in values."""
    sizes = heights * widths * channels
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if len(sizes) else np.zeros(0, np.int64)
