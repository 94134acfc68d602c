"""Data sets packed in many ways: `new` and `read_folders` give every image its own labels, and say what is assumed."""

import shutil
import time
import unicodedata
import zipfile

import cv2
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from pipeline.raw.folders import read_folders
from pipeline.raw.masks import binary
from pipeline.raw.places import layout
from tests.raw.layout_example import SIZE, check, drafted, labels_of, pair, same, save, scene


def refusal(act, *words, **options) -> str:
    with pytest.raises(UserError) as caught:
        act(*words, **options)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def reading(folder, **options):
    """RawData of `read_folders`, every label read."""
    with RawFiles(folder) as raw:
        data = read_folders(raw, **options)
        labels_of(data)
    return data


def groups(data) -> dict[str, str]:
    return {image.id: image.group for image in data.images}


# published splits


def split(folder, pattern="{part}/{kind}/{i}.png", parts=("train", "valid"), count=4):
    truth = {}
    for p, part in enumerate(parts):
        for i in range(count):
            image, mask = (pattern.format(part=part, kind=kind, i=i) for kind in ("images", "masks"))
            truth[f"{part}/{i}"] = pair(folder, image, mask, 10 * p + i)
    return truth


@pytest.mark.parametrize("pattern", ["{part}/{kind}/{i}.png", "{kind}/{part}/{i}.png", "all/{part}/{kind}/{i}.png"])
@pytest.mark.parametrize("parts", [("train", "valid"), ("Training", "validation"), ("train", "val")])
def test_train_and_valid_with_the_same_names(tmp_path, pattern, parts):
    truth = split(tmp_path, pattern, parts)
    data, said = check(tmp_path, truth, images="images")
    assert "a published split: train (4), valid (4); the 4 images in" in said and "valid_as=" in said
    assert set(groups(data).values()) == {""}
    assert "a published split: train (4), valid (4)" in " ".join(reading(tmp_path).notes)


def test_folders_called_for_a_part_and_a_kind(tmp_path):
    truth = split(tmp_path, "{part}_{kind}/{i}.png", ("train", "val"))
    check(tmp_path, truth, images="*_images", masks="*_masks")


def test_parts_in_zips(tmp_path):
    truth = split(tmp_path / "made")
    for part in ("train", "valid"):
        shutil.make_archive(str(tmp_path / "raw" / part), "zip", tmp_path / "made" / part)
    check(tmp_path / "raw", truth, images="images")


def test_what_becomes_of_a_published_validation_part(tmp_path):
    truth = split(tmp_path)
    options = {
        "folds": lambda image: image.part == "train" and not image.always_learnt,
        "learnt": lambda image: image.part == "train" and image.always_learnt,
        "truth": lambda image: image.part == "test" and not image.always_learnt,
    }
    for valid_as, is_right in options.items():
        with RawFiles(tmp_path) as raw:
            data = read_folders(raw, valid="valid", valid_as=valid_as)
            same(labels_of(data), truth)
        assert all(is_right(image) for image in data.images if image.id.startswith("valid/"))
        assert all(options["folds"](image) for image in data.images if image.id.startswith("train/"))
        assert any("the 4 images in valid/ are" in note for note in data.notes)
    assert "valid_as='skip' is not known" in refusal(reading, tmp_path, valid="valid", valid_as="skip")
    assert "holds no pictures in a folder dev/" in refusal(reading, tmp_path, valid="dev")


def test_a_test_part_with_masks_is_hidden_truth_and_said(tmp_path):
    truth = split(tmp_path, parts=("train", "test"))
    truth = {name.replace("train/", "").replace("test/", "test_"): labels for name, labels in truth.items()}
    data, said = check(tmp_path, truth, test="test")
    assert [image.part for image in data.images].count("test") == 4
    assert "masks of 4 images in test/ are hidden truth" in said


def test_three_parts(tmp_path):
    truth = split(tmp_path, parts=("train", "val", "test"))
    truth = {name.replace("test/", ""): labels for name, labels in truth.items()}
    data, _ = check(tmp_path, truth)
    assert {image.id for image in data.images if image.part == "test"} == {"0", "1", "2", "3"}


