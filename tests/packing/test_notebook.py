"""The notebook's first cell: where the pack and the competition's files are, however Kaggle mounts them."""

from dataclasses import replace

import pytest

from pipeline.competitions.demo import competition
from pipeline.packing import notebook


def found(given, slug, *folders):
    """(PACK, DATA) where the folders of `given` are what is mounted; a pack is one that is called so."""
    for folder in folders:
        (given / folder).mkdir(parents=True)
        if folder.endswith("-pack"):
            (given / folder / "pack.json").write_text("{}")
    cell = notebook.cells(replace(competition, slug=slug), "1h")[0].replace("/kaggle/input", str(given))
    names = {}
    exec(cell, names)
    return tuple(names[name].relative_to(given).as_posix() for name in ("PACK", "DATA"))


@pytest.mark.parametrize(
    ("slug", "pack", "data"),
    [
        ("salt", "salt-r-pack", "salt"),
        ("salt", "datasets/me/salt-r-pack", "competitions/salt"),
        ("me/salt", "datasets/me/salt-r-pack", "datasets/me/salt"),
        ("me/salt", "salt-r-pack", "salt"),
        ("", "demo-r-pack", "demo"),
    ],
)
def test_pack_and_data_are_found_where_kaggle_mounts_them(tmp_path, slug, pack, data):
    assert found(tmp_path, slug, pack, data) == (pack, data)


@pytest.mark.parametrize(
    ("slug", "folders", "says"),
    [
        ("salt", ["salt"], "add the pack"),
        ("salt", ["salt-r-pack"], "Add Input, Competitions"),
        ("me/salt", ["salt-r-pack"], "Add Input, Datasets"),
        ("salt", ["salt", "a-pack", "b-pack"], "several packs, leave one: .*a-pack, .*b-pack"),
    ],
)
def test_what_is_not_added_or_twice_is_said(tmp_path, slug, folders, says):
    with pytest.raises(AssertionError, match=says):
        found(tmp_path, slug, *folders)


def test_no_file_of_the_working_folder_is_taken_for_one_of_the_pack(tmp_path, monkeypatch):
    for folder, said in (("working", "working"), ("pack", "pack")):
        (tmp_path / folder / "pipeline").mkdir(parents=True)
        (tmp_path / folder / "pipeline" / "__main__.py").write_text(f"open('said', 'w').write('{said}')")
    monkeypatch.chdir(tmp_path / "working")
    exec(notebook.cells(competition, "1h")[1], {"PACK": tmp_path / "pack", "DATA": "", "WORKING": ""})
    assert (tmp_path / "working" / "said").read_text() == "pack"
