"""The command line in a process forked from this one, which has loaded everything heavy already."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LONGEST = 300  # seconds a command may take


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status, or None where it was killed; what it printed of errors; calls counted."""

    status: int | None
    errors: str
    seen: list[str]


def load() -> None:
    """Imports what the stages import, so that a fork begins at once."""
    import cv2  # noqa: F401
    import jinja2  # noqa: F401
    import matplotlib.pyplot
    import pandas  # noqa: F401
    import sklearn.model_selection  # noqa: F401
    import tqdm  # noqa: F401
    from scipy import ndimage  # noqa: F401

    import pipeline.__main__  # noqa: F401
    from pipeline.command import names
    from pipeline.competitions import demo

    for stage in names.stages():
        names.stage(stage)
    from pipeline.reporting.run import facts, page  # noqa: F401

    matplotlib.pyplot.close("all")
    # seconds, not minutes, for hundreds of runs
    demo.TRAIN, demo.TEST = 16, 8


def run(arguments: list[str], root: Path, scratch: Path, begin: Callable[[], object] = lambda: None) -> Ended:
    """Runs a command to its end; `begin` is called in the new process first and may return a `Watch`."""
    notes = scratch / "notes"
    notes.write_text("")
    child = os.fork()
    if child == 0:
        _child(arguments, root, scratch, notes, begin)
    status = _waited(child)
    return Ended(status, (scratch / "errors").read_text(errors="replace"), notes.read_text().split())


def _child(arguments: list[str], root: Path, scratch: Path, notes: Path, begin) -> None:
    status, watch = 99, None
    try:
        os.setsid()
        for number, name in ((1, "printed"), (2, "errors")):
            file = os.open(scratch / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
        os.chdir(root)
        from pipeline.__main__ import main

        watch = begin()
        status = main([*arguments, "--root", str(root)])
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 1
    finally:
        if watch is not None:
            watch.at = 0
            notes.write_text("\n".join(watch.seen))
        os._exit(status)


def _waited(child: int) -> int | None:
    ends = time.monotonic() + LONGEST
    while time.monotonic() < ends:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else None
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise TimeoutError(f"a command was still at it after {LONGEST} s")
