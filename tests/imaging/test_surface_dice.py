"""Surface Dice against loops over every cube of voxels, whose areas are worked out by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.imaging import surface_dice
from pipeline.imaging.surface_dice import element_areas, surface_dice_of, surface_overlap

# of a connected piece of corners, by how many there are and how many pairs of them are neighbours
AREAS = {
    (1, 0): math.sqrt(3) / 8,
    (2, 1): math.sqrt(2) / 2,
    (3, 2): 1 / 2 + 3 * math.sqrt(3) / 8,
    (4, 4): 1.0,
}
# three neighbours around one corner, or four corners in a row
TRIPOD, ROW = 3 * math.sqrt(3) / 4, math.sqrt(2) / 2 + math.sqrt(3) / 2


def apart(place, other) -> int:
    return sum(abs(a - b) for a, b in zip(place, other, strict=True))


def pieces(corners: set) -> list[set]:
    found, left = [], set(corners)
    while left:
        piece, waiting = set(), {min(left)}
        while waiting:
            corner = waiting.pop()
            piece.add(corner)
            waiting |= {other for other in left - piece if apart(corner, other) == 1}
        found.append(piece)
        left -= piece
    return found


def area_of_piece(piece: set) -> float:
    neighbours = {c: sum(apart(c, o) == 1 for o in piece) for c in piece}
    if len(piece) == 4 and sum(neighbours.values()) == 6:
        return TRIPOD if max(neighbours.values()) == 3 else ROW
    return AREAS[len(piece), sum(neighbours.values()) // 2]


def element(inside: set, axes: int) -> float:
    """The area (length) between the corners that are inside and the others, spacing 1."""
    corners = set(itertools.product((0, 1), repeat=axes))
    fewer = inside if len(inside) <= len(corners) // 2 else corners - inside
    if axes == 3:
        return sum(area_of_piece(piece) for piece in pieces(fewer))
    # in a plane: a diagonal of half pixels around each corner alone, a whole side of a pixel along two
    return sum(math.sqrt(2) / 2 if len(piece) == 1 else 1.0 for piece in pieces(fewer))


def literal(first, second, tolerance) -> tuple[float, float]:
    """Every cube of 2 voxels a side, also beyond the edge; distances of all pairs of cubes."""
    surfaces = []
    for mask in (first, second):
        surface = {}
        for place in itertools.product(*(range(-1, length) for length in mask.shape)):
            inside = set()
            for corner in itertools.product((0, 1), repeat=mask.ndim):
                at = tuple(i + j for i, j in zip(place, corner, strict=True))
                if all(0 <= i < n for i, n in zip(at, mask.shape, strict=True)) and mask[at]:
                    inside.add(corner)
            if 0 < len(inside) < 2**mask.ndim:
                surface[place] = element(inside, mask.ndim)
        surfaces.append(surface)
    near = 0.0
    for here, there in (surfaces, surfaces[::-1]):
        for place, area in here.items():
            if any(math.dist(place, other) <= tolerance for other in there):
                near += area
    return near, sum(sum(surface.values()) for surface in surfaces)


shapes = st.one_of(st.tuples(*[st.integers(1, 6)] * 2), st.tuples(*[st.integers(1, 4)] * 3))


@st.composite
def masks(draw):
    shape = draw(shapes)
    kinds = [arrays(bool, shape), st.just(np.zeros(shape, bool)), st.just(np.ones(shape, bool))]
    first = draw(st.one_of(kinds))
    return first, draw(st.one_of([*kinds, st.just(first)]))


@settings(max_examples=200)
@given(masks(), st.sampled_from([0, 1, 1.5, 2, 7]))
def test_it_is_that_of_all_cubes(pair, tolerance):
    spacing = (1,) * pair[0].ndim
    wanted = literal(*pair, tolerance)
    assert surface_overlap(*pair, tolerance, spacing) == pytest.approx(wanted, abs=1e-9)
    share = wanted[0] / wanted[1] if wanted[1] else 1
    assert surface_dice_of(*pair, tolerance, spacing) == pytest.approx(share, abs=1e-9)


@settings(max_examples=60)
@given(masks(), st.sampled_from([0, 1, 2.5]))
def test_far_tolerances_are_sought_otherwise_and_alike(pair, tolerance):
    spacing = (1.5, 1, 0.5)[: pair[0].ndim]
    wanted = surface_overlap(*pair, tolerance, spacing)
    before, surface_dice.MOST_STEPS = surface_dice.MOST_STEPS, -1
    try:
        assert surface_overlap(*pair, tolerance, spacing) == pytest.approx(wanted, abs=1e-9)
    finally:
        surface_dice.MOST_STEPS = before


@pytest.mark.parametrize("axes", [2, 3])
def test_the_area_of_every_pattern_is_that_worked_out_by_hand(axes):
    corners = list(itertools.product((0, 1), repeat=axes))
    wanted = [element({c for k, c in enumerate(corners) if code >> k & 1}, axes) for code in range(2 ** len(corners))]
    assert element_areas((1.0,) * axes) == pytest.approx(wanted, abs=1e-9)


def test_the_surface_of_a_box_is_its_faces_edges_and_corners():
    sides, spacing = (3, 5, 4), (2.0, 0.5, 1.5)
    box = np.ones(sides, bool)
    whole = 0.0
    for i, j, k in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
        whole += 2 * (sides[i] - 1) * (sides[j] - 1) * spacing[i] * spacing[j]
        whole += 4 * (sides[k] - 1) * spacing[k] * math.hypot(spacing[i], spacing[j]) / 2
    a, b, c = (np.array(point) / 2 for point in np.diag(spacing))
    whole += 8 * np.linalg.norm(np.cross(b - a, c - a)) / 2
    assert surface_overlap(box, box, 0, spacing) == pytest.approx((2 * whole, 2 * whole))
    flat = 2 * (2 * 2.0 + 4 * 0.5) + 4 * math.hypot(2.0, 0.5) / 2
    assert surface_overlap(box[..., 0], box[..., 0], 0, (2.0, 0.5)) == pytest.approx((2 * flat, 2 * flat))


def test_a_plane_moved_by_the_tolerance_is_still_right():
    sheet, moved = np.zeros((12, 12, 12), bool), np.zeros((12, 12, 12), bool)
    sheet[:, :, 4], moved[:, :, 6] = True, True
    assert surface_dice_of(moved, sheet, 2, (1, 1, 1)) == 1
    assert surface_dice_of(moved, sheet, 1.99, (1, 1, 1)) < 1
    assert surface_dice_of(moved, sheet, 2, (1, 1, 1.1)) < 1
    assert surface_dice_of(moved, sheet, 2 * 1.1, (1, 1, 1.1)) == 1


def test_one_empty_scores_nothing_and_two_everything():
    empty, full = np.zeros((3, 3, 3), bool), np.ones((3, 3, 3), bool)
    assert [surface_dice_of(*pair, 2, (1, 1, 1)) for pair in ((empty, full), (full, empty), (empty, empty))] == [
        0,
        0,
        1,
    ]
