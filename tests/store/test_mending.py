"""Submissions that are nearly valid: what is mended, what is not, and what is said."""

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.store import mending, submission
from pipeline.store.submission import Expected, Format

ONE = Format("id", "rle")
OBJECTS = Format("id", "rle", several=True)
EXPECTED = Expected(["a", "b", "c"], np.array([2, 2, 4]), np.array([3, 3, 5]), ("salt",))


def mended(text, form=ONE):
    rows, done = mending.mended(text.encode(), form, EXPECTED, "x.csv")
    submission.validate(submission.table_from(rows, form), form, EXPECTED, "x.csv")
    return rows, done


@pytest.mark.parametrize(
    ("text", "rows", "said"),
    [
        ("id,rle\nb,\na,1 1\nc,\n", [["a", "1 1"], ["b", ""], ["c", ""]], "the rows put in the order"),
        ("id,rle\nc,2 2\n", [["a", ""], ["b", ""], ["c", "2 2"]], "2 missing row(s) added as empty"),
        (",id,rle\n0,a,\n1,b,\n2,c,1 1\n", [["a", ""], ["b", ""], ["c", "1 1"]], "index column"),
        ("Unnamed: 0,id,rle\n1,a,\n2,b,\n3,c,1 1\n", [["a", ""], ["b", ""], ["c", "1 1"]], "index column"),
        ("rle,id\n,a\n1 1,b\n,c\n", [["a", ""], ["b", "1 1"], ["c", ""]], "the columns put in the order id,rle"),
        ("id,rle\na,-1\nb,nan\nc,1 0\n", [["a", ""], ["b", ""], ["c", ""]], "3 mask(s) without pixels written as"),
        ("id,rle\na,\n\nb,\nc,\n", [["a", ""], ["b", ""], ["c", ""]], "1 blank line(s)"),
    ],
)
def test_what_need_not_be_guessed_is_mended(text, rows, said):
    found, done = mended(text)
    assert found == rows and said in ", ".join(done)


def test_columns_in_another_order_are_mended_alike():
    form = Format("id", "rle", class_column="class", header=("rle", "id", "class"), empty="-1")
    two = Expected(["a", "b"], np.array([2, 2]), np.array([3, 3]), ("1", "2"))
    text = "id,class,rle\nb,1,\na,2,3 1\na,1,nan\n"
    rows, done = mending.mended(text.encode(), form, two, "x.csv")
    submission.validate(submission.table_from(rows, form), form, two, "x.csv")
    assert rows == [["-1", "a", "1"], ["3 1", "a", "2"], ["-1", "b", "1"], ["-1", "b", "2"]]
    said = ", ".join(done)
    assert "put in the order rle,id,class" in said and "1 missing row" in said and "2 mask(s) without pixels" in said
    from_nothing = "rle,id,class\n0 2,a,1\n-1,a,2\n-1,b,1\n-1,b,2\n"
    assert "counted from 0" in mending.counted_from_other(from_nothing.encode(), form, two, "x.csv")
    assert "empty row(s) of images" in _objects_in_another_order()


def _objects_in_another_order() -> str:
    form = Format("id", "rle", several=True, header=("rle", "id"))
    rows, done = mending.mended(b"rle,id\n1 1,a\n,a\n,b\n,c\n", form, EXPECTED, "x.csv")
    assert rows == [["1 1", "a"], ["", "b"], ["", "c"]]
    return ", ".join(done)


def test_an_empty_row_beside_an_object_is_taken_out():
    text = "id,rle\na,1 1\na,\na,3 1\nb,\nc,\n"
    with pytest.raises(UserError, match=r"row 3: an empty row of image a"):
        submission.validate(submission.table_of(text.encode(), OBJECTS, "x.csv"), OBJECTS, EXPECTED, "x.csv")
    rows, done = mended(text, OBJECTS)
    assert rows == [["a", "1 1"], ["a", "3 1"], ["b", ""], ["c", ""]] and "1 empty row(s) of images with" in done[0]


def test_an_image_is_all_its_columns_of_ids():
    """An empty day stays beside a day of the same case that has objects, and runs are held against its own size."""
    form = Format(id_column=("case", "day"), several=True)
    days = Expected(["k_1", "k_2", "m_1"], np.array([2, 4, 2]), np.array([3, 5, 3]), ("cell",))
    text = "case,day,rle\nk,1,1 1\nk,1,\nk,2,\nm,1,\n"
    rows, done = mending.mended(text.encode(), form, days, "x.csv")
    submission.validate(submission.table_from(rows, form), form, days, "x.csv")
    assert rows == [["k", "1", "1 1"], ["k", "2", ""], ["m", "1", ""]]
    assert done == ["1 empty row(s) of images with objects taken out"]
    from_nothing = "case,day,rle\nk,1,0 2\nk,2,18 2\nm,1,\n"
    assert "counted from 0" in mending.counted_from_other(from_nothing.encode(), form, days, "x.csv")


@pytest.mark.parametrize("text", ["id,rle\nx,\na,\nb,\nc,\n", "id,rle\na,1 9\nb,\nc,\n", "id,rle\na,1 1.5\nb,\nc,\n"])
def test_what_would_be_a_guess_stays_wrong(text):
    with pytest.raises(UserError, match=r"x\.csv"):
        mended(text)


def test_other_columns_are_refused():
    with pytest.raises(UserError, match="expected id,rle"):
        mended("image,rle\na,\n")


def test_a_number_that_is_no_row_number_is_no_index():
    with pytest.raises(UserError, match="expected id,rle"):
        mended(",id,rle\n5,a,\n7,b,\n2,c,1 1\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,rle\na,0 2\nb,\nc,\n", "counted from 0, not 1"),
        ("id,rle\na,2 1 1 1\nb,\nc,\n", "from the end of the run before"),
        ("id,rle\na,0 2\n\nb,\nc,\n\n", "counted from 0, not 1"),
        ("id,rle\na,1 1\n\nb,\nx,\n", ""),
        ("id,rle\na,1 9\nb,\nc,\n", ""),
        # something else is wrong with it
        ("id,rle\na,1 1\nb,\nb,\nc,\n", ""),
    ],
)
def test_another_way_of_counting_is_named(text, said):
    assert said in mending.counted_from_other(text.encode(), ONE, EXPECTED, "x.csv")
    assert bool(said) == bool(mending.counted_from_other(text.encode(), ONE, EXPECTED, "x.csv"))