# folders of patients


@pytest.mark.parametrize("pattern", ["{p}/images/{i}.png {p}/masks/{i}.png", "{p}/{i}.tif {p}/{i}_mask.tif"])
@pytest.mark.parametrize("top", ["", "kaggle_3m/"])
def test_a_folder_for_each_patient(tmp_path, pattern, top):
    truth = {}
    for p in ("patient7", "patient9", "x_2"):
        for i in range(3):
            image, mask = pattern.format(p=f"{top}{p}", i=i).split()
            truth[f"{p}/{i}"] = pair(tmp_path, image, mask, len(truth))
    data, said = check(tmp_path, truth)
    assert groups(data) == {name: name.split("/")[0] for name in truth}
    assert "3 folder(s) are groups" in said
    options = {} if "images" in pattern else {"images": "", "masks": ""}
    data = reading(tmp_path, **options)
    assert groups(data) == {name: name.split("/")[0] for name in truth}
    assert any("3 folder(s) are groups" in note and "group=None" in note for note in data.notes)
    assert set(groups(reading(tmp_path, group=None, **options)).values()) == {""}


def test_patients_whose_names_do_not_repeat(tmp_path):
    truth = {}
    for p in range(6):
        for i in range(2):
            name = f"TCGA_{p}_{i}"
            truth[name] = pair(tmp_path, f"TCGA_{p}/{name}.tif", f"TCGA_{p}/{name}_mask.tif", 2 * p + i)
    data, said = check(tmp_path, truth)
    assert groups(data) == {name: name[:6] for name in truth} and "6 folder(s) are groups" in said
    # as it always was, unless it is asked for
    assert set(groups(reading(tmp_path, images="", masks="")).values()) == {""}
    assert groups(reading(tmp_path, images="", masks="", group="folder")) == groups(data)


def test_patients_within_the_parts_of_a_split_are_one_group(tmp_path):
    truth = {}
    for part, patient in (("train", "a"), ("train", "b"), ("valid", "b"), ("valid", "c")):
        for i in range(2):
            way = f"{part}/{patient}"
            truth[f"{way}/{i}"] = pair(tmp_path, f"{way}/images/{i}.png", f"{way}/masks/{i}.png", len(truth))
    data, _ = check(tmp_path, truth)
    assert groups(data) == {name: name.split("/")[1] for name in truth}


def test_a_mask_is_not_given_to_the_image_of_another_patient(tmp_path):
    pair(tmp_path, "a/images/1.png", "a/masks/1.png", 0)
    pair(tmp_path, "b/images/2.png", "b/masks/2.png", 1)
    (tmp_path / "a" / "masks" / "1.png").rename(tmp_path / "b" / "masks" / "1.png")
    assert "b/masks/1.png" in refusal(reading, tmp_path)


def test_copies_are_refused(tmp_path):
    split(tmp_path / "made", parts=("train",))
    for name in ("data", "data (1)"):
        shutil.make_archive(str(tmp_path / "raw" / name), "zip", tmp_path / "made")
    assert "holds the same pictures as" in refusal(reading, tmp_path / "raw")
    # unpacked beside itself it is the same once
    (tmp_path / "raw" / "data (1).zip").unlink()
    shutil.copytree(tmp_path / "made", tmp_path / "raw" / "data")
    assert len(reading(tmp_path / "raw").images) == 4


def test_another_picture_of_one_name_in_a_zip_is_not_hidden(tmp_path):
    truth = {f"train/{i}": pair(tmp_path / "train", f"images/{i}.png", f"masks/{i}.png", i) for i in range(3)}
    for i in range(3):
        truth[f"valid/{i}"] = pair(tmp_path / "made", f"images/{i}.png", f"masks/{i}.png", 10 + i)
    shutil.make_archive(str(tmp_path / "valid"), "zip", tmp_path / "made")
    shutil.rmtree(tmp_path / "made")
    check(tmp_path, truth, images="images")


