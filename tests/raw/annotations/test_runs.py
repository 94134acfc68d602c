"""Csv of run lengths: columns, keys, what is empty and how runs are counted are found, said, and read rightly."""

import cv2
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.raw.annotations import runs as reader
from pipeline.raw.annotations.runs import read_runs
from pipeline.store.dialect import Format
from tests.raw import layout_example
from tests.raw.annotations.scenes import HEIGHT, WIDTH, Read, looked, runs, save, scene, table


def one_class(folder, count=6, write=runs, empty="", name="t{}", key="t{}", size=(HEIGHT, WIDTH), **how):
    """A picture and a row for each; every third is empty. Returns id -> labels."""
    rows, truth = [], {}
    for i in range(count):
        picture, labels = scene(i, 1, *size)
        labels = labels * (i % 3 > 0)
        save(folder / "train" / f"{name.format(i)}.png", picture)
        rows.append(f"{key.format(i)},{write(labels, **how) or empty}")
        truth[key.format(i).removesuffix(".png")] = labels
    table(folder / "train.csv", "id,rle", rows)
    return truth


@pytest.mark.parametrize("order", ["down", "across"])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("relative", [False, True])
def test_how_runs_are_counted_is_found(tmp_path, order, first, relative):
    """A bar that ends at the picture's edge, and one at its start, tell the first number."""

    def write(labels):
        if labels.any():
            labels[0, 0] = labels[0, 1] = labels[1, 0] = labels[-1, -1] = labels[-2, -1] = labels[-1, -2] = 1
        return runs(labels, order, first, relative)

    truth = one_class(tmp_path, write=write)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth)
    dialect = seen.arguments["dialect"]
    assert (dialect.order, dialect.first, dialect.relative) == (order, first, relative)
    line = "down the columns" if order == "down" else "across the rows"
    assert any(f"runs go {line}: masks are compact then in 4 of 4 images" in note for note in seen.notes)
    assert any(f"counted from {first}" in note for note in seen.notes)
    assert any("relative=True" in note for note in seen.notes) == relative
    # submissions are written so, too
    usual = {"order": "down", "first": 1, "relative": False}
    own = {"order": order, "first": first, "relative": relative}
    assert {name: seen.form.get(name, usual[name]) for name in own} == own
    odd = order == "across" or first == 0 or relative
    assert any("the submission is written with" in note for note in seen.notes) == odd


@pytest.mark.parametrize("first", [0, 1])
def test_objects_at_the_border_tell_the_first_number(tmp_path, first):
    def write(labels):
        if labels.any():
            # at the upper and the lower border, not in the corners
            labels[:3, 20:24] = labels[-3:, 30:34] = 1
        return runs(labels, "down", first)

    truth = one_class(tmp_path, write=write)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and seen.arguments["dialect"].first == first
    assert any("go on in the next line" in note for note in seen.notes)


@pytest.mark.parametrize("order", ["down", "across"])
def test_in_squares_the_pictures_tell(tmp_path, order):
    truth = one_class(tmp_path, 12, size=(48, 48), order=order)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth)
    assert any("pictures change at the outlines then" in note for note in seen.notes)


def test_where_nothing_tells_it_is_said(tmp_path):
    for i in range(4):
        save(tmp_path / "train" / f"t{i}.png", np.full((20, 20, 3), 90, np.uint8))
    table(tmp_path / "train.csv", "id,rle", [f"t{i},{21 + 20 * i} 5" for i in range(4)])
    seen, _ = looked(tmp_path, reader)
    assert any("taken as going down the columns, as is usual: the pictures are squares" in note for note in seen.notes)
    assert any("taken as counted from 1, as is usual" in note for note in seen.notes)


@pytest.mark.parametrize("empty", ["", "-1", "-", "nan", "NaN", "1 1", "1 0", "0 0", "authentic", "None"])
def test_what_is_empty(tmp_path, empty):
    truth = one_class(tmp_path, empty=empty)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and seen.arguments["dialect"].empty == empty
    assert empty == "" or any(f"'{empty}' in 2 rows" in note for note in seen.notes)
    assert seen.form.get("empty", "") == empty
    assert any(f"'{empty}' where there is nothing" in note for note in seen.notes) == bool(empty)


