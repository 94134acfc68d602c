"""Which csv files are a valid submission, and the one line that says why another is not."""

import gzip
import re
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.imaging import rle
from pipeline.runs import encoding
from pipeline.store import answer_file, submission
from pipeline.store.submission import Expected, Format
from pipeline.tasks.binary import Binary
from pipeline.tasks.multilabel import MultiLabel

ONE = Format(id_column="id", rle_column="rle_mask")
OBJECTS = Format(id_column="ImageId", rle_column="EncodedPixels", several=True)
CLASSES = Format(id_column="id", class_column="class", rle_column="rle")
# two pictures of 2 x 3, one of 4 x 5
THREE = Expected(["a", "b", "c"], np.array([2, 2, 4]), np.array([3, 3, 5]), ("salt",))
TWO_CLASSES = Expected(["a", "b"], np.array([2, 2]), np.array([3, 3]), ("car", "tree"))
GOOD = "id,rle_mask\na,1 1\nb,\nc,2 3 10 11\n"


def validate(text, form=ONE, expected=THREE):
    content = text if isinstance(text, bytes) else text.encode()
    return submission.validate(submission.table_of(content, form, "x.csv"), form, expected, "x.csv")


def refusal(text, form=ONE, expected=THREE) -> str:
    """The line that refuses it; it names the file."""
    with pytest.raises(UserError) as found:
        validate(text, form, expected)
    message = str(found.value)
    assert "x.csv" in message
    assert len(message.splitlines()) == 1
    return message


def test_the_summary_of_a_good_file_is_that_counted_by_hand():
    summary = validate(GOOD)
    assert (summary.rows, summary.images) == (3, 3)
    assert summary.empty == pytest.approx(1 / 3)
    assert summary.area == (1 + 14) / 2


def test_objects_of_one_field_do_not_overlap_and_those_of_other_fields_may():
    form = Format("id", "rle", class_column="class", between=";")
    good = "id,class,rle\na,car,1 2;4 1\na,tree,1 2\nb,car,\nb,tree,3 1\n"
    assert validate(good, form, TWO_CLASSES).area == (5 + 1) / 2
    line = refusal(good.replace("1 2;4 1", "4 2;1 1;5 1"), form, TWO_CLASSES)
    assert "two masks of image a overlap at pixel 5" in line


def test_blank_fields_are_empty_masks():
    assert validate("id,rle_mask\na,\nb,\nc,\n") == submission.Summary(rows=3, images=3, empty=1.0, area=0.0)
    assert validate('id,rle_mask\na,""\nb,""\nc,1 1\n').empty == pytest.approx(2 / 3)


