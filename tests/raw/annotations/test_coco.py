"""COCO: polygons, run lengths, crowds, categories with gaps, several files, and what is damaged."""

import copy
import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.raw.annotations import coco as reader
from pipeline.raw.annotations.coco import read_coco
from pipeline.raw.annotations.coco_json import uncompressed
from pipeline.raw.files import RawFiles
from tests.raw.annotations.scenes import HEIGHT, WIDTH, Read, coco, looked, save, scene, write


def compressed(counts) -> str:
    """The reverse of `uncompressed`, as COCO's C code does it."""
    text = ""
    for i, count in enumerate(counts):
        value = int(count) - (int(counts[i - 2]) if i > 2 else 0)
        more = True
        while more:
            digit = value & 31
            value >>= 5
            more = value != -1 if digit & 16 else value != 0
            text += chr((digit | 32 if more else digit) + 48)
    return text


def counts_of(mask) -> list[int]:
    flat = np.r_[0, mask.T.ravel() != 0, 2]
    edges = np.flatnonzero(np.diff(flat))
    return np.diff(np.r_[0, edges]).tolist()


def test_known_compressed_counts():
    # what pycocotools 2.0.11 writes for a column of three pixels, the middle one in
    assert uncompressed("111", "a").tolist() == [1, 1, 1]
    # and for 72 x 96 with a block of 20 x 30 at row 10, column 40
    block = np.zeros((72, 96), np.uint8)
    block[10:30, 40:70] = 1
    counts = counts_of(block)
    assert counts[:4] == [2890, 20, 52, 20]
    assert uncompressed(compressed(counts), "a").tolist() == counts


@given(st.lists(st.integers(0, 1 << 20), max_size=30))
def test_compressed_counts_are_read_again(counts):
    assert uncompressed(compressed(counts), "a").tolist() == counts


@pytest.mark.parametrize("text", ["1P", "o", "zzzzzzzzzzzzzzzz1", "é", " 1"])
def test_compressed_counts_that_are_none(text):
    with pytest.raises(UserError, match=r"a.json, annotation 3 has compressed run lengths that are"):
        uncompressed(text, "a.json, annotation 3")


@pytest.mark.parametrize("form", ["polygons", "counts", "compressed"])
def test_outlines_and_run_lengths(tmp_path, form):
    content, truth = coco(tmp_path / "images")
    for note in content["annotations"]:
        if form != "polygons":
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            cv2.fillPoly(mask, [np.array(note["segmentation"][0], np.int32).reshape(-1, 2)], 1)
            counts = counts_of(mask)
            counts = compressed(counts) if form == "compressed" else counts
            note["segmentation"] = {"size": [HEIGHT, WIDTH], "counts": counts}
    write(tmp_path / "annotations.json", content)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth)
    assert seen.arguments["classes"] == ("kind 1", "kind 2") and seen.arguments["points"] == "centres"


@pytest.mark.parametrize("is_used", [False, True])
def test_what_other_categories_are_called_together_is_no_class_where_nothing_is_called_so(tmp_path, is_used):
    """Roboflow's first category."""
    content, truth = coco(tmp_path / "images")
    for category in content["categories"]:
        category["supercategory"] = "kinds"
    content["categories"].insert(0, {"id": 0, "name": "kinds", "supercategory": "none"})
    if is_used:
        content["annotations"][0]["category_id"] = 0
    write(tmp_path / "annotations.json", content)
    seen, found = looked(tmp_path, reader)
    assert seen.arguments["classes"] == (*(["kinds"] if is_used else []), "kind 1", "kind 2")
    assert is_used or found.equals(truth)
    said = "kinds is what other categories are called together, and annotates nothing: no class"
    assert (said in found.notes) is not is_used


def test_layers_and_objects(tmp_path):
    content, truth = coco(tmp_path)
    write(tmp_path / "annotations.json", content)
    layers = Read(tmp_path, read_coco, answer="overlap")
    assert layers.equals({name: np.stack([t == 1, t == 2], axis=-1).astype(np.uint8) for name, t in truth.items()})
    objects = Read(tmp_path, read_coco, answer="objects")
    for name, labels in truth.items():
        assert ((objects.labels[name] > 0) == (labels > 0)).all() and objects.labels[name].dtype == np.uint16
        count = sum(n["image_id"] == int(name[1:]) + 1 for n in content["annotations"])
        assert objects.labels[name].max() == count


def test_several_parts_are_one_object(tmp_path):
    content, _ = coco(tmp_path, 2, 1)
    mine = [note for note in content["annotations"] if note["image_id"] == 1]
    assert len(mine) == 2
    mine[0]["segmentation"] += mine[1]["segmentation"]
    content["annotations"].remove(mine[1])
    write(tmp_path / "annotations.json", content)
    assert Read(tmp_path, read_coco, answer="objects").labels["c0"].max() == 1


