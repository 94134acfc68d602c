"""One piece of work, on whichever machine it was sent to: in a folder of its own there, by a process of its own.

Nothing is written but below the temporary folder of that machine. What the process has finished goes back in pieces:
what it says, its history and its checkpoint after an epoch, in the end everything.
"""

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline import source
from pipeline.errors import UserError, one_line
from pipeline.machines import nodes, parcels
from pipeline.machines.parcels import Piece
from pipeline.machines.work import why
from pipeline.store import disk, locks

# for so many times as long as a checkpoint took on its way no other one is sent
REST = 10


@dataclass(frozen=True)
class Data:
    """The prepared folder that a fold learns from.

    Attributes:
        place: where it is on the machine that sends the work: on a shared drive, or copied, on others as well.
        digest: of its prepared.json, which holds the digests of the arrays.
        sizes: name -> bytes of each file that travels where it is not there.
    """

    place: Path
    digest: str
    sizes: dict[str, int]

    def is_in(self, folder: Path) -> bool:
        """Whether a folder holds it, as far as that can be told without reading the arrays, whose digests are checked
        before a fold begins."""
        done = folder / "prepared.json"
        with contextlib.suppress(OSError, UserError):
            sizes = {name: (folder / name).stat().st_size for name in self.sizes}
            return sizes == self.sizes and disk.file_hash(done) == self.digest
        return False


@dataclass(frozen=True)
class Errand:
    """What a machine has to know of a piece of work, beside the files that come with it.

    Attributes:
        arguments: of Python, without --root: `-m pipeline tgs train --fold 2 …`.
        environment: variables that are set for it.
        folder: the one that comes back, below the root; prepared: where the data is wanted, below the root.
        last: its files that mean "done", written last.
        setting: as in `nodes.setting`, and modules: the packages that it names.
        every: seconds from a checkpoint that was sent to the next one, at the least.
    """

    arguments: tuple[str, ...]
    environment: dict[str, str]
    folder: Path
    prepared: Path
    last: tuple[str, ...]
    data: Data
    setting: dict[str, str]
    modules: tuple[str, ...]
    every: float


class Began(NamedTuple):
    """That it is no longer waiting, and where."""

    node: str


class End(NamedTuple):
    """How it ended: `done`; `failed` for good; `lost`, to be done again; `unseen`: the data is not there. And why."""

    how: str
    why: str = ""


def run(errand: Errand, files: Iterable[Piece], data: Iterable[Piece] | None) -> Iterator[Began | str | Piece | End]:
    """Does it. Yields that it began, lines for the user, pieces of the files of its folder, and at last its end.

    Args:
        files: what it begins with, below the root. data: the prepared files; None where they were not sent.
    """
    node = os.uname().nodename
    yield Began(node)
    other = nodes.differences(errand.setting, nodes.setting(errand.modules))
    if other:
        yield End("failed", f"node {node} has {', '.join(other)}")
        return
    try:
        with _room() as root:
            prepared = _prepared(errand.data, data)
            if prepared is None:
                yield End("unseen")
                return
            parcels.all_received(root, files)
            (root / errand.prepared).parent.mkdir(parents=True, exist_ok=True)
            (root / errand.prepared).symlink_to(prepared)
            yield from _worked(errand, root)
    except UserError as error:
        yield End("failed", f"node {node}: {error}")


def free() -> int:
    """Bytes that are free where errands are run."""
    return shutil.disk_usage(tempfile.gettempdir()).free


def _base() -> Path:
    return Path(tempfile.gettempdir()) / f"folds-{os.getuid()}"


