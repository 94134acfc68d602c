"""Texts that wait on the disk: in any order, and a line where there is no room."""

from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.inference.spool import Spool


def test_texts_come_back_in_any_order(tmp_path):
    with Spool(tmp_path / "texts") as spool:
        for number in range(100):
            spool.add(str(number), [f"{number} 1", "…"])
            assert spool.get(str(number // 2)) == [f"{number // 2} 1", "…"]
        assert spool.get("nobody") is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("length", [1, 1 << 20])
def test_where_there_is_no_room_a_line_names_the_file(tmp_path, length):
    (tmp_path / "texts").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"cannot write .*texts: No space left"), Spool(tmp_path / "texts") as spool:
        for name in "ab":
            spool.add(name, ["1" * length])
        spool.get("a")