def test_one_pixel_stays_one_where_others_are_blank(tmp_path):
    truth = one_class(tmp_path)
    text = (tmp_path / "train.csv").read_text().replace(f"t1,{runs(truth['t1'])}", "t1,1 1")
    (tmp_path / "train.csv").write_text(text)
    truth["t1"] = np.zeros_like(truth["t1"])
    truth["t1"][0, 0] = 1
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth)
    assert any("1 row(s) say '1 1': taken as the one pixel that it says" in note for note in seen.notes)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("t{}", "t{}.png"),
        ("t{}", "t{}.jpg"),
        ("t{}", "t{}"),
        ("case1_day{}/scans/slice_0001_40_56", "case1_day{}_slice_0001"),
        ("p{}/a", "p{}/a"),
        ("p{}/a", "p{}/a.png"),
        ("p{}/image", "p{}_image"),
    ],
)
def test_what_pictures_are_called(tmp_path, name, key):
    truth = one_class(tmp_path, name=name, key=key)
    truth = {own.removesuffix(".jpg"): labels for own, labels in truth.items()}
    _, found = looked(tmp_path, reader)
    assert found.equals(truth)


def test_names_in_two_columns(tmp_path):
    truth = one_class(tmp_path, name="s_{}")
    text = (tmp_path / "train.csv").read_text().replace("id,rle", "subject,img,pixels").replace("\nt", "\ns,")
    (tmp_path / "train.csv").write_text(text)
    seen, found = looked(tmp_path, reader)
    assert found.equals({f"s_{own[1:]}": labels for own, labels in truth.items()})
    assert seen.arguments["dialect"].id_column == ("subject", "img")
    assert any(
        "has the columns subject,img,pixels; the submission that this project writes has id,pixels" in note
        for note in found.notes
    )


def numbered(folder, header, row, count=12):
    """Pictures 0, 1, … with one class, and a row for each, in another order than they are; `row(k, i, runs)` writes the
    k-th, of the picture i. Returns id -> labels."""
    rows, truth = [], {}
    for k, i in enumerate(np.random.default_rng(1).permutation(count)):
        picture, truth[str(i)] = scene(i)
        save(folder / "train" / f"{i}.png", picture)
        rows.append(row(k, i, runs(truth[str(i)])))
    table(folder / "train.csv", header, rows)
    return truth


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        (",id,rle", "{k},{i},{runs}", "''"),
        ("Unnamed: 0,image,rle", "{k},{i}.png,{runs}", "Unnamed: 0"),
        ("index,key,rle", "{k},{i},{runs}", "index"),
        ("patient,image_id,rle", "{other},{i},{runs}", "patient"),
        ("id,image_id,rle", "{k},{i},{runs}", "id"),
        ("number,scan,rle", "{k},{i}.png,{runs}", "number"),
        ("fold,image_id,rle", "{fold},{i},{runs}", ""),
        ("fold,scan,rle", "{fold},{i},{runs}", ""),
        ("image,id,rle", "{fold},{i},{runs}", ""),
        ("scan,copy,rle", "{i},{i}.png,{runs}", ""),
    ],
)
def test_of_columns_of_numbers_the_one_that_names_the_pictures_is_found(tmp_path, header, row, said):
    def write(k, i, text):
        return row.format(k=k, i=i, runs=text, other=5 * i % 12, fold=i % 3)

    truth = numbered(tmp_path, header, write)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and seen.arguments["answer"] == "classes"
    notes = [note for note in seen.notes if "names pictures, too, but other ones" in note]
    assert len(notes) == bool(said) and all(f"; {said} names" in note for note in notes)


def test_one_picture_that_is_missing_does_not_make_another_column_the_one_that_names(tmp_path):
    numbered(tmp_path, "patient,image_id,rle", lambda k, i, text: f"{5 * i % 12},{i if i else 'gone'},{text}")
    with pytest.raises(UserError, match=r"1 of 12 images that it names have no picture: gone"):
        looked(tmp_path, reader)


@pytest.mark.parametrize("number", ["fold", "image_number"])
def test_keys_of_image_and_class_are_held_against_columns_of_numbers(tmp_path, number):
    numbered(tmp_path, f"{number},key,rle", lambda k, i, text: f"{i % 3},{i}_1,{text}")
    seen, found = looked(tmp_path, reader)
    assert len(found.labels) == 12 and seen.arguments["dialect"].joined


@pytest.mark.parametrize("header", [",image_id,rle", "Unnamed: 0,scan,rle", "id,image_id,rle", "number,scan,rle"])
def test_numbers_of_rows_beside_several_objects_of_an_image(tmp_path, header):
    rows, truth = [], {}
    for i in np.random.default_rng(2).permutation(12):
        picture, labels = scene(i)
        _, parts = cv2.connectedComponents(labels)
        save(tmp_path / "train" / f"{i}.png", picture)
        rows += [f"{i},{runs(parts == k)}" for k in range(1, parts.max() + 1)]
        truth[str(i)] = parts.astype(np.uint16)
    table(tmp_path / "train.csv", header, [f"{k},{row}" for k, row in enumerate(rows)])
    assert looked(tmp_path, reader)[1].equals(truth)