# folders of classes


CLASSES = {
    "below the masks": ("images/{i}.png", "masks/{c}/{i}.png"),
    "beside the images": ("images/{i}.png", "{c}/{i}.png"),
    "with the word beside": ("images/{i}.png", "{c}_masks/{i}.png"),
    "behind the name": ("{i}.png", "{i}_{c}.png"),
    "behind the name, in a folder": ("images/{i}.png", "images/{i}_{c}.png"),
    "with names of their own": ("imgs/{i}.jpg", "segmentations/{c}/{i}_{c}.png"),
}


@pytest.mark.parametrize("way", CLASSES)
def test_a_folder_of_masks_for_each_class(tmp_path, way):
    truth = {}
    for i in range(5):
        image, vessel = scene(i)
        liver = scene(100 + i)[1]
        save(tmp_path / CLASSES[way][0].format(i=f"p{i}"), image)
        for name, labels in (("liver", liver), ("vessel", vessel)):
            save(tmp_path / CLASSES[way][1].format(i=f"p{i}", c=name), labels * 255)
        truth[f"p{i}"] = np.stack([liver, vessel], axis=-1)
    data, said = check(tmp_path, truth)
    competition, _ = drafted(tmp_path)
    assert competition.task.classes == ("liver", "vessel") and competition.task.layers == 2
    assert "a folder of masks for each class" in said and len(data.images) == 5


def test_a_class_that_some_images_lack_is_empty_in_them_and_said(tmp_path):
    for i in range(5):
        save(tmp_path / "images" / f"p{i}.png", scene(i)[0])
        save(tmp_path / "masks" / "liver" / f"p{i}.png", scene(i)[1] * 255)
        if i != 2:
            save(tmp_path / "masks" / "vessel" / f"p{i}.png", scene(i)[1] * 255)
    competition, said = drafted(tmp_path)
    with RawFiles(tmp_path) as raw:
        labels = labels_of(competition.read(raw))
    assert not labels["p2"][..., 1].any() and labels["p2"][..., 0].any() and labels["p3"][..., 1].any()
    assert "1 image(s) lack masks of some classes" in said and "p2" in said


def test_folders_of_patients_below_the_masks_are_no_classes(tmp_path):
    truth = {}
    for p in ("a", "b"):
        for i in range(3):
            truth[f"{p}/{i}"] = pair(tmp_path, f"images/{p}/{i}.png", f"masks/{p}/{i}.png", len(truth))
    data, _ = check(tmp_path, truth, images="images")
    assert groups(data)["a/0"] == "a"


# in one folder


@pytest.mark.parametrize(("image", "mask"), [(".bmp", ".png"), (".jpg", ".png"), (".JPG", ".PNG"), (".tif", ".bmp")])
@pytest.mark.parametrize("folder", ["", "images/", "deep/er/"])
def test_pictures_and_masks_told_apart_by_their_endings(tmp_path, image, mask, folder):
    truth = {f"p{i}": pair(tmp_path, f"{folder}p{i}{image}", f"{folder}p{i}{mask}", i) for i in range(6)}
    _, said = check(tmp_path, truth, images=f"*{image}", masks=f"*{mask}")
    assert f"images end in {image.lower()}, masks in {mask.lower()}" in said


def test_endings_that_do_not_tell_are_refused(tmp_path):
    for i in range(6):
        save(tmp_path / f"p{i}.png", scene(i)[0])
        save(tmp_path / f"p{i}.bmp", scene(i)[0])
    assert "which are the masks, .bmp or .png? Both hold" in refusal(drafted, tmp_path).replace(
        ".png or .bmp", ".bmp or .png"
    )


@pytest.mark.parametrize("other", [0, 1])
def test_two_images_of_one_name_are_refused_though_their_endings_tell_them_apart(tmp_path, other):
    for i in range(4):
        pair(tmp_path, f"images/p{i}.png", f"masks/p{i}.png", i)
        save(tmp_path / "images" / f"p{i}.jpg", scene(i + 50 * other)[0])
    assert "two images are called p0: images/p0.jpg and images/p0.png" in refusal(drafted, tmp_path)


