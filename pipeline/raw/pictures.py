"""The bytes of a picture file -> pixels: its size is read before anything is decoded, and damage is refused.

PNG, JPEG and BMP by OpenCV; TIFF by tifffile; GIF, WebP and AVIF by Pillow; JPEG 2000 by imagecodecs; DICOM and NIfTI
by pydicom and nibabel. Each function raises UserError without the name of the file, which the one who reads it puts in
front (`a.png is …`).
"""

import io
from typing import BinaryIO, Protocol

import cv2
import numpy as np

from pipeline.errors import UserError
from pipeline.raw.pixels import alpha, frames, headers, pnm, tiff, volumes
from pipeline.raw.pixels.decoders import listened
from pipeline.raw.pixels.formats import ENDINGS, HEAD, OTHER_ENDINGS, format_of
from pipeline.raw.pixels.orientation import turned

__all__ = ["ENDINGS", "OTHER_ENDINGS", "Opened", "count_of", "decoded", "opened", "pages", "read", "refuse_several"]

STACKS = ("tiff", "gif", "webp", "avif", "dicom", "nifti", "nifti.gz")


class Opened(Protocol):
    """A picture file of which the header was read. Threads may share it.

    Attributes:
        count: of its pages.
    """

    count: int

    def shape(self, number: int) -> tuple[int, int]:
        """(height, width) of a page as it is read."""

    def nbytes(self, number: int) -> int:
        """How much memory the page wants, roughly."""

    def orientation(self, number: int) -> int:
        """1 to 8: how the page is turned when it is read; 1 is not at all."""

    def read(self, number: int) -> np.ndarray:
        """A page as H x W x C. Raises UserError."""


def opened(file: BinaryIO) -> Opened:
    """What the header says. Raises UserError where it is no picture, damaged, or larger than can be decoded."""
    head = file.read(HEAD)
    kind = format_of(head)
    file.seek(0)
    if kind == "tiff":
        return tiff.opened(file)
    if kind in ("dicom", "nifti", "nifti.gz"):
        return volumes.opened(file, kind)
    content = file.read()
    if kind in ("gif", "webp", "avif") or (kind == "png" and is_animated(content)):
        return frames.Frames(content, kind)
    return _Single(content, kind)


def decoded(content: bytes) -> np.ndarray:
    """A picture as H x W x C in the file's own depth; colours in the order red, green, blue (alpha), turned as its
    orientation tag says.

    Raises UserError where it is none, too large, damaged, of several pages, or holds values that are no numbers.
    """
    found = opened(io.BytesIO(content))
    refuse_several(found)
    return read(found, 0)


def pages(content: bytes) -> list[np.ndarray]:
    """All pages of a stack, each as `decoded` gives it. Raises UserError as it does."""
    found = opened(io.BytesIO(content))
    return [read(found, number) for number in range(found.count)]


def refuse_several(found: Opened) -> None:
    """Raises UserError for a file of several pages, of which the first is not all."""
    if found.count > 1:
        sizes = list(dict.fromkeys(found.shape(number) for number in range(min(found.count, 1000))))
        size = "{} x {} pixels (height x width)".format(*sizes[0]) if len(sizes) == 1 else f"{len(sizes)} sizes"
        raise UserError(
            f"holds {found.count} pages of {size}, not one picture; read them by raw.page(name, number), or save those "
            "that are meant as pictures of their own"
        )


def read(found: Opened, number: int, has_gaps: bool = False) -> np.ndarray:
    """A page as H x W x C. Raises UserError where it is damaged, or holds values that are no numbers, unless it
    `has_gaps`."""
    try:
        picture = found.read(number)
    except MemoryError as error:
        raise UserError("needs more memory than there is; make it smaller") from error
    return checked(picture, has_gaps)


def checked(picture: np.ndarray, has_gaps: bool = False) -> np.ndarray:
    """The same picture, or lines of it. Raises UserError where its values are no numbers, as `read` does."""
    if picture.dtype.kind not in "uif":
        raise UserError(f"holds {picture.dtype}; save it as whole numbers or floating point")
    if picture.dtype.kind == "f" and not has_gaps:
        wrong = int(np.count_nonzero(~np.isfinite(picture)))
        if wrong:
            raise UserError(
                f"holds {wrong} of {picture.size} values that are infinite or no numbers (NaN); replace these, "
                "or, where these are pixels without data, name them: nodata=float('nan')"
            )
    return picture


