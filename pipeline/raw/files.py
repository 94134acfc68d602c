"""Raw files as people have them: folders, zips, zips in zips, read-only or not, behind one list of names.

`outer.zip` holding `train.zip` holding `images/a.png` appears as `outer.zip/train.zip/images/a.png`. Nothing is
unpacked next to the raw files; a zip inside a zip goes to a temporary folder for as long as the list is open.
"""

import re
import shutil
import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import UserError
from pipeline.store.disk import text_hash


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
        except (OSError, zipfile.BadZipFile, zipfile.zlib.error, EOFError, RuntimeError) as error:
            raise UserError(f"cannot read {self.folder / name}: {error}; download it again") from error

    def picture(self, name: str) -> np.ndarray:
        """A picture file as H x W x C in the file's own depth; colours in the order red, green, blue (alpha)."""
        content = np.frombuffer(self.read(name), np.uint8)
        # OpenCV raises where there is nothing at all to decode
        picture = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
        if picture is None:
            raise UserError(f"{self.folder / name} is not a picture that can be read; download it again")
        if picture.ndim == 2:
            return picture[..., None]
        # OpenCV reads blue first
        return picture[..., [2, 1, 0, *range(3, picture.shape[2])]] if picture.shape[2] >= 3 else picture

    def _add_zip(self, path: Path, name: str) -> None:
        try:
            archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise UserError(f"{self.folder / name} is cut off or not a zip ({error}); download it again") from error
        self._archives.append(archive)
        for member in archive.infolist():
            _refuse_leaving(member.filename, self.folder / name)
            inner = f"{name}/{member.filename}"
            if member.is_dir() or _is_litter(member.filename):
                continue
            if member.filename.lower().endswith(".zip"):
                self._add_zip(self._take_out(archive, member), inner)
            else:
                self._sources[inner] = (archive, member)

    def _take_out(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Path:
        path = self._temporary / f"{len(self._archives)}.zip"
        try:
            with archive.open(member) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except (OSError, zipfile.BadZipFile, zipfile.zlib.error, EOFError, RuntimeError) as error:
            raise UserError(
                f"{archive.filename}: {member.filename} cannot be taken out ({error}); download it again"
            ) from error
        return path


def check_folder(folder: Path) -> None:
    """Raises UserError unless `folder` is a folder with at least one file."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; --data wants the folder that holds the competition's files")
    if not holds_files(folder):
        raise UserError(f"{folder} is empty; --data wants the folder that holds the competition's files")


def holds_files(folder: Path) -> bool:
    """Whether it is a folder with at least one file that is not litter."""
    return folder.is_dir() and next(_files_below(folder), None) is not None


def listing_fingerprint(folder: Path) -> str:
    """Changes when a file below the folder is added, removed, or written again. Reads no content."""
    stats = ((path.relative_to(folder).as_posix(), path.stat()) for path in _files_below(folder))
    return text_hash(*((name, stat.st_size, stat.st_mtime_ns) for name, stat in sorted(stats)))


def _files_below(folder: Path):
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _is_litter(path.relative_to(folder).as_posix()):
            yield path


def _refuse_leaving(member: str, archive: Path) -> None:
    """Raises UserError for a name that would leave the folder it is unpacked in."""
    if ".." in re.split(r"[/\\]", member) or re.match(r"[/\\]|[A-Za-z]:", member):
        raise UserError(f"{archive} holds the file name {member!r}, which leaves its folder: refused")


def _is_litter(name: str) -> bool:
    """What operating systems and unfinished downloads leave behind."""
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/")) or ".part." in name
