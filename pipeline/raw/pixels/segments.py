"""The strips and tiles of a page of a TIFF -> its values: what is missing or cut off is refused, not read as zeros."""

import importlib.util
import math

import cv2
import numpy as np

from pipeline.errors import UserError
from pipeline.raw.pixels import photometric
from pipeline.raw.pixels.decoders import listened
from pipeline.raw.pixels.orientation import TAG

JPEG, OLD_JPEG = 7, 6
PLAIN = (1, 8, 32946, 32773, 34925)  # compressions that tifffile reads without imagecodecs: Deflate, PackBits, LZMA


def read(page) -> np.ndarray:
    """H x W x C of a `tifffile.TiffPage` or TiffFrame, as stored. Raises UserError, and what tifffile raises."""
    key = page.keyframe
    refuse_holes(page)
    if is_for_opencv(key):
        return _by_opencv(page)
    if key.compression == JPEG:
        _listen_to_jpeg(page)
    return photometric.channels(page.asarray(maxworkers=1), key)


def read_at(key, offset: int) -> np.ndarray:
    """H x W x C of what lies uncompressed at that place of the file of a `tifffile.TiffPage`, like that page."""
    file = key.parent.filehandle
    with file.lock:
        file.seek(offset)
        content = file.read(key.nbytes)
    if len(content) < key.nbytes:
        raise UserError("is cut off: a TIFF without all of its pixels; download it again")
    values = np.frombuffer(content, key.parent.byteorder + key.dtype.char)
    return photometric.channels(values.reshape(key.shape), key)


def is_for_opencv(key) -> bool:
    """Whether libtiff knows better than tifffile how a page is stored."""
    if key.photometric == photometric.YCBCR and key.compression not in (JPEG, OLD_JPEG):
        return True
    return key.compression not in PLAIN and importlib.util.find_spec("imagecodecs") is None and _is_ordinary(key)


def refuse_holes(page) -> None:
    """Raises UserError where pixels are not in the file."""
    key, size = page.keyframe, page.parent.filehandle.size
    wanted = math.prod(key.chunked)
    places = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if len(places) < wanted:
        raise UserError(f"is damaged: it holds {len(places)} of {wanted} parts of a page; download it again")
    empty = sum(not offset or not count for offset, count in places[:wanted])
    if empty:
        raise UserError(
            f"leaves out {empty} of {wanted} parts of a page (sparse, or not finished); save it with all of its pixels"
        )
    end = max(offset + count for offset, count in places[:wanted])
    if (page.dataoffsets[0] + key.nbytes if key.is_contiguous else end) > size:
        raise UserError("is cut off: a TIFF without all of its pixels; download it again")


def _listen_to_jpeg(page) -> None:
    file = page.parent.filehandle
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        with file.lock:
            file.seek(offset)
            content = file.read(count)
        listen_to_jpeg(content, page.keyframe.jpegtables)


def listen_to_jpeg(content: bytes, tables: bytes | None) -> None:
    """Raises UserError where a JPEG decoder complains of a strip or tile: imagecodecs does not hand on what libjpeg
    says."""
    data = np.frombuffer(tables[:-2] + content[2:] if tables else content, np.uint8)
    _, complaint = listened(lambda: _attempt(data))
    if "JPEG" in complaint:
        raise UserError(f"is damaged ({complaint}); download it again, or save it anew if it looks right")


def _attempt(data: np.ndarray) -> None:
    try:
        cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        # of 12 bits, or without loss: not for OpenCV
        return


def _is_ordinary(key) -> bool:
    """Whether OpenCV reads it rightly."""
    return key.photometric in (1, 2) and key.samplesperpixel in (1, 3) and key.dtype in (np.uint8, np.uint16)


def _by_opencv(page) -> np.ndarray:
    """H x W x C by libtiff, which knows how YCbCr is stored without JPEG."""
    file = page.parent.filehandle
    with file.lock:
        file.seek(0)
        content = bytearray(file.read(file.size))
    turn = page.keyframe.tags.get(TAG)
    if turn is not None:
        # turned by us, as other pictures are
        value = np.array([1], f"{page.parent.byteorder}u{4 if turn.dtype == 4 else 2}").tobytes()
        content[turn.valueoffset : turn.valueoffset + len(value)] = value

    def decode():
        return cv2.imdecodemulti(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)

    (good, found), complaint = listened(decode)
    if not good or complaint or page.index >= len(found):
        raise UserError(f"is damaged, or a TIFF that is not read here ({complaint}); save it anew as RGB")
    picture = found[page.index]
    return picture[..., None] if picture.ndim == 2 else np.ascontiguousarray(picture[..., 2::-1])
