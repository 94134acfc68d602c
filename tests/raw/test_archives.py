"""Zips and tars: what is in them under which name, what is refused, and files that only look like ours."""

import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.errors import UserError
from pipeline.raw import archives
from pipeline.raw.files import RawFiles

TARS = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz", ".TAR": "w"}


def contents(folder) -> dict[str, bytes]:
    with RawFiles(folder) as raw:
        return {name: raw.read(name) for name in raw.names}


def refusal(folder) -> str:
    with pytest.raises(UserError) as caught:
        contents(folder)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def tarred(path, files: dict[str, bytes], mode="w", links=(), kind=tarfile.REGTYPE):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.type = len(content), kind
            archive.addfile(info, io.BytesIO(content))
        for name, target, link in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = link, target
            archive.addfile(info)


@pytest.mark.parametrize("ending", TARS)
def test_a_tar_is_read_like_a_zip(tmp_path, ending):
    files = {"./images/a.b.png": os.urandom(3000), "masks/ä.png": b"b", "deep/er/empty": b"", ".hidden": b"x"}
    tarred(tmp_path / f"all{ending}", files, TARS[ending])
    top = f"all{ending}"
    assert contents(tmp_path) == {
        f"{top}/images/a.b.png": files["./images/a.b.png"],
        f"{top}/masks/ä.png": b"b",
        f"{top}/deep/er/empty": b"",
    }


def test_many_threads_read_a_tar_at_once(tmp_path):
    files = {f"{i}.bin": os.urandom(5000 + i) for i in range(64)}
    tarred(tmp_path / "a.tar", files)
    with RawFiles(tmp_path) as raw, ThreadPoolExecutor(8) as pool:
        names = raw.names * 8
        for name, content in zip(names, pool.map(raw.read, names), strict=True):
            assert content == files[name.removeprefix("a.tar/")]


def test_archives_within_each_other_and_what_lies_outside_comes_first(tmp_path):
    tarred(tmp_path / "in.tgz", {"a.txt": b"deepest"}, "w:gz")
    with zipfile.ZipFile(tmp_path / "Out.ZIP", "w") as archive:
        archive.write(tmp_path / "in.tgz", "in.tgz")
        archive.writestr("b.txt", "b")
    (tmp_path / "in.tgz").unlink()
    (tmp_path / "z.txt").write_text("z")
    found = contents(tmp_path)
    assert list(found) == ["z.txt", "Out.ZIP/b.txt", "Out.ZIP/in.tgz/a.txt"]
    assert found["Out.ZIP/in.tgz/a.txt"] == b"deepest"
    with RawFiles(tmp_path) as raw:
        assert [raw.depth(name) for name in raw.names] == [0, 1, 2]


def test_backslashes_in_a_zip_are_slashes(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("images\\", "")
        archive.writestr("images\\p0.png", "p")
        archive.writestr("images\\deep\\p1.png", "q")
    assert contents(tmp_path) == {"a.zip/images/p0.png": b"p", "a.zip/images/deep/p1.png": b"q"}


@pytest.mark.parametrize("name", ["../a.txt", "/a.txt", "a/../../b.txt", "C:\\a.txt"])
def test_a_tar_whose_names_leave_it_is_refused(tmp_path, name):
    tarred(tmp_path / "a.tar", {name: b"a"})
    assert "a.tar holds the file name" in refusal(tmp_path) and "leaves its folder" in refusal(tmp_path)


@pytest.mark.parametrize("target", ["../../etc/passwd", "/etc/passwd", "..", "in/../../../x"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_that_leaves_a_tar_is_refused(tmp_path, target, kind):
    tarred(tmp_path / "a.tar", {"in/a.txt": b"a"}, links=[("l.txt", target, kind)])
    assert "holds the link 'l.txt' to" in refusal(tmp_path) and "refused" in refusal(tmp_path)


def test_links_in_a_tar_are_what_they_lead_to(tmp_path):
    links = [
        ("masks/a.png", "../deep/a.png", tarfile.SYMTYPE),
        ("hard.png", "deep/a.png", tarfile.LNKTYPE),
        ("images", "deep", tarfile.SYMTYPE),
        ("again", "images", tarfile.SYMTYPE),
        ("through.png", "again/b.png", tarfile.SYMTYPE),
    ]
    tarred(tmp_path / "a.tar", {"deep/a.png": b"a", "deep/b.png": b"b"}, links=links)
    found = {name.removeprefix("a.tar/"): content for name, content in contents(tmp_path).items()}
    both = {"a.png": b"a", "b.png": b"b"}
    folders = {f"{folder}/{name}": both[name] for folder in ("deep", "images", "again") for name in both}
    assert found == {**folders, "masks/a.png": b"a", "hard.png": b"a", "through.png": b"b"}


@pytest.mark.parametrize("links", [{"a": "b", "b": "a"}, {"a": "gone"}, {"a": "a/b"}, {"a": "."}])
def test_links_that_lead_nowhere_or_in_a_circle_are_refused(tmp_path, links):
    tarred(tmp_path / "a.tar", {"x": b"x"}, links=[(*link, tarfile.SYMTYPE) for link in links.items()])
    assert "which is not in it" in refusal(tmp_path) or "that it lies in" in refusal(tmp_path)


def test_links_in_a_zip_are_what_they_lead_to(tmp_path):
    def link(archive, name, target):
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, target)

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("deep/a.png", "a")
        link(archive, "images/b.png", "../deep/a.png")
    assert contents(tmp_path) == {"a.zip/deep/a.png": b"a", "a.zip/images/b.png": b"a"}
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        link(archive, "c.png", "../../etc/passwd")
    assert "which leaves its folder: refused" in refusal(tmp_path)


def test_what_is_no_file_in_a_tar_is_refused(tmp_path):
    tarred(tmp_path / "a.tar", {"pipe": b""}, kind=tarfile.FIFOTYPE)
    assert "holds 'pipe', which is neither a file nor a folder" in refusal(tmp_path)


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, "its end"])
def test_a_tar_that_is_cut_off_is_a_line(tmp_path, ending, share):
    path = tmp_path / f"a{ending}"
    tarred(path, {f"{i}.bin": os.urandom(2048) for i in range(20)}, TARS[ending])
    content = path.read_bytes()
    end = 20 * (512 + 2048) if share == "its end" and ending == ".tar" else -8 if share == "its end" else None
    path.write_bytes(content[: int(len(content) * share) if end is None else end])
    assert f"a{ending} is cut off or not a tar" in refusal(tmp_path)


