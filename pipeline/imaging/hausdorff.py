"""The Hausdorff distance of two volumes: how far the voxel that is farthest from the other volume lies from it."""

import numpy as np

LARGEST = 16  # voxels of a side of the blocks that are looked at first
MOST_TIMES = 10  # more than so many times the voxels of the truth are the largest distance, however they lie


def hausdorff_distance(first: np.ndarray, second: np.ndarray, spacing) -> float:
    """Of two bool arrays of one shape (any number of axes), not empty; `spacing`: a voxel's length along each axis.

    Exact, between the centres of voxels; symmetric: the larger one of the two directed distances (Hausdorff 1914).
    """
    spacing = np.asarray(spacing, float)
    window = _window(first | second)
    first, second = first[window], second[window]
    return max(_directed(first, second, spacing), _directed(second, first, spacing))


def normalised_hausdorff(found: np.ndarray, truth: np.ndarray) -> float:
    """The Hausdorff distance of two bool S x H x W volumes in a cube of side 1, as a share of its diagonal: 0..1.

    1 where one of them is empty, or `found` has more than MOST_TIMES the voxels of the truth; not a number where both
    are empty. (UW-Madison GI Tract 2022, as MLE-bench's grader reads the evaluation page.)
    """
    sizes = int(np.count_nonzero(found)), int(np.count_nonzero(truth))
    if sizes == (0, 0):
        return float("nan")
    if 0 in sizes or sizes[0] > MOST_TIMES * sizes[1]:
        return 1.0
    return hausdorff_distance(found, truth, 1 / np.array(truth.shape)) / np.sqrt(truth.ndim)


def boundary(mask: np.ndarray) -> np.ndarray:
    """The pixels of a bool mask of which a neighbour (4 in a plane, 6 in space) is outside; beyond its edge nothing
    is."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        later, earlier = _moved(axis, mask.ndim)
        inner[later] &= mask[earlier]
        inner[earlier] &= mask[later]
    return mask & ~inner


def _directed(start: np.ndarray, goal: np.ndarray, spacing: np.ndarray) -> float:
    """The largest distance from a voxel of `start` to the nearest one of `goal`.

    From outside of the goal its nearest voxel is one of its boundary: a step towards where one comes from is shorter
    still. The farthest voxel is sought in blocks that are halved again and again: no voxel of a block is farther than
    its centre and half its diagonal, and most blocks cannot hold the farthest one.
    """
    from scipy.spatial import cKDTree

    outside = start & ~goal
    if not outside.any():
        return 0.0
    tree = cKDTree(np.argwhere(boundary(goal)) * spacing)
    levels = _pyramid(outside)
    blocks = np.argwhere(levels[-1])
    for level in reversed(range(len(levels))):
        side = 2**level
        distances, _ = tree.query((blocks * side + (side - 1) / 2) * spacing, workers=-1)
        radius = float(np.linalg.norm((side - 1) / 2 * spacing))
        # the farthest block holds a voxel that is at least so far; rounding must not lose it
        kept = blocks[distances + radius >= (distances.max() - radius) * (1 - 1e-12)]
        if level:
            blocks = _halved(kept, levels[level - 1])
    return float(distances.max())


def _pyramid(mask: np.ndarray) -> list[np.ndarray]:
    """Whether there is anything in each block of 1, 2, 4 … LARGEST voxels a side."""
    levels = [mask]
    while 2 ** len(levels) <= LARGEST:
        padded = np.pad(levels[-1], [(0, length % 2) for length in levels[-1].shape])
        halves = [part for length in padded.shape for part in (length // 2, 2)]
        levels.append(padded.reshape(halves).any(axis=tuple(range(1, 2 * mask.ndim, 2))))
    return levels


def _halved(blocks: np.ndarray, level: np.ndarray) -> np.ndarray:
    """The halves (along every axis) of these blocks in which there is something, by the level below."""
    corners = np.stack(np.meshgrid(*[[0, 1]] * level.ndim, indexing="ij"), axis=-1).reshape(-1, level.ndim)
    halves = (2 * blocks[:, None] + corners).reshape(-1, level.ndim)
    halves = halves[(halves < level.shape).all(axis=1)]
    return halves[level[tuple(halves.T)]]


def _window(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box that holds a mask, which is not empty."""
    found = []
    for axis in range(mask.ndim):
        filled = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        found.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return tuple(found)


def _moved(axis: int, axes: int) -> tuple[tuple, tuple]:
    """All but the first, and all but the last, along one axis."""
    before = (slice(None),) * axis
    after = (slice(None),) * (axes - axis - 1)
    return (*before, slice(1, None), *after), (*before, slice(None, -1), *after)
