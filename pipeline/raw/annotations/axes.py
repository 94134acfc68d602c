"""Arrays as images and labels: which axis is which, told by sizes, and numbers of every type as what is stored."""

import numpy as np

from pipeline.errors import UserError

MOST_CHANNELS = 32


def channels_last(array: np.ndarray, where: str) -> np.ndarray:
    """An image as H x W x C. Raises UserError where that is not told by the sizes; `where` names it."""
    if not array.size:
        raise UserError(f"{where} is an array of {shape(array)}, without a pixel")
    if array.ndim == 2:
        return array[..., None]
    if array.ndim != 3:
        raise UserError(f"{where} is an array of {shape(array)}, not of one image")
    first, last = array.shape[0] <= MOST_CHANNELS, array.shape[2] <= MOST_CHANNELS
    if last and (not first or array.shape[2] in (1, 3, 4)) and not (first and array.shape[0] in (1, 3, 4)):
        return array
    if first and not last:
        return array.transpose(1, 2, 0)
    raise UserError(f"{where} is an array of {shape(array)}: which axis holds the channels is not told by that")


def laid_out(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """H x W x K of a mask of H x W, H x W x K or K x H x W. Raises UserError without saying where."""
    if mask.shape == size:
        return mask[..., None]
    is_last, is_first = mask.shape[:2] == size and mask.ndim == 3, mask.shape[1:] == size and mask.ndim == 3
    if is_last and is_first:
        raise UserError(f"is {shape(mask)}: which axis holds the layers is not told by that; save H x W x K apart")
    if (is_last or is_first) and mask.size:
        return mask if is_last else mask.transpose(1, 2, 0)
    raise UserError(f"is {shape(mask)}, its image is {size[0]} x {size[1]} pixels (height x width)")


def stored(picture: np.ndarray) -> np.ndarray:
    """Whole numbers of other types as uint8 or uint16, where they fit."""
    if picture.dtype == bool:
        return picture.astype(np.uint8) * np.uint8(255)
    if picture.dtype.kind in "iu" and picture.dtype not in (np.uint8, np.uint16) and picture.min() >= 0:
        top = picture.max()
        return picture.astype(np.uint8 if top < 256 else np.uint16) if top < 65536 else picture
    return picture


def as_numbers(mask: np.ndarray) -> np.ndarray:
    """A mask as a picture holds it. Raises UserError, without saying where, for what are no numbers."""
    if mask.dtype == bool:
        return mask.astype(np.uint8)
    if mask.dtype.kind not in "iuf":
        raise UserError(f"holds {mask.dtype}, which are no numbers of classes")
    wrong = int(np.count_nonzero(~np.isfinite(mask)))
    if wrong:
        raise UserError(f"holds {wrong} of {mask.size} values that are infinite or no numbers (NaN); replace these")
    return mask


def whole(mask: np.ndarray, soft: bool) -> np.ndarray:
    """Numbers as whole numbers. Raises UserError for fractions that are no shares, and numbers below 0."""
    if soft:
        return (mask > _half(mask)).astype(np.uint8)
    if mask.size and mask.min() < 0:
        raise UserError(f"holds the value {mask.min():g}; a mask holds 0 and what is above it")
    if mask.dtype.kind == "f" and not np.array_equal(mask, np.rint(mask)):
        raise UserError("holds fractions; shares of the class are read with soft=True: more than a half is the class")
    return mask.astype(np.int64)


def _half(shares: np.ndarray) -> float:
    return 0.5 * (1 if shares.max() <= 1 else 255)


def largest(shares: np.ndarray, has_background: bool) -> np.ndarray:
    """`exclusive` of shares of a pixel, H x W x K: where the first is no background, that is what none has half of."""
    numbers = shares.argmax(axis=2) + (not has_background)
    return (numbers if has_background else np.where(shares.max(axis=2) > _half(shares), numbers, 0))[..., None]


def exclusive(mask: np.ndarray, has_background: bool) -> np.ndarray:
    """Layers of which a pixel has at most one, as numbers 1, 2, …; 0 where it has none, and where it has the first one
    if that is the background. Raises UserError where they overlap."""
    filled = mask != 0
    counts = filled.sum(axis=2)
    if counts.max(initial=0) > 1:
        raise UserError('has layers that overlap: say answer="overlap"')
    return np.where(counts == 0, 0, filled.argmax(axis=2) + (not has_background))[..., None]


def numbered(mask: np.ndarray) -> np.ndarray:
    seen, numbers = np.unique(mask, return_inverse=True)
    if len(seen) > 65535:
        raise UserError(f"holds {len(seen)} values, which are no objects")
    return (numbers.reshape(mask.shape) + (seen[0] != 0)).astype(np.uint16)


def shape(array: np.ndarray) -> str:
    return " x ".join(map(str, array.shape)) or "one number"
