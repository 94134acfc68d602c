"""Drafts from annotations: the file that `new` writes prepares, and its kind of answer is what the data asks for."""

import importlib.util
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from pipeline.stages.prepare import convert
from pipeline.store import answer_file, submission
from pipeline.store.prepared import Prepared
from pipeline.tools import new
from tests.drafting import mask_folders
from tests.raw.annotations import scenes
from tests.raw.annotations import test_labelme as of_labelme
from tests.raw.annotations import test_runs as of_runs
from tests.raw.annotations import test_voc as of_voc
from tests.raw.annotations import test_yolo as of_yolo
from tests.start import ROOT, TINY
from tests.tools import test_new as of_new


@pytest.fixture
def made(tmp_path, monkeypatch, capsys):
    """Writes the file for tmp_path/raw, prepares by it; the competition, what is prepared, and what was said."""
    copy = tmp_path / "competitions"
    shutil.copytree(ROOT / "pipeline" / "competitions", copy)
    monkeypatch.setattr(new, "COMPETITIONS", copy)

    def make(*words, **options):
        new.run(None, ["mine", str(tmp_path / "raw"), *words], **options)
        spec = importlib.util.spec_from_file_location("written_mine", copy / "mine.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        with RawFiles(tmp_path / "raw") as raw:
            convert(module.competition, raw, tmp_path / "prepared", {})
        return module.competition, Prepared(tmp_path / "prepared"), capsys.readouterr().out

    return make


def equal(prepared, truth) -> bool:
    """Whether the labels of the train images are these."""
    rows = prepared.train
    ids = prepared.table["id"].iloc[rows].tolist()
    found = {name: np.squeeze(prepared.labels[row]) for name, row in zip(ids, range(len(rows)), strict=True)}
    return set(found) == set(truth) and all(np.array_equal(found[name], truth[name]) for name in truth)


def many_coco(raw, **more):
    content, truth = scenes.coco(raw, 6, **more)
    scenes.write(raw / "annotations.json", content)
    return truth


def test_coco_of_classes_that_exclude_each_other(made, tmp_path):
    truth = many_coco(tmp_path / "raw")
    competition, prepared, said = made()
    assert competition.task.classes == ("background", "kind 1", "kind 2") and equal(prepared, truth)
    assert (
        "COCO annotations in annotations.json" in said and "they exclude each other (--answer overlap, objects)" in said
    )


def test_coco_of_classes_that_overlap(made, tmp_path):
    content, _ = scenes.coco(tmp_path / "raw", 6)
    first = content["annotations"]
    content["annotations"] = first + [note | {"id": 1000 + note["id"], "category_id": 20} for note in first]
    scenes.write(tmp_path / "raw" / "annotations.json", content)
    competition, _, said = made()
    assert competition.task.classes == ("kind 1", "kind 2") and competition.task.layers == 2
    assert "they may overlap" in said and competition.format.class_column == "class"


@pytest.mark.parametrize(("answer", "layers"), [("objects", 1), ("overlap", 2), ("classes", 1)])
def test_the_answer_that_is_asked_for(made, tmp_path, answer, layers):
    many_coco(tmp_path / "raw")
    competition, prepared, said = made(answer=answer)
    assert competition.task.layers == layers and competition.task.objects == (answer == "objects")
    assert competition.format.several == (answer == "objects")
    assert ("2 classes become one" in said) == (answer == "objects")
    assert prepared.info["layers"] == layers


def test_one_class_and_crowds(made, tmp_path):
    truth = many_coco(tmp_path / "raw", classes=1)
    competition, prepared, _ = made()
    assert competition.task.classes == ("kind 1",) and equal(prepared, truth)
    content, _ = scenes.coco(tmp_path / "raw", 6, classes=1)
    content["annotations"].append(content["annotations"][0] | {"id": 99, "iscrowd": 1})
    scenes.write(tmp_path / "raw" / "annotations.json", content)
    competition, _, said = made()
    assert competition.task.void == 255 and competition.task.classes == ("background", "kind 1")
    assert "1 annotation(s) are of crowds" in said


def test_labelme(made, tmp_path):
    truth = of_labelme.folder(tmp_path / "raw", count=6)
    competition, prepared, _ = made()
    assert competition.task.classes == ("background", "b", "z") and equal(prepared, truth)


def test_yolo(made, tmp_path):
    truth = of_yolo.tree(tmp_path / "raw")
    _, prepared, said = made()
    assert equal(prepared, truth) and "YOLO's outlines of 6 pictures" in said


@pytest.mark.parametrize("answer", ["", "objects"])
def test_voc(made, tmp_path, answer):
    truth = of_voc.folder(tmp_path / "raw", count=6)
    competition, prepared, _ = made(**({"answer": answer} if answer else {}))
    assert competition.task.objects == bool(answer)
    if not answer:
        assert competition.task.void == 255 and len(competition.task.classes) == 21 and equal(prepared, truth)


def test_arrays(made, tmp_path):
    (tmp_path / "raw").mkdir()
    pairs = [scenes.scene(i) for i in range(6)]
    np.save(tmp_path / "raw" / "X.npy", np.stack([picture for picture, _ in pairs]))
    np.save(tmp_path / "raw" / "Y.npy", np.stack([labels for _, labels in pairs]))
    competition, prepared, _ = made()
    assert competition.task.classes == ("object",)
    assert equal(prepared, {str(i): labels for i, (_, labels) in enumerate(pairs)})


def values(kind: str) -> list[np.ndarray]:
    """Masks whose values need to be judged, one kind for each word."""
    classes = 2 if kind in ("steps", "numbers", "ends", "colours", "rims") else 1
    found = [mask_folders.scene(i, classes) for i in range(6)]
    if kind == "stray":
        found = [labels * np.uint8(255) for labels in found]
        found[4][60, 80] = 1
    elif kind == "mixed":
        found[3:] = [labels * np.uint8(255) for labels in found[3:]]
    elif kind == "blurred":
        found = [cv2.GaussianBlur(labels * np.uint8(255), (3, 3), 0) for labels in found]
    elif kind == "jpeg":
        found = [cv2.imdecode(cv2.imencode(".jpg", labels * 255)[1], 0) for labels in found]
    elif kind == "steps":
        found = [labels * np.uint8(100) for labels in found]
    elif kind == "ends":
        found = [np.array([0, 127, 255], np.uint8)[labels] for labels in found]
    elif kind == "rims":
        for labels in found:
            labels[:3] = 255
    elif kind == "colours":
        found = [np.array([[0, 0, 0], [128, 64, 0], [0, 128, 128]], np.uint8)[labels] for labels in found]
    elif kind == "opaque":
        found = [np.array([[0, 0, 0, 255], [255, 0, 0, 255]], np.uint8)[labels] for labels in found]
    elif kind == "alike":
        found = [np.repeat(labels[..., None] * np.uint8(255), 3, axis=2) for labels in found]
    return found


KINDS = ("plain", "stray", "mixed", "blurred", "jpeg", "numbers", "steps", "ends", "rims", "colours", "opaque", "alike")


@pytest.mark.parametrize("answer", ["", "objects"])
@pytest.mark.parametrize("kind", KINDS)
def test_arrays_mean_what_pictures_of_the_same_values_do(tmp_path, kind, answer):
    masks = values(kind)
    of_pictures = mask_folders.drafted(mask_folders.folder_of(tmp_path / "png", masks), answer)
    shutil.copytree(tmp_path / "png" / "images", tmp_path / "npy" / "images")
    (tmp_path / "npy" / "masks").mkdir()
    for i, mask in enumerate(masks):
        np.save(tmp_path / "npy" / "masks" / f"p{i:02d}.npy", mask)
    of_arrays = mask_folders.drafted(tmp_path / "npy", answer)
    wanted, found = (replace(draft.kind, reads=None) for draft, _ in (of_pictures, of_arrays))
    assert found == wanted and np.array_equal(of_arrays[1], of_pictures[1])
    said = [line.replace(".npy", ".png") for line in of_arrays[0].said]
    assert [line for line in of_pictures[0].said[1:] if line not in said] == []


def test_run_lengths_with_a_sample(made, tmp_path):
    truth = of_runs.with_sample(tmp_path / "raw")
    competition, prepared, said = made()
    assert equal(prepared, truth) and competition.format.columns == ["id", "rle"]
    assert prepared.sample.read_bytes() == (tmp_path / "raw" / "sample_submission.csv").read_bytes()
    assert "runs go down the columns: masks are compact then" in said


def test_the_order_of_columns_is_that_of_the_sample(made, tmp_path):
    header = "ImageId,EncodedPixels,ClassId"
    rows = [f"q{i}.png,,{k}" for i in (1, 0) for k in (1, 2)]
    truth = of_runs.with_steel(tmp_path / "raw", header, rows)
    competition, prepared, said = made()
    assert equal(prepared, truth) and competition.format.columns == header.split(",")
    assert prepared.sample.read_bytes() == (tmp_path / "raw" / "sample_submission.csv").read_bytes()
    assert f"the columns {header}" in said
    expected = submission.expected(competition, prepared)
    assert answer_file.validate(prepared.sample, competition.format, expected).empty == 1


def test_run_lengths_of_objects_and_of_classes(made, tmp_path):
    truth = of_runs.objects(tmp_path / "raw")
    competition, prepared, _ = made()
    assert competition.task.objects and competition.format.columns == ["ImageId", "EncodedPixels"]
    assert equal(prepared, truth)


def test_a_submission_is_written_as_the_csv_is(made, tmp_path):
    of_runs.one_class(tmp_path / "raw", empty="-1", order="across", key="t{}.png")
    competition, _, said = made()
    assert "the submission is written with names that end in .png, runs across the rows, '-1' where" in said
    form = competition.format
    assert (form.order, form.empty, form.key("a")) == ("across", "-1", "a.png") and form.pictures


def test_masks_that_are_pictures_come_first(made, tmp_path):
    truth = of_runs.one_class(tmp_path / "raw")
    for name, labels in truth.items():
        scenes.save(tmp_path / "raw" / "images" / f"{name}.png", scenes.scene(0)[0])
        scenes.save(tmp_path / "raw" / "masks" / f"{name}.png", labels * np.uint8(255))
    shutil.rmtree(tmp_path / "raw" / "train")
    _, _, said = made()
    assert "run lengths" not in said


def test_a_file_that_is_named(made, tmp_path):
    of_runs.one_class(tmp_path / "raw")
    (tmp_path / "raw" / "train.csv").rename(tmp_path / "raw" / "a.csv")
    (tmp_path / "raw" / "b.csv").write_text((tmp_path / "raw" / "a.csv").read_text())
    with pytest.raises(UserError, match=r"run lengths in 2 tables: a.csv, b.csv"):
        made()
    assert "run lengths in b.csv" in made("train", "b.csv")[2]


def test_two_kinds_of_annotations_and_the_one_of_fewer_images_is_said(made, tmp_path):
    truth = many_coco(tmp_path / "raw")
    shape = {"label": "a", "shape_type": "rectangle", "points": [[1, 1], [5, 5]]}
    scenes.write(tmp_path / "raw" / "c0.json", of_labelme.page("c0.png", [shape]))
    _, prepared, said = made()
    assert equal(prepared, truth) and "not read: labelme's json files of 1 pictures" in said


def test_channels_and_sizes_are_looked_at(made, tmp_path):
    truth = many_coco(tmp_path / "raw")
    for name in truth:
        picture = cv2.imread(str(tmp_path / "raw" / f"{name}.png"))
        scenes.save(tmp_path / "raw" / f"{name}.png", picture[..., 0])
    competition, prepared, said = made()
    assert prepared.info["channels"] == 1 and "40 x 56 pixels (height x width), grey, uint8" in said
    assert competition.recipes["default"]["size"] == 0


def ring(i):
    """The points of a square outline, x y x y …, as text; x + y is about the height of the picture."""
    x, y = 25 - i, 8 + i
    return ", ".join(f"{x + a}, {y + b}" for a, b in ((0, 0), (0, 4), (0, 9), (4, 9), (9, 9), (9, 4), (9, 0), (4, 0)))


BOX, OUTLINE = "is a box (4 numbers), not run lengths", "holds the points of an outline, not run lengths"


@pytest.mark.parametrize(
    ("header", "row", "says"),
    [
        ("image_id,bbox,label", 't{i},"[{i}, 8, 20, 30]",car', f"row 2: '[0, 8, 20, 30]' in the column bbox {BOX}"),
        ("image_id,bbox", "t{i},{i} 20 30 9", BOX),
        ("image_id,bbox", 't{i},"[{i}.0, 8.0, 20.0, 30.0]"', BOX),
        ("image_id,place", 't{i},"{i}.5 8.25 20.5 30.5"', f"'0.5 8.25 20.5 30.5' in the column place {BOX}"),
        ("image_id,numbers", "t{i},{i} 20 30 9", f"row 2: '0 20 30 9' {BOX}"),
        ("image_id,xmin,ymin,xmax,ymax", "t{i},{i},8,20,30", f"what its columns xmin, ymin, xmax, ymax hold {BOX}"),
        ("image_id,x_min,y_min,x_max,y_max", "t{i},{i},8,20,30", BOX),
        ("image_id,x,y,w,h,label", "t{i},{i},8,20,30,car", BOX),
        ("image_id,polygon", 't{i},"[[{ring}]]"', f"in the column polygon {OUTLINE}"),
        ("image_id,segmentation", 't{i},"[{ring}]"', OUTLINE),
        ("image_id,rle", "t{i},1.0 3.0 45.0 3.0", "'1.0 3.0 45.0 3.0' in the column rle holds numbers with a point"),
        ("image_id,rle", "t{i},j<1S28K2N2N2N2O00000O20N1", "holds compressed run lengths as COCO has them"),
    ],
)
@pytest.mark.parametrize("named", [(), ("train", "train.csv")])
def test_what_is_no_run_lengths_is_refused_for_what_it_is(made, tmp_path, header, row, says, named):
    of_runs.one_class(tmp_path / "raw")
    scenes.table(tmp_path / "raw" / "train.csv", header, [row.format(i=i, ring=ring(i)) for i in range(6)])
    with pytest.raises(UserError) as caught:
        made(*named)
    assert "train.csv" in str(caught.value) and says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("via.json", '{"a.png1": {"regions": [{"shape_attributes": {}}]}}', "via.json holds annotations of VIA"),
        ("via.csv", "filename,region_shape_attributes\na.png,{}\n", "via.csv holds annotations of VIA"),
        ("a.xml", '<annotations>\n<image id="0" name="a.png"/></annotations>', "a.xml holds annotations of CVAT"),
        ("a.xml", "<annotation>\n<object><bndbox></bndbox></object></annotation>", "masks cannot be made of boxes"),
        ("a.jsonl", '{"id": "t0"}', "a.jsonl holds annotations as a json in each line, which are not read"),
        ("notes.json", '{"author": "me"}', "holds no pictures in a folder images/"),
    ],
)
def test_annotations_of_other_programs_are_called_by_their_name(made, tmp_path, name, text, says):
    of_runs.one_class(tmp_path / "raw")
    (tmp_path / "raw" / "train.csv").unlink()
    (tmp_path / "raw" / name).write_text(text)
    with pytest.raises(UserError) as caught:
        made()
    assert says in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_boxes_beside_annotations_that_are_read_are_no_matter(made, tmp_path):
    truth = many_coco(tmp_path / "raw")
    scenes.table(tmp_path / "raw" / "boxes.csv", "image_id,bbox", [f"{name},1 2 3 4" for name in truth])
    assert equal(made()[1], truth)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_csv_in_utf_16_is_read_by_its_mark(made, tmp_path, encoding):
    truth = of_runs.one_class(tmp_path / "raw")
    path = tmp_path / "raw" / "train.csv"
    path.write_bytes(path.read_text().encode(encoding))
    if encoding == "utf-16":
        _, prepared, out = made()
        assert equal(prepared, truth) and "train.csv is in UTF-16, by its byte order mark" in out
        return
    with pytest.raises(UserError, match=r"train.csv, row 1: holds a NUL byte: it is damaged, or in UTF-16 without its"):
        made()


