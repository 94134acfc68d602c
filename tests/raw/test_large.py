"""Large TIFFs in bands: the values that the whole picture has, of every way to store it; damage is named."""

import gc
import weakref

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.raw import large
from pipeline.raw.files import RawFiles
from pipeline.raw.pixels import rows
from pipeline.store.bands import Bands
from tests.competitions.packing import in_zip

HEIGHT, WIDTH = 75, 83


def noise(*shape, dtype="uint8"):
    # smooth, so that JPEG has something to keep
    coarse = np.random.default_rng(0).integers(0, 200, (shape[0] // 8 + 1, shape[1] // 8 + 1, *shape[2:]))
    return np.repeat(np.repeat(coarse, 8, 0), 8, 1)[: shape[0], : shape[1]].astype(dtype)


RGB = noise(HEIGHT, WIDTH, 3)
PLANAR = np.ascontiguousarray(np.moveaxis(RGB, 2, 0))
GREY = noise(HEIGHT, WIDTH, dtype="uint16")
TILES = {"tile": (32, 48), "photometric": "rgb"}
KINDS = {
    "strips": (RGB, {"photometric": "rgb"}),
    "big endian": (GREY, {"photometric": "minisblack", "byteorder": ">"}),
    "big endian, packed": (
        GREY,
        {"photometric": "minisblack", "byteorder": ">", "compression": "zlib", "tile": (16, 16)},
    ),
    "tiles": (RGB, TILES),
    "one row of tiles": (RGB, {**TILES, "tile": (80, 16)}),
    "deflate": (RGB, {**TILES, "compression": "zlib", "predictor": True}),
    "lzw": (RGB, {**TILES, "compression": "lzw", "predictor": True}),
    "packbits": (RGB, {"photometric": "rgb", "compression": "packbits", "rowsperstrip": 7}),
    "zstd": (RGB, {**TILES, "compression": "zstd"}),
    "jpeg": (RGB, {**TILES, "compression": "jpeg", "compressionargs": {"level": 80}, "tile": (32, 32)}),
    "jpeg as rgb": (
        RGB,
        {**TILES, "compression": "jpeg", "compressionargs": {"level": 80, "outcolorspace": "rgb"}, "tile": (32, 32)},
    ),
    "jpeg in strips": (
        RGB,
        {"photometric": "rgb", "compression": "jpeg", "compressionargs": {"level": 90}, "rowsperstrip": 16},
    ),
    "jpeg 2000": (RGB, {**TILES, "compression": "jpeg2000"}),
    "webp": (RGB, {**TILES, "compression": "webp"}),
    "planes apart": (PLANAR, {"photometric": "rgb", "planarconfig": "separate"}),
    "planes apart, packed": (PLANAR, {**TILES, "planarconfig": "separate", "compression": "zlib"}),
    "planes apart in strips": (
        PLANAR,
        {"photometric": "rgb", "planarconfig": "separate", "compression": "lzw", "rowsperstrip": 9},
    ),
    "five axes": (PLANAR[None, None], {"photometric": "rgb", "planarconfig": "separate"}),
    "five axes, packed": (PLANAR[None, None], {**TILES, "planarconfig": "separate", "compression": "zlib"}),
    "ome": (PLANAR[None, None], {"ome": True, "metadata": {"axes": "TZCYX"}, "photometric": "minisblack"}),
    "ome, packed": (
        PLANAR[None, None],
        {
            "ome": True,
            "metadata": {"axes": "TZCYX"},
            "photometric": "minisblack",
            "compression": "zlib",
            "tile": (16, 32),
        },
    ),
    "imagej": (PLANAR, {"imagej": True, "metadata": {"axes": "CYX"}, "photometric": "minisblack"}),
    "alpha": (noise(HEIGHT, WIDTH, 4), {**TILES, "compression": "zlib", "extrasamples": ["unassalpha"]}),
    "four bands": (
        noise(HEIGHT, WIDTH, 4),
        {"tile": (32, 48), "compression": "zlib", "photometric": "minisblack", "planarconfig": "contig"},
    ),
    "eleven bands": (
        noise(11, HEIGHT, WIDTH),
        {"photometric": "minisblack", "planarconfig": "separate", "metadata": None},
    ),
    "white is 0": (GREY, {"photometric": "miniswhite", "compression": "zlib"}),
    "cmyk": (noise(HEIGHT, WIDTH, 4), {"photometric": "separated", "compression": "zlib", "rowsperstrip": 5}),
    "palette": (
        noise(HEIGHT, WIDTH),
        {"photometric": "palette", "compression": "zlib", "rowsperstrip": 5, "colormap": noise(3, 256, dtype="uint16")},
    ),
    "float": (noise(HEIGHT, WIDTH, dtype="float32"), {"compression": "zlib", "predictor": True, "tile": (16, 16)}),
    "bigtiff": (RGB, {**TILES, "bigtiff": True, "compression": "zlib"}),
}


def written(path, kind):
    picture, options = KINDS[kind]
    tifffile.imwrite(path, picture, **options)
    return path


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch):
    monkeypatch.setattr(large, "AT_ONCE", 1000)


@pytest.mark.parametrize("kind", KINDS)
def test_bands_hold_what_the_whole_picture_holds(tmp_path, kind):
    written(tmp_path / "a.tif", kind)
    with RawFiles(tmp_path) as raw:
        found, whole = large.picture(raw, "a.tif"), raw.picture("a.tif")
        assert isinstance(found, Bands) and (found.shape, found.dtype) == (whole.shape, whole.dtype)
        # from top to bottom, again, and anywhere
        for step in (10, 75, 1):
            parts = [found.read(top, min(top + step, HEIGHT)) for top in range(0, HEIGHT, step)]
            assert np.array_equal(np.concatenate(parts), whole) and parts[0].dtype == whole.dtype
        assert np.array_equal(found.read(40, 41), whole[40:41]) and np.array_equal(found.read(3, 66), whole[3:66])
        assert type(found.read(0, 2)) is type(whole)


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(33, 90), st.integers(33, 90)),
    tile=st.sampled_from([None, (16, 16), (48, 32), (96, 16)]),
    packed=st.sampled_from([None, "zlib", "lzw", "jpeg"]),
    planar=st.booleans(),
    rowsperstrip=st.sampled_from([None, 8, 24]),
    lines=st.tuples(st.integers(0, 32), st.integers(1, 40)),
)
def test_any_lines_of_any_layout(tmp_path_factory, size, tile, packed, planar, rowsperstrip, lines):
    folder = tmp_path_factory.mktemp("layout")
    picture = noise(*size, 3)
    options = {
        "photometric": "rgb",
        "tile": tile,
        "compression": packed,
        "rowsperstrip": None if tile else rowsperstrip,
    }
    if planar:
        picture, options["planarconfig"] = np.ascontiguousarray(np.moveaxis(picture, 2, 0)), "separate"
    tifffile.imwrite(folder / "a.tif", picture, **options)
    top, bottom = lines[0], min(size[0], sum(lines))
    with RawFiles(folder) as raw:
        assert np.array_equal(large.picture(raw, "a.tif").read(top, bottom), raw.picture("a.tif")[top:bottom])


