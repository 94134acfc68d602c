"""Run lengths: Kaggle's pixel order, both ways, and everything that is no valid string."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.competitions import tgs
from pipeline.imaging import rle
from pipeline.raw.files import RawFiles

A = np.array


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (A([[1, 0, 0], [0, 0, 0]]), "1 1"),
        (A([[0, 0, 0], [1, 0, 0]]), "2 1"),  # below the first pixel, not right of it
        (A([[0, 1, 0], [0, 0, 0]]), "3 1"),
        (A([[0, 0, 0], [0, 0, 1]]), "6 1"),
        (A([[1, 1, 1], [0, 0, 0]]), "1 1 3 1 5 1"),  # the upper row is in three pieces
        (A([[0, 1, 0], [0, 1, 0]]), "3 2"),  # a column is in one
        (A([[0, 1, 0], [1, 0, 0]]), "2 2"),  # a run goes on at the top of the next column
        (A([[1, 0, 1], [1, 0, 1]]), "1 2 5 2"),
        (A([[0, 0, 0], [0, 0, 0]]), ""),
        (A([[1, 1, 1], [1, 1, 1]]), "1 6"),
        (A([[1]]), "1 1"),
        (A([[0]]), ""),
        (A([[1, 0, 1, 1]]), "1 1 3 2"),
        (A([[1], [0], [1], [1]]), "1 1 3 2"),
    ],
)
def test_a_small_mask_has_the_string_written_by_hand(mask, text):
    assert rle.encode(mask) == text
    decoded = rle.decode(text, *mask.shape)
    assert decoded.dtype == bool
    assert np.array_equal(decoded, mask != 0)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.float32])
def test_whatever_is_not_zero_counts(dtype):
    assert rle.encode((A([[0, 3], [0, 200]])).astype(dtype)) == "3 2"


def test_a_run_may_begin_right_where_the_one_before_it_ended():
    assert np.array_equal(rle.decode("1 2 3 1", 2, 2), A([[1, 1], [1, 0]]))


def test_the_last_pixel_of_a_mask_and_the_first_of_the_next_are_not_joined():
    masks = A([[[0, 0], [0, 1]], [[1, 0], [0, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 1]], [[1, 1], [1, 1]]])
    assert rle.encode_many(masks) == ["4 1", "1 1", "", "1 4", "1 4"]


def test_no_masks_are_no_strings():
    assert rle.encode_many(np.zeros((0, 2, 3), bool)) == []
    assert rle.encode_many(np.zeros((2, 0, 3), bool)) == rle.encode_many(np.zeros((2, 3, 0), bool)) == ["", ""]
    assert [len(part) for part in rle.parse_many([])] == [0, 0, 0]


@pytest.mark.parametrize(("height", "width"), [(7, 5), (400, 401)], ids=["known numbers", "larger ones"])
def test_many_masks_are_encoded_as_each_alone(monkeypatch, height, width):
    monkeypatch.setattr(rle, "AT_ONCE", 3 * height * width)
    masks = np.random.default_rng(0).random((7, height, width)) < 0.4
    assert rle.encode_many(masks) == [rle.encode(mask) for mask in masks] == [literal(mask) for mask in masks]


@pytest.mark.parametrize("last", [rle.WRITTEN - 1, rle.WRITTEN, rle.WRITTEN + 1])
def test_numbers_around_the_largest_whose_text_is_kept(monkeypatch, last):
    monkeypatch.setattr(rle, "FEW", 0)
    mask = np.zeros((1, last), bool)
    mask[0, -2:] = True
    assert rle.encode(mask) == f"{last - 1} 2" and rle.encode(np.ones_like(mask)) == f"1 {last}"


def test_rows_are_decoded_in_any_order():
    rows, starts, lengths = A([2, 2, 0]), A([1, 4, 3]), A([2, 3, 1])
    found = rle.decode_many(rows, starts, lengths, 4, 2, 3)
    assert np.array_equal(found, [[[0, 1, 0], [0, 0, 0]], np.zeros((2, 3)), [[1, 0, 1], [1, 1, 1]], np.zeros((2, 3))])


def test_where_runs_of_a_row_overlap_a_pixel_is_in_it_once():
    rows, starts, lengths = A([1, 1, 1, 0]), A([3, 1, 2, 6]), A([2, 5, 1, 1])
    found = rle.decode_many(rows, starts, lengths, 2, 2, 3)
    assert np.array_equal(found, [[[0, 0, 0], [0, 0, 1]], [[1, 1, 1], [1, 1, 0]]])


def literal(mask: np.ndarray) -> str:
    """Pixel by pixel, as the evaluation page tells it."""
    words, length = [], 0
    pixels = [mask[row, column] for column in range(mask.shape[1]) for row in range(mask.shape[0])]
    for number, pixel in enumerate([*pixels, 0], start=1):
        if pixel:
            length += 1
        elif length:
            words += [number - length, length]
            length = 0
    return " ".join(map(str, words))


masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24))
stacks = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9))


@settings(deadline=None, max_examples=200)
@given(masks)
def test_decoding_what_was_encoded_gives_the_mask_back(mask):
    assert np.array_equal(rle.decode(rle.encode(mask), *mask.shape), mask)


@settings(deadline=None, max_examples=200)
@given(stacks)
def test_encoding_many_equals_the_literal_loop(stack):
    assert rle.encode_many(stack) == [literal(mask) for mask in stack]


@settings(deadline=None, max_examples=100)
@given(stacks)
def test_many_strings_decode_to_the_masks_they_came_from(stack):
    runs = rle.parse_many(rle.encode_many(stack))
    rle.check_runs(*runs, np.full(len(stack), stack[0].size))
    assert np.array_equal(rle.decode_many(*runs, *stack.shape), stack)


@pytest.mark.parametrize("small", [0, 1 << 15], ids=["without a copy", "by a copy"])
@pytest.mark.parametrize("few", [0, 1000], ids=["written together", "one by one"])
def test_a_thousand_random_masks_round_trip_and_equal_the_literal_loop(monkeypatch, small, few):
    monkeypatch.setattr(rle, "SMALL", small)
    monkeypatch.setattr(rle, "FEW", few)
    random = np.random.default_rng(0)
    for size in range(1, 21):
        stack = random.random((50, size, 21 - size)) < random.random((50, 1, 1))
        texts = rle.encode_many(stack)
        assert texts == [literal(mask) for mask in stack]
        assert np.array_equal(rle.decode_many(*rle.parse_many(texts), *stack.shape), stack)


WORDS = ["a", "1 b", "1.0 2", "1 2.5", "1e3 1", "1 1e0", "nan 1", "0x1 1", "None", "1,2", "[1 2]", "1 ?", "- 1", "1 -"]
SPACES = [
    " ",
    "  ",
    " 1 2",
    "1 2 ",
    "1  2",
    "1 2  3 4",
    "1\t2",
    "1\t 2",
    "1 2\n",
    "\n1 2",
    "1\n2",
    "1\xa02",
    "1\u20092",
]
SIGNS = ["+1 2", "1 +2", "-3 2", "1 -1", "--1 2", "1_0 2", "1 1_0", "-- 1", "1- 2"]
DIGITS = ["\u0661 2", "1 \u0662", "\uff11 2", "\u00b2 1", "1 \u2460"]


@pytest.mark.parametrize("text", [*WORDS, *SPACES, *SIGNS, *DIGITS])
def test_a_string_that_is_no_list_of_whole_numbers_is_refused_with_its_row(text):
    with pytest.raises(rle.RunError) as found:
        rle.parse_many(["1 1", "", text, "3 1"])
    assert found.value.row == 2


@pytest.mark.parametrize("text", ["1", "1 2 3", "1 2 3 4 5"])
def test_an_odd_count_of_numbers_is_refused_with_its_row(text):
    with pytest.raises(rle.RunError, match="odd") as found:
        rle.parse_many(["", "1 2", "3 4", text])
    assert found.value.row == 3


def test_the_row_of_a_bad_string_is_not_that_of_a_long_number_before_it():
    with pytest.raises(rle.RunError) as found:
        rle.parse_many(["1 1", "1000000000000000000 1", "a 1"])
    assert found.value.row == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 0", "positive"),
        ("1 2 4 0", "positive"),
        ("0 1", "before pixel 1"),
        ("7 1", "behind the last"),
        ("6 2", "behind the last"),
        ("1 7", "behind the last"),
        ("1 2 6 2", "behind the last"),
        ("5 9223372036854775807", "behind the last"),  # start + length does not fit into 64 bits
        ("9223372036854775807 2", "behind the last"),
        ("9223372036854775807 9223372036854775807", "behind the last"),
        ("9223372036854775808 1", "behind the last"),  # nor does the number itself
        ("1 9999999999999999999999999", "behind the last"),
        ("1000000000000000000000000000000 1", "behind the last"),
        ("3 1 1 1", "sorted"),
        ("2 1 2 1", "sorted"),
        ("5 1 6 1 1 1", "sorted"),
        ("1 2 2 1", "overlap"),
        ("1 5 2 1", "overlap"),
        ("1 1 3 3 5 1", "overlap"),
    ],
)
def test_runs_that_do_not_fit_the_picture_are_refused_with_their_row(text, says):
    with pytest.raises(rle.RunError, match=says):
        rle.decode(text, 2, 3)
    runs = rle.parse_many(["1 6", "", text, "6 1"])
    with pytest.raises(rle.RunError, match=says) as found:
        rle.check_runs(*runs, np.full(4, 6))
    assert found.value.row == 2
    assert len(str(found.value).splitlines()) == 1


def test_runs_that_just_fit_pass():
    rle.check_runs(*rle.parse_many(["1 6", "6 1", "1 1 2 1", "", "1 2 4 3"]), np.full(5, 6))


def test_the_last_run_of_one_row_does_not_count_against_the_first_of_the_next():
    rle.check_runs(*rle.parse_many(["5 2", "1 2", "2 5"]), np.full(3, 6))


def test_every_row_has_its_own_picture_size():
    runs = rle.parse_many(["1 6", "1 6"])
    rle.check_runs(*runs, A([6, 7]))
    with pytest.raises(rle.RunError, match="behind") as found:
        rle.check_runs(*runs, A([6, 5]))
    assert found.value.row == 1


def test_of_several_bad_rows_the_first_is_named():
    runs = rle.parse_many(["1 1", "3 1 1 1", "6 2", "0 1", "1 0"])
    with pytest.raises(rle.RunError) as found:
        rle.check_runs(*runs, np.full(5, 6))
    assert found.value.row == 1


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="0123456789 -+.e_\t\u0661", max_size=12))
def test_any_text_is_either_refused_or_decodes_to_what_encodes_to_it_again(text):
    try:
        mask = rle.decode(text, 4, 5)
    except rle.RunError:
        return
    # touching runs are one when they are written again, and zeros in front are dropped
    numbers = [int(word) for word in text.split(" ")] if text else []
    wanted = np.zeros(20, bool)
    for start, length in zip(numbers[0::2], numbers[1::2], strict=True):
        wanted[start - 1 : start - 1 + length] = True
    assert set(text) <= set("0123456789 ")
    assert np.array_equal(mask, wanted.reshape(5, 4).T)


def test_the_real_masks_encode_to_the_strings_of_the_real_train_csv(real_data):
    folder = real_data / "tgs"
    if not (folder / "train.csv").exists():
        pytest.skip("no real TGS files beside the checkout (../shared/data/tgs)")
    with (folder / "train.csv").open(newline="", encoding="utf-8") as file:
        written = {row["id"]: row["rle_mask"] for row in csv.DictReader(file)}
    with RawFiles(folder) as raw:
        train = [image for image in tgs.read(raw).images if image.part == "train"]
        stack = np.stack([image.labels()[..., 0] for image in train])
    assert {image.id for image in train} == set(written)
    assert any(written.values()) and not all(written.values())
    texts = rle.encode_many(stack)
    assert dict(zip((image.id for image in train), texts, strict=True)) == written
    assert np.array_equal(rle.decode_many(*rle.parse_many(texts), *stack.shape), stack != 0)
