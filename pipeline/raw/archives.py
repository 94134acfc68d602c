"""Zips and tars, packed in any of the usual ways: which files are in them, and how each is read.

Nothing is unpacked but a packed tar (`.tar.gz`), which goes to a temporary folder because it can be read from its start
alone. A name or a link that would leave the archive is refused, and so is what was made to fill a disk.
"""

import bz2
import errno
import gzip
import io
import lzma
import os
import posixpath
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from pipeline.errors import UserError

# an archive within another, or one file of it, that becomes larger than LARGE and BLOWN times its size is made to fill
# a disk
LARGE, BLOWN = 1 << 30, 200
# how the packed tars are opened
PACKED = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
ENDING = re.compile(
    r"\.(?:(?P<zip>zip)|(?P<tar>tar)|(?P<gz>tar\.gz|tgz)|(?P<bz2>tar\.bz2|tbz2?)|(?P<xz>tar\.xz|txz))$", re.IGNORECASE
)
# packed in a way that Python cannot undo by itself, and the command that can
FOREIGN = {".7z": "7z x", ".rar": "unrar x", ".tar.zst": "tar --zstd -xf", ".zst": "unzstd", ".gz": "gunzip"}
FOREIGN |= {".bz2": "bunzip2", ".xz": "unxz"}
# what reading an archive that is damaged, locked or of an unknown kind raises
ERRORS = (
    OSError,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
)


class Member(NamedTuple):
    """A file in an archive: its name with slashes, how many bytes it is and was packed in, and what opens it."""

    name: str
    size: int
    packed: int
    open: Callable[[], IO[bytes]]


def kind_of(name: str) -> str:
    """`zip`, `tar`, or how a tar is packed (`gz`, `bz2`, `xz`), by the ending of a name; blank where it is neither."""
    match = ENDING.search(name)
    return match.lastgroup if match else ""


def unpacking(name: str) -> str:
    """The command that unpacks a file that is not read here (.7z, .rar …); blank for any other."""
    if kind_of(name) or name.lower().endswith(".nii.gz"):
        return ""
    return next((command for ending, command in FOREIGN.items() if name.lower().endswith(ending)), "")


