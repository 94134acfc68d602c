"""Palettes of picture files: the colours of the numbers in use, and files that do not agree."""

import numpy as np
import pytest

from pipeline.raw.meaning.palettes import Palettes, of_file
from tests.drafting.mask_folders import encoded, with_palette

NUMBERS = np.array([[0, 1, 3], [1, 1, 0]], np.uint8)
COLOURS = [(255, 255, 255), (0, 0, 0), (9, 8, 7), (1, 2, 3)]


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_the_colours_of_numbers_in_use(kind):
    numbers = np.minimum(NUMBERS, 2)
    used, table = of_file(with_palette(numbers, COLOURS, kind))
    assert list(used) == [0, 1, 2] and used[0] == 255 and used[1] == 0
    assert table[:3] == list(used.values())


def test_numbers_that_are_not_in_use_have_a_colour():
    used, table = of_file(with_palette(NUMBERS, COLOURS))
    assert list(used) == [0, 1, 3] and table[:4] == [used[0], used[1], table[2], used[3]]


@pytest.mark.parametrize("content", [encoded(NUMBERS), encoded(NUMBERS, ".bmp"), encoded(NUMBERS, ".jpg"), b"", b"BM"])
def test_no_palette(content):
    assert of_file(content) == ({}, [])


def test_a_palette_of_greys_that_are_their_own_numbers_is_none():
    greys = [(k, k, k) for k in range(256)]
    assert of_file(with_palette(NUMBERS, greys)) == ({}, [])


def test_files_that_agree_and_files_that_do_not():
    found = Palettes()
    found.add({0: 255, 1: 0}, [255, 0, 7], "a")
    found.add({0: 255, 2: 7}, [255, 0, 7], "b")
    assert found.order == [255, 0, 7] and not found.differ and found.twins == []
    assert found.up_to(2) == [255, 0, 7]
    for other in ({0: 0}, {3: 255}, {1: 255, 0: 0}):
        there = Palettes()
        there.add({0: 255, 1: 0}, [255, 0], "a")
        there.add(other, [], "b")
        assert there.differ == "b" and there.order == []


def test_two_numbers_of_one_colour():
    found = Palettes()
    found.add({0: 5, 1: 9, 2: 9}, [5, 9, 9], "a")
    assert found.twins == [1, 2] and not found.differ and found.up_to(2) == []
