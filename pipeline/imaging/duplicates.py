"""Images that are copies, nearly copies, or neighbouring crops of one picture: what leaks when folds split it.

What finds pairs returns positions, m x 2 int, the smaller first, each pair once and in order; `components` makes
groups of them. Every image is reduced to a few numbers first (`fingerprint`, `thumbnail`, `edges`), so that its pixels
need not stay in memory.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.imaging.sizes import resized

AT_ONCE = 1 << 23  # values
NO_PAIRS = np.empty((0, 2), int)
# the variance of what rounding to integers takes away
ROUNDING = 1 / 12


def fingerprint(image: np.ndarray) -> str:
    """The same for images with the same shape, dtype and pixels, and for no others."""
    content = hashlib.sha256(f"{image.shape} {image.dtype.str}".encode())
    content.update(np.ascontiguousarray(image))
    return content.hexdigest()


def equal_pairs(fingerprints: Sequence[str]) -> np.ndarray:
    """Pairs each image with the last one before it that has the same fingerprint: of n copies, n - 1 pairs."""
    last: dict[str, int] = {}
    pairs = []
    for position, content in enumerate(fingerprints):
        if content in last:
            pairs.append((last[content], position))
        last[content] = position
    return _in_order(pairs)


def thumbnail(image: np.ndarray, side: int = 16) -> np.ndarray:
    """H x W x C to side * side * C float32 of mean 0 in each channel and length 1: a product of two is a correlation.

    Brightness and contrast leave no trace in it. An image that is as good as flat when it is that small (for integers:
    varies less than rounding does) becomes zeros, which resemble nothing.
    """
    small = resized(_narrow(image, side), (side, side)).astype(np.float64)
    small -= small.mean(axis=(0, 1))
    if (small**2).mean() <= _least(image.dtype):
        return np.zeros(small.size, np.float32)
    return (small / np.linalg.norm(small)).ravel().astype(np.float32)


def _narrow(image: np.ndarray, side: int) -> np.ndarray:
    """As float32; of a large image only as wide as its thumbnail, because that is averaged along each axis alone."""
    if image.size <= AT_ONCE or image.shape[1] <= side:
        return image.astype(np.float32)
    step = max(1, AT_ONCE // image[0].size)
    parts = (image[top : top + step].astype(np.float32) for top in range(0, len(image), step))
    return np.concatenate([resized(part, (len(part), side)) for part in parts])


def similar_pairs(thumbnails: np.ndarray, threshold: float = 0.99, block: int = 512) -> np.ndarray:
    """Pairs among n x d thumbnails with a correlation of at least `threshold` (of n copies, all n (n - 1) / 2 pairs).

    `block` images are compared with all others at a time: block x n float32 is what it needs beside the pairs.
    """
    found = [NO_PAIRS]
    for start in range(0, len(thumbnails), block):
        correlation = thumbnails[start : start + block] @ thumbnails[start:].T
        found.append(np.argwhere(np.triu(correlation >= threshold, k=1)) + start)
    return _in_order(np.concatenate(found))


class Edges(NamedTuple):
    """The four outer lines of an image.

    Attributes:
        shape: of the image.
        lines: right, left, bottom, top; each length x C float32.
        steps: the mean square difference of each to the line within.
    """

    shape: tuple[int, ...]
    lines: tuple[np.ndarray, ...]
    steps: tuple[float, ...]


RIGHT, LEFT, BOTTOM, TOP = range(4)


def edges(image: np.ndarray) -> Edges:
    """Of an H x W x C image of any dtype."""
    outer = image[:, -1], image[:, 0], image[-1], image[0]
    # of an image one pixel wide, the same line again
    inner = image[:, -2:][:, 0], image[:, :2][:, -1], image[-2:][0], image[:2][-1]
    lines = tuple(line.astype(np.float32) for line in outer)
    # two lines rounded to integers differ by that much though what was rounded is the same
    least = 2 * _least(image.dtype)
    steps = tuple(
        max(float(((line - other.astype(np.float32)) ** 2).mean()), least)
        for line, other in zip(lines, inner, strict=True)
    )
    return Edges(image.shape, lines, steps)


def neighbour_pairs(found: Sequence[Edges], jump: float = 2.0, agreement: float = 0.8, block: int = 512) -> np.ndarray:
    """Pairs of crops that lay edge to edge in one picture: the border of one continues that of the other.

    Among the images of one size the right border of each is compared with the left border of every other, and bottom
    with top. Two are neighbours where each is the other's best fit and

    - the step across is like the steps within: their mean square difference is at most `jump` times the mean of both
      `steps` (1 is expected of neighbours);
    - they carry the same structure: their correlation is at least `agreement`. Flat and noisy borders, which pass the
      first rule with any other of the same grey, do not.

    Both limits were set on some hundred images of a size. Of thousands of images with smooth borders some fit by
    chance: there, look at what is found.
    """
    of_a_shape: dict[tuple, list[int]] = {}
    for position, one in enumerate(found):
        of_a_shape.setdefault(one.shape, []).append(position)
    pairs = [NO_PAIRS]
    for members in of_a_shape.values():
        positions = np.array(members)
        for end, start in ((RIGHT, LEFT), (BOTTOM, TOP)):
            ends, starts = (_Side.of([found[i] for i in members], side) for side in (end, start))
            pairs.append(positions[_continued(ends, starts, jump, agreement, block)])
    return _in_order(np.concatenate(pairs))


def components(pairs: Iterable, count: int) -> np.ndarray:
    """The group number of each of `count` images, int: what pairs connect, directly or over others, is one group.

    Groups are numbered 0, 1, … in the order of their first images; an image in no pair is a group of its own.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.asarray(pairs, int).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    labels = connected_components(graph, directed=False)[1]
    _, first, label = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[label]