def test_words_told_apart_are_no_masks_where_a_folder_is_called_so(tmp_path):
    for i in range(4):
        pair(tmp_path / "tiles", f"vv/a_{i}_vv.png", f"flood_label/a_{i}.png", i)
        save(tmp_path / "tiles" / "vh" / f"a_{i}_vh.png", scene(50 + i)[0])
    assert "images are called a_0_vh" in refusal(drafted, tmp_path)


@pytest.mark.parametrize("folder", ["labels_v2", "segmentation_images"])
def test_pairs_in_one_folder_that_is_called_as_masks_are(tmp_path, folder):
    truth = {f"p{i}": pair(tmp_path, f"{folder}/p{i}.jpg", f"{folder}/p{i}.png", i) for i in range(6)}
    check(tmp_path, truth)


MARKS = ["{}_mask", "{}_masks", "{}_gt", "{}_seg", "{}_segmentation", "{}_anno", "{}_annotation", "{}_label"]
MARKS += ["{}_labels", "{}_manual1", "{}_groundtruth", "mask_{}", "{}.mask", "{}-GT", "{} mask", "gt_{}", "{}_1stHO"]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("ending", [".png", ".bmp"])
def test_masks_told_apart_by_a_word(tmp_path, mark, ending):
    truth = {f"p{i}": pair(tmp_path, f"p{i}.png", f"{mark.format(f'p{i}')}{ending}", i) for i in range(6)}
    options = {} if mark == "{}_1stHO" else {"images": "", "masks": ""}
    check(tmp_path, truth, **options)


@pytest.mark.parametrize("mark", MARKS)
def test_masks_with_a_word_in_a_folder_of_their_own(tmp_path, mark):
    truth = {f"p{i}": pair(tmp_path, f"images/p{i}.png", f"masks/{mark.format(f'p{i}')}.png", i) for i in range(6)}
    check(tmp_path, truth, images="images")


def test_a_mask_without_an_image_in_one_folder_is_refused(tmp_path):
    for i in range(4):
        pair(tmp_path, f"p{i}.png", f"p{i}_gt.png", i)
    (tmp_path / "p2.png").unlink()
    assert "p2_gt.png" in refusal(drafted, tmp_path)


def test_two_hands_are_not_joined_and_said(tmp_path):
    truth = {}
    for i in range(4):
        truth[f"p{i}"] = pair(tmp_path, f"p{i}.jpg", f"p{i}_manual1.png", i)
        save(tmp_path / f"p{i}_manual2.png", scene(50 + i)[1] * 255)
    _, said = check(tmp_path, truth, images="", masks="*_manual1.*")
    assert "masks are taken from *_manual1.*" in said and "NOT taken as masks: *_manual2.*" in said
    assert "two masks are called p0" in refusal(reading, tmp_path, images="", masks="")


# several masks of an image


@pytest.mark.parametrize(
    "names", ["{}_mask_1 {}_mask_2", "{}_mask {}_mask_1", "{}_mask1 {}_mask2", "{}_mask (1) {}_mask (2)"]
)
def test_several_masks_of_an_image_are_one(tmp_path, names):
    truth = {}
    for i in range(5):
        image, labels = scene(i)
        save(tmp_path / f"b ({i}).png", image)
        first, second = names.format(f"b ({i})", f"b ({i})").split(" b")
        other = np.roll(labels, 9, 1)
        save(tmp_path / f"{first}.png", labels * 255)
        truth[f"b ({i})"] = labels
        if i:
            save(tmp_path / f"b{second}.png", other * 255)
            truth[f"b ({i})"] = labels | other
    _, said = check(tmp_path, truth, images="", masks="")
    assert "4 image(s) have several masks" in said and 'several="objects"' in said


