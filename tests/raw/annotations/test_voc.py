"""PASCAL VOC's folders: palettes, numbers, borders, lists, objects."""

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.raw.annotations import voc as reader
from pipeline.raw.annotations.voc import read_voc
from pipeline.raw.annotations.voc_classes import VOCS, voc_colour
from pipeline.raw.files import RawFiles
from tests.raw.annotations.scenes import Read, looked, save, scene

PALETTE = [value for k in range(256) for value in (voc_colour(k) if k < 255 else (224, 224, 192))]


def mask(path, labels, with_palette=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.frombytes("P" if with_palette else "L", labels.shape[::-1], labels.tobytes())
    if with_palette:
        picture.putpalette(PALETTE)
    picture.save(path)


def folder(path, classes=(1, 15), border=True, with_palette=True, count=4):
    """Pictures in JPEGImages (one more without a mask), both kinds of masks; id -> labels."""
    truth = {}
    for i in range(count):
        picture, labels = scene(i, 2)
        labels = np.choose(labels, (0, *classes)).astype(np.uint8)
        numbers = (labels > 0) * (1 + (np.arange(labels.shape[1]) > 40)).astype(np.uint8)
        if border:
            labels[20, :] = numbers[20, :] = 255
        save(path / "JPEGImages" / f"v{i}.jpg", picture)
        mask(path / "SegmentationClass" / f"v{i}.png", labels, with_palette)
        mask(path / "SegmentationObject" / f"v{i}.png", numbers.astype(np.uint8), with_palette)
        truth[f"v{i}"] = labels
    save(path / "JPEGImages" / "more.jpg", scene(90)[0])
    return truth


def lists(path, **names):
    where = path / "ImageSets" / "Segmentation"
    where.mkdir(parents=True)
    for part, there in names.items():
        (where / f"{part}.txt").write_text("\n".join(there) + "\n")


def test_the_palette_is_vocs():
    assert [voc_colour(k) for k in (0, 1, 2, 15, 20)] == [
        (0, 0, 0), (128, 0, 0), (0, 128, 0), (192, 128, 128), (0, 64, 128)
    ]  # fmt: skip
    assert len({voc_colour(k) for k in range(256)}) == 256


@pytest.mark.parametrize("with_palette", [True, False])
@pytest.mark.parametrize("border", [True, False])
def test_classes_by_palette_or_by_numbers(tmp_path, with_palette, border):
    truth = folder(tmp_path, border=border, with_palette=with_palette)
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth)
    assert seen.arguments["classes"] == tuple(VOCS) and seen.can_ignore == border
    assert any("1 picture(s) in no list or without a mask" in note for note in found.notes)


def test_more_classes_than_voc_has(tmp_path):
    truth = folder(tmp_path, classes=(1, 30))
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and len(seen.arguments["classes"]) == 30


def test_names_and_colours_of_a_label_map(tmp_path):
    truth = folder(tmp_path)
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::", "car:192,128,128::", "tree:128,0,0::"]
    (tmp_path / "labelmap.txt").write_text("\n".join(lines))
    seen, found = looked(tmp_path, reader)
    assert seen.arguments["classes"] == ("car", "tree")
    table = np.arange(256)
    table[[1, 15]] = 2, 1
    assert found.equals({name: table[labels].astype(np.uint8) for name, labels in truth.items()})


@pytest.mark.parametrize("with_palette", [True, False])
@pytest.mark.parametrize(
    ("file", "lines", "names"),
    [
        ("class_names.txt", ["_background_", "cell", "vessel"], ("cell", "vessel")),
        ("labels.txt", ["__ignore__", "_background_", "cell", "vessel"], ("cell", "vessel")),
        ("classes.txt", ["cell", "vessel", "nerve"], ("cell", "vessel", "nerve")),
        ("labels.txt", ["cell"], ("class_1", "class_2")),
        ("other.txt", [], ("class_1", "class_2")),
    ],
)
def test_own_classes_are_not_called_as_vocs(tmp_path, with_palette, file, lines, names):
    truth = folder(tmp_path, classes=(1, 2), with_palette=with_palette)
    (tmp_path / file).write_text("\n".join(lines))
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth) and seen.arguments["classes"] == names
    said = f"names of the classes are those in {file}" if names[0] == "cell" else "nothing says what the classes are"
    assert any(said in note for note in seen.notes)
    assert any("labels.txt names 1 classes" in note for note in seen.notes) == (lines == ["cell"])


