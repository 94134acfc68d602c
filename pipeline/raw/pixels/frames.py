"""GIF, WebP, AVIF and animated PNG by Pillow: each frame as it is shown, H x W x C. Also JPEG of four inks."""

import io
import threading

import numpy as np

from pipeline.errors import UserError, not_installed
from pipeline.raw.pixels import alpha, headers
from pipeline.raw.pixels.headers import refuse_too_large
from pipeline.raw.pixels.one_line import one_line
from pipeline.raw.pixels.orientation import known, turned

NAMES = {"gif": "GIF", "webp": "WEBP", "avif": "AVIF", "png": "PNG", "jpeg": "JPEG"}


class Frames:
    """An opened picture of one or several frames, which threads may share."""

    def __init__(self, content: bytes, kind: str):
        """Raises UserError where it is damaged, too large, or not known to this Pillow."""
        _refuse_cut_off(content, kind)
        refuse_too_large(*headers.size_of(content, kind))
        self.kind = kind
        self._lock = threading.Lock()
        self._picture = _opened(content, kind)
        with one_line(_unread):
            self.count = getattr(self._picture, "n_frames", 1)
            self._turn = known(self._picture.getexif().get(274, 1)) if kind != "gif" else 1
        if kind == "png" and content[24] == 16:
            raise UserError("is an animated PNG of 16 bits, which is not read here; save its frames as TIFF")
        # whether something behind a frame shines through; asked of the first, as all frames are read alike
        self._alpha = "A" in self._picture.getbands() or "transparency" in self._picture.info
        refuse_too_large(*self._picture.size[::-1])

    def shape(self, number: int) -> tuple[int, int]:
        width, height = self._picture.size
        return (width, height) if self._turn > 4 else (height, width)

    def nbytes(self, number: int) -> int:
        return self._picture.width * self._picture.height * 4

    def orientation(self, number: int) -> int:
        return self._turn

    def read(self, number: int) -> np.ndarray:
        """H x W x C, turned as its tag says. Raises UserError where it is damaged."""
        with self._lock, one_line(_unread):
            self._picture.seek(number)
            self._picture.load()
            values = np.array(_as_shown(self._picture, self._alpha))
        values = values[..., None] if values.ndim == 2 else values
        return turned(alpha.said(values, self._alpha), self._turn)


def _opened(content: bytes, kind: str):
    try:
        from PIL import Image
    except ImportError as error:
        raise UserError(f"is a {NAMES[kind]} picture, which is read by {not_installed('PIL')}") from error
    # sizes are checked here, by one rule for all
    Image.MAX_IMAGE_PIXELS = None
    with one_line(_unread):
        return Image.open(io.BytesIO(content), formats=(NAMES[kind],))


def _unread(error: Exception, words: str) -> str:
    """What Pillow raised, in other words where its own quote the program."""
    words = "its decoder does not know it" if "<_io.BytesIO" in words else words
    return f"is not a picture that can be read ({words}); download it again"


def _as_shown(picture, has_alpha: bool):
    """In colours, or grey where it is so; with alpha where the first frame has some."""
    if picture.mode in ("L", "LA", "I;16"):
        return picture
    if picture.mode == "1":
        return picture.convert("L")
    return picture.convert("RGBA" if has_alpha else "RGB")


def _refuse_cut_off(content: bytes, kind: str) -> None:
    """Raises UserError where its end is not there: decoders fill up what is missing."""
    if kind == "webp" and int.from_bytes(content[4:8], "little") + 8 > len(content):
        raise UserError("is cut off: a WebP without its end; download it again")
    if kind == "png" and not any(name == b"IEND" for name, _ in headers.chunks_of_png(content)):
        raise UserError("is cut off: a PNG without its end; download it again")
    if kind == "gif" and not _is_whole_gif(content):
        raise UserError("is cut off: a GIF without its end; download it again")


def _is_whole_gif(content: bytes) -> bool:
    """Whether its blocks lead to its end (GIF89a, 20 to 27)."""
    try:
        place = 13 + _table(content[10])
        while content[place] != 0x3B:
            if content[place] == 0x21:
                place += 2
            elif content[place] == 0x2C:
                place += 11 + _table(content[place + 9])
            else:
                return False
            while content[place]:
                place += 1 + content[place]
            place += 1
    except IndexError:
        return False
    return True


def _table(flags: int) -> int:
    """Bytes of the table of colours that these flags speak of."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def rgb_of_inks(content: bytes) -> np.ndarray:
    """H x W x 3 of a JPEG of cyan, magenta, yellow and black, which Photoshop writes inverted. Raises UserError."""
    picture = _opened(content, "jpeg")
    with one_line(_unread):
        return np.array(picture.convert("RGB"))
