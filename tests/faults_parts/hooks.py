"""Called around every call that changes a folder: counts them, and at the n-th kills the process or fills the disk."""

import errno
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path

CHANGING = ("fsync", "replace", "rename", "link", "symlink", "unlink", "remove", "mkdir", "rmdir")
WRITING = ("fsync", "mkdir", "link", "symlink", "write")


class Watch:
    """Counts the calls below a root; at number `at` it calls `act`. With `then` set, at every later one, too."""

    def __init__(self, root: Path, at: int, act: Callable[[str], None], always: bool = False):
        self.root, self.at, self.act, self.always = str(root), at, act, always
        self.count = 0
        self.seen: list[str] = []

    def point(self, what: str, *places) -> None:
        """A call is about to happen."""
        if not any(self._is_ours(place) for place in places):
            return
        self.count += 1
        self.seen.append(what)
        if self.count == self.at or (self.always and self.at and self.count > self.at):
            self.act(what)

    def _is_ours(self, place) -> bool:
        # a number is an open file or folder: nobody else's are open meanwhile
        return isinstance(place, int) or os.path.abspath(os.fsdecode(place)).startswith(self.root)  # noqa: PTH100


def kill(what: str) -> None:
    """As the kernel does when memory is short: nothing is tidied up."""
    os.kill(os.getpid(), signal.SIGKILL)


def full(what: str) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def before_changes(watch: Watch) -> None:
    """Puts the watch before every call that changes what a folder holds."""
    for name in CHANGING:
        setattr(os, name, _watched(getattr(os, name), name, watch))
    _watch_exchange(watch)


def before_writes(watch: Watch) -> None:
    """Puts the watch before every call that needs room."""
    for name in WRITING:
        setattr(os, name, _watched(getattr(os, name), name, watch))
    os.open = _watched_open(os.open, watch)
    io.open = _watched_file(io.open, watch)
    import builtins

    builtins.open = io.open


def _watched(function, name: str, watch: Watch):
    def called(place, *others, **options):
        folder = options.get("dir_fd", options.get("src_dir_fd"))
        watch.point(name, place if folder is None else folder, *(other for other in others[:1] if _is_place(other)))
        return function(place, *others, **options)

    return called


def _is_place(value) -> bool:
    return isinstance(value, (str, bytes, os.PathLike)) and not isinstance(value, memoryview)


def _watched_open(function, watch: Watch):
    def called(place, flags, *others, **options):
        if flags & os.O_CREAT:
            watch.point("open", place)
        return function(place, flags, *others, **options)

    return called


def _watched_file(function, watch: Watch):
    def called(place, mode="r", *others, **options):
        if not isinstance(place, int) and set(mode) & set("wax+"):
            watch.point("open", place)
        return function(place, mode, *others, **options)

    return called


def _watch_exchange(watch: Watch) -> None:
    """The exchange of two names goes past Python's own functions."""
    from pipeline.store import disk

    exchange = getattr(disk, "_exchanged_at_once", None)
    if exchange:
        disk._exchanged_at_once = _watched(exchange, "exchange", watch)


def without_exchange() -> None:
    """As on a file system that cannot exchange two names."""
    from pipeline.store import disk

    disk._exchanged_at_once = lambda one, other: False