def test_two_columns_that_name_pictures_and_not_the_same_ones_are_refused(tmp_path):
    numbered(tmp_path, "a,b,rle", lambda k, i, text: f"{k},{i},{text}")
    with pytest.raises(UserError, match=r"train.csv: the columns a and b both name pictures, and not the same ones"):
        looked(tmp_path, reader)
    dialect = Format("b", "rle")
    assert Read(tmp_path, read_runs, dialect=dialect).labels.keys() == {str(i) for i in range(12)}


def with_classes(folder, rows_of, header):
    """rows_of(name, masks) -> rows. Returns id -> H x W x 2."""
    rows, truth = [], {}
    for i in range(5):
        picture, labels = scene(i, 2)
        masks = np.stack([labels == 1, labels == 2], axis=-1).astype(np.uint8)
        masks *= np.array([1, i % 2], np.uint8)
        save(folder / "train" / f"t_{i}.png", picture)
        rows += rows_of(f"t_{i}", masks)
        truth[f"t_{i}"] = masks
    table(folder / "train.csv", header, rows)
    return truth


NAMES = ("big", "small_bowel")


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("id,class,segmentation", "{name},{label},{text}"),
        ("ImageId,EncodedPixels,ClassId", "{name}.png,{text},{number}"),
        ("ImageId_ClassId,EncodedPixels", "{name}.png_{number},{text}"),
        ("key,rle", "{name}_{label},{text}"),
        ("key,rle", "{name}-{number},{text}"),
    ],
)
@pytest.mark.parametrize("leave_out", [False, True])
def test_a_row_for_each_image_and_class(tmp_path, header, row, leave_out):
    def rows_of(name, masks):
        texts = [runs(masks[..., k]) for k in range(2)]
        return [
            row.format(name=name, label=NAMES[k], number=k + 1, text=text)
            for k, text in enumerate(texts)
            if text or not leave_out
        ]

    truth = with_classes(tmp_path, rows_of, header)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth)
    assert seen.arguments["answer"] == "overlap" and len(seen.arguments["classes"]) == 2
    assert seen.arguments["dialect"].empty == (None if leave_out else "")
    said = any("must be rewritten before it is sent" in note for note in found.notes)
    # a class with what joins the keys in its name cannot be written
    assert said == (row == "{name}_{label},{text}")
    assert said or Format(**seen.form).columns == header.split(",")
    assert seen.form.get("joined", False) == (row in ("{name}.png_{number},{text}", "{name}-{number},{text}"))


def with_wide(folder, header):
    """A column of run lengths for each of two classes, and blank ones after them."""

    def rows_of(name, masks):
        return [",".join([name, *(runs(masks[..., k]) for k in range(2)), *[""] * (header.count(",") - 2)])]

    return with_classes(folder, rows_of, header)


@pytest.mark.parametrize(
    ("header", "classes"),
    [
        ("id,stomach,bowel", ("stomach", "bowel")),
        ("id,rle_stomach,rle_bowel", ("stomach", "bowel")),
        ("id,stomach_EncodedPixels,small_bowel_EncodedPixels", ("stomach", "small_bowel")),
        ("id,maskStomach,maskBowel", ("Stomach", "Bowel")),
        ("id,rle_1,rle_2,rle_3", ("1", "2", "3")),
    ],
)
def test_a_column_of_run_lengths_for_each_class(tmp_path, header, classes):
    truth = with_wide(tmp_path, header)
    seen, found = looked(tmp_path, reader)
    assert seen.arguments["answer"] == "overlap" and seen.arguments["classes"] == classes
    more = [(0, 0), (0, 0), (0, len(classes) - 2)]
    assert found.equals({name: np.pad(masks, more) for name, masks in truth.items()})
    assert Format(**seen.form).columns == ["id", "class", "rle"]
    assert sum("read as a row for each image and class; a submission" in note for note in seen.notes) == 1


@pytest.mark.parametrize("row", ["q,,", "q,1 1,1 1", "q,0,0"])
def test_a_sample_with_a_column_for_each_class_is_not_followed_and_that_is_said(tmp_path, row):
    with_wide(tmp_path, "id,stomach,bowel")
    save(tmp_path / "test" / "q.png", scene(50)[0])
    table(tmp_path / "sample_submission.csv", "id,stomach,bowel", [row])
    seen, found = looked(tmp_path, reader)
    assert found.parts["q"] == "test" and found.sample is None and seen.form == {}
    assert any(
        "has the columns id,stomach,bowel; the submission that this project writes has" in n for n in found.notes
    )


def test_a_copy_of_the_run_lengths_is_said_and_not_read(tmp_path):
    truth = one_class(tmp_path)
    lines = [f"{name},{runs(labels)},{runs(labels, 'across')}" for name, labels in truth.items()]
    table(tmp_path / "train.csv", "id,rle,rle_row_major", lines)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and any("not read: rle_row_major" in note for note in seen.notes)


