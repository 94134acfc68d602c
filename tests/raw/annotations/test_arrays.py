"""Arrays: stacks, a file for each, files of both, axes told by sizes, values of every kind."""

import shutil

import cv2
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.raw.annotations import arrays as reader
from pipeline.raw.annotations.arrays import read_arrays
from pipeline.raw.files import RawFiles
from pipeline.raw.masks import class_ids
from tests.drafting.mask_folders import drafted
from tests.raw.annotations.scenes import HEIGHT, WIDTH, Read, looked, save, scene


def scenes(count=12, classes=1):
    pairs = [scene(i, classes) for i in range(count)]
    return np.stack([picture for picture, _ in pairs]), np.stack([labels for _, labels in pairs])


def truth_of(labels, digits=2):
    return {f"{i:0{digits}}": own for i, own in enumerate(labels)}


@pytest.mark.parametrize("names", [("X.npy", "Y.npy"), ("images.npy", "masks.npy"), ("X_train.npy", "y_train.npy")])
@pytest.mark.parametrize("dtype", [np.uint8, bool, np.float32, np.int64])
def test_two_stacks(tmp_path, names, dtype):
    pictures, labels = scenes()
    np.save(tmp_path / names[0], pictures)
    np.save(tmp_path / names[1], labels.astype(dtype))
    seen, found = looked(tmp_path, reader)
    assert found.equals(truth_of(labels)) and seen.arguments["images"] == names[0]
    assert (found.pictures["03"] == pictures[3]).all()


@pytest.mark.parametrize("axis", [1, 3])
@pytest.mark.parametrize("mask_axis", [None, 1, 3])
def test_axes_are_told_by_sizes(tmp_path, axis, mask_axis):
    pictures, labels = scenes()
    np.save(tmp_path / "X.npy", np.moveaxis(pictures, 3, axis))
    np.save(tmp_path / "Y.npy", labels if mask_axis is None else np.expand_dims(labels, mask_axis))
    _, found = looked(tmp_path, reader)
    assert found.equals(truth_of(labels)) and (found.pictures["03"] == pictures[3]).all()


@pytest.mark.parametrize("mask_axis", [1, 3])
def test_layers_may_overlap(tmp_path, mask_axis):
    pictures, labels = scenes()
    layers = np.stack([labels, np.roll(labels, 3, axis=1)], axis=-1)
    np.save(tmp_path / "X.npy", pictures[..., 0])
    np.save(tmp_path / "Y.npy", np.moveaxis(layers, 3, mask_axis))
    seen, found = looked(tmp_path, reader)
    assert seen.arguments["answer"] == "overlap" and found.equals(truth_of(layers))
    assert found.pictures["03"].shape == (HEIGHT, WIDTH, 1)


def one_hot(labels, count):
    return np.eye(count, dtype=np.uint8)[labels]


@pytest.mark.parametrize("answer", ["", "classes"])
@pytest.mark.parametrize("scale", [1, 255, 0.7])
@pytest.mark.parametrize("classes", [1, 2, 4])
def test_layers_of_which_a_pixel_has_one_are_classes_and_the_first_is_the_background(tmp_path, classes, scale, answer):
    _, labels = scenes(classes=classes)
    layers = one_hot(labels, classes + 1)
    layers = layers * np.uint8(scale) if scale != 0.7 else layers * np.float32(0.7) + np.float32(0.3 / (classes + 1))
    draft, found = drafted(stacks(tmp_path, layers), answer)
    assert np.array_equal(found, labels)
    assert ("Binary" if classes == 1 else "MultiClass") in draft.kind.task
    assert any("the first is the background (--answer overlap" in line for line in draft.said)


@pytest.mark.parametrize(("first", "task"), [(0, "Binary"), (1, "MultiLabel")])
def test_layers_with_soft_edges(tmp_path, first, task):
    _, labels = scenes(classes=2)
    layers = one_hot(np.minimum(labels, 1), 2) if first == 0 else one_hot(labels, 3)[..., 1:]
    soft = [cv2.GaussianBlur(own.astype(np.uint8) * np.uint8(255), (3, 3), 0) for own in layers]
    draft, found = drafted(stacks(tmp_path, np.stack(soft)))
    wanted = layers[..., 1] if first == 0 else layers[..., 0]
    assert task in draft.kind.task and max(np.mean(a != b) for a, b in zip(found, wanted, strict=True)) < 0.01