@pytest.mark.parametrize("pattern", ["{x}/images/{x}.png {x}/masks/{k}f.png", "images/{x}.png masks/{x}/{k}.png"])
def test_a_folder_of_masks_for_each_image(tmp_path, pattern):
    union, objects = {}, {}
    for i in range(4):
        image, labels = scene(i)
        parts = [np.roll(labels, 3 * k, 0) for k in range(2 + i % 2)]
        image_name, mask_name = pattern.split()
        save(tmp_path / image_name.format(x=f"id{i}"), image)
        union[f"id{i}"], objects[f"id{i}"] = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint16)
        for k, part in enumerate(parts):
            save(tmp_path / mask_name.format(x=f"id{i}", k=k), part * 255)
            union[f"id{i}"] |= part
            objects[f"id{i}"] = np.where(part > 0, k + 1, objects[f"id{i}"])
    data, said = check(tmp_path, union, images="images", masks="masks")
    assert "4 image(s) have several masks" in said and len(set(groups(data).values())) == 1
    check(tmp_path, objects, answer="objects", several="objects", labels=binary)


def test_parts_that_name_two_classes_for_a_pixel_are_refused(tmp_path):
    save(tmp_path / "images" / "x.png", scene(0)[0])
    for k in (1, 2):
        save(tmp_path / "masks" / f"x_mask_{k}.png", np.full(SIZE, k, np.uint8))

    def values(mask):
        return mask[..., :1]

    assert "name different classes for one pixel" in refusal(reading, tmp_path, labels=values)


# names


def test_names_in_other_capitals_and_in_another_unicode_form(tmp_path):
    truth = {}
    for i, name in enumerate(["Äpfel", "B", "café_1", "d.1.x"]):
        image, labels = scene(i)
        stem = unicodedata.normalize("NFD", name)
        save(tmp_path / "images" / f"{stem}.PNG", image)
        save(tmp_path / "masks" / f"{unicodedata.normalize('NFC', name).lower()}.png", labels * 255)
        truth[stem] = labels
    _, said = check(tmp_path, truth, images="images")
    assert "3 mask(s) are matched to images by names that differ in capitals" in said


def test_names_that_are_two_by_their_capitals_are_two(tmp_path):
    truth = {name: pair(tmp_path, f"images/{name}.png", f"masks/{name}.png", i) for i, name in enumerate(("a", "A"))}
    check(tmp_path, truth, images="images")
    (tmp_path / "masks" / "a.png").rename(tmp_path / "masks" / "a_Mask.png")
    check(tmp_path, truth, images="images")


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("img_{:d}", "mask_{:03d}"),
        ("{:02d}_training", "{:02d}_manual1"),
        ("{:03d}_sat", "{:03d}_mask"),
        ("scan{:d}", "seg{:d}"),
        ("frame_{:d}_rgb", "frame_{:d}_lab"),
    ],
)
def test_names_that_share_what_tells_them_apart(tmp_path, image, mask):
    truth = {}
    for i in (1, 2, 9, 10, 11):
        truth[image.format(i)] = pair(tmp_path, f"images/{image.format(i)}.png", f"masks/{mask.format(i)}.png", i)
    _, said = check(tmp_path, truth, images="images")
    assert "5 mask(s) are matched to images by" in said


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["img_0", "img_1", "img_2"], ["mask_1", "mask_2", "mask_3"]),
        (["img_1", "img_01", "img_2"], ["mask_001", "mask_002"]),
        (["a1", "b1"], ["x1", "y1"]),
        (["a", "b"], ["c", "d"]),
    ],
)
def test_names_that_do_not_fit_are_not_made_to(tmp_path, images, masks):
    for i, name in enumerate(images):
        save(tmp_path / "images" / f"{name}.png", scene(i)[0])
    for i, name in enumerate(masks):
        save(tmp_path / "masks" / f"{name}.png", scene(i)[1] * 255)
    assert "no mask belongs to an image by its name" in refusal(reading, tmp_path, unmasked="empty")


