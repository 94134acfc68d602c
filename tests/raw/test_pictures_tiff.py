"""TIFF of every kind comes out as it was written: bands, planes, tiles, bits, byte orders, colours, pages."""

import io
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import UserError
from pipeline.raw import pictures
from pipeline.raw.pixels import decoders
from pipeline.raw.pixels.alpha import Bands
from tests.start import environment

RANDOM = np.random.default_rng(1)
GREY = RANDOM.integers(0, 256, (37, 53), np.uint8)
COLOURS = RANDOM.integers(0, 256, (37, 53, 3), np.uint8)


def tif(picture, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, picture, **options)
    return file.getvalue()


def by_pillow(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, "TIFF", **options)
    return file.getvalue()


def counted(content: bytes) -> int:
    return pictures.opened(io.BytesIO(content)).count


def values(dtype: str, *shape: int) -> np.ndarray:
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return RANDOM.normal(0, 100, shape).astype(dtype)
    info = np.iinfo(dtype)
    return RANDOM.integers(info.min, info.max, shape, dtype, endpoint=True)


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 5, 12])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_any_number_of_bands_of_any_kind(dtype, bands, planes):
    picture = values(dtype, 17, 33, bands)
    stored = picture if planes == "contig" else picture.transpose(2, 0, 1)
    stored = picture[..., 0] if bands == 1 else stored
    content = tif(stored, photometric="minisblack", planarconfig=planes if bands > 1 else None, metadata=None)
    found = pictures.decoded(content)
    assert found.dtype == picture.dtype and np.array_equal(found, picture)
    # nobody says that the fourth is alpha
    assert isinstance(found, Bands) == (bands == 4)


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(["u1", "u2", "i2", "u4", "f4", "f8"]),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 6)),
    order=st.sampled_from("<>"),
    big=st.booleans(),
    packing=st.sampled_from([None, "zlib", "lzw", "zstd", "lzma", "packbits"]),
    predictor=st.booleans(),
    rows=st.integers(1, 16),
    tile=st.sampled_from([None, (16, 16), (32, 48)]),
)
def test_any_way_of_packing(dtype, shape, order, big, packing, predictor, rows, tile):
    picture = values(dtype, *shape)
    how = {"tile": tile} if tile else {"rowsperstrip": rows}
    content = tif(
        picture,
        byteorder=order,
        bigtiff=big,
        compression=packing,
        predictor=predictor and packing not in (None, "packbits"),
        photometric="minisblack",
        planarconfig="contig" if shape[2] > 1 else None,
        **how,
    )
    found = pictures.decoded(content)
    assert found.dtype == picture.dtype and found.dtype.isnative and np.array_equal(found, picture)


def test_alpha_is_alpha_only_where_the_file_says_so():
    four = RANDOM.integers(0, 256, (9, 8, 4), np.uint8)
    kinds = {kind: pictures.decoded(tif(four, photometric="rgb", extrasamples=[kind])) for kind in (0, 1, 2)}
    assert all(np.array_equal(found, four) for found in kinds.values())
    assert [isinstance(kinds[kind], Bands) for kind in (0, 1, 2)] == [True, False, False]
    # what has no tag at all, as OpenCV writes it, says nothing
    assert isinstance(pictures.decoded(cv2.imencode(".tif", four)[1].tobytes()), Bands)
    # grey with alpha is three equal colours with alpha, as of PNG
    two = np.ascontiguousarray(four[..., :2])
    found = pictures.decoded(tif(two, photometric="minisblack", extrasamples=[2], planarconfig="contig"))
    assert np.array_equal(found, two[..., [0, 0, 0, 1]]) and not isinstance(found, Bands)
    found = pictures.decoded(tif(two, photometric="minisblack", extrasamples=[0], planarconfig="contig"))
    assert np.array_equal(found, two)
    # the last of two beside the colours: bands
    five = RANDOM.integers(0, 256, (9, 8, 5), np.uint8)
    assert np.array_equal(pictures.decoded(tif(five, photometric="rgb", extrasamples=[0, 2])), five)


def test_where_white_is_zero_it_is_turned_round():
    assert np.array_equal(pictures.decoded(tif(GREY, photometric="miniswhite"))[..., 0], 255 - GREY)
    wide = values("u2", 9, 8)
    assert np.array_equal(pictures.decoded(tif(wide, photometric="miniswhite"))[..., 0], 65535 - wide)
    with pytest.raises(UserError, match="says that 0 is white, of float32"):
        pictures.decoded(tif(values("f4", 9, 8), photometric="miniswhite"))


