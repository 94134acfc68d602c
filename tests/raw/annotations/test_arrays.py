"""Arrays: stacks, a file for each, files of both, axes told by sizes, values of every kind."""

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
    layers = one_hot(labels, classes + 1) * np.array(scale, np.float32 if scale == 0.7 else np.uint8)
    layers = layers + np.float32(0.3 / (classes + 1)) if scale == 0.7 else layers
    draft, found = drafted(stacks(tmp_path, layers), answer)
    assert np.array_equal(found, labels)
    assert ("Binary" if classes == 1 else "MultiClass") in draft.kind.task
    assert any("the first is the background (--answer overlap" in line for line in draft.said)


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
