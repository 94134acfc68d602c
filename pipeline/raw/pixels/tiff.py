"""TIFF: its pages, whoever wrote them (ImageJ, OME, GDAL, cameras), each as H x W x C by tifffile.

Reduced copies (thumbnails, pyramids) and masks of transparency are no pages; channels that the file calls so are
channels, not pages. Functions raise UserError without the name of the file.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError, not_installed
from pipeline.raw.pixels import photometric, rows, segments
from pipeline.raw.pixels.decoders import noted
from pipeline.raw.pixels.headers import MOST_PIXELS, refuse_too_large
from pipeline.raw.pixels.one_line import one_line
from pipeline.raw.pixels.orientation import TAG, known, turned

# what says what its axes are, and is believed
DESCRIBED = ("is_shaped", "is_imagej", "is_ome", "is_lsm", "is_stk", "is_fluoview", "is_mmstack", "is_scanimage")
# pictures of slides in a dozen pyramids and labels
SLIDES = ("is_svs", "is_ndpi", "is_scn", "is_bif", "is_philips", "is_ventana", "is_qpi")
DNG, CAMERA = 50706, (32803, 34892)  # a tag, and photometric interpretations
CHANNELS = "CS"  # of the axes of a description
REDUCED, TRANSPARENCY, OLD_REDUCED = 1, 4, 2  # of the tags NewSubfileType, and SubfileType before it
GDAL_NODATA = 42113  # a tag


@dataclass(frozen=True)
class Part:
    """Some channels of a picture.

    Attributes:
        page: a `tifffile.TiffPage` or TiffFrame. place: where in the file they lie uncompressed, like that page but
            without a page of their own; or None.
    """

    page: object
    place: int | None = None

    def read(self) -> np.ndarray:
        """H x W x C. Raises UserError, and what tifffile raises."""
        return segments.read(self.page) if self.place is None else segments.read_at(self.page, self.place)


@dataclass
class Stack:
    """An opened TIFF, which threads may share.

    Attributes:
        planes: of each page one that stands for it (a `tifffile.TiffPage`), and its parts, to be put together as
            channels.
    """

    planes: list[tuple[object, list[Part]]]

    @property
    def count(self) -> int:
        return len(self.planes)

    def shape(self, number: int) -> tuple[int, int]:
        """(height, width), turned."""
        page, _ = self.planes[number]
        size = page.imagelength, page.imagewidth
        return size[::-1] if self.orientation(number) > 4 else size

    def nbytes(self, number: int) -> int:
        """Of the page in the memory."""
        page, parts = self.planes[number]
        return page.nbytes * len(parts)

    def orientation(self, number: int) -> int:
        page, _ = self.planes[number]
        return known(page.tags.valueof(TAG, 1))

    @property
    def nodata(self) -> float | None:
        """The value of pixels without data, where GDAL has written one."""
        try:
            return float(self.planes[0][0].tags.valueof(GDAL_NODATA, ""))
        except (TypeError, ValueError):
            return None

    def read(self, number: int) -> np.ndarray:
        """H x W x C, turned as its tag says. Raises UserError where it is damaged."""
        _, parts = self.planes[number]
        with one_line(_unread):
            found, complaint = noted(lambda: [part.read() for part in parts])
        _refuse(complaint)
        return turned(photometric.together(found), self.orientation(number))

    def lines(self, number: int) -> "Lines | None":
        """A page by its lines; None where it must be decoded as a whole. Raises UserError where parts of it are not in
        the file."""
        _, parts = self.planes[number]
        if self.orientation(number) != 1:
            return None
        with one_line(_unread):
            found = [rows.of(part.page, part.place) for part in parts]
        return None if None in found else Lines(found)


@dataclass(frozen=True)
class Lines:
    """A page of which only the strips and tiles that are asked for are decoded. Not for two threads at a time."""

    parts: list

    def like(self) -> np.ndarray:
        """A line of zeros, 1 x W x C, of the channels and the type that `read` gives."""
        with one_line(_unread):
            return photometric.together([part.blank() for part in self.parts])

    def read(self, top: int, bottom: int) -> np.ndarray:
        """The lines from `top` up to `bottom`, h x W x C, as the whole page has them. Raises UserError where something
        that they lie in is damaged."""
        with one_line(_unread):
            found, complaint = noted(lambda: [part.read(top, bottom) for part in self.parts])
        _refuse(complaint)
        return photometric.together(found)


def opened(file, most: int = MOST_PIXELS) -> Stack:
    """The pages of an open TIFF, of `most` pixels at most; no pixel is read. Raises UserError where it is damaged, or
    none that is read here."""
    tifffile = _tifffile()
    with one_line(_unread):
        # several files as one are not looked for: each is a picture
        stack, complaint = noted(lambda: _stack(tifffile.TiffFile(file, _multifile=False), most))
    _refuse(complaint)
    return stack


def _tifffile():
    try:
        import tifffile
    except ImportError as error:
        raise UserError(f"is a TIFF, which is read by {not_installed('tifffile')}") from error
    return tifffile


def _unread(error: Exception, words: str) -> str:
    """What tifffile raised, by what can be done about it."""
    if isinstance(error, ImportError) or "requires the 'imagecodecs' package" in words:
        return f"is a TIFF of a compression that is read by {not_installed('imagecodecs')}"
    if isinstance(error, NotImplementedError) or "support" in words:
        return f"is a TIFF of a kind that is not read here ({words}); save it anew"
    return f"is damaged ({words}); download it again"


def _refuse(complaint: str) -> None:
    if complaint:
        raise UserError(f"is damaged ({complaint}); download it again, or save it anew if it looks right")


def _stack(tif, most: int) -> Stack:
    # threads read it together
    tif.filehandle.set_lock(True)
    _refuse_circle(tif)
    first = tif.pages.first
    _refuse_what_is_more(tif, first)
    planes = list(_described(tif)) or [(page, [Part(page)]) for page in tif.pages]
    full = [plane for plane in planes if not _is_flagged(plane[0])]
    if not full and first.subifds:
        raise UserError("holds a small copy alone, and what it is of in a form of its maker: develop it to TIFF or PNG")
    full = full or planes
    full = [full[0], *(plane for plane in full[1:] if not _is_copy(plane[0], full[0][0]))]
    for page, _ in full:
        if not page.imagelength or not page.imagewidth:
            raise UserError("is damaged: its header says no size; download it again")
        refuse_too_large(page.imagelength, page.imagewidth, most)
    return Stack(full)


def _refuse_circle(tif) -> None:
    """Raises UserError where a page leads back to one before it: tifffile would follow for ever."""
    file, form, seen = tif.filehandle, tif.tiff, set()
    file.seek(8 if form.is_bigtiff else 4)
    while offset := int.from_bytes(file.read(form.offsetsize), _order(form)):
        if offset in seen:
            raise UserError("is damaged: its pages lead in a circle; download it again")
        seen.add(offset)
        file.seek(offset)
        count = int.from_bytes(file.read(form.tagnosize), _order(form))
        file.seek(offset + form.tagnosize + count * form.tagsize)


def _order(form) -> str:
    return "little" if form.byteorder == "<" else "big"


def _refuse_what_is_more(tif, first) -> None:
    """Raises UserError for kinds that are TIFF, but no pictures."""
    if any(getattr(tif, kind, False) for kind in SLIDES):
        raise UserError("is a picture of a slide in many sizes; export the level that is meant as TIFF (QuPath)")
    if DNG in first.tags or first.photometric in CAMERA:
        raise UserError("is a raw camera picture, which is not read here; develop it to TIFF or PNG (darktable-cli)")


def _is_flagged(page) -> bool:
    """Whether it says of itself that it is a reduced copy, or a mask of transparency."""
    return bool(page.subfiletype & (REDUCED | TRANSPARENCY)) or page.tags.valueof(255, 0) == OLD_REDUCED


def _is_copy(page, first) -> bool:
    """Whether it is the first in half its size or less, as pyramids and thumbnails that do not say so are."""
    height, width = first.imagelength, first.imagewidth
    if 2 * page.imagelength > height + 1 or 2 * page.imagewidth > width + 1:
        return False
    return abs(page.imagelength - height * page.imagewidth / width) <= 1


def _described(tif) -> Iterator[tuple[object, list[Part]]]:
    """The planes of files that say what their axes are; none of others."""
    if not any(getattr(tif, kind, False) for kind in DESCRIBED):
        return
    for series in tif.series:
        if series.kind not in ("generic", "uniform"):
            yield from _planes(tif, series)


def _planes(tif, series) -> Iterator[tuple[object, list[Part]]]:
    page, shape, axes = series.keyframe, series.get_shape(squeeze=False), series.get_axes(squeeze=False)
    count = math.prod(shape) // max(math.prod(page.shape), 1)
    leading = next((n for n in range(len(shape)) if math.prod(shape[:n]) == count), None)
    if not count or leading is None:
        raise UserError(f"describes {shape} values ({axes}), which its pages of {page.shape} do not make; save it anew")
    outer = [i for i in range(leading) if axes[i] not in CHANNELS]
    inner = [i for i in range(leading) if axes[i] in CHANNELS]
    numbers = np.arange(count).reshape(shape[:leading]).transpose(*outer, *inner)
    for several in numbers.reshape(math.prod(shape[i] for i in outer), -1).tolist():
        yield page, [_part(tif, series, number) for number in several]


def _part(tif, series, number: int) -> Part:
    if series.dataoffset is not None:
        # one behind the other: often only the first has a page of its own
        return Part(series.keyframe, series.dataoffset + number * series.keyframe.nbytes)
    page = series[number] if number < len(series) else None
    if page is None:
        raise UserError(f"describes more pages than it holds: number {number + 1} is not there; download it again")
    return Part(page)