def test_backslashes_and_capitals_in_a_zip(tmp_path):
    truth = {}
    with zipfile.ZipFile(tmp_path / "All.ZIP", "w") as archive:
        for i in range(4):
            image, labels = scene(i)
            for folder, array in (("Images", image[..., ::-1]), ("Masks", labels * 255)):
                archive.writestr(f"{folder}\\p{i}.png", cv2.imencode(".png", array)[1].tobytes())
            truth[f"p{i}"] = labels
    check(tmp_path, truth, images="images")


def test_links_to_files_and_folders(tmp_path):
    truth = {f"p{i}": pair(tmp_path / "there", f"a/p{i}.png", f"b/p{i}.png", i) for i in range(3)}
    raw = tmp_path / "raw"
    (raw / "masks").mkdir(parents=True)
    (raw / "images").symlink_to(tmp_path / "there" / "a")
    for name in truth:
        (raw / "masks" / f"{name}.png").symlink_to(tmp_path / "there" / "b" / f"{name}.png")
    check(raw, truth, images="images")


@pytest.mark.parametrize("named", [(), ("", "ground_truth", "test"), ("good", "ground_truth", "test")])
@pytest.mark.parametrize("with_good", [False, True])
def test_folders_of_kinds_in_test_are_no_classes_and_their_masks_are_theirs(tmp_path, with_good, named):
    for i in range(4):
        save(tmp_path / f"bottle/train/good/{i:03d}.png", scene(i)[0])
        if with_good:
            save(tmp_path / f"bottle/test/good/{i:03d}.png", scene(70 + i)[0])
    for kind in ("broken", "cut"):
        for i in range(3):
            pair(tmp_path / "bottle", f"test/{kind}/{i:03d}.png", f"ground_truth/{kind}/{i:03d}_mask.png", 30 + i)
    line = refusal(drafted, tmp_path, *named)
    assert "every mask belongs to an image in test/" in line or (named[:1] == ("good",) and "two masks are" in line)


@pytest.mark.parametrize(("part", "count"), [("test", 6), ("val", 9)])
def test_of_pictures_asked_for_by_a_pattern_those_of_other_parts_have_it_too(tmp_path, part, count):
    truth = {}
    for where, start, there in (("train", 0, 6), (part, 30, 3)):
        for i in range(start, start + there):
            labels = pair(tmp_path / where, f"a{i}_img.png", f"a{i}_mask.png", i)
            save(tmp_path / where / f"a{i}_depth.png", scene(60 + i)[0])
            truth[f"a{i}_img"] = labels
    named = ("*_img.*", "*_mask.*", *(["test"] if part == "test" else []))
    data, said = check(tmp_path, truth, *named)
    assert [image.part for image in data.images].count("train") == count and len(data.images) == 9
    assert "9 file(s) are not used" in said


def test_what_is_to_be_answered_may_lie_in_no_folder(tmp_path):
    truth = {f"{i}": pair(tmp_path, f"field/{i}.png", f"masks/{i}.png", i) for i in range(4)}
    for i in range(2):
        save(tmp_path / f"asked_{i}.png", scene(70 + i)[0])
    data, _ = check(tmp_path, truth, "", "masks", "asked_*.png")
    assert [image.id for image in data.images if image.part == "test"] == ["asked_0", "asked_1"]


def test_pictures_and_masks_by_patterns_in_folders_of_parts_and_towns(tmp_path):
    truth = {}
    for part in ("train", "val"):
        for i in range(3):
            called = f"{part}/ulm/ulm_{i:06d}_000019"
            image, mask = f"leftImg8bit/{called}_leftImg8bit.png", f"gtFine/{called}_labelIds.png"
            truth[f"{called}_leftImg8bit"] = pair(tmp_path, image, mask, len(truth))
            save(tmp_path / "gtFine" / f"{called}_color.png", scene(50 + i)[0])
    check(tmp_path, truth, "*_leftImg8bit.*", "*_labelIds.*")


# which folder it is


