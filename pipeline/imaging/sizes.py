"""Pictures to the network's size and back.

`pad` mirrors the picture at its borders (the pixel on the border is not repeated) and is undone exactly by cropping.
`resize` averages areas along an axis that shrinks and interpolates along one that grows. `double` makes the picture
twice as large, then pads.
"""

from collections.abc import Callable

import cv2
import numpy as np

from pipeline.imaging.tiles import mirrored


def network_shape(height: int, width: int, size: int, fit: str, side: Callable[[int], int]) -> tuple[int, int]:
    """The height and width the network answers for where a picture is height x width.

    Args:
        size: the side asked for in pixels; 0 means the picture's own size. `pad` and `double` never cut: a larger
            picture keeps its size.
        side: the smallest side that a network answers for and is so long or longer (`Frame.side`).
    """

    def rounded(length):
        length *= 2 if fit == "double" else 1
        return side(size if size and fit == "resize" else max(length, size))

    return rounded(height), rounded(width)


def margins(height: int, width: int, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """How much `pad` adds: top, bottom, left, right; the picture is centred."""
    rows, columns = shape[0] - height, shape[1] - width
    return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2


def to_network(picture: np.ndarray, shape: tuple[int, int], fit: str, margin: int = 0) -> np.ndarray:
    """H x W x C of any dtype to `shape` x C of the same dtype, and mirrored `margin` pixels more on each side."""
    picture = scaled(picture, shape, fit)
    top, _, left, _ = margins(*picture.shape[:2], shape)
    return mirrored(picture, -top - margin, -left - margin, shape[0] + 2 * margin, shape[1] + 2 * margin)


def from_network(picture: np.ndarray, shape: tuple[int, int], fit: str) -> np.ndarray:
    """The inverse of `to_network`: h x w x C back to `shape` x C, the picture's own size."""
    if fit != "resize":
        height, width = (2 * side for side in shape) if fit == "double" else shape
        top, _, left, _ = margins(height, width, picture.shape[:2])
        picture = picture[top : top + height, left : left + width]
    return picture if picture.shape[:2] == tuple(shape) else resized(picture, shape)


def scaled(picture: np.ndarray, shape: tuple[int, int], fit: str) -> np.ndarray:
    """H x W x C at the scale on which the network sees it, before anything is mirrored around it."""
    wanted = scaled_size(picture.shape[:2], shape, fit)
    return picture if picture.shape[:2] == wanted else resized(picture, wanted)


def scaled_size(size: tuple[int, int], shape: tuple[int, int], fit: str) -> tuple[int, int]:
    """The height and width that `scaled` gives to a picture of this size."""
    return {"pad": tuple(size), "double": (2 * size[0], 2 * size[1]), "resize": tuple(shape)}[fit]


def resized(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """H x W x C resized to `shape` x C, keeping the dtype: each axis in its own way.

    An axis that shrinks is averaged by areas, one that grows is interpolated linearly, pixel centres on pixel centres.
    """
    # OpenCV knows no float16
    source = picture.astype(np.float32) if picture.dtype == np.float16 else picture
    shrunk = tuple(map(min, source.shape, shape))
    # where one axis shrinks and the other grows OpenCV averages neither, whichever way it is asked for: two steps
    if shrunk != source.shape[:2] and shrunk != tuple(shape):
        # not rounded in between
        source = _resized(_resized(source.astype(np.float32), shrunk, cv2.INTER_AREA), shape, cv2.INTER_LINEAR)
        source = np.rint(source) if picture.dtype.kind in "ui" else source
    else:
        source = _resized(source, shape, cv2.INTER_AREA if shrunk != source.shape[:2] else cv2.INTER_LINEAR)
    return source.astype(picture.dtype, copy=False)


def _resized(picture: np.ndarray, shape: tuple[int, int], method: int) -> np.ndarray:
    # OpenCV takes no more than four channels when it averages areas
    parts = [
        cv2.resize(picture[..., i : i + 4], (shape[1], shape[0]), interpolation=method).reshape(*shape, -1)
        for i in range(0, picture.shape[2], 4)
    ]
    return np.concatenate(parts, axis=2)
