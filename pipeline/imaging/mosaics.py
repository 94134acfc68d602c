"""Tiles of one picture among many images of one size: found by edges that continue, and placed beside each other.

What is compared is how a picture changes along a shared edge, as both tiles extrapolate it from their two outer lines
to half a pixel beyond: 1.5 times the outer line less .5 times the line within, and of that the differences from pixel
to pixel. Brightness leaves no trace in it. The misfit of two edges is the squared distance of these over the sum of
both squared lengths: 0 where one continues the other exactly, about 1 where they have nothing in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.imaging.duplicates import ROUNDING

# Two are neighbours where each is the other's best fit, the misfit is at most MISFIT, and at most CLEAR times the
# misfit of the next best, on either side.
MISFIT = 0.3
CLEAR = 0.4
# by how much rounding to integers shakes a difference of extrapolated pixels, squared
SHAKEN = 2 * (1.5**2 + 0.5**2) * ROUNDING


@dataclass(frozen=True)
class Edges:
    """The four edges of an image: right, left, bottom, top, each float32, zeros where it is as good as flat."""

    shape: tuple[int, ...]
    lines: tuple[np.ndarray, ...]


def edges(image: np.ndarray) -> Edges:
    """Of an H x W x C image of any dtype; what is no finite number counts as 0."""
    outer = image[:, -1], image[:, 0], image[-1], image[0]
    # of an image one pixel wide, the same line again
    inner = image[:, -2:][:, 0], image[:, :2][:, -1], image[-2:][0], image[:2][-1]
    least = SHAKEN if np.issubdtype(image.dtype, np.integer) else 1e-12
    return Edges(image.shape, tuple(_edge(*pair, least) for pair in zip(outer, inner, strict=True)))


def _edge(outer: np.ndarray, inner: np.ndarray, least: float) -> np.ndarray:
    outer, inner = (np.nan_to_num(line.astype(np.float32), posinf=0, neginf=0) for line in (outer, inner))
    steps = np.diff(1.5 * outer - 0.5 * inner, axis=0).ravel()
    return steps if steps.size and float((steps**2).mean()) > 2 * least else np.zeros_like(steps)


@dataclass(frozen=True)
class Neighbours:
    """m pairs: image `second` lies to the right of image `first`, or below it. Attributes: first, second: positions, m.
    below: m bool. misfit: m."""

    first: np.ndarray
    second: np.ndarray
    below: np.ndarray
    misfit: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


def neighbours(found: Sequence[Edges], mirrored: bool = False, block: int = 512, each=lambda count: None) -> Neighbours:
    """The pairs among images that lay edge to edge; block x n float32 is what it needs for n images of one size.

    Args: mirrored: every second edge is read backwards, so that what is found is chance. each: told how many edges
        have been compared.
    """
    of_a_shape: dict[tuple, list[int]] = {}
    for position, one in enumerate(found):
        of_a_shape.setdefault(one.shape, []).append(position)
    parts = []
    for members in map(np.array, of_a_shape.values()):
        for below in (False, True):
            ends, starts = (np.stack([found[i].lines[2 * below + side] for i in members]) for side in (0, 1))
            if mirrored:
                starts = _backwards(starts, found[members[0]].shape[-1])
            first, second, misfit = _matched(ends, starts, block, each)
            parts.append((members[first], members[second], np.full(len(first), below), misfit))
    if not parts:
        return Neighbours(np.empty(0, int), np.empty(0, int), np.empty(0, bool), np.empty(0))
    return Neighbours(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _backwards(lines: np.ndarray, channels: int) -> np.ndarray:
    """Differences along an edge that is read from its other end."""
    return -lines.reshape(len(lines), -1, channels)[:, ::-1].reshape(lines.shape)


def _matched(ends: np.ndarray, starts: np.ndarray, block: int, each) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which of n starts each of n ends goes on in: (end, start, misfit) of those that are clear."""
    count = len(ends)
    lengths, others = ((lines**2).sum(axis=1) for lines in (ends, starts))
    row = np.zeros(count, int), np.full(count, np.inf), np.full(count, np.inf)
    column = np.zeros(count, int), np.full(count, np.inf), np.full(count, np.inf)
    everyone = np.arange(count)
    flat = others == 0
    for top in range(0, count, block):
        own = np.arange(top, min(top + block, count))
        total = np.maximum(lengths[own, None] + others, np.finfo(np.float32).tiny)
        # |a - b|² / (|a|² + |b|²) = 1 - 2ab / (|a|² + |b|²)
        misfit = ends[own] @ starts.T
        misfit /= total
        misfit *= -2
        misfit += 1
        misfit[:, flat] = np.inf
        misfit[lengths[own] == 0] = np.inf
        misfit[own - top, own] = np.inf
        _two_best(row, own, misfit.T)
        _two_best(column, everyone, misfit, top)
        each(len(own))
    best, misfit, next_best = row
    clear = (misfit <= MISFIT) & (column[0][best] == everyone)
    # where two fit exactly, as the edges of copies do, neither is clear
    clear &= (misfit <= CLEAR * next_best) & (misfit <= CLEAR * column[2][best]) & (next_best > 0)
    first = np.flatnonzero(clear)
    return first, best[first], misfit[first]


