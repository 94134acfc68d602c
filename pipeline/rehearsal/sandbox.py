"""A machine like Kaggle's for one process: no network, an input that cannot be written, memory and time that end.

By Linux's namespaces (unshare) where they are to be had; the rest is said.
"""

import contextlib
import os
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
# a root of its own that holds all of the machine's, and below /kaggle what it is given
INSIDE = """
set -e
root=$1 input=$2 working=$3
shift 3
mount -t tmpfs tmpfs "$root"
for entry in /*; do
    name=${entry#/}
    if [ "$name" = kaggle ]; then continue; fi
    if [ -L "$entry" ]; then cp -P "$entry" "$root/$name"
    elif [ -d "$entry" ]; then mkdir "$root/$name" && mount --rbind "$entry" "$root/$name" || rmdir "$root/$name"
    fi
done
mkdir -p "$root/kaggle/input" "$root/kaggle/working"
mount --bind "$working" "$root/kaggle/working"
for folder in "$input"/*; do
    place=$root/kaggle/input/${folder##*/}
    mkdir "$place"
    mount --bind "$(readlink -f "$folder")" "$place"
    mount -o remount,bind,ro "$place"
done
mount -o remount,ro "$root" 2>/dev/null || true
exec chroot "$root" sh -c 'cd /kaggle/working && exec "$@"' sh "$@"
"""
NAMESPACES = ("unshare", "--user", "--map-root-user", "--net", "--mount")


@dataclass(frozen=True)
class Ended:
    """How a process ended. Attributes: said: what it printed; over: whether its time was; capped_by: what kept its
    memory in bounds."""

    status: int
    said: str
    seconds: float
    over: bool
    out_of_memory: bool
    capped_by: str


def has_namespaces() -> bool:
    if shutil.which("unshare") is None:
        return False
    # what a mount needs is not always allowed where a namespace is
    tried = "mount -t tmpfs tmpfs /tmp && mkdir /tmp/a && mount --bind /tmp/a /tmp/a && mount -o remount,bind,ro /tmp/a"
    return not subprocess.run([*NAMESPACES, "sh", "-c", tried], capture_output=True, check=False).returncode


def run(words: list[str], folder: Path, limit: float, memory: int, isolated: bool) -> Ended:
    """Runs a command in `folder`, which holds `input/` (folders, or links to some) and `working/`, for at most `limit`
    seconds in at most so many bytes. `isolated`: below /kaggle, in namespaces."""
    # what it leaves there when it is ended goes away with the folder
    (folder / "tmp").mkdir()
    if isolated:
        (folder / "root").mkdir()
        inside = [str(folder / name) for name in ("root", "input", "working")]
        words = [*NAMESPACES, "sh", "-c", INSIDE, "sh", *inside, *words]
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(memory_group(memory))
        log = stack.enter_context((folder / "log").open("w+b"))
        process = subprocess.Popen(
            words,
            cwd=folder / "working",
            env={**_environment(), "TMPDIR": str(folder / "tmp")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: _enter(group, memory),
        )
        started = time.monotonic()
        over = not _waited(process, limit)
        log.seek(0)
        said = log.read().decode("utf-8", "replace")
        capped_by = "a control group" if group else "the size of its address space (RLIMIT_AS)"
        seconds = time.monotonic() - started
        return Ended(process.returncode, said, seconds, over, _is_out_of_memory(group, said), capped_by)


def _waited(process: subprocess.Popen, limit: float) -> bool:
    """Whether it ended in time; otherwise it and all it has started is ended."""
    from tqdm import tqdm

    started = time.monotonic()
    with tqdm(desc="notebook", unit="s", disable=not sys.stderr.isatty(), delay=1) as bar:
        try:
            while process.poll() is None and time.monotonic() - started < limit:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(min(1.0, max(0.01, limit - (time.monotonic() - started))))
                bar.update(int(time.monotonic() - started) - bar.n)
            return process.poll() is not None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment() -> dict[str, str]:
    left_out = ("KAGGLE", "PYTHONPATH", "PYTHONHOME")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


@contextlib.contextmanager
def memory_group(memory: int) -> Iterator[Path | None]:
    """A control group that may use so many bytes; None where none can be made."""
    for parent, name in ((CGROUPS, "memory.max"), (CGROUPS / "memory", "memory.limit_in_bytes")):
        group = parent / f"rehearsal-{os.getpid()}-{secrets.token_hex(3)}"
        try:
            if not (parent / "cgroup.procs").exists() or (name == "memory.max" and not _has_memory(parent)):
                continue
            group.mkdir()
            (group / name).write_text(str(memory))
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        try:
            yield group
        finally:
            # its processes are gone a moment after they are ended
            for _ in range(50):
                try:
                    group.rmdir()
                    break
                except OSError:
                    time.sleep(0.1)
        return
    yield None


def _has_memory(parent: Path) -> bool:
    """Whether groups of the second version may be told how much memory they have."""
    path = parent / "cgroup.subtree_control"
    return path.exists() and "memory" in path.read_text().split()


def _enter(group: Path | None, memory: int) -> None:
    """In the process that begins."""
    if group is None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    else:
        (group / "cgroup.procs").write_text("0")


# what programs say that were refused memory
REFUSED = (
    "MemoryError",
    "bad_alloc",
    "Cannot allocate memory",
    "larger than the memory",
    "ran out of memory",
    "OOM when",
)


def _is_out_of_memory(group: Path | None, said: str) -> bool:
    killed = 0
    for name in ("memory.events", "memory.oom_control"):
        path = group / name if group else None
        if path and path.exists():
            pairs = (line.split() for line in path.read_text().splitlines())
            killed += sum(int(pair[1]) for pair in pairs if pair[0] == "oom_kill")
    return bool(killed) or any(word in said for word in REFUSED)