@pytest.mark.parametrize("packing", [None, "group4", "packbits", "tiff_ccitt", "group3"])
def test_one_bit_is_black_and_white(packing):
    bits = GREY > 127
    content = by_pillow(Image.fromarray(bits), **({"compression": packing} if packing else {}))
    assert np.array_equal(pictures.decoded(content)[..., 0], bits * np.uint8(255))


def test_of_one_bit_white_may_be_zero():
    bits = GREY > 127
    for kind, wanted in (("minisblack", bits), ("miniswhite", ~bits)):
        assert np.array_equal(pictures.decoded(tif(bits, photometric=kind))[..., 0], wanted * np.uint8(255))


@pytest.mark.parametrize(("bits", "step"), [(2, 85), (4, 17)])
def test_two_and_four_bits_become_eight(bits, step):
    numbers = GREY[:8, :16] % (1 << bits)
    content = tif(numbers, bitspersample=bits, photometric="minisblack")
    assert np.array_equal(pictures.decoded(content)[..., 0], numbers * np.uint8(step))


def test_twelve_bits_are_kept():
    numbers = values("u2", 8, 16) % 4096
    content = tif(numbers, bitspersample=12, photometric="minisblack")
    assert np.array_equal(pictures.decoded(content)[..., 0], numbers)


def test_numbers_of_a_palette_are_its_colours():
    table = RANDOM.integers(0, 256, (256, 3), np.uint8)
    content = tif(GREY, photometric="palette", colormap=table.T.astype(np.uint16) * 257)
    assert np.array_equal(pictures.decoded(content), table[GREY])
    # some programs write colours of 8 bits
    content = tif(GREY, photometric="palette", colormap=table.T.astype(np.uint16))
    assert np.array_equal(pictures.decoded(content), table[GREY])
    image = Image.fromarray(COLOURS).quantize(16)
    assert np.array_equal(pictures.decoded(by_pillow(image)), np.asarray(image.convert("RGB")))


def test_inks_and_video_colours_become_red_green_blue():
    smooth = cv2.GaussianBlur(cv2.resize(COLOURS, (160, 120)), (0, 0), 4)
    inks = Image.fromarray(smooth).convert("CMYK")
    for packing in ({}, {"compression": "tiff_lzw"}):
        assert np.array_equal(pictures.decoded(by_pillow(inks, **packing)), smooth)
    video = Image.fromarray(smooth).convert("YCbCr")
    for options in ({}, {"compression": "tiff_lzw"}, {"compression": "jpeg", "quality": 95}):
        found = pictures.decoded(by_pillow(video, **options))
        assert found.shape == smooth.shape and np.abs(found.astype(int) - smooth).mean() < 3
    found = pictures.decoded(tif(smooth, compression="jpeg", compressionargs={"level": 95}, photometric="rgb"))
    assert np.abs(found.astype(int) - smooth).mean() < 2
    with pytest.raises(UserError, match="holds colours as CIELAB; save it as RGB"):
        pictures.decoded(by_pillow(Image.fromarray(smooth).convert("LAB")))


def test_every_page_of_a_stack_is_counted_and_none_is_taken_for_all():
    stack = RANDOM.integers(0, 256, (5, 37, 53), np.uint8)
    for options in ({}, {"metadata": None}, {"imagej": True}, {"ome": True}, {"compression": "lzw"}, {"bigtiff": True}):
        if "metadata" not in options:
            options = {"metadata": {"axes": "ZYX"}} | options
        content = tif(stack, **{"photometric": "minisblack"} | options)
        found = pictures.opened(io.BytesIO(content))
        assert found.count == 5, options
        assert np.array_equal(np.stack(pictures.pages(content))[..., 0], stack)
        assert np.array_equal(found.read(3)[..., 0], stack[3])
        with pytest.raises(UserError, match=r"^holds 5 pages of 37 x 53 pixels \(height x width\), not one picture"):
            pictures.decoded(content)
    colours = RANDOM.integers(0, 256, (4, 37, 53, 3), np.uint8)
    assert np.array_equal(np.stack(pictures.pages(tif(colours, photometric="rgb"))), colours)