@pytest.mark.parametrize(
    ("name", "field"), [("mask_size", "40 50"), ("mask_bbox", "12 30 40 50"), ("mask_shape", "[704, 520]")]
)
def test_measures_of_masks_are_no_run_lengths(tmp_path, name, field):
    truth = one_class(tmp_path)
    table(
        tmp_path / "train.csv", f"id,rle,{name}", [f'{own},{runs(labels)},"{field}"' for own, labels in truth.items()]
    )
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and any(f"not read: {name}" in note for note in seen.notes)


def test_a_class_that_is_nowhere_hides_no_others(tmp_path):
    truth = one_class(tmp_path)
    rows = [f"{name},,{runs(labels)},1 1," for name, labels in truth.items()]
    # so many that of every fourth row one would be looked at
    rows += [f"{name}x{i},,1 1,2 1," for name in truth for i in range(400)]
    for row in rows[len(truth) :]:
        save(tmp_path / "train" / f"{row.split(',')[0]}.png", scene(0)[0][:8, :8])
    table(tmp_path / "train.csv", "id,rle_a,rle_b,rle_c,rle_d", rows)
    seen, _ = looked(tmp_path, reader)
    assert seen.arguments["classes"] == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("id,rle,annotation", "rle, annotation all hold run lengths"),
        ("class,a,b", "for each of a, b, and a column class"),
    ],
)
def test_several_columns_of_run_lengths_that_may_be_anything_are_refused(tmp_path, header, says):
    with_wide(tmp_path, header)
    with pytest.raises(UserError, match=rf"train.csv.* {says}"):
        looked(tmp_path, reader)


def objects(folder, separator="", count=6):
    """A row for each object, or all in one field. Returns id -> numbers."""
    rows, truth = [], {}
    for i in range(count):
        picture, labels = scene(i)
        number, parts = cv2.connectedComponents(labels * (i > 0))
        save(folder / "train" / f"t{i}.png", picture)
        texts = [runs(parts == k) for k in range(1, number)]
        rows += [f"t{i},{separator.join(texts)}"] if separator else [f"t{i},{text}" for text in texts or [""]]
        truth[f"t{i}"] = parts.astype(np.uint16)
    table(folder / "train.csv", "ImageId,EncodedPixels", rows)
    return truth


@pytest.mark.parametrize("separator", ["", ";"])
def test_a_row_for_each_object(tmp_path, separator):
    truth = objects(tmp_path, separator)
    seen, found = looked(tmp_path, reader)
    assert seen.arguments["answer"] == "objects" and found.equals(truth)
    classes = Read(tmp_path, read_runs, answer="classes")
    assert classes.equals({name: (labels > 0).astype(np.uint8) for name, labels in truth.items()})


def test_lists_in_brackets(tmp_path):
    def write(labels):
        text = runs(labels)
        return f'"[{", ".join(text.split())}]"' if text else "authentic"

    truth = one_class(tmp_path, write=write)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth)
    assert seen.arguments["dialect"].brackets and seen.arguments["dialect"].empty == "authentic"


def test_other_columns_are_no_classes(tmp_path):
    """A row for each image, with its size, an organ, an age: HuBMAP's."""
    truth = one_class(tmp_path)
    lines = (tmp_path / "train.csv").read_text().splitlines()
    rows = [f"{line},{('liver', 'lung')[i % 2]},{HEIGHT},{WIDTH},{30 + i}" for i, line in enumerate(lines[1:])]
    for name in ("tissue", "organ"):
        table(tmp_path / "train.csv", f"id,rle,{name},img_height,img_width,age", rows)
        seen, found = looked(tmp_path, reader)
        assert found.equals(truth) and seen.arguments["classes"] == ("object",)


@pytest.mark.parametrize(("nothing", "something"), [("0", "1"), ("normal", "polyp")])
def test_a_column_that_says_whether_there_is_anything_is_no_class(tmp_path, nothing, something):
    truth = one_class(tmp_path)
    lines = (tmp_path / "train.csv").read_text().splitlines()[1:]
    rows = [f"{line},{nothing if line.endswith(',') else something}" for line in lines]
    table(tmp_path / "train.csv", "id,rle,label", rows)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and seen.arguments["classes"] == ("object",)
    assert "the column label says whether there is anything: no class" in seen.notes
    # another one where there is something, too
    table(tmp_path / "train.csv", "id,rle,label", [*rows[:-1], f"{lines[-1]},other"])
    assert len(looked(tmp_path, reader)[0].arguments["classes"]) == 3