class _Side(NamedTuple):
    """One side of n images: n x d float32 lines, their n steps, and the lines made to mean 0 and length 1."""

    lines: np.ndarray
    steps: np.ndarray
    units: np.ndarray

    @classmethod
    def of(cls, found: Sequence[Edges], side: int) -> "_Side":
        lines = np.stack([one.lines[side] for one in found])
        # of each channel: a colour that all pixels share is no structure
        units = lines - lines.mean(axis=1, keepdims=True)
        units = units.reshape(len(units), -1)
        length = np.linalg.norm(units, axis=1, keepdims=True)
        steps = np.array([one.steps[side] for one in found])
        return cls(lines.reshape(len(lines), -1), steps, units / np.where(length > 0, length, np.inf))


def _continued(ends: _Side, starts: _Side, jump: float, agreement: float, block: int) -> np.ndarray:
    """m x 2: the lines (a, b) where a of `ends` goes on in b of `starts`."""
    candidates, ratios = [NO_PAIRS], [np.empty(0)]
    best = np.full(len(starts.lines), np.inf)
    # the mean comes off: it would cost digits in the difference of large numbers
    middle = starts.lines.mean(axis=0)
    these, those = ends.lines - middle, starts.lines - middle
    squares = (those**2).sum(axis=1, dtype=np.float64)
    for first in range(0, len(these), block):
        part = slice(first, first + block)
        total = (these[part] ** 2).sum(axis=1, dtype=np.float64)[:, None] + squares - 2 * (these[part] @ those.T)
        ratio = total / these.shape[1] / ((ends.steps[part, None] + starts.steps) / 2)
        own = np.arange(len(ratio))
        # an image is not its own neighbour
        ratio[own, own + first] = np.inf
        best = np.minimum(best, ratio.min(axis=0))
        fits = (ratio <= ratio.min(axis=1, keepdims=True)) & (ratio <= jump)
        fits &= ends.units[part] @ starts.units.T >= agreement
        rows, columns = np.nonzero(fits)
        candidates.append(np.stack([rows + first, columns], axis=1))
        ratios.append(ratio[rows, columns])
    pairs = np.concatenate(candidates)
    return pairs[np.concatenate(ratios) <= best[pairs[:, 1]]]


def _least(dtype: np.dtype) -> float:
    """The variance below which pixels of a dtype are flat."""
    return ROUNDING if np.issubdtype(dtype, np.integer) else 1e-12


def _in_order(pairs) -> np.ndarray:
    """Smaller position first, each pair once, sorted."""
    return np.unique(np.sort(np.asarray(pairs, int).reshape(-1, 2), axis=1), axis=0)
