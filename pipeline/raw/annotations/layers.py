"""Masks of several layers, H x W x K: which are colours, and what those mean that hold a class in each."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError
from pipeline.raw.meaning.colours import is_grey
from pipeline.raw.meaning.wrong_values import NEARLY_WHITE

NEARLY = 0.02  # by how much shares of one pixel may miss 1


@dataclass
class Layers:
    """Of all masks that were looked at.

    Attributes:
        count: the most layers in a mask.
        overlap: a pixel that has two. of_one: every pixel has exactly one, or shares whose sum is 1.
        soft: there are shares, 0 to 1, or soft edges, 0 to 255. values: the most others beside 0 in a layer.
        colours: the layers are red, green and blue (and alpha).
    """

    count: int = 1
    overlap: bool = False
    of_one: bool = True
    soft: bool = False
    values: int = 0
    colours: bool = False

    def add(self, mask: np.ndarray) -> None:
        """H x W x K, numbers. Raises UserError, without saying where, for fractions in layers that are no shares."""
        count = mask.shape[2]
        self.count = max(self.count, count)
        if count == 1:
            self.of_one = False
            return
        white = 1
        if mask.dtype.kind == "f" and not np.array_equal(mask, np.rint(mask)):
            if not (mask.min() >= 0 and mask.max() <= 1):
                raise UserError("has layers of fractions that are no shares (0 to 1) of a class")
            self.soft = True
        else:
            self.colours = self.colours or _are_colours(mask)
            values = max(len(np.unique(mask[..., k][mask[..., k] != 0])) for k in range(count))
            white = 255 if values > 2 and _has_soft_edges(mask) else 1
            self.soft = self.soft or white > 1
            self.values = max(self.values, values if white == 1 else 1)
        there = (mask > white / 2).sum(axis=2)
        total = mask.sum(axis=2) / white if self.soft else there
        is_one = np.abs(total - 1.0) <= NEARLY
        self.overlap = self.overlap or bool(((there > 1) & ~is_one).any())
        self.of_one = self.of_one and bool(is_one.all())


def _has_soft_edges(mask: np.ndarray) -> bool:
    """Whether whole numbers are dark or bright, with less between than is bright."""
    between = np.count_nonzero((mask > 255 // 4) & (mask <= 3 * 255 // 4))
    bright = np.count_nonzero(mask > 3 * 255 // 4)
    return NEARLY_WHITE <= mask.max() <= 255 and between < bright


def _are_colours(mask: np.ndarray) -> bool:
    """Whether what has three layers is a picture, or four of which the last is opaque: a layer of a class holds one
    value beside 0, and is not the same as all others."""
    if mask.shape[2] != 3 or not mask.any():
        return mask.shape[2] == 4 and mask.dtype == np.uint8 and mask[..., 3].min() == 255
    several = any(len(np.unique(own[own != 0])) > 1 for own in np.moveaxis(mask, 2, 0))
    return (several and mask.max() <= 255) or is_grey(mask)


def looked_at(masks: Iterable[tuple[str, np.ndarray]]) -> Layers:
    """What (name, H x W x K) hold. Raises UserError that begins with the name."""
    found = Layers()
    for name, mask in masks:
        try:
            found.add(mask)
        except UserError as error:
            raise UserError(f"{name} {error}") from error
    return found


def meaning(found: Layers, answer: str) -> tuple[dict[str, object], list[str]]:
    """The arguments of `read_arrays` that say what the layers mean, and what is to be said of it.

    Args:
        answer: as in `chooser.draft`.

    Raises:
        UserError: they overlap, and are to exclude each other.
    """
    if answer in ("classes", "objects") and found.overlap:
        raise UserError(f"has layers that overlap, which --answer {answer} cannot be; --answer overlap")
    of_one = found.of_one and answer != "overlap"
    own = found.count - (of_one and answer != "objects")
    names = tuple(f"class_{k}" for k in range(1, own + 1)) if own > 1 else ("object",)
    kind = {"classes": names, "void": None, "soft": found.soft}
    lines = ["masks are shares: more than a half is the class (soft=True)"] if found.soft and not of_one else []
    if found.values > 1:
        lines.append(f"layers hold up to {found.values} values beside 0: whatever is not 0 is the class")
    if answer == "objects":
        return {**kind, "classes": ("object",), "answer": answer}, [*lines, "every layer of a mask is an object"]
    if of_one:
        share = "shares that sum to 1, of which the largest counts" if found.soft else "exactly one"
        line = f"each pixel has {share} of the {found.count} layers: they exclude each other, and the first is the"
        return {**kind, "answer": "classes"}, [*lines, f"{line} background (--answer overlap where it is a class)"]
    said = f"masks have {found.count} layers: a class each"
    if answer == "classes":
        return {**kind, "answer": answer}, [*lines, f"{said}; what is in none is background"]
    more = "" if found.overlap or answer else " (no pixel is in two; --answer classes where they exclude each other)"
    return {**kind, "answer": "overlap"}, [*lines, f"{said}, which may overlap{more}"]
