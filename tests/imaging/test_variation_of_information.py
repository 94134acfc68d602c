"""The variation of information against conditional entropies summed label by label."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.imaging.variation_of_information import of_components, variation_of_information


def literal(first, second) -> float:
    """H(X|Y) + H(Y|X), from the shares of pixels."""
    pairs = list(zip(np.ravel(first).tolist(), np.ravel(second).tolist(), strict=True))
    total = 0.0
    for x, y in set(pairs):
        both = pairs.count((x, y)) / len(pairs)
        in_x = sum(a == x for a, _ in pairs) / len(pairs)
        in_y = sum(b == y for _, b in pairs) / len(pairs)
        total -= both * (math.log2(both / in_y) + math.log2(both / in_x))
    return total


labels = st.tuples(st.integers(1, 5), st.integers(1, 6)).flatmap(
    lambda shape: st.tuples(*[arrays(np.int64, shape, elements=st.sampled_from([-3, 0, 1, 2, 90000]))] * 2)
)


@settings(max_examples=200)
@given(labels)
def test_it_is_the_sum_of_both_conditional_entropies(pair):
    assert variation_of_information(*pair) == pytest.approx(literal(*pair), abs=1e-9)
    assert variation_of_information(pair[0], pair[0]) == 0


def test_known_values():
    one, halves = np.zeros(8, int), np.repeat([5, 7], 4)
    assert variation_of_information(one, halves) == pytest.approx(1)
    assert variation_of_information(halves, np.tile([0, 1], 4)) == pytest.approx(2)
    assert variation_of_information(halves, 1 - np.repeat([0, 1], 4)) == 0
    assert variation_of_information(one[:0], one[:0]) == 0


def components(mask) -> np.ndarray:
    """Filled from each voxel, one step in any direction, also across corners."""
    found, number = np.zeros(mask.shape, int), 0
    for start in map(tuple, np.argwhere(mask)):
        if found[start]:
            continue
        number += 1
        waiting = [start]
        while waiting:
            place = waiting.pop()
            if mask[place] and not found[place]:
                found[place] = number
                for step in itertools.product((-1, 0, 1), repeat=mask.ndim):
                    near = tuple(i + j for i, j in zip(place, step, strict=True))
                    if all(0 <= i < n for i, n in zip(near, mask.shape, strict=True)):
                        waiting.append(near)
    return found


volumes = st.tuples(*[st.integers(1, 4)] * 3).flatmap(lambda shape: st.tuples(*[arrays(bool, shape)] * 2))


@settings(max_examples=150)
@given(volumes)
def test_of_connected_parts_over_what_is_in_either(pair):
    first, second = pair
    either = first | second
    wanted = literal(components(first)[either], components(second)[either]) if either.any() else 0
    assert of_components(first, second) == pytest.approx(wanted, abs=1e-9)


def test_a_cut_and_a_bridge_cost_alike():
    line, cut = np.ones((1, 1, 9), bool), np.ones((1, 1, 9), bool)
    cut[..., 4] = False
    # the voxel that is missing is outside, a label of its own
    wanted = -(8 / 9 * math.log2(4 / 9) + 1 / 9 * math.log2(1 / 9))
    assert of_components(cut, line) == pytest.approx(wanted) == pytest.approx(of_components(line, cut))
    corner = np.zeros((2, 2, 2), bool)
    corner[0, 0, 0] = corner[1, 1, 1] = True
    assert of_components(corner, corner) == 0 and components(corner).max() == 1