def test_numbers_with_gaps_are_taken_for_vocs_and_that_is_said(tmp_path):
    folder(tmp_path)
    seen, _ = looked(tmp_path, reader)
    assert any("taken for VOC's own (1 is aeroplane, 15 is person)" in note for note in seen.notes)


def test_0_and_255_alone_are_one_class_and_jpegs_are_read_as_folders_are(tmp_path):
    truth = {}
    for ending in ("png", "jpg"):
        for i in range(4):
            picture, labels = scene(i)
            save(tmp_path / ending / "JPEGImages" / f"v{i}.jpg", picture)
            save(tmp_path / ending / "SegmentationClass" / f"v{i}.{ending}", labels * np.uint8(255))
            truth[f"v{i}"] = labels
    seen, found = looked(tmp_path / "png", reader)
    assert found.equals(truth) and not seen.can_ignore
    assert any("255 is the class" in note for note in seen.notes)
    with RawFiles(tmp_path / "jpg") as raw:
        assert reader.look(raw, "", ()) is None


def test_arrays_in_a_folder_of_its_name_are_no_masks_of_it(tmp_path):
    """What labelme's converter writes: arrays in SegmentationClass, pictures of them beside."""
    folder(tmp_path)
    for path in list((tmp_path / "SegmentationClass").iterdir()):
        path.rename(path.with_suffix(".npy"))
        (tmp_path / "SegmentationObject" / path.name).unlink()
    with RawFiles(tmp_path) as raw:
        assert reader.look(raw, "", ()) is None
        with pytest.raises(UserError, match=r"no masks in SegmentationObject/; bring it, or answer=\"classes\" of Seg"):
            read_voc(raw, answer="objects")


def test_lists_say_what_is_learnt_and_what_is_answered(tmp_path):
    truth = folder(tmp_path)
    lists(tmp_path, train=["v0", "v1"], val=["v2"], trainval=["v0", "v1", "v2"], test=["more"])
    _, found = looked(tmp_path, reader)
    assert found.equals({name: truth[name] for name in ("v0", "v1", "v2")}) and found.parts["more"] == "test"
    assert any("published split (2 in train.txt, 1 in val.txt) is not kept" in note for note in found.notes)
    assert any("1 picture(s) in no list" in note for note in found.notes)


def test_objects(tmp_path):
    truth = folder(tmp_path)
    seen, found = looked(tmp_path, reader, answer="objects")
    assert not seen.can_ignore
    for name, labels in truth.items():
        numbers = found.labels[name]
        inside = (labels > 0) & (labels < 255)
        assert ((numbers > 0) == inside).all() and numbers.max() == 2


def test_a_colour_that_is_none_and_names_without_a_file(tmp_path):
    folder(tmp_path)
    with pytest.raises(UserError, match=r"mask SegmentationClass/v0.png holds the colour"):
        Read(tmp_path, read_voc, classes=("a",), colours=((1, 2, 3),))
    with pytest.raises(UserError, match="say one class"):
        Read(tmp_path, read_voc, answer="overlap")
    lists(tmp_path, train=["v0", "gone"])
    with pytest.raises(UserError, match=r"train.txt names 1 of 2 pictures that are not there: gone"):
        looked(tmp_path, reader)


def test_a_picture_in_a_list_without_a_mask_and_sizes_that_differ(tmp_path):
    folder(tmp_path)
    lists(tmp_path, train=["v0", "more"])
    with pytest.raises(UserError, match=r"1 of 2 pictures in the lists have no mask: JPEGImages/more.jpg"):
        looked(tmp_path, reader)
    (tmp_path / "ImageSets" / "Segmentation" / "train.txt").write_text("v0\n")
    save(tmp_path / "JPEGImages" / "v0.jpg", scene(0, height=30)[0])
    with pytest.raises(UserError, match=r"image JPEGImages/v0.jpg is 30 x 56 .* its mask .* 40 x 56"):
        looked(tmp_path, reader)
