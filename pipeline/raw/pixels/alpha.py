"""What the channels of a picture are: whether the fourth is alpha, or a band like the others."""

import numpy as np


class Bands(np.ndarray):
    """H x W x 4 whose fourth channel is a band like the others. In a plain array of four channels it is alpha.

    Made by `np.asarray(…).view(Bands)`; slices of it and copies of another dtype are of this class, too.
    """


def has_alpha(picture: np.ndarray) -> bool:
    """Whether the last of the channels of H x W x C says how opaque a pixel is."""
    return picture.shape[2] == 4 and not isinstance(picture, Bands)


def said(picture: np.ndarray, alpha: bool) -> np.ndarray:
    """H x W x C as the rest of the house knows it: grey with alpha as three equal colours with alpha, and four channels
    without alpha as `Bands`."""
    if alpha and picture.shape[2] == 2:
        return picture[..., [0, 0, 0, 1]]
    return picture.view(Bands) if picture.shape[2] == 4 and not alpha else picture