def _two_best(known: tuple, places: np.ndarray, misfit: np.ndarray, offset: int = 0) -> None:
    """Updates (who fits best, its misfit, the next best misfit) at these places by candidates x places."""
    who, best, second = known
    now = misfit.argmin(axis=0)
    along = np.arange(misfit.shape[1])
    least = misfit[now, along].astype(np.float64)
    misfit[now, along] = np.inf
    next_least = misfit.min(axis=0).astype(np.float64)
    misfit[now, along] = least
    better = least < best[places]
    second[places] = np.minimum(np.where(better, best[places], least), np.minimum(second[places], next_least))
    who[places] = np.where(better, now + offset, who[places])
    best[places] = np.minimum(best[places], least)


@dataclass(frozen=True)
class Placed:
    """n images in mosaics. Attributes: mosaic: n numbers, the largest mosaic is 0; -1 for an image in none. row,
    column: of the tile in it, from 0. kept: which pairs of neighbours hold; the others contradict closer ones."""

    mosaic: np.ndarray
    row: np.ndarray
    column: np.ndarray
    kept: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Tiles of each mosaic."""
        return np.bincount(self.mosaic[self.mosaic >= 0])


def placed(pairs: Neighbours, count: int) -> Placed:
    """Puts `count` images beside each other, the closest pairs first. A pair that would put an image in two places, or
    two images in one, is dropped."""
    where = {i: (i, 0, 0) for i in range(count)}  # image -> its mosaic, row, column
    members = {i: {(0, 0): i} for i in range(count)}  # mosaic -> place -> image
    kept = np.zeros(len(pairs), bool)
    for k in np.lexsort((pairs.second, pairs.first, pairs.misfit)):
        (one, row, column), (other, down, right) = where[int(pairs.first[k])], where[int(pairs.second[k])]
        below = bool(pairs.below[k])
        move = row + below - down, column + (not below) - right
        if one == other:
            kept[k] = move == (0, 0)
            continue
        moved = {(r + move[0], c + move[1]): image for (r, c), image in members[other].items()}
        if members[one].keys() & moved.keys():
            continue
        kept[k] = True
        members[one] |= moved
        where |= {image: (one, *place) for place, image in moved.items()}
        del members[other]
    several = [places for places in members.values() if len(places) > 1]
    several.sort(key=lambda places: (-len(places), min(places.values())))
    mosaic, rows, columns = np.full(count, -1), np.zeros(count, int), np.zeros(count, int)
    for number, places in enumerate(several):
        least = min(r for r, _ in places), min(c for _, c in places)
        for (r, c), image in places.items():
            mosaic[image], rows[image], columns[image] = number, r - least[0], c - least[1]
    return Placed(mosaic, rows, columns, kept)
