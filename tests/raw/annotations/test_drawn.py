"""Pixels that shapes cover: known answers at the border, and a slow reference."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.raw.annotations.drawn import CENTRES, CORNERS, Counts, Cutout, Disc, Outline, points_of, polygon


def mask_of(shape, height=12, width=15) -> np.ndarray:
    found = np.zeros((height, width), bool)
    rows, columns, mask = shape.covered(height, width)
    found[rows, columns] = mask
    return found


SQUARE = polygon([2, 3, 6, 3, 6, 8, 2, 8])


def test_a_square_whose_points_are_centres_and_one_whose_points_are_corners():
    centres, corners = mask_of(Outline((SQUARE,), CENTRES)), mask_of(Outline((SQUARE,), CORNERS))
    assert centres.sum() == 5 * 6 and centres[3:9, 2:7].all()
    assert corners.sum() == 4 * 5 and corners[3:8, 2:6].all()


def _is_inside(points: np.ndarray, x: float, y: float) -> bool:
    """By the number of edges that a ray to the left crosses."""
    count = 0
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if (y0 <= y) != (y1 <= y) and x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x:
            count += 1
    return count % 2 == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-4, 20, width=16), st.floats(-4, 16, width=16)), min_size=3, max_size=7))
def test_every_pixel_whose_centre_is_inside(points):
    points = np.array(points)
    try:
        found = mask_of(Outline((points,), CORNERS))
    except UserError as error:
        assert "outside of the picture" in str(error)
        return
    for row in range(12):
        for column in range(15):
            assert found[row, column] == _is_inside(points, column + 0.5, row + 0.5), (row, column)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 31))
def test_outlines_of_opencv_give_the_mask_back(seed):
    draw = np.random.default_rng(seed)
    mask = np.zeros((30, 40), np.uint8)
    for _ in range(3):
        cv2.circle(mask, tuple(int(v) for v in draw.integers(0, 30, 2)), int(draw.integers(1, 9)), 1, -1)
    outlines = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    holes = cv2.findContours(1 - mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    parts = tuple(outline[:, 0].astype(float) for outline in outlines)
    found = mask_of(Outline(parts, CENTRES), 30, 40)
    assert (found >= mask.astype(bool)).all() and len(holes)
    filled = np.zeros_like(mask)
    cv2.drawContours(filled, outlines, -1, 1, -1)
    assert (found == filled.astype(bool)).all()


def test_two_parts_are_their_union_and_what_leaves_the_picture_is_cut_off():
    other = polygon([10, -3, 30, -3, 30, 5, 10, 5])
    shape = Outline((SQUARE, other), CORNERS)
    assert mask_of(shape).sum() == 20 + 25 and shape.beyond(12, 15) == 15
    assert Outline((SQUARE,), CORNERS).beyond(12, 15) == 0


def test_what_lies_outside_is_refused():
    for points in (SQUARE + 100, SQUARE - 100):
        with pytest.raises(UserError, match=r"lies outside of the picture, which is 12 x 15 pixels \(height x width\)"):
            mask_of(Outline((points,), CENTRES))


def test_discs_and_cutouts():
    assert mask_of(Disc(4, 4, 1, CENTRES)).sum() == 5 and mask_of(Disc(4.5, 4.5, 1, CORNERS)).sum() == 5
    with pytest.raises(UserError, match="covers no pixel"):
        mask_of(Disc(400, 4, 3))
    assert mask_of(Cutout(3, 2, np.ones((2, 4), bool)))[2:4, 3:7].all()
    with pytest.raises(UserError, match=r"ends at row 4 and column 16, its picture is 12 x 15"):
        mask_of(Cutout(12, 2, np.ones((2, 4), bool)))


def test_counts_go_down_the_columns():
    found = mask_of(Counts(np.array([1, 2, 177]), 12, 15))
    assert found.sum() == 2 and found[1, 0] and found[2, 0]
    with pytest.raises(
        UserError, match=r"has run lengths of 15 x 12 pixels \(height x width\), its picture is 12 x 15"
    ):
        mask_of(Counts(np.array([180]), 15, 12))


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ([1, 2, 3, 4], "a polygon of 2 point"),
        ([1, 2, 3, 4, 5], "of its last point one is missing"),
        ([1, 2, 3, 4, 5, float("nan")], "infinite, no numbers"),
        ([1, 2, 3, 4, 5, 1e300], "far away"),
        (["a", 2, 3, 4, 5, 6], "points are no numbers"),
        ([[1, 2], [3]], "points are no numbers"),
    ],
)
def test_what_is_no_polygon(numbers, says):
    with pytest.raises(UserError, match=says):
        polygon(numbers)


def test_whether_points_are_centres_is_seen_in_nearly_all_of_them():
    assert points_of([SQUARE]) == CENTRES and points_of([SQUARE, SQUARE + 0.5]) == CORNERS
    assert points_of([SQUARE] * 19 + [SQUARE + 0.5]) == CENTRES
    # smoothed outlines of pixels: their boxes are a pixel larger
    assert points_of([SQUARE + 0.5], [(SQUARE + 0.5, 5, 6)]) == CENTRES
    assert points_of([SQUARE + 0.5], [(SQUARE + 0.5, 4, 5)]) == CORNERS