def test_pictures_of_other_folders_than_those_of_the_csv_are_left_out_and_that_is_said(tmp_path):
    """Of objects a picture without a row has none; those of another data set beside it are not known."""
    truth = objects(tmp_path)
    rows = [line for line in (tmp_path / "train.csv").read_text().splitlines() if not line.endswith(",")]
    table(tmp_path / "train.csv", rows[0], rows[1:])
    assert looked(tmp_path, reader)[0].arguments["unlisted"] == "empty"
    (tmp_path / "train" / "t0.png").unlink()
    save(tmp_path / "train_semi_supervised" / "s0.png", scene(9)[0])
    seen, found = looked(tmp_path, reader)
    truth.pop("t0")
    assert found.equals(truth) and seen.arguments["unlisted"] == "leave_out"
    assert any("train_semi_supervised/s0.png" in note and "left out" in note for note in found.notes)


def test_a_size_that_the_csv_says_and_the_picture_has_not(tmp_path):
    one_class(tmp_path)
    lines = (tmp_path / "train.csv").read_text().splitlines()
    table(tmp_path / "train.csv", "id,rle,height,width", [f"{line},{WIDTH},{HEIGHT}" for line in lines[1:]])
    with pytest.raises(UserError, match=r"row 2 says .* 56 x 40 .* the picture is 40 x 56; the two are exchanged"):
        Read(tmp_path, read_runs)


def with_ends(text, more=1):
    numbers = [int(word) for word in text.split()]
    ends = [start + length - more for start, length in zip(numbers[::2], numbers[1::2], strict=True)]
    return " ".join(f"{start} {end}" for start, end in zip(numbers[::2], ends, strict=True))


def broad(labels):
    """No run is of one pixel, none touches another, none ends with the last pixel: ends tell nothing of themselves."""
    return labels & np.roll(labels, 1, axis=0) | np.roll(labels, -1, axis=0) & labels


def with_corners(labels, order):
    """Runs of one pixel, and the last pixel."""
    if labels.any():
        labels[30, 3] = labels[-1, -1] = 1
    return runs(labels, order)


@pytest.mark.parametrize("order", ["down", "across"])
@pytest.mark.parametrize("more", [1, 0], ids=["inclusive", "exclusive"])
def test_starts_and_ends_are_read_where_a_run_tells_whether_the_end_belongs_to_it(tmp_path, order, more):
    truth = one_class(tmp_path, 9, write=lambda labels: with_ends(with_corners(labels, order), more))
    seen, found = looked(tmp_path, reader)
    kind = "inclusive" if more else "exclusive"
    assert found.equals(truth) and seen.arguments["dialect"].ends == seen.form["ends"] == kind
    assert any("'start end'" in line and f"(ends={kind})" in line for line in seen.notes)


def pixels(labels):
    return " ".join(map(str, np.flatnonzero(labels.T.ravel()) + 1))


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda labels: with_ends(runs(broad(labels))), "is a list of 'start end', not of 'start length'"),
        (lambda labels: with_ends(runs(broad(labels), first=0), 0), "no row tells whether the end belongs to the run"),
        (lambda labels: with_ends(runs(line(labels))), "is a list of 'start end', not of 'start length'"),
        (pixels, "lists the pixels of a mask one by one"),
        (
            lambda labels: runs(labels[::2, ::2]),
            "images are of masks of 1/2 of the size of their pictures (t1 has 40 x 56)",
        ),
        (lambda labels: runs(labels[::2, ::2], "across"), "masks of 1/2 of the size"),
        (lambda labels: runs(labels[::3, ::3]), "masks of 1/3 of the size"),
    ],
)
def test_numbers_that_are_not_start_and_length_in_the_picture_are_refused_for_what_they_are(tmp_path, write, says):
    one_class(tmp_path, 9, write=write)
    with pytest.raises(UserError) as caught:
        looked(tmp_path, reader)
    assert says in str(caught.value) and "train.csv" in str(caught.value)


def line(labels):
    """A part of one column in the first half, where a run as long as its last number ends in the picture."""
    found = np.zeros_like(labels)
    if labels.any():
        found[10:20, 14 + np.flatnonzero(labels)[0] % 9] = 1
    return found


@pytest.mark.parametrize("order", ["down", "across"])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize(
    "part", [(slice(0, 40), slice(0, 9)), (slice(0, 9), slice(0, 40)), (slice(0, 20), slice(0, 28))]
)
def test_masks_at_a_border_are_not_taken_for_something_else(tmp_path, order, relative, part):
    """Of all images in the same part of the picture, from the first pixel on."""

    def write(labels):
        rows, columns = part
        inside = np.zeros_like(labels)
        # its border differs from line to line
        for k in range(rows.stop):
            inside[k, : columns.stop - k % 3] = labels.any()
        labels[:] = inside
        return runs(labels, order, 1 - relative, relative)

    truth = one_class(tmp_path, write=write)
    assert looked(tmp_path, reader)[1].equals(truth)