@pytest.mark.parametrize("ends", ["\r\n", "\n"])
@pytest.mark.parametrize("begins", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_of_windows_and_a_byte_order_mark_change_nothing(ends, begins, last):
    text = begins + GOOD.replace("\n", ends)
    assert validate(text if last else text.removesuffix(ends)) == validate(GOOD)


def zipped(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("_csv", ".csv"), text)
    return path


def test_a_csv_may_be_packed(tmp_path):
    (tmp_path / "s.csv.gz").write_bytes(gzip.compress(GOOD.encode()))
    zipped(tmp_path / "s.zip", **{"s_csv": GOOD, "__MACOSX/._s_csv": "x"})
    for name, said in (("s.csv.gz", "unpacked"), ("s.zip", "s.csv")):
        path = tmp_path / name
        assert answer_file.opened(path, ONE).where == f"{path}, {said}"
        assert answer_file.validate(path, ONE, THREE) == validate(GOOD)
        found = answer_file.mended(path, ONE, THREE)
        found.write(tmp_path / "fixed.csv")
        assert found.done == ["unpacked"] and (tmp_path / "fixed.csv").read_text() == GOOD
    zipped(tmp_path / "odd.zip", s_csv=GOOD.replace("b,", "b,9 9"))
    with pytest.raises(UserError, match=r"odd\.zip, s\.csv, row 3 \(id b\): .* ends behind the last pixel"):
        answer_file.validate(tmp_path / "odd.zip", ONE, THREE)


@pytest.mark.parametrize(
    ("name", "write", "says"),
    [
        (
            "s.zip",
            lambda path: zipped(path, a_csv=GOOD, b_csv=GOOD),
            "holds a.csv, b.csv, not one csv; pack the csv alone",
        ),
        ("s.zip", lambda path: zipped(path, tif="x"), "holds tif, not one csv"),
        ("s.zip", lambda path: zipped(path), "holds nothing, not one csv"),
        ("s.zip", lambda path: path.write_bytes(b"PK\x03\x04cut off"), "cannot be unpacked"),
        ("s.csv.gz", lambda path: path.write_bytes(gzip.compress(GOOD.encode())[:20]), "cannot be unpacked"),
        ("s.csv", lambda path: zipped(path, s_csv=GOOD), "is not a csv: it is a zip, or a workbook of Excel's; unpack"),
        ("s.csv", lambda path: path.write_bytes(gzip.compress(GOOD.encode())), "packed with gzip; unpack it"),
        ("s.csv", lambda path: path.write_text(GOOD, encoding="utf-16"), "it is text in UTF-16; save it as UTF-8"),
    ],
)
def test_what_is_packed_or_written_otherwise_is_named(tmp_path, name, write, says):
    write(tmp_path / name)
    with pytest.raises(UserError) as found:
        answer_file.validate(tmp_path / name, ONE, THREE)
    assert says in str(found.value) and name in str(found.value)


def test_quoted_fields_are_the_same_as_plain_ones():
    assert validate('"id","rle_mask"\n"a","1 1"\nb,\n"c","2 3 10 11"\n') == validate(GOOD)


@pytest.mark.parametrize("ids", [["0012", "12", "007"], ["1e5", "100000"], ["NA", "nan", "1"], ["True", "False"]])
def test_ids_that_look_like_numbers_stay_the_words_they_are(ids):
    expected = Expected(ids, np.full(len(ids), 2), np.full(len(ids), 3), ("salt",))
    rows = "".join(f"{name},1 1\n" for name in ids)
    assert validate("id,rle_mask\n" + rows, expected=expected).rows == len(ids)
    table = submission.table_of(("id,rle_mask\n" + rows).encode(), ONE, "x.csv")
    assert table["id"] == ids


def test_an_id_without_its_zeros_in_front_is_another_id():
    expected = Expected(["0012", "0007"], np.full(2, 2), np.full(2, 3), ("salt",))
    assert "12" in refusal("id,rle_mask\n12,1 1\n7,1 1\n", expected=expected)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + "d,1 1\n", r"1 id\(s\) are not in the sample submission: d"),
        ("id,rle_mask\na,1 1\nx,\ny,\n", r"2 id\(s\) are not in the sample submission: x, y"),
        ("id,rle_mask\nA,1 1\nb,\nc,1 1\n", "not in the sample submission: A"),
        ("id,rle_mask\na.png,1 1\nb,\nc,1 1\n", r"not in the sample submission: a\.png"),
        ("id,rle_mask\na,1 1\nc,\n", r"1 id\(s\) are missing: b"),
        ("id,rle_mask\nb,\n", r"2 id\(s\) are missing: a, c"),
        ("id,rle_mask\n", r"3 id\(s\) are missing: a, b, c"),
        (GOOD + "a,1 1\n", r"1 id\(s\) are there more than once: a"),
        ("id,rle_mask\na,1 1\na,1 1\nb,\nb,\nc,\n", r"2 id\(s\) are there more than once: a, b"),
        ("id,rle_mask\na,1 1\nc,\nb,\n", "row 3: found c where the sample submission has b"),
        ("id,rle\na,1 1\nb,\nc,\n", "has the columns id,rle; expected id,rle_mask"),
        ("rle_mask,id\n1 1,a\n,b\n,c\n", "has the columns rle_mask,id; expected"),
        ("id,rle_mask,x\na,1 1,0\nb,,0\nc,,0\n", "has the columns id,rle_mask,x; expected"),
        ("id;rle_mask\na;1 1\nb;\nc;\n", "has the columns id;rle_mask; expected"),
        ("id\na\nb\nc\n", "has the columns id; expected"),
        ("a,1 1\nb,\nc,\n", "has the columns a,1 1; expected"),
        ("ID,RLE_MASK\na,1 1\nb,\nc,\n", "has the columns ID,RLE_MASK; expected"),
        ("", "not a csv"),
        ("\n", "not a csv|has the columns"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe", "not a csv"),
        (b"PK\x03\x04\x14\x00\x00\x00\x08\x00\xe4\xb8", "not a csv|has the columns"),
        ('id,rle_mask\na,"1 1\nb,\nc,\n', "not a csv|missing"),
        ("id,rle_mask\na,1 1\nb,,,,\nc,\n", r"row 3: 5 field\(s\) under 2 names"),
    ],
)
def test_what_does_not_answer_the_images_is_refused(text, says):
    assert re.search(says, refusal(text)), refusal(text)


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("1", "odd"),
        ("1 1 2", "odd"),
        ("one 1", "whole numbers"),
        ("nan", "a mask without pixels is a blank field"),
        ("1.0 2.0", "whole numbers"),
        (" 1 1", "whole numbers"),
        ("1 1 ", "whole numbers"),
        ("1  1", "whole numbers"),
        ("[1 1]", "whole numbers"),
        ("0 1", "before pixel 1"),
        ("6 2", "behind the last pixel"),
        ("1 0", "a mask without pixels is a blank field"),
        ("3 1 1 1", "not sorted"),
        ("1 2 2 2", "overlaps"),
    ],
)
def test_bad_runs_are_refused_with_their_row_and_id(field, says):
    message = refusal(f"id,rle_mask\na,1 1\nb,{field}\nc,1 20\n")
    # the header is row 1
    assert message.startswith("x.csv, row 3 (id b): ")
    assert says in message


