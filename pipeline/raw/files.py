"""Raw files as people have them: folders, zips, zips in zips, read-only or not, behind one list of names.

`outer.zip` holding `train.zip` holding `images/a.png` appears as `outer.zip/train.zip/images/a.png`. Nothing is
unpacked next to the raw files; a zip inside a zip goes to a temporary folder for as long as the list is open.
"""

import lzma
import os
import re
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.raw import pictures
from pipeline.store.disk import file_hash, text_hash

# a zip within a zip, or one file of it, that becomes larger than LARGE and BLOWN times its size is made to fill a disk
LARGE, BLOWN = 1 << 30, 200
NESTED = 5  # zips within zips within zips
# what reading a zip that is damaged, locked or of an unknown kind raises
ZIP_ERRORS = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
)


class RawFiles:
    """The files below a folder, also inside its zips. Use as a context manager.

    Raises:
        UserError: no such folder, nothing in it, or a zip that is cut off.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        check_folder(self.folder)
        self._sources: dict[str, tuple] = {}
        self._archives: list[zipfile.ZipFile] = []

    def __enter__(self):
        self._temporary = Path(tempfile.mkdtemp(prefix="raw-"))
        try:
            for path in _files_below(self.folder):
                name = path.relative_to(self.folder).as_posix()
                if path.suffix.lower() == ".zip":
                    self._add_zip(path, name)
                else:
                    self._sources[name] = (None, path)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        for archive in self._archives:
            archive.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    @property
    def names(self) -> list[str]:
        """All names; what lies outside of zips comes first."""
        return sorted(self._sources, key=lambda name: (name.count(".zip/"), name))

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
        archive, member = self._sources[name]
        try:
            return member.read_bytes() if archive is None else archive.read(member)
        except MemoryError as error:
            raise UserError(f"{self.where(name)} is larger than the memory; make it smaller") from error
        except FileNotFoundError as error:
            raise UserError(f"{self.where(name)} was there and is gone; put it back, or start again") from error
        except ZIP_ERRORS as error:
            raise UserError(f"cannot read {self.where(name)}: {_reason(error)}; download it again") from error

    def picture(self, name: str) -> np.ndarray:
        """A picture file as H x W x C in the file's own depth; colours in the order red, green, blue (alpha).

        Raises UserError where it is no picture, damaged, too large, or holds values that are no numbers.
        """
        return self._decoded(name, pictures.decoded)

    def pages(self, name: str) -> list[np.ndarray]:
        """All pictures of a stack (TIFF), each as `picture` gives it."""
        return self._decoded(name, pictures.pages)

    def where(self, name: str) -> str:
        """The file, for a message."""
        return printable(str(self.folder / name))

    def _decoded(self, name: str, decode: Callable):
        content = self.read(name)
        try:
            return decode(content)
        except UserError as error:
            raise UserError(f"{self.where(name)} {error}") from error

    def _add_zip(self, path: Path, name: str, depth: int = 1) -> None:
        try:
            archive = zipfile.ZipFile(path)
        except ZIP_ERRORS as error:
            raise UserError(
                f"{self.where(name)} is cut off or not a zip ({_reason(error)}); download it again"
            ) from error
        self._archives.append(archive)
        if depth > NESTED:
            raise UserError(f"{self.where(name)}: more than {NESTED} zips within each other; unpack the outer ones")
        for member in archive.infolist():
            inner_name = _name_in_zip(member)
            _refuse_leaving(inner_name, self.where(name))
            inner = f"{name}/{inner_name}"
            if member.is_dir() or _is_litter(inner_name):
                continue
            self._refuse_blown(member, inner)
            if inner_name.lower().endswith(".zip"):
                self._add_zip(self._take_out(archive, member, inner), inner, depth + 1)
            else:
                self._sources[inner] = (archive, member)

    def _refuse_blown(self, member: zipfile.ZipInfo, name: str) -> None:
        """Raises UserError for what would fill the memory: by the size that it says, beyond which nothing is read."""
        if member.file_size > LARGE and member.file_size > BLOWN * member.compress_size:
            raise UserError(
                f"{self.where(name)} would be {member.file_size / 2**30:.1f} GiB, "
                f"{member.file_size // max(member.compress_size, 1)} times what is packed: refused; if it is meant to "
                "be so, unpack it by hand and put the file in the zip's place"
            )

    def _take_out(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Path:
        path = self._temporary / f"{len(self._archives)}.zip"
        try:
            with archive.open(member) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except ZIP_ERRORS as error:
            full = isinstance(error, OSError) and error.errno
            todo = f"make room in {tempfile.gettempdir()}, or unpack the outer zip" if full else "download it again"
            raise UserError(f"{self.where(name)} cannot be taken out ({_reason(error)}); {todo}") from error
        return path


def check_folder(folder: Path) -> None:
    """Raises UserError unless `folder` is a folder with at least one file."""
    if not _is_folder(folder):
        raise UserError(f"{folder} is not a folder; name the one that holds the files")
    if not holds_files(folder):
        raise UserError(f"{folder} holds no files; name the folder that does")


def holds_files(folder: Path) -> bool:
    """Whether it is a folder with at least one file that is not litter."""
    return _is_folder(folder) and bool(_files_below(folder))


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


def _files_below(folder: Path) -> list[Path]:
    """All files, sorted, those behind symbolic links too.

    Raises:
        UserError: a folder that cannot be read, a link that leads nowhere or in a circle, what is no file.
    """
    return sorted(_walk(folder, folder, ()))


def _walk(top: Path, folder: Path, above: tuple) -> Iterator[Path]:
    status = _status(folder)
    if (status.st_dev, status.st_ino) in above:
        raise UserError(f"{printable(str(folder))} is a link to a folder that it lies in; remove it")
    above = (*above, (status.st_dev, status.st_ino))
    try:
        paths = [folder / entry.name for entry in os.scandir(folder)]
    except OSError as error:
        raise UserError(f"cannot read {printable(str(folder))}: {error.strerror}; make it readable") from error
    for path in paths:
        if _is_litter(path.relative_to(top).as_posix()):
            continue
        mode = _status(path).st_mode
        if stat.S_ISDIR(mode):
            yield from _walk(top, path, above)
        elif stat.S_ISREG(mode):
            yield path
        else:
            raise UserError(f"{printable(str(path))} is neither a file nor a folder; remove it")


def _status(path: Path) -> os.stat_result:
    """Of what a link leads to. Raises UserError."""
    try:
        return path.stat()
    except OSError as error:
        if path.is_symlink():
            target = printable(str(path.readlink()))
            raise UserError(f"{printable(str(path))} is a link to {target}: {error.strerror}; remove it") from error
        raise UserError(f"cannot read {printable(str(path))}: {error.strerror}; put it back, or start again") from error


def _name_in_zip(member: zipfile.ZipInfo) -> str:
    """A member's name: many programs write it in UTF-8 and do not say so."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def _refuse_leaving(member: str, archive: str) -> None:
    """Raises UserError for a name that would leave the folder it is unpacked in."""
    if ".." in re.split(r"[/\\]", member) or re.match(r"[/\\]|[A-Za-z]:", member):
        raise UserError(f"{archive} holds the file name {member!r}, which leaves its folder: refused")


def _reason(error: Exception) -> str:
    """What an error says, without the path that is named beside it."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _is_litter(name: str) -> bool:
    """What operating systems and unfinished downloads leave behind."""
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/")) or ".part." in name
