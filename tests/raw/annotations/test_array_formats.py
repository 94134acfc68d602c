"""HDF5 and MATLAB's files: read as NumPy's of the same arrays are, or refused for what they hold."""

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from pipeline.errors import UserError
from pipeline.raw.annotations import array_formats, unread
from pipeline.raw.annotations import arrays as reader
from pipeline.raw.annotations.arrays import read_arrays
from pipeline.raw.files import RawFiles
from tests.raw.annotations.scenes import Read, looked, save, scene

SAID_7_3 = b"MATLAB 7.3 MAT-file, Platform: GLNXA64 HDF5 schema 1.00 ."


def write(path, **arrays):
    """As its ending says; `.7.mat` as MATLAB 7.3 does, whose axes are in reverse."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith(".7.mat"):
        _write_hdf5(path, {key: np.asarray(array).T for key, array in arrays.items()}, 512)
        path.write_bytes(SAID_7_3.ljust(128) + path.read_bytes()[128:])
    elif path.suffix == ".mat":
        savemat(path, arrays)
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        _write_hdf5(path, arrays)


def _write_hdf5(path, arrays, before=0):
    with h5py.File(path, "w", userblock_size=before) as file:
        for key, array in arrays.items():
            file[key] = array


@pytest.mark.parametrize("ending", [".h5", ".hdf5", ".mat", ".7.mat", ".npz"])
@pytest.mark.parametrize("folder", [".", "data"])
def test_image_and_mask_in_a_file_each(tmp_path, ending, folder):
    """Beside numbers and lists that are called as masks are."""
    truth = {}
    for i in range(6):
        picture, labels = scene(i)
        write(tmp_path / folder / f"s{i}{ending}", image=picture, label=np.array([[i]]), mask=labels)
        truth[f"s{i}{ending.removesuffix('.mat') if ending == '.7.mat' else ''}"] = labels
    seen, found = looked(tmp_path, reader)
    assert seen.arguments["images"] == ":image" and seen.arguments["masks"] == ":mask"
    assert found.equals(truth) and (next(iter(found.pictures.values())) == scene(0)[0]).all()


def test_stacks_of_train_and_test_in_groups_of_one_file(tmp_path):
    pairs = [scene(i) for i in range(8)]
    pictures, labels = (np.stack(there) for there in zip(*pairs, strict=True))
    groups = {"train/images": pictures[:6], "train/masks": labels[:6], "test/images": pictures[6:]}
    write(tmp_path / "data.h5", **groups)
    _, found = looked(tmp_path, reader)
    assert found.equals({str(i): own for i, own in enumerate(labels[:6])})
    assert list(found.parts.values()).count("test") == 2


def test_a_group_for_each_image_is_refused(tmp_path):
    write(tmp_path / "data.h5", **{f"p{i}/{key}": own for i in range(3) for key, own in _named(i).items()})
    with pytest.raises(UserError, match=r"data.h5 holds 3 images in groups of their own \(p0/image …\)"):
        looked(tmp_path, reader)


def _named(seed):
    return dict(zip(("image", "mask"), scene(seed), strict=True))


def test_structures_of_matlab_beside_pictures(tmp_path):
    truth = {}
    for i in range(4):
        picture, labels = scene(i)
        save(tmp_path / "images" / f"s{i}.png", picture)
        write(tmp_path / "masks" / f"s{i}.mat", GTcls={"Segmentation": labels, "CategoriesPresent": [[1.0], [2.0]]})
        truth[f"s{i}"] = labels
    assert looked(tmp_path, reader)[1].equals(truth)


def test_one_of_several_masks_is_named(tmp_path):
    truth = {}
    for i in range(4):
        picture, labels = scene(i)
        save(tmp_path / "images" / f"s{i}.png", picture)
        write(tmp_path / "labels" / f"s{i}.mat", inst_map=labels, type_map=labels * 2)
        truth[f"s{i}"] = labels
    with pytest.raises(
        UserError, match=r"s\d.mat holds 2 arrays \(inst_map, type_map\); say which one .*MASKS:inst_map"
    ):
        looked(tmp_path, reader)
    _, found = looked(tmp_path, reader, named=("images", "labels:inst_map"))
    assert found.equals(truth)


def test_names_that_differ_by_a_word_alone(tmp_path):
    truth = {}
    for i in (1, 2, 10):
        picture, labels = scene(i)
        write(tmp_path / "img" / f"image_{i}.h5", img=picture)
        write(tmp_path / "mask" / f"mask_{i:02}.h5", mask=labels)
        truth[f"image_{i}"] = labels
    _, found = looked(tmp_path, reader)
    assert found.equals(truth)
    assert "masks are matched to images by what tells their names apart (mask_01 for image_1)" in found.notes
    write(tmp_path / "mask" / "mask_11.h5", mask=labels)
    with pytest.raises(UserError, match="4 of 4 masks in mask have no image"):
        looked(tmp_path, reader)


def test_slices_and_volumes_together_are_refused(tmp_path):
    for i in range(3):
        write(tmp_path / "slices" / f"s{i}.npz", **_named(i))
    volume = np.stack([scene(9)[1]] * 4)
    write(tmp_path / "volumes" / "v.npy.h5", image=volume, mask=volume)
    with pytest.raises(UserError, match=r"masks are of .* and of .*: .*; bring slices and volumes in folders apart"):
        looked(tmp_path, reader)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.h5", b"no such file", "a.h5 is no HDF5 file"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(90), "a.h5 is cut off or damaged"),
        (
            "a.mat",
            b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"\x0e\0\0\0\xff\0\0\0",
            "a.mat is cut off or damaged",
        ),
        ("a.npz", b"PK", "a.npz is cut off or no array"),
    ],
)
def test_what_is_damaged_is_refused(name, content, says):
    with pytest.raises(UserError) as caught:
        array_formats.arrays_of(content, name, name)
    assert says in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_what_holds_no_numbers_is_refused(tmp_path):
    write(tmp_path / "a.mat", groundTruth=np.array([[{"a": 1}, {"a": 2}]], object))
    write(tmp_path / "a.h5", names=[b"a", b"b"])
    for name in ("a.mat", "a.h5"):
        with pytest.raises(UserError, match=rf"{name} holds no arrays of numbers"):
            array_formats.arrays_of((tmp_path / name).read_bytes(), name, name)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.pt", b"PK", "a.pt is Python objects, which can run code"),
        ("a.tfrec", b"x", "a.tfrec is records of TensorFlow"),
        ("a.parquet", b"PAR1", "a.parquet is pictures or tables in a data base"),
        ("a.zarr/0.0", b"x", "a.zarr/0.0 is part of an array of Zarr"),
        ("a.nrrd", b"NRRD0004\n", "a.nrrd is a NRRD volume, which is not read here; save it as NIfTI"),
        ("notes.md", b"# x", ""),
    ],
)
def test_files_that_are_not_read_are_called_by_what_they_are(tmp_path, name, content, says):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    with RawFiles(tmp_path) as raw:
        found = unread.why(raw)
    assert says in found and bool(says) == bool(found)


def test_arrays_that_are_not_called_as_images_or_masks_are_named(tmp_path):
    write(tmp_path / "data.h5", a=np.zeros((6, 20, 30, 3), np.uint8), b=np.zeros((6, 20, 30), np.uint8))
    with RawFiles(tmp_path) as raw:
        assert "data.h5 holds a of 6 x 20 x 30 x 3, b of 6 x 20 x 30; which arrays" in unread.why(raw)
    assert len(Read(tmp_path, read_arrays, images="data.h5:a", masks="data.h5:b").labels) == 6
