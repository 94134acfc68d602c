"""Every kind of picture by what is in it, not by its name: exact pixels, frames as pages; what is not read by name."""

import gzip
import io
import struct
import zlib

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from pipeline.errors import UserError
from pipeline.raw import masks, pictures
from pipeline.raw.files import RawFiles
from pipeline.raw.pixels import formats, headers
from pipeline.raw.pixels.alpha import Bands
from tests.raw.palette_example import palette_png

RANDOM = np.random.default_rng(3)
SMOOTH = cv2.GaussianBlur(RANDOM.integers(0, 256, (40, 60, 3), np.uint8), (0, 0), 3)
FOUR = np.dstack([SMOOTH, np.where(SMOOTH[..., 0] > 127, 255, 0).astype(np.uint8)])


def by_pillow(picture, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(file, kind, **options)
    return file.getvalue()


def png_of(picture: np.ndarray) -> bytes:
    """With all of its bits and channels."""
    return imagecodecs.png_encode(picture)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_keeps_its_bits_and_its_alpha(dtype, channels):
    picture = RANDOM.integers(0, np.iinfo(dtype).max, (20, 30, channels), dtype, endpoint=True)
    found = pictures.decoded(png_of(picture if channels > 1 else picture[..., 0]))
    # grey with alpha is three equal colours with alpha
    wanted = picture[..., [0, 0, 0, 1]] if channels == 2 else picture
    assert found.dtype == dtype and np.array_equal(found, wanted) and not isinstance(found, Bands)


def test_png_of_few_bits_and_of_a_palette():
    for mode in ("1", "L"):
        grey = Image.fromarray(SMOOTH).convert(mode)
        assert np.array_equal(pictures.decoded(by_pillow(grey, "PNG"))[..., 0], np.asarray(grey.convert("L")))
    image = Image.fromarray(SMOOTH).quantize(16)
    for bits in (8, 4):
        assert np.array_equal(pictures.decoded(by_pillow(image, "PNG", bits=bits)), np.asarray(image.convert("RGB")))
    shining = pictures.decoded(by_pillow(image, "PNG", transparency=3))
    assert shining.shape[2] == 4 and (shining[..., 3] == 0).any()
    ids = RANDOM.integers(0, 3, (5, 7))
    table = [(9, 8, 7), (1, 2, 3), (200, 100, 0)]
    assert np.array_equal(pictures.decoded(palette_png(ids, table)), np.array(table, np.uint8)[ids])


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1"])
def test_bmp(mode):
    image = Image.fromarray(SMOOTH).quantize(20) if mode == "P" else Image.fromarray(SMOOTH).convert(mode)
    wanted = np.asarray(image.convert("RGB" if mode in ("RGB", "P") else "L"))
    assert np.array_equal(pictures.decoded(by_pillow(image, "BMP")).squeeze(), wanted)


def test_jpeg_of_every_number_of_components():
    wide = cv2.resize(SMOOTH, (160, 120))
    for image, wanted in (
        (Image.fromarray(wide), wide),
        (Image.fromarray(wide[..., 0]), wide[..., :1]),
        (Image.fromarray(wide).convert("CMYK"), wide),
    ):
        found = pictures.decoded(by_pillow(image, "JPEG", quality=97))
        assert found.shape == wanted.shape and np.abs(found.astype(int) - wanted).mean() < 2


def test_webp_avif_and_jpeg_2000():
    assert np.array_equal(pictures.decoded(by_pillow(SMOOTH, "WEBP", lossless=True)), SMOOTH)
    assert np.array_equal(pictures.decoded(by_pillow(FOUR, "WEBP", lossless=True, exact=True)), FOUR)
    assert np.abs(pictures.decoded(by_pillow(SMOOTH, "AVIF", quality=95)).astype(int) - SMOOTH).mean() < 3
    for dtype, channels in ((np.uint8, 1), (np.uint8, 3), (np.uint16, 1), (np.uint16, 3), (np.uint8, 2), (np.uint8, 5)):
        picture = RANDOM.integers(0, np.iinfo(dtype).max, (20, 30, channels), dtype)
        content = imagecodecs.jpeg2k_encode(picture.squeeze(), level=0, reversible=True)
        found = pictures.decoded(content)
        assert found.dtype == dtype and np.array_equal(found, picture)
    assert np.array_equal(pictures.decoded(by_pillow(FOUR, "JPEG2000")), FOUR)
    assert not isinstance(pictures.decoded(by_pillow(FOUR, "JPEG2000")), Bands)
    bare = imagecodecs.jpeg2k_encode(FOUR, level=0, reversible=True, codecformat="j2k")
    assert bare.startswith(b"\xff\x4f") and isinstance(pictures.decoded(bare), Bands)


def test_gif_is_its_colours():
    image = Image.fromarray(SMOOTH).quantize(64)
    assert np.array_equal(pictures.decoded(by_pillow(image, "GIF")), np.asarray(image.convert("RGB")))
    shining = pictures.decoded(by_pillow(image, "GIF", transparency=5))
    assert shining.shape[2] == 4 and set(np.unique(shining[..., 3])) == {0, 255}


@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})])
def test_every_frame_is_a_page(kind, options):
    frames = [np.full((20, 30, 3), value, np.uint8) for value in (10, 200, 90)]
    for k, frame in enumerate(frames):
        frame[3 * k : 3 * k + 5, 5:9] = 0
    images = [Image.fromarray(frame) for frame in frames]
    content = by_pillow(images[0], kind, save_all=True, append_images=images[1:], **options)
    found = pictures.pages(content)
    # Pillow says of every animated WebP that it may shine through
    assert all(np.array_equal(page[..., :3], frame) for page, frame in zip(found, frames, strict=True))
    assert len({page.shape for page in found}) == 1
    # and in any order
    opened = pictures.opened(io.BytesIO(content))
    assert np.array_equal(opened.read(2), found[2]) and np.array_equal(opened.read(0), found[0])
    with pytest.raises(UserError, match=r"^holds 3 pages of 20 x 30 pixels"):
        pictures.decoded(content)


