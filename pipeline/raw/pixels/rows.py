"""Lines of a page of a TIFF without the rest of it: only the strips and tiles that they lie in are read and decoded."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pipeline.errors import UserError
from pipeline.raw.pixels import photometric, segments
from pipeline.raw.pixels.decoders import noted

MOST_BYTES = 1 << 28  # of a row of tiles, or of a strip
LOOSE_BITS = (8, 16, 32, 64)  # of a value that begins with a byte of its own
OF_FRAMES = (65000, 65001, 65002)  # compressions of electron counts


def of(page, place: int | None) -> "_Plain | _Segments | None":
    """The lines of a `tifffile.TiffPage` or TiffFrame, or (`place`) of what lies uncompressed there, like that page.

    None where it must be decoded as a whole: values that share a byte, one strip for a huge page, what OpenCV reads.
    Raises UserError where parts of it are not in the file, and what tifffile raises.
    """
    key = page.keyframe
    if place is None:
        segments.refuse_holes(page)
    if key.bitspersample not in LOOSE_BITS or key.dtype is None or key.bitspersample != 8 * key.dtype.itemsize:
        return None
    if key.imagedepth != 1 or key.sampleformat == 5 or segments.is_for_opencv(key):
        return None
    if place is not None or key.is_contiguous:
        turned_bits = key.predictor != 1 or key.fillorder != 1 or key.is_subsampled
        return None if turned_bits else _Plain(key, page.dataoffsets[0] if place is None else place)
    if key.compression in (segments.OLD_JPEG, *OF_FRAMES) or key.jpegheader is not None:
        return None
    found = _Segments(page)
    return None if found.nbytes > MOST_BYTES else found


class _Rows:
    """Args: key: the page that says how values lie."""

    def __init__(self, key):
        self.key = key
        self.planes, _, self.height, self.width, self.samples = key.shaped

    def blank(self) -> np.ndarray:
        """A line of zeros as `read` gives lines."""
        return self._coloured(np.zeros((self.planes, 1, self.width, self.samples), self.key.dtype))

    def _coloured(self, values: np.ndarray) -> np.ndarray:
        """h x W x C of planes x h x W x samples."""
        # as tifffile gives the whole page
        shaped = {"YX": values[0, ..., 0], "YXS": values[0], "SYX": values[..., 0]}
        # of other axes, which are refused, all
        return photometric.channels(shaped.get(self.key.axes, values), self.key)


class _Plain(_Rows):
    """Uncompressed, one line behind the other, from `place` in the file on."""

    def __init__(self, key, place: int):
        super().__init__(key)
        self.place = place
        self.dtype = np.dtype(key.parent.byteorder + key.dtype.char)

    def read(self, top: int, bottom: int) -> np.ndarray:
        """h x W x C. Raises UserError where it is cut off."""
        file, line = self.key.parent.filehandle, self.width * self.samples
        found = np.empty((self.planes, bottom - top, self.width, self.samples), self.dtype)
        for plane in range(self.planes):
            with file.lock:
                file.seek(self.place + (plane * self.height + top) * line * self.dtype.itemsize)
                content = file.read((bottom - top) * line * self.dtype.itemsize)
            if len(content) < found[plane].nbytes:
                raise UserError("is cut off: a TIFF without all of its pixels; download it again")
            found[plane] = np.frombuffer(content, self.dtype).reshape(found.shape[1:])
        return self._coloured(found)


class _Segments(_Rows):
    """Strips, or tiles side by side. The last row of them is kept, so that who reads from top to bottom decodes each
    once."""

    def __init__(self, page):
        super().__init__(page.keyframe)
        key = self.key
        self.page = page
        self.step = min(key.tilelength if key.is_tiled else key.rowsperstrip, self.height)
        self.across = -(-self.width // key.tilewidth) if key.is_tiled else 1
        self.down = -(-self.height // self.step)
        self.kept: tuple[int, np.ndarray] | None = None

    @property
    def nbytes(self) -> int:
        """Of a row of tiles."""
        return self.planes * self.step * self.width * self.samples * self.key.dtype.itemsize

    def read(self, top: int, bottom: int) -> np.ndarray:
        """h x W x C. Raises UserError, and what tifffile raises."""
        found = np.empty((self.planes, bottom - top, self.width, self.samples), self.key.dtype)
        for number in range(top // self.step, -(-bottom // self.step)):
            begin = number * self.step
            first, last = max(top, begin), min(bottom, begin + self.step)
            found[:, first - top : last - top] = self._row(number)[:, first - begin : last - begin]
        return self._coloured(found)

    def _row(self, number: int) -> np.ndarray:
        """planes x step x W x samples: a row of tiles."""
        if self.kept is None or self.kept[0] != number:
            self.kept = None
            row = np.zeros((self.planes, self.step, self.width, self.samples), self.key.dtype)
            places = [
                (plane * self.down + number) * self.across + column
                for plane in range(self.planes)
                for column in range(self.across)
            ]
            with self.page.parent.filehandle.lock:
                decode = self.key.decode
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for found in pool.map(lambda index: self._decoded(decode, index), places):
                    self._put(row, *found)
            self.kept = number, row
        return self.kept[1]

    def _decoded(self, decode, index: int) -> tuple:
        """A strip or tile, 1 x h x w x samples, and where it belongs (plane, depth, line, column, sample)."""
        file, more = self.page.parent.filehandle, {}
        with file.lock:
            file.seek(self.page.dataoffsets[index])
            content = file.read(self.page.databytecounts[index])
        if self.key.compression == segments.JPEG:
            tables = self.key.jpegtables
            segments.listen_to_jpeg(content, tables)
            more = {"jpegtables": tables}
        (values, place, _), complaint = noted(lambda: decode(content, index, **more))
        if complaint:
            raise UserError(f"is damaged ({complaint}); download it again, or save it anew if it looks right")
        return values, place

    def _put(self, row: np.ndarray, values: np.ndarray, place: tuple) -> None:
        plane, _, top, left, _ = place
        inside = values[0, : min(self.step, self.height - top), : self.width - left]
        row[plane, : inside.shape[0], left : left + inside.shape[1]] = inside
