"""labelme: shapes of every kind, pictures in the json, and what is damaged."""

import base64
import json

import cv2
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.raw.annotations import labelme as reader
from pipeline.raw.annotations.labelme import read_labelme
from tests.raw.annotations.scenes import HEIGHT, WIDTH, Read, filled, looked, outlines, save, scene, write


def shape(points, label="cell", kind="polygon", **more):
    return {"label": label, "shape_type": kind, "points": np.asarray(points).tolist(), "group_id": None} | more


def page(name, shapes, **more):
    size = {"imageHeight": HEIGHT, "imageWidth": WIDTH}
    return {"version": "5.0", "imagePath": name, "imageData": None, "shapes": shapes} | size | more


def folder(path, place="", count=3, classes=2):
    """Writes pictures and jsons; id -> labels, classes by sorted names: b is 1."""
    truth = {}
    for i in range(count):
        picture, labels = scene(i, classes)
        save(path / "images" / f"m{i}.png", picture)
        shapes = [shape(o, "zb"[k - 1 :: -1][0]) for k in (1, 2) for o in outlines(labels == k)]
        write(
            path / (place or "images") / f"m{i}.json",
            page(f"m{i}.png" if not place else f"..\\images\\m{i}.png", shapes),
        )
        found = filled(labels)
        truth[f"m{i}"] = np.choose(found, (0, 2, 1)).astype(np.uint8)
    return truth


@pytest.mark.parametrize("place", ["", "json"])
def test_a_json_beside_each_picture_or_elsewhere(tmp_path, place):
    truth = folder(tmp_path, place)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and seen.arguments["classes"] == ("b", "z")
    assert "labels in this order: b, z" in seen.what


def one(path, shapes, **more):
    save(path / "a.png", scene(0)[0])
    write(path / "a.json", page("a.png", shapes, **more))
    return path


@pytest.mark.parametrize(
    ("drawn", "pixels"),
    [
        (shape([[2, 3], [6, 8]], kind="rectangle"), 30),
        (shape([[6, 8], [2, 3]], kind="rectangle"), 30),
        (shape([[2.5, 3.5], [6.5, 8.5]], kind="rectangle"), 20),
        (shape([[2, 3], [6, 3], [6, 8], [2, 8]], kind="rectangle"), 30),
        (shape([[20, 10], [24, 14], [20, 18], [16, 14]], kind="rotation"), 41),
        (shape([[10, 10], [10, 13]], kind="circle"), 29),
    ],
)
def test_rectangles_and_circles(tmp_path, drawn, pixels):
    found = Read(one(tmp_path, [drawn]), read_labelme)
    assert found.labels["a"].sum() == pixels


MASK = np.pad(np.full((2, 4), 255, np.uint8), ((1, 1), (2, 0)))
IN_THE_JSON = base64.b64encode(cv2.imencode(".png", MASK)[1].tobytes()).decode()


def test_masks_in_the_json(tmp_path):
    found = Read(one(tmp_path, [shape([[7, 5], [12, 8]], kind="mask", mask=IN_THE_JSON)]), read_labelme)
    assert found.labels["a"].sum() == 8 and found.labels["a"][6:8, 9:13].all()


def test_a_picture_in_the_json_alone(tmp_path):
    picture, labels = scene(3)
    content = base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode()
    write(tmp_path / "a.json", page("gone.png", [shape(o) for o in outlines(labels)], imageData=content))
    _, found = looked(tmp_path, reader)
    assert found.equals({"a": filled(labels)}) and (found.pictures["a"][..., ::-1] == picture).all()


def test_what_has_no_area_is_left_out_and_counted(tmp_path):
    shapes = [
        shape([[2, 3], [6, 8]], kind="rectangle"),
        shape([[1, 1], [9, 9]], kind="line"),
        shape([[1, 1]], kind="point"),
    ]
    _, found = looked(one(tmp_path, shapes), reader)
    assert found.labels["a"].sum() == 30
    assert any("2 shape(s) without an area (line, point) are left out, the first: " in note for note in found.notes)


def test_shapes_of_a_group_are_one_object(tmp_path):
    boxes = [([[2, 3], [6, 8]], 1), ([[10, 3], [14, 8]], 1), ([[20, 3], [24, 8]], None), ([[30, 3], [34, 8]], None)]
    one(tmp_path, [shape(points, kind="rectangle", group_id=group) for points, group in boxes])
    labels = Read(tmp_path, read_labelme, answer="objects").labels["a"]
    assert labels.max() == 3 and labels[4, 3] == labels[4, 12] != labels[4, 22]


def test_what_is_to_be_ignored_and_what_is_background(tmp_path):
    rectangles = [([[2, 3], [6, 8]], "cell"), ([[10, 3], [14, 8]], "__ignore__"), ([[20, 3], [24, 8]], "_background_")]
    one(tmp_path, [shape(points, label, "rectangle") for points, label in rectangles])
    seen, found = looked(tmp_path, reader)
    assert seen.arguments["classes"] == ("cell",) and seen.can_ignore
    assert np.bincount(found.labels["a"].ravel())[[1, 255]].tolist() == [30, 30]


