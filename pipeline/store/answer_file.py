"""What a competition is sent, by one door: a csv of run lengths, or a zip of files (`Format.files`)."""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.store import disk, mending, submission, zipped
from pipeline.store.dialect import Format
from pipeline.store.submission import Expected, Summary


class Csv:
    """A csv that was read. Raises UserError where it is none of this format."""

    def __init__(self, path: Path, form: Format, where: str = ""):
        self.form, self.where = form, where or str(path)
        self.table = submission.read_csv(path, form)
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
        return [self.form.split(key)[0] for key in self.table[self.form.id_column]]


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
    rows, done = mending.mended(disk.read_bytes(path), form, expected, str(path))
    summary = submission.validate(submission.table_from(rows, form), form, expected, f"{path}, when mended")
    return Mended(done, summary, lambda target: disk.write_rows(target, form.columns, rows))


def counted_from_other(path: Path, form: Format, expected: Expected) -> str:
    """Which other way of counting runs would make a csv valid, in words; blank where none would."""
    return "" if form.files else mending.counted_from_other(disk.read_bytes(path), form, expected, str(path))
