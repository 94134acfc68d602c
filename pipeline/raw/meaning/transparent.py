"""What the alpha channel of masks means: nothing, the mask itself, or where there is nothing."""

import numpy as np

from pipeline.errors import UserError
from pipeline.raw.meaning.colours import plain_of, values_of
from pipeline.raw.meaning.looks import Masks
from pipeline.raw.pixels.alpha import has_alpha

IGNORED, THE_MASK, NOTHING = "ignored", "the mask", "nothing there"
MOST_COLOURS = 64


def meaning(masks: Masks) -> str:
    """IGNORED where alpha is the same in every pixel of a mask, or all that is transparent is black, too; THE_MASK
    where what is opaque has one colour; NOTHING where transparent pixels are the background of opaque colours.

    Raises UserError where black is both a class and what is transparent in another colour.
    """
    opaque, transparent, varies = set(), set(), False
    for name, _, picture in masks():
        if not has_alpha(picture):
            continue
        alpha = picture[..., 3]
        if alpha.min() == alpha.max():
            continue
        varies = True
        values = values_of(picture)
        opaque |= set(np.unique(values[alpha == alpha.max()])[:MOST_COLOURS].tolist())
        transparent |= set(np.unique(values[alpha == 0])[:MOST_COLOURS].tolist())
        if 0 in opaque and len(opaque) > 1 and transparent - {0}:
            raise UserError(
                f"mask {name} says one thing by its alpha channel (what is transparent is {_said(transparent)}) and "
                f"another by its colours ({_said(opaque)}): save masks without alpha, black where nothing is"
            )
    if not varies:
        return IGNORED
    if len(opaque) == 1:
        return THE_MASK if transparent != {0} or opaque == {0} else IGNORED
    return NOTHING if transparent - {0} else IGNORED


def _said(values: set[int]) -> str:
    shown = [str(plain_of(value)) for value in sorted(values)[:4]]
    return ", ".join(shown) + (" …" if len(values) > 4 else "")
