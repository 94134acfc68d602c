"""Tiles of one picture are found, placed as they lay, and nothing else is."""

import cv2
import numpy as np
import pytest

from pipeline.imaging import mosaics
from pipeline.imaging.mosaics import Neighbours

SIDE = 48


def picture(seed: int, height: int, width: int, smooth: float = 1.5) -> np.ndarray:
    """Smooth, at random: H x W x 1 float of mean 128 and deviation 40."""
    found = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(height, width)), (0, 0), smooth)
    return (128 + 40 * (found - found.mean()) / found.std())[..., None]


def stored(image: np.ndarray) -> np.ndarray:
    return image.round().clip(0, 255).astype(np.uint8)


def tiles(seed: int, rows: int, columns: int, **how) -> list[np.ndarray]:
    """Row after row."""
    whole = picture(seed, SIDE * rows, SIDE * columns, **how)
    return [whole[SIDE * r : SIDE * (r + 1), SIDE * c : SIDE * (c + 1)] for r in range(rows) for c in range(columns)]


def unrelated(count: int, seed: int = 1000) -> list[np.ndarray]:
    return [picture(seed + k, SIDE, SIDE) for k in range(count)]


def find(images) -> tuple[Neighbours, mosaics.Placed]:
    pairs = mosaics.neighbours([mosaics.edges(image) for image in images], block=7)
    return pairs, mosaics.placed(pairs, len(images))


def layout(placed: mosaics.Placed, of=None) -> set[frozenset]:
    """Each mosaic as (image, row, column) of its tiles; `of`: what to call the images."""
    of = np.arange(len(placed.mosaic)) if of is None else of
    return {
        frozenset((int(of[i]), int(placed.row[i]), int(placed.column[i])) for i in np.flatnonzero(placed.mosaic == k))
        for k in range(len(placed.sizes))
    }


PLANTED = [*tiles(1, 3, 4), *tiles(2, 1, 3), *tiles(3, 2, 1), *unrelated(150)]
WANTED = {
    frozenset((4 * r + c, r, c) for r in range(3) for c in range(4)),
    frozenset((12 + c, 0, c) for c in range(3)),
    frozenset((15 + r, r, 0) for r in range(2)),
}


@pytest.mark.parametrize("seed", range(3))
def test_planted_mosaics_are_found_exactly_in_any_order(seed):
    order = np.random.default_rng(seed).permutation(len(PLANTED))
    pairs, placed = find([stored(PLANTED[i]) for i in order])
    assert layout(placed, order) == WANTED
    assert placed.sizes.tolist() == [12, 3, 2] and placed.kept.all() and len(pairs) == 17 + 2 + 1
    assert (placed.mosaic == -1).sum() == 150


def test_the_misfits_are_those_of_the_formula():
    """Each pair by itself, one number after the other."""
    images = [stored(image) for image in PLANTED[:30]]

    def crossing(outer, inner):
        return np.diff(1.5 * outer.astype(float) - 0.5 * inner.astype(float))

    ends = [crossing(image[:, -1, 0], image[:, -2, 0]) for image in images]
    starts = [crossing(image[:, 0, 0], image[:, 1, 0]) for image in images]
    table = np.full((30, 30), np.inf)
    for i, k in np.ndindex(30, 30):
        if i != k:
            table[i, k] = ((ends[i] - starts[k]) ** 2).sum() / ((ends[i] ** 2).sum() + (starts[k] ** 2).sum())
    wanted = {}
    for i, k in np.ndindex(30, 30):
        next_best = min(*np.delete(table[i], k), *np.delete(table[:, k], i))
        if table[i, k] <= mosaics.MISFIT and table[i, k] <= mosaics.CLEAR * next_best:
            wanted[i, k] = table[i, k]
    found = mosaics.neighbours([mosaics.edges(image) for image in images], block=4)
    beside = {
        (int(i), int(k)): float(m)
        for i, k, below, m in zip(found.first, found.second, found.below, found.misfit, strict=True)
        if not below
    }
    assert beside.keys() == wanted.keys() and len(wanted) == 11
    assert all(beside[pair] == pytest.approx(wanted[pair], abs=1e-4) for pair in wanted)


