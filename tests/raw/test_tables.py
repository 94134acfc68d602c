"""Tables among the raw files: each is read rightly, or refused in one line that names the file and the row."""

import pytest

from pipeline.errors import UserError
from pipeline.raw import tables
from pipeline.raw.files import RawFiles
from pipeline.store.submission import Format

LONG = " ".join(f"{start} 2" for start in range(1, 200_001, 4))
FORM = Format("id", "rle")
DAYS = Format(id_column=("case", "day"))


def read(folder, content: bytes, *columns, name="t.csv", **options):
    (folder / "t.csv").write_bytes(content)
    with RawFiles(folder) as raw:
        return tables.rows(raw, name, *(columns or ("id", "rle")), **options)


@pytest.mark.parametrize(
    "content",
    [
        b"id,rle\na,1 2\nb,\n",
        b"\xef\xbb\xbfid,rle\na,1 2\nb,\n",
        b"id,rle\r\na,1 2\r\nb,\r\n",
        b"id,rle\ra,1 2\rb,",
        b"id,rle\n\na,1 2\n\n\nb,\n\n",
        b'"id","rle"\n"a","1 2"\n"b",""',
        "id,rle\r\na,1 2\r\nb,\r\n".encode("utf-16"),
        b"\xfe\xff" + "id,rle\na,1 2\nb,\n".encode("utf-16-be"),
        b"sep=,\nid,rle\na,1 2\nb,\n",
    ],
    ids=["plain", "mark", "CRLF", "CR", "blank lines", "quoted", "UTF-16", "UTF-16 BE", "sep="],
)
def test_what_spreadsheets_write_is_read(tmp_path, content):
    assert read(tmp_path, content) == [{"id": "a", "rle": "1 2"}, {"id": "b", "rle": ""}]