def test_numbers_in_layers_are_no_colours(tmp_path):
    _, labels = scenes(classes=2)
    layers = one_hot(labels, 3) * (1 + np.arange(HEIGHT * WIDTH, dtype=np.uint16) // 4).reshape(HEIGHT, WIDTH, 1)
    layers[..., 1] = layers[..., 2]
    draft, _ = drafted(stacks(tmp_path, layers))
    assert "MultiLabel" in draft.kind.task
    assert any(line.startswith("layers hold up to 5") and "not 0 is the class" in line for line in draft.said)


def test_layers_that_exclude_each_other_where_that_is_asked_for(tmp_path):
    _, labels = scenes(classes=2)
    layers = one_hot(labels, 3)[..., 1:]
    draft, _ = drafted(stacks(tmp_path, layers))
    assert "MultiLabel" in draft.kind.task and any("--answer classes where they exclude" in line for line in draft.said)
    # a mask of which every pixel has a class has no background
    labels[0] = np.maximum(labels[0], 1)
    draft, found = drafted(stacks(tmp_path, one_hot(labels, 3)[..., 1:]), "classes")
    assert "MultiClass" in draft.kind.task and np.array_equal(found, labels)
    with pytest.raises(UserError, match=r"Y.npy has layers that overlap, which --answer classes cannot be"):
        drafted(stacks(tmp_path, layers | layers[..., ::-1]), "classes")


def test_one_npz_of_all_with_a_test_part(tmp_path):
    pictures, labels = scenes()
    np.savez(tmp_path / "data.npz", x_train=pictures, y_train=labels, x_test=pictures[:3])
    seen, found = looked(tmp_path, reader)
    own = {name for name, part in found.parts.items() if part == "test"}
    assert found.equals(truth_of(labels)) and own == {"0", "1", "2"}
    assert (seen.arguments["images"], seen.arguments["test"]) == ("data.npz:x_train", "data.npz:x_test")


def part(start, count):
    """(images, masks) of other scenes."""
    pairs = [scene(start + i) for i in range(count)]
    return np.stack([picture for picture, _ in pairs]), np.stack([labels for _, labels in pairs])


SPLIT = {"train": part(0, 6), "val": part(30, 3), "test": part(60, 2)}
TRUTH = {f"{name}/{i}": own for name in ("train", "val") for i, own in enumerate(SPLIT[name][1])}


def as_stacks(path, image, mask):
    for name, (pictures, labels) in SPLIT.items():
        (path / image.format(name)).parent.mkdir(exist_ok=True)
        np.save(path / image.format(name), pictures)
        np.save(path / mask.format(name), labels)


def as_one_npz(path, image, mask):
    kinds = {image: 0, mask: 1}
    np.savez(path / "data.npz", **{key.format(name): SPLIT[name][i] for name in SPLIT for key, i in kinds.items()})


def as_an_npz_for_each_part(path, image, mask):
    for name, (pictures, labels) in SPLIT.items():
        np.savez(path / f"{name}.npz", **{image: pictures, mask: labels})


def as_files(path, image, mask):
    for name, pair in SPLIT.items():
        for folder, arrays in zip((image.format(name), mask.format(name)), pair, strict=True):
            (path / folder).mkdir(parents=True)
            for i, array in enumerate(arrays):
                np.save(path / folder / f"{i}.npy", array)


@pytest.mark.parametrize(
    ("write", "image", "mask"),
    [
        (as_stacks, "X_{}.npy", "y_{}.npy"),
        (as_stacks, "X{}.npy", "y{}.npy"),
        (as_stacks, "{}/X.npy", "{}/y.npy"),
        (as_stacks, "imgs_{}.npy", "imgs_mask_{}.npy"),
        (as_one_npz, "{}_images", "{}_labels"),
        (as_an_npz_for_each_part, "x", "y"),
        (as_files, "{}/images", "{}/masks"),
        (as_files, "images/{}", "masks/{}"),
    ],
)
def test_parts_of_a_split(tmp_path, write, image, mask):
    write(tmp_path, image, mask)
    seen, found = looked(tmp_path, reader)
    assert found.equals(TRUTH) and found.parts == dict.fromkeys(TRUTH, "train") | {"0": "test", "1": "test"}
    # as hidden truth
    assert all(np.array_equal(found.labels[str(i)], own) for i, own in enumerate(SPLIT["test"][1]))
    assert len(drafted(tmp_path)[1]) == 11
    split, truth = found.notes
    assert split.startswith("a published split: train (6), valid (3); the 3 images in ") and "in the folds" in split
    assert truth.startswith("masks of 2 images in ") and "hidden truth that the report alone reads" in truth
    with RawFiles(tmp_path) as raw:
        learnt = seen.read(raw, valid_as="learnt").images
        assert [image.id for image in learnt if image.always_learnt] == ["val/0", "val/1", "val/2"]
        kept_apart = seen.read(raw, valid_as="truth").images
        assert sum(image.part == "test" and image.labels is not None for image in kept_apart) == 5
        with pytest.raises(UserError, match=r"2 images to answer have no mask: .* hidden truth is of all or of none"):
            seen.read(raw, valid_as="truth", test_masks="")


def test_pictures_of_a_split_whose_masks_are_arrays(tmp_path):
    for name, (pictures, labels) in SPLIT.items():
        (tmp_path / name / "masks").mkdir(parents=True)
        for i, (picture, own) in enumerate(zip(pictures, labels, strict=True)):
            save(tmp_path / name / "images" / f"{i}.png", picture)
            if name != "test":
                np.save(tmp_path / name / "masks" / f"{i}.npy", own)
    _, found = looked(tmp_path, reader)
    assert found.equals(TRUTH) and sorted(found.parts)[:2] == ["0", "1"] and len(found.notes) == 1
    shutil.rmtree(tmp_path / "val" / "masks")
    _, found = looked(tmp_path, reader)
    assert set(found.labels) == {str(i) for i in range(6)}
    assert "3 array(s) or picture(s) are not used: val/images/0.png, val/images/1.png, val/images/2.png" in found.notes


def test_an_npz_for_each_image_in_the_folders_of_parts(tmp_path):
    for name, (pictures, labels) in SPLIT.items():
        (tmp_path / name).mkdir()
        for i, (picture, own) in enumerate(zip(pictures, labels, strict=True)):
            np.savez(tmp_path / name / f"{i}.npz", image=picture, label=own)
    _, found = looked(tmp_path, reader)
    assert found.equals(TRUTH) and {name for name, part in found.parts.items() if part == "test"} == {"0", "1"}


def test_arrays_that_are_not_used_are_counted(tmp_path):
    pictures, labels = scenes()
    for name, array in {"X_train": pictures, "y_train": labels, "X_val": pictures[:2], "ids": np.arange(12)}.items():
        np.save(tmp_path / f"{name}.npy", array)
    assert looked(tmp_path, reader)[1].notes == ["2 array(s) or picture(s) are not used: X_val.npy, ids.npy"]
    np.savez(tmp_path / "data.npz", images=pictures, masks=labels, ids=np.arange(12))
    notes = Read(tmp_path, read_arrays, images="data.npz:images", masks="data.npz:masks").notes
    assert notes == ["5 array(s) or picture(s) are not used: X_train.npy, X_val.npy, ids.npy, y_train.npy (and 1 more)"]


def test_images_and_masks_in_an_npz_each(tmp_path):
    pictures, labels = scenes()
    np.savez(tmp_path / "images.npz", pictures)
    np.savez(tmp_path / "masks.npz", labels)
    assert looked(tmp_path, reader)[1].equals(truth_of(labels))


def test_stacks_in_several_npz(tmp_path):
    pictures, labels = scenes(4)
    for i in (0, 1):
        np.savez(tmp_path / f"batch{i}.npz", x=pictures, y=labels)
    with pytest.raises(
        UserError, match=r"batch0.npz holds 'x' of 4 x 40 x 56 x 3, a stack, beside other files: name one"
    ):
        looked(tmp_path, reader)


@pytest.mark.parametrize("named", [(), ("images", "masks")])
def test_images_that_are_arrays_and_masks_that_are_pictures(tmp_path, named):
    pictures, labels = scenes(6)
    (tmp_path / "images").mkdir()
    for i in range(6):
        np.save(tmp_path / "images" / f"a{i}.npy", np.concatenate([pictures[i]] * 2, axis=2).astype(np.float32))
        save(tmp_path / "masks" / f"a{i}.png", labels[i] * np.uint8(255))
    draft, found = drafted(tmp_path, named=named)
    assert np.array_equal(found, labels) and "of several channels, float32" in draft.said[1]


def test_masks_that_are_pictures_beside_images_that_are_arrays_in_one_folder(tmp_path):
    pictures, labels = scenes(3)
    for i in range(3):
        np.save(tmp_path / f"a{i}.npy", pictures[i])
        save(tmp_path / f"a{i}_mask.png", labels[i])
    with pytest.raises(UserError, match=r"3 masks are pictures in a folder with images that are arrays: a0_mask.png"):
        drafted(tmp_path)


def test_an_npz_for_each(tmp_path):
    pictures, labels = scenes()
    for i in range(12):
        np.savez(tmp_path / f"case_{i:02}.npz", image=pictures[i, ..., 0] / 255.0, label=labels[i])
    _, found = looked(tmp_path, reader)
    assert found.equals({f"case_{i:02}": own for i, own in enumerate(labels)})
    assert found.pictures["case_03"].dtype.kind == "f"


@pytest.mark.parametrize("are_pictures", [True, False])
@pytest.mark.parametrize("ending", ["", "_mask"])
def test_a_file_for_each(tmp_path, are_pictures, ending):
    pictures, labels = scenes()
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for i in range(12):
        if are_pictures:
            save(tmp_path / "images" / f"a{i}.png", pictures[i])
        else:
            np.save(tmp_path / "images" / f"a{i}.npy", pictures[i])
        np.save(tmp_path / "masks" / f"a{i}{ending}.npy", labels[i])
    _, found = looked(tmp_path, reader)
    assert found.equals({f"a{i}": own for i, own in enumerate(labels)})


def stacks(path, masks):
    np.save(path / "X.npy", scenes()[0])
    np.save(path / "Y.npy", masks)
    return path


def test_what_values_mean(tmp_path):
    _, labels = scenes(classes=2)
    draft, found = drafted(stacks(tmp_path, labels))
    assert draft.kind.names == ("class_0", "class_1", "class_2") and np.array_equal(found, labels)
    labels[:, 0] = 255
    draft, found = drafted(stacks(tmp_path, labels))
    assert "void=255" in draft.kind.task and np.array_equal(found, labels)


def test_one_class_of_0_and_255_and_shares(tmp_path):
    _, labels = scenes()
    assert looked(stacks(tmp_path, labels * np.uint8(255)), reader)[1].equals(truth_of(labels))
    draft, found = drafted(stacks(tmp_path, labels * np.float32(0.4) + 0.3))
    assert draft.kind.labels == "above(0.5)" and np.array_equal(found, labels)
    assert any("fractions from 0 to 1 are probabilities" in line for line in draft.said)


def test_numbers_of_objects(tmp_path):
    _, labels = scenes()
    numbers = labels.astype(np.int32) * (1 + np.arange(WIDTH))
    draft, found = drafted(stacks(tmp_path, numbers), answer="objects")
    assert "Instances" in draft.kind.task
    for labels_of_one, own in zip(found, numbers, strict=True):
        assert len(np.unique(labels_of_one)) == len(np.unique(own)) and labels_of_one.dtype == np.uint16


@pytest.mark.parametrize("void", [None, 255])
@pytest.mark.parametrize(
    "said", [lambda void: {"classes": ("a", "b"), "void": void}, lambda void: {"labels": class_ids(3, void)}]
)
def test_what_a_file_of_ones_own_says(tmp_path, said, void):
    _, labels = scenes(classes=2)
    labels[:, 0] = void or 0
    found = Read(stacks(tmp_path, labels), read_arrays, images="X.npy", masks="Y.npy", **said(void))
    assert found.equals(truth_of(labels))


@pytest.mark.parametrize(
    ("masks", "says"),
    [
        (np.zeros((11, HEIGHT, WIDTH)), r"X.npy holds 12 images, Y.npy 11 masks"),
        (np.zeros((12, WIDTH, HEIGHT)), r"Y.npy, number 0 is 56 x 40, its image is 40 x 56 pixels"),
        (np.zeros((12, 7)), r"Y.npy is an array of 12 x 7, not of N images"),
        (np.zeros((0, HEIGHT, WIDTH)), r"Y.npy is an array of 0 x 40 x 56, not of N images"),
        (np.zeros((12, HEIGHT, WIDTH, 0)), r"Y.npy, number 0 is 40 x 56 x 0, its image is 40 x 56"),
        (np.full((12, HEIGHT, WIDTH), -1), r"Y.npy, number 0 holds the value -1"),
        (np.full((12, HEIGHT, WIDTH), np.nan), r"Y.npy, number 0 holds 2240 of 2240 values that are infinite or no"),
        (np.full((12, HEIGHT, WIDTH), 7.5), r"Y.npy, number 0 holds fractions up to 7.5: no mask of classes"),
        (
            np.arange(WIDTH) * np.ones((12, HEIGHT, 1)) / 3 - 9.1,
            r"Y.npy, number 0 holds fractions, .* from -9.1 to 9.23",
        ),
        (np.full((12, HEIGHT, WIDTH), "a"), r"Y.npy, number 0 holds "),
    ],
)
def test_masks_that_do_not_fit(tmp_path, masks, says):
    with pytest.raises(UserError, match=says) as found:
        drafted(stacks(tmp_path, masks))
    assert len(str(found.value).splitlines()) == 1


def test_axes_that_may_be_two_things_are_refused(tmp_path):
    np.save(tmp_path / "X.npy", np.zeros((4, 20, 20, 3), np.uint8))
    np.save(tmp_path / "Y.npy", np.zeros((4, 20, 20, 20), np.uint8))
    with pytest.raises(UserError, match=r"is 20 x 20 x 20: which axis holds the layers is not told"):
        looked(tmp_path, reader)
    np.save(tmp_path / "X.npy", np.zeros((4, 12, 20, 12), np.uint8))
    with pytest.raises(UserError, match=r"which axis holds the channels is not told"):
        looked(tmp_path, reader)


def test_files_that_are_cut_off_or_hold_objects(tmp_path):
    stacks(tmp_path, scenes()[1])
    whole = (tmp_path / "Y.npy").read_bytes()
    (tmp_path / "Y.npy").write_bytes(whole[:-100])
    with pytest.raises(UserError, match=r"Y.npy is cut off or no array"):
        looked(tmp_path, reader)
    np.save(tmp_path / "Y.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(UserError, match=r"Y.npy holds Python objects, not numbers"):
        looked(tmp_path, reader)


def test_masks_without_an_image_and_images_without_a_mask(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    pictures, labels = scenes(3)
    for i in range(3):
        np.save(tmp_path / "images" / f"a{i}.npy", pictures[i])
        np.save(tmp_path / "masks" / f"a{i}.npy", labels[i])
    (tmp_path / "images" / "a1.npy").rename(tmp_path / "images" / "b.npy")
    with pytest.raises(UserError, match=r"1 of 3 masks in masks have no image: a1"):
        Read(tmp_path, read_arrays)
    (tmp_path / "masks" / "a1.npy").unlink()
    with pytest.raises(UserError, match=r"1 of 3 images have no mask in masks: b"):
        Read(tmp_path, read_arrays)


def test_arrays_of_something_else_are_not_taken_for_masks(tmp_path):
    np.save(tmp_path / "weights.npy", np.zeros(4))
    with RawFiles(tmp_path) as raw:
        assert reader.look(raw, "", ()) is None