@pytest.mark.parametrize("answer", ["classes", "overlap", "objects"])
def test_background_cuts_holes_into_what_is_drawn_before_it(tmp_path, answer):
    rectangles = [([[2, 3], [20, 20]], "cell"), ([[0, 0], [9, 9]], "__ignore__"), ([[5, 5], [10, 10]], "_background_")]
    rectangles.append(([[7, 7], [8, 8]], "cell"))
    one(tmp_path, [shape(points, label, "rectangle") for points, label in rectangles])
    seen, found = looked(tmp_path, reader, answer)
    labels = found.labels["a"]
    assert labels[4, 4] == labels[15, 15] == 1 and labels[7, 7] > 0 and not labels[6, 5:11].any()
    assert labels[1, 1] == (255 if answer == "classes" else 0)
    assert any("1 shape(s) called _background_ cut holes" in note for note in found.notes)
    assert found.doubts["a"] is None and seen.arguments["classes"] == ("cell",)


def test_background_that_leaves_nothing_is_doubted(tmp_path):
    rectangles = [([[2, 3], [20, 20]], "cell"), ([[0, 0], [55, 39]], "_background_")]
    found = Read(one(tmp_path, [shape(points, label, "rectangle") for points, label in rectangles]), read_labelme)
    assert "cuts away all" in found.doubts["a"] and not found.labels["a"].any()


def test_pictures_without_a_json(tmp_path):
    truth = folder(tmp_path)
    save(tmp_path / "images" / "more.png", scene(9)[0])
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and found.parts["more"] == "test" and seen.arguments["unlisted"] == "test"
    assert any("1 picture(s) without a json are taken as to be answered" in note for note in found.notes)


@pytest.mark.parametrize(
    ("drawn", "says"),
    [
        (shape([[1, 1], [9, 9]]), "shape 1 is a polygon of 2 point"),
        (shape([[1, 1], [9, 9], [3, 3]], kind="circle"), "shape 1 is a circle of 3 points"),
        (shape([[1, 1], [9, 9]], kind="spline"), "shape 1 is a spline, which is not known"),
        (shape([[1, 1], [9, 1], [9, 9], [5, 5]], kind="ellipse"), "shape 1 is an? ellipse, which is not known"),
        (shape([[1, 1], [9, 1], [9, 9]], kind="rectangle"), "shape 1 is a rectangle of 3 points, not of 2 or 4"),
        (shape([[1, 1], [9, 9]], kind="rotation"), "shape 1 is a rotation of 2 points, not of 4"),
        (shape([[0.2, 0.1], [0.9, 0.1], [0.5, 1]]), "points of all outlines lie between 0 and 1 .*shape 1.*shares"),
        (shape([[1, 1], [9, 9], [float("nan"), 3]]), "shape 1 has points that are infinite or no numbers"),
        (shape([[900, 900], [990, 990], [900, 990]]), "shape 1 .*lies outside of the picture"),
        (shape([[1, 1], [5, 5]], kind="mask", mask="?"), "shape 1 has a mask that cannot be read"),
        (shape([], kind="mask", mask=IN_THE_JSON), "shape 1 is a mask without the point of its corner"),
        (shape([]), "shape 1 is a polygon of 0 point"),
        (shape([], kind="circle"), "shape 1 is a circle of 0 points, not of 2"),
        ({"label": "a"}, "shape 1 has no label or no points"),
        ({"label": "a", "points": [[1, 2], [3]]}, "shape 1 has points that are no pairs of numbers"),
    ],
)
def test_shapes_that_are_none(tmp_path, drawn, says):
    with pytest.raises(UserError, match=says) as found:
        looked(one(tmp_path, [drawn]), reader)
    assert "a.json" in str(found.value) and len(str(found.value).splitlines()) == 1


def test_files_that_do_not_fit(tmp_path):
    one(tmp_path, [shape([[2, 3], [6, 8]], kind="rectangle")], imageHeight=WIDTH, imageWidth=HEIGHT)
    with pytest.raises(UserError, match=r"a.json says that a.png is 56 x 40 .*exchanged"):
        looked(tmp_path, reader)
    text = json.dumps(page("a.png", []))
    (tmp_path / "a.json").write_text(text[:-9])
    with pytest.raises(UserError, match=r"a.json is (cut off|no json)"):
        looked(tmp_path, reader)
    write(tmp_path / "a.json", page("gone.png", [shape([[2, 3], [6, 8]], kind="rectangle")]))
    (tmp_path / "a.json").rename(tmp_path / "b.json")
    with pytest.raises(UserError, match=r"b.json is of the picture gone.png, which is not there, nor in the json"):
        looked(tmp_path, reader)


def test_a_label_that_is_not_asked_for(tmp_path):
    folder(tmp_path)
    with pytest.raises(UserError, match=r"has the label 'z', which is none of b"):
        Read(tmp_path, read_labelme, classes=("b",))