def test_run_lengths_of_a_large_mask_are_read(tmp_path):
    assert len(LONG) > 131072
    assert read(tmp_path, b"", "id", key=("id",), name="another.csv") == []
    assert read(tmp_path, f"id,rle\na,{LONG}\n".encode()) == [{"id": "a", "rle": LONG}]
    assert read(tmp_path, "id,rle,,\né,1 1,,\n".encode(), key=("id",))[0]["id"] == "é"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"id,rle\na,1 2\nb\xe9,3 4\n", "t.csv, row 3: the byte 0xe9 is not UTF-8 (Latin-1?); save it as csv in UTF-8"),
        (b"\xef\xbb\xbfid,rle\nb\xe9,3 4\n", "t.csv, row 2: the byte 0xe9"),
        (b"id,rle\rb\xe9,3 4\r", "t.csv, row 2: the byte 0xe9"),
        ("id,rle\na,1 2\n".encode("utf-16-le"), "t.csv, row 1: holds a NUL byte: it is damaged, or in UTF-16 without"),
        ("id,rle\na,1 2\n".encode("utf-16")[:-1], "t.csv, row 2: UTF-16 that is cut off or damaged"),
        ("id,rle\na,1\0 2\n".encode("utf-16"), "t.csv, row 2: holds a NUL: it is damaged"),
        (b"id,rle\na,1\0 2\n", "t.csv, row 2: holds a NUL byte"),
        (b"id,rle\na,1 2\nb\n", "t.csv, row 3: 1 fields under 2 names"),
        (b"id,rle\n\na,1,2\n", "t.csv, row 3: 3 fields under 2 names"),
        (b"id;rle\na;1 2\n", "t.csv has columns separated by semicolons, not by commas; save it with commas"),
        (b"a,1 2 5 2\nb,3 4 9 1\n", "t.csv has no names of columns: its first line is a row already ('1 2 5 2')"),
        (b"id,mask\na,1 2\n", "t.csv has no columns id,rle, but id, mask"),
        (b"id,rle,id\na,1 2,b\n", "t.csv has the column 'id' twice"),
        (b"", "t.csv is empty"),
        (b"\xef\xbb\xbf\n", "t.csv is empty"),
        (b"id,rle\n", "t.csv has the names of its columns but no rows"),
        (b'id,rle\na,"1 2\n', "t.csv, row 2: not a csv (unexpected end of data)"),
        (b'id,rle\na,"1" 2\n', "t.csv, row 2: not a csv"),
        (b"id,rle\na,1 2\n ,1 2\n", "t.csv, row 3: the column 'id' is blank"),
        (b'id,rle\n"a\nb",1 2\n', "t.csv, row 2: the column 'id' holds 'a\\nb'"),
        (b"id,rle\na\tb,1 2\n", "t.csv, row 2: the column 'id' holds 'a\\tb'"),
        (b"id,rle\na,1 2\nb,\na,3 4\n", "t.csv, row 4: a is in row 2, too"),
    ],
)
def test_what_is_wrong_with_a_table_is_a_line(tmp_path, content, says):
    with pytest.raises(UserError) as caught:
        read(tmp_path, content, key=("id",))
    assert says in str(caught.value) and str(tmp_path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "form", "says"),
    [
        (b"id,mask\na,\n", FORM, "has no columns id,rle"),
        (b"rle,id\n1 1,a\n", FORM, "has the columns rle, id, the format of this competition id,rle"),
        (b"id,rle,x\na,1 1,\n", FORM, "has the columns id, rle, x"),
        (b"id,rle\n", FORM, "no rows"),
        (b"id,rle\n,1 1\n", FORM, "row 2: the column 'id' is blank"),
        (b'id,rle\n"a\r",1 1\n', FORM, "row 2: the column 'id' holds 'a\\r'"),
        (b"id,rle\na,1 1\na,1 1\n", FORM, "row 3: a is in row 2"),
        (b"id,class,rle\na,x,\na,x,\n", Format("id", "rle", class_column="class"), "row 3: a, x is in row 2"),
        (
            b"id,class,rle\na,x,\na,z,\n",
            Format("id", "rle", class_column="class"),
            "row 3: the class 'z' is none of x, y",
        ),
        (b"case,day,rle\na,1,\na,,\n", DAYS, "row 3: the column 'day' is blank"),
        (b"case,day,rle\n,1,\n", DAYS, "row 2: the column 'case' is blank"),
        (b"case,day,rle\na,1,\na,2,\na,1,\n", DAYS, "row 4: a, 1 is in row 2"),
        (
            b"case,organ,rle\na,x,\na,z,\n",
            Format(id_column=("case", "organ"), joined=True),
            "row 3: the class 'z' is none of x, y",
        ),
    ],
)
def test_a_sample_of_another_form_is_refused(content, form, says):
    with pytest.raises(UserError) as caught:
        tables.checked_sample(content, form, "sample.csv", ("x", "y"))
    assert str(caught.value).startswith("sample.csv") and says in str(caught.value)


def test_a_sample_may_name_an_image_for_each_object(tmp_path):
    (tmp_path / "s.csv").write_bytes(b"id,rle\na,1 1\na,3 1\nb,\n")
    with RawFiles(tmp_path) as raw:
        found = tables.sample(raw, Format("id", "rle", several=True), "s.csv")
        assert (found.ids, found.content) == (["a", "b"], b"id,rle\na,1 1\na,3 1\nb,\n")
        assert tables.sample(raw, FORM) == tables.Sample([], None)


def test_a_sample_may_name_an_image_in_several_columns(tmp_path):
    (tmp_path / "s.csv").write_bytes(b"case,day,rle\na,1,\na,2,1 1\nb,1,\n")
    with RawFiles(tmp_path) as raw:
        assert tables.sample(raw, DAYS, "s.csv").ids == ["a_1", "a_2", "b_1"]


def test_blank_lines_of_a_sample_are_left_out_and_else_its_bytes_are_kept():
    kept = b"\xef\xbb\xbfid,rle\r\na,1 1\r\n"
    assert tables.as_read_later(kept, FORM) == kept
    assert tables.as_read_later(b"id,rle\n\na,1 1\n\n", FORM) == b"id,rle\na,1 1\n"
    assert tables.as_read_later("id,rle\na,1 1\n".encode("utf-16"), FORM) == b"id,rle\na,1 1\n"
    assert tables.as_read_later(b"sep=,\nid,rle\na,1 1\n", FORM) == b"id,rle\na,1 1\n"
