"""Large pictures in overlapping tiles: where they lie, what they see, and their answers blended without seams."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

BLIND = 3 / 8  # of what two tiles share: on either side this part is left to the other tile


def mirrored(picture: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """The window height x width x C of an H x W x C picture from (top, left) on; what lies outside is mirrored.

    The pixel on the border is not repeated. Only what the window shows is read.
    """
    rows, columns = range(top, top + height), range(left, left + width)
    if top >= 0 and left >= 0 and rows.stop <= picture.shape[0] and columns.stop <= picture.shape[1]:
        return picture[top : rows.stop, left : columns.stop]
    return picture[np.ix_(_folded(rows, picture.shape[0]), _folded(columns, picture.shape[1]))]


def _folded(indices: range, length: int) -> np.ndarray:
    """Indices of any size, mirrored into 0 .. length - 1: … 2 1 | 0 1 2 … n-1 | n-2 …"""
    period = max(1, 2 * (length - 1))
    folded = np.arange(indices.start, indices.stop) % period
    return np.minimum(folded, period - folded) if length > 1 else np.zeros_like(folded)


def starts(length: int, tile: int, stride: int) -> list[int]:
    """Where tiles begin that cover `length` pixels (`tile` or more): every `stride`, the last one at the end."""
    last = length - tile
    return [*range(0, last, stride), last]


def shares(begins: list[int], tile: int, stride: int, length: int) -> list[np.ndarray]:
    """How much each tile counts at each of its pixels, `tile` float32 each: at every pixel they add up to 1.

    Of what two tiles share, each counts nothing in the outer three eighths, where it lacks surroundings that the other
    one sees; in the two eighths in the middle one fades into the other.
    """
    shared = tile - stride
    blind = int(BLIND * shared)
    fade = shared - 2 * blind
    place = np.arange(tile) + 0.5
    rising = np.clip((place - blind) / max(fade, 1), 0, 1).astype(np.float32)
    kept = []
    for begin in begins:
        # at the picture's own edges there is nobody else
        left = rising if begin else np.ones_like(rising)
        right = rising[::-1] if begin + tile < length else np.ones_like(rising)
        kept.append(left * right)
    total = np.zeros(length, np.float32)
    for begin, share in zip(begins, kept, strict=True):
        total[begin : begin + tile] += share
    return [share / total[begin : begin + tile] for begin, share in zip(begins, kept, strict=True)]


def blended(
    shape: tuple[int, int],
    tile: tuple[int, int],
    stride: tuple[int, int],
    channels: int,
    answer: Callable[[list[tuple[int, int]]], Iterable[np.ndarray]],
) -> np.ndarray:
    """The answers of overlapping tiles as one picture, shape x channels uint8.

    Args:
        shape, tile: height and width in pixels; a tile is no larger than the picture.
        stride: rows and columns from one tile to the next.
        answer: from the places (top, left) of one row of tiles to their answers, tile x channels, float 0..1.

    Memory beside the result is bounded by one row of tiles.
    """
    result, top = np.empty((*shape, channels), np.uint8), 0
    for lines in blended_lines(shape, tile, stride, channels, answer):
        result[top : top + len(lines)] = lines
        top += len(lines)
    return result


def blended_lines(
    shape: tuple[int, int],
    tile: tuple[int, int],
    stride: tuple[int, int],
    channels: int,
    answer: Callable[[list[tuple[int, int]]], Iterable[np.ndarray]],
) -> Iterator[np.ndarray]:
    """The same from top to bottom, h x W x channels each: as many lines as no later tile reaches."""
    tops, lefts = starts(shape[0], tile[0], stride[0]), starts(shape[1], tile[1], stride[1])
    down = shares(tops, tile[0], stride[0], shape[0])
    across = shares(lefts, tile[1], stride[1], shape[1])
    band = np.zeros((tile[0], shape[1], channels), np.float32)
    for top, following, rows in zip(tops, [*tops[1:], shape[0]], down, strict=True):
        places = [(top, left) for left in lefts]
        for left, columns, values in zip(lefts, across, answer(places), strict=True):
            band[:, left : left + tile[1]] += np.outer(rows, columns)[..., None] * values
        # no later tile reaches these rows
        finished = following - top
        yield stored(band[:finished])
        _move_up(band, finished)


def _move_up(band: np.ndarray, lines: int) -> None:
    """By so many lines, in place; those at the end become 0."""
    rest = len(band) - lines
    for top in range(0, rest, lines):
        # parts that do not overlap: no copy of a whole band is made
        bottom = min(top + lines, rest)
        band[top:bottom] = band[top + lines : bottom + lines]
    band[rest:] = 0


def stored(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities 0..1 of any shape as they are stored: uint8, rounded to nearest."""
    return np.floor(np.clip(probabilities, 0, 1) * 255 + 0.5).astype(np.uint8)