def reason(error: Exception) -> str:
    """What an error says, without the path that is named beside it."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class Archive:
    """An archive that is open. Close it when nothing of it is read any more.

    Args:
        path: where it is. where: the file, for a message. temporary: the folder for what must be unpacked.

    Raises:
        UserError: it is cut off or no archive, holds what leaves it or is no file, or was made to fill a disk.
    """

    def __init__(self, path: Path, where: str, temporary: Path):
        self.where, self.kind = where, kind_of(where)
        self.word = "zip" if self.kind == "zip" else "tar"
        if self.kind in PACKED:
            path = self._unpacked(path, new_file(temporary))
        try:
            self._open = _Zip(path) if self.kind == "zip" else _Tar(path)
        except ERRORS as error:
            raise self._damaged(error) from error
        try:
            self.members = list(self._files())
        except _Special as error:
            self.close()
            raise UserError(f"{where} holds {str(error)!r}, which is neither a file nor a folder: refused") from error
        except ERRORS as error:
            self.close()
            raise self._damaged(error) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._open.close()

    def _files(self) -> Iterator[Member]:
        """Its files, and those that links in it lead to under the names of the links."""
        found, links = {}, {}
        for name, link, member in self._open.entries():
            name = self._checked(name)
            if member is not None:
                found[name] = member._replace(name=name)
            elif link is not None:
                links[name] = self._target(name, *link)
        for name in [*links]:
            found |= self._behind(name, found, links)
        for member in found.values():
            self._refuse_blown(member)
            yield member

    def _checked(self, name: str) -> str:
        """A name with slashes, as other programs unpack it. Raises UserError where it leaves the archive."""
        if ".." in re.split(r"[/\\]", name) or re.match(r"[/\\]|[A-Za-z]:", name):
            raise UserError(f"{self.where} holds the file name {name!r}, which leaves its folder: refused")
        return posixpath.normpath(name.replace("\\", "/"))

    def _target(self, name: str, target: str, is_from_top: bool) -> str:
        way = target if is_from_top else posixpath.join(posixpath.dirname(name), target)
        found = posixpath.normpath(way.replace("\\", "/"))
        if found.startswith(("../", "/")) or found == ".." or re.match(r"[A-Za-z]:", found):
            raise UserError(f"{self.where} holds the link {name!r} to {target!r}, which leaves its folder: refused")
        return found

    def _behind(self, name: str, found: dict[str, Member], links: dict[str, str]) -> dict[str, Member]:
        """What a link leads to, a file or all of a folder. Raises UserError where that is nothing."""
        target = name
        for _ in range(40):
            above = next((way for way in _ways(target) if way in links), None)
            if above is None:
                break
            target = posixpath.normpath(links[above] + target[len(above) :])
        if target in found:
            return {name: found[target]._replace(name=name)}
        start = "" if target == "." else f"{target}/"
        below = {other: member for other, member in found.items() if other.startswith(start)}
        if not below or name.startswith(start):
            raise UserError(f"{self.where} holds the link {name!r} to {links[name]!r}, which is not in it; unpack it")
        return {
            f"{name}/{other[len(start) :]}": member._replace(name=f"{name}/{other[len(start) :]}")
            for other, member in below.items()
        }

    def _refuse_blown(self, member: Member) -> None:
        """Raises UserError for what would fill the memory: by the size that it says, beyond which nothing is read."""
        if member.size > LARGE and member.size > BLOWN * member.packed:
            raise UserError(
                f"{self.where}/{member.name} would be {member.size / 2**30:.1f} GiB, "
                f"{member.size // max(member.packed, 1)} times what is packed: refused; if it is meant to be so, "
                "unpack it by hand and put the file in the zip's place"
            )

    def _unpacked(self, path: Path, target: Path) -> Path:
        """A packed tar as it was before it was packed. Raises UserError."""
        size = 0
        try:
            packed = path.stat().st_size
            with PACKED[self.kind](path) as source, target.open("wb") as file:
                while block := source.read(1 << 20):
                    size += len(block)
                    if size > LARGE and size > BLOWN * packed:
                        raise UserError(
                            f"{self.where} would be more than {size / 2**30:.1f} GiB, {size // max(packed, 1)} times "
                            "what is packed: refused; if it is meant to be so, unpack it by hand"
                        )
                    file.write(block)
        except ERRORS as error:
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise UserError(
                    f"{self.where} cannot be taken out ({reason(error)}); make room in {tempfile.gettempdir()}, or "
                    "unpack it by hand"
                ) from error
            raise self._damaged(error) from error
        return target

    def _damaged(self, error: Exception) -> UserError:
        return UserError(f"{self.where} is cut off or not a {self.word} ({reason(error)}); download it again")


def _ways(name: str) -> Iterator[str]:
    """`a/b/c` -> `a`, `a/b`, `a/b/c`."""
    parts = name.split("/")
    return ("/".join(parts[: i + 1]) for i in range(len(parts)))


class _Special(Exception):
    """A name in an archive that is a device or the like."""


class _Zip:
    def __init__(self, path: Path):
        self.archive = zipfile.ZipFile(path)
        self.close = self.archive.close

    def entries(self) -> Iterator[tuple[str, tuple[str, bool] | None, Member | None]]:
        """(name, (target of a link, whether it is named from the top) or None, file or None); a folder is neither."""
        for info in self.archive.infolist():
            name = _name_in_zip(info)
            if info.is_dir() or name.endswith("\\"):
                yield name, None, None
            elif stat.S_ISLNK(info.external_attr >> 16):
                yield name, (self.archive.read(info).decode("utf-8", "surrogateescape"), False), None
            else:
                yield name, None, Member(name, info.file_size, info.compress_size, lambda i=info: self.archive.open(i))


class _Tar:
    def __init__(self, path: Path):
        self.file = path.open("rb")
        try:
            self.archive = tarfile.open(fileobj=self.file, mode="r:")  # noqa: SIM115
            self.infos = self.archive.getmembers()
            if not os.pread(self.file.fileno(), 1, self.archive.offset):
                raise EOFError("its end is missing")
        except BaseException:
            self.file.close()
            raise
        self.lock = threading.Lock()
        self.close = self.file.close

    def entries(self) -> Iterator[tuple[str, tuple[str, bool] | None, Member | None]]:
        """As those of a zip."""
        for info in self.infos:
            if info.issym() or info.islnk():
                yield info.name, (info.linkname, info.islnk()), None
            elif info.isreg():
                packed = sum(size for _, size in info.sparse) if info.sparse else info.size
                yield info.name, None, Member(info.name, info.size, packed, lambda i=info: self._opened(i))
            elif info.isdir():
                yield info.name, None, None
            else:
                raise _Special(info.name)

    def _opened(self, info: tarfile.TarInfo) -> IO[bytes]:
        if info.sparse:
            with self.lock:
                return io.BytesIO(self.archive.extractfile(info).read())
        return io.BufferedReader(_Stretch(self.file, info.offset_data, info.size), 1 << 16)


class _Stretch(io.RawIOBase):
    """A part of a file. Safe for several threads: nothing moves a place in the file."""

    def __init__(self, file: IO[bytes], start: int, size: int):
        self.file, self.place, self.end = file, start, start + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        wanted = min(len(buffer), self.end - self.place)
        block = os.pread(self.file.fileno(), wanted, self.place)
        if wanted and not block:
            raise EOFError("the file ends before it should")
        buffer[: len(block)] = block
        self.place += len(block)
        return len(block)

    def readall(self) -> bytes:
        content = bytearray(self.end - self.place)
        with memoryview(content) as view:
            done = 0
            while done < len(content):
                done += self.readinto(view[done : done + (1 << 30)])
        return bytes(content)


def _name_in_zip(member: zipfile.ZipInfo) -> str:
    """A member's name: many programs write it in UTF-8 and do not say so."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def taken_out(member: Member, where: str, temporary: Path) -> Path:
    """A file in an archive as one of its own in the temporary folder. Raises UserError."""
    path = new_file(temporary)
    try:
        with member.open() as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    except ERRORS as error:
        full = isinstance(error, OSError) and error.errno
        todo = f"make room in {tempfile.gettempdir()}, or unpack the outer one" if full else "download it again"
        raise UserError(f"{where} cannot be taken out ({reason(error)}); {todo}") from error
    return path


def new_file(temporary: Path) -> Path:
    """A name in the temporary folder that nothing has yet."""
    return temporary / f"{len(list(temporary.iterdir()))}"
