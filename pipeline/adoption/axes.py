"""Which axis of a foreign picture is which: told by the number of channels, then by the image's size."""

import numpy as np

from pipeline.errors import UserError

# what --channels takes
PLACES = ("first", "last")
NONE = "none"  # H x W alone


def placed(shape: tuple[int, ...], counts: tuple[int, ...], size: tuple[int, int], said: str, where: str) -> str:
    """`first`, `last` or `none`: where the channels of a picture of this shape are.

    Args: counts: how many there may be. size: of its image. said: of --channels, or blank.

    Raises UserError where it is not told, naming the option that tells it, or there are other numbers of channels.
    """
    shape = squeezed(shape)
    if len(shape) == 2:
        return NONE
    if len(shape) != 3:
        raise UserError(f"{where}: a picture is an array of {' x '.join(map(str, shape))}, not H x W (x channels)")
    fits = {"first": shape[0] in counts, "last": shape[2] in counts}
    found = [place for place in PLACES if fits[place]]
    sides = " x ".join(map(str, shape))
    if not found:
        raise UserError(f"{where}: a picture is an array of {sides}, in which no axis holds {_counted(counts)}")
    if said and said not in found:
        raise UserError(f"{where}: the {said} axis of {sides} does not hold {_counted(counts)}")
    if said:
        return said
    sized = {"first": shape[1:] == tuple(size), "last": shape[:2] == tuple(size)}
    clear = [place for place in found if sized[place]] or found
    if len(clear) > 1:
        raise UserError(
            f"{where}: which axis of {sides} holds the channels is not told by that; say --channels first or "
            "--channels last"
        )
    return clear[0]


def _counted(counts: tuple[int, ...]) -> str:
    """How many channels there may be."""
    more = f" (or {', '.join(map(str, counts[1:]))})" if len(counts) > 1 else ""
    return f"the {counts[0]} channel(s) that are answered here{more}"


def laid_out(array: np.ndarray, place: str) -> np.ndarray:
    """H x W x C, whatever the place of the channels is."""
    array = array.reshape(squeezed(array.shape))
    if place == NONE:
        return array[..., None]
    return np.moveaxis(array, 0, -1) if place == "first" else array


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without the axis of the single slice that nnU-Net writes of 2-D pictures: C x 1 x H x W."""
    if len(shape) == 4 and 1 in shape[:2]:
        axis = 1 if shape[1] == 1 else 0
        return (*shape[:axis], *shape[axis + 1 :])
    return tuple(shape)
