"""Run-length encoding as Kaggle wants it: 1-indexed, down the columns, then right; `start length start length …`.

(TGS Salt's evaluation page: pixels are numbered from top to bottom, then left to right, pairs sorted, positions not
duplicated; an empty mask is a blank field.)
"""

import functools

import numpy as np

AT_ONCE = 1 << 18  # pixels encoded together
WRITTEN = 1 << 17  # numbers whose text is kept: of pictures of 360 pixels a side


def encode_many(masks: np.ndarray) -> list[str]:
    """Encodes all masks in one vectorised pass.

    Args:
        masks: N x H x W, non-zero (or True) where there is something.
    Returns: N strings; blank for an empty mask.
    """
    pixels = int(np.prod(masks.shape[1:]))
    # so many at a time as a core's own memory holds
    step = max(1, AT_ONCE // max(pixels, 1))
    return [text for first in range(0, len(masks), step) for text in _encoded(masks[first : first + step], pixels)]


def _encoded(masks: np.ndarray, pixels: int) -> list[str]:
    count, height, width = masks.shape
    # one zero before and after each mask, so that every run has a start and an end inside its own row
    padded = np.zeros((count, pixels + 2), bool)
    padded[:, 1:-1].reshape(count, width, height)[...] = masks.transpose(0, 2, 1)
    changes = np.flatnonzero(padded[:, 1:] != padded[:, :-1])
    rows, positions = np.divmod(changes, pixels + 1)
    tokens = np.empty(len(changes), np.int64)
    tokens[0::2] = positions[0::2] + 1
    tokens[1::2] = positions[1::2] - positions[0::2]
    words = _written()[tokens].tolist() if pixels < WRITTEN else list(map(str, tokens.tolist()))
    ends = np.searchsorted(rows, np.arange(count), side="right").tolist()
    starts = [0, *ends][:count]
    return [" ".join(words[start:end]) for start, end in zip(starts, ends, strict=True)]


@functools.cache
def _written() -> np.ndarray:
    """The numbers below WRITTEN as text: to look one up takes an eighth of the time to write it."""
    return np.array(list(map(str, range(WRITTEN))), object)


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