@pytest.mark.parametrize("number", range(1, 7))
@pytest.mark.parametrize("top", [255, 65535, 7, 1000])
def test_portable_maps(number, top):
    dtype = np.uint8 if top < 256 else np.uint16
    channels = 3 if number in (3, 6) else 1
    picture = RANDOM.integers(0, top, (11, 13, channels), dtype, endpoint=True)
    header = f"P{number} # a remark 5\n13 11"
    if number in (1, 4):
        bits = picture > top // 2
        body = b" ".join(b"01"[int(bit)].to_bytes(1, "big") for bit in bits.ravel()) if number == 1 else b""
        body = body or np.packbits(bits[..., 0], axis=1).tobytes()
        found = pictures.decoded(header.encode() + b"\n" + body)
        assert np.array_equal(found, np.where(bits, 0, 255))
        return
    values = picture.astype(">u2" if top > 255 else np.uint8)
    body = " ".join(map(str, picture.ravel())).encode() if number < 4 else values.tobytes()
    found = pictures.decoded(f"{header} {top}\n".encode() + body)
    assert found.dtype == dtype and np.array_equal(found, picture)


def test_a_portable_map_that_says_what_cannot_be():
    for content in (b"P5 3 3 0\n" + bytes(9), b"P5 0 3 255\n", b"P2 2 2 255\n1 2 3 x", b"P2 2 2 7\n1 2 3 9"):
        with pytest.raises(UserError, match=r"is damaged|holds the value 9, and its header says at most 7"):
            pictures.decoded(content)


def test_alpha_is_known_to_those_who_read_masks():
    plain = np.zeros((4, 5, 4), np.uint8)
    plain[:2, ..., :3], plain[..., 3] = 255, 255
    assert masks.binary(plain).sum() == 10
    with pytest.raises(UserError, match="has 4 channels; a mask has one"):
        masks.binary(plain.view(Bands))
    # it stays so when it is cut out or made another kind
    assert isinstance(plain.view(Bands)[1:].astype(np.float16), Bands)
    with pytest.raises(UserError, match="an image has 4 channels, which cannot be made 3"):
        masks.with_channels(plain.view(Bands), 3)
    assert masks.with_channels(plain, 3).shape[2] == 3


def test_a_wrong_ending_does_not_matter(tmp_path):
    (tmp_path / "a.png").write_bytes(by_pillow(SMOOTH, "TIFF"))
    (tmp_path / "b.tif").write_bytes(by_pillow(SMOOTH, "PNG"))
    (tmp_path / "c.jpg").write_bytes(by_pillow(SMOOTH, "WEBP", lossless=True))
    with RawFiles(tmp_path) as raw:
        assert all(np.array_equal(raw.picture(name), SMOOTH) for name in raw.names)


@pytest.mark.parametrize("kind", ["png", "gif", "webp", "jp2", "ppm", "avif"])
def test_a_header_that_claims_too_much_is_refused_before_anything_is_decoded(kind, capfd):
    large = struct.pack(">II", 50000, 60000)
    content = {
        "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + large + bytes(9),
        "gif": b"GIF89a" + struct.pack("<HHBBB", 50000, 60000, 0, 0, 0) + b";",
        "webp": b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0"
        + (49999).to_bytes(3, "little")
        + (59999).to_bytes(3, "little"),
        "jp2": b"\xff\x4f\xff\x51\0\x2f\0\0" + large + bytes(30),
        "ppm": b"P6 50000 60000 255\n",
        "avif": b"\0\0\0\x20ftypavif" + bytes(16) + b"ispe\0\0\0\0" + large,
    }[kind]
    with pytest.raises(UserError, match=r"^is 60000 x 50000 pixels \(height x width\) by its header, more"):
        pictures.decoded(content)
    assert capfd.readouterr() == ("", "")


