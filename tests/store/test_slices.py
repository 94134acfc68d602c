"""Slices that lie on each other as they are stored."""

import pytest

from pipeline.errors import UserError
from pipeline.store.slices import refuse_torn


def test_the_slices_of_a_volume_follow_each_other_as_their_numbers_do():
    refuse_torn(["a/02", "a/11", "b/1"], ["train"] * 3, ["a", "a", "b"])
    with pytest.raises(UserError, match=r"1 volume\(s\) do not follow each other when sorted by id: a;"):
        refuse_torn(["a", "b", "c"], ["train"] * 3, ["a", "b", "a"])
    with pytest.raises(UserError, match="volume 'a' do not lie as their ids sort: a/11 comes before a/2"):
        refuse_torn(["a/11", "a/2"], ["train"] * 2, ["a", "a"])


def test_images_of_no_volume_may_lie_anywhere_and_in_any_order():
    refuse_torn(["a/1", "p11", "p2", "q/1", "z"], ["train"] * 5, ["a", "", "", "q", ""])
