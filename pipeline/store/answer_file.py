"""What a competition is sent, by one door: a csv of run lengths, or a zip of files (`Format.files`)."""

import copy
import gzip
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.store import disk, mending, submission, zipped
from pipeline.store.dialect import Format
from pipeline.store.submission import Expected, Summary

MOST = 1 << 32  # bytes of a csv that is unpacked


class Csv:
    """A csv that was read, packed or not. Raises UserError where it is none of this format."""

    def __init__(self, path: Path, form: Format, where: str = ""):
        content, packed = content_of(path)
        self.form, self.where = form, where or packed
        self.table = submission.table_of(content, form, packed)
        self._answers: submission.Answers | None = None

    def ids(self, known: Iterable[str]) -> list[str]:
        """The images that it answers, each once."""
        return list(dict.fromkeys(self._images()))

    def only(self, ids: set[str]) -> "Csv":
        """Its rows of some images."""
        found = copy.copy(self)
        found._answers = None
        rows = [row for row, name in zip(self.table.rows, self._images(), strict=True) if name in ids]
        found.table = submission.table_from(rows, self.form)
        return found

    def validate(self, expected: Expected) -> Summary:
        """What it holds. Raises UserError naming the first row that is wrong."""
        return self._read(expected).summary()

    def decoded(self, expected: Expected, task) -> Iterator[np.ndarray]:
        """The labels of each expected image, H x W x layers."""
        return self._read(expected).labels(task)

    def _read(self, expected: Expected) -> submission.Answers:
        """Once for those that are expected: to read the numbers takes longer than all that is done with them."""
        if self._answers is None or self._answers.expected is not expected:
            self._answers = submission.read(self.table, self.form, expected, self.where)
        return self._answers

    def _images(self) -> list[str]:
        return submission.ids_of(self.table, self.form)


def content_of(path: Path) -> tuple[bytes, str]:
    """The bytes of a csv, and what to call it in errors: of `.zip` or `.gz` what is packed in it, as Kaggle reads it.

    Raises UserError where that is damaged, or a zip holds anything but one csv.
    """
    content = disk.read_bytes(path)
    unpacked = _UNPACKED.get(path.suffix.lower())
    if unpacked is None or not content.startswith(_BEGIN[path.suffix.lower()]):
        return content, str(path)
    try:
        found, name = unpacked(io.BytesIO(content), str(path))
    except (OSError, *zipped.DAMAGE, *zipped.LOCKED) as error:
        raise UserError(f"{path} cannot be unpacked ({error}); pack it again, without a password") from error
    if len(found) > MOST:
        raise UserError(f"{path} holds more than {MOST >> 30} GB, no csv of a submission; pack the csv again")
    return found, f"{path}, {name}"


def _of_zip(file: io.BytesIO, where: str) -> tuple[bytes, str]:
    with zipfile.ZipFile(file) as archive:
        names = [
            info.filename for info in archive.infolist() if not info.is_dir() and not zipped.is_litter(info.filename)
        ]
        if len(names) != 1 or not names[0].lower().endswith(".csv"):
            raise UserError(f"{where} holds {shown(names) or 'nothing'}, not one csv; pack the csv alone, or unpack it")
        with archive.open(names[0]) as member:
            return member.read(MOST + 1), names[0]


def _of_gz(file: io.BytesIO, where: str) -> tuple[bytes, str]:
    with gzip.open(file) as packed:
        return packed.read(MOST + 1), "unpacked"


_UNPACKED = {".zip": _of_zip, ".gz": _of_gz}
_BEGIN = {".zip": b"PK", ".gz": b"\x1f\x8b"}


def opened(path: Path, form: Format, where: str = "") -> Csv | zipped.Files:
    """`where`: what to call the file in errors. Raises UserError where it is none of this format."""
    return (zipped.Files if form.files else Csv)(path, form, where)


def validate(path: Path, form: Format, expected: Expected, where: str = "") -> Summary:
    """What a file holds. Raises UserError naming the first thing in it that is wrong."""
    return opened(path, form, where).validate(expected)


@dataclass(frozen=True)
class Mended:
    """What a file is when it is mended without guessing.

    Attributes:
        done: what was mended, in words. summary: what it holds then.
        write: writes it to a path.
    """

    done: list[str]
    summary: Summary
    write: Callable[[Path], None]


def mended(path: Path, form: Format, expected: Expected) -> Mended:
    """Raises UserError where the file is still not valid."""
    if form.files:
        files, done, summary = zipped.mended(path, form, expected)

        def answers() -> Iterator[tuple[str, np.ndarray]]:
            return zip(expected.ids, files.decoded(expected), strict=True)

        return Mended(done, summary, lambda target: zipped.write(target, form, answers()))
    content, where = content_of(path)
    rows, done = mending.mended(content, form, expected, where)
    summary = submission.validate(submission.table_from(rows, form), form, expected, f"{where}, when mended")
    done = [*(["unpacked"] if where != str(path) else []), *done]
    return Mended(done, summary, lambda target: disk.write_rows(target, form.columns, rows))


def counted_from_other(path: Path, form: Format, expected: Expected) -> str:
    """Which other way of counting runs would make a csv valid, in words; blank where none would."""
    return "" if form.files else mending.counted_from_other(content_of(path)[0], form, expected, str(path))
