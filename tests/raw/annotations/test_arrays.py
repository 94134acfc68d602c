"""Arrays: stacks, a file for each, files of both, axes told by sizes, values of every kind."""

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.raw.annotations import arrays as reader
from pipeline.raw.annotations.arrays import read_arrays
from pipeline.raw.files import RawFiles
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
    seen, found = looked(stacks(tmp_path, labels), reader)
    assert seen.arguments["classes"] == ("class_1", "class_2") and found.equals(truth_of(labels))
    labels[:, 0] = 255
    seen, found = looked(stacks(tmp_path, labels), reader)
    assert seen.can_ignore and found.equals(truth_of(labels))


def test_one_class_of_0_and_255_and_shares(tmp_path):
    _, labels = scenes()
    assert looked(stacks(tmp_path, labels * np.uint8(255)), reader)[1].equals(truth_of(labels))
    seen, found = looked(stacks(tmp_path, labels * np.float32(0.4) + 0.3), reader)
    assert seen.arguments["soft"] and found.equals(truth_of(labels))
    assert any("masks are shares" in note for note in seen.notes)


def test_numbers_of_objects(tmp_path):
    _, labels = scenes()
    numbers = labels.astype(np.int32) * (1 + np.arange(WIDTH))
    seen, found = looked(stacks(tmp_path, numbers), reader, answer="objects")
    assert seen.arguments["answer"] == "objects"
    for i, own in enumerate(numbers):
        assert (
            len(np.unique(found.labels[f"{i:02}"])) == len(np.unique(own))
            and found.labels[f"{i:02}"].dtype == np.uint16
        )


@pytest.mark.parametrize(
    ("masks", "says"),
    [
        (np.zeros((11, HEIGHT, WIDTH)), r"X.npy holds 12 images, Y.npy 11 masks"),
        (np.zeros((12, WIDTH, HEIGHT)), r"Y.npy, number 0 is 56 x 40, its image is 40 x 56 pixels"),
        (np.zeros((12, 7)), r"Y.npy is an array of 12 x 7, not of N images"),
        (np.full((12, HEIGHT, WIDTH), -1), r"Y.npy, number 0 holds the value -1"),
        (np.full((12, HEIGHT, WIDTH), np.nan), r"Y.npy, number 0 holds "),
        (np.full((12, HEIGHT, WIDTH), 7.5), r"Y.npy, number 0 holds fractions that are no shares"),
        (np.full((12, HEIGHT, WIDTH), "a"), r"Y.npy, number 0 holds "),
    ],
)
def test_masks_that_do_not_fit(tmp_path, masks, says):
    with pytest.raises(UserError, match=says) as found:
        looked(stacks(tmp_path, masks), reader)
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