# samples, test pictures, pictures without a row


def with_sample(folder, header="id,rle", row="{}.png,1 1"):
    truth = one_class(folder, key="t{}.png")
    for i in range(2):
        save(folder / "test_v2" / f"q{i}.png", scene(50 + i)[0])
    table(folder / "sample_submission.csv", header, [row.format(f"q{i}") for i in (1, 0)])
    return truth


def test_the_sample_says_what_is_to_be_answered(tmp_path):
    truth = with_sample(tmp_path)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and found.sample == (tmp_path / "sample_submission.csv").read_bytes()
    assert [name for name, part in found.parts.items() if part == "test"] == ["q1", "q0"]
    assert seen.form == {"id_column": "id", "rle_column": "rle", "ending": ".png"}


def test_a_sample_in_capitals(tmp_path):
    with_sample(tmp_path)
    (tmp_path / "sample_submission.csv").rename(tmp_path / "Sample_Submission.CSV")
    _, found = looked(tmp_path, reader)
    assert found.sample is not None and [name for name, part in found.parts.items() if part == "test"] == ["q1", "q0"]


def test_test_pictures_that_the_sample_does_not_name_are_said(tmp_path):
    with_sample(tmp_path)
    save(tmp_path / "test_v2" / "q9.png", scene(9)[0])
    _, found = looked(tmp_path, reader)
    assert "q9" not in found.parts
    assert any("1 test picture(s) that the sample does not name are left out: test_v2/q9.png" in n for n in found.notes)


def with_joined_sample(folder):
    def rows_of(name, masks):
        return [f"{name}.png_{k + 1},{runs(masks[..., k])}" for k in range(2)]

    truth = with_classes(folder, rows_of, "ImageId_ClassId,EncodedPixels")
    save(folder / "test" / "t_q.png", scene(50)[0])
    table(folder / "sample_submission.csv", "ImageId_ClassId,EncodedPixels", ["t_q.png_1,1 1", "t_q.png_2,1 1"])
    return truth


def test_the_sample_of_image_and_class_in_one(tmp_path):
    truth = with_joined_sample(tmp_path)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and found.parts["t_q"] == "test" and found.sample is not None
    form = Format(**seen.form)
    assert form.columns == ["ImageId_ClassId", "EncodedPixels"] and form.key("t_q", "2") == "t_q.png_2"


def with_steel(folder, header, rows):
    """Severstal's: the columns of the train csv in one order, those of the sample in another; ids with their ending."""

    def rows_of(name, masks):
        return [f"{name}.png,{k + 1},{runs(masks[..., k])}" for k in range(2) if masks[..., k].any()]

    truth = with_classes(folder, rows_of, "ImageId,ClassId,EncodedPixels")
    for i in range(2):
        save(folder / "test" / f"q{i}.png", scene(50 + i)[0])
    table(folder / "sample_submission.csv", header, rows)
    return truth


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("ImageId,EncodedPixels,ClassId", "{name},1 1,{number}"),
        ("EncodedPixels,ClassId,ImageId", "1 1,{number},{name}"),
        ("ClassId,ImageId,EncodedPixels", "{number},{name},1 1"),
        ("image,runs,label", "{name},1 1,{number}"),
        ("image,what is found,label", "{name},1 1,{number}"),
    ],
)
def test_the_sample_says_in_which_order_the_columns_are(tmp_path, header, row):
    rows = [row.format(name=f"q{i}.png", number=k) for i in range(2) for k in (1, 2)]
    truth = with_steel(tmp_path, header, rows)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and found.sample == (tmp_path / "sample_submission.csv").read_bytes()
    assert Format(**seen.form).columns == header.split(",") and seen.form["header"] == tuple(header.split(","))
    assert any("is written with" in note and f"the columns {header}" in note for note in seen.notes)


@pytest.mark.parametrize(
    "row", ["{name},1 1,3", "{name},1 1,9 9", "{name},1,1 1"], ids=["a class", "no class", "the runs elsewhere"]
)
def test_columns_that_hold_something_else_are_said(tmp_path, row):
    rows = [row.format(name=f"q{i}.png") for i in range(2)]
    with_steel(tmp_path, "ImageId,EncodedPixels,ClassId", [*rows[:-1], rows[-1][:-1] + "4"])
    seen, found = looked(tmp_path, reader)
    assert found.sample is None and seen.form == {} and any("must be rewritten" in note for note in found.notes)


