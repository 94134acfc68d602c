"""One bad input: what is typed, what is spoilt before, and whether it was answered.

Answered is: exit status 2, one line on stderr that begins with `error: `, no traceback, nothing half-written, and what
was there before is as it was; or exit status 0 where the input is fine after all, with the right result.
"""

import contextlib
import errno
import hashlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

PATIENCE = 20  # seconds of the processor that a command may take; then it is busy for ever
HANGS = 6  # times as long, on the clock: then it waits for something that does not come
LONGEST = 1500  # letters of a line that a person can still read


def nothing(root: Path) -> None:
    """Spoils nothing."""


@dataclass(frozen=True)
class Case:
    """One bad input.

    Attributes:
        name: what is bad about it, for the list of those that are not answered.
        arguments: what is typed; `{root}` in a word is the root. `--root` is added where `with_root` is set.
        spoil: changes the root before.
        base: the root that it begins with: `empty`, `prepared`, `finished` or `network`.
        fine: exit status 0 answers it too, if `right` (given the root) returns nothing.
        forbidden: a file that may not be read or written, as the system would refuse it.
        allowed: names of files that the command may change though it fails.
        patience: seconds of the processor that it may take.
    """

    name: str
    arguments: tuple[str, ...]
    spoil: Callable[[Path], None] = nothing
    base: str = "finished"
    fine: bool = False
    right: Callable[[Path], str] = field(default=lambda root: "")
    forbidden: str = ""
    allowed: tuple[str, ...] = ()
    with_root: bool = True
    patience: int = PATIENCE


@dataclass(frozen=True)
class Outcome:
    """What a command came to; `escaped` is the exception that nobody caught, in a line."""

    status: int | None
    printed: str
    errors: str
    escaped: str = ""


class TooLong(BaseException):
    """A command hangs."""


def outcome(case: Case, root: Path, main: Callable[[list[str]], int]) -> Outcome:
    """Runs a case in this process, with everything that is printed on either stream kept, also by C code."""
    arguments = [word.replace("{root}", str(root)) for word in case.arguments]
    arguments += ["--root", str(root)] if case.with_root else []
    with _forbidden(root / case.forbidden if case.forbidden else None), contextlib.chdir(root), _caught() as streams:
        status, escaped = _called(main, arguments, case.patience)
    return Outcome(status, *streams, escaped)


def _called(main: Callable[[list[str]], int], arguments: list[str], patience: int) -> tuple[int | None, str]:
    def end(*_):
        raise TooLong

    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, end)
    # by the clock alone a busy machine would make everything hang
    signal.setitimer(signal.ITIMER_PROF, patience)
    signal.alarm(HANGS * patience)
    try:
        return main(arguments), ""
    except TooLong as error:
        return None, f"still at it after {patience} s of work, or {HANGS * patience} s in all ({_where(error)})"
    except SystemExit as error:
        return None, f"SystemExit: {error.code} ({_where(error)})"
    except BaseException as error:
        return None, f"{type(error).__name__}: {str(error)[:160]} ({_where(error)})"
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)


def _where(error: BaseException) -> str:
    """The last line of ours that an exception came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/pipeline/" in frame.filename]
    if not frames:
        return "nowhere"
    return f"pipeline/{frames[-1].filename.rpartition('/pipeline/')[2]}:{frames[-1].lineno}"


@contextlib.contextmanager
def _caught():
    """Yields a list that holds what was printed and what was printed of errors when the block has ended."""
    streams: list[str] = []
    paths = [_scratch / "stdout", _scratch / "stderr"]
    with contextlib.ExitStack() as stack:
        for number, path in enumerate(paths, 1):
            stack.enter_context(_redirected(number, path))
        yield streams
    # read from the disk: the command may have closed or exchanged what it printed to
    streams += [path.read_text(encoding="utf-8", errors="backslashreplace") for path in paths]


@contextlib.contextmanager
def _redirected(number: int, path: Path):
    """Sends one of the streams to a file, as Python and as C code know it."""
    name = {1: "stdout", 2: "stderr"}[number]
    getattr(sys, name).flush()
    before = os.dup(number)
    # as `python -m pipeline` opens them
    file = path.open("w", encoding="utf-8", errors="backslashreplace")
    os.dup2(file.fileno(), number)
    try:
        with mock.patch.object(sys, name, file):
            yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            file.close()
        os.dup2(before, number)
        os.close(before)


_scratch = Path("/dev/shm")


def keep_streams_in(folder: Path) -> None:
    """Where what is printed is kept while a command runs."""
    global _scratch
    _scratch = folder


@contextlib.contextmanager
def _forbidden(path: Path | None):
    """Refuses one file as the system does where the rights are missing: whoever runs this may be allowed everything."""
    if path is None:
        yield
        return

    def refusing(function):
        def opened(file, *arguments, **options):
            if isinstance(file, (str, bytes, os.PathLike)) and Path(os.fsdecode(file)) == path:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fsdecode(file))
            return function(file, *arguments, **options)

        return opened

    with (
        mock.patch("builtins.open", refusing(open)),
        mock.patch("io.open", refusing(io.open)),
        mock.patch("os.open", refusing(os.open)),
    ):
        yield


def fault(case: Case, found: Outcome, before: dict[str, str], root: Path) -> str:
    """What is wrong with an outcome; blank where the case is answered."""
    if found.escaped:
        return found.escaped
    left = [path.name for path in root.rglob("*") if ".part-" in path.name]
    if left:
        return f"status {found.status}, left half-written: {', '.join(left)}"
    if found.status == 0:
        if not case.fine:
            return f"status 0: {' / '.join(found.printed.splitlines()[-2:])[:200]}"
        return case.right(root) or (f"status 0, said of errors: {_short(found.errors)}" if found.errors.strip() else "")
    if found.status != 2:
        return f"status {found.status}: {_short(found.errors)}"
    return _fault_of_line(found.errors) or _fault_of_files(case, before, contents(root))


def _fault_of_line(errors: str) -> str:
    lines = [line for line in errors.splitlines() if line.strip()]
    if len(lines) != 1 or not lines[0].startswith("error: "):
        return f"status 2, but said: {_short(errors)}"
    if len(lines[0]) > LONGEST:
        return f"status 2, but in a line of {len(lines[0])} letters: {lines[0][:120]}…"
    hidden = [letter for letter in lines[0] if not letter.isprintable()]
    return f"status 2, but its line holds {hidden[0]!r}: {ascii(lines[0])[:160]}" if hidden else ""


def _fault_of_files(case: Case, before: dict[str, str], after: dict[str, str]) -> str:
    changed = [name for name in before if after.get(name) != before[name] and Path(name).name not in case.allowed]
    return f"status 2, but changed {', '.join(changed[:3])}" if changed else ""


def _short(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-3:])[:300]


def contents(root: Path) -> dict[str, str]:
    """Every file below a root but locks and records, by a hash of what is in it."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.endswith((".lock", ".inputs.json")):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
