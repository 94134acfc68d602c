"""The classes behind soft edges: which values masks would hold if nobody had resized, blurred or compressed them."""

from collections import Counter
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.raw.meaning.colours import COLOURED, code_of, codes_of, colour_of, without_alpha
from pipeline.raw.meaning.looks import Masks

# tried in turn, of 255: by how much neighbours in a calm place differ, and how far from its level a pixel may lie
NOISE = ((1, 8), (6, 24), (20, 44))
SMALLEST = 0.002  # of the calm pixels: a level of fewer is none
MOST_LEVELS = 32
ASTRAY = 0.01  # of all pixels: so many may lie at no edge and have the value of no level
REACH = 9  # pixels: an edge, with what JPEG makes of the blocks beside it


@dataclass(frozen=True)
class OneClass:
    """Dark and bright, with soft edges between: the level that parts them, and the largest share of a mask's pixels
    that are neither."""

    level: float
    worst: float


def one_class(masks: Masks, top: float) -> OneClass | None:
    """Greys that are dark or bright, with little between that lies at the edges. None: they are not."""
    dark_or_bright, pixels, calm, between, worst = 0, 0, 0, 0, 0.0
    for _, _, picture in masks():
        values = without_alpha(picture).max(axis=2).astype(np.float32)
        middle = (values > top / 4) & (values < 3 * top / 4)
        dark_or_bright += int(np.count_nonzero(~middle))
        pixels += values.size
        calm += int(np.count_nonzero(middle & _calm(values[..., None], top / 32)))
        between += int(np.count_nonzero(middle))
        worst = max(worst, float(middle.mean()))
    if dark_or_bright < 0.8 * pixels or calm > max(0.1 * between, 8):
        return None
    return OneClass(top / 2, worst)


def numbers_beside(masks: Masks) -> list[int]:
    """Whole values near 0, one or two apart, that each fill a good part of calm places: numbers of classes, which no
    JPEG of black and white holds."""
    found = Counter()
    for _, _, picture in masks():
        values = without_alpha(picture).max(axis=2)
        seen, counts = np.unique(values[_calm(values[..., None].astype(np.float32), 0)], return_counts=True)
        found.update(dict(zip(seen.tolist(), counts.tolist(), strict=True)))
    total = sum(found.values())
    low = [value for value, count in found.items() if value < 40 and count > 0.01 * total]
    return sorted(low) if len(low) > 2 else []


def levels(masks: Masks, top: float) -> list[tuple[int, int, int]]:
    """Values or colours (red, green, blue) with soft edges between, what covers most first; [] where there are none,
    more than MOST_LEVELS, or many pixels that lie at no edge."""
    scale = 255 / top
    for noise, far in NOISE:
        colours = _plateaus(masks, noise / scale, far / scale)
        if 2 <= len(colours) <= MOST_LEVELS and _astray(masks, colours, far / scale) < ASTRAY:
            return colours
    return []


def _colours(picture: np.ndarray) -> np.ndarray:
    colours = without_alpha(picture).astype(np.float32)
    return np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours


def _calm(colours: np.ndarray, noise: float) -> np.ndarray:
    """H x W bool: all neighbours have nearly the same colour."""
    kernel = np.ones((3, 3), np.uint8)
    low = cv2.erode(colours, kernel, borderType=cv2.BORDER_REPLICATE)
    spread = cv2.dilate(colours, kernel, borderType=cv2.BORDER_REPLICATE) - low
    return (spread if spread.ndim == 2 else spread.max(axis=2)) <= noise


def _plateaus(masks: Masks, noise: float, far: float) -> list[tuple[int, int, int]]:
    """The commonest colours of calm places, each more than `far` from those before it."""
    found = Counter()
    for _, _, picture in masks():
        colours = _colours(picture)
        codes = codes_of(colours[_calm(colours, noise)].astype(np.int64)[None])
        there, counts = np.unique(codes, return_counts=True)
        found.update(dict(zip(there.tolist(), counts.tolist(), strict=True)))
    if not found:
        return []
    left, weights = np.array([colour_of(code) for code in found]), np.array(list(found.values()), float)
    result, least = [], SMALLEST * weights.sum()
    while len(left) and len(result) <= MOST_LEVELS:
        centre = left[weights.argmax()]
        around = np.abs(left - centre).max(axis=1) <= far
        if weights[around].sum() >= least:
            result.append(tuple(centre.tolist()))
        left, weights = left[~around], weights[~around]
    return result


def _astray(masks: Masks, colours: list[tuple[int, int, int]], far: float) -> float:
    """The share of pixels that have none of the colours and do not lie between two regions."""
    astray, pixels = 0, 0
    kernel = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    for _, _, picture in masks():
        there = _colours(picture)
        near = [np.abs(there - colour).max(axis=2) <= far for colour in np.array(colours)]
        soft = ~np.logical_or.reduce(near)
        beside = sum(cv2.dilate(region.astype(np.uint8), kernel).astype(np.int64) for region in near)
        astray += int(np.count_nonzero(soft & (beside < 2)))
        pixels += soft.size
    return astray / pixels


def value_of(colour: tuple[int, int, int]) -> int:
    """As `values.values_of` numbers it."""
    return colour[0] if len(set(colour)) == 1 else code_of(colour) | COLOURED
