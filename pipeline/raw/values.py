"""The values of pictures as they are stored: uint8, uint16, int16, float16 and float32 as they are, wider ones as the
smallest of these that holds them."""

import math

import numpy as np

from pipeline.errors import UserError
from pipeline.store.scaling import is_nodata, is_number

STORED = tuple(map(np.dtype, (np.uint8, np.uint16, np.int16, np.float16, np.float32)))
# whole numbers of another kind, until all of them are known
WIDE = np.dtype(np.int64)
EXACT = 1 << 24  # whole numbers up to this are exact in float32


def checked_nodata(nodata) -> float | None:
    """Raises UserError where it cannot be the value of a pixel."""
    if nodata is None or is_number(nodata):
        return nodata
    if isinstance(nodata, np.generic) and is_number(nodata.item()):
        return nodata.item()
    raise UserError(f"nodata is {nodata!r}; it must be the number that such pixels hold, or float('nan')")


def checked(picture: np.ndarray, nodata: float | None) -> np.ndarray:
    """H x W x C of one of STORED, or WIDE: floating point of more than 32 bits as float32, and its nodata as NaN.

    Raises UserError, without a name before it, where values cannot be kept: no numbers that are not the nodata, or too
    large ones.
    """
    if picture.dtype == bool:
        return picture.astype(np.uint8) * np.uint8(255)
    if picture.dtype.kind not in "uif":
        raise UserError(f"gives {picture.dtype}, not whole numbers or floating point")
    return _whole(picture) if picture.dtype.kind in "ui" else _floating(picture, nodata)


def of_image(picture: np.ndarray, name: str, nodata: float | None = None) -> np.ndarray:
    """The same for an image of that name, which stands in the error."""
    try:
        return checked(picture, nodata)
    except UserError as error:
        raise UserError(f"image {name} {error}") from error


def _whole(picture: np.ndarray) -> np.ndarray:
    kind = picture.dtype.newbyteorder("=")
    if kind in STORED:
        return picture.astype(kind, copy=False)
    if kind == np.uint64 and picture.max() > np.iinfo(WIDE).max:
        raise UserError(f"holds {picture.max()}, more than can be kept; scale the values")
    return picture.astype(WIDE, copy=False)


def _floating(picture: np.ndarray, nodata: float | None) -> np.ndarray:
    gaps = is_nodata(picture, nodata)
    wrong = int(np.count_nonzero(~np.isfinite(picture) & ~gaps))
    if wrong:
        named = "" if nodata is None else f", other than nodata={nodata}"
        raise UserError(
            f"holds {wrong} of {picture.size} values that are infinite or no numbers (NaN){named}; replace these, or "
            "name what stands for no data: nodata=…"
        )
    kind = np.dtype(np.float16 if picture.dtype.itemsize == 2 else np.float32)
    with np.errstate(over="ignore"):
        found = picture.astype(kind)
    found[gaps] = np.nan
    if np.isinf(found).any():
        largest = np.abs(picture[~gaps]).max()
        raise UserError(f"holds {largest:g}, more than 32 bits hold; scale the values, or name it: nodata=…")
    return found


def stored_nodata(nodata: float | None, kind: np.dtype) -> float | None:
    """What stands for nodata in pictures of such a kind, as `checked` gives it."""
    return nodata if nodata is None or kind.kind != "f" else math.nan


def needed(picture: np.ndarray) -> np.dtype:
    """The smallest of STORED that holds a picture as `checked` gives it."""
    if picture.dtype != WIDE:
        return picture.dtype
    low, high = int(picture.min()), int(picture.max())
    whole = (kind for kind in STORED if kind.kind != "f")
    fits = (kind for kind in whole if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return next(fits, np.dtype(np.float32))


def joined(one: np.dtype, other: np.dtype) -> np.dtype:
    """The smallest of STORED that holds what both hold."""
    found = np.promote_types(one, other)
    return found if found in STORED else np.dtype(np.float32)


def are_alike(one: np.dtype, other: np.dtype) -> bool:
    """Whether pictures of both kinds may be in one set: 8 and 16 bits are other units, floating point is one."""
    return one == other or one.kind == other.kind == "f"