def test_a_class_that_is_none_of_them_is_a_placeholder(tmp_path):
    """Severstal's own sample: a row for each image, of class 0."""
    rows = [f"q{i}.png,1 2240,0" for i in range(2)]
    truth = with_steel(tmp_path, "ImageId,EncodedPixels,ClassId", rows)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and found.sample is None
    assert {name for name, part in found.parts.items() if part == "test"} == {"q0", "q1"}
    assert Format(**seen.form).columns == ["ImageId", "EncodedPixels", "ClassId"]
    assert any("has the class 0 in every row, which is none of 1, 2: a placeholder" in note for note in found.notes)


def test_the_sample_says_what_is_empty_where_the_train_csv_has_nothing_empty(tmp_path):
    truth = with_sample(tmp_path, row="{},-")
    lines = (tmp_path / "train.csv").read_text().splitlines()
    filled = [line for line in lines if not line.endswith(",")]
    (tmp_path / "train.csv").write_text("\n".join(filled) + "\n")
    for name, labels in truth.items():
        if not labels.any():
            (tmp_path / "train" / f"{name}.png").unlink()
    seen, _ = looked(tmp_path, reader)
    assert seen.form["empty"] == "-"


def test_a_sample_with_names_of_train_images(tmp_path):
    truth = one_class(tmp_path)
    save(tmp_path / "test" / "t0.png", scene(9)[0])
    table(tmp_path / "sample_submission.csv", "id,rle", ["t0,"])
    _, found = looked(tmp_path, reader)
    assert found.equals({f"train_{name}": labels for name, labels in truth.items()}) and found.parts["t0"] == "test"
    assert any("the ids of these begin with train_" in note for note in found.notes)


@pytest.mark.parametrize(("header", "row"), [("id,height,width,predicted", "{},40,56,1 1"), ("id,rle,class", "{},,1")])
def test_a_sample_that_cannot_be_followed_is_said(tmp_path, header, row):
    truth = with_sample(tmp_path, header, row)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and found.sample is None and seen.form == {}
    assert {name for name, part in found.parts.items() if part == "test"} == {"q0", "q1"}
    assert any(f"has the columns {header}" in note and "must be rewritten" in note for note in found.notes)


def test_a_sample_without_rows_is_a_placeholder(tmp_path):
    truth = with_sample(tmp_path)
    (tmp_path / "sample_submission.csv").write_text("id,predicted\n")
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and seen.form == {"id_column": "id", "rle_column": "predicted"}
    assert any("no images: a placeholder" in note for note in found.notes)


def test_a_sample_of_other_pictures_is_refused(tmp_path):
    with_sample(tmp_path)
    table(tmp_path / "sample_submission.csv", "id,rle", ["q0.png,", "q9.png,"])
    with pytest.raises(UserError, match=r"sample_submission.csv: 1 of its ids have no picture: q9.png"):
        Read(tmp_path, read_runs)


def test_test_pictures_of_the_same_names(tmp_path):
    truth = one_class(tmp_path)
    save(tmp_path / "test" / "t0.png", scene(9)[0])
    _, found = looked(tmp_path, reader)
    assert found.equals(truth)
    assert [name for name, part in found.parts.items() if part == "test"] == ["test_t0"]


@pytest.mark.parametrize(("unlisted", "part"), [("test", "test"), ("empty", "train"), ("leave_out", None)])
def test_pictures_without_a_row(tmp_path, unlisted, part):
    one_class(tmp_path)
    save(tmp_path / "train" / "more.png", scene(9)[0])
    with pytest.raises(UserError, match=r"1 of 7 pictures have no row: train/more.png; say what they are"):
        Read(tmp_path, read_runs)
    found = Read(tmp_path, read_runs, unlisted=unlisted)
    assert found.parts.get("more") == part
    assert any("1 picture(s) without a row in train.csv" in note for note in found.notes)
    if part == "train":
        assert not found.labels["more"].any()


# what is damaged


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("1 2 x", r"row 4: .*not a list of whole numbers"),
        ("1 2 3", r"row 4: has an odd count of numbers"),
        ("2240 2", r"row 4: the run '2240 2' ends behind the last pixel of t2, which has 40 x 56 = 2240"),
        ("abc", r"row 4: 'abc' is no list of run lengths, and other rows without any say ''"),
    ],
)
def test_run_lengths_that_are_none(tmp_path, field, says):
    one_class(tmp_path)
    text = (tmp_path / "train.csv").read_text().splitlines()
    text[3] = f"t2,{field}"
    (tmp_path / "train.csv").write_text("\n".join(text) + "\n")
    if field == "2240 2":
        # another one that starts with the first pixel makes it no 0-based one
        (tmp_path / "train.csv").write_text("\n".join([*text[:3], "t2,2241 1 0 1", *text[4:]]) + "\n")
        says = r"row 4: the run '2241 1' ends behind the last pixel of t2"
    with pytest.raises(UserError, match=says) as found:
        Read(tmp_path, read_runs)
    assert "train.csv" in str(found.value) and len(str(found.value).splitlines()) == 1


