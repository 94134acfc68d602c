"""What masks hold, class by class, as the file will read them: shares of pixels and of images, and what looks wrong."""

import math

import numpy as np

from pipeline.drafting.draft import Kind
from pipeline.errors import UserError
from pipeline.raw.meaning.colours import VOID
from pipeline.raw.meaning.looks import Looks, Masks
from pipeline.store.exchanged import Frames

NEARLY_ALL = 0.95
MOST_ROWS = 24


def said(kind: Kind, looks: Looks, masks: Masks) -> list[str]:
    """Lines for people. Raises UserError, with its name, for a mask that the labels refuse."""
    count, objects, frames = len(kind.names), [], Frames()
    pixels, images, filled, around, total = np.zeros(VOID + 1), np.zeros(VOID + 1), np.zeros(VOID + 1), 0, 0
    for name, _, picture in masks():
        try:
            labels = kind.reads(picture)
        except UserError as error:
            raise UserError(f"mask {name} {error}") from error
        if labels.dtype == np.uint16:
            objects.append(int(labels.max()))
            labels = (labels > 0).astype(np.uint8)
        counts = np.bincount(labels.ravel(), minlength=VOID + 1)
        pixels += counts
        images += counts > 0
        filled += counts == labels.size
        around += all((side == 1).all() for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]))
        frames.add(name, [labels[..., 0] == 1])
        total += 1
    shares = pixels / pixels.sum()
    lines = _rows(kind, shares, images, total)
    if objects:
        lines.append(f"{sum(objects)} objects, {min(objects)} to {max(objects)} in a mask")
    if filled[0] and count == 2:
        lines.append(f"{int(filled[0])} of {total} masks are empty")
    lines += _warnings(kind, shares, filled, total)
    if count != 2 or kind.names[0] != "background":
        return lines
    if notes := frames.notes():
        return [*lines, *(f"warning: {note}" for note in notes)]
    inverted = around >= 0.9 * total and shares[1] > 0.5
    return [*lines, *(_inverted(kind, looks, shares[1]) if inverted else [])]


def _rows(kind: Kind, shares: np.ndarray, images: np.ndarray, total: int) -> list[str]:
    """A line for each of the first MOST_ROWS classes, and of how many more there are."""
    rows = []
    for k, name in enumerate(kind.names[:MOST_ROWS]):
        value = f" ({kind.values[k]})" if kind.values else ""
        background = ", taken for background" if k == 0 and name != "background" else ""
        rows.append(f"{name}{value}{background}: {shares[k]:.2%} of the pixels, in {int(images[k])} of {total} masks")
    more = len(kind.names) - len(rows)
    return [*rows, *([f"and {more} more classes"] if more else [])]


def _warnings(kind: Kind, shares: np.ndarray, filled: np.ndarray, total: int) -> list[str]:
    return [
        f"warning: {name} covers {shares[k]:.2%} of the pixels and fills {int(filled[k])} of {total} masks: a score of "
        "nearly 1 says nothing of what is learnt; are the masks inverted, or something else?"
        for k, name in enumerate(kind.names)
        if k and (shares[k] > NEARLY_ALL or filled[k] > total / 2)
    ]


def _inverted(kind: Kind, looks: Looks, share: float) -> list[str]:
    """How to invert masks of one class that covers most, and lies all around the rest."""
    level = math.ceil(looks.top / 2)
    other = f"below({level})" if kind.labels.startswith(("binary", "above", "near")) else f"above({level - 1})"
    return [
        f"warning: the class covers {share:.1%} of the pixels and lies all around the rest: may the masks be inverted? "
        f"If so, say labels={other}, of pipeline/raw/masks.py"
    ]
