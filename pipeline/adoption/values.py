"""What the numbers of foreign predictions are: looked at before anything is converted; refused where they mislead."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError

SLACK = 1e-3  # beyond 0..1 that half precision makes of a probability
_GLANCE = 256  # values that most pictures of probabilities are told from masks by
MASKS = "these are masks: thresholds cannot be tuned on them"


@dataclass
class Survey:
    """What was seen of all pictures of a part.

    Attributes: dtypes; low, high: of all values; nan: of how many pictures values are not finite, and the first of
        them; hard: whether there are two values alone; constant: of how many pictures all values are one.
    """

    dtypes: set[np.dtype]
    low: float
    high: float
    nan: int
    first_nan: int
    hard: bool
    constant: int
    count: int

    @property
    def is_whole(self) -> bool:
        return all(dtype.kind in "uib" for dtype in self.dtypes)

    @property
    def in_words(self) -> str:
        types = "/".join(sorted(map(str, self.dtypes)))
        return f"{types} {_short(self.low)} to {_short(self.high)}"


def survey(seen: Iterable[tuple]) -> Survey:
    """From what `look` gives of every picture."""
    dtypes, low, high, nan, first_nan, constant, count = set(), np.inf, -np.inf, 0, -1, 0, 0
    two: set[float] | None = set()
    for dtype, least, most, finite, values in seen:
        dtypes.add(dtype)
        low, high = min(low, least), max(high, most)
        if not finite:
            first_nan = count if not nan else first_nan
            nan += 1
        constant += least == most
        two = None if two is None or values is None else two | values
        two = None if two is not None and len(two) > 2 else two
        count += 1
    return Survey(dtypes, low, high, nan, first_nan, two is not None and len(two) == 2, constant, count)


def look(array: np.ndarray) -> tuple:
    """(dtype, least, most, whether all are finite, the values where there are at most two)."""
    if array.dtype.kind not in "uibf":
        return array.dtype, 0.0, 0.0, True, None
    # NumPy computes slowly with half precision; in single it is the same number
    seen = array.astype(np.float32) if array.dtype == np.float16 else array
    least, most = (seen.min(), seen.max()) if seen.size else (0, 0)
    # what is no number is the least and the most
    finite = bool(np.isfinite(least) and np.isfinite(most))
    few = seen.ravel()[:_GLANCE]
    is_hard = bool(((few == least) | (few == most)).all() and ((seen == least) | (seen == most)).all())
    return array.dtype, float(least), float(most), finite, {float(least), float(most)} if is_hard else None


def checked(found: Survey, where: str, of: Callable[[int], str], logits: bool, labels: bool) -> list[str]:
    """What must be said of these values. `of`: a picture for a message. Raises UserError for those that cannot be."""
    if odd := [dtype for dtype in found.dtypes if dtype.kind not in "uibf"]:
        raise UserError(f"{where} holds {odd[0]}, which are no numbers; save float32, float16 or uint8")
    if found.nan:
        raise UserError(
            f"{where}: values that are infinite or no numbers (NaN) in {found.nan} of {found.count} pictures, the "
            f"first in {of(found.first_nan)}; predict these again"
        )
    if labels:
        return _of_labels(found, where)
    notes = []
    if logits:
        _refuse_no_logits(found, where)
    elif not found.is_whole:
        _refuse_no_shares(found, where)
    else:
        _refuse_odd_range(found, where)
    if found.hard and not logits:
        notes.append(f"{where} holds {_short(found.low)} and {_short(found.high)} alone: {MASKS}")
    if found.constant == found.count:
        notes.append(
            f"{where}: every picture is of one value: nothing was found anywhere, or was it written too early?"
        )
    return notes


def _of_labels(found: Survey, where: str) -> list[str]:
    if not found.is_whole:
        raise UserError(f"{where} holds {found.in_words}; maps of labels are whole numbers")
    return []


def _refuse_no_logits(found: Survey, where: str) -> None:
    if found.is_whole:
        raise UserError(f"{where} holds {found.in_words}, which are no logits; leave out --logits")
    if found.low >= 0 and found.high <= 1:
        raise UserError(f"{where} holds {found.in_words}: these are probabilities; leave out --logits")


def _refuse_no_shares(found: Survey, where: str) -> None:
    if not (found.low >= -SLACK and found.high <= 1 + SLACK):
        percent = "; divide by 255 or save uint8" if 1 < found.high <= 255 and found.low >= 0 else ""
        raise UserError(
            f"{where} holds {found.in_words}; probabilities are from 0 to 1{percent}. Logits are read with --logits"
        )


def _refuse_odd_range(found: Survey, where: str) -> None:
    if found.high <= 1 and found.low >= 0:
        return
    wide = [dtype for dtype in found.dtypes if dtype not in (np.dtype(np.uint8), np.dtype(np.uint16))]
    if wide or len(found.dtypes) > 1:
        raise UserError(
            f"{where} holds {found.in_words}; probabilities are floats from 0 to 1, uint8 to 255 or uint16 to 65535"
        )
    if np.dtype(np.uint16) in found.dtypes and found.high <= 255:
        raise UserError(
            f"{where} holds {found.in_words}: 16 bits are scaled by 65535, and none reaches above 255; save uint8"
        )


def scale_of(found: Survey, most: float, where: str) -> float:
    """By what whole numbers are divided: 1 of masks of 0 and 1. `most`: the largest value of the whole run.

    Raises UserError for numbers 0 and 1 alone beside files that reach 255 or more: masks, which would vanish.
    """
    largest = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}
    (scale, *_) = [largest[dtype] for dtype in found.dtypes if dtype in largest] or [1.0]
    if most <= 1 or scale == 1:
        return 1.0
    if found.hard and found.high == 1:
        raise UserError(
            f"{where} holds 0 and 1 alone, and other files here reach {_short(most)}: are these masks? Save masks as "
            "0 and 255 or as bool, probabilities as floats"
        )
    return scale


def doubts(found: Survey, most: float, scale: float, where: str) -> list[str]:
    """A line where whole numbers use less than half of what they are divided by: percent, perhaps, or numbers of
    classes."""
    if not found.is_whole or scale == 1 or most > scale / 2:
        return []
    return [
        f"warning: {where}: divided by {scale:g}, its largest value is {found.high / scale:.3f}: are these percent, or "
        "numbers of classes or objects? Save probabilities as floats from 0 to 1"
    ]


def _short(value: float) -> str:
    return f"{value:.4g}"