def test_a_run_that_leaves_the_picture_where_the_dialect_is_given(tmp_path):
    one_class(tmp_path)
    text = (tmp_path / "train.csv").read_text().splitlines()
    text[3] = "t2,2240 2"
    (tmp_path / "train.csv").write_text("\n".join(text) + "\n")
    with pytest.raises(
        UserError, match=r"train.csv, row 4 .*the run '2240 2' ends behind the last pixel; it is 40 x 56"
    ):
        Read(tmp_path, read_runs, dialect=Format())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("t1,", "gone,"), "1 of 6 images that it names have no picture: gone"),
        (lambda text: text.replace("id,rle", "id,a,rle").replace(",", ",,").replace(",,a,,", ",a,"), ""),
    ],
)
def test_tables_that_do_not_fit(tmp_path, change, says):
    one_class(tmp_path)
    (tmp_path / "train.csv").write_text(change((tmp_path / "train.csv").read_text()))
    if says:
        with pytest.raises(UserError, match=says):
            Read(tmp_path, read_runs)


@pytest.mark.parametrize(("separator", "called"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
@pytest.mark.parametrize("file", ["train.csv", "train.tsv"])
def test_columns_separated_by_something_else_than_commas(tmp_path, separator, called, file):
    truth = one_class(tmp_path)
    text = (tmp_path / "train.csv").read_text().replace(",", separator)
    (tmp_path / "train.csv").unlink()
    (tmp_path / file).write_text(text)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and f"columns are separated by {called}" in seen.notes
    (tmp_path / "sample_submission.csv").write_text(f"id{separator}rle\nt0{separator}\n")
    with pytest.raises(UserError, match=rf"sample_submission.csv has columns separated by {called}, not by commas"):
        looked(tmp_path, reader)


def test_a_table_that_is_named_is_read_though_arrays_lie_beside_it(tmp_path):
    truth = one_class(tmp_path)
    (tmp_path / "train.csv").rename(tmp_path / "train.tsv")
    (tmp_path / "train.tsv").write_text((tmp_path / "train.tsv").read_text().replace(",", "\t"))
    np.save(tmp_path / "features.npy", np.zeros((6, 8)))
    layout_example.check(tmp_path, truth, "", "train.tsv")


@pytest.mark.parametrize("first", ["t1", "t0"], ids=["run lengths", "a picture with nothing in it"])
def test_a_table_without_names_of_columns_is_refused(tmp_path, first):
    one_class(tmp_path)
    rows = (tmp_path / "train.csv").read_text().splitlines()[1:]
    rows.sort(key=lambda row: not row.startswith(first))
    (tmp_path / "train.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(UserError, match=r"train.csv has no names of columns: its first line is .* \(such as id,rle\)"):
        looked(tmp_path, reader)


def test_pictures_that_are_called_otherwise(tmp_path):
    one_class(tmp_path)
    text = (tmp_path / "train.csv").read_text().replace("\nt", "\nother")
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(UserError, match=r"none of the columns id names the pictures, which are called t0.png"):
        Read(tmp_path, read_runs)


def test_no_table_and_no_run_lengths(tmp_path):
    one_class(tmp_path)
    with pytest.raises(UserError, match=r"holds no table other.csv"):
        Read(tmp_path, read_runs, table="other.csv")
    table(tmp_path / "train.csv", "id,z", ["t0,12"])
    with pytest.raises(UserError, match=r"none of the columns id, z holds run lengths"):
        Read(tmp_path, read_runs)


def test_one_image_of_many_that_is_there_twice(tmp_path):
    one_class(tmp_path, 24)
    text = (tmp_path / "train.csv").read_text()
    (tmp_path / "train.csv").write_text(text + text.splitlines()[2] + "\n")
    with pytest.raises(UserError, match=r"row 26: t1 is in row 3, too, and no other is there twice"):
        Read(tmp_path, read_runs)


def test_two_tables_are_not_chosen_from(tmp_path):
    one_class(tmp_path)
    (tmp_path / "older.csv").write_text((tmp_path / "train.csv").read_text())
    with pytest.raises(UserError, match=r"run lengths in 2 tables: older.csv, train.csv; name one"):
        looked(tmp_path, reader)
    seen, _ = looked(tmp_path, reader, named=("train", "older.csv"))
    assert seen.arguments["table"] == "older.csv"


def test_a_class_that_is_not_asked_for(tmp_path):
    with_classes(
        tmp_path, lambda name, m: [f"{name},{n},{runs(m[..., k])}" for k, n in enumerate("ab")], "id,class,rle"
    )
    with pytest.raises(UserError, match=r"row 5: the class 'b' is none of a"):
        Read(tmp_path, read_runs, classes=("a",))
