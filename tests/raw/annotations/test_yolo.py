"""YOLO's outlines: trees of images/ and labels/, names of classes, boxes that are none."""

import pytest

from pipeline.errors import UserError
from pipeline.raw.annotations import yolo as reader
from pipeline.raw.annotations.yolo import read_yolo
from pipeline.raw.files import RawFiles
from tests.raw.annotations.scenes import HEIGHT, WIDTH, Read, filled, looked, outlines, save, scene


def lines_of(labels) -> str:
    rows = []
    for k in range(1, labels.max() + 1):
        for outline in outlines(labels == k):
            rows.append(" ".join([str(k - 1), *(f"{v:.6f}" for v in (outline / (WIDTH, HEIGHT)).ravel())]))
    return "\n".join(rows) + "\n"


def tree(path, images="images/{}", labels="labels/{}", parts=("train", "val"), count=3):
    """Writes pictures and text files; id -> labels."""
    truth = {}
    for n, part in enumerate(parts):
        for i in range(count):
            picture, found = scene(i + 10 * n, 2)
            name = f"{part[0]}{i}"
            save(path / images.format(part) / f"{name}.png", picture)
            file = path / labels.format(part) / f"{name}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(lines_of(found))
            truth[name] = filled(found)
    return truth


YAML = "path: .\ntrain: images/train\nnc: 2\nnames:{}\n"


@pytest.mark.parametrize(
    ("images", "labels"), [("images/{}", "labels/{}"), ("{}/images", "{}/labels"), ("{}", "{}"), ("images", "labels")]
)
@pytest.mark.parametrize(
    "names",
    [
        " ['red', 'blue one']",
        "\n  0: red\n  1: blue one",
        "\n- red\n- blue one",
        "\n  - red  # the first\n  - 'blue one'",
    ],
)
def test_trees_and_names(tmp_path, images, labels, names):
    truth = tree(tmp_path, images, labels)
    (tmp_path / "data.yaml").write_text(YAML.format(names))
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth)
    assert seen.arguments["classes"] == ("red", "blue one") and seen.arguments["points"] == "centres"


def test_names_in_a_text_file_and_none_at_all(tmp_path):
    truth = tree(tmp_path)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and seen.arguments["classes"] == ("class_0", "class_1")
    assert any("no data.yaml or classes.txt" in note for note in seen.notes)
    (tmp_path / "labels" / "classes.txt").write_text("red\nblue\n")
    assert looked(tmp_path, reader)[0].arguments["classes"] == ("red", "blue")
    (tmp_path / "labels" / "classes.txt").write_text("red\n")
    with pytest.raises(UserError, match=r"classes.txt names 1 classes, lines have the class 1; add its name"):
        looked(tmp_path, reader)


def test_the_same_names_in_both_parts(tmp_path):
    truth = {}
    for n, part in enumerate(("train", "val")):
        for i in range(2):
            picture, found = scene(i + 10 * n, 2)
            save(tmp_path / "images" / part / f"{i}.png", picture)
            (tmp_path / "labels" / part).mkdir(parents=True, exist_ok=True)
            (tmp_path / "labels" / part / f"{i}.txt").write_text(lines_of(found))
            truth[f"{part}/{i}"] = filled(found)
    assert looked(tmp_path, reader)[1].equals(truth)


def test_pictures_without_a_file_and_files_without_a_line_are_empty(tmp_path):
    truth = tree(tmp_path)
    (tmp_path / "labels" / "val" / "v1.txt").write_text("")
    (tmp_path / "labels" / "val" / "v2.txt").unlink()
    truth["v1"] = truth["v1"] * 0
    truth["v2"] = truth["v2"] * 0
    _, found = looked(tmp_path, reader)
    assert found.equals(truth)
    assert any("1 picture(s) without a text file are taken as with nothing in them" in note for note in found.notes)
    assert Read(tmp_path, read_yolo, unlisted="test").parts["v2"] == "test"


def test_test_pictures(tmp_path):
    truth = tree(tmp_path)
    save(tmp_path / "images" / "test" / "q.png", scene(9)[0])
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and found.parts["q"] == "test" and found.labels.get("q") is None
    assert seen.arguments["test"] == "test"


def test_points_between_pixels(tmp_path):
    save(tmp_path / "images" / "a.png", scene(0)[0])
    (tmp_path / "labels").mkdir()
    corners = (0.25, 0.25, 0.511, 0.25, 0.511, 0.511, 0.25, 0.511)
    (tmp_path / "labels" / "a.txt").write_text("0 " + " ".join(map(str, corners)))
    seen, found = looked(tmp_path, reader)
    assert seen.arguments["points"] == "corners"
    assert found.labels["a"].sum() == 15 * 10


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0 0.5 0.5 0.2 0.2", r"t1.txt, line 2 is a box \(a class and 4 numbers\), not an outline: 1 of"),
        ("0 0.5 0.5 0.2", r"t1.txt, line 2 is a polygon of 3 numbers: of its last point"),
        ("0 50 50 20 20 10 10", r"t1.txt, line 2: its points reach from 10 to 50; they are shares"),
        ("x 0.5 0.5 0.2 0.2 0.1 0.1", r"t1.txt, line 2 is not a class and numbers"),
        ("0.5 0.5 0.5 0.2 0.2 0.1 0.1", r"t1.txt, line 2: the class 0.5 is not a number 0, 1"),
        ("-1 0.5 0.5 0.2 0.2 0.1 0.1", r"t1.txt, line 2: the class -1 is not a number 0, 1"),
    ],
)
def test_lines_that_are_none(tmp_path, line, says):
    tree(tmp_path)
    file = tmp_path / "labels" / "train" / "t1.txt"
    file.write_text(file.read_text().splitlines()[0] + f"\n{line}\n")
    with pytest.raises(UserError, match=says) as found:
        looked(tmp_path, reader)
    assert len(str(found.value).splitlines()) == 1


def test_boxes_alone_are_refused_for_what_they_are(tmp_path):
    tree(tmp_path)
    for file in (tmp_path / "labels").rglob("*.txt"):
        file.write_text("0 0.5 0.5 0.2 0.2\n1 0.3 0.3 0.1 0.1\n")
    with pytest.raises(UserError, match=r"12 of 12 lines are; masks cannot be made of boxes"):
        looked(tmp_path, reader)


def test_files_without_a_picture(tmp_path):
    tree(tmp_path)
    (tmp_path / "images" / "train" / "t1.png").unlink()
    with pytest.raises(UserError, match=r"1 text file\(s\) have no picture: labels/train/t1.txt"):
        looked(tmp_path, reader)


def test_other_text_files_are_not_taken_for_it(tmp_path):
    save(tmp_path / "a.png", scene(0)[0])
    (tmp_path / "a.txt").write_text("A picture of cells.\n")
    with RawFiles(tmp_path) as raw:
        assert reader.look(raw, "", ()) is None
