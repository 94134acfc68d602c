"""Files of several pages: slices with their own masks, layers of one image, and numbers of pages that do not fit."""

import numpy as np
import pytest
import tifffile

from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from pipeline.raw.folders import read_folders
from tests.raw.layout_example import check, drafted, labels_of, save, scene


def stack(path, arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.stack(arrays), photometric="minisblack")


def slices(folder, name, count, seed=0, images="images", masks="masks"):
    """Writes a stack and its masks; returns id -> labels."""
    scenes = [scene(seed + k) for k in range(count)]
    stack(folder / images / f"{name}.tif", [image[..., 0] for image, _ in scenes])
    stack(folder / masks / f"{name}.tif", [labels * 255 for _, labels in scenes])
    width = len(str(count - 1))
    return {f"{name}/{k:0{width}}": labels for k, (_, labels) in enumerate(scenes)}


def refusal(folder, **options) -> str:
    with pytest.raises(UserError) as caught, RawFiles(folder) as raw:
        labels_of(read_folders(raw, **options))
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("count", [2, 10, 12])
def test_every_page_is_a_slice_and_they_sort_as_they_lie(tmp_path, count):
    truth = {**slices(tmp_path, "s0", count), **slices(tmp_path, "s1", 3, 50)}
    data, said = check(tmp_path, truth, images="images")
    assert {image.id: image.group for image in data.images} == {name: name.split("/")[0] for name in truth}
    first = [image.id for image in data.images if image.group == "s0"]
    assert first == sorted(first) == [name for name in truth if name.startswith("s0")]
    assert "2 file(s) of several pages: every page is a slice" in said
    image = next(image for image in data.images if image.id == first[1])
    assert np.array_equal(image.image()[..., 0], scene(1)[0][..., 0])


def test_stacks_and_single_images_side_by_side(tmp_path):
    truth = slices(tmp_path, "s0", 3)
    image, labels = scene(9)
    save(tmp_path / "images" / "p.png", image[..., 0])
    save(tmp_path / "masks" / "p.png", labels * 255)
    data, _ = check(tmp_path, {**truth, "p": labels}, images="images")
    assert {image.group for image in data.images} == {"s0", ""}


def test_the_group_that_one_names_is_asked_for_the_file(tmp_path):
    truth = {**slices(tmp_path, "p7_1", 2), **slices(tmp_path, "p7_2", 2, 9)}
    for group in (r"^(p\d+)_\d+$", lambda name: name.split("_")[0]):
        with RawFiles(tmp_path) as raw:
            data = read_folders(raw, group=group)
        assert {image.group for image in data.images} == {"p7"} and len(data.images) == len(truth)


def test_stacks_of_patients(tmp_path):
    truth = {}
    for k, patient in enumerate(("a", "b")):
        found = slices(tmp_path / patient, "t1", 3, 10 * k)
        truth |= {f"{patient}/{name}": labels for name, labels in found.items()}
    data, _ = check(tmp_path, truth, images="images")
    assert {image.id: image.group for image in data.images} == {name: name[0] for name in truth}


def test_stacks_to_answer(tmp_path):
    truth = slices(tmp_path, "s0", 3)
    stack(tmp_path / "test" / "s0.tif", [scene(k)[0][..., 0] for k in range(4)])
    data, _ = check(tmp_path, truth)
    tests = {image.id: image.group for image in data.images if image.part == "test"}
    assert tests == {f"test_s0/{k}": "test_s0" for k in range(4)}


def test_the_pages_of_the_mask_of_one_image_are_layers(tmp_path):
    truth = {}
    for i in range(3):
        image, labels = scene(i)
        other = scene(50 + i)[1]
        save(tmp_path / "images" / f"p{i}.png", image)
        stack(tmp_path / "masks" / f"p{i}.tif", [labels * 255, other * 255])
        truth[f"p{i}"] = np.stack([labels, other], axis=-1)
    _, said = check(tmp_path, truth, images="images")
    assert drafted(tmp_path)[0].task.classes == ("class_0", "class_1")
    assert "masks of 2 pages for images of one: every page is a layer" in said


def test_numbers_of_pages_that_do_not_fit(tmp_path):
    slices(tmp_path, "s0", 3)
    stack(tmp_path / "masks" / "s0.tif", [scene(k)[1] for k in range(4)])
    assert "image images/s0.tif has 3 pages, its mask masks/s0.tif 4" in refusal(tmp_path)
    save(tmp_path / "masks" / "s0.tif", scene(0)[1])
    assert "image images/s0.tif has 3 pages, its mask masks/s0.tif 1" in refusal(tmp_path)


def test_masks_of_single_images_that_differ_in_pages(tmp_path):
    for i in range(2):
        save(tmp_path / "images" / f"p{i}.png", scene(i)[0])
        stack(tmp_path / "masks" / f"p{i}.tif", [scene(i)[1]] * (2 + i))
    line = refusal(tmp_path)
    assert "masks/p0.tif has 2" in line or "masks/p0.tif 2" in line
    assert "masks/p1.tif has 3" in line or "masks/p1.tif 3" in line


def test_a_stack_without_masks_is_what_one_says_it_is(tmp_path):
    truth = slices(tmp_path, "s0", 3)
    stack(tmp_path / "images" / "s1.tif", [scene(k)[0][..., 0] for k in range(2)])
    assert "2 of 5 images have no mask in masks/: images/s1.tif (page 0)" in refusal(tmp_path)
    with RawFiles(tmp_path) as raw:
        data = read_folders(raw, unmasked="test")
    assert {image.id for image in data.images if image.part == "test"} == {"s1/0", "s1/1"}
    assert sorted(labels_of(data)) == sorted(truth)
