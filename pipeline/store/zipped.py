"""A zip of files in place of a csv: written, read, checked and mended.

Where `Format.files` is `.tif` the file `a.tif` answers the volume `a`: a page of uint8 for each of its slices, the
images whose ids are `a/…`, in the order of ids. Where it is `.png`, `a.png` answers the image `a`. Memory holds one
file at a time.
"""

import contextlib
import functools
import io
import logging
import lzma
import math
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from pipeline.errors import UserError, not_installed, shown
from pipeline.store.dialect import PICTURES, VOLUMES, Format
from pipeline.store.disk import refuse_no_file
from pipeline.store.submission import Expected, Summary

WHEN = (1980, 1, 1, 0, 0, 0)  # the date of every file, so that the same answers are the same bytes
WIDEST = 8  # bytes a pixel that a file may have, whatever it is packed by
ROOM = 1 << 20  # bytes of a file beside its pixels
FAR_MORE = 100  # pages than there should be are not counted: they may lead in a circle
WHITE_IS_ZERO = 0  # a photometric interpretation
PNG = b"\x89PNG\r\n\x1a\n"
# what systems leave in a zip
LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error)
# of a zip with a password, or packed in a way that Python does not know
LOCKED = (NotImplementedError, RuntimeError, ValueError)


def write(path: Path, form: Format, answers: Iterable[tuple[str, np.ndarray]]) -> None:
    """Writes (id, labels H x W x 1) of every image; the slices of a volume follow each other. The same answers give the
    same bytes."""
    values = np.array(form.values, np.uint8)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, images in groupby(answers, lambda answer: form.file_of(answer[0])):
            pages = [values[labels[..., 0]] for _, labels in images]
            content = _ENCODERS[form.files](pages)
            if not all(map(np.array_equal, _DECODERS[form.files](content, [page.shape for page in pages]), pages)):
                raise RuntimeError(f"{name} does not hold what was written into it")
            info = zipfile.ZipInfo(name, WHEN)
            # as a file of a Unix, on every system
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, content)


