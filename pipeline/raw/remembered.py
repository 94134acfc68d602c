"""What `read` takes of the train part, byte for byte: kept, so that it finds the test part where no train part is.

A competition's `read` looks at the names of all files, and into few of them: tables, headers of stacks. Which bytes
these are is noted while it runs; given back to it beside a test part that nobody has seen, it reads as it did. Pixels
of train pictures are none of it.
"""

import contextlib
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from pipeline.competition import RawData, RawImage
from pipeline.errors import UserError
from pipeline.raw import archives
from pipeline.raw.files import RawFiles, _Source

BEHIND = 1 << 10  # deeper than any archive: of two files of one name the one that is there counts
TAIL = 3  # folders by which a file is known again, however it is packed


class Touched(BaseException):
    """Raised in place of reading a file. Attributes: name: of the file."""

    def __init__(self, name: str):
        super().__init__(name)
        self.name = name


@dataclass
class Memory:
    """What was read of files, by their names.

    Attributes: sizes: in bytes. pieces: start -> bytes. pages: how many there are, where only that was asked.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    pieces: dict[str, dict[int, bytes]] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)

    def noted(self, name: str, size: int, file: IO[bytes]) -> IO[bytes]:
        """The same file, of which is noted what is read."""
        self.sizes[name] = size
        return _NotedFile(file, self.pieces.setdefault(name, {}))

    def only(self, names: Iterable[str]) -> "Memory":
        names = set(names)
        parts = (self.sizes, self.pieces, self.pages)
        return Memory(*({name: value for name, value in part.items() if name in names} for part in parts))


class Noted(RawFiles):
    """Raw files that note what is read of them. Attributes: memory; stops: whether reading is not done, but raises
    `Touched`."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.memory, self.stops, self._quiet = Memory(), False, False

    def __enter__(self):
        super().__enter__()
        for name, source in self._sources.items():
            self._sources[name] = source._replace(open=lambda name=name, source=source: self._opened(name, source))
        return self

    def _opened(self, name: str, source: _Source) -> IO[bytes]:
        if self.stops:
            raise Touched(name)
        return source.open() if self._quiet else self.memory.noted(name, source.size(), source.open())

    def open(self, name: str) -> IO[bytes]:
        # what is taken out of an archive whole need not be read so
        with self._unnoted():
            file = super().open(name)
        return file if self._quiet else self.memory.noted(name, self._sources[name].size(), file)

    def page_count(self, name: str) -> int:
        with self._unnoted():
            self.memory.pages[name] = super().page_count(name)
        return self.memory.pages[name]

    @contextlib.contextmanager
    def _unnoted(self):
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def touched(self, image: RawImage) -> str | None:
        """The first file that an image is read from, without reading it; None where there is none."""
        self.stops = True
        try:
            image.image()
        except Touched as found:
            return found.name
        finally:
            self.stops = False
        return None


class _ReadAnywhere(io.RawIOBase):
    """A file that says what `read(size)` gives, from any place."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


class _NotedFile(_ReadAnywhere):
    """A file of which is noted what is read."""

    def __init__(self, file: IO[bytes], pieces: dict[int, bytes]):
        self.file, self.pieces = file, pieces

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def read(self, size: int = -1) -> bytes:
        start, content = self.file.tell(), self.file.read(size)
        if len(content) > len(self.pieces.get(start, b"")):
            self.pieces[start] = content
        return content

    def close(self) -> None:
        self.file.close()
        super().close()


def train_names(raw: Noted, data: RawData, sample: str | None) -> list[str]:
    """The files that belong to no test image: without those that one is read from, what lies in the same folders where
    no train picture does, and the sample submission."""
    parts: dict[str, set[str]] = {"train": set(), "test": set()}
    for image in data.images:
        if name := raw.touched(image):
            parts[image.part].add(name)
    above_train = {folder for name in parts["train"] for folder in _folders(name)}
    apart = {folder for name in parts["test"] for folder in _folders(name)} - above_train
    left_out = parts["test"] | {sample}
    return [name for name in raw.names if name not in left_out and not apart & set(_folders(name))]


def _folders(name: str) -> list[str]:
    """Those that a file lies in, also in archives; never all files there are."""
    places = name.split("/")[:-1]
    return ["/".join(places[: count + 1]) for count in range(len(places))]


class Mounted(RawFiles):
    """A test part that nobody has seen, and behind it what is remembered of the train part, where that is not there.

    Args:
        names: of the train part. memory: of these. hidden: names of files that are not shown. are_there: whether the
            train part counts where it is mounted.

    Attributes: left_out: the files that are not shown, which can be read.
    """

    # nobody can mend what is mounted: it costs one answer
    TAKES_BROKEN = True

    def __init__(
        self, folder: Path, names: Iterable[str], memory: Memory, hidden: Iterable[str] = (), are_there: bool = True
    ):
        super().__init__(folder)
        self.names_behind, self.memory, self.hidden = list(names), memory, set(hidden)
        self.are_there = are_there

    def __enter__(self):
        super().__enter__()
        if not self.are_there:
            behind = set(self.names_behind)
            self._names = [name for name in self._names if name not in behind]
        there = {_known_as(name) for name in self._names}
        missing = [name for name in self.names_behind if _known_as(name) not in there]
        # where most of the train part is mounted, it counts as it is
        if len(missing) * 2 >= len(self.names_behind):
            for name in missing:
                size = self.memory.sizes.get(name, 0)
                self._sources[name] = _Source(partial(self._remembered, name), BEHIND, lambda size=size: size)
        self.left_out = [name for name in self._names if name.rpartition("/")[2] in self.hidden]
        self._names = [name for name in self._names if name not in set(self.left_out)]
        self._names += sorted(name for name in self._sources if self.depth(name) == BEHIND)
        return self

    def show(self) -> None:
        """Takes back what is hidden."""
        self._names = [*self.left_out, *self._names]

    def open(self, name: str) -> IO[bytes]:
        return self._remembered(name) if self.depth(name) == BEHIND else super().open(name)

    def page_count(self, name: str) -> int:
        return self.memory.pages.get(name, 1) if self.depth(name) == BEHIND else super().page_count(name)

    def _remembered(self, name: str) -> IO[bytes]:
        return _Pieces(self.memory.pieces.get(name, {}), self.memory.sizes.get(name), self.where(name))


class _Pieces(_ReadAnywhere):
    """A file of which some bytes are known; whoever asks for others is refused."""

    def __init__(self, pieces: dict[int, bytes], size: int | None, where: str):
        self.pieces, self.size, self.where, self.place = pieces, size, where, 0

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = 0) -> int:
        self.place = offset + (0, self.place, self.size or 0)[whence]
        return self.place

    def read(self, size: int = -1) -> bytes:
        left = max((self.size or 0) - self.place, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        holding = (start for start, found in self.pieces.items() if start <= self.place <= start + len(found) - wanted)
        start = next(holding, None)
        if self.size is None or (wanted and start is None):
            raise UserError(f"{self.where} is of the train part, which is not here; name a folder that holds it, too")
        found = self.pieces[start][self.place - start :][:wanted] if wanted else b""
        self.place += len(found)
        return found


def _known_as(name: str) -> tuple[str, ...]:
    """The end of a file's way without the endings of archives: how it is known again, packed or not."""
    parts = [re.sub(archives.ENDING, "", part) for part in name.split("/")]
    return tuple(parts[-TAIL:])