def drive(folder, field=True, test=True):
    truth = {}
    for i in range(6):
        truth[f"{21 + i}_training"] = pair(
            folder, f"training/images/{21 + i}_training.tif", f"training/1st_manual/{21 + i}_manual1.png", i
        )
        whole = np.zeros(SIZE, np.uint8)
        whole[2:-2, 2:-2] = 255
        if field:
            save(folder / "training" / "mask" / f"{21 + i}_training_mask.png", whole)
        if test:
            save(folder / "test" / "images" / f"{i + 1:02d}_test.tif", scene(50 + i)[0])
            save(folder / "test" / "mask" / f"{i + 1:02d}_test_mask.png", whole)
    return truth


@pytest.mark.parametrize("test", [False, True])
def test_the_field_of_view_of_drive_is_not_the_mask(tmp_path, test):
    data, said = check(tmp_path, drive(tmp_path, test=test), masks="1st_manual")
    assert "masks are taken from 1st_manual/" in said
    assert "NOT taken as masks: mask/ (" in said and "a field of view" in said
    assert f"to take it: ./run.sh new NAME FOLDER images mask{' test' if test else ''}" in said
    assert sum(image.part == "test" for image in data.images) == 6 * test


def test_the_folders_that_are_named_are_taken(tmp_path):
    drive(tmp_path, test=False)
    competition, _ = drafted(tmp_path, "images", "mask")
    with RawFiles(tmp_path) as raw:
        assert all(labels.mean() > 0.7 for labels in labels_of(competition.read(raw)).values())


def test_a_folder_of_objects_beside_that_of_classes(tmp_path):
    truth = {}
    for i in range(4):
        truth[f"2007_{i}"] = pair(tmp_path, f"ImagesOfAll/2007_{i}.jpg", f"labels_class/2007_{i}.png", i)
        save(tmp_path / "labels_object" / f"2007_{i}.png", np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % 7 * 30)
    _, said = check(tmp_path, truth, images="ImagesOfAll", masks="labels_class")
    assert "NOT taken as masks: labels_object/" in said


def test_other_pictures_of_the_images_are_no_masks(tmp_path):
    truth = {f"p{i}": pair(tmp_path, f"images/p{i}.png", f"outlines/p{i}.png", i) for i in range(5)}
    for i in range(5):
        save(tmp_path / "depth" / f"p{i}.png", scene(70 + i)[0])
    _, said = check(tmp_path, truth, images="images", masks="outlines")
    assert "masks are taken from outlines/" in said and "depth" in said


def test_what_is_not_used_is_counted_in_one_line(tmp_path):
    truth = {f"p{i}": pair(tmp_path, f"images/p{i}.png", f"masks/p{i}.png", i) for i in range(3)}
    save(tmp_path / "depth" / "p0.png", scene(0)[0])
    for name in ("readme.txt", "masks.7z", ".hidden", "Thumbs.db", "p.part.xml"):
        (tmp_path / name).write_bytes(b"x")
    data, said = check(tmp_path, truth)
    (line,) = [line for line in said.splitlines() if "not used" in line]
    assert line.startswith("4 file(s) are not used: ")
    assert "1 pictures in other folders or without an image, the first depth/p0.png" in line
    assert "1 packed in a way that is not read (unpack them: 7z x FILE), the first masks.7z" in line
    assert "2 of other endings, the first p.part.xml" in line
    assert data.notes == [line]


def test_refusals_name_what_to_type(tmp_path):
    pair(tmp_path, "x y/p0.png", "z/p0.png", 0)
    line = refusal(reading, tmp_path)
    assert "there are x y/ (1), z/ (1)" in line and "./run.sh new NAME FOLDER 'x y' z" in line
    shutil.rmtree(tmp_path / "x y")
    shutil.rmtree(tmp_path / "z")
    (tmp_path / "all.7z").write_bytes(b"7z")
    assert "1 file(s) are packed in a way that is not read: all.7z; unpack them (7z x all.7z)" in refusal(
        reading, tmp_path
    )


