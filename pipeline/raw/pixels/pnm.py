"""PBM, PGM and PPM, in letters or in bytes: H x W x C, uint8 or uint16 by the largest value that the header says."""

import re

import numpy as np

from pipeline.errors import UserError
from pipeline.raw.pixels.headers import refuse_too_large

BITMAP = (1, 4)
COLOURS = (3, 6)
IN_LETTERS = (1, 2, 3)
# words of the header, and what is a remark between them
WORD = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])*(\d+)")


def size_of(content: bytes) -> tuple[int, int]:
    """(height, width). Raises UserError."""
    (width, height), _ = _numbers(content, 2)
    return height, width


def decoded(content: bytes) -> np.ndarray:
    """H x W x C; a bitmap is 0 and 255. Raises UserError where pixels are missing, or larger than the header says."""
    number = int(content[1:2])
    (width, height, *top), place = _numbers(content, 2 if number in BITMAP else 3)
    refuse_too_large(height, width)
    top = top[0] if top else 1
    if not 0 < top < 1 << 16 or not height * width:
        raise UserError("is damaged: its header says what cannot be; download it again")
    # one space, or the end of a line, is between header and values
    values = content[place:] if number in IN_LETTERS else content[place + 1 :]
    shape = height, width, 3 if number in COLOURS else 1
    read = _letters if number in IN_LETTERS else _bits if number in BITMAP else _bytes
    picture = read(values, shape, number in BITMAP, top)
    if picture.max() > top:
        raise UserError(f"holds the value {picture.max()}, and its header says at most {top}; save it anew")
    # of a bitmap, 1 is black
    return (1 - picture) * np.uint8(255) if number in BITMAP else picture


def _numbers(content: bytes, count: int) -> tuple[list[int], int]:
    """The first numbers behind the two letters, and where they end."""
    found, place = [], 2
    for _ in range(count):
        match = WORD.match(content, place)
        if not match or len(match[1]) > 9:
            raise UserError("is damaged: it ends in the middle of its header; download it again")
        found.append(int(match[1]))
        place = match.end()
    return found, place


def _letters(values: bytes, shape: tuple, is_bitmap: bool, top: int) -> np.ndarray:
    values = re.sub(rb"#[^\n\r]*", b" ", values)
    # digits of a bitmap need no space between them
    words = list(re.sub(rb"\s", b"", values)) if is_bitmap else values.split()
    count = shape[0] * shape[1] * shape[2]
    _refuse_short(len(words), count)
    try:
        numbers = [word - 48 for word in words[:count]] if is_bitmap else [int(word) for word in words[:count]]
        if min(numbers) < 0 or max(numbers) >= 1 << 16:
            raise ValueError
    except ValueError as error:
        raise UserError("is damaged: it holds what is no number; download it again") from error
    return np.array(numbers, np.uint8 if top < 256 and max(numbers) < 256 else np.uint16).reshape(shape)


def _bytes(values: bytes, shape: tuple, is_bitmap: bool, top: int) -> np.ndarray:
    kind, count = np.dtype(np.uint8 if top < 256 else ">u2"), shape[0] * shape[1] * shape[2]
    _refuse_short(len(values), count * kind.itemsize)
    return np.frombuffer(values, kind, count).reshape(shape).astype(kind.newbyteorder("="))


def _bits(values: bytes, shape: tuple, is_bitmap: bool, top: int) -> np.ndarray:
    row = -(-shape[1] // 8)
    _refuse_short(len(values), shape[0] * row)
    rows = np.frombuffer(values, np.uint8, shape[0] * row).reshape(shape[0], row)
    return np.unpackbits(rows, axis=1)[:, : shape[1], None]


def _refuse_short(there: int, wanted: int) -> None:
    if there < wanted:
        raise UserError("is cut off: it does not hold all of its pixels; download it again")
