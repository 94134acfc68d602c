"""Folders of images and masks: what belongs together, what a mask means, and each line that says what is wrong."""

import warnings
import zipfile

import cv2
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from pipeline.raw.folders import read_folders
from pipeline.raw.masks import above, binary, class_ids, objects, palette, parts
from pipeline.raw.meaning import colours as values
from tests.raw import palette_example

IMAGE = np.full((4, 6, 3), 90, np.uint8)
MASK = np.zeros((4, 6), np.uint8)
MASK[1:3, 2:5] = 255


def picture(path, values=IMAGE):
    """Writes a picture given as OpenCV takes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), values)


def pairs(folder, *names, mask=MASK, ending=".png"):
    for name in names:
        picture(folder / "images" / f"{name}.png")
        picture(folder / "masks" / f"{name}{ending}", mask)


def read(folder, **options):
    """id -> (part, group, labels or None), every picture read."""
    with RawFiles(folder) as raw:
        data = read_folders(raw, **options)
        return {
            image.id: (image.part, image.group, image.labels() if image.labels else None, image.image())
            for image in data.images
        }


def refusal(folder, **options) -> str:
    with pytest.raises(UserError) as found:
        read(folder, **options)
    assert len(str(found.value).splitlines()) == 1
    return str(found.value)


@pytest.mark.parametrize("ending", [".png", ".tif", ".bmp", "_mask.png", "_label.png", "_seg.tif", "-Mask.png"])
def test_a_mask_has_the_name_of_its_image_with_or_without_an_ending(tmp_path, ending):
    pairs(tmp_path, "a", "b_1", ending=ending)
    found = read(tmp_path)
    assert set(found) == {"a", "b_1"}
    part, group, labels, image = found["a"]
    assert (part, group) == ("train", "")
    assert labels.dtype == np.uint8 and np.array_equal(labels[..., 0], MASK > 0)
    assert image.shape == (4, 6, 3)


def test_an_image_whose_own_name_ends_like_a_mask_keeps_its_mask(tmp_path):
    pairs(tmp_path, "a_seg", "b")
    assert set(read(tmp_path)) == {"a_seg", "b"}


@pytest.mark.parametrize("packed", ["all.zip", "images.zip"])
def test_folders_lie_anywhere_also_in_zips(tmp_path, packed):
    pairs(tmp_path / "made", "a", "b")
    raw = tmp_path / "raw"
    raw.mkdir()
    prefix = "Some/Where/" if packed == "all.zip" else ""
    with zipfile.ZipFile(raw / packed, "w") as archive:
        for name in "ab":
            archive.write(tmp_path / "made" / "images" / f"{name}.png", f"{prefix}Images/{name}.png")
            if packed == "all.zip":
                archive.write(tmp_path / "made" / "masks" / f"{name}.png", f"{prefix}masks/{name}.png")
    if packed == "images.zip":
        (tmp_path / "made" / "masks").rename(raw / "masks")
    assert set(read(raw)) == {"a", "b"}


def test_a_zip_named_like_the_folder_is_the_folder(tmp_path):
    pairs(tmp_path, "a")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.write(tmp_path / "images" / "a.png", "b.png")
    pairs(tmp_path / "other", "b")
    (tmp_path / "other" / "masks" / "b.png").rename(tmp_path / "masks" / "b.png")
    (tmp_path / "other" / "images" / "b.png").unlink()
    assert set(read(tmp_path)) == {"a", "b"}


def test_what_is_unpacked_hides_its_twin_in_the_zip(tmp_path):
    pairs(tmp_path, "a")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "images" / "a.png", "images/a.png")
        archive.write(tmp_path / "masks" / "a.png", "masks/a.png")
    assert set(read(tmp_path)) == {"a"}


@pytest.mark.parametrize("place", ["test/x.png", "test/images/x.png", "images/test/x.png", "test.zip"])
def test_pictures_in_the_folder_test_are_to_be_answered(tmp_path, place):
    pairs(tmp_path, "a", "b")
    if place.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / place, "w") as archive:
            archive.write(tmp_path / "images" / "a.png", "x.png")
    else:
        picture(tmp_path / place)
    found = read(tmp_path)
    assert {name: item[0] for name, item in found.items()} == {"a": "train", "b": "train", "x": "test"}
    assert found["x"][2] is None


def test_masks_of_test_images_are_the_hidden_truth(tmp_path):
    pairs(tmp_path, "a")
    pairs(tmp_path / "test", "x")
    part, _, labels, _ = read(tmp_path)["x"]
    assert part == "test" and labels.sum() == 6


@pytest.mark.parametrize("hidden", [False, True])
def test_names_that_are_in_train_and_test_are_told_apart(tmp_path, hidden):
    pairs(tmp_path / "train", "0", "1")
    pairs(tmp_path / "test", "0", "1", mask=np.full_like(MASK, 255))
    if not hidden:
        for name in "01":
            (tmp_path / "test" / "masks" / f"{name}.png").unlink()
    found = read(tmp_path)
    assert set(found) == {"0", "1", "test_0", "test_1"}
    assert found["0"][0] == "train" and found["0"][2].sum() == 6
    assert found["test_1"][0] == "test"
    assert (found["test_1"][2] is None) == (not hidden)
    assert not hidden or found["test_1"][2].all()


def test_no_test_folder_when_told_so(tmp_path):
    pairs(tmp_path / "test", "a")
    assert read(tmp_path, test="")["a"][0] == "train"


def test_images_and_masks_in_one_folder(tmp_path):
    for name in ("p_1", "p_2"):
        picture(tmp_path / "kaggle" / f"{name}.tif")
        picture(tmp_path / "kaggle" / f"{name}_mask.tif", MASK)
    assert set(read(tmp_path, images="", masks="")) == {"p_1", "p_2"}
    assert set(read(tmp_path, images="kaggle", masks="kaggle")) == {"p_1", "p_2"}


def test_images_without_a_mask_are_what_one_says_they_are(tmp_path):
    pairs(tmp_path, "a")
    picture(tmp_path / "images" / "b.png")
    assert "1 of 2 images have no mask in masks/: images/b.png" in refusal(tmp_path)
    assert read(tmp_path, unmasked="test")["b"][::2] == ("test", None)
    part, _, labels, _ = read(tmp_path, unmasked="empty")["b"]
    assert part == "train" and labels.shape == (4, 6, 1) and not labels.any()
    assert "unmasked='skip' is not known" in refusal(tmp_path, unmasked="skip")
    picture(tmp_path / "masks" / "a.png", np.full_like(MASK, 255))
    message = refusal(tmp_path, unmasked="empty", labels=palette({"x": (255, 255, 255), "y": (1, 1, 1)}))
    assert message.startswith("the empty mask of images/b.png holds the colour (0, 0, 0)")


def test_several_folders_of_masks_are_several_layers(tmp_path):
    pairs(tmp_path, "a")
    picture(tmp_path / "masks" / "liver" / "a.png", MASK)
    picture(tmp_path / "masks" / "vessel" / "a.png", MASK[::-1])
    (tmp_path / "masks" / "a.png").unlink()
    labels = read(tmp_path, masks=("masks/liver", "masks/vessel"))["a"][2]
    assert labels.shape == (4, 6, 2)
    assert np.array_equal(labels[..., 1], MASK[::-1] > 0)


@pytest.mark.parametrize("group", [r"^(.+)_", lambda name: name.split("_")[0]])
def test_a_group_is_read_from_the_id(tmp_path, group):
    pairs(tmp_path, "p1_1", "p1_2", "p2_1")
    picture(tmp_path / "test" / "x_1.png")
    assert [item[1] for item in read(tmp_path, group=group).values()] == ["p1", "p1", "p2", "x"]


@pytest.mark.parametrize(
    ("group", "says"),
    [
        ("(", "no regular expression"),
        ("a", "has 0 groups"),
        ("(a)(b)", "has 2"),
        ("(z)", "does not match the image a"),
        (lambda name: 3.5, "group= gives 3.5 for the image a; it must be a text"),
        (lambda name: None, "group= gives None for the image a"),
    ],
)
def test_a_group_that_cannot_be(tmp_path, group, says):
    pairs(tmp_path, "a")
    assert says in refusal(tmp_path, group=group)


def test_images_get_the_channels_one_asks_for(tmp_path):
    pairs(tmp_path, "grey", "colour", "alpha", "equal")
    picture(tmp_path / "images" / "grey.png", MASK)
    picture(tmp_path / "images" / "colour.png", np.full((4, 6, 3), (10, 20, 200), np.uint8))
    picture(tmp_path / "images" / "alpha.png", np.full((4, 6, 4), (10, 20, 200, 128), np.uint8))
    three, one = read(tmp_path, channels=3), read(tmp_path, channels=1)
    assert {item[3].shape[2] for item in three.values()} == {3}
    assert {item[3].shape[2] for item in one.values()} == {1}
    assert three["alpha"][3][0, 0].tolist() == [200, 20, 10]
    assert one["equal"][3][0, 0, 0] == 90 and one["colour"][3][0, 0, 0] == round(0.299 * 200 + 0.587 * 20 + 1.14)
    assert {item[3].shape[2] for item in read(tmp_path).values()} == {1, 3, 4}


def test_floating_point_is_kept_to_its_last_digit(tmp_path):
    pairs(tmp_path, "a")
    (tmp_path / "images" / "a.png").unlink()
    for value in (0.1, -24.7, 1e6, 1e-30):
        picture(tmp_path / "images" / "a.tif", np.full((4, 6), value, np.float32))
        found = read(tmp_path)["a"][3]
        assert found.dtype == np.float32 and (found == np.float32(value)).all()


def test_no_number_is_refused_unless_it_is_the_nodata(tmp_path):
    pairs(tmp_path, "a")
    (tmp_path / "images" / "a.png").unlink()
    for gap, other in ((np.nan, -9999), (-9999, np.nan), (np.inf, -9999)):
        numbers = np.full((4, 6), 0.5, np.float32)
        numbers[1, 2:4] = gap
        picture(tmp_path / "images" / "a.tif", numbers)
        assert np.isnan(read(tmp_path, nodata=gap)["a"][3][..., 0]).nonzero()[1].tolist() == [2, 3]
        if not np.isfinite(gap):
            assert "images/a.tif holds 2 of 24 values that are" in refusal(tmp_path)
            assert f"other than nodata={other}" in refusal(tmp_path, nodata=other)
    assert "nodata is 'x'" in refusal(tmp_path, nodata="x")


def test_what_a_file_says_of_pixels_without_data_is_said(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    pairs(tmp_path, "a", "b", "c")
    for name, tag, value in (("a", "-9999", -9999), ("b", "-9999 ", 5), ("c", "many", -9999)):
        (tmp_path / "images" / f"{name}.png").unlink()
        numbers = np.full((4, 6), value, np.float32)
        extra = [(42113, "s", 0, tag, True)]
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", numbers, extratags=extra)
    for nodata, lines in ((None, 1), (-9999, 0)):
        with RawFiles(tmp_path) as raw:
            for image in read_folders(raw, nodata=nodata).images:
                image.image()
            notes = raw.pictures.notes()
        assert len(notes) == lines
        assert not notes or notes[0].startswith("1 file(s): pixels of -9999 are without data, as the file says")
        assert not notes or notes[0].endswith("say nodata=-9999.0: images/a.tif")


def test_nodata_is_not_mixed_into_a_grey(tmp_path):
    pairs(tmp_path, "a")
    (tmp_path / "images" / "a.png").unlink()
    colours = np.random.default_rng(0).normal(size=(4, 6, 3)).astype(np.float32)
    colours[2, 1] = -9999
    picture(tmp_path / "images" / "a.tif", colours)
    grey = read(tmp_path, nodata=-9999, channels=1)["a"][3]
    assert np.isnan(grey[..., 0]).nonzero() == (2, 1)


def test_the_example_with_a_palette(tmp_path):
    palette_example.write(tmp_path / "raw")
    found = read(tmp_path / "raw", labels=palette(palette_example.COLOURS), group=r"^(drive\d+)_")
    assert len(found) == 24
    image, ids = palette_example.draw((2, 3))
    part, group, labels, read_image = found["drive2_03"]
    assert (part, group) == ("train", "drive2")
    assert np.array_equal(labels[..., 0], ids) and np.array_equal(read_image, image)


# what is wrong with the files


def test_sizes_that_differ_are_both_named(tmp_path):
    pairs(tmp_path, "a", "b")
    picture(tmp_path / "masks" / "b.png", np.zeros((4, 5), np.uint8))
    message = refusal(tmp_path)
    assert "image images/b.png is 4 x 6 pixels (height x width), its mask masks/b.png 4 x 5;" in message
    picture(tmp_path / "masks" / "b.png", np.zeros((6, 4), np.uint8))
    assert "lies on its side" in refusal(tmp_path)


def test_masks_without_an_image(tmp_path):
    pairs(tmp_path, "a", "b", "c")
    (tmp_path / "images" / "c.png").unlink()
    assert "1 of 3 masks in masks/ have no image in images/: masks/c.png" in refusal(tmp_path)


def test_names_that_do_not_match_at_all(tmp_path):
    picture(tmp_path / "images" / "0001.png")
    picture(tmp_path / "masks" / "gt-1.png", MASK)
    message = refusal(tmp_path)
    assert "images are called 0001, masks gt-1" in message


@pytest.mark.parametrize(("folder", "kind"), [("images", "images"), ("masks", "masks")])
def test_one_name_twice(tmp_path, folder, kind):
    pairs(tmp_path, "a")
    picture(tmp_path / folder / "a.bmp", IMAGE if folder == "images" else MASK)
    message = refusal(tmp_path)
    assert f"two {kind} are called a" in message and "a.bmp" in message and "a.png" in message


def test_nothing_in_the_folder(tmp_path):
    picture(tmp_path / "photos" / "a.png")
    assert "holds no pictures in a folder images/; there are photos/ (1)" in refusal(tmp_path)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "readme.txt").write_text("nothing")
    (tmp_path / "photos" / "a.png").unlink()
    assert "no picture at all" in refusal(tmp_path)
    pairs(tmp_path, "a")
    (tmp_path / "masks" / "a.png").unlink()
    assert "holds no pictures in a folder masks/" in refusal(tmp_path)


def test_what_is_wrong_within_a_mask_names_it(tmp_path):
    pairs(tmp_path, "a", "b")
    assert refusal(tmp_path, labels=class_ids(3)).startswith(
        "mask masks/a.png holds the value 255 but there are only 3 classes (0 to 2): 0/255 masks are binary: use "
        "labels=binary; if 255 means ignore, labels=class_ids(3, void=255)"
    )


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (3, "labels=3 is no function"),
        (class_ids, "labels=class_ids lacks its arguments: labels=class_ids(…)"),
        (palette, "labels=palette lacks its arguments"),
        (lambda mask: None, "mask masks/a.png: labels= gives NoneType, not whole numbers 4 x 6 x 1"),
        (lambda mask: "x", "mask masks/a.png: labels= gives str, not whole numbers"),
        (lambda mask: mask[..., 0], "labels= gives ndarray 4 x 6 of uint8, not whole numbers 4 x 6 x 1"),
        (lambda mask: mask[:-1], "labels= gives ndarray 3 x 6 x 1 of uint8, not whole numbers 4 x 6 x 1"),
        (lambda mask: mask / 255, "labels= gives ndarray 4 x 6 x 1 of float64, not whole numbers"),
    ],
)
def test_labels_that_are_of_another_type(tmp_path, labels, says):
    pairs(tmp_path, "a")
    assert says in refusal(tmp_path, labels=labels)


# what a mask means


def as_colours(values, colours):
    """H x W numbers to H x W x 3."""
    return np.array(colours, np.uint8)[values]


def said(labels, mask) -> str:
    with pytest.raises(UserError) as found:
        labels(mask)
    return str(found.value)


@pytest.mark.parametrize("value", [1, 255, 65535])
def test_binary_is_what_is_not_0(value):
    mask = (MASK > 0).astype(np.uint16)[..., None] * value
    assert np.array_equal(binary(mask), mask > 0)
    assert binary(np.zeros((2, 2, 1), np.uint8)).max() == 0
    assert binary(np.full((2, 2, 1), 255, np.uint8)).min() == 1


def test_binary_in_one_colour_and_with_alpha():
    red = as_colours(MASK // 255, [(0, 0, 0), (200, 0, 0)])
    assert np.array_equal(binary(red)[..., 0], MASK > 0)
    alpha = np.dstack([red, np.full(MASK.shape, 255, np.uint8)])
    assert np.array_equal(binary(alpha)[..., 0], MASK > 0)


def test_binary_refuses_classes_and_soft_edges():
    assert "holds the values 0, 1, 2, a binary mask 0 and one other" in said(binary, np.arange(3)[None, :, None])
    assert "(255, 0, 0)" in said(binary, as_colours(np.arange(3)[None], [(0, 0, 0), (255, 0, 0), (0, 255, 0)]))
    soft = np.arange(40, dtype=np.uint8).reshape(5, 8, 1) * 6
    message = said(binary, soft)
    assert "40 different values" in message and "JPEG" in message and "above(127)" in message
    assert np.array_equal(above(127)(soft), soft > 127)


def test_the_edges_of_a_jpeg_are_soft():
    drawn = cv2.circle(np.zeros((64, 64), np.uint8), (30, 30), 17, 255, -1)
    _, content = cv2.imencode(".jpg", drawn)
    mask = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)[..., None]
    assert "edges are soft" in said(binary, mask)
    assert "edges are soft" in said(class_ids(3), mask)
    assert "edges are soft" in said(palette({"a": (0, 0, 0), "b": (255, 255, 255)}), mask)
    assert np.mean(above(127)(mask)[..., 0] != (drawn > 0)) < 0.01


def test_class_numbers_and_void():
    mask = np.array([[0, 1, 2], [9, 9, 2]], np.uint8)[..., None]
    labels = class_ids(3, void=9)(mask)
    assert labels.dtype == np.uint8 and labels[..., 0].tolist() == [[0, 1, 2], [255, 255, 2]]
    assert np.array_equal(class_ids(3, void=9)(np.repeat(mask, 3, axis=2)), labels)
    assert "value 9 but there are only 3 classes (0 to 2): use class_ids(10)" in said(class_ids(3), mask)
    assert "greys stand for classes" in said(class_ids(3), np.array([0, 128, 255]).reshape(1, 3, 1))
    for huge in (1e30, np.inf):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert "which no class or object has" in said(class_ids(3), np.full((1, 2, 1), huge, np.float32))
    assert "holds fractions" in said(class_ids(3), np.array([0, 0.5]).reshape(1, 2, 1))


def test_a_colour_is_no_class_number_even_if_it_is_pure_blue():
    blue = np.array([(0, 0, 0), (0, 0, 1)], np.uint8)[None]
    assert "holds the colour (0, 0, 1)" in said(class_ids(3), blue)


@pytest.mark.parametrize("count", [0, 1, 256])
def test_how_many_classes_there_can_be(count):
    with pytest.raises(UserError, match="from 2 to 255"):
        class_ids(count)


def test_colours_and_void():
    colours = {"sky": (128, 128, 128), "road": (128, 64, 128)}
    mask = as_colours(np.array([[0, 1, 2, 0]]), [*colours.values(), (0, 0, 0)])
    assert palette(colours, void=(0, 0, 0))(mask)[..., 0].tolist() == [[0, 1, 255, 0]]
    message = said(palette({"sky": (128, 128, 128), "road": (120, 60, 120)}, void=(0, 0, 0)), mask)
    assert "holds the colour (128, 64, 128), which is not in the palette (nearest: road (120, 60, 120))" in message
    assert "class_ids" in said(palette(colours), np.array([0, 1, 2], np.uint8).reshape(1, 3, 1))
    grey = np.array([0, 128], np.uint8).reshape(1, 2, 1)
    assert palette({"nothing": (0, 0, 0), "sky": (128, 128, 128)})(grey).ravel().tolist() == [0, 1]


def test_two_classes_of_one_colour_are_refused():
    with pytest.raises(UserError, match="the same colour"):
        palette({"a": (0, 0, 0), "b": (0, 0, 0)})
    with pytest.raises(UserError, match="the same colour"):
        palette({"a": (0, 0, 0), "b": (1, 0, 0)}, void=(0, 0, 0))


def test_objects_by_number_colour_and_part():
    numbers = np.array([[0, 7, 7], [300, 0, 7]], np.uint16)[..., None]
    assert objects(numbers)[..., 0].tolist() == [[0, 1, 1], [2, 0, 1]]
    assert objects(numbers).dtype == np.uint16
    assert objects(np.full((1, 2, 1), 5, np.uint8)).ravel().tolist() == [1, 1]
    two = np.array([[1, 0, 1], [1, 0, 0]], np.uint8)[..., None]
    assert parts(two).max() == 2 and parts(two).dtype == np.uint16
    assert np.array_equal(parts(two) > 0, two > 0)


def test_a_number_stands_for_its_colour():
    there = values.values_of(np.array([(0, 0, 1), (7, 7, 7), (3, 2, 1)], np.uint8)[None])
    assert there[0, 1] == 7
    assert [values.colour_of(there[0, i]) for i in (0, 2)] == [(0, 0, 1), (3, 2, 1)]
