"""The middle of a plateau is the one that distances in the whole grid tell."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from pipeline.imaging.plateau import farthest_inside

shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=8)


@st.composite
def plateaus(draw):
    """A block with holes somewhere in a grid, and a mean of every point."""
    plateau = draw(hnp.arrays(bool, draw(shapes)))
    for axis, length in enumerate(plateau.shape):
        first, end = sorted(draw(st.tuples(st.integers(0, length), st.integers(0, length))))
        outside = np.ones(length, bool)
        outside[first:end] = draw(st.booleans())
        plateau[tuple(outside if k == axis else slice(None) for k in range(plateau.ndim))] = False
    return plateau, draw(hnp.arrays(np.int64, plateau.shape, elements=st.integers(0, 3))).astype(float)


@settings(deadline=None, max_examples=300)
@given(plateaus())
def test_it_is_the_one_of_the_whole_grid(given_):
    plateau, means = given_
    padded = np.pad(plateau, [(1, 1) if length > 1 else (0, 0) for length in plateau.shape])
    depth = ndimage.distance_transform_edt(padded) if not padded.all() else np.ones(padded.shape)
    depth = depth[tuple(slice(1, -1) if length > 1 else slice(None) for length in plateau.shape)]
    wanted = np.unravel_index(np.where(depth >= depth.max() - 1e-9, means, -np.inf).argmax(), means.shape)
    found = farthest_inside(plateau, means)
    assert (found if plateau.ndim > 1 else (found,)) == wanted
