"""The prepared images as a network sees them: alone, or with the slices around them."""

from types import SimpleNamespace

import numpy as np
import pandas
import pytest

from pipeline.errors import UserError
from pipeline.imaging.sizes import resized
from pipeline.imaging.tiles import mirrored
from pipeline.store import disk
from pipeline.store.flat import FlatReader, FlatWriter
from pipeline.store.prepared import Neighbours, Patches, Prepared, View
from pipeline.store.seen import Together
from tests.start import run


@pytest.fixture
def slices(tmp_path):
    """Three slices of p1, two of p2, and one test slice of p2: picture i holds the value i."""
    groups, parts = ["p1"] * 3 + ["p2"] * 3, ["train"] * 5 + ["test"]
    with FlatWriter(tmp_path / "images.npy", np.uint8) as writer:
        for i in range(6):
            writer.append(np.full((4, 5, 2), i, np.uint8))
    images = FlatReader(tmp_path / "images.npy", [4] * 6, [5] * 6, 2)
    return SimpleNamespace(images=images, table=pandas.DataFrame({"part": parts, "group": groups, "volume": groups}))


def test_neighbours_stay_within_their_volume_and_part(slices):
    around = Neighbours(slices, 1)
    seen = [around[row][0, 0].tolist() for row in range(6)]
    assert seen == [[0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2], [1, 1, 2, 2, 2, 2]] + [
        [3, 3, 3, 3, 4, 4],
        [3, 3, 4, 4, 4, 4],
        [5, 5, 5, 5, 5, 5],
    ]
    assert Neighbours(slices, 2)[1].shape == (4, 5, 10) and len(around) == 6


def test_neighbours_stay_within_one_of_several_volumes_of_a_group(slices):
    slices.table["group"] = "p"
    assert [Neighbours(slices, 1).around(row).tolist() for row in (2, 3)] == [[1, 2, 2], [3, 3, 4]]


def test_a_patch_lies_inside_its_volume_and_a_short_volume_ends_in_copies(slices):
    patches = Patches(slices, 2)
    assert [patches.around(row).tolist() for row in range(6)] == [[0, 1], [0, 1], [1, 2], [3, 4], [3, 4], [5, 5]]
    assert patches[2][0, 0].tolist() == [1, 1, 2, 2]
    view = View(patches, {}, slices=2)
    assert view.members(4).tolist() == [3, 4]
    assert View(slices.images, {}).members(4).tolist() == [4]


class Counting:
    """A picture that keeps how much of it was read."""

    dtype, ndim = np.dtype(np.uint8), 3

    def __init__(self, picture):
        self.picture, self.shape, self.read = picture, picture.shape, 0

    def __getitem__(self, where):
        found = self.picture[where]
        self.read += found.size
        return found


def test_of_a_window_of_many_slices_nothing_else_is_read():
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (40, 50, 2)).astype(np.uint8) for _ in range(5)]
    wanted = np.concatenate(pictures, axis=2)
    counting = [Counting(picture) for picture in pictures]
    found = Together(counting)
    assert found.shape == (40, 50, 10) and found.dtype == np.uint8
    assert np.array_equal(mirrored(found, 3, 7, 8, 9), wanted[3:11, 7:16])
    assert sum(one.read for one in counting) == 8 * 9 * 10
    assert np.array_equal(mirrored(found, -4, 45, 8, 9), mirrored(wanted, -4, 45, 8, 9))
    assert np.array_equal(found[2:5], wanted[2:5]) and sum(one.read for one in counting) == 2 * 8 * 9 * 10 + 10 * 150
    whole = Together(pictures)
    assert np.array_equal(np.asarray(whole), wanted) and np.array_equal(whole[..., 3:5], wanted[..., 3:5])
    assert np.array_equal(resized(whole, (20, 25)), resized(wanted, (20, 25)))
    assert np.array_equal(whole.astype(np.float32), wanted) and whole[0, 0].tolist() == wanted[0, 0].tolist()


@pytest.mark.parametrize(
    ("groups", "same"),
    [(["a", "b", "a"], [0, 1, 0]), (["a", "", "a", "", "3"], [0, 1, 0, 3, 4]), (["", ""], None)],
)
def test_an_image_without_a_group_is_alone(groups, same):
    known = SimpleNamespace(columns={"id": [str(i) for i in range(len(groups))], "group": groups})
    found = Prepared.groups(known, np.arange(len(groups)))
    assert (None if found is None else [found.tolist().index(name) for name in found]) == same


def test_images_without_groups_have_no_neighbours(drawn):
    prepared = Prepared(drawn / "data" / "demo" / "prepared")
    assert prepared.view(0).images is prepared.images and prepared.view(0).info is prepared.info
    for arguments, option in (((1, 1), "--neighbours"), ((0, 4), "--slices")):
        with pytest.raises(UserError, match=f"^{option} wants .*slices of volumes"):
            prepared.view(*arguments)


@pytest.mark.parametrize("name", ["images.npy", "labels.npy"])
def test_arrays_that_changed_on_the_disk_are_noticed_before_they_are_learnt(demo_root, name):
    path = demo_root / "data" / "demo" / "prepared" / name
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    sample = demo_root / "data" / "demo" / "prepared" / "sample_submission.csv"
    for words in (("train", "--fold", "0", "--folds", "3", "--model", "classical"), ("check", sample)):
        line = run("demo", *words, root=demo_root, status=2)
        assert f"{name} does not hold any more what was written into it" in line
    assert not (demo_root / "runs" / "demo").exists() or not list((demo_root / "runs").rglob("model.json"))


@pytest.mark.parametrize("name", ["labels.npy", "truth.npy"])
@pytest.mark.parametrize("dtype", ["int64", "uint16"])
def test_labels_of_another_type_are_refused_by_whoever_reads_them(demo_root, name, dtype):
    folder = demo_root / "data" / "demo" / "prepared"
    np.save(folder / name, np.load(folder / name).astype(dtype))
    with pytest.raises(UserError, match=rf"{name} holds {dtype} instead of uint8"):
        getattr(Prepared(folder), name.removesuffix(".npy"))
    # an earlier version did not say which type it wrote
    done = folder / "prepared.json"
    info = disk.read_json(done)
    disk.write_json(done, {key: value for key, value in info.items() if key != "label_dtype"})
    assert str(Prepared(folder).labels.values.dtype) in (dtype, "uint8")


@pytest.mark.parametrize(
    "changes", [{"dtype": "uint7"}, {"label_dtype": 8}, {"label_dtype": "x"}, {"notes": "x"}, {"notes": [3]}]
)
def test_what_was_edited_in_what_holds_for_all_images_is_named(demo_root, changes):
    done = demo_root / "data" / "demo" / "prepared" / "prepared.json"
    disk.write_json(done, {**disk.read_json(done), **changes})
    with pytest.raises(UserError, match=f"was edited: {next(iter(changes))} is not there as it was"):
        Prepared(done.parent)
