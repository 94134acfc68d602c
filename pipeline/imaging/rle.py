"""Run-length encoding as Kaggle wants it: 1-indexed, down the columns, then right; `start length start length …`.

(TGS Salt's evaluation page: pixels are numbered from top to bottom, then left to right, pairs sorted, positions not
duplicated; an empty mask is a blank field.)
"""

import functools
import itertools

import numpy as np

AT_ONCE = 1 << 20  # pixels encoded together: more take longer again, as they leave a core's own memory
SMALL = 1 << 15  # pixels of which a copy costs less than what it spares
FEW = 1000  # numbers that are sooner written one by one than looked up together
WRITTEN = 1 << 17  # numbers whose text is kept: of pictures of 360 pixels a side


def encode_many(masks: np.ndarray) -> list[str]:
    """Encodes all masks in one vectorised pass.

    Args:
        masks: N x H x W, non-zero (or True) where there is something.
    Returns: N strings; blank for an empty mask.
    """
    step = together(masks.shape[1:])
    parts = (masks[first : first + step] for first in range(0, len(masks), step))
    return [text for part in parts for text in _encoded(part if part.dtype == bool else part != 0)]


def together(shape: tuple[int, ...]) -> int:
    """How many masks of a shape are encoded, or decoded, together."""
    return max(1, AT_ONCE // max(int(np.prod(shape)), 1))


def _encoded(masks: np.ndarray) -> list[str]:
    count, height, width = masks.shape
    if not height * width:
        return [""] * count
    columns_first = masks.strides[1] < masks.strides[2]
    rows, positions = (_changes_of_copy if columns_first or masks.size < SMALL else _changes)(masks)
    numbers = np.empty(len(rows), np.int64)
    numbers[0::2] = positions[0::2] + 1
    numbers[1::2] = positions[1::2] - positions[0::2]
    return _texts(numbers, np.searchsorted(rows, np.arange(count + 1)))


def _changes_of_copy(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs begin and end, in turns: the mask and the position in it, columns first, counted from 0.

    By a copy whose columns are lines, which is quick where it is small or they are so already.
    """
    count, height, width = masks.shape
    # one zero before and after each mask, so that every run has a start and an end inside its own row
    padded = np.zeros((count, height * width + 2), bool)
    padded[:, 1:-1].reshape(count, width, height)[...] = masks.transpose(0, 2, 1)
    return _divided(np.flatnonzero(padded[:, 1:] != padded[:, :-1]), height * width + 1)


def _changes(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same without a copy: of the changes alone, which are few, the order is made that of the columns."""
    count, height, width = masks.shape
    # whether a pixel differs from the one before it: the one above, or the last one of the column to the left; in front
    # of a mask and behind it is nothing
    changes = np.zeros((count, height + 1, width), bool)
    np.not_equal(masks[:, 1:], masks[:, :-1], out=changes[:, 1:-1])
    np.not_equal(masks[:, 0, 1:], masks[:, -1, :-1], out=changes[:, 0, 1:])
    changes[:, 0, 0], changes[:, -1, -1] = masks[:, 0, 0], masks[:, -1, -1]
    found = np.flatnonzero(changes)
    if changes.size < 1 << 31:
        found = found.astype(np.int32)  # is sorted in half of the time
    at, columns = _divided(found, width)
    rows, lines = _divided(at, height + 1)
    order = rows * (height * width + 1) + columns * height + lines
    order.sort()
    return _divided(order, height * width + 1)


def _divided(numbers: np.ndarray, by: int) -> tuple[np.ndarray, np.ndarray]:
    """Quotients and remainders of numbers from 0, in half of the time of `np.divmod`."""
    quotients = numbers // by
    return quotients, numbers - quotients * by


def _texts(numbers: np.ndarray, first: np.ndarray) -> list[str]:
    """The numbers of each row with a space between; `first`: where each row begins, and the end of the last."""
    if len(numbers) < FEW or numbers.max() >= WRITTEN:
        words = list(map(str, numbers.tolist()))
        return [" ".join(words[start:end]) for start, end in itertools.pairwise(first.tolist())]
    written, lengths = _written()
    letters = written[numbers].view(np.uint8)
    text = letters[letters != 0].tobytes().decode("ascii")
    ends = np.concatenate([[0], np.cumsum(lengths[numbers])])[first].tolist()
    return [text[start : max(start, end - 1)] for start, end in itertools.pairwise(ends)]


@functools.cache
def _written() -> tuple[np.ndarray, np.ndarray]:
    """The numbers below WRITTEN, each with a space behind it, as 8 bytes (those not needed are 0) in a uint64, and how
    many are needed: to look one up takes a fraction of the time to write it."""
    words = np.array([f"{number} " for number in range(WRITTEN)], "S8")
    return words.view(np.uint64), np.char.str_len(words)


def encode(mask: np.ndarray) -> str:
    """One H x W mask as a string."""
    return encode_many(mask[None])[0]


class RunError(ValueError):
    """A run-length string that is not valid; `row` is the index of the string."""

    def __init__(self, row: int, message: str):
        super().__init__(message)
        self.row = row


def parse_many(texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reads many strings at once.

    Returns: (row, start, length), one entry per run; starts as written (1-indexed).
    Raises:
        RunError: a word that is not a whole number, or an odd count of numbers.
    """
    counts = np.fromiter((text.count(" ") + 1 if text else 0 for text in texts), np.int64, len(texts))
    joined = " ".join(text for text in texts if text)
    # one pass in C; what it would read leniently (two spaces, a sign alone) shows as another count of numbers
    plain = not joined or (joined.isascii() and not joined.translate(_DIGITS))
    numbers = np.fromstring(joined, np.int64, sep=" ") if plain and joined else np.zeros(0, np.int64)
    if len(numbers) != counts.sum():
        row = next(i for i, text in enumerate(texts) if text and not _is_numbers(text))
        raise RunError(row, f"'{texts[row][:40]}' is not a list of whole numbers with one space between")
    odd = np.flatnonzero(counts % 2)
    if len(odd):
        raise RunError(int(odd[0]), f"has an odd count of numbers ({counts[odd[0]]}); runs are pairs 'start length'")
    return np.repeat(np.arange(len(texts)), counts // 2), numbers[0::2], numbers[1::2]


def check_runs(rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray, pixels: np.ndarray) -> None:
    """Checks that the runs of every row are positive, in range, sorted and not overlapping.

    Args:
        rows, starts, lengths: as `parse_many` returns them.
        pixels: height x width of each row's picture.
    Raises:
        RunError: naming the first offending row and run.
    """

    same_row = np.r_[False, rows[1:] == rows[:-1]]
    before = np.r_[0, starts[:-1]]
    faults = [
        (lengths <= 0, "has no positive length"),
        (starts < 1, "starts before pixel 1"),
        # in this form no sum of huge numbers can overflow
        (lengths > pixels[rows] - starts + 1, "ends behind the last pixel"),
        (same_row & (starts <= before), "is not sorted: it starts before the run ahead of it"),
        (same_row & (starts - before < np.r_[0, lengths[:-1]]), "overlaps the run before it"),
    ]
    first = min((int(bad.argmax()) for bad, _ in faults if bad.any()), default=None)
    if first is not None:
        message = next(text for bad, text in faults if bad[first])
        raise RunError(int(rows[first]), f"the run '{starts[first]} {lengths[first]}' {message}")


def decode_many(rows, starts, lengths, count: int, height: int, width: int) -> np.ndarray:
    """The masks of checked runs, in any order of the rows: count x height x width, bool. Where runs of a row overlap
    (those of several objects) a pixel is in it once."""
    pixels = height * width
    begins = np.asarray(rows, np.int64) * pixels + starts - 1
    ends = begins + lengths
    if (begins[1:] < ends[:-1]).any():
        order = np.argsort(begins)
        ends = np.maximum.accumulate(ends[order])
        begins = np.maximum(begins[order], np.r_[0, ends[:-1]])
    # in turns where nothing ends and where something does
    edges = np.zeros(2 * len(begins) + 2, np.int64)
    edges[1:-1:2], edges[2:-1:2], edges[-1] = begins, ends, count * pixels
    turns = np.zeros(2 * len(begins) + 1, bool)
    turns[1::2] = True
    return np.repeat(turns, edges[1:] - edges[:-1]).reshape(count, width, height).transpose(0, 2, 1)


def decode(text: str, height: int, width: int) -> np.ndarray:
    """One string as an H x W bool mask. Raises RunError when it is not valid."""
    runs = parse_many([text])
    check_runs(*runs, np.array([height * width]))
    return decode_many(*runs, 1, height, width)[0]


_DIGITS = str.maketrans("", "", "0123456789 ")


def _is_numbers(text: str) -> bool:
    return all(word.isascii() and word.isdigit() for word in text.split(" "))