@pytest.mark.parametrize(
    ("axes", "count", "shape", "order"),
    [
        ("CYX", 1, (7, 6, 4), (1, 2, 0)),
        ("ZYX", 4, (7, 6, 1), None),
        ("TYX", 4, (7, 6, 1), None),
    ],
)
@pytest.mark.parametrize("kind", [{"imagej": True}, {"ome": True}, {}])
def test_axes_are_what_the_file_says(axes, count, shape, order, kind):
    stack = RANDOM.integers(0, 256, (4, 7, 6), np.uint8)
    found = pictures.pages(tif(stack, metadata={"axes": axes}, photometric="minisblack", **kind))
    assert len(found) == count and found[0].shape == shape
    assert np.array_equal(found[0], stack.transpose(order) if order else stack[0][..., None])
    assert isinstance(found[0], Bands) == (shape[2] == 4)


@pytest.mark.parametrize(("kind", "axes"), [("imagej", "TZCYX"), ("ome", "TZCYX"), ("ome", "CTZYX"), ("ome", "ZCTYX")])
@pytest.mark.parametrize("packing", [None, "zlib"])
def test_of_a_hyperstack_channels_are_channels(kind, axes, packing):
    sizes = {"T": 2, "Z": 3, "C": 2, "Y": 7, "X": 6}
    stack = RANDOM.integers(0, 256, tuple(sizes[axis] for axis in axes), np.uint8).astype(np.uint16)
    content = tif(stack, metadata={"axes": axes}, photometric="minisblack", compression=packing, **{kind: True})
    found = pictures.pages(content)
    outer = [axis for axis in axes if axis in "TZ"]
    wanted = stack.transpose([axes.index(axis) for axis in (*outer, "Y", "X", "C")]).reshape(6, 7, 6, 2)
    assert np.array_equal(np.stack(found), wanted)


def test_copies_in_small_are_no_pages():
    large = RANDOM.integers(0, 256, (64, 48, 3), np.uint8)
    for options in ({"subfiletype": 1}, {}):
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as writer:
            writer.write(large, photometric="rgb", metadata=None)
            writer.write(large[::2, ::2], photometric="rgb", metadata=None, **options)
            writer.write(large[::4, ::4], photometric="rgb", metadata=None, **options)
        assert np.array_equal(pictures.decoded(file.getvalue()), large)
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(large, photometric="rgb", subifds=2)
        writer.write(large[::2, ::2], photometric="rgb", subfiletype=1)
        writer.write(large[::4, ::4], photometric="rgb", subfiletype=1)
    assert np.array_equal(pictures.decoded(file.getvalue()), large)


def test_a_thumbnail_may_come_first_and_a_mask_of_transparency_is_no_page():
    large = RANDOM.integers(0, 256, (64, 48, 3), np.uint8)
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(large[::4, ::4], photometric="rgb", metadata=None, subfiletype=1)
        writer.write(large, photometric="rgb", metadata=None)
        writer.write(large[..., 0] > 9, photometric="minisblack", metadata=None, subfiletype=4)
    assert np.array_equal(pictures.decoded(file.getvalue()), large)


def test_pages_of_other_sizes_are_pages():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(GREY, photometric="minisblack", metadata=None)
        writer.write(GREY[:30], photometric="minisblack", metadata=None)
    assert [page.shape for page in pictures.pages(file.getvalue())] == [(37, 53, 1), (30, 53, 1)]
    with pytest.raises(UserError, match=r"^holds 2 pages of 2 sizes, not one picture"):
        pictures.decoded(file.getvalue())


def test_parts_that_are_left_out_are_not_read_as_zeros():
    content = bytearray(tif(GREY, rowsperstrip=8, compression="zlib", metadata=None))
    tag = tifffile.TiffFile(io.BytesIO(content)).pages[0].tags[279]
    content[tag.valueoffset : tag.valueoffset + tag.count * 2] = bytes(tag.count * 2)
    with pytest.raises(UserError, match=r"^leaves out 5 of 5 parts of a page"):
        pictures.decoded(bytes(content))