def test_points_between_pixels(tmp_path):
    """The same outlines half a pixel farther out, in the coordinates of corners."""
    save(tmp_path / "a.png", scene(0)[0])
    outline = [10.5, 5.25, 20.5, 5.25, 20.5, 15.25, 10.5, 15.25]
    note = {"id": 1, "image_id": 7, "category_id": 3, "segmentation": [outline], "bbox": [10.5, 5.25, 10, 10]}
    images = [{"id": 7, "file_name": "a.png", "height": HEIGHT, "width": WIDTH}]
    content = {"images": images, "annotations": [note], "categories": [{"id": 3, "name": "a"}]}
    write(tmp_path / "annotations.json", content)
    seen, found = looked(tmp_path, reader)
    assert seen.arguments["points"] == "corners" and "between pixels" in seen.notes[0]
    assert found.labels["a"].sum() == 100 and found.labels["a"][5:15, 10:20].all()


def test_crowds_are_ignored_or_left_out_and_that_is_said(tmp_path):
    content, truth = coco(tmp_path)
    crowd = copy.deepcopy(content["annotations"][0]) | {"id": 99, "iscrowd": 1}
    crowd["segmentation"] = {"size": [HEIGHT, WIDTH], "counts": [0, 80, HEIGHT * WIDTH - 80]}
    content["annotations"].append(crowd)
    write(tmp_path / "annotations.json", content)
    seen, found = looked(tmp_path, reader)
    assert seen.can_ignore and seen.arguments["void"] == 255 and any("crowds" in note for note in seen.notes)
    ignored = np.zeros((HEIGHT, WIDTH), bool)
    ignored[:, :2] = True
    truth["c0"] = np.where(ignored & (truth["c0"] == 0), 255, truth["c0"]).astype(np.uint8)
    assert found.equals(truth)
    without = Read(tmp_path, read_coco, answer="objects")
    assert any("1 annotation(s) that are to be ignored are left out" in note for note in without.notes)
    assert not without.labels["c0"][:, :2].any()


def test_crowds_alone_are_objects_and_that_is_said(tmp_path):
    content, truth = coco(tmp_path)
    for note in content["annotations"]:
        note["iscrowd"] = 1
    write(tmp_path / "annotations.json", content)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and not seen.can_ignore
    assert any("annotations are marked as crowds (iscrowd: 1): they are taken as objects" in n for n in found.notes)


def test_points_in_shares_of_the_picture_are_refused(tmp_path):
    content, _ = coco(tmp_path)
    for note in content["annotations"]:
        note["segmentation"] = [
            (np.reshape(part, (-1, 2)) / (WIDTH, HEIGHT)).ravel().tolist() for part in note["segmentation"]
        ]
    write(tmp_path / "annotations.json", content)
    for points in ("", "corners"):
        with pytest.raises(UserError, match=r"lie between 0 and 1 .*annotation 1.*multiply them"):
            Read(tmp_path, read_coco, points=points)


def test_images_without_annotations_are_empty_and_pictures_without_a_line_are_not(tmp_path):
    content, truth = coco(tmp_path)
    content["annotations"] = [note for note in content["annotations"] if note["image_id"] != 2]
    truth["c1"] = np.zeros_like(truth["c1"])
    save(tmp_path / "more.png", scene(9)[0])
    write(tmp_path / "annotations.json", content)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and seen.arguments["unlisted"] == "test" and found.parts["more"] == "test"
    assert any("1 image(s) without annotations have nothing in them" in note for note in found.notes)
    assert any("1 picture(s) that no file lists are taken as to be answered" in note for note in found.notes)
    left = Read(tmp_path, read_coco, unlisted="leave_out")
    assert "more" not in left.parts
    assert not Read(tmp_path, read_coco, unlisted="empty").labels["more"].any()


@pytest.mark.parametrize(
    ("folders", "files"),
    [
        (("train2017", "val2017"), ("annotations/instances_train2017.json", "annotations/instances_val2017.json")),
        (("train", "valid"), ("train/_annotations.coco.json", "valid/_annotations.coco.json")),
    ],
)
def test_a_file_for_each_part_of_a_split_and_the_same_names_in_both(tmp_path, folders, files):
    truth = {}
    for k, (folder, file) in enumerate(zip(folders, files, strict=True)):
        content, own = coco(tmp_path / folder, 3, start=0)
        for item, image in zip(range(3), content["images"], strict=True):
            picture, _ = scene(item + 10 * k)
            save(tmp_path / folder / image["file_name"], picture)
        write(tmp_path / file, content)
        truth |= {f"{folder}/{name}": labels for name, labels in own.items()}
    (tmp_path / "annotations").mkdir(exist_ok=True)
    write(tmp_path / "annotations" / "captions_train2017.json", {"images": [], "annotations": []})
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and len(seen.arguments["tables"]) == 2
    # each file's own pictures
    assert not np.array_equal(found.pictures[f"{folders[0]}/c0"], found.pictures[f"{folders[1]}/c0"])


