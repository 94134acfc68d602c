"""Labels that forgive strays and soft edges, masks in alpha, and what is said of the pixels that were forgiven."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.competition import Doubt
from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from pipeline.raw.folders import read_folders
from pipeline.raw.masks import (
    above,
    below,
    binary,
    class_ids,
    in_alpha,
    near,
    objects,
    over_black,
    palette,
    parts_of,
    soft,
    tolerated,
)
from pipeline.raw.meaning.colours import plain_of, values_of
from tests.drafting.mask_folders import folder_of, scene


def grey(*rows):
    return np.array(rows, np.uint8)[..., None]


def message(labels, mask):
    with pytest.raises(UserError) as found:
        labels(mask)
    return str(found.value)


# near


def test_near_takes_the_nearest_value_where_it_is_clear():
    labels, count = tolerated(near({"no": 0, "yes": 255}), grey([0, 0, 7, 254], [255, 255, 0, 1]))
    assert labels[..., 0].tolist() == [[0, 0, 0, 1], [1, 1, 0, 0]] and count == 3
    assert labels.dtype == np.uint8


def test_near_takes_the_nearest_place_where_it_is_not():
    mask = np.repeat([[0, 1, 2, 3]], 4, axis=0).repeat(3, axis=1).astype(np.uint8)
    for column, row in ((1, 1), (4, 2), (7, 0), (10, 3)):
        changed = mask.copy()
        changed[row, column] = 37
        labels, count = tolerated(near({f"c{k}": k for k in range(4)}), changed[..., None])
        assert count == 1 and np.array_equal(labels[..., 0], mask)


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3)))
def test_near_is_class_ids_where_there_are_no_strays(mask):
    labels, count = tolerated(near({f"c{k}": k for k in range(4)}), mask[..., None])
    assert count == 0 and np.array_equal(labels, class_ids(4)(mask[..., None]))


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2)))
def test_near_and_soft_are_palette_where_all_is_crisp(mask):
    colours = {"a": (0, 0, 0), "b": (200, 0, 0), "c": (0, 0, 9)}
    picture = np.array(list(colours.values()), np.uint8)[mask]
    assert np.array_equal(near(colours)(picture)[..., 0], mask)
    assert np.array_equal(palette(colours)(picture)[..., 0], mask)


def test_near_knows_void_colours_and_what_is_below_0():
    mask = np.array([[5, 0, 1, -1]], np.int16)[..., None]
    assert near({"a": 0, "b": 1}, void=-1)(mask)[..., 0].tolist() == [[0, 0, 1, 255]]
    red = np.array([[(0, 0, 0), (255, 0, 0), (250, 3, 3)]], np.uint8)
    assert near({"a": 0, "b": (255, 0, 0)})(red)[..., 0].tolist() == [[0, 1, 1]]


def test_near_refuses_a_mask_that_is_far_off():
    mask = np.zeros((40, 50, 1), np.uint8)
    mask[:1, :20] = 128
    assert near({"a": 0, "b": 255})(mask).max() == 0
    mask[0, 20] = 128
    assert message(near({"a": 0, "b": 255}), mask).startswith(
        "holds 21 pixels (1.1 %, allowed: 1 %) of 1 values that are none of the 2 classes, most of them 128"
    )
    assert near({"a": 0, "b": 255}, most=0.02)(mask).max() == 0
    with pytest.raises(UserError, match="two classes have the same value"):
        near({"a": 0, "b": (0, 0, 0)})


# soft


def test_between_black_and_white_there_is_no_rim_of_grey():
    drawn = cv2.circle(np.zeros((60, 80), np.uint8), (30, 30), 18, 2, -1)
    drawn[40:, 60:] = 1
    values = np.array([0, 128, 255], np.uint8)
    blurred = cv2.GaussianBlur(values[drawn], (0, 0), 1.2)
    labels = soft({"a": 0, "b": 128, "c": 255}, most=0.3)(blurred[..., None])[..., 0]
    assert np.count_nonzero(labels[:38] == 1) == 0
    assert np.mean(labels != drawn) < 0.01
    # the nearest value alone makes a rim of it
    assert np.count_nonzero(np.abs(blurred[:38].astype(int) - 128) < 64) > 50


def test_a_thin_line_of_its_own_value_stays():
    values = np.zeros((20, 20, 1), np.uint8)
    values[10] = 128
    assert soft({"a": 0, "b": 128, "c": 255}, most=0.1)(values)[10].tolist() == [[1]] * 20
    assert "is it a mask like the others" in message(soft({"a": 0, "b": 255}, most=0.01), values)


# above, below


def test_above_and_below_are_each_other():
    mask = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    assert np.array_equal(above(127)(mask), mask > 127) and np.array_equal(below(128)(mask), 1 - above(127)(mask))


def test_above_refuses_what_is_far_off_only_where_it_is_told():
    ids = grey([0, 1, 2, 3])
    assert above(127)(ids).max() == 0
    assert "holds values up to 3 only, nothing above 127" in message(above(127, most=0.3), ids)
    assert "has 50.0% of its pixels from 63.5 to 190.5" in message(above(127, most=0.3), grey([0, 100, 128, 255]))
    assert above(127, most=0.3)(grey([0, 0])).max() == 0
    assert above(0.5)(np.array([[0.2, 0.7]])[..., None]).ravel().tolist() == [0, 1]


# alpha


def test_the_mask_in_alpha():
    mask = np.full((2, 3, 4), 255, np.uint8)
    mask[..., 3] = [[0, 255, 0], [255, 255, 0]]
    assert in_alpha(binary)(mask)[..., 0].tolist() == [[0, 1, 0], [1, 1, 0]]
    assert in_alpha(above(127))(mask).sum() == 3
    assert "none of which is alpha" in message(in_alpha(binary), mask[..., :3])
    assert in_alpha(binary)(np.zeros((2, 3, 1), np.uint8)).max() == 0


def test_what_is_transparent_is_black():
    mask = np.array([[(255, 255, 255, 0), (9, 0, 0, 255), (255, 255, 255, 255)]], np.uint8)
    colours = {"a": (0, 0, 0), "b": (9, 0, 0), "c": (255, 255, 255)}
    assert over_black(palette(colours))(mask)[..., 0].tolist() == [[0, 1, 2]]


def test_forgiven_pixels_are_counted_through_others():
    mask = np.dstack([np.full((4, 4, 3), 255, np.uint8), np.zeros((4, 4, 1), np.uint8)])
    mask[1:3, 1:3, 3], mask[0, 0, 3] = 255, 3
    labels, count = tolerated(in_alpha(near({"a": 0, "b": 255})), mask)
    assert count == 1 and labels.sum() == 4
    labels, count = tolerated(parts_of(in_alpha(near({"a": 0, "b": 255}))), mask)
    assert count == 1 and labels.max() == 1 and labels.dtype == np.uint16


# what is refused


def test_below_0_is_refused_where_it_means_nothing():
    mask = np.array([[-1, 0, 1]], np.int16)[..., None]
    for labels in (binary, objects, palette({"a": (0, 0, 0), "b": (1, 1, 1)})):
        assert "holds the value -1" in message(labels, mask)
    assert class_ids(2, void=-1)(mask).ravel().tolist() == [255, 0, 1]


def test_a_binary_mask_with_a_few_strays_is_told_of_near():
    mask = np.zeros((30, 30, 1), np.uint8)
    mask[:9], mask[20, 20] = 255, 1
    assert 'use labels=near({"background": 0, "object": 255}) if the 1 pixel(s)' in message(binary, mask)
    mask[12:20] = 1
    assert "near" not in message(binary, mask)


def test_bands_that_are_no_colours():
    assert "has 5 channels" in message(binary, np.zeros((2, 2, 5), np.uint8))


@given(arrays.arrays(np.uint8, (3, 4, 3)))
def test_a_number_stands_for_its_grey_or_colour(picture):
    there = [plain_of(value) for value in values_of(picture).ravel().tolist()]
    assert [(value,) * 3 if isinstance(value, int) else value for value in there] == [
        tuple(colour) for colour in picture.reshape(-1, 3).tolist()
    ]


# what is said of it


def test_forgiven_pixels_are_a_doubt_of_the_image(tmp_path):
    masks = [scene(seed) * np.uint8(255) for seed in range(3)]
    masks[1][60, 80] = masks[1][61, 80] = 7
    with RawFiles(folder_of(tmp_path, masks)) as raw:
        images = read_folders(raw, labels=near({"a": 0, "b": 255})).images
        for _ in range(2):
            doubts = [image.doubt(image.labels()) for image in images]
            assert doubts == [None, Doubt("the value is no class's, the nearest is taken", 2), None]


def test_black_that_is_a_class_is_no_empty_mask(tmp_path):
    masks = [scene(seed) * np.uint8(255) for seed in range(3)]
    folder = folder_of(tmp_path, masks)
    (folder / "masks" / "p01.png").unlink()
    with RawFiles(folder) as raw:
        images = read_folders(raw, labels=below(128), unmasked="empty").images
        with pytest.raises(UserError, match=r"the empty mask of images/p01\.png is black, which is a class by labels="):
            images[1].labels()
        assert read_folders(raw, labels=above(127), unmasked="empty").images[1].labels().max() == 0