def test_of_unrelated_tiles_none_is_found_nor_of_edges_read_backwards():
    found = [mosaics.edges(stored(image)) for image in unrelated(600, seed=5000)]
    assert len(mosaics.neighbours(found)) == 0
    planted = [mosaics.edges(stored(image)) for image in PLANTED]
    assert len(mosaics.neighbours(planted, mirrored=True)) == 0
    # read backwards, an edge fits where a picture was turned: the search itself is the same
    strip = tiles(7, 1, 2)
    turned = [mosaics.edges(stored(image)) for image in (strip[0], strip[1][::-1], *unrelated(20))]
    assert len(mosaics.neighbours(turned)) == 0
    assert len(mosaics.neighbours(turned, mirrored=True)) == 1


def test_brightness_does_not_matter_contrast_a_little_and_flipped_contrast_is_no_continuation():
    def pairs(change) -> int:
        strip = tiles(8, 1, 2)
        return len(find([stored(strip[0]), stored(change(strip[1])), *map(stored, unrelated(50))])[0])

    assert pairs(lambda image: image + 20) == 1
    assert pairs(lambda image: 128 + (image - 128) * 0.7) == 1
    assert pairs(lambda image: 255 - image) == 0


@pytest.mark.parametrize(("noise", "least"), [(1, 17), (2, 15), (4, 4)])
def test_noise_costs_pairs_and_finds_no_wrong_ones(noise, least):
    """Of 17 shared edges of tiles whose deviation is 40 grey levels, noise of 1 costs none, of 4 most."""
    random = np.random.default_rng(9)
    images = [stored(image + random.normal(0, noise, image.shape)) for image in [*tiles(1, 3, 4), *unrelated(100)]]
    pairs, _ = find(images)
    true = {(4 * r + c, 4 * r + c + 1, False) for r in range(3) for c in range(3)}
    true |= {(4 * r + c, 4 * r + c + 4, True) for r in range(2) for c in range(4)}
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.below.tolist(), strict=True))
    assert found <= true and len(found) >= least


def test_flat_edges_copies_and_single_pixels_never_count():
    flat = np.full((SIDE, SIDE, 1), 77, np.uint8)
    gradient = np.tile(np.arange(SIDE, dtype=np.uint8)[:, None, None], (1, SIDE, 1))
    assert len(find([flat, flat.copy(), gradient, gradient.copy(), gradient.copy()])[0]) == 0
    strip = [stored(image) for image in tiles(4, 1, 2)]
    assert len(find(strip)[0]) == 1
    # which of two copies it is beside, nobody can tell
    assert len(find([*strip, strip[1].copy()])[0]) == 0
    assert len(find([np.zeros((1, 1, 1), np.uint8)] * 3)[0]) == 0 and len(find([])[0]) == 0
    holes = [np.full((SIDE, SIDE, 1), np.nan, np.float32)] * 2
    assert len(find(holes)[0]) == 0


def test_images_of_several_sizes_and_channels_are_compared_with_their_like():
    wide = [image.repeat(3, axis=2) for image in tiles(1, 1, 3)]
    small = [image[:20] for image in tiles(2, 1, 2)]
    images = [stored(wide[0]), stored(small[1]), stored(wide[1]), stored(small[0]), stored(wide[2])]
    assert layout(find(images)[1]) == {
        frozenset({(0, 0, 0), (2, 0, 1), (4, 0, 2)}),
        frozenset({(3, 0, 0), (1, 0, 1)}),
    }
    assert layout(find([image.astype(np.float32) / 255 for image in images])[1]) == layout(find(images)[1])


def test_pairs_that_contradict_closer_ones_are_dropped():
    def pairs(*given) -> Neighbours:
        first, second, below, misfit = zip(*given, strict=True)
        return Neighbours(np.array(first), np.array(second), np.array(below), np.array(misfit, float))

    # a square whose last pair does not close it, and a second tile for a place that is taken
    given = pairs((0, 1, False, 0.1), (0, 2, True, 0.1), (1, 3, True, 0.1), (3, 2, False, 0.2), (2, 4, False, 0.3))
    placed = mosaics.placed(given, 6)
    assert placed.kept.tolist() == [True, True, True, False, False]
    assert layout(placed) == {frozenset({(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1)})}
    # the closer one wins
    placed = mosaics.placed(pairs((0, 1, False, 0.2), (2, 1, False, 0.1)), 3)
    assert placed.kept.tolist() == [False, True] and placed.mosaic.tolist() == [-1, 0, 0]