def test_names_with_folders_and_other_slashes(tmp_path):
    content, truth = coco(tmp_path / "data" / "images")
    for i, image in enumerate(content["images"]):
        image["file_name"] = ("images\\" if i % 2 else "./images/") + image["file_name"]
    write(tmp_path / "labels.json", content)
    assert looked(tmp_path, reader)[1].equals(truth)


def test_test_pictures_are_answered(tmp_path):
    content, truth = coco(tmp_path / "train")
    save(tmp_path / "test" / "q.png", scene(9)[0])
    write(tmp_path / "annotations.json", content)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and found.parts["q"] == "test" and seen.arguments["test"] == "test"


def test_overlaps_of_classes_are_said(tmp_path):
    content, _ = coco(tmp_path)
    content["annotations"].append(content["annotations"][0] | {"id": 50, "category_id": 20})
    write(tmp_path / "annotations.json", content)
    found = Read(tmp_path, read_coco)
    assert found.doubts["c0"] == "annotations of different classes overlap (the later one wins)"
    assert found.doubts["c2"] is None


def spoilt(content, change):
    found = copy.deepcopy(content)
    change(found)
    return found


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c["annotations"][1].update(segmentation=[[1, 2, 3, 4]]), "annotation 2 is a polygon of 2 point"),
        (lambda c: c["annotations"][1].update(segmentation=[[900] * 8]), "annotation 2 .*lies outside of the picture"),
        (
            lambda c: c["annotations"][1].update(category_id=77),
            "annotation 2 is of the category 77, which the file does",
        ),
        (lambda c: c["annotations"][1].update(image_id=77), "annotation 2 is of the image 77, which the file does not"),
        (lambda c: c["annotations"][1].pop("segmentation"), "annotation 2 has no segmentation, only a box"),
        (lambda c: c["annotations"][1].update(segmentation=[]), "annotation 2 has no segmentation, only a box"),
        (
            lambda c: c["annotations"][1].update(segmentation={"size": [HEIGHT, WIDTH], "counts": [5, 6]}),
            "annotation 2 has run lengths of 11 pixels in all for 40 x 56 = 2240",
        ),
        (
            lambda c: c["annotations"][1].update(segmentation={"size": [WIDTH, HEIGHT], "counts": [2240]}),
            "annotation 2 .*has run lengths of 56 x 40 pixels",
        ),
        (lambda c: c["images"][1].update(file_name="gone.png"), "lists 1 of 4 pictures that are not there: gone.png"),
        (
            lambda c: c["images"][1].update(height=WIDTH, width=HEIGHT),
            "image 2 says that c1.png is 56 x 40 .*exchanged",
        ),
        (lambda c: c["images"][1].update(id=1), "the image '1' has no file_name, or its id is there twice"),
        (lambda c: c["images"][1].update(file_name="c0.png"), "image 2 is the picture c0.png, which is .*image 1, too"),
        (lambda c: c.pop("categories"), "has no list of categories"),
        (lambda c: c.update(annotations={}), "has no list of annotations"),
        (lambda c: c.update(annotations=[]), "nothing is annotated on its 4 train images"),
    ],
)
def test_what_is_damaged_is_a_line(tmp_path, change, says):
    content, _ = coco(tmp_path)
    write(tmp_path / "annotations.json", spoilt(content, change))
    with pytest.raises(UserError, match=says) as found:
        looked(tmp_path, reader)
    assert len(str(found.value).splitlines()) == 1


def test_a_json_that_is_cut_off(tmp_path):
    content, _ = coco(tmp_path)
    text = json.dumps(content)
    (tmp_path / "annotations.json").write_text(text[: len(text) // 2])
    with pytest.raises(UserError, match=r"annotations.json is (cut off|no json) \(.*line 1\); download it again"):
        looked(tmp_path, reader)


def test_what_else_is_json_is_not_taken_for_it(tmp_path):
    save(tmp_path / "a.png", scene(0)[0])
    write(tmp_path / "settings.json", {"width": 3})
    (tmp_path / "broken.json").write_text("{")
    with RawFiles(tmp_path) as raw:
        assert reader.look(raw, "", ()) is None
    with pytest.raises(UserError, match="holds no json with images and annotations"):
        Read(tmp_path, read_coco)
