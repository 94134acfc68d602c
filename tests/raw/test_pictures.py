"""Pictures: what is damaged, too large or no number is refused before it is believed, and no decoder speaks for us."""

import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.raw import pictures
from pipeline.raw.pixels import decoders

IMAGE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8), (0, 0), 2)


def encoded(ending: str, picture=IMAGE) -> bytes:
    return cv2.imencode(ending, picture)[1].tobytes()


def flipped(content: bytes) -> bytes:
    """Eight bytes in its middle are others."""
    middle = len(content) // 2
    return content[:middle] + bytes(255 - byte for byte in content[middle : middle + 8]) + content[middle + 8 :]


def png(height: int, width: int, data: bytes, *more: bytes) -> bytes:
    """A grey PNG with this header and these bytes of pixels."""
    parts = [
        b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0),
        *more,
        b"IDAT" + zlib.compress(data),
        b"IEND",
    ]
    chunks = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def refusal(content: bytes, capfd) -> str:
    """The line; nothing else may be printed."""
    with pytest.raises(UserError) as caught:
        pictures.decoded(content)
    assert capfd.readouterr() == ("", "")
    line = str(caught.value)
    assert len(line.splitlines()) == 1 and "OpenCV(" not in line and ".cpp" not in line
    return line


@pytest.mark.parametrize("ending", [".png", ".tif", ".bmp", ".webp"])
def test_a_whole_picture_is_read_red_first(ending):
    content = encoded(ending)
    wanted = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert np.array_equal(pictures.decoded(content), wanted)
    assert np.array_equal(pictures.decoded(content + b"what others append"), wanted)
    assert pictures.decoded(encoded(ending, IMAGE[..., 0])).ndim == 3


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".bmp"])
@pytest.mark.parametrize("keep", [0, 3, 20, 0.5, -2])
def test_a_picture_that_is_cut_off_is_refused(ending, keep, capfd):
    content = encoded(ending)
    cut = content[: keep if isinstance(keep, int) else int(keep * len(content))]
    line = refusal(cut, capfd)
    assert "not a picture that can be read" in line or "cut off" in line or "damaged" in line


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif"])
def test_a_picture_with_other_bytes_in_its_middle_is_refused(ending, capfd):
    line = refusal(flipped(encoded(ending)), capfd)
    assert line.startswith("is damaged (" if ending != ".png" else "is not a picture that can be read (libpng error")


def test_the_thumbnail_of_a_jpeg_is_not_its_end(capfd):
    content = encoded(".jpg")
    thumbnail = b"\xff\xe1" + struct.pack(">H", 6) + b"\xff\xd8\xff\xd9"
    assert pictures.decoded(content[:2] + thumbnail + content[2:]).shape == IMAGE.shape
    assert "a JPEG without its end" in refusal(content[:2] + thumbnail + content[2:-2], capfd)


@pytest.mark.parametrize(
    "content",
    [
        png(60000, 50000, b""),
        b"BM" + struct.pack("<IIIIii", 0, 0, 54, 40, 50000, -60000),
        b"II*\0" + struct.pack("<IHHHIIHHII", 8, 2, 256, 4, 1, 50000, 257, 4, 1, 60000),
        b"MM\0*" + struct.pack(">IHHHIHHHHIHH", 8, 2, 256, 3, 1, 50000, 0, 257, 3, 1, 60000, 0),
        b"\xff\xd8\xff\xc0" + struct.pack(">HBHH", 7, 8, 60000, 50000) + b"\xff\xda..\xff\xd9",
    ],
    ids=["png", "bmp", "tif", "big-endian tif", "jpg"],
)
def test_a_header_that_claims_more_than_can_be_decoded_is_refused_before(content, capfd, monkeypatch):
    monkeypatch.setattr(pictures.cv2, "imdecode", lambda *arguments: pytest.fail("decoded"))
    assert "is 60000 x 50000 pixels (height x width) by its header, more than the 1073741824" in refusal(content, capfd)


def test_a_picture_whose_pixels_are_fewer_than_its_header_says_is_refused(capfd):
    assert "not a picture that can be read (libpng error" in refusal(png(100, 100, bytes(1000)), capfd)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_counted(value, capfd):
    picture = np.ones((4, 5), np.float32)
    picture[2, 3] = value
    assert refusal(encoded(".tif", picture), capfd).startswith("holds 1 of 20 values that are infinite or no numbers")


def test_a_harmless_complaint_is_neither_printed_nor_believed(capfd):
    odd = png(10, 10, bytes(110), b"iCCPx\0\0junk")
    assert pictures.decoded(odd).shape == (10, 10, 1)
    # some cameras leave a few bytes before the end
    content = encoded(".jpg")
    assert pictures.decoded(content[:-2] + b"\x00\x00\x00" + content[-2:]).shape == IMAGE.shape
    assert capfd.readouterr() == ("", "")


def test_of_threads_that_decode_together_only_the_damaged_pictures_are_refused(capfd):
    good, bad = encoded(".jpg"), flipped(encoded(".jpg"))

    def is_refused(number: int) -> bool:
        os.write(2, f"step {number}\n".encode())
        try:
            pictures.decoded(bad if number % 17 == 5 else good)
        except UserError:
            return True
        return False

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(is_refused, range(120)))
    assert [number for number, refused in enumerate(found) if refused] == list(range(5, 120, 17))
    # what others say goes where it was meant to go
    assert sorted(capfd.readouterr().err.splitlines()) == sorted(f"step {number}" for number in range(120))


def test_what_is_written_meanwhile_is_handed_on_and_stderr_is_put_back(capfd):
    def decode():
        os.write(2, b"\rbar 1/2Corrupt JPEG data: bad Huffman code\nbar 2/2\n")
        return 1

    assert decoders.listened(decode) == (1, "Corrupt JPEG data: bad Huffman code")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "\rbar 1/2bar 2/2\n" * 2 + "after\n"
    with pytest.raises(ZeroDivisionError):
        decoders.listened(lambda: 1 / 0)
    os.write(2, b"after an error\n")
    assert capfd.readouterr().err == "after an error\n"


def test_every_page_of_a_stack_is_read_and_none_of_a_damaged_one(capfd):
    done, content = cv2.imencodemulti(".tif", [IMAGE, IMAGE[::-1]])
    assert done
    found = pictures.pages(content.tobytes())
    assert np.array_equal(found[1], IMAGE[::-1, :, ::-1]) and len(found) == 2
    with pytest.raises(UserError):
        pictures.pages(content.tobytes()[:-40])
    assert capfd.readouterr() == ("", "")
