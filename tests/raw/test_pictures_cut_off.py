"""A picture that is cut off anywhere is refused in a line, in every format: what is missing is never filled up."""

import gzip
import io

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from pipeline.errors import UserError
from pipeline.raw import pictures
from tests.raw import volume_examples

RANDOM = np.random.default_rng(0)
IMAGE = cv2.GaussianBlur(RANDOM.integers(0, 256, (120, 150, 3), np.uint8), (0, 0), 1)
GREY = IMAGE[..., 0]
STACK = np.stack([GREY, GREY[::-1], GREY[:, ::-1]])


def by_pillow(kind: str, picture=IMAGE, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.getvalue()


def animated(kind: str, **options) -> bytes:
    return by_pillow(kind, save_all=True, append_images=[Image.fromarray(IMAGE[::-1])], **options)


def tif(picture, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, picture, **options)
    return file.getvalue()


def letters(number: int, picture) -> bytes:
    height, width = picture.shape[:2]
    return f"P{number}\n# a remark\n{width} {height}\n255\n".encode() + " ".join(map(str, picture.ravel())).encode()


FORMATS = {
    "png": lambda: by_pillow("PNG"),
    "png of 16 bits": lambda: cv2.imencode(".png", IMAGE.astype(np.uint16) * 257)[1].tobytes(),
    "png with a palette": lambda: by_pillow("PNG", np.asarray(Image.fromarray(IMAGE).quantize(64))),
    "animated png": lambda: animated("PNG"),
    "jpeg": lambda: by_pillow("JPEG", quality=95),
    "progressive jpeg": lambda: by_pillow("JPEG", progressive=True),
    "jpeg of four inks": lambda: cmyk_jpeg(),
    "bmp": lambda: by_pillow("BMP"),
    "gif": lambda: by_pillow("GIF"),
    "animated gif": lambda: animated("GIF"),
    "webp": lambda: by_pillow("WEBP", lossless=True),
    "webp with loss": lambda: by_pillow("WEBP", quality=80),
    "animated webp": lambda: animated("WEBP", lossless=True),
    "jp2": lambda: by_pillow("JPEG2000"),
    "j2k": lambda: by_pillow("JPEG2000", no_jp2=True),
    "avif": lambda: by_pillow("AVIF", quality=80),
    "pbm": lambda: b"P4 150 120\n" + np.packbits(GREY > 127, axis=1).tobytes(),
    "pgm": lambda: b"P5 150 120 255\n" + GREY.tobytes(),
    "ppm of 16 bits": lambda: b"P6 150 120 65535\n" + IMAGE.astype(">u2").tobytes(),
    "pgm in letters": lambda: letters(2, GREY),
    "tif": lambda: tif(IMAGE),
    "tif in strips": lambda: tif(IMAGE, rowsperstrip=7),
    "tif in tiles": lambda: tif(IMAGE, tile=(32, 32)),
    "tif, deflate": lambda: tif(IMAGE, compression="zlib", rowsperstrip=40),
    "tif, lzw": lambda: tif(IMAGE, compression="lzw", predictor=True, rowsperstrip=40),
    "tif, lzw, by OpenCV": lambda: cv2.imencode(".tif", IMAGE)[1].tobytes(),
    "tif, packbits": lambda: by_pillow("TIFF", GREY, compression="packbits"),
    "tif, jpeg": lambda: tif(IMAGE, compression="jpeg", photometric="rgb"),
    "tif of pages": lambda: tif(STACK, photometric="minisblack"),
    "tif of pages, plain": lambda: tif(STACK, photometric="minisblack", metadata=None),
    "tif of pages, packed": lambda: tif(STACK, photometric="minisblack", compression="zlib", metadata=None),
    "tif of pages, by Pillow": lambda: animated("TIFF"),
    "tif of ImageJ": lambda: tif(STACK, imagej=True, metadata={"axes": "ZYX"}),
    "tif of OME": lambda: tif(STACK, ome=True, metadata={"axes": "ZYX"}, photometric="minisblack"),
    "large tif": lambda: tif(IMAGE, bigtiff=True, byteorder=">"),
    "nifti": lambda: volume_examples.nifti(STACK.transpose(1, 2, 0)),
    "packed nifti": lambda: gzip.compress(volume_examples.nifti(STACK.transpose(1, 2, 0))),
    "dicom": lambda: volume_examples.dicom(GREY.astype(np.uint16)),
}


def cmyk_jpeg() -> bytes:
    file = io.BytesIO()
    Image.fromarray(IMAGE).convert("CMYK").save(file, "JPEG")
    return file.getvalue()


@pytest.fixture(scope="module")
def whole():
    made = {}

    def of(name: str) -> bytes:
        if name.startswith(("nifti", "packed nifti")):
            pytest.importorskip("nibabel")
        if name == "dicom":
            pytest.importorskip("pydicom")
        return made.setdefault(name, FORMATS[name]())

    return of


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_one_is_read(name, whole, capfd):
    found = pictures.pages(whole(name))
    assert found[0].shape[:2] == (120, 150)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("keep", [1, 3, 12, 40, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, -20])
@pytest.mark.parametrize("name", FORMATS)
def test_one_that_is_cut_off_is_refused(name, keep, whole, capfd):
    content = whole(name)
    cut = content[: int(keep * len(content)) if isinstance(keep, float) else keep]
    if (name, keep) == ("tif of ImageJ", -20):
        # the name of a program, behind all pixels: nothing is lost
        assert np.array_equal(np.stack(pictures.pages(cut))[..., 0], STACK)
        return
    with pytest.raises(UserError) as caught:
        pictures.pages(cut)
    line = str(caught.value)
    assert len(line.splitlines()) == 1 and line.startswith(("is ", "holds ", "needs ", "describes ", "leaves "))
    assert capfd.readouterr() == ("", "")
