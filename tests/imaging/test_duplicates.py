"""Copies, near-copies, constant images, and crops that lay side by side in one picture."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.imaging.duplicates import (
    components,
    edges,
    equal_pairs,
    fingerprint,
    neighbour_pairs,
    similar_pairs,
    thumbnail,
)


def texture(height, width, channels=1, seed=0, dtype=np.uint8, blur=4.0, noise=1.0):
    """A smooth picture with structure everywhere and a little noise, over most of the range of grey values."""
    from scipy import ndimage

    random = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(random.normal(size=(height, width, channels)), (blur, blur, 0))
    picture = 128 + 40 * smooth / smooth.std() + random.normal(0, noise, smooth.shape)
    return (picture.clip(0, 255) * (np.iinfo(dtype).max / 255 if np.issubdtype(dtype, np.integer) else 1 / 255)).astype(
        dtype
    )


def cut(picture, rows, columns):
    """Tiles of equal size, row by row."""
    return [part for band in np.split(picture, rows) for part in np.split(band, columns, axis=1)]


def grid_pairs(rows, columns):
    number = np.arange(rows * columns).reshape(rows, columns)
    beside = zip(number[:, :-1].ravel(), number[:, 1:].ravel(), strict=True)
    below = zip(number[:-1].ravel(), number[1:].ravel(), strict=True)
    return sorted((int(a), int(b)) for a, b in [*beside, *below])


def neighbours(images, **options):
    return [tuple(pair) for pair in neighbour_pairs([edges(image) for image in images], **options).tolist()]


def similar(images, **options):
    return [tuple(pair) for pair in similar_pairs(np.stack([thumbnail(i) for i in images]), **options).tolist()]


def test_copies_share_a_fingerprint_and_nothing_else_does():
    image = texture(20, 30)
    other = image.copy()
    other[3, 4] ^= 1
    different = [image, other, image.reshape(30, 20, 1), image.view(np.int8), image[:, ::-1]]
    assert len({fingerprint(one) for one in different}) == len(different)
    assert fingerprint(image) == fingerprint(np.asfortranarray(image)) == fingerprint(image[::-1][::-1])


def test_copies_are_paired_in_a_chain():
    assert equal_pairs(["a", "b", "a", "c", "b", "a"]).tolist() == [[0, 2], [1, 4], [2, 5]]
    assert components(equal_pairs(["a", "b", "a", "c", "b", "a"]), 6).tolist() == [0, 1, 0, 2, 1, 0]
    assert equal_pairs(["a", "b"]).shape == (0, 2)


def test_near_copies_are_found_whatever_their_brightness_size_or_noise():
    from pipeline.imaging.sizes import resized

    image = texture(64, 80, seed=1)
    brighter = (image * 0.5 + 60).astype(np.uint8)
    noisy = (image.astype(int) + np.random.default_rng(0).integers(-3, 4, image.shape)).clip(0, 255).astype(np.uint8)
    images = [texture(64, 80, seed=2), image, brighter, texture(64, 80, seed=3), noisy, resized(image, (96, 120))]
    assert similar(images) == list(itertools.combinations([1, 2, 4, 5], 2))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_flat_images_resemble_nothing(dtype):
    random = np.random.default_rng(0)
    flat = [np.full((32, 32, 3), (9, 90, 200), dtype) for _ in range(3)]
    nearly = [np.full((32, 32, 3), 100, dtype) + (random.random((32, 32, 3)) < 0.1).astype(dtype) for _ in range(3)]
    assert not thumbnail(flat[0]).any()
    assert similar(flat + nearly) == []


def test_a_picture_of_small_fractions_is_not_flat():
    image = texture(32, 32, dtype=np.float32)
    assert similar([image, image / 100]) == [(0, 1)]


@given(st.integers(0, 40), st.integers(1, 50), st.integers(0, 5))
def test_blocks_change_nothing(count, block, seed):
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    whole = np.argwhere(np.triu(rows @ rows.T >= 0.9, k=1))
    assert np.array_equal(similar_pairs(rows, 0.9, block), whole)


def test_twenty_thousand_thumbnails_need_no_square_matrix():
    random = np.random.default_rng(0)
    count = 20_000
    rows = random.normal(size=(count, 16)).astype(np.float32)
    rows[777], rows[19_999] = rows[3], rows[12_345]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    tracemalloc.start()
    pairs = similar_pairs(rows, 0.9999)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pairs.tolist() == [[3, 777], [12_345, 19_999]]
    assert peak < count**2 * 4 / 10


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_of_one_picture_are_neighbours(dtype, channels):
    tiles = cut(texture(192, 256, channels, dtype=dtype), 3, 4)
    assert neighbours(tiles) == grid_pairs(3, 4)
    assert set(components(neighbours(tiles), len(tiles))) == {0}


def test_tiles_of_several_pictures_and_sizes_in_any_order_find_each_other():
    pictures = [texture(128, 128, seed=seed) for seed in range(8)] + [texture(120, 160, seed=9)]
    tiles = [(number, tile) for number, picture in enumerate(pictures) for tile in cut(picture, 2, 2)]
    order = np.random.default_rng(0).permutation(len(tiles))
    groups = components(neighbours([tiles[i][1] for i in order]), len(tiles))
    truth = np.array([tiles[i][0] for i in order])
    assert np.array_equal(groups[:, None] == groups, truth[:, None] == truth)


def test_unrelated_tiles_are_no_neighbours():
    assert neighbours([texture(64, 64, seed=seed) for seed in range(60)]) == []


def test_tiles_with_a_gap_between_them_are_no_neighbours():
    picture = texture(64, 140)
    assert neighbours([picture[:, :64], picture[:, 76:]]) == []


@pytest.mark.parametrize("noise", [0.0, 0.4, 2.0])
def test_flat_and_noisy_borders_match_nothing(noise):
    random = np.random.default_rng(0)
    ground = np.array([180, 160, 205])
    images = [ground + random.normal(0, noise, (64, 64, 3)) for _ in range(40)]
    for number, image in enumerate(images):
        image[20:40, 20:40] = number
    assert neighbours([image.round().astype(np.uint8) for image in images]) == []


def test_two_crops_with_little_between_them_still_match_where_their_border_has_structure():
    picture = texture(64, 128, seed=4, noise=0.5)
    picture[:, 60:68][:50] = 128
    assert neighbours([picture[:, :64], picture[:, 64:]]) == [(0, 1)]


def test_another_brightness_is_another_picture():
    picture = texture(64, 128)
    assert neighbours([picture[:, :64], picture[:, 64:]]) == [(0, 1)]
    assert neighbours([picture[:, :64], picture[:, 64:] // 2]) == []


def test_of_two_that_fit_the_better_is_the_neighbour():
    picture = texture(64, 128)
    left, right = picture[:, :64], picture[:, 64:]
    worse = texture(64, 64, seed=1)
    worse[:, -2:] = left[:, -2:] + np.random.default_rng(0).integers(-6, 7, (64, 1, 1)).astype(np.uint8)
    assert neighbours([worse, right]) == [(0, 1)]
    for block in (1, 3):
        assert neighbours([worse, left, right], block=block) == [(1, 2)]
        assert neighbours([left, worse, right], block=block) == [(0, 2)]


def test_an_image_is_not_its_own_neighbour():
    wave = np.tile((100 + 50 * np.sin(np.arange(64) / 5)).astype(np.uint8)[:, None, None], (1, 64, 1))
    assert neighbours([wave]) == []
    assert neighbours([]) == []
    assert neighbours([np.zeros((1, 1, 1), np.uint8)] * 3) == []


@pytest.mark.parametrize("block", [1, 5, 11, 12])
def test_blocks_change_no_neighbours(block):
    tiles = cut(texture(192, 256), 3, 4)
    assert neighbours(tiles, block=block) == grid_pairs(3, 4)


def test_components_connect_over_others_and_number_in_order():
    assert components([(4, 2), (2, 0), (3, 5)], 7).tolist() == [0, 1, 0, 2, 0, 2, 3]
    assert components([], 3).tolist() == [0, 1, 2]
    assert components([], 0).tolist() == []


@given(st.integers(1, 12), st.data())
def test_components_equal_a_slow_search(count, data):
    position = st.integers(0, count - 1)
    pairs = data.draw(st.lists(st.tuples(position, position), max_size=15))
    groups = list(range(count))
    for _ in range(count):
        for a, b in pairs:
            groups[a] = groups[b] = min(groups[a], groups[b])
    assert np.array_equal(components(pairs, count), [sorted(set(groups)).index(group) for group in groups])
