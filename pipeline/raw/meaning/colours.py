"""What a pixel of a mask holds as one whole number: its grey value, or a number that stands for its colour."""

import numpy as np

from pipeline.errors import UserError
from pipeline.raw.pixels.alpha import has_alpha

VOID = 255  # the label of what is neither learnt nor scored
COLOURED = 1 << 48  # marks numbers that stand for a colour, not a grey value


def values_of(picture: np.ndarray) -> np.ndarray:
    """H x W int64: the grey value of each pixel, or a number that stands for its colour (see `colour_of`).

    Raises UserError for fractions.
    """
    colours = _whole(without_alpha(picture))
    grey = (colours == colours[..., :1]).all(axis=2)
    return colours[..., 0] if grey.all() else np.where(grey, colours[..., 0], _coded(colours) | COLOURED)


def codes_of(picture: np.ndarray) -> np.ndarray:
    """H x W int64: a number for each colour; grey v is the colour (v, v, v). Raises UserError for what is below 0."""
    colours = _whole(without_alpha(picture))
    refuse_negative(colours)
    return _coded(np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours)


def code_of(colour: tuple[int, int, int]) -> int:
    red, green, blue = colour
    return (int(red) << 32) | (int(green) << 16) | int(blue)


def colour_of(code: int) -> tuple[int, int, int]:
    """(red, green, blue) of a number that stands for a colour."""
    return (int(code) >> 32) & 0xFFFF, (int(code) >> 16) & 0xFFFF, int(code) & 0xFFFF


def is_coloured(value: int) -> bool:
    """Whether a number of `values_of` stands for a colour that is not grey."""
    return int(value) >= COLOURED


def rgb_of(value: int) -> tuple[int, int, int]:
    """(red, green, blue) of a number of `values_of`, grey or coloured."""
    return colour_of(value) if is_coloured(value) else (int(value),) * 3


def plain_of(value: int) -> int | tuple[int, int, int]:
    """A number of `values_of` as people write it: a grey value, or (red, green, blue)."""
    return colour_of(value) if is_coloured(value) else int(value)


def without_alpha(picture: np.ndarray) -> np.ndarray:
    return picture[..., :3] if has_alpha(picture) else picture


def is_grey(picture: np.ndarray) -> bool:
    """Whether all channels of H x W x C are alike."""
    return bool((picture == picture[..., :1]).all())


def refuse_negative(values: np.ndarray) -> None:
    if values.size and values.min() < 0:
        raise UserError(f"holds the value {int(values.min())}; a mask holds 0 and what is above it")


def _coded(colours: np.ndarray) -> np.ndarray:
    return (colours[..., 0] << 32) | (colours[..., 1] << 16) | colours[..., 2]


def _whole(values: np.ndarray) -> np.ndarray:
    if values.shape[2] not in (1, 3):
        raise UserError(f"has {values.shape[2]} channels; a mask has one, or the three of a colour")
    if values.dtype.kind == "f" and not np.array_equal(values, np.floor(values)):
        raise UserError(
            "holds fractions; a mask holds whole numbers: labels=above(0.5) where they are probabilities of one class"
        )
    if values.size and values.max() >= COLOURED:
        raise UserError(f"holds the value {values.max():g}, which no class or object has: is it a mask?")
    return values.astype(np.int64)
