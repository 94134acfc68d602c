"""Csv dialects: known fields, and that what is written is read again."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.imaging import rle
from pipeline.store.dialect import Format

DIALECTS = st.builds(
    lambda relative, ends, **fields: Format(relative=relative, ends="" if relative else ends, **fields),
    order=st.sampled_from(["down", "across"]),
    first=st.sampled_from([0, 1]),
    relative=st.booleans(),
    ends=st.sampled_from(["", "inclusive", "exclusive"]),
    brackets=st.booleans(),
    between=st.just(";"),
    empty=st.sampled_from(["", "-", "-1", "authentic", "1 0"]),
)
MASKS = arrays.arrays(bool, st.tuples(st.integers(0, 4), st.integers(1, 7), st.integers(1, 7)))

# two rows of three: the pixels 1 2 4 down the columns, 1 2 3 across the rows
DOWN = np.array([[1, 0, 0], [1, 1, 0]], bool)
ACROSS = np.array([[1, 1, 1], [0, 0, 0]], bool)


@pytest.mark.parametrize(
    ("dialect", "field", "mask"),
    [
        (Format(), "1 2 4 1", DOWN),
        (Format(order="across"), "1 3", ACROSS),
        (Format(first=0), "0 2 3 1", DOWN),
        (Format(first=0, relative=True), "0 2 1 1", DOWN),
        (Format(first=1, relative=True), "1 2 1 1", DOWN),
        (Format(brackets=True), "[1, 2, 4, 1]", DOWN),
        (Format(ends="inclusive"), "1 2 4 4", DOWN),
        (Format(ends="exclusive", first=0), "0 2 3 4", DOWN),
        (Format(ends="inclusive", first=0), "0 0", DOWN & ACROSS & ~np.roll(DOWN, 1, 1)),
    ],
)
def test_known_fields(dialect, field, mask):
    assert dialect.encode(mask[None]) == field
    (found,) = dialect.decode(field, *mask.shape)
    assert (found == mask).all()


@pytest.mark.parametrize("field", ["[1,2,4,1]", " 1 2  4 1 ", "1,2,4,1", "4 1 1 2", "[[1, 2], [4, 1]]", "1 2\n4 1"])
def test_what_is_written_otherwise_is_read_the_same(field):
    (found,) = Format().decode(field, 2, 3)
    assert (found == DOWN).all()


@settings(max_examples=200, deadline=None)
@given(DIALECTS, MASKS)
def test_what_is_written_is_read_again(dialect, masks):
    kept = masks[masks.any(axis=(1, 2))]
    found = dialect.decode(dialect.encode(masks), *masks.shape[1:])
    assert found.shape == kept.shape and (found == kept).all()
    # a submission that is written is valid
    runs = dialect.parse_strictly([dialect.encode(masks)])
    assert len(runs.of_text) == len(kept)
    dialect.check(runs, np.full(len(kept), kept[0].size if len(kept) else 0))


JSON, FIELDS = Format(between=";", brackets=True, empty="authentic"), Format(between=";")


@pytest.mark.parametrize(("dialect", "field"), [(JSON, " [1,2];[4, 1]"), (JSON, "[1, 2]"), (FIELDS, "1 2; 4 1")])
def test_objects_of_one_field_are_read_strictly(dialect, field):
    runs = dialect.parse_strictly([dialect.empty, field])
    assert runs.starts.tolist() == [1, 4][: len(runs.of_text)] and set(runs.of_text.tolist()) == {1}


@pytest.mark.parametrize(
    ("dialect", "field", "says"),
    [
        *(
            (JSON, field, r"is not a JSON list of whole numbers, as \[1, 3, 10, 2\], and ';' between")
            for field in (
                "[1, 3",
                "1 3",
                "[1, 3]]]",
                "[1, 3][20, 2]",
                "[[1, 3], [20, 2]]",
                "[1, 3];[20, 2",
                "[1.0, 3]",
                "[]",
                "[true, 3]",
                '{"1": 3}',
                "[01, 3]",
                "[1, 3], [20, 2]",
                "[" * 100_000,
            )
        ),
        (JSON, "[1, 3];", "'' stands for an object without pixels"),
        (JSON, "[1, 3];authentic", "'authentic' stands for an object without pixels"),
        (FIELDS, "1 3;;5 2", "'' stands for an object without pixels"),
        (FIELDS, "[1, 3];[5, 2]", "is not a list of whole numbers with one space between"),
        (FIELDS, "1  3", "is not a list of whole numbers with one space between"),
        (JSON, "[1, 3, 5]", "an odd count of numbers"),
        (JSON, "[-1, 3]", "is not a list of whole numbers"),
    ],
)
def test_what_another_reader_would_fail_at_is_no_object(dialect, field, says):
    with pytest.raises(rle.RunError, match=says) as found:
        dialect.parse_strictly([dialect.empty, field])
    assert found.value.row == 1


@pytest.mark.parametrize("empty", ["", " ", "-", "-1", "nan", "NaN", "NA", "<NA>", "None", "null", "1 0", "0 0"])
def test_what_is_nothing_in_every_dialect(empty):
    assert Format().is_empty(empty) and Format().decode(empty, 2, 3).shape == (0, 2, 3)


def test_a_word_and_a_run_that_mean_nothing_in_one_dialect_alone():
    assert Format(empty="authentic").is_empty("authentic") and not Format().is_empty("authentic")
    assert Format(empty="1 1").is_empty("1 1") and not Format().is_empty("1 1")
    assert not Format().is_empty("10 10")


def test_several_objects_in_a_field_are_apart():
    found = Format(between=";").decode("[1,1];[2,1]", 2, 3)
    assert found.sum(axis=(1, 2)).tolist() == [1, 1]
    with pytest.raises(ValueError, match="2 objects for one field"):
        Format().encode(found)


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("1 x", "not a list of whole numbers"),
        ("1 2 3", "an odd count of numbers"),
        ("1 7", "ends behind the last pixel"),
        ("0 1", "starts before pixel 1"),
        ("1 2 2 1", "overlaps"),
        ("1 2 4 0", "has no positive length"),
        ("1 99999999999999999999", "ends behind the last pixel"),
    ],
)
def test_what_is_no_mask_is_refused(field, says):
    with pytest.raises(rle.RunError, match=says):
        Format().decode(field, 2, 3)


def test_the_field_at_fault_is_named():
    with pytest.raises(rle.RunError) as found:
        Format(between=";").parse(["1 1;2 1", "", "3 1;4"])
    assert found.value.row == 2


def test_numbers_that_are_relative_and_huge_stay_outside_of_the_picture():
    dialect = Format(relative=True)
    with pytest.raises(rle.RunError, match="ends behind the last pixel"):
        dialect.decode(" ".join(["9223372036854775807 9223372036854775807"] * 3), 2, 3)


def test_keys():
    joined = Format(joined=True, ending=".jpg")
    assert joined.key("a_b", "1") == "a_b.jpg_1" and joined.split("a_b.jpg_1") == ("a_b", "1")
    assert Format(ending=".png").split("a_1.png") == ("a_1", "") and Format().key("a", "liver") == "a"


@pytest.mark.parametrize(
    "header", list(itertools.permutations(("ImageId", "ClassId", "EncodedPixels"))), ids=lambda found: ",".join(found)
)
def test_columns_in_any_order(header):
    form = Format("ImageId", "EncodedPixels", class_column="ClassId", header=header)
    row = form.row(("a", "2"), "1 1")
    assert form.columns == list(header)
    assert dict(zip(header, row, strict=True)) == {"ImageId": "a", "ClassId": "2", "EncodedPixels": "1 1"}
    assert form.key_of(row) == ("a", "2") and row[form.rle_place] == "1 1"


def test_the_usual_order_of_columns_need_not_be_said():
    form = Format("id", "rle", class_column="class")
    assert form.columns == ["id", "class", "rle"] and form.row(("a", "2"), "1 1") == ["a", "2", "1 1"]
    assert form.key_of(["a", "2", "1 1"]) == ("a", "2") and form.rle_place == 2
    # what runs of earlier days have recorded stays true
    assert repr(form) == (
        "Format(id_column='id', rle_column='rle', class_column='class', several=False, pictures=False)"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": "up"},
        {"first": 2},
        {"ends": "open"},
        {"ends": "inclusive", "relative": True},
        {"joined": True, "class_column": "class"},
        {"header": ("id",)},
        {"header": ("rle", "id", "class")},
        {"header": ("id", "id", "rle")},
    ],
)
def test_what_no_csv_can_be(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Format(**wrong)


def test_thousands_of_masks_in_seconds():
    mask = np.zeros((101, 101), bool)
    mask[20:80, 20:80] = True
    fields = [Format(first=0, relative=True).encode(mask[None])] * 18000
    dialect = Format(first=0, relative=True)
    start = time.process_time()
    runs = dialect.in_order(dialect.parse(fields), 101 * 101)
    found = dialect.masks(runs, 101, 101)
    assert time.process_time() - start < 60
    assert (found == mask).all()
