"""Stacks among raw files: counted by their headers, read page by page, kept open, by threads together."""

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile

from pipeline.errors import UserError
from pipeline.raw import files, pictures
from pipeline.raw.files import RawFiles
from pipeline.raw.pixels import opened

STACK = np.random.default_rng(5).integers(0, 256, (6, 30, 40), np.uint8)


def tif(picture=STACK, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, picture, photometric="minisblack", **options)
    return file.getvalue()


@pytest.fixture(params=["folder", "zip", "large in a zip"])
def raw(request, tmp_path, monkeypatch):
    contents = {f"images/{k}.tif": tif(STACK + np.uint8(k), compression="zlib") for k in range(3)}
    contents["images/one.png"] = pictures.cv2.imencode(".png", STACK[0])[1].tobytes()
    contents["images/broken.tif"] = tif()[:3000]
    contents["images/text.tif"] = b"hello"
    if request.param == "folder":
        (tmp_path / "images").mkdir()
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
    else:
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
    if request.param == "large in a zip":
        monkeypatch.setattr(files, "IN_MEMORY", 100)
    with RawFiles(tmp_path) as raw:
        yield raw


def name(raw, ending: str) -> str:
    return next(name for name in raw.names if name.endswith(ending))


def test_pages_are_counted_and_read_by_number(raw):
    counts = {name.rpartition("/")[2]: raw.page_count(name) for name in raw.names}
    # what cannot be read is one, and refused when it is read
    assert counts == {"0.tif": 6, "1.tif": 6, "2.tif": 6, "one.png": 1, "broken.tif": 1, "text.tif": 1}
    assert np.array_equal(raw.page(name(raw, "1.tif"), 4)[..., 0], STACK[4] + 1)
    assert np.array_equal(raw.page(name(raw, "one.png"), 0)[..., 0], STACK[0])
    assert np.array_equal(np.stack(raw.pages(name(raw, "2.tif")))[..., 0], STACK + 2)
    with pytest.raises(UserError, match=r"images/0.tif holds 6 pages of 30 x 40 pixels \(height x width\), not one"):
        raw.picture(name(raw, "0.tif"))
    for number in (-1, 6):
        with pytest.raises(UserError, match=rf"0.tif holds 6 page\(s\), and number {number} \(from 0\) is asked for"):
            raw.page(name(raw, "0.tif"), number)
    for ending in ("broken.tif", "text.tif"):
        for read in (raw.picture, raw.pages, lambda name: raw.page(name, 0)):
            with pytest.raises(UserError, match=rf"{ending} (is|holds)"):
                read(name(raw, ending))


def test_threads_read_pages_of_more_stacks_than_are_kept_open(raw, monkeypatch):
    monkeypatch.setattr(opened, "OPEN", 2)
    wanted = [(k, page) for page in range(6) for k in range(3)] * 4
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda at: raw.page(name(raw, f"{at[0]}.tif"), at[1])[..., 0], wanted))
    assert all(np.array_equal(page, STACK[at[1]] + at[0]) for page, at in zip(found, wanted, strict=True))


def test_a_stack_is_opened_once_for_all_of_its_pages(raw, monkeypatch):
    count, real = [], pictures.opened
    monkeypatch.setattr(opened.pictures, "opened", lambda file: count.append(file) or real(file))
    for number in range(6):
        raw.page(name(raw, "0.tif"), number)
    assert len(count) == 1


def test_the_header_alone_tells_that_a_picture_is_one(raw, monkeypatch):
    monkeypatch.setattr(opened.pictures, "opened", lambda file: pytest.fail("opened"))
    assert raw.page_count(name(raw, "one.png")) == 1


def test_a_stack_that_is_gone_is_said_to_be(tmp_path):
    (tmp_path / "a.tif").write_bytes(tif())
    with RawFiles(tmp_path) as raw:
        (tmp_path / "a.tif").unlink()
        assert raw.page_count("a.tif") == 1
        with pytest.raises(UserError, match=r"a\.tif was there and is gone; put it back"):
            raw.page("a.tif", 1)


def test_what_is_needed_is_said_before_it_is_decoded(tmp_path):
    (tmp_path / "a.tif").write_bytes(tif(STACK.astype(np.uint16)))
    (tmp_path / "b.png").write_bytes(pictures.cv2.imencode(".png", np.zeros((30, 40, 3), np.uint16))[1].tobytes())
    sizes = []
    with RawFiles(tmp_path) as raw:
        raw.pictures.before = sizes.append
        raw.page("a.tif", 1), raw.picture("b.png")
    assert sizes == [30 * 40 * 2, 30 * 40 * 3 * 2]
