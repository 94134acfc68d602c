"""The bytes of a picture file -> pixels: its size is read before anything is decoded, and damage is refused.

Each function raises UserError without the name of the file, which the one who reads it puts in front (`a.png is …`).
"""

import struct

import cv2
import numpy as np

from pipeline.errors import UserError
from pipeline.raw.decoders import listened

# what OpenCV decodes at most (its CV_IO_MAX_IMAGE_PIXELS)
MOST_PIXELS = 1 << 30
# JPEG: markers with a size behind them; those that stand alone
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
ALONE = {0x01, *range(0xD0, 0xD9)}


def decoded(content: bytes) -> np.ndarray:
    """A picture as H x W x C in the file's own depth; colours in the order red, green, blue (alpha).

    Raises UserError where it is none, too large, damaged, or holds values that are no numbers.
    """
    _refuse_before_decoding(content)
    data = np.frombuffer(content, np.uint8)
    picture, complaint = _listened(lambda: cv2.imdecode(data, cv2.IMREAD_UNCHANGED))
    if picture is None:
        raise UserError(_not_a_picture(complaint))
    return _checked(picture, complaint)


def pages(content: bytes) -> list[np.ndarray]:
    """All pictures of a stack (TIFF), each as `decoded` gives it. Raises UserError as it does."""
    _refuse_before_decoding(content)
    data = np.frombuffer(content, np.uint8)
    (good, found), complaint = _listened(lambda: cv2.imdecodemulti(data, cv2.IMREAD_UNCHANGED), (False, ()))
    if not good:
        raise UserError(_not_a_picture(complaint))
    return [_checked(page, complaint) for page in found]


def _listened(decode, nothing=None):
    """What it returns, or `nothing` where OpenCV gives up, and what a decoder complained of."""

    def attempt():
        try:
            return decode()
        except cv2.error as error:
            return error

    try:
        found, complaint = listened(attempt)
    except MemoryError as error:
        raise UserError("needs more memory than there is; make it smaller") from error
    if isinstance(found, cv2.error):
        return nothing, complaint or " ".join(str(found.err or found).split())
    return found, complaint


def _not_a_picture(complaint: str) -> str:
    return f"is not a picture that can be read{f' ({complaint})' if complaint else ''}; download it again"


def _refuse_before_decoding(content: bytes) -> None:
    if not content:
        raise UserError("is not a picture that can be read: it is empty; download it again")
    try:
        height, width = size_of(content)
    except (struct.error, IndexError) as error:
        raise UserError("is damaged: it ends in the middle of its header; download it again") from error
    if height * width > MOST_PIXELS:
        raise UserError(
            f"is {height} x {width} pixels (height x width) by its header, more than the {MOST_PIXELS} that can be "
            "decoded; download it again, or cut it into parts"
        )


def _checked(picture: np.ndarray, complaint: str) -> np.ndarray:
    if complaint:
        raise UserError(f"is damaged ({complaint}); download it again, or save it anew if it looks right")
    if picture.dtype.kind == "f":
        wrong = int(np.count_nonzero(~np.isfinite(picture)))
        if wrong:
            raise UserError(
                f"holds {wrong} of {picture.size} values that are infinite or no numbers (NaN); replace these"
            )
    if picture.ndim == 2:
        return picture[..., None]
    # OpenCV reads blue first
    return picture[..., [2, 1, 0, *range(3, picture.shape[2])]] if picture.shape[2] >= 3 else picture


def size_of(content: bytes) -> tuple[int, int]:
    """(height, width) as the header says; (0, 0) where the header is not one that is known here.

    Raises:
        UserError: a JPEG without an end. struct.error, IndexError: it ends within its header.
    """
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack_from(">II", content, 16)
        return height, width
    if content.startswith(b"\xff\xd8\xff"):
        return _size_of_jpeg(content)
    if content.startswith(b"BM"):
        width, height = struct.unpack_from("<ii", content, 18)
        return abs(height), abs(width)
    if content[:4] in (b"II*\0", b"MM\0*"):
        return _size_of_tiff(content)
    return 0, 0


def _size_of_jpeg(content: bytes) -> tuple[int, int]:
    size, place = (0, 0), 2
    while True:
        # any number of filling bytes before a marker
        while content[place + 1] == 0xFF:
            place += 1
        marker, place = content[place + 1], place + 2
        if marker in FRAMES:
            size = struct.unpack_from(">HH", content, place + 3)
        if marker == 0xDA:
            break
        if marker not in ALONE:
            place += struct.unpack_from(">H", content, place)[0]
    # a thumbnail in the header has an end of its own
    if content.find(b"\xff\xd9", place) < 0:
        raise UserError("is cut off: a JPEG without its end; download it again")
    return size


def _size_of_tiff(content: bytes) -> tuple[int, int]:
    """Of its first page."""
    order = "<" if content.startswith(b"II") else ">"
    (place,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, place)
    values = {}
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f"{order}HH", content, entry)
        if tag in (256, 257):
            (values[tag],) = struct.unpack_from(f"{order}H" if kind == 3 else f"{order}I", content, entry + 8)
    return values.get(257, 0), values.get(256, 0)