@pytest.mark.parametrize("where", np.linspace(0.1, 0.9, 9))
@pytest.mark.parametrize("packing", ["zlib", "lzma", "jpeg"])
def test_other_bytes_in_what_is_packed_are_noticed(packing, where):
    smooth = cv2.GaussianBlur(RANDOM.integers(0, 256, (240, 320, 3), np.uint8), (0, 0), 2)
    content = tif(smooth, compression=packing, photometric="rgb", metadata=None)
    place = int(where * len(content))
    damaged = content[:place] + bytes(255 - byte for byte in content[place : place + 16]) + content[place + 16 :]
    try:
        found = pictures.decoded(damaged)
    except UserError as error:
        assert str(error).startswith(("is damaged", "is not", "is cut off"))
    else:
        # some codes of JPEG cannot be told from others; the lines above them are as they were
        assert packing == "jpeg"
        above = max(0, int((where - 0.1) * len(smooth)) // 16 * 16 - 16)
        assert np.array_equal(found[:above], pictures.decoded(content)[:above])


def test_a_camera_or_a_slide_is_called_so():
    with pytest.raises(UserError, match="is a raw camera picture"):
        pictures.decoded(tif(values("u2", 20, 30), photometric="cfa", metadata=None))
    with pytest.raises(UserError, match="is a picture of a slide"):
        pictures.decoded(tif(COLOURS, photometric="rgb", description="Aperio Image Library v11", metadata=None))


WITHOUT = """
import sys
sys.modules["imagecodecs"] = None
from pathlib import Path
import numpy as np
from pipeline.errors import UserError
from pipeline.raw import pictures
for name in sys.argv[1:]:
    try:
        np.save(name + ".npy", pictures.decoded(Path(name).read_bytes()))
    except UserError as error:
        print(error)
"""


def test_without_imagecodecs_ordinary_ones_are_read_and_others_named(tmp_path):
    names = []
    for number, picture in enumerate((GREY, COLOURS, GREY.astype(np.uint16) * 200)):
        names.append(f"{number}.tif")
        stored = picture if picture.ndim == 2 else picture[..., ::-1]
        (tmp_path / names[-1]).write_bytes(cv2.imencode(".tif", stored)[1].tobytes())
    (tmp_path / "many.tif").write_bytes(tif(np.dstack([COLOURS, COLOURS]), compression="zstd", planarconfig="contig"))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *names, "many.tif"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "is a TIFF of a compression that is read by 'imagecodecs', which this Python lacks" in done.stdout
    assert len(done.stdout.splitlines()) == 1 and not done.stderr
    for name, picture in zip(names, (GREY[..., None], COLOURS, GREY[..., None].astype(np.uint16) * 200), strict=True):
        assert tifffile.TiffFile(tmp_path / name).pages[0].compression == 5
        assert np.array_equal(np.load(tmp_path / f"{name}.npy"), picture)


def test_what_tifffile_logs_of_texts_is_no_damage():
    def decode():
        for line in ("<TiffTag.fromfile> raised TiffFileError('<tifffile.TiffTag 305 @8> invalid')", "GDAL_NODATA tag"):
            decoders.logging.getLogger("tifffile").error(line)
        return 1

    assert decoders.noted(decode) == (1, "")
    lost = "OME series is missing 3 frames. Missing data are zeroed"
    assert decoders.noted(lambda: decoders.logging.getLogger("tifffile").warning(lost)) == (None, lost)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", "<>")
def test_pages_that_lead_in_a_circle(big, order):
    content = bytearray(
        tif(
            RANDOM.integers(0, 256, (3, 9, 8), np.uint8),
            photometric="minisblack",
            bigtiff=big,
            byteorder=order,
            metadata=None,
        )
    )
    with tifffile.TiffFile(io.BytesIO(content)) as whole:
        size, first = whole.tiff.offsetsize, whole.pages[1].offset
        last = whole.pages[2]
        place = last.offset + whole.tiff.tagnosize + len(last.tags) * whole.tiff.tagsize
    content[place : place + size] = first.to_bytes(size, "little" if order == "<" else "big")
    with pytest.raises(UserError, match="is damaged: its pages lead in a circle"):
        pictures.pages(bytes(content))


def test_a_header_without_pixels(capfd):
    empty = b"II*\0" + struct.pack("<IHHHIIHHII", 8, 2, 256, 4, 1, 50, 257, 4, 1, 60)
    with pytest.raises(UserError, match=r"^is damaged"):
        pictures.decoded(empty)
    assert capfd.readouterr() == ("", "")
