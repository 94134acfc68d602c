"""What the header of a picture says before anything of it is decoded: its size, and which way up it is."""

import re
import struct
from collections.abc import Iterator

from pipeline.errors import UserError
from pipeline.raw.pixels.orientation import of_exif

# what is decoded at most (also OpenCV's CV_IO_MAX_IMAGE_PIXELS)
MOST_PIXELS = 1 << 30
# JPEG: markers with a size behind them; those that stand alone
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
ALONE = {0x01, *range(0xD0, 0xD9)}


def refuse_too_large(height: int, width: int, most: int = MOST_PIXELS) -> None:
    """Raises UserError."""
    if height * width > most:
        raise UserError(
            f"is {height} x {width} pixels (height x width) by its header, more than the {most} that can be "
            "decoded; download it again, or cut it into parts"
        )


def size_of(content: bytes, kind: str) -> tuple[int, int]:
    """(height, width) as the header says; (0, 0) where this is not known here.

    Raises:
        UserError: it ends within its header, or without its end.
    """
    try:
        return SIZES[kind](content) if kind in SIZES else (0, 0)
    except (struct.error, IndexError) as error:
        raise UserError("is damaged: it ends in the middle of its header; download it again") from error


def orientation_of(content: bytes, kind: str) -> int:
    """1 to 8, of PNG, JPEG and WebP."""
    return of_exif(next((block for block in _exif(content, kind)), b""))


def _exif(content: bytes, kind: str) -> Iterator[bytes]:
    if kind == "png":
        return (data for name, data in chunks_of_png(content) if name == b"eXIf")
    if kind == "webp":
        return (data for name, data in chunks_of_riff(content) if name == b"EXIF")
    if kind == "jpeg":
        return (data for marker, data in _segments_of_jpeg(content) if marker == 0xE1 and data.startswith(b"Exif\0"))
    return iter(())


def chunks_of_png(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, data), as far as they are whole."""
    place = 8
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        yield content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        place += 12 + length


def chunks_of_riff(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, data) of what lies in a WebP, as far as they are whole."""
    place = 12
    while place + 8 <= len(content):
        (length,) = struct.unpack_from("<I", content, place + 4)
        yield content[place : place + 4], content[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _size_of_png(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", content, 16)
    return height, width


def _size_of_bmp(content: bytes) -> tuple[int, int]:
    if struct.unpack_from("<I", content, 14)[0] == 12:
        width, height = struct.unpack_from("<HH", content, 18)
        return height, width
    width, height = struct.unpack_from("<ii", content, 18)
    return abs(height), abs(width)


def _size_of_gif(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", content, 6)
    return height, width


def _size_of_webp(content: bytes) -> tuple[int, int]:
    kind, data = content[12:16], content[20:]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[7:10], "little"), 1 + int.from_bytes(data[4:7], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 1)
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 6)
    return height & 0x3FFF, width & 0x3FFF


def _size_of_jp2(content: bytes) -> tuple[int, int]:
    """By the marker SIZ of its codestream."""
    place = content.index(b"\xff\x4f\xff\x51") if b"\xff\x4f\xff\x51" in content else len(content)
    right, bottom, left, top = struct.unpack_from(">IIII", content, place + 8)
    return bottom - top, right - left


def _size_of_avif(content: bytes) -> tuple[int, int]:
    """The largest that is said: others are of previews and parts."""
    found = [struct.unpack_from(">II", content, match.end() + 4) for match in re.finditer(b"ispe", content[: 1 << 16])]
    return max(((height, width) for width, height in found), default=(0, 0), key=lambda size: size[0] * size[1])


def _size_of_jpeg(content: bytes) -> tuple[int, int]:
    size = (0, 0)
    for marker, data in _segments_of_jpeg(content, to_end=True):
        if marker in FRAMES:
            size = struct.unpack_from(">HH", data, 1)
    return size


def components_of_jpeg(content: bytes) -> int:
    """1 for grey, 3 for colours, 4 for CMYK."""
    return next((data[5] for marker, data in _segments_of_jpeg(content) if marker in FRAMES and len(data) > 5), 0)


def _segments_of_jpeg(content: bytes, to_end: bool = False) -> Iterator[tuple[int, bytes]]:
    """(marker, data) before the pixels. `to_end`: raises UserError for a JPEG without its end, and struct.error or
    IndexError where it ends before."""
    place = 2
    while True:
        try:
            # any number of filling bytes before a marker
            while content[place + 1] == 0xFF:
                place += 1
            marker, place = content[place + 1], place + 2
            length = 0 if marker in ALONE else struct.unpack_from(">H", content, place)[0]
        except (struct.error, IndexError):
            if to_end:
                raise
            return
        if marker == 0xDA:
            break
        if marker not in ALONE:
            yield marker, content[place + 2 : place + length]
            place += length
    # a thumbnail in the header has an end of its own
    if to_end and content.find(b"\xff\xd9", place) < 0:
        raise UserError("is cut off: a JPEG without its end; download it again")


def has_alpha_of_jp2(content: bytes) -> bool:
    """Whether its box `cdef` says that the last channel is opacity (ISO 15444-1, I.5.3.6)."""
    place = content.find(b"cdef")
    if place < 0 or place > content.find(b"\xff\x4f\xff\x51"):
        return False
    (count,) = struct.unpack_from(">H", content, place + 4)
    kinds = [struct.unpack_from(">HHH", content, place + 6 + 6 * i) for i in range(count)]
    return any(channel == count - 1 and kind in (1, 2) for channel, kind, _ in kinds)


SIZES = {
    "png": _size_of_png,
    "jpeg": _size_of_jpeg,
    "bmp": _size_of_bmp,
    "gif": _size_of_gif,
    "webp": _size_of_webp,
    "jp2": _size_of_jp2,
    "avif": _size_of_avif,
}
