"""The values of a page of a TIFF -> the colours that they stand for, by its photometric interpretation."""

import numpy as np

from pipeline.errors import UserError
from pipeline.raw.pixels import alpha

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
# how many of its channels the interpretation is about
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
NAMES = {8: "CIELAB", 9: "ICCLAB", 10: "ITULAB", 32844: "LogL", 32845: "LogLuv"}
ALPHA = (1, 2)  # of the tag ExtraSamples; 0 is a band


def channels(values: np.ndarray, page) -> np.ndarray:
    """H x W x C of what `tifffile` reads of a page: in the byte order of this machine; less than 8 bits become 8."""
    values = _height_width_samples(values, page)
    kind = int(page.photometric)
    if kind in NAMES:
        raise UserError(f"holds colours as {NAMES[kind]}; save it as RGB")
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if kind == PALETTE:
        values = _of_palette(values, page)
    else:
        values = _stretched(values, page)
    if kind == WHITE_IS_ZERO:
        values = _inverted(values, page)
    if kind == CMYK and _is_cmyk(page, values):
        values = np.concatenate([rgb_of_cmyk(values[..., :4]), values[..., 4:]], axis=2)
    return alpha.said(values, _has_alpha(page))


def together(parts: list[np.ndarray]) -> np.ndarray:
    """H x W x C of its channels; no fourth of them is alpha."""
    if len(parts) == 1:
        return parts[0]
    return alpha.said(np.concatenate([np.asarray(part) for part in parts], axis=2), alpha=False)


def rgb_of_cmyk(values: np.ndarray) -> np.ndarray:
    """H x W x 3 of H x W x 4, uint8 or uint16, whose 0 is no ink."""
    top = np.iinfo(values.dtype).max
    light = top - values.astype(np.uint64)
    return ((light[..., :3] * light[..., 3:] + top // 2) // top).astype(values.dtype)


def _height_width_samples(values: np.ndarray, page) -> np.ndarray:
    if page.axes == "YX":
        return values[..., None]
    if page.axes == "YXS":
        return values
    if page.axes == "SYX":
        return np.ascontiguousarray(np.moveaxis(values, 0, 2))
    raise UserError(f"holds a volume in one page (axes {page.axes}); save its slices as pages")


def _is_small(page) -> bool:
    return page.bitspersample in (1, 2, 4)


def _stretched(values: np.ndarray, page) -> np.ndarray:
    """Of 1, 2 or 4 bits: 0 to 255, as PNGs of so few bits are read."""
    if not _is_small(page):
        return values.astype(np.uint8) if values.dtype == bool else values
    return values.astype(np.uint8) * np.uint8(255 // ((1 << page.bitspersample) - 1))


def _inverted(values: np.ndarray, page) -> np.ndarray:
    if values.dtype.kind != "u":
        raise UserError(
            f"says that 0 is white, of {values.dtype}, where nobody knows what black is; save it with 0 as black"
        )
    bits = 8 * values.dtype.itemsize if _is_small(page) else page.bitspersample
    values = values.copy()
    values[..., 0] = values.dtype.type((1 << bits) - 1) - values[..., 0]
    return values


def _of_palette(values: np.ndarray, page) -> np.ndarray:
    """H x W x 3, uint8 (uint16 for numbers of 16 bits, whose palette has 16)."""
    if page.colormap is None or values.shape[2] != 1 or values.dtype.kind not in "ub":
        raise UserError("says that its values are numbers of a palette, and has none for them; save it anew")
    colours = np.asarray(page.colormap).T
    if values.dtype.itemsize == 1:
        # some programs write colours of 8 bits where 16 belong
        colours = (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)
    numbers = values[..., 0].astype(np.int64)
    if numbers.max() >= len(colours):
        raise UserError(f"holds the number {numbers.max()}, and its palette {len(colours)} colours; save it anew")
    return colours[numbers]


def _is_cmyk(page, values: np.ndarray) -> bool:
    """Whether its inks are cyan, magenta, yellow and black. Raises UserError where that cannot be converted."""
    if page.tags.valueof(332, 1) != 1 or values.shape[2] < 4:
        return False
    if values.dtype not in (np.uint8, np.uint16):
        raise UserError(f"holds colours as CMYK of {values.dtype}; save it as RGB")
    return True


def _has_alpha(page) -> bool:
    """Whether the file says that the one channel beside its colours is alpha."""
    extra = tuple(page.extrasamples)
    return len(extra) == 1 and extra[0] in ALPHA and page.samplesperpixel == COLOURS.get(int(page.photometric), 0) + 1