@contextlib.contextmanager
def _room() -> Iterator[Path]:
    """An empty folder for one errand; those of errands whose process was killed are removed."""
    base = _base()
    with disk.as_user_error(base):
        base.mkdir(mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with disk.as_user_error(base), _held(base, wait=True):
            for left in base.glob("errand-*"):
                with contextlib.suppress(OSError), _held(left):
                    shutil.rmtree(left, ignore_errors=True)
            room = Path(tempfile.mkdtemp(prefix="errand-", dir=base))
            stack.callback(shutil.rmtree, room, ignore_errors=True)
            stack.enter_context(_held(room))
        yield room


@contextlib.contextmanager
def _held(folder: Path, wait: bool = False) -> Iterator[None]:
    """Holds the lock of a folder, which the system takes back when the process ends. Raises OSError where another
    process has it, and nobody waits."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)


def _prepared(wanted: Data, arriving: Iterable[Piece] | None) -> Path | None:
    """Where the prepared data is on this machine: at its place, or what was sent, kept for every fold that comes here;
    None where neither is. Raises UserError where there is no room for it."""
    if wanted.is_in(wanted.place):
        return wanted.place
    kept = _base() / f"prepared-{wanted.digest[:16]}"
    with locks.making(kept, wait=True, say=lambda _: None):
        if wanted.is_in(kept):
            return kept
        if arriving is None:
            return None
        needed = sum(wanted.sizes.values())
        if needed > free():
            raise UserError(
                f"{_base()} has room for {free() / 1e9:.1f} GB, the data needs {needed / 1e9:.1f}; set TMPDIR where "
                f"Ray is started there, or share {wanted.place} with it"
            )
        with disk.whole_folder(kept) as part:
            parcels.all_received(part, arriving)
        if not wanted.is_in(kept):
            raise UserError(f"{kept} is not what was sent; is its disk sound?")
        return kept


def _worked(errand: Errand, root: Path) -> Iterator[str | Piece | End]:
    """Runs the process in its root, and yields what comes of it."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(source.PACKAGE.parent)}
    command = [sys.executable, "-P", *errand.arguments, "--root", str(root)]
    folder, said, complaints = root / errand.folder, root / "said", root / "complaints"
    checkpoint = folder / "checkpoint.npz"
    with said.open("wb") as out, complaints.open("wb") as err, said.open("rb") as reader:
        process = subprocess.Popen(
            command,
            cwd=root,
            env={**environment, **errand.environment},
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
            preexec_fn=_ends_with_its_parent(),
        )
        try:
            lines, due, seen = _Lines(reader), 0.0, _version_of(checkpoint)
            while process.poll() is None:
                time.sleep(0.1)
                yield from lines.new()
                now, began = _version_of(checkpoint), time.monotonic()
                if now not in (None, seen) and began >= due:
                    seen = now
                    # the history first: it is cut back to the epoch of the checkpoint, never filled up
                    yield from _as_they_are(folder, ("environment.json", "history.csv", checkpoint.name))
                    took = time.monotonic() - began
                    # many that send at once make it slow: then each sends less often
                    due = time.monotonic() + max(errand.every, REST * took)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        yield from lines.new(rest=True)
    errors = complaints.read_text(errors="backslashreplace").splitlines()
    yield from errors
    if process.returncode == 0:
        yield from parcels.pieces(folder, parcels.in_order(folder, errand.last))
    yield _end(process.returncode, errors)


def _as_they_are(folder: Path, names: Iterable[str]) -> Iterator[Piece]:
    """Files that the process may be replacing: what it takes away is sent when it is there again."""
    for name in names:
        with contextlib.suppress(UserError):
            yield from parcels.pieces(folder, [name])


def _version_of(path: Path) -> tuple | None:
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
    return None


def _end(status: int, complaints: list[str]) -> End:
    if status == 0:
        return End("done")
    # asked to end, or killed: by a person, or by a system that has no memory left
    is_lost = status < 0 or status in (128 + signal.SIGTERM, 128 + signal.SIGINT)
    return End("lost" if is_lost else "failed", one_line(why(status, complaints)))


class _Lines:
    """What a process says, line by line."""

    def __init__(self, file):
        self.file, self.left = file, b""

    def new(self, rest: bool = False) -> Iterator[str]:
        """Those that are finished since the last call; `rest`: and what has no end."""
        *lines, self.left = (self.left + self.file.read()).split(b"\n")
        for line in [*lines, *([self.left] if rest and self.left else [])]:
            yield line.decode(errors="backslashreplace").rstrip()


def _ends_with_its_parent() -> Callable[[], None]:
    """What a process does before it starts, so that it ends when the one that started it is killed."""
    control, death = ctypes.CDLL(None).prctl, 1  # PR_SET_PDEATHSIG

    return lambda: control(death, signal.SIGTERM)