OTHERS = {
    "a HEIC picture": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "a raw camera picture (CR3)": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    "a raw camera picture (CR2)": b"II*\0\x10\0\0\0CR\2\0",
    "a raw camera picture (RAF)": b"FUJIFILMCCD-RAW 0201",
    "a raw camera picture (ORF, RW2)": b"IIRO\x08\0\0\0",
    "a video": b"\0\0\0\x20ftypisom\0\0\2\0",
    "a Photoshop document": b"8BPS\0\1\0\0\0\0",
    "a GIMP document": b"gimp xcf v011\0",
    "a PDF document": b"%PDF-1.7\n",
    "a PostScript drawing": b"%!PS-Adobe-3.0 EPSF-3.0",
    "a drawing (SVG)": b"<?xml version='1.0'?>\n<!-- made -->\n<svg xmlns='http://www.w3.org/2000/svg'>",
    "a JPEG XL picture": b"\xff\x0a\x7f\1",
    "an OpenEXR picture": b"\x76\x2f\x31\x01\2\0\0\0",
    "a Radiance picture (HDR)": b"#?RADIANCE\n",
    "a NIfTI header without its voxels": struct.pack("<I", 348) + bytes(340) + b"ni1\0",
    "a NRRD volume": b"NRRD0004\ntype: short\n",
    "a MetaImage volume (MHA, MHD)": b"ObjectType = Image\nNDims = 3\n",
    "an HDF5 file (.h5, MATLAB 7.3, MINC)": b"\x89HDF\r\n\x1a\n\0",
    "a MATLAB file": b"MATLAB 5.0 MAT-file, Platform: GLNXA64",
    "a NumPy array": b"\x93NUMPY\1\0v\0",
    "a Zeiss microscope file (CZI)": b"ZISRAWFILE\0\0\0\0\0\0",
    "a Nikon microscope file (ND2)": b"\xda\xce\xbe\x0a\0\0",
    "a zip": b"PK\3\4\x14\0",
    "packed (gzip)": gzip.compress(b"text"),
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "a web page": b"\n<!doctype html>\n<html><title>Sign in</title>",
    "an XML file": b"<?xml version='1.0'?><annotation>",
    "JSON": b'{"shapes": []}',
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_picture_that_is_read_here_is_called_by_its_name(name, tmp_path):
    (tmp_path / "a.png").write_bytes(OTHERS[name])
    with RawFiles(tmp_path) as raw:
        assert raw.page_count("a.png") == 1
        with pytest.raises(UserError) as caught:
            raw.picture("a.png")
    line = str(caught.value)
    assert f"a.png is {name}, which is not read here; " in line and len(line.splitlines()) == 1
    assert len(line.partition("which is not read here; ")[2]) > 8


def test_what_is_nothing_is_said_to_be_so():
    for content, words in (
        (b"", "it is empty"),
        (bytes(5000), "holds zeros alone"),
        (b"hello", "it begins with b'hello'"),
    ):
        with pytest.raises(UserError, match=words):
            pictures.decoded(content)


def test_all_endings_are_in_one_place():
    assert set(formats.ENDINGS) >= {
        ".png",
        ".jfif",
        ".webp",
        ".gif",
        ".jp2",
        ".pgm",
        ".avif",
        ".nii.gz",
        ".dcm",
        ".tiff",
    }
    assert not set(formats.ENDINGS) & set(formats.OTHER_ENDINGS)
    assert pictures.ENDINGS is formats.ENDINGS


def test_a_bmp_of_the_oldest_kind_says_its_size():
    content = b"BM" + struct.pack("<IIIIHHHH", 0, 0, 26, 12, 70, 50, 1, 24)
    assert formats.format_of(content) == "bmp" and headers.size_of(content, "bmp") == (50, 70)


def test_a_picture_that_says_it_is_animated_and_is_not_is_one_page():
    content = by_pillow(SMOOTH, "PNG")
    chunk = b"acTL" + struct.pack(">II", 1, 0)
    chunk = struct.pack(">I", 8) + chunk + struct.pack(">I", zlib.crc32(chunk))
    assert np.array_equal(pictures.decoded(content[:33] + chunk + content[33:]), SMOOTH)
    file = io.BytesIO()
    tifffile.imwrite(file, SMOOTH, photometric="rgb")
    assert pictures.opened(file).count == 1 if file.seek(0) == 0 else None