def test_a_packed_tar_that_would_fill_a_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGE", 1 << 20)
    tarred(tmp_path / "a.tar.gz", {"zeros": bytes(8 << 20)}, "w:gz")
    assert "times what is packed: refused" in refusal(tmp_path)
    monkeypatch.setattr(archives, "BLOWN", 100_000)
    assert len(contents(tmp_path)["a.tar.gz/zeros"]) == 8 << 20


@pytest.mark.skipif(shutil.which("tar") is None, reason="there is no tar")
def test_holes_in_a_tar_are_read_and_huge_ones_refused(tmp_path, monkeypatch):
    with (tmp_path / "holes").open("wb") as file:
        file.seek(3 << 20)
        file.write(b"end")
    subprocess.run(["tar", "-S", "-cf", tmp_path / "a.tar", "-C", tmp_path, "holes"], check=True)
    (tmp_path / "holes").unlink()
    assert contents(tmp_path)["a.tar/holes"] == bytes(3 << 20) + b"end"
    monkeypatch.setattr(archives, "LARGE", 1 << 20)
    assert "a.tar/holes would be 0.0 GiB" in refusal(tmp_path)


def test_nothing_is_left_in_the_temporary_folder(tmp_path, monkeypatch):
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    (tmp_path / "raw").mkdir()
    tarred(tmp_path / "raw" / "a.tgz", {"a": b"a"}, "w:gz")
    contents(tmp_path / "raw")
    (tmp_path / "raw" / "b.tar").write_bytes(b"no")
    refusal(tmp_path / "raw")
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("masks.7z", "7z x"),
        ("a.RAR", "unrar x"),
        ("a.tar.zst", "tar --zstd -xf"),
        ("a.png.gz", "gunzip"),
        ("a.nii.gz", ""),
        ("a.tar.gz", ""),
        ("a.png", ""),
    ],
)
def test_what_unpacks_other_files(name, command):
    assert archives.unpacking(name) == command


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [
        ("x.part.png", False),
        ("p.part.1.tif", False),
        ("a.part-2.png", False),
        ("x.part-4711-0a1b2c.png", True),
        ("big.zip.part", True),
        ("big.zip.crdownload", True),
        ("partial.png", False),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True])
def test_only_what_is_unfinished_is_left_out(tmp_path, name, is_ours, is_packed):
    (tmp_path / "kept.txt").write_text("k")
    if is_packed:
        tarred(tmp_path / "a.tar", {name: b"x"})
    else:
        (tmp_path / name).write_bytes(b"x")
    assert any(found.endswith(name) for found in contents(tmp_path)) == (not is_ours)


def test_a_folder_that_is_called_like_a_download_is_a_folder(tmp_path):
    (tmp_path / "second.part").mkdir()
    (tmp_path / "second.part" / "a.txt").write_text("a")
    assert list(contents(tmp_path)) == ["second.part/a.txt"]
