"""What is drawn on a picture: outlines, discs, run lengths, cut-out masks, each as the pixels that it covers.

Of outlines there are two kinds, which differ in the pixels of the border. Points that are whole numbers are mostly
centres of pixels (OpenCV's `findContours` gives these): the outline itself belongs to the object, and what
`cv2.fillPoly` fills is exact. Other points lie between pixels, the corner of the first one being (0, 0): a pixel
belongs to the object when its centre is inside.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from pipeline.errors import UserError
from pipeline.store.dialect import Format, RunError, Runs

CENTRES, CORNERS = "centres", "corners"  # what the points of outlines are
NEARLY = 0.02  # of a pixel: as far as rounding moves a whole number
MOSTLY = 0.9  # of the outlines
ASTRAY = 0.1  # by so much shares of the picture leave it
FAR = 1 << 20  # pixels; points farther away than this are no points of a picture


class Shape(Protocol):
    """Something that covers pixels."""

    def covered(self, height: int, width: int) -> tuple[slice, slice, np.ndarray]:
        """The rows and columns of a window of the picture, and a mask of it, bool.

        Raises UserError, without saying where, for what does not fit into a picture of this size.
        """
        ...


@dataclass(frozen=True)
class Outline:
    """The union of polygons, each points x 2 (x, y) in pixels; `points`: what they are, CENTRES or CORNERS."""

    parts: tuple[np.ndarray, ...]
    points: str = CORNERS

    def covered(self, height: int, width: int) -> tuple[slice, slice, np.ndarray]:
        every = np.concatenate(self.parts)
        (left, top), (right, bottom) = np.floor(every.min(axis=0)).astype(int), np.ceil(every.max(axis=0)).astype(int)
        if right < 0 or bottom < 0 or left > width or top > height:
            raise UserError(
                f"lies outside of the picture, which is {height} x {width} pixels (height x width): its points are "
                f"from ({left}, {top}) to ({right}, {bottom}) (x, y)"
            )
        rows = slice(min(max(top, 0), height - 1), max(min(bottom + 1, height), 1))
        columns = slice(min(max(left, 0), width - 1), max(min(right + 1, width), 1))
        mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
        for part in self.parts:
            moved = part - (columns.start, rows.start)
            mask |= _filled(moved, mask.shape) if self.points == CENTRES else _inside(moved, mask.shape)
        return rows, columns, mask

    def beyond(self, height: int, width: int) -> float:
        """By how many pixels it leaves the picture."""
        every = np.concatenate(self.parts)
        return float(max(-every.min(), *(every.max(axis=0) - (width, height)), 0))


@dataclass(frozen=True)
class Disc:
    """A circle with all that is in it; `points` as of an outline."""

    x: float
    y: float
    radius: float
    points: str = CORNERS

    def covered(self, height: int, width: int) -> tuple[slice, slice, np.ndarray]:
        half = 0.0 if self.points == CENTRES else 0.5
        rows, columns = np.ogrid[:height, :width]
        mask = (columns + half - self.x) ** 2 + (rows + half - self.y) ** 2 <= self.radius**2
        if not mask.any():
            raise UserError(f"covers no pixel of the picture, which is {height} x {width} pixels (height x width)")
        return slice(0, height), slice(0, width), mask


@dataclass(frozen=True)
class Cutout:
    """A mask of a window of the picture, bool, whose first pixel is at (x, y)."""

    x: int
    y: int
    mask: np.ndarray

    def covered(self, height: int, width: int) -> tuple[slice, slice, np.ndarray]:
        below, right = self.y + self.mask.shape[0], self.x + self.mask.shape[1]
        if self.x < 0 or self.y < 0 or below > height or right > width:
            raise UserError(
                f"is a mask that ends at row {below} and column {right}, its picture is {height} x {width} pixels "
                "(height x width)"
            )
        return slice(self.y, below), slice(self.x, right), self.mask


@dataclass(frozen=True)
class Counts:
    """Run lengths as COCO has them: pixels out, in, out … down the columns of a picture of height x width."""

    counts: np.ndarray
    height: int
    width: int

    def covered(self, height: int, width: int) -> tuple[slice, slice, np.ndarray]:
        if (self.height, self.width) != (height, width):
            raise UserError(
                f"has run lengths of {self.height} x {self.width} pixels (height x width), its picture is {height} x "
                f"{width}"
            )
        inside = np.arange(len(self.counts)) % 2 == 1
        flat = np.repeat(inside, self.counts)
        return slice(0, height), slice(0, width), flat.reshape(width, height).T


@dataclass(frozen=True)
class RunLengths:
    """Runs of one object in a dialect of csv."""

    dialect: Format
    starts: np.ndarray
    lengths: np.ndarray

    def covered(self, height: int, width: int) -> tuple[slice, slice, np.ndarray]:
        runs = Runs(np.zeros(len(self.starts), np.int64), self.starts, self.lengths, np.zeros(1, np.int64))
        try:
            return self.dialect.window(runs, height, width)
        except RunError as error:
            counted = "" if self.dialect.first and not self.dialect.relative else ", counted from 1 and absolute,"
            raise UserError(
                f"has run lengths that do not fit: {str(error).replace(chr(39) + ' ', chr(39) + counted + ' ', 1)}; it "
                f"is {height} x {width} = {height * width} pixels (height x width)"
            ) from error


def polygon(numbers: Iterable) -> np.ndarray:
    """x y x y … as points x 2. Raises UserError, without saying where, for what is no polygon."""
    try:
        points = np.array(list(numbers), np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise UserError("is a polygon whose points are no numbers") from error
    if len(points) % 2:
        raise UserError(f"is a polygon of {len(points)} numbers: of its last point one is missing")
    points = points.reshape(-1, 2)
    if len(points) < 3:
        raise UserError(f"is a polygon of {len(points)} point(s); it takes 3 to have an inside")
    if not (np.abs(points) < FAR).all():
        raise UserError("is a polygon with points that are infinite, no numbers (NaN) or far away")
    return points


def points_of(outlines: Iterable[np.ndarray], boxes: Iterable = ()) -> str:
    """Whether points are CENTRES of pixels or CORNERS: centres where those of nearly all outlines are whole numbers.

    Args:
        boxes: (outline's points, width, height) of the box that is given of some: of centres it is a pixel larger than
            the difference of the coordinates, where who wrote it thought of that.
    """
    whole = [bool((np.abs(points - np.rint(points)) < NEARLY).all()) for points in outlines]
    if sum(whole) >= MOSTLY * len(whole):
        return CENTRES
    sizes = [(np.ptp(points, axis=0), (width, height)) for points, width, height in boxes]
    larger = sum(bool(np.allclose(size + 1, box, atol=NEARLY)) for size, box in sizes)
    return CENTRES if sizes and larger > len(sizes) / 2 else CORNERS


def are_shares(shapes: Iterable[Shape]) -> bool:
    """Whether the outlines among these all lie in the first pixel: their points are shares of width and height."""
    outlines = [shape for shape in shapes if isinstance(shape, Outline)]
    within = (part.min() >= -ASTRAY and part.max() <= 1 + ASTRAY for outline in outlines for part in outline.parts)
    return bool(outlines) and all(within)


def _filled(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bool mask of a polygon whose points are centres of pixels, with its outline."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 1)
    return mask.astype(bool)


def _inside(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bool mask of the pixels whose centres are inside a polygon, by the number of edges to the left of each."""
    height, width = shape
    x, y = points[:, 0], points[:, 1] - 0.5
    x_next, y_next = np.roll(x, -1), np.roll(y, -1)
    low, high = np.minimum(y, y_next), np.maximum(y, y_next)
    # the rows whose centres lie on an edge: its upper end belongs to it, its lower one does not
    first = np.clip(np.ceil(low), 0, height).astype(np.int64)
    last = np.clip(np.ceil(high), 0, height).astype(np.int64)
    counts = last - first
    edge = np.repeat(np.arange(len(x)), counts)
    rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    at = x[edge] + (rows - y[edge]) * (x_next - x)[edge] / (y_next - y)[edge]
    columns = np.clip(np.ceil(at - 0.5), 0, width).astype(np.int64)
    crossings = np.zeros((height, width + 1), np.int32)
    np.add.at(crossings, (rows, columns), 1)
    return np.cumsum(crossings[:, :-1], axis=1) % 2 == 1
