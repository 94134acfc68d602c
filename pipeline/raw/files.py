"""Raw files as people have them: folders, zips and tars, zips in zips, read-only or not, behind one list of names.

`outer.zip` holding `train.tar` holding `images/a.png` appears as `outer.zip/train.tar/images/a.png`. Nothing is
unpacked next to the raw files; an archive inside another goes to a temporary folder for as long as the list is open.
"""

import contextlib
import io
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from pipeline.errors import UserError
from pipeline.raw import archives
from pipeline.raw.pixels.opened import OpenPictures
from pipeline.store import disk
from pipeline.store.disk import file_hash, text_hash

NESTED = 5  # archives within archives
HEAD = 1 << 16  # bytes of a picture's header, texts and colour profiles included
IN_MEMORY = 1 << 26  # bytes: what is larger in an archive is taken out of it to be read page by page
# how browsers and clients end the name of what is not there as a whole yet
UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".kaggle-partial")


class _Source(NamedTuple):
    """Where a file is: `depth` is in how many archives within each other, `size` in bytes."""

    open: Callable[[], IO[bytes]]
    depth: int
    size: Callable[[], int]

    def read(self, size: int = -1) -> bytes:
        """All of it, or its first bytes."""
        with self.open() as file:
            return file.read(size)


class RawFiles:
    """The files below a folder, also inside its zips. Use as a context manager.

    Raises:
        UserError: no such folder, nothing in it, or a zip that is cut off.
    """

    # whether a link that leads nowhere is a file that cannot be read, instead of being refused
    TAKES_BROKEN = False

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        check_folder(self.folder)
        self._sources: dict[str, _Source] = {}
        self._archives: list[archives.Archive] = []
        self._names: list[str] = []
        self.pictures = OpenPictures(self)

    def __enter__(self):
        self._temporary = Path(tempfile.mkdtemp(prefix="raw-"))
        try:
            for path in _files_below(self.folder, self.TAKES_BROKEN):
                name = path.relative_to(self.folder).as_posix()
                if archives.kind_of(name):
                    self._add_archive(path, name)
                else:
                    self._sources[name] = _Source(partial(path.open, "rb"), 0, lambda path=path: path.stat().st_size)
        except BaseException:
            self.__exit__()
            raise
        self._names = sorted(self._sources, key=lambda name: (self._sources[name].depth, name))
        return self

    def __exit__(self, *exception):
        for archive in self._archives:
            archive.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    @property
    def names(self) -> list[str]:
        """All names; what lies outside of zips and tars comes first."""
        return list(self._names)

    def depth(self, name: str) -> int:
        """In how many zips and tars within each other a file lies."""
        return self._sources[name].depth

    def are_alike(self, name: str, other: str) -> bool:
        """Whether two files hold the same. Raises UserError where one cannot be read."""
        return self._sources[name].size() == self._sources[other].size() and self.read(name) == self.read(other)

    def by_stem(self, pattern: str) -> dict[str, str]:
        """Maps the first group of a regular expression, searched in each name, to that name.

        The first in the order of `names` wins, so that a file people unpacked hides its twin in the zip.
        """
        found = {}
        compiled = re.compile(pattern)
        for name in self.names:
            match = compiled.search(name)
            if match:
                found.setdefault(match[1], name)
        return found

    def one(self, file_name: str) -> str | None:
        """The name of the file called `file_name`, wherever it is; None when there is none."""
        return next((name for name in self.names if name.rsplit("/", 1)[-1] == file_name), None)

    def read(self, name: str) -> bytes:
        with self._readable(name):
            return self._sources[name].read()

    def head(self, name: str, size: int = HEAD) -> bytes:
        """Its first bytes. Raises UserError."""
        with self._readable(name):
            return self._sources[name].read(size)

    def open(self, name: str) -> IO[bytes]:
        """The file, for reading from any place of it; what lies in an archive is in the memory, or beside it where it
        is large. Raises UserError."""
        source = self._sources[name]
        with self._readable(name):
            if source.depth == 0:
                return source.open()
            if source.size() <= IN_MEMORY:
                return io.BytesIO(source.read())
            with tempfile.TemporaryDirectory(dir=self._temporary) as folder:
                # the file stays for as long as it is open
                return archives.taken_out(source, self.where(name), Path(folder)).open("rb")

    def picture(self, name: str, has_gaps: bool = False) -> np.ndarray:
        """A picture file as H x W x C in the file's own depth; colours in the order red, green, blue (alpha), turned as
        its orientation tag says.

        Raises UserError where it is no picture, damaged, too large, a stack of several pages, or holds values that are
        no numbers, unless it `has_gaps`.
        """
        return self.pictures.picture(name, has_gaps)

    def page_count(self, name: str) -> int:
        """How many pages of full size there are: 1 of an ordinary picture, the slices of a stack. Only headers are
        read; 1 also of what cannot be read, which whoever reads it is told."""
        return self.pictures.page_count(name)

    def page(self, name: str, number: int, has_gaps: bool = False) -> np.ndarray:
        """One page of a stack, from 0, as `picture` gives a picture. Raises UserError as it does."""
        return self.pictures.page(name, number, has_gaps)

    def pages(self, name: str) -> list[np.ndarray]:
        """All pages of a stack, each as `picture` gives a picture."""
        return self.pictures.pages(name)

    def where(self, name: str) -> str:
        """The file, for a message."""
        return printable(str(self.folder / name))

    @contextlib.contextmanager
    def _readable(self, name: str) -> Iterator[None]:
        """What reading a file raises, as a UserError that names it."""
        try:
            yield
        except MemoryError as error:
            raise UserError(f"{self.where(name)} is larger than the memory; make it smaller") from error
        except FileNotFoundError as error:
            raise UserError(f"{self.where(name)} was there and is gone; put it back, or start again") from error
        except archives.ERRORS as error:
            raise UserError(f"cannot read {self.where(name)}: {archives.reason(error)}; download it again") from error

    def _add_archive(self, path: Path, name: str, depth: int = 1) -> None:
        if depth > NESTED:
            raise UserError(
                f"{self.where(name)}: more than {NESTED} zips or tars within each other; unpack the outer ones"
            )
        archive = archives.Archive(path, self.where(name), self._temporary)
        self._archives.append(archive)
        for member in archive.members:
            inner = f"{name}/{member.name}"
            if _is_litter(member.name) or _is_unfinished(member.name):
                continue
            if archives.kind_of(member.name):
                self._add_archive(archives.taken_out(member, self.where(inner), self._temporary), inner, depth + 1)
            else:
                self._sources[inner] = _Source(member.open, depth, lambda member=member: member.size)


