"""The Hausdorff distance against loops over all pairs of voxels, and known answers."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.imaging.hausdorff import boundary, hausdorff_distance, normalised_hausdorff


def literal(first, second, spacing) -> float:
    """The definition: every voxel of each against every voxel of the other."""
    a, b = ([tuple(map(int, place)) for place in np.argwhere(mask)] for mask in (first, second))

    def apart(p, q):
        return math.sqrt(sum(((i - j) * step) ** 2 for i, j, step in zip(p, q, spacing, strict=True)))

    def directed(start, goal):
        return max(min(apart(p, q) for q in goal) for p in start)

    return max(directed(a, b), directed(b, a))


def volumes(draw, most=7):
    shape = tuple(draw(st.integers(1, most)) for _ in range(draw(st.sampled_from([2, 3]))))
    kinds = st.sampled_from(["few", "half", "all", "line"])

    def mask():
        kind = draw(kinds)
        found = np.ones(shape, bool) if kind == "all" else np.zeros(shape, bool)
        if kind == "half":
            return draw(arrays(bool, shape))
        if kind == "line":
            found[tuple(draw(st.integers(0, length - 1)) for length in shape[:-1])] = True
        if kind == "few":
            for _ in range(draw(st.integers(0, 3))):
                found[tuple(draw(st.integers(0, length - 1)) for length in shape)] = True
        return found

    return mask(), mask()


pairs = st.composite(volumes)


@settings(max_examples=300)
@given(pairs(), st.lists(st.sampled_from([0.3, 1.0, 2.5]), min_size=3, max_size=3))
def test_it_is_that_of_all_pairs(pair, spacing):
    first, second = pair
    if first.any() and second.any():
        spacing = spacing[: first.ndim]
        assert hausdorff_distance(first, second, spacing) == pytest.approx(literal(first, second, spacing), abs=1e-9)


@settings(max_examples=200)
@given(pairs())
def test_the_normalised_one_is_the_graders(pair):
    """As the grader of UW-Madison does it: coordinates by the shape, the cube's diagonal, and its exceptions."""
    found, truth = pair
    score = normalised_hausdorff(found, truth)
    if not found.any() and not truth.any():
        assert math.isnan(score)
    elif np.array_equal(found, truth):
        assert score == 0
    elif not found.any() or not truth.any() or found.sum() > 10 * truth.sum():
        assert score == 1
    else:
        wanted = literal(found, truth, [1 / length for length in truth.shape]) / math.sqrt(truth.ndim)
        assert score == pytest.approx(wanted, abs=1e-9)


def test_larger_volumes_are_sought_in_blocks():
    random = np.random.default_rng(4)
    for share in (0.0005, 0.002):
        first, second = (random.random((23, 37, 41)) < share for _ in range(2))
        spacing = 1 / np.array(first.shape)
        assert hausdorff_distance(first, second, spacing) == pytest.approx(literal(first, second, spacing), abs=1e-9)


def test_the_farthest_voxel_may_lie_inside():
    """The middle of a disc in a ring: no voxel of its edge is as far from the ring."""
    rows, columns = np.ogrid[:41, :41]
    radius = np.hypot(rows - 20, columns - 20)
    disc, ring = radius <= 15, (radius > 15) & (radius < 17)
    wanted = literal(disc, ring, (1, 1))
    assert hausdorff_distance(disc, ring, (1, 1)) == pytest.approx(wanted) and wanted > 14


def test_known_distances():
    first, second = np.zeros((2, 10, 20), bool), np.zeros((2, 10, 20), bool)
    first[0, 0, 0] = second[0, 3, 4] = True
    assert hausdorff_distance(first, second, (1, 1, 1)) == pytest.approx(5)
    assert hausdorff_distance(first, second, (1, 2, 0.5)) == pytest.approx(math.hypot(6, 2))
    assert normalised_hausdorff(first, second) == pytest.approx(math.hypot(0.3, 0.2) / math.sqrt(3))
    # one more voxel beside it: the distance is that of the farther one
    second[0, 3, 5] = True
    assert hausdorff_distance(first, second, (1, 1, 1)) == pytest.approx(math.hypot(3, 5))
    second[:] = False
    second[0, 0, :11] = True
    assert normalised_hausdorff(second, first) == 1 and normalised_hausdorff(first, second) < 1


def test_the_boundary_is_what_has_a_neighbour_outside():
    random = np.random.default_rng(2)
    for shape in ((5, 6), (4, 5, 6)):
        mask = random.random(shape) < 0.8
        wanted = np.zeros_like(mask)
        for place in itertools.product(*map(range, shape)):
            steps = [tuple(np.add(place, step * unit)) for unit in np.eye(len(shape), dtype=int) for step in (-1, 1)]
            inside = [s for s in steps if all(0 <= i < n for i, n in zip(s, shape, strict=True))]
            wanted[place] = mask[place] and not all(mask[s] for s in inside)
        assert np.array_equal(boundary(mask), wanted)


def test_a_volume_of_a_case_takes_no_minutes():
    """266 x 266 x 144 voxels, as UW-Madison has them: a tenth of a second where both are near, seconds at worst."""
    slices, rows, columns = np.ogrid[:144, :266, :266]
    organ = (2 * (slices - 70)) ** 2 + (rows - 130) ** 2 + (columns - 130) ** 2 < 60**2
    assert 0 < normalised_hausdorff(np.roll(organ, (1, 2, 3), (0, 1, 2)), organ) < 0.02
    assert normalised_hausdorff(organ, np.ones_like(organ)) > 0.1
