"""A zip of files in place of a csv: what is written, read by others, every way to break it, and how it is mended."""

import io
import tracemalloc
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from pipeline.errors import UserError
from pipeline.store import answer_file, zipped
from pipeline.store.dialect import Format
from pipeline.store.submission import Expected

FORM = Format(files=".tif")
# pages, height and width: no cubes, and one volume of one page
SIZES = {"11": (3, 5, 7), "9": (1, 4, 6), "a b": (4, 2, 3)}


def volumes(seed=0, values=(0, 1)):
    random = np.random.default_rng(seed)
    return {name: random.choice(np.array(values, np.uint8), size) for name, size in SIZES.items()}


def ids_of(found):
    return [f"{name}/{page + 1:04d}" for name, volume in found.items() for page in range(len(volume))]


def expected(sizes=SIZES):
    rows = [(f"{name}/{page + 1:04d}", *size[1:]) for name, size in sizes.items() for page in range(size[0])]
    ids, heights, widths = zip(*rows, strict=True)
    return Expected(list(ids), np.array(heights), np.array(widths), ("surface",))


def written(path, found, form=FORM):
    pages = (page[..., None] for volume in found.values() for page in volume)
    zipped.write(path, form, zip(ids_of(found), pages, strict=True))
    return path


def by_others(path) -> dict:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: tifffile.imread(io.BytesIO(archive.read(name))) for name in archive.namelist()}


def tif(volume, **options):
    content = io.BytesIO()
    tifffile.imwrite(content, volume, photometric="minisblack", **options)
    return content.getvalue()


def packed(path, files: dict[str, bytes]):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def files(change=None, **options):
    found = {f"{name}.tif": tif(volume, **options) for name, volume in volumes().items()}
    if change:
        change(found)
    return found


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), values=st.sampled_from([(0, 1), (0, 255), (7, 0, 3)]))
def test_what_is_written_is_read_by_others_and_decoded_again(tmp_path_factory, seed, values):
    form = replace(FORM, values=values)
    labels = volumes(seed, range(len(values)))
    path = written(tmp_path_factory.mktemp("zip") / "x.zip", labels, form)
    found = by_others(path)
    assert list(found) == ["11.tif", "9.tif", "a b.tif"]
    for name, volume in labels.items():
        wanted = np.array(values, np.uint8)[volume]
        assert found[f"{name}.tif"].dtype == np.uint8
        assert np.array_equal(found[f"{name}.tif"].reshape(wanted.shape), wanted)
    again = list(answer_file.opened(path, form).decoded(expected(), None))
    assert all(np.array_equal(one[..., 0], page) for one, page in zip(again, _pages(labels), strict=True))
    summary = answer_file.validate(path, form, expected())
    areas = np.array([np.count_nonzero(page) for page in _pages(labels)])
    assert (summary.rows, summary.images, str(summary)) == (3, 8, "3 files of 8 images")
    assert summary.empty == np.mean(areas == 0)
    assert summary.area == (areas[areas > 0].mean() if areas.any() else 0)


def _pages(found):
    return [page for volume in found.values() for page in volume]


def test_the_reader_of_the_organisers_sees_the_same_pages(tmp_path):
    path = written(tmp_path / "x.zip", volumes())
    with zipfile.ZipFile(path) as archive:
        picture = Image.open(io.BytesIO(archive.read("11.tif")))
        assert np.array_equal(np.stack([np.array(page) for page in ImageSequence.Iterator(picture)]), volumes()["11"])


def test_the_same_answers_are_the_same_bytes(tmp_path):
    one, other = written(tmp_path / "a.zip", volumes()), written(tmp_path / "b.zip", volumes())
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_zip_of_pictures_holds_one_for_each_image(tmp_path):
    form = Format(files=".png", values=(0, 255))
    labels = volumes()["11"]
    path, ids = tmp_path / "x.zip", [f"day/{page}" for page in range(3)]
    zipped.write(path, form, zip(ids, labels[..., None], strict=True))
    wanted = Expected(ids, np.full(3, 5), np.full(3, 7), ("a",))
    with zipfile.ZipFile(path) as archive:
        for page, name in zip(labels, archive.namelist(), strict=True):
            picture = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_UNCHANGED)
            assert name.endswith(".png") and np.array_equal(picture, page * 255)
    assert answer_file.validate(path, form, wanted).rows == 3
    assert np.array_equal(np.stack(list(answer_file.opened(path, form).decoded(wanted)))[..., 0], labels)
    with pytest.raises(UserError, match=r"x\.zip, day/1\.png has 1 page\(s\) of 7 x 5, not 1 page\(s\) of 6 x 5"):
        answer_file.validate(path, form, replace(wanted, widths=np.array([7, 6, 7])))