def test_masks_of_two_folders_are_told_what_to_say(tmp_path):
    save(tmp_path / "images" / "a.png", scene(0)[0])
    for name in ("x", "y"):
        save(tmp_path / "masks" / name / "a.png", scene(0)[1] * 255)
    line = refusal(reading, tmp_path)
    assert 'masks="masks/x"' in line and 'masks=("masks/x", "masks/y")' in line


# time


def test_20000_files_are_matched_in_a_moment(tmp_path):
    content = cv2.imencode(".png", np.zeros((2, 2), np.uint8))[1].tobytes()
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for i in range(10_000):
            archive.writestr(f"patient{i % 100}/images/{i // 100}.png", content)
            archive.writestr(f"patient{i % 100}/masks/{i // 100}_mask.png", content)
    start = time.process_time()
    with RawFiles(tmp_path) as raw:
        opened = time.process_time()
        data = read_folders(raw)
        layout.choose(raw)
    assert len(data.images) == 10_000
    assert time.process_time() - opened < 40 and opened - start < 40


def test_a_folder_for_each_image_with_two_files_that_are_called_alike(tmp_path):
    truth = {f"x{i}/image": pair(tmp_path, f"x{i}/image.png", f"x{i}/mask.png", i) for i in range(5)}
    check(tmp_path, truth, images="image.*", masks="mask.*")


def test_a_field_of_view_alone_is_said(tmp_path):
    drive(tmp_path, test=False)
    shutil.rmtree(tmp_path / "training" / "1st_manual")
    _, said = drafted(tmp_path)
    assert "warning: mask/: 6 match an image, but cover" in said and "a field of view; are there other masks?" in said


def test_masks_of_classes_that_fill_their_pictures_are_no_field_of_view(tmp_path):
    for i in range(4):
        picture, labels = scene(i)
        save(tmp_path / "images" / f"{i}.png", picture)
        save(tmp_path / "masks" / f"{i}.png", labels + 1)
    assert "a field of view" not in drafted(tmp_path)[1]


def test_masks_of_several_kinds_are_named(tmp_path):
    """Cityscapes': colours, classes and objects of each picture."""
    for i in range(4):
        picture, labels = scene(i)
        save(tmp_path / "leftImg8bit" / "train" / f"a_{i}_leftImg8bit.png", picture)
        for kind, mask in (("color", picture), ("labelIds", labels)):
            save(tmp_path / "gtFine" / "train" / f"a_{i}_gtFine_{kind}.png", mask)
    said = refusal(drafted, tmp_path)
    assert "masks of 2 kinds lie in gtfine/, each of all images: *_color.png, *_labelIds.png; name the one" in said
    truth = {f"a_{i}_leftImg8bit": scene(i)[1] for i in range(4)}
    check(tmp_path, truth, "leftimg8bit", "*_labelIds.png", images="leftimg8bit", masks="*_labelIds.png")


def test_a_validation_part_without_masks_is_answered_and_no_split_is_said(tmp_path):
    split(tmp_path, parts=("train",))
    for i in range(2):
        save(tmp_path / "valid" / "images" / f"v{i}.png", scene(20 + i)[0])
    competition, said = drafted(tmp_path)
    assert "2 image(s) without a mask are taken as to be answered" in said and "published split" not in said
    with RawFiles(tmp_path) as raw:
        data = competition.read(raw)
    assert [image.part for image in data.images].count("test") == 2
    assert "published split" not in " ".join(data.notes)


def test_layers_are_named_with_commas(tmp_path):
    save(tmp_path / "images" / "a.png", scene(0)[0])
    for name, seed in (("x", 0), ("y", 1)):
        save(tmp_path / "m" / name / "a.png", scene(seed)[1] * 255)
    competition, _ = drafted(tmp_path, "images", "m/y,m/x")
    assert competition.task.classes == ("y", "x")
    with RawFiles(tmp_path) as raw:
        assert np.array_equal(labels_of(competition.read(raw))["a"], np.stack([scene(1)[1], scene(0)[1]], axis=-1))
