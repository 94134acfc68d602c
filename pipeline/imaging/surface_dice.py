"""Surface Dice with a tolerance: how much of two surfaces lies near the other one, by area (in planes by length).

A surface is made of elements between 2 x 2 x 2 voxels (in planes 2 x 2 pixels), as marching cubes draws it, and lies
where these meet. So it is measured by DeepMind's `surface-distance` (Nikolov et al. 2018, arXiv:1809.04430), and by the
competitions that take it: SenNet + HOA 2024 (tolerance 0), Vesuvius Surface 2025 (tolerance 2).
"""

import functools
import itertools

import numpy as np

MOST_STEPS = 150  # from a place to all that lie within the tolerance; where there are more, the nearest is searched


def surface_overlap(first: np.ndarray, second: np.ndarray, tolerance: float, spacing) -> tuple[float, float]:
    """The area of both surfaces that lies at most `tolerance` from the other one, and the area of both.

    Args:
        first, second: bool arrays of one shape, 2-D or 3-D. What touches the picture's edge is closed there.
        tolerance: in the unit of `spacing`; an element counts where its distance is the tolerance, too.
        spacing: the length of a pixel along each axis.
    """
    if not (first.any() or second.any()):
        return 0.0, 0.0
    spacing = tuple(map(float, spacing))
    areas = element_areas(spacing)
    patterns = [_patterns(mask) for mask in _cropped(first, second)]
    near = total = 0.0
    for codes, others in (patterns, patterns[::-1]):
        surface = areas[codes[codes > 0]]
        total += surface.sum()
        near += surface[_within(codes > 0, others > 0, tolerance, spacing)].sum()
    return float(near), float(total)


def surface_dice_of(first: np.ndarray, second: np.ndarray, tolerance: float, spacing) -> float:
    """The share of both surfaces that lies near the other: 1 where both masks are empty, 0 where one is."""
    near, total = surface_overlap(first, second, tolerance, spacing)
    return near / total if total else 1.0


@functools.cache
def element_areas(spacing: tuple[float, ...]) -> np.ndarray:
    """The area (length) of the surface between 2 pixels a side, for each pattern of these: 256 (16) values.

    A pattern is a number: bit k is whether the pixel k, in C order, is inside. A pattern and its opposite have the same
    surface, the one that keeps apart what is inside of the pattern with fewer pixels.
    """
    corners = 2 ** len(spacing)
    found = np.zeros(2**corners)
    for code in range(1, 2**corners - 1):
        fewer = code if code.bit_count() <= corners // 2 else 2**corners - 1 - code
        inside = np.array([fewer >> k & 1 for k in range(corners)], float).reshape((2,) * len(spacing))
        found[code] = _area(inside, np.array(spacing))
    return found


def _area(inside: np.ndarray, spacing: np.ndarray) -> float:
    """Of the surface halfway between what is inside (1) and what is not (0) of 2 pixels a side."""
    if inside.ndim == 2:
        return _length(inside, spacing)
    from skimage.measure import marching_cubes

    points, faces, _, _ = marching_cubes(inside, 0.5, method="lorensen")
    triangles = (points.astype(np.float64) * spacing)[faces]
    sides = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    return float(np.linalg.norm(np.cross(*sides), axis=1).sum() / 2)


def _length(inside: np.ndarray, spacing: np.ndarray) -> float:
    """Of the line in 2 x 2 pixels: around each corner a diagonal, along a side that side."""
    diagonal = float(np.linalg.norm(spacing)) / 2
    if inside.sum() != 2:
        return diagonal
    if inside[0, 0] == inside[1, 1]:
        return 2 * diagonal
    return float(spacing[1] if inside[0, 0] == inside[0, 1] else spacing[0])


def _cropped(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both, in the smallest box that holds either."""
    either, window = first | second, []
    for axis in range(either.ndim):
        filled = np.flatnonzero(either.any(axis=tuple(other for other in range(either.ndim) if other != axis)))
        window.append(slice(filled[0], filled[-1] + 1))
    return first[tuple(window)], second[tuple(window)]


def _patterns(mask: np.ndarray) -> np.ndarray:
    """The pattern between each 2 pixels a side, of an array with one place more along each axis: uint8, 0 where there
    is no surface."""
    padded = np.pad(mask, 1)
    codes = np.zeros([length + 1 for length in mask.shape], np.uint8)
    for k, corner in enumerate(itertools.product((0, 1), repeat=mask.ndim)):
        part = padded[tuple(slice(place, place + length) for place, length in zip(corner, codes.shape, strict=True))]
        codes |= part.astype(np.uint8) << np.uint8(k)
    codes[codes == 2 ** (2**mask.ndim) - 1] = 0
    return codes


def _within(places: np.ndarray, others: np.ndarray, tolerance: float, spacing: tuple[float, ...]) -> np.ndarray:
    """Whether each of the places (bool) has one of the others (bool) at most `tolerance` away: a bool for each place.

    Distances are of whole steps, as a distance transform has them.
    """
    reach = [int(min(tolerance / length + 1, size)) for length, size in zip(spacing, places.shape, strict=True)]
    steps = np.stack(np.meshgrid(*(np.arange(-far, far + 1) for far in reach), indexing="ij"), axis=-1)
    steps = steps.reshape(-1, len(reach))
    steps = steps[np.sqrt(((steps * np.array(spacing)) ** 2).sum(axis=1)) <= tolerance]
    if len(steps) > MOST_STEPS:
        return _near(places, others, tolerance, np.array(spacing))
    found = np.zeros(places.shape, bool)
    for step in steps:
        to = tuple(slice(max(0, n), size + min(0, n)) for n, size in zip(step, found.shape, strict=True))
        since = tuple(slice(max(0, -n), size + min(0, -n)) for n, size in zip(step, found.shape, strict=True))
        found[to] |= others[since]
    return found[places]


def _near(places: np.ndarray, others: np.ndarray, tolerance: float, spacing: np.ndarray) -> np.ndarray:
    """The same, by a search for the nearest: for tolerances of many pixels."""
    from scipy.spatial import cKDTree

    here, there = np.argwhere(places), np.argwhere(others)
    if not (len(here) and len(there)):
        return np.zeros(len(here), bool)
    # nothing beyond is looked for; what lies exactly at the tolerance must be found
    bound = tolerance + spacing.min() / 1000
    _, nearest = cKDTree(there * spacing).query(here * spacing, distance_upper_bound=bound, workers=-1)
    near = nearest < len(there)
    steps = (here[near] - there[nearest[near]]) * spacing
    near[near] = np.sqrt((steps**2).sum(axis=1)) <= tolerance
    return near
