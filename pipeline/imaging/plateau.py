"""The middle of a plateau: where a choice is safest."""

import numpy as np


def farthest_inside(plateau: np.ndarray, means: np.ndarray):
    """The index of the plateau's point that is farthest from its edge; of several, the one with the best mean.

    Args:
        plateau: bool, any number of axes; means: of the same shape.
    Returns: a tuple, or with one axis a number. Beyond the grid nothing is known, so the grid's edge is an edge; an
        axis of a single value has none.
    """
    from scipy import ndimage

    width = [(1, 1) if length > 1 else (0, 0) for length in plateau.shape]
    inner = tuple(slice(1, -1) if length > 1 else slice(None) for length in plateau.shape)
    # the nearest edge is never beyond what the plateau reaches to: distances in the whole grid take ten times as long
    window = _window(plateau)
    padded = np.pad(plateau[window], width)
    # with nowhere an edge, every point is as safe
    depth = ndimage.distance_transform_edt(padded)[inner] if not padded.all() else np.ones(padded.shape)
    deepest = depth >= depth.max() - 1e-9
    index = np.unravel_index(np.where(deepest, means[window], -np.inf).argmax(), deepest.shape)
    index = tuple(int(place) + part.start for place, part in zip(index, window, strict=True))
    return index if plateau.ndim > 1 else index[0]


def _window(plateau: np.ndarray) -> tuple[slice, ...]:
    """The smallest part of the grid that the plateau lies in; all of it where there is none."""
    if not plateau.any():
        return tuple(slice(0, length) for length in plateau.shape)
    return tuple(slice(int(places.min()), int(places.max()) + 1) for places in np.nonzero(plateau))