class Files:
    """The files of a zip.

    Args:
        where: what to call the zip in errors.
        named: file -> what it is called in the zip; None is as it is called.
        casts: whether numbers of another type than uint8 are taken, where they are those of the format.

    Raises UserError where it is no zip, is cut off, or holds two files of one name.
    """

    def __init__(self, path: Path, form: Format, where: str = "", named: dict[str, str] | None = None, casts=False):
        self.path, self.form, self.where, self.casts = Path(path), form, where or str(path), casts
        self.cast: list[str] = []
        refuse_no_file(self.path)
        with self._read("it"), zipfile.ZipFile(self.path) as archive:
            found = [info for info in archive.infolist() if not info.is_dir()]
        twice = [name for name, count in Counter(info.filename for info in found).items() if count > 1]
        if twice:
            raise UserError(f"{self.where} holds {shown(twice)} more than once; keep one of each")
        self.members = {info.filename: info for info in found}
        self.named = {name: name for name in self.members} if named is None else named

    def ids(self, known: Iterable[str]) -> list[str]:
        """The images that are answered, of those that are known, and the names of files that are of none of them."""
        known = list(known)
        unknown = set(self.named) - {self.form.file_of(name) for name in known}
        return [name for name in known if self.form.file_of(name) in self.named] + sorted(unknown)

    def only(self, ids: set[str]) -> "Files":
        """The same, of some images: what is not asked for is not read."""
        names = {self.form.file_of(name) for name in ids}
        return Files(self.path, self.form, self.where, {a: b for a, b in self.named.items() if a in names}, self.casts)

    def validate(self, expected: Expected) -> Summary:
        """What it holds. Raises UserError naming the first file that is wrong, and how."""
        self._check_names({self.form.file_of(name) for name in expected.ids})
        area = np.array([np.count_nonzero(labels) for labels in self.decoded(expected)])
        filled = area[area > 0]
        empty = float(np.mean(area == 0)) if len(area) else 0.0
        return Summary(len(self.named), len(area), empty, float(filled.mean()) if len(filled) else 0.0, "files")

    def decoded(self, expected: Expected, task=None) -> Iterator[np.ndarray]:
        """The labels of each expected image, H x W x 1 uint8, whatever the task is. Raises UserError."""
        labels = np.zeros(256, np.uint8)
        labels[list(self.form.values)] = range(len(self.form.values))
        sizes = zip(expected.ids, expected.heights.tolist(), expected.widths.tolist(), strict=True)
        with contextlib.ExitStack() as stack:
            with self._read("it"):
                archive = stack.enter_context(zipfile.ZipFile(self.path))
            for name, images in groupby(sizes, lambda image: self.form.file_of(image[0])):
                for page in self._pages(archive, name, [(height, width) for _, height, width in images]):
                    yield labels[page][..., None]

    def _check_names(self, wanted: set[str]) -> None:
        unknown = sorted(set(self.named) - wanted)
        if unknown:
            inside = sorted({_top_of(name, wanted) for name in unknown} - {""})
            if inside:
                raise UserError(f"{self.where}: its files lie in the folder {shown(inside)}; put them at the top of it")
            raise UserError(
                f"{self.where}: {len(unknown)} file(s) are of no test image: {shown(unknown)}; take them out "
                f"(wanted are {shown(sorted(wanted))})"
            )
        missing = sorted(wanted - set(self.named))
        if missing:
            raise UserError(f"{self.where}: {len(missing)} file(s) are missing: {shown(missing)}; add them")

    def _pages(self, archive: zipfile.ZipFile, name: str, sizes: list[tuple[int, int]]) -> list[np.ndarray]:
        """The pages of a file, H x W uint8 each, checked."""
        where, member = f"{self.where}, {name}", self.members[self.named[name]]
        if member.file_size > ROOM + sum(WIDEST * height * width + 4096 for height, width in sizes):
            raise UserError(f"{where} is too large for {_said(sizes)} (width x height); write it again")
        with self._read(name), archive.open(member) as file:
            # no more than it says of itself, whatever it was packed from
            content = file.read(member.file_size)
        with _one_line(where):
            pages = _DECODERS[self.form.files](content, sizes)
        return [self._checked(page, name, where) for page in pages]

    def _checked(self, page: np.ndarray, name: str, where: str) -> np.ndarray:
        counted = np.flatnonzero(np.bincount(page.ravel())) if page.dtype == np.uint8 else np.unique(page)
        values = counted.tolist()
        odd = [value for value in values if value not in self.form.values]
        known = ", ".join(map(str, self.form.values))
        if odd:
            raise UserError(
                f"{where} holds {shown([f'{value:g}' for value in odd])}; there can be {known}, and no other"
            )
        if page.dtype == np.uint8:
            return page
        if not self.casts or page.dtype.kind not in "buif":
            raise UserError(f"{where} holds {page.dtype}; wanted is uint8, with the values {known}")
        if name not in self.cast:
            self.cast.append(name)
        return page.astype(np.uint8)

    @contextlib.contextmanager
    def _read(self, what: str) -> Iterator[None]:
        try:
            yield
        except DAMAGE as error:
            raise UserError(
                f"{self.where}: {what} cannot be read ({error}); wanted is a zip, write it again"
            ) from error
        except OSError as error:
            raise UserError(f"cannot read {self.where}: {error.strerror or error}") from error
        except LOCKED as error:
            raise UserError(
                f"{self.where}: {what} cannot be read ({error}); write it again, without a password"
            ) from error


def mended(path: Path, form: Format, expected: Expected) -> tuple[Files, list[str], Summary]:
    """The files as they should be, what was mended, in words, and what they hold. Raises UserError where they are still
    not valid, or nothing can be mended without guessing."""
    files, done = Files(path, form), []
    wanted, named = {form.file_of(name) for name in expected.ids}, dict(files.named)
    litter = [name for name in named if is_litter(name)]
    if litter:
        named = {name: place for name, place in named.items() if name not in litter}
        done.append(f"{len(litter)} file(s) of the system's taken out")
    tops = {_top_of(name, wanted) for name in named} - {""}
    if len(tops) == 1 and not wanted & set(named):
        (top,) = tops
        named = {name.removeprefix(f"{top}/"): place for name, place in named.items()}
        done.append(f"the files taken out of the folder {top}")
    found = Files(path, form, f"{path}, when mended", named, casts=True)
    summary = found.validate(expected)
    if found.cast:
        done.append(f"{len(found.cast)} file(s) written as uint8")
    return found, done, summary


