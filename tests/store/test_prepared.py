"""The prepared images as a network sees them: alone, or with the slices around them."""

from types import SimpleNamespace

import numpy as np
import pandas
import pytest

from pipeline.errors import UserError
from pipeline.store.flat import FlatReader, FlatWriter
from pipeline.store.prepared import Neighbours, Patches, Prepared, View
from tests.start import run


@pytest.fixture
def slices(tmp_path):
    """Three slices of p1, two of p2, and one test slice of p2: picture i holds the value i."""
    groups, parts = ["p1"] * 3 + ["p2"] * 3, ["train"] * 5 + ["test"]
    with FlatWriter(tmp_path / "images.npy", np.uint8) as writer:
        for i in range(6):
            writer.append(np.full((4, 5, 2), i, np.uint8))
    images = FlatReader(tmp_path / "images.npy", [4] * 6, [5] * 6, 2)
    return SimpleNamespace(images=images, table=pandas.DataFrame({"part": parts, "group": groups}))


def test_neighbours_stay_within_their_volume_and_part(slices):
    around = Neighbours(slices, 1)
    seen = [around[row][0, 0].tolist() for row in range(6)]
    assert seen == [[0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2], [1, 1, 2, 2, 2, 2]] + [
        [3, 3, 3, 3, 4, 4],
        [3, 3, 4, 4, 4, 4],
        [5, 5, 5, 5, 5, 5],
    ]
    assert Neighbours(slices, 2)[1].shape == (4, 5, 10) and len(around) == 6


def test_a_patch_lies_inside_its_volume_and_a_short_volume_ends_in_copies(slices):
    patches = Patches(slices, 2)
    assert [patches.around(row).tolist() for row in range(6)] == [[0, 1], [0, 1], [1, 2], [3, 4], [3, 4], [5, 5]]
    assert patches[2][0, 0].tolist() == [1, 1, 2, 2]
    view = View(patches, {}, slices=2)
    assert view.members(4).tolist() == [3, 4]
    assert View(slices.images, {}).members(4).tolist() == [4]


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
