"""How thick objects are."""

import numpy as np
import pytest

from pipeline.imaging.thickness import typical_radius


def discs(*places, side=128) -> np.ndarray:
    """side x side bool: a disc for each (row, column, radius)."""
    rows, columns = np.mgrid[:side, :side]
    return np.any([(rows - y) ** 2 + (columns - x) ** 2 <= r * r for y, x, r in places], axis=0)


@pytest.mark.parametrize("radius", [3, 8, 20, 40])
def test_of_a_disc_it_is_its_radius(radius):
    assert typical_radius(discs((60, 60, radius))) == pytest.approx(radius + 0.5, abs=1)


def test_objects_that_touch_in_a_row_are_as_thick_as_one():
    row = discs(*[(60, 16 + 19 * i, 10) for i in range(6)])
    assert typical_radius(row) == pytest.approx(10.5, abs=1)


def test_it_is_of_half_of_the_pixels_not_of_half_of_the_objects():
    small = [(8, 8 + 12 * i, 3) for i in range(10)]
    assert typical_radius(discs((80, 64, 30), *small)) == pytest.approx(30.5, abs=1)
    assert typical_radius(discs((80, 64, 8), *small)) == pytest.approx(3.5, abs=1)


def test_of_nothing_and_of_a_full_picture():
    assert typical_radius(np.zeros((20, 30), bool)) == 0
    assert typical_radius(np.ones((20, 30), bool)) == 15