def _top_of(name: str, wanted: set[str]) -> str:
    """The folder that a wanted file lies in, of its name in the zip; blank for others."""
    parts = name.split("/")
    return next(("/".join(parts[:i]) for i in range(1, len(parts)) if "/".join(parts[i:]) in wanted), "")


def is_litter(name: str) -> bool:
    """Whether a system, and nobody who answers, put it there."""
    *folders, last = name.split("/")
    return "__MACOSX" in folders or last in LITTER or last.startswith("._")


def tiff_of(pages: list[np.ndarray]) -> bytes:
    """A TIFF of these pages, H x W uint8 each: packed without loss by what every reader knows, nothing says when or by
    whom."""
    import tifffile

    content = io.BytesIO()
    with tifffile.TiffWriter(content) as writer:
        for page in pages:
            writer.write(page, compression="zlib", photometric="minisblack", metadata=None, software=False)
    return content.getvalue()


def _decoded_tiff(content: bytes, sizes: list[tuple[int, int]]) -> list[np.ndarray]:
    tifffile = _quiet_tifffile()
    with tifffile.TiffFile(io.BytesIO(content), _multifile=False) as tif:
        number = -1
        for number, page in enumerate(tif.pages):
            if number > len(sizes) + FAR_MORE:
                raise ValueError(f"it has more than {len(sizes) + FAR_MORE} pages")
            # where bytes are missing zeros would be read
            spans = zip(page.dataoffsets, page.databytecounts, strict=True)
            if any(not count or start + count > len(content) for start, count in spans):
                raise ValueError("its pixels are cut off")
            if page.photometric == WHITE_IS_ZERO:
                raise ValueError("it says that 0 is white: some readers turn it around")
        if number < 0:
            raise ValueError("it has no page")
        if len(tif.series) != 1 or tif.pages.first.samplesperpixel > 1:
            _refuse_other([page.shape for page in tif.pages], sizes)
            return [page.asarray() for page in tif.pages]
        shape = tif.series[0].shape
        pages = shape if len(shape) > 3 else (-1, *shape[-2:])
        _refuse_other([pages[1:]] * (math.prod(shape) // max(math.prod(pages[1:]), 1)), sizes)
        return list(tif.series[0].asarray().reshape(pages))


@functools.cache
def _quiet_tifffile():
    import tifffile

    # what it notes of damage is told by what it reads, and is not for the terminal
    log = logging.getLogger("tifffile")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    return tifffile


def _encoded_png(pages: list[np.ndarray]) -> bytes:
    import cv2

    (page,) = pages
    return cv2.imencode(".png", page)[1].tobytes()


def _decoded_png(content: bytes, sizes: list[tuple[int, int]]) -> list[np.ndarray]:
    import cv2

    if not content.startswith(PNG):
        raise ValueError("it is no PNG")
    width, height = struct.unpack_from(">II", content, 16)
    _refuse_other([(height, width)], sizes)
    found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise ValueError("it is damaged")
    _refuse_other([found.shape], sizes)
    return [found]


def _refuse_other(found: list[tuple[int, ...]], sizes: list[tuple[int, int]]) -> None:
    """Raises UserError, without the name of the file, for other pages than these (height, width), by their header:
    nothing of them is decoded."""
    if found != sizes:
        raise UserError(f"has {_said(found)}, not {_said(sizes)} (width x height)")


def _said(pages: list[tuple[int, ...]]) -> str:
    """How many, and of which sizes."""
    sides = (" x ".join(map(str, page[1::-1] + page[2:])) for page in dict.fromkeys(pages))
    return f"{len(pages)} page(s) of {' and '.join(sides)}"


_ENCODERS: dict[str, Callable] = {VOLUMES: tiff_of, PICTURES: _encoded_png}
_DECODERS: dict[str, Callable] = {VOLUMES: _decoded_tiff, PICTURES: _decoded_png}


@contextlib.contextmanager
def _one_line(where: str) -> Iterator[None]:
    """What the readers of pictures raise, as one line: they raise nearly everything."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{where} {error}") from error
    except ImportError as error:
        raise UserError(f"{where} is packed in a way that is read by {not_installed('imagecodecs')}") from error
    except Exception as error:
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{where} cannot be read ({words}); write it again") from error