def count_of(head: bytes) -> int:
    """How many pages there are, by the beginning of a file; 0 where all of it must be looked at."""
    kind = format_of(head)
    if kind in STACKS or (kind == "png" and is_animated(head)):
        return 0
    return 1


def is_animated(content: bytes) -> bool:
    """Whether a PNG holds several frames: by its chunk acTL, which comes before the pixels."""
    for name, data in headers.chunks_of_png(content):
        if name == b"acTL" and len(data) >= 4:
            return int.from_bytes(data[:4], "big") > 1
        if name == b"IDAT":
            break
    return False


class _Single:
    """A picture of one page, in the memory."""

    count = 1

    def __init__(self, content: bytes, kind: str):
        self.content, self.kind = content, kind
        self.size = pnm.size_of(content) if kind == "pnm" else headers.size_of(content, kind)
        self.turn = headers.orientation_of(content, kind)
        headers.refuse_too_large(*self.size)

    def shape(self, number: int) -> tuple[int, int]:
        return self.size[::-1] if self.turn > 4 else self.size

    def nbytes(self, number: int) -> int:
        return self.size[0] * self.size[1] * _bytes_of_pixel(self.content, self.kind)

    def orientation(self, number: int) -> int:
        return self.turn

    def read(self, number: int) -> np.ndarray:
        if self.kind == "pnm":
            return pnm.decoded(self.content)
        if self.kind == "jp2":
            return _of_jpeg2000(self.content)
        picture = _by_opencv(self.content)
        if self.kind == "jpeg" and headers.components_of_jpeg(self.content) == 4:
            # OpenCV is off by a few, and takes inks for inverted that are not
            picture = frames.rgb_of_inks(self.content)
        return turned(picture, self.turn)


def _bytes_of_pixel(content: bytes, kind: str) -> int:
    if kind == "png" and len(content) > 25:
        channels = {0: 1, 2: 3, 3: 3, 4: 4, 6: 4}.get(content[25], 4)
        return channels * (2 if content[24] == 16 else 1)
    if kind == "jpeg":
        return headers.components_of_jpeg(content) or 3
    return 3


def _by_opencv(content: bytes) -> np.ndarray:
    """H x W x C, not turned. Raises UserError."""
    data = np.frombuffer(content, np.uint8)
    # unchanged: in its own depth, with alpha, and without the turn that its orientation tag asks for
    picture, complaint = _listened(lambda: cv2.imdecode(data, cv2.IMREAD_UNCHANGED))
    if picture is None:
        raise UserError(_not_a_picture(complaint))
    if complaint:
        raise UserError(f"is damaged ({complaint}); download it again, or save it anew if it looks right")
    return _red_first(picture)


def _red_first(picture: np.ndarray) -> np.ndarray:
    """H x W x C from what OpenCV gives, blue first."""
    if picture.ndim == 2:
        return picture[..., None]
    return cv2.cvtColor(picture, {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}[picture.shape[2]])


def _listened(decode):
    """What it returns, or None where OpenCV gives up, and what a decoder complained of."""

    def attempt():
        try:
            return decode()
        except cv2.error as error:
            return error

    found, complaint = listened(attempt)
    if isinstance(found, cv2.error):
        return None, complaint or " ".join(str(found.err or found).split())
    return found, complaint


def _not_a_picture(complaint: str) -> str:
    return f"is not a picture that can be read{f' ({complaint})' if complaint else ''}; download it again"


def _of_jpeg2000(content: bytes) -> np.ndarray:
    """H x W x C of any depth and number of channels; by OpenCV where imagecodecs is not there."""
    try:
        import imagecodecs
    except ImportError:
        return alpha.said(_by_opencv(content), headers.has_alpha_of_jp2(content))
    try:
        picture = imagecodecs.jpeg2k_decode(content)
    except (imagecodecs.Jpeg2kError, ValueError) as error:
        raise UserError(_not_a_picture(" ".join(str(error).split()))) from error
    picture = picture[..., None] if picture.ndim == 2 else picture
    return alpha.said(picture, headers.has_alpha_of_jp2(content))
