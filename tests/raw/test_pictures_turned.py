"""The orientation tag is followed alike in every format, by images, masks and pictures to answer, and said."""

import io
import struct
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from pipeline.command import names
from pipeline.drafting import chooser
from pipeline.errors import UserError
from pipeline.raw import pictures
from pipeline.raw.files import RawFiles
from pipeline.raw.folders import read_folders
from pipeline.raw.pixels import orientation
from pipeline.stages import prepare

RANDOM = np.random.default_rng(2)
# blocks of one colour each, so that JPEG keeps them
BLOCKS = np.kron(RANDOM.integers(0, 256, (3, 5, 3), np.uint8), np.ones((16, 16, 1), np.uint8))


def exif(tag: int, order: str = "<", long: bool = False) -> bytes:
    """A block of EXIF that says the orientation, behind another tag."""
    start = {"<": b"II*\0", ">": b"MM\0*"}[order]
    value = struct.pack(f"{order}I", tag) if long else struct.pack(f"{order}HH", tag, 0)
    entries = struct.pack(f"{order}HHII", 256, 4, 1, 7) + struct.pack(f"{order}HHI", 274, 4 if long else 3, 1) + value
    return start + struct.pack(f"{order}IH", 8, 2) + entries + bytes(4)


def png(picture: np.ndarray, block: bytes, is_last: bool) -> bytes:
    """With its block before or behind the pixels."""
    content = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    place = len(content) - 12 if is_last else 33
    return content[:place] + chunk + content[place:]


def by_pillow(kind: str, tag: int, **options) -> bytes:
    file, found = io.BytesIO(), Image.Exif()
    found[274] = tag
    Image.fromarray(BLOCKS).save(file, kind, exif=found, **options)
    return file.getvalue()


def tif(tag: int, picture=BLOCKS, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, picture, extratags=[(274, 3, 1, tag, False)], metadata=None, **options)
    return file.getvalue()


def tif_of_video_colours(tag: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(BLOCKS).convert("YCbCr").save(file, "TIFF", compression="tiff_lzw", tiffinfo={274: tag})
    return file.getvalue()


FORMATS = {
    "jpeg": lambda tag: by_pillow("JPEG", tag, quality=98, subsampling=0),
    "png": lambda tag: png(BLOCKS, exif(tag), False),
    "png, at its end": lambda tag: png(BLOCKS, exif(tag, ">", long=True), True),
    "webp": lambda tag: by_pillow("WEBP", tag, lossless=True),
    "avif": lambda tag: by_pillow("AVIF", tag, quality=98, subsampling="4:4:4"),
    "tif": lambda tag: tif(tag, photometric="rgb"),
    "tif in tiles": lambda tag: tif(tag, photometric="rgb", tile=(16, 16), compression="lzw"),
    "tif in planes": lambda tag: tif(tag, BLOCKS.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"),
    "tif of video colours": tif_of_video_colours,
}


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("name", FORMATS)
def test_every_orientation_is_as_people_see_it(name, tag):
    wanted = Image.fromarray(BLOCKS)
    wanted.getexif()[274] = tag
    wanted = np.asarray(ImageOps.exif_transpose(wanted))
    found = pictures.decoded(FORMATS[name](tag))
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).max() <= (0 if name.startswith(("png", "webp", "tif,")) else 12)
    opened = pictures.opened(io.BytesIO(FORMATS[name](tag)))
    assert opened.orientation(0) == tag and opened.shape(0) == wanted.shape[:2]


@pytest.mark.parametrize("order", "<>")
def test_what_is_no_orientation_turns_nothing(order):
    assert orientation.of_exif(exif(6, order)) == 6
    for block in (exif(0, order), exif(9, order), exif(6, order)[:20], b"", b"Exif\0\0", b"II*\0" + b"\xff" * 40):
        assert orientation.of_exif(block) == 1
    assert orientation.of_exif(b"Exif\0\0" + exif(8, order)) == 8


def test_of_a_turned_stack_every_page_is_turned():
    stack = RANDOM.integers(0, 256, (3, 6, 9), np.uint8)
    content = tif(8, stack, photometric="minisblack")
    found = pictures.pages(content)
    assert all(np.array_equal(page[..., 0], np.rot90(plain)) for page, plain in zip(found, stack, strict=True))


def folder(tmp_path, tags: dict, mask_tag: int = 1):
    """Pairs of images and masks, the images of these tags, and one picture to answer with the last of them."""
    for kind in ("images", "masks", "test"):
        (tmp_path / kind).mkdir()
    mask = (BLOCKS[..., :1].repeat(3, 2) > 127) * np.uint8(255)
    for name, tag in tags.items():
        (tmp_path / "images" / f"{name}.png").write_bytes(png(BLOCKS, exif(tag), False))
        (tmp_path / "masks" / f"{name}.png").write_bytes(png(mask, exif(mask_tag), False))
        (tmp_path / "test" / f"{name}.png").write_bytes(png(BLOCKS, exif(tag), False))
    return tmp_path


def test_images_and_masks_are_turned_alike(tmp_path):
    with RawFiles(folder(tmp_path, {"a": 6}, 6)) as raw:
        image = next(image for image in read_folders(raw).images if image.part == "train")
        assert np.array_equal(image.image(), np.rot90(BLOCKS, -1))
        assert np.array_equal(image.labels()[..., 0], np.rot90(BLOCKS[..., 0] > 127, -1))


@pytest.mark.parametrize(("tag", "mask_tag", "turned", "other"), [(6, 1, "image", "mask"), (1, 8, "mask", "image")])
def test_sizes_that_differ_for_the_tag_are_said_to(tmp_path, tag, mask_tag, turned, other):
    with RawFiles(folder(tmp_path, {"a": tag}, mask_tag)) as raw:
        image = next(image for image in read_folders(raw).images if image.part == "train")
        cause = rf"orientation tag \(EXIF\) {max(tag, mask_tag)} of {turned}s/a.png, .* {other}s/a.png is not"
        with pytest.raises(UserError, match=cause):
            image.labels()


@pytest.mark.parametrize(("mask_tag", "is_said"), [(1, True), (3, False)])
def test_pictures_that_were_turned_without_their_masks_are_said(tmp_path, mask_tag, is_said):
    (tmp_path / "raw").mkdir()
    with RawFiles(folder(tmp_path / "raw", {"a": 1, "b": 3} if mask_tag == 1 else {"b": 3}, mask_tag)) as raw:
        said = "\n".join(chooser.draft(raw).said)
        info = prepare.convert(replace(names.competition("demo"), read=read_folders), raw, tmp_path / "prepared", {})
    assert f"{1 + (mask_tag > 1)} of the pictures looked at carry an orientation tag (EXIF) and are turned" in said
    found = [note for note in info["notes"] if "1 picture(s) that are learnt from were turned as their EXIF" in note]
    assert bool(found) == is_said and all("labels were not: b" in note for note in found)


def test_test_pictures_that_were_turned_are_counted_in_a_note(tmp_path):
    tags = {"a": 1, "b": 3, "c": 3}
    (tmp_path / "raw").mkdir()
    with RawFiles(folder(tmp_path / "raw", tags)) as raw:
        chosen = replace(names.competition("demo"), read=read_folders)
        info = prepare.convert(chosen, raw, tmp_path / "prepared", {})
    (note,) = [note for note in info["notes"] if "orientation" in note]
    assert note.startswith("2 test picture(s) were turned as their orientation tag (EXIF) says")
    assert "test_b, test_c" in note