def test_runs_are_held_against_the_size_of_their_own_picture():
    assert validate("id,rle_mask\na,1 6\nb,6 1\nc,20 1\n").area == (6 + 1 + 1) / 3
    assert "row 2 (id a)" in refusal("id,rle_mask\na,20 1\nb,\nc,\n")
    assert "row 4 (id c)" in refusal("id,rle_mask\na,\nb,\nc,21 1\n")


@pytest.mark.parametrize("text", ["id,rle_mask\na\nb\nc\n", "id,rle_mask\na,1 1\nb\nc,1 1\n"])
def test_a_row_without_its_comma_is_a_blank_field_or_refused_but_no_crash(text):
    try:
        assert validate(text).empty > 0
    except UserError as error:
        assert len(str(error).splitlines()) == 1


def test_blank_lines_are_refused_or_skipped_but_no_crash():
    for text in (GOOD + "\n", GOOD + "\n\n", GOOD.replace("b,", "\nb,")):
        try:
            assert validate(text) == validate(GOOD)
        except UserError as error:
            assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("name", ["nowhere.csv", "folder"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=f"{name} is no file|cannot read .*{name}"):
        submission.read_csv(tmp_path / name, ONE)


def test_one_object_is_a_row_and_an_image_without_any_has_a_blank_one():
    summary = validate("ImageId,EncodedPixels\na,1 1\na,2 1 4 1\na,6 1\nb,\nc,1 4\n", OBJECTS)
    assert (summary.rows, summary.images) == (5, 3)
    assert summary.empty == pytest.approx(1 / 3)
    assert summary.area == (4 + 4) / 2


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("a,1 2\na,2 1\nb,\nc,\n", "two masks of image a overlap at pixel 2"),
        ("a,\nb,1 1\nb,2 2 6 1\nb,5 2\nc,\n", "two masks of image b overlap at pixel 6"),
        ("a,5 1\na,1 6\nb,\nc,\n", "two masks of image a overlap at pixel 5"),
        ("a,3 1\na,3 1\nb,\nc,\n", "two masks of image a overlap at pixel 3"),
        ("a,1 1\na,2 1\nc,\n", r"1 id\(s\) are missing: b"),
        ("a,1 1\nb,\na,2 1\nc,\n", "more than once: a"),
        ("a,1 1\nc,\nc,1 1\nb,\n", "found c where the sample submission has b"),
        ("a,1 1\na,9 1\nb,\nc,\n", r"row 3 \(id a\): the run '9 1' ends behind"),
    ],
)
def test_rows_of_objects_that_do_not_fit_are_refused(rows, says):
    assert re.search(says, refusal("ImageId,EncodedPixels\n" + rows, OBJECTS))


