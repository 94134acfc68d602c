"""The prepared images as a network sees them: alone, or with the slices around them."""

from types import SimpleNamespace

import numpy as np
import pandas
import pytest

from pipeline.errors import UserError
from pipeline.flat import FlatReader, FlatWriter
from pipeline.prepared import Neighbours, Prepared


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


def test_images_without_groups_have_no_neighbours(drawn):
    prepared = Prepared(drawn / "data" / "demo" / "prepared")
    assert prepared.view(0).images is prepared.images and prepared.view(0).info is prepared.info
    with pytest.raises(UserError, match="slices of volumes"):
        prepared.view(1)