def test_only_the_tiles_that_a_band_touches_are_decoded(tmp_path, monkeypatch):
    written(tmp_path / "a.tif", "deflate")
    decoded = []
    plain = rows._Segments._decoded
    monkeypatch.setattr(
        rows._Segments, "_decoded", lambda self, decode, index: decoded.append(index) or plain(self, decode, index)
    )
    with RawFiles(tmp_path) as raw:
        found = large.picture(raw, "a.tif")
        assert decoded == []
        found.read(33, 40)
        assert sorted(decoded) == [2, 3]
        found.read(40, 64)
        assert sorted(decoded) == [2, 3]
        found.read(64, 75)
        assert sorted(decoded) == [2, 3, 4, 5]


def test_of_a_pyramid_the_full_size_is_read(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        options = {"tile": (16, 16), "compression": "zlib", "photometric": "rgb"}
        file.write(RGB, subifds=1, **options)
        file.write(RGB[::2, ::2], subfiletype=1, **options)
        file.write(RGB[::4, ::4], subfiletype=1, **options)
    with RawFiles(tmp_path) as raw:
        assert np.array_equal(large.picture(raw, "a.tif").read(0, HEIGHT), raw.picture("a.tif"))
        assert np.array_equal(raw.picture("a.tif"), RGB)


def test_in_an_archive_it_is_read_in_bands_too(tmp_path):
    content = written(tmp_path / "a.tif", "planes apart, packed").read_bytes()
    (tmp_path / "a.tif").unlink()
    in_zip(tmp_path / "z.zip", {"b.tif": content})
    with RawFiles(tmp_path) as raw:
        found = large.picture(raw, "z.zip/b.tif")
        assert isinstance(found, Bands) and np.array_equal(found.read(0, 20), RGB[:20])


@pytest.mark.parametrize(
    ("picture", "options"),
    [
        (RGB, {"photometric": "rgb", "extratags": [(274, 3, 1, 6, True)]}),
        (GREY > 100, {"photometric": "minisblack"}),
        (GREY.astype("float64"), {"compression": "zlib"}),
    ],
    ids=["turned", "bits", "float64"],
)
def test_what_must_be_read_whole_is(tmp_path, picture, options):
    tifffile.imwrite(tmp_path / "a.tif", picture, **options)
    with RawFiles(tmp_path) as raw:
        found = large.picture(raw, "a.tif")
        assert isinstance(found, np.ndarray) and np.array_equal(found, raw.picture("a.tif"))


def test_small_pictures_and_other_files_are_read_whole(tmp_path, monkeypatch):
    written(tmp_path / "a.tif", "tiles")
    (tmp_path / "b.png").write_bytes(cv2.imencode(".png", RGB)[1].tobytes())
    monkeypatch.setattr(large, "AT_ONCE", RGB.size)
    with RawFiles(tmp_path) as raw:
        assert np.array_equal(large.picture(raw, "a.tif"), RGB)
        assert np.array_equal(large.picture(raw, "b.png")[..., ::-1], RGB)


def test_one_strip_that_no_memory_holds_is_read_whole(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", compression="zlib", rowsperstrip=HEIGHT)
    monkeypatch.setattr(rows, "MOST_BYTES", RGB.nbytes - 1)
    with RawFiles(tmp_path) as raw:
        assert np.array_equal(large.picture(raw, "a.tif"), RGB)


def test_more_pixels_than_are_decoded_at_once_come_in_bands(tmp_path, monkeypatch):
    written(tmp_path / "a.tif", "deflate")
    monkeypatch.setattr("pipeline.raw.pixels.headers.MOST_PIXELS", 1000)
    monkeypatch.setattr("pipeline.raw.pixels.tiff.opened.__defaults__", (1000,))
    with RawFiles(tmp_path) as raw:
        with pytest.raises(UserError, match="75 x 83 pixels"):
            raw.picture("a.tif")
        assert np.array_equal(large.picture(raw, "a.tif").read(0, HEIGHT), RGB)


@pytest.mark.parametrize("kind", ["strips", "deflate", "jpeg", "planes apart, packed", "ome, packed", "lzw"])
@pytest.mark.parametrize("left", [3, 300, -40])
def test_what_is_cut_off_is_named(tmp_path, kind, left):
    path = written(tmp_path / "a.tif", kind)
    path.write_bytes(path.read_bytes()[:left])
    with RawFiles(tmp_path) as raw, pytest.raises(UserError) as caught:
        found = large.picture(raw, "a.tif")
        [found.read(top, top + 1) for top in range(HEIGHT)]
    assert str(tmp_path / "a.tif") in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["deflate", "jpeg", "planes apart, packed", "zstd", "jpeg in strips"])
def test_a_tile_that_is_damaged_is_named_and_the_lines_above_are_not(tmp_path, kind):
    path = written(tmp_path / "a.tif", kind)
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        last = len(page.dataoffsets) - 1
        start, count = page.dataoffsets[last], page.databytecounts[last]
    content = bytearray(path.read_bytes())
    content[start + count // 3 : start + count] = b"\xff" * (count - count // 3)
    path.write_bytes(content)
    with RawFiles(tmp_path) as raw:
        found = large.picture(raw, "a.tif")
        assert found.read(0, 16).shape == (16, WIDTH, 3)
        with pytest.raises(UserError) as caught:
            found.read(HEIGHT - 2, HEIGHT)
    assert str(path) in str(caught.value) and "damaged" in str(caught.value) and "\n" not in str(caught.value)


def test_a_slide_of_a_scanner_is_refused_by_its_name(tmp_path):
    description = "Aperio Image Library v11.2.1\n83x75 [0,0 83x75] (16x16) JPEG/RGB Q=70|AppMag = 20"
    with tifffile.TiffWriter(tmp_path / "a.svs") as file:
        options = {
            "tile": (16, 16),
            "compression": "jpeg",
            "compressionargs": {"level": 80},
            "photometric": "rgb",
            "metadata": None,
        }
        file.write(RGB, description=description, **options)
        file.write(RGB[::2, ::2], description=description, **options)
    with RawFiles(tmp_path) as raw, pytest.raises(UserError, match=r"a\.svs is a picture of a slide in many sizes"):
        large.picture(raw, "a.svs")


def test_colours_that_are_not_read_are_refused_by_the_name_of_the_file(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="cielab", compression="zlib")
    with RawFiles(tmp_path) as raw, pytest.raises(UserError, match=r"a\.tif holds colours as CIELAB"):
        large.picture(raw, "a.tif")


def test_pixels_without_data_are_read_where_they_may_be(tmp_path):
    picture = np.where(GREY > 100, np.float32("nan"), GREY.astype("float32"))
    tifffile.imwrite(tmp_path / "a.tif", picture, compression="zlib", tile=(16, 16))
    with RawFiles(tmp_path) as raw:
        with pytest.raises(UserError, match="no numbers"):
            large.picture(raw, "a.tif").read(0, HEIGHT)
        found = large.picture(raw, "a.tif", has_gaps=True)
        assert isinstance(found, Bands) and np.array_equal(found.read(0, HEIGHT)[..., 0], picture, equal_nan=True)


def test_after_its_last_line_nothing_of_a_picture_is_kept(tmp_path, monkeypatch):
    written(tmp_path / "a.tif", "deflate")
    kept = []
    plain = rows._Segments.__init__
    monkeypatch.setattr(
        rows._Segments, "__init__", lambda self, page: kept.append(weakref.ref(self)) or plain(self, page)
    )
    with RawFiles(tmp_path) as raw:
        found = large.picture(raw, "a.tif")
        found.read(0, HEIGHT - 1)
        gc.collect()
        assert [one() is not None for one in kept] == [False, True]
        found.read(HEIGHT - 1, HEIGHT)
        gc.collect()
        assert [one() for one in kept] == [None, None]