def test_the_same_pixels_may_be_taken_in_two_images():
    assert validate("ImageId,EncodedPixels\na,1 6\nb,1 6\nc,1 6\n", OBJECTS).empty == 0


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 11), st.integers(1, 4)), max_size=6))
def test_objects_are_refused_exactly_when_a_pixel_is_taken_twice(objects):
    expected = Expected(["a", "b"], np.array([3, 3]), np.array([4, 4]), ("nucleus",))
    objects = [(image, start, min(length, 12 - start)) for image, start, length in objects]
    rows, taken = "", np.zeros((2, 12), int)
    for image, name in enumerate("ab"):
        mine = [(start, length) for other, start, length in objects if other == image]
        rows += "".join(f"{name},{start + 1} {length}\n" for start, length in mine) or f"{name},\n"
        for start, length in mine:
            taken[image, start : start + length] += 1
    if taken.max() > 1:
        assert "overlap" in refusal("ImageId,EncodedPixels\n" + rows, OBJECTS, expected)
    else:
        assert validate("ImageId,EncodedPixels\n" + rows, OBJECTS, expected).empty == np.mean(taken.max(axis=1) == 0)


def test_every_class_of_every_image_has_its_row():
    summary = validate("id,class,rle\na,car,1 2\na,tree,\nb,car,\nb,tree,\n", CLASSES, TWO_CLASSES)
    assert (summary.rows, summary.images, summary.empty, summary.area) == (4, 2, 0.5, 2.0)


def test_two_classes_may_claim_one_pixel_where_each_has_its_row():
    assert validate("id,class,rle\na,car,1 2\na,tree,1 2\nb,car,\nb,tree,\n", CLASSES, TWO_CLASSES).rows == 4


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("a,car,\na,tree,\nb,car,\n", "1 id.s. are missing: .*b.*tree"),
        ("a,car,\nb,car,\n", "2 id.s. are missing"),
        ("a,car,\na,bus,\nb,car,\nb,tree,\n", "not in the sample submission: .*a.*bus"),
        ("a,tree,\na,car,\nb,car,\nb,tree,\n", "row 2: found .*tree.* where .*car"),
        ("a,car,\na,tree,\na,tree,\nb,car,\nb,tree,\n", "more than once: .*a.*tree"),
        ("a,car,\na,tree,7 1\nb,car,\nb,tree,\n", r"row 3 \(id a\): .* behind"),
    ],
)
def test_rows_of_classes_that_do_not_fit_are_refused(rows, says):
    assert re.search(says, refusal("id,class,rle\n" + rows, CLASSES, TWO_CLASSES))


def test_masks_of_classes_that_a_row_cannot_name_are_refused():
    with pytest.raises(UserError, match="2 masks for one row; give the Format a class_column, or joined=True"):
        submission.rows_of("a", ["1 1", "3 1"], ONE, ("car", "tree"))


def test_an_id_may_have_several_columns():
    form, expected = (
        Format(("case", "day"), "rle"),
        Expected(["a_1", "a_2"], np.array([2, 2]), np.array([3, 3]), ("x",)),
    )
    assert validate("case,day,rle\na,1,1 2\na,2,\n", form, expected).images == 2
    assert "('a', '2')" in refusal("case,day,rle\na,1,1 2\n", form, expected)
    table = submission.table_of(b"case,day,rle\na,1,1 2\na,2,\n", form, "x.csv")
    assert submission.ids_of(table, form) == expected.ids


def test_a_long_list_of_ids_is_cut_in_the_message():
    message = refusal("id,rle_mask\n" + "".join(f"x{i},\n" for i in range(1000)))
    assert "1000 id(s)" in message and "and 995 more" in message
    assert len(message) < 200


@pytest.mark.parametrize("form", [ONE, OBJECTS, CLASSES])
def test_the_rows_that_are_written_are_the_rows_that_are_wanted(form):
    masks = np.random.default_rng(0).random((2, 2, 2, 3)) < 0.5
    rows = []
    for name, pair in zip("ab", masks, strict=True):
        pair[1] &= ~pair[0]
        texts = rle.encode_many(pair if form is not ONE else pair[:1])
        rows += submission.rows_of(name, texts, form, TWO_CLASSES.classes)
    assert all(len(row) == len(form.columns) for row in rows)
    text = "\n".join(",".join(row) for row in [form.columns, *rows])
    assert validate(text + "\n", form, TWO_CLASSES).rows == len(rows)


def _prepared(tmp_path, sample: str | None):
    columns = {"id": ["t", "a", "b", "c"], "height": np.array([9, 2, 2, 4]), "width": np.array([9, 3, 3, 5])}
    path = None
    if sample is not None:
        path = tmp_path / "sample_submission.csv"
        path.write_text(sample)
    return SimpleNamespace(columns=columns, test=np.array([1, 2, 3]), sample=path)