def check_folder(folder: Path) -> None:
    """Raises UserError unless `folder` is a folder with at least one file."""
    if not _is_folder(folder):
        raise UserError(f"{folder} is not a folder; name the one that holds the files")
    if not holds_files(folder):
        raise UserError(f"{folder} holds no files; name the folder that does")


def holds_files(folder: Path) -> bool:
    """Whether it is a folder with at least one file that is not litter."""
    return _is_folder(folder) and any(True for _ in _walk(str(folder), (), takes_broken=True))


def _is_folder(folder: Path) -> bool:
    """False also where a folder above it may not be entered."""
    try:
        return folder.is_dir()
    except OSError:
        return False


def fingerprints(folder: Path) -> dict[str, str]:
    """What changes when a file below the folder is added, removed, or written again; no content is read.

    Returns: `raw`, of names, sizes and times; `identity`, besides of which files these are and when the system last saw
        them change: where it is the same, so is the content. It also differs for a mere copy (see `content_of`).

    Raises UserError where something below it cannot be read.
    """
    listing, identity = [], []
    for path in _files_below(folder):
        status = _status(path)
        # a name that is not UTF-8 has no hash as it is
        name = path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape")
        seen = name.decode("utf-8", "backslashreplace"), status.st_size, status.st_mtime_ns
        listing.append(seen)
        identity.append((*seen, status.st_dev, status.st_ino, status.st_ctime_ns))
    return {"raw": text_hash(*sorted(listing)), "identity": text_hash(*sorted(identity))}


def content_of(folder: Path) -> str:
    """The fingerprint of what is in the files below the folder; reads them all. Raises UserError as `fingerprints`."""
    paths = sorted(_files_below(folder))
    return text_hash(*(f"{path.relative_to(folder)!r} {file_hash(path)}" for path in paths))


def printable(name: str) -> str:
    """A name with what cannot be shown (line ends, bytes that are not UTF-8) spelt out: `caf\\xe9.png`."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _files_below(folder: Path, takes_broken: bool = False) -> list[Path]:
    """All files, sorted, those behind symbolic links too.

    Raises:
        UserError: a folder that cannot be read, a link that leads nowhere (unless it `takes_broken`) or to a folder
            that it lies in, what is no file.
    """
    return [Path(path) for path in sorted(_walk(str(folder), (), takes_broken), key=lambda path: path.split("/"))]


def _walk(folder: str, above: tuple, takes_broken: bool = False) -> Iterator[str]:
    """The ways to the files below a folder; what lies in it is called as it is found."""
    status = _status(Path(folder))
    if (status.st_dev, status.st_ino) in above:
        raise UserError(f"{printable(folder)} is a link to a folder that it lies in; remove it")
    above = (*above, (status.st_dev, status.st_ino))
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError as error:
        raise UserError(f"cannot read {printable(folder)}: {error.strerror}; make it readable") from error
    for name in names:
        if _is_litter(name):
            continue
        path = os.path.join(folder, name)  # noqa: PTH118 (four times as fast for many files)
        mode = stat.S_IFREG if takes_broken and _leads_nowhere(path) else _mode(path)
        if stat.S_ISREG(mode):
            if not _is_unfinished(name):
                yield path
        elif stat.S_ISDIR(mode):
            yield from _walk(path, above, takes_broken)
        else:
            raise UserError(f"{printable(path)} is neither a file nor a folder; remove it")


def _leads_nowhere(path: str) -> bool:
    return os.path.islink(path) and not os.path.exists(path)  # noqa: PTH110, PTH114


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode  # noqa: PTH116
    except OSError:
        # what is wrong is said by the one place that says it
        return _status(Path(path)).st_mode


def _status(path: Path) -> os.stat_result:
    """Of what a link leads to. Raises UserError."""
    try:
        return path.stat()
    except OSError as error:
        if path.is_symlink():
            target = printable(str(path.readlink()))
            raise UserError(f"{printable(str(path))} is a link to {target}: {error.strerror}; remove it") from error
        raise UserError(f"cannot read {printable(str(path))}: {error.strerror}; put it back, or start again") from error


def _is_litter(name: str) -> bool:
    """What operating systems, and we ourselves when we are killed, leave behind."""
    parts = name.split("/")
    return any(part.startswith((".", "__MACOSX")) for part in parts) or (
        ".part-" in name and any(map(disk.is_part, parts))
    )


def _is_unfinished(name: str) -> bool:
    """Whether a file is what a download leaves until it is done."""
    return name.lower().endswith(UNFINISHED)
