"""Files on their way to another machine, and back: in pieces, so that none needs to fit into a memory."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.store import disk, records

SIZE = 8 << 20  # bytes of a piece


class Piece(NamedTuple):
    """A part of a file, in the order of its bytes.

    Attributes:
        name: of the file, below the folder that is sent.
        is_last: whether the file ends with it; a file without bytes is one piece.
        modified: when the file was written, in nanoseconds: its record of inputs knows it by that.
    """

    name: str
    content: bytes
    is_last: bool
    modified: int


class CutOff(Exception):
    """The pieces of a file ended before the file did."""


def pieces(folder: Path, names: Iterable[str]) -> Iterator[Piece]:
    """These files of a folder. One that is replaced meanwhile is sent as it was when it was opened."""
    for name in names:
        with disk.as_user_error(folder / name), (folder / name).open("rb") as file:
            found = os.fstat(file.fileno())
            left = found.st_size
            while True:
                content = file.read(min(SIZE, left))
                left -= len(content)
                is_last = not left or not content
                yield Piece(name, content, is_last, found.st_mtime_ns)
                if is_last:
                    break


def received(folder: Path, first: Piece, others: Iterator[Piece]) -> Path:
    """Writes the file that begins with a piece, whole or not at all, and returns it; takes what it needs of the others.

    Raises CutOff where these end before the file does, and UserError where it cannot be written.
    """
    path, piece = folder / first.name, first
    with disk.atomic(path) as part:
        with part.open("wb") as file:
            file.write(piece.content)
            while not piece.is_last:
                piece = next(others, None)
                if not isinstance(piece, Piece) or piece.name != first.name:
                    raise CutOff(f"{first.name} came in part")
                file.write(piece.content)
        os.utime(part, ns=(first.modified, first.modified))
    return path


def all_received(folder: Path, arriving: Iterable[Piece]) -> None:
    """Writes all the files that come."""
    arriving = iter(arriving)
    for piece in arriving:
        received(folder, piece, arriving)


def in_order(folder: Path, last: Iterable[str]) -> list[str]:
    """The files of a folder in the order in which they are to be written elsewhere: a record of inputs before its file,
    those whose presence means "done" at the end, as `last` names them. Nothing hidden or half-written."""
    found = [path.name for path in folder.iterdir() if path.is_file() and not disk.is_part(path.name)]
    ends = list(last)
    suffix = records.record_path(Path("x")).name[1:]

    def key(name: str) -> tuple:
        of = name.removesuffix(suffix)
        return (ends.index(of) + 1 if of in ends else 0, of, name == of)

    return sorted((name for name in found if not name.startswith(".")), key=key)