COMPETITION = SimpleNamespace(format=ONE, task=SimpleNamespace(classes=("salt",)))


def test_the_order_and_the_images_are_those_of_the_sample_submission(tmp_path):
    found = submission.expected(COMPETITION, _prepared(tmp_path, "id,rle_mask\nc,1 1\na,1 1\n"))
    assert found.ids == ["c", "a"]
    assert (found.heights.tolist(), found.widths.tolist()) == ([4, 2], [5, 3])


def test_without_a_sample_submission_they_are_those_of_the_test_part(tmp_path):
    assert submission.expected(COMPETITION, _prepared(tmp_path, None)).ids == ["a", "b", "c"]


def test_a_sample_submission_of_other_images_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"2 id\(s\) have no test image: t, x"):
        submission.expected(COMPETITION, _prepared(tmp_path, "id,rle_mask\nt,1 1\na,1 1\nx,1 1\n"))


def test_a_file_is_held_against_the_sample_submission(tmp_path):
    expected = submission.expected(COMPETITION, _prepared(tmp_path, "id,rle_mask\nc,1 1\na,1 1\nb,1 1\n"))
    (tmp_path / "mine.csv").write_text("id,rle_mask\nc,20 1\na,\nb,1 6\n")
    assert answer_file.validate(tmp_path / "mine.csv", COMPETITION.format, expected).area == 3.5
    (tmp_path / "mine.csv").write_text(GOOD)
    with pytest.raises(UserError, match=r"mine\.csv, row 2: found a where the sample submission has c"):
        answer_file.validate(tmp_path / "mine.csv", COMPETITION.format, expected)


@pytest.mark.parametrize("order", ["down", "across"])
@pytest.mark.parametrize("pixels", [1, 60, 1 << 20])
def test_however_many_are_decoded_together_each_picture_is_its_own(order, pixels, monkeypatch):
    monkeypatch.setattr(rle, "AT_ONCE", pixels)
    form = Format(class_column="class", rle_column="rle", order=order)
    random, sizes = np.random.default_rng(1), [(2, 3)] * 7 + [(3, 2)] + [(4, 5)] * 4 + [(2, 3)]
    labels = [(random.random((*size, 2)) < 0.5).astype(np.uint8) for size in sizes]
    task, ids = MultiLabel(TWO_CLASSES.classes), [f"i{number:02d}" for number in range(len(sizes))]
    rows = [
        row
        for name, one in zip(ids, labels, strict=True)
        for row in submission.rows_of(name, task.texts(form.turned(one)), form, task.classes)
    ]
    expected = Expected(ids, *np.array(sizes).T, task.classes)
    found = list(submission.decoded(submission.table_from(rows, form), form, expected, task))
    assert all(np.array_equal(*pair) for pair in zip(found, labels, strict=True))
    decoder = SimpleNamespace(job=SimpleNamespace(competition=SimpleNamespace(task=task, format=form)))
    encoded = encoding.texts(decoder, zip(ids, labels, strict=True))
    assert rows == [row for name, texts in encoded for row in submission.rows_of(name, texts, form, task.classes)]


def test_nothing_is_expected_and_nothing_decoded():
    nothing = Expected([], np.zeros(0, int), np.zeros(0, int), ("salt",))
    assert list(submission.decoded(submission.table_from([], ONE), ONE, nothing, Binary(("salt",)))) == []


def test_a_file_is_read_once_for_those_that_are_expected(tmp_path, monkeypatch):
    (tmp_path / "x.csv").write_text(GOOD)
    reads = []
    read = submission.read
    monkeypatch.setattr(submission, "read", lambda table, *others: reads.append(len(table)) or read(table, *others))
    file = answer_file.opened(tmp_path / "x.csv", ONE)
    task = Binary(("salt",))
    assert file.validate(THREE).rows == len(list(file.decoded(THREE, task))) == 3 and reads == [3]
    # others that are expected, and some of its rows, are not answered by what was read
    with pytest.raises(UserError, match="not in the sample submission"):
        file.validate(Expected(["a", "b"], THREE.heights[:2], THREE.widths[:2], ("salt",)))
    first = Expected(["a"], THREE.heights[:1], THREE.widths[:1], ("salt",))
    assert file.only({"a"}).validate(first).rows == 1 and reads == [3, 3, 1]