def test_a_table_that_is_called_as_a_text_is_refused_for_that(made, tmp_path):
    of_runs.one_class(tmp_path / "raw")
    path = tmp_path / "raw" / "train.csv"
    (tmp_path / "raw" / "train.txt").write_bytes(path.read_text().encode("utf-16"))
    path.unlink()
    with pytest.raises(
        UserError, match=r"train.txt holds run lengths, but tables are read by their ending; call it .csv"
    ):
        made()


def test_damaged_annotations_are_a_line_and_no_file_is_written(made, tmp_path):
    content, _ = scenes.coco(tmp_path / "raw", 6)
    content["annotations"][3]["category_id"] = 5
    scenes.write(tmp_path / "raw" / "annotations.json", content)
    with pytest.raises(UserError, match=r"annotations.json, annotation 4 is of the category 5"):
        made()
    assert not (tmp_path / "competitions" / "mine.py").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["joined", "coco"])
def test_from_annotations_to_a_submission(tmp_path, kind):
    """Three commands at most: this is two."""
    raw = tmp_path / "raw"
    if kind == "joined":
        of_runs.with_joined_sample(raw)
    else:
        many_coco(raw)
    checkout = of_new._copied_package(tmp_path)
    of_new._run(checkout, "new", "mine", raw)
    of_new._run(checkout, "mine", "--data", raw, "--recipe", "smoke", *TINY, "--trained-folds", "1", "--run", "tiny")
    header, *rows = (checkout / "submissions" / "mine-tiny.csv").read_text().splitlines()
    wanted = {"joined": "ImageId_ClassId,EncodedPixels", "coco": "id,class,rle"}
    assert header == wanted[kind] and rows
    if kind == "joined":
        assert [row.split(",")[0] for row in rows] == ["t_q.png_1", "t_q.png_2"]