def test_a_part_of_the_images_reads_their_files_alone(tmp_path):
    path = packed(tmp_path / "x.zip", files(lambda f: f.update({"9.tif": b"broken"})))
    found = answer_file.opened(path, FORM).only({"11/0002"})
    assert found.ids(expected().ids) == ["11/0001", "11/0002", "11/0003"]
    assert answer_file.opened(path, FORM).ids(["9/0001", "no/0001"]) == ["9/0001", "11.tif", "a b.tif"]


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "lzw"}, {"compression": "zlib", "metadata": None}, {"imagej": True}, {"bigtiff": True}],
    ids=str,
)
def test_whoever_wrote_the_volumes_they_are_valid(tmp_path, options):
    assert answer_file.validate(packed(tmp_path / "x.zip", files(**options)), FORM, expected()).rows == 3


def _volume(change):
    """Another volume in place of the first."""
    return lambda found: found.update({"11.tif": tif(change(volumes()["11"]))})


def _white(found):
    content = io.BytesIO()
    tifffile.imwrite(content, volumes()["11"], photometric="miniswhite")
    return content.getvalue()


def _cut(found, share):
    content = tif(volumes()["11"], compression="zlib", metadata=None)
    found["11.tif"] = content[: int(len(content) * share)]


BROKEN = [
    (lambda f: f.pop("9.tif"), "1 file(s) are missing: 9.tif; add them"),
    (lambda f: f.update({"12.tif": f["11.tif"]}), "1 file(s) are of no test image: 12.tif; take them out"),
    (lambda f: f.update({"11.tiff": f.pop("11.tif")}), "1 file(s) are of no test image: 11.tiff"),
    (_volume(lambda v: v[:2]), "11.tif has 2 page(s) of 7 x 5, not 3 page(s) of 7 x 5 (width x height)"),
    (_volume(lambda v: v.swapaxes(1, 2)), "11.tif has 3 page(s) of 5 x 7, not 3 page(s) of 7 x 5"),
    (_volume(lambda v: np.concatenate([v, v])), "11.tif has 6 page(s)"),
    (_volume(lambda v: v * np.uint8(255)), "11.tif holds 255; there can be 0, 1, and no other"),
    (_volume(lambda v: v + np.uint8(1)), "11.tif holds 2; there can be 0, 1"),
    (_volume(lambda v: v * np.float32(0.5)), "11.tif holds 0.5; there can be 0, 1"),
    (_volume(lambda v: np.where(v, np.nan, 0)), "11.tif holds nan"),
    (_volume(lambda v: v.astype(np.int32)), "11.tif holds int32; wanted is uint8, with the values 0, 1"),
    (_volume(lambda v: np.zeros((40, 200, 200))), "11.tif is too large for 3 page(s) of 7 x 5"),
    (_volume(lambda v: v.astype("complex64")), "11.tif holds complex64; wanted is uint8"),
    (lambda f: f.update({"11.tif": _white(f)}), "11.tif cannot be read (it says that 0 is white"),
    (lambda f: f.update({f"a/b/{name}": f.pop(name) for name in list(f)}), "its files lie in the folder a/b; put"),
    (lambda f: f.update({"11.tif": b""}), "11.tif cannot be read ("),
    (lambda f: f.update({"11.tif": b"II*\0 no more"}), "11.tif cannot be read ("),
    (lambda f: _cut(f, 0.4), "11.tif cannot be read ("),
    (lambda f: _cut(f, 0.9), "11.tif cannot be read ("),
    (lambda f: f.update({f"deep/{name}": f.pop(name) for name in list(f)}), "its files lie in the folder deep; put"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_what_is_wrong_names_the_file_and_what_to_do(tmp_path, change, message, capfd):
    path = packed(tmp_path / "x.zip", files(change))
    with pytest.raises(UserError) as caught:
        answer_file.validate(path, FORM, expected())
    said = str(caught.value)
    assert message in said and "x.zip" in said and "\n" not in said
    assert capfd.readouterr() == ("", "")


def test_pages_in_a_circle_end():
    content = bytearray(tif(volumes()["11"][:1], metadata=None))
    offset = int.from_bytes(content[4:8], "little")
    after = offset + 2 + 12 * int.from_bytes(content[offset : offset + 2], "little")
    content[after : after + 4] = offset.to_bytes(4, "little")
    with pytest.raises(ValueError, match="it has more than 101 pages"):
        zipped._decoded_tiff(bytes(content), [(5, 7)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,rle\n1,\n", "x.zip: it cannot be read (File is not a zip file); wanted is a zip"),
        (b"", "wanted is a zip"),
        (None, "x.zip is no file"),
    ],
)
def test_what_is_no_zip_is_refused(tmp_path, content, message):
    path = tmp_path / "x.zip"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        answer_file.validate(path, FORM, expected())
    assert message in str(caught.value)


def test_a_zip_that_is_cut_off_or_changed_is_refused(tmp_path):
    whole = written(tmp_path / "x.zip", volumes()).read_bytes()
    (tmp_path / "x.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="wanted is a zip, write it again"):
        answer_file.validate(tmp_path / "x.zip", FORM, expected())
    changed = bytearray(whole)
    changed[200] ^= 255
    (tmp_path / "x.zip").write_bytes(changed)
    with pytest.raises(UserError, match=r"x\.zip: 11\.tif cannot be read \(Bad CRC-32"):
        answer_file.validate(tmp_path / "x.zip", FORM, expected())


def test_pages_of_another_size_are_not_decoded(tmp_path, monkeypatch):
    """A file of few bytes may hold pages that no memory does."""
    volume = tif(np.zeros((3, 900, 800), np.uint8), compression="zlib")
    path = packed(tmp_path / "x.zip", files(lambda f: f.update({"11.tif": volume})))
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", None)
    with pytest.raises(UserError, match=r"11\.tif has 3 page\(s\) of 800 x 900, not 3 page\(s\) of 7 x 5"):
        answer_file.validate(path, FORM, expected())
    png = cv2.imencode(".png", np.zeros((900, 800), np.uint8))[1].tobytes()
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(UserError, match=r"a\.png has 1 page\(s\) of 800 x 900, not 1 page\(s\) of 7 x 5"):
        answer_file.validate(packed(tmp_path / "y.zip", {"a.png": png}), Format(files=".png"), one_picture())


def one_picture():
    return Expected(["a"], np.array([5]), np.array([7]), ("a",))


@pytest.mark.parametrize(
    ("content", "said"), [(b"\xff\xd8\xff\xe0 a JPEG", "it is no PNG"), (b"\x89PNG\r\n\x1a\n", "requires a buffer")]
)
def test_a_picture_that_is_no_png_is_refused(tmp_path, content, said):
    path = packed(tmp_path / "x.zip", {"a.png": content})
    with pytest.raises(UserError, match=rf"x\.zip, a\.png cannot be read \(.*{said}"):
        answer_file.validate(path, Format(files=".png"), one_picture())


def test_no_more_is_unpacked_than_a_zip_says_of_itself(tmp_path):
    path = packed(tmp_path / "x.zip", files(lambda f: f.update({"11.tif": bytes(1 << 24)})))
    content = bytearray(path.read_bytes())
    # the size, in the list of the zip: of the file that was written last, so of all
    place = content.index(b"PK\1\2", content.index(b"PK\1\2")) + 24
    content[place : place + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(UserError, match=r"11\.tif cannot be read \(Bad CRC-32"):
        answer_file.validate(path, FORM, expected())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 22


def test_what_is_packed_by_lzma_and_damaged_is_refused(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in files().items():
            archive.writestr(name, content)
    assert answer_file.validate(path, FORM, expected()).rows == 3
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(byte ^ 0x5A for byte in content[60:90])
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"11\.tif cannot be read \(.*\); wanted is a zip, write it again$"):
        answer_file.validate(path, FORM, expected())


def test_the_list_of_a_zip_is_read_as_often_of_many_files_as_of_few(tmp_path, monkeypatch):
    form, count = Format(files=".png"), 40
    png = cv2.imencode(".png", np.zeros((5, 7), np.uint8))[1].tobytes()
    ids = [f"a{i}" for i in range(count)]
    path = packed(tmp_path / "x.zip", {f"{name}.png": png for name in ids})
    read, plain = [], zipfile.ZipFile._RealGetContents
    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", lambda self: read.append(0) or plain(self))
    wanted = Expected(ids, np.full(count, 5), np.full(count, 7), ("a",))
    assert answer_file.validate(path, form, wanted).rows == count and len(read) == 2


def test_a_folder_around_files_that_lie_in_folders_is_taken_away(tmp_path):
    png = cv2.imencode(".png", np.zeros((5, 7), np.uint8))[1].tobytes()
    path, form = packed(tmp_path / "x.zip", {"sub/day/a.png": png, "sub/day/._a.png": b""}), Format(files=".png")
    wanted = replace(one_picture(), ids=["day/a"])
    with pytest.raises(UserError, match="its files lie in the folder sub; put them at the top of it"):
        answer_file.validate(path, form, wanted)
    found = answer_file.mended(path, form, wanted)
    assert found.done == ["1 file(s) of the system's taken out", "the files taken out of the folder sub"]


def test_two_files_of_one_name_are_refused(tmp_path):
    path = packed(tmp_path / "x.zip", files())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("9.tif", b"")
    with pytest.raises(UserError, match=r"holds 9\.tif more than once; keep one of each"):
        answer_file.validate(path, FORM, expected())


def _in_folder(found):
    found.update({f"sub/mission/{name}": found.pop(name) for name in list(found)})
    found.update({"__MACOSX/sub/._11.tif": b"litter", "sub/mission/.DS_Store": b"litter"})


def _as_numbers(found):
    found.update({"11.tif": tif(volumes()["11"].astype(np.int64)), "9.tif": tif(volumes()["9"].astype(bool))})


@pytest.mark.parametrize(
    ("change", "done"),
    [
        (_in_folder, ["2 file(s) of the system's taken out", "the files taken out of the folder sub/mission"]),
        (_as_numbers, ["2 file(s) written as uint8"]),
        (lambda found: None, []),
    ],
)
def test_what_need_not_be_guessed_is_mended(tmp_path, change, done):
    found = answer_file.mended(packed(tmp_path / "x.zip", files(change)), FORM, expected())
    assert found.done == done
    found.write(tmp_path / "fixed.zip")
    assert (tmp_path / "fixed.zip").read_bytes() == written(tmp_path / "wanted.zip", volumes()).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_volume(lambda v: v * np.uint8(255)), "holds 255"),
        (_volume(lambda v: v * 0.5), "holds 0.5"),
        (_volume(lambda v: v.astype("complex64")), "holds complex64"),
        (lambda f: f.pop("9.tif"), "missing"),
        (lambda f: f.update({"b/11.tif": f.pop("11.tif"), "a/9.tif": f.pop("9.tif")}), "the folder a, b; put"),
    ],
)
def test_what_would_have_to_be_guessed_is_not(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        answer_file.mended(packed(tmp_path / "x.zip", files(change)), FORM, expected())


@pytest.mark.parametrize(
    "fields",
    [
        {"files": ".jpg"},
        {"files": ".tif", "class_column": "class"},
        {"files": ".tif", "several": True},
        {"files": ".tif", "values": (0,)},
        {"files": ".tif", "values": (0, 0)},
        {"files": ".tif", "values": (0, 256)},
    ],
    ids=str,
)
def test_what_no_zip_can_be_is_refused(fields):
    with pytest.raises(ValueError, match=r"files=|values="):
        Format(**fields)
