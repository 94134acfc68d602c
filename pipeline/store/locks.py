"""One process at a time makes a thing: a lock for each, which the system takes back when its process ends.

The lock is on `.<name>.lock` beside the thing (`fcntl.flock`, on network drives, too, where they know locks); in that
file stands who holds it. Readers need none: what they read is renamed into place.
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import UserError
from pipeline.store import disk


@contextlib.contextmanager
def making(path: Path, wait: bool = False, say: Callable[[str], None] = print, beside: Path | None = None):
    """Holds the lock of what is made at `path`, a file or a folder; yields whether another process was waited for.

    What a process that was killed has left half-written of it is removed, also in the folder `beside`; a folder that it
    had taken away comes back.

    Raises:
        UserError: another process is at it, and `wait` is off; or the folder cannot be written.
    """
    place = path.with_name(f".{path.name}.lock")
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_opened(place))
        try:
            waited = _taken(file, path, wait, say)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            say(f"warning: {place.parent} knows no locks: let no other command make {path.name} meanwhile")
            yield False
            return
        _clear(file, path, *([beside] if beside else []))
        _write(file, {"process": os.getpid(), "host": socket.gethostname(), "since": time.time()})
        try:
            yield waited
        finally:
            _write(file, {})


def tidy(path: Path) -> None:
    """Removes what a process that was killed while it made `path` has left half-written, if nobody is at it now."""
    place = path.with_name(f".{path.name}.lock")
    # nobody who came to an end leaves more than this
    if place.exists() and place.stat().st_size > len("{}"):
        with contextlib.suppress(UserError), making(path, say=lambda _: None):
            pass


# file systems without them, and those whose server does not answer for them
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def _opened(place: Path):
    with disk.as_user_error(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        return os.fdopen(os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+", encoding="utf-8")


def _taken(file, path: Path, wait: bool, say: Callable[[str], None]) -> bool:
    """Locks the file; whether that took waiting."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        holder = _holder(file)
    if not wait:
        raise UserError(f"{path} is being made by {holder}; start again when that is finished, or give --wait")
    say(f"{path} is being made by {holder}: waiting for it")
    fcntl.flock(file, fcntl.LOCK_EX)
    return True


def _holder(file) -> str:
    """Who holds the lock, in words."""
    found = _read(file)
    try:
        since = time.strftime("%H:%M", time.localtime(found["since"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return "another process"
    return f"process {found['process']} on {found['host']}, since {since}"


def _clear(file, path: Path, *others: Path) -> None:
    """Removes what the last holder left, if it did not come to its end. It held this lock, so it is gone."""
    disk.restore_folder(path)
    found = _read(file)
    # of another machine the numbers of processes say nothing
    if isinstance(found.get("process"), int) and found.get("host") == socket.gethostname():
        for folder in (path.parent, path, *others):
            disk.remove_parts(folder, found["process"])


def _read(file) -> dict:
    file.seek(0)
    try:
        content = json.loads(file.read() or "{}")
    except (ValueError, RecursionError):
        # its holder is just writing, or was killed while it did
        content = {}
    return content if isinstance(content, dict) else {}


def _write(file, content: dict) -> None:
    file.seek(0)
    file.truncate()
    json.dump(content, file)
    file.flush()
