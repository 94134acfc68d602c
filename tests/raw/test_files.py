"""Raw files: folders, links and zips as they come, and what is refused in one line that names the file."""

import os
import socket
import zipfile

import pytest

from pipeline.errors import UserError
from pipeline.raw import archives, files
from pipeline.raw.files import RawFiles, fingerprints


def names(folder) -> list[str]:
    with RawFiles(folder) as raw:
        return raw.names


def refusal(folder) -> str:
    """The line of both who lists the files: of the data and of its fingerprint."""
    lines = []
    for read in (names, fingerprints):
        with pytest.raises(UserError) as caught:
            read(folder)
        lines.append(str(caught.value))
    assert lines[0] == lines[1] and len(lines[0].splitlines()) == 1
    return lines[0]


def test_a_link_to_a_file_and_to_a_folder_is_what_it_leads_to(tmp_path):
    elsewhere, raw = tmp_path / "elsewhere", tmp_path / "raw"
    (elsewhere / "deep").mkdir(parents=True), raw.mkdir()
    (elsewhere / "deep" / "a.txt").write_text("a")
    (raw / "images").symlink_to(elsewhere)
    (raw / "b.txt").symlink_to(elsewhere / "deep" / "a.txt")
    assert names(raw) == ["b.txt", "images/deep/a.txt"]


def test_a_link_that_leads_nowhere_or_in_a_circle(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "lost").symlink_to(tmp_path / "gone")
    assert f"lost is a link to {tmp_path}/gone: No such file or directory; remove it" in refusal(tmp_path)
    (tmp_path / "lost").unlink()
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert "self is a link to" in refusal(tmp_path)
    (tmp_path / "self").unlink()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "above").symlink_to(tmp_path)
    assert "in/above is a link to a folder that it lies in; remove it" in refusal(tmp_path)


def test_what_is_neither_file_nor_folder(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert f"{tmp_path}/pipe is neither a file nor a folder; remove it" in refusal(tmp_path)
    (tmp_path / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as ear:
        ear.bind(str(tmp_path / "socket"))
        assert "socket is neither" in refusal(tmp_path)


def test_what_operating_systems_leave_is_not_looked_at(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / ".hidden").symlink_to(tmp_path / "gone")
    (tmp_path / "__MACOSX").mkdir()
    os.mkfifo(tmp_path / "__MACOSX" / "pipe")
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "locked").mkdir()
    real = os.scandir

    def scandir(folder):
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr(files.os, "scandir", scandir)
    assert f"cannot read {tmp_path}/locked: Permission denied; make it readable" in refusal(tmp_path)


def test_a_file_that_vanishes_while_it_is_read(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    with RawFiles(tmp_path) as raw:
        (tmp_path / "a.txt").unlink()
        with pytest.raises(UserError, match=r"a\.txt was there and is gone; put it back"):
            raw.read("a.txt")


def test_names_of_all_kinds(tmp_path):
    longest = "x" * 251 + ".txt"
    odd = os.fsdecode(b"caf\xe9.txt")
    for name in (longest, odd, "a\nb.txt", "é.txt"):
        (tmp_path / name).write_text("a")
    assert set(names(tmp_path)) == {longest, odd, "a\nb.txt", "é.txt"}
    assert len(fingerprints(tmp_path)["raw"]) == 16
    with RawFiles(tmp_path) as raw:
        assert raw.where(odd) == f"{tmp_path}/caf\\xe9.txt" and raw.where("a\nb.txt").endswith("/a\\nb.txt")
        with pytest.raises(UserError, match=r"caf\\xe9\.txt is not a picture"):
            raw.picture(odd)


def test_names_in_utf8_are_read_from_zips_that_do_not_say_so(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("Bä/é.txt", "a")
    content = (tmp_path / "a.zip").read_bytes()
    assert content.count(b"\x00\x08\x00\x00") == 2  # what says that a name is in UTF-8
    (tmp_path / "a.zip").write_bytes(content.replace(b"\x00\x08\x00\x00", b"\x00\x00\x00\x00"))
    assert names(tmp_path) == ["a.zip/Bä/é.txt"]


@pytest.mark.parametrize("name", ["../a.txt", "/a.txt", "a/../../b.txt", "..\\a.txt", "C:\\a.txt", "\\a.txt"])
def test_a_zip_whose_names_leave_it_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "a")
    with pytest.raises(UserError, match=r"a\.zip holds the file name .*leaves its folder"):
        names(tmp_path)


@pytest.mark.parametrize("inner", ["a.tif", "a.zip"])
def test_what_unpacks_to_far_more_than_is_packed_is_refused(tmp_path, inner, monkeypatch):
    monkeypatch.setattr(archives, "LARGE", 1 << 20)
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(inner, bytes(3 << 20))
    with pytest.raises(
        UserError, match=rf"b\.zip/{inner} would be 0\.0 GiB, \d+ times .* unpack it by hand and put the"
    ):
        names(tmp_path)
    monkeypatch.setattr(archives, "BLOWN", 2000)
    if inner == "a.tif":
        assert names(tmp_path) == ["b.zip/a.tif"]


def test_zips_within_each_other_have_an_end(tmp_path):
    path = tmp_path / "0.zip"
    path.write_bytes(b"")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")
    for depth in range(1, 7):
        outer = tmp_path / f"{depth}.zip"
        with zipfile.ZipFile(outer, "w") as archive:
            archive.write(path, path.name)
        path.unlink()
        path = outer
        if depth == 4:
            assert names(tmp_path) == ["4.zip/3.zip/2.zip/1.zip/0.zip/a.txt"]
    with pytest.raises(
        UserError, match=r"6\.zip/.*: more than 5 zips or tars within each other; unpack the outer ones"
    ):
        names(tmp_path)


@pytest.mark.parametrize("change", [lambda c: c[:-30], lambda c: b"no", lambda c: c.replace(b"PK\1\2", b"PK\1\3")])
def test_a_damaged_zip_is_a_line(tmp_path, change):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "a" * 100)
    (tmp_path / "a.zip").write_bytes(change((tmp_path / "a.zip").read_bytes()))
    with pytest.raises(UserError, match=r"a\.zip is cut off or not a zip"):
        names(tmp_path)


def test_a_damaged_file_in_a_zip_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "a" * 100)
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace(b"aaaa", b"aaab", 1))
    with RawFiles(tmp_path) as raw, pytest.raises(UserError, match=r"cannot read .*a\.zip/a\.txt: Bad CRC-32"):
        raw.read("a.zip/a.txt")
