"""A fresh clone to the demo's first epoch, as somebody waits for it who has nothing yet."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.table import Missing, Row

ROOT = Path(__file__).parents[2]
UNITS = {"kB": 1e-3, "MB": 1.0, "GB": 1e3}
PATIENCE = 1800.0  # seconds that either may take
DOWNLOADED = re.compile(r"Downloading \S+ \(([\d.]+) (kB|MB|GB)\)")


def setup(repeats: int) -> Row:
    """Once: it downloads what is pinned, without pip's cache."""
    with tempfile.TemporaryDirectory() as folder:
        clone, log = Path(folder) / "clone", Path(folder) / "pip.log"
        began = time.perf_counter()
        _run("git", "clone", "-q", str(ROOT), str(clone))
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "PYTHONPATH")}
        learning = _until_it_learns(clone, {**kept, "PIP_NO_CACHE_DIR": "1", "PIP_LOG": str(log)}, began)
        # from nothing again: what is not the installation
        again = _until_it_learns(clone, kept, time.perf_counter(), "--root", str(Path(folder) / "again"))
        installed = sum(path.lstat().st_size for path in (clone / ".venv").rglob("*")) / 1e6
        megabytes = downloaded(log.read_text(encoding="utf-8", errors="replace"))
    return Row(
        what=f"git clone, ./run.sh demo to the end of its first epoch, {megabytes:.0f} MB downloaded",
        unit="s",
        n=1,
        ours=[learning],
        note=f"once; {installed:.0f} MB in .venv; with that there {again:.0f} s",
    )


def downloaded(log: str) -> float:
    """Megabytes, from what pip writes down."""
    return sum(float(number) * UNITS[unit] for number, unit in DOWNLOADED.findall(log))


def _until_it_learns(clone: Path, environment: dict[str, str], began: float, *words: str) -> float:
    """Seconds since `began` when the first epoch is told; then the process is ended."""
    command = ["./run.sh", "demo", "--recipe", "smoke", *words]
    process = subprocess.Popen(
        command,
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said, alarm = [], threading.Timer(PATIENCE, _end, [process])
    alarm.start()
    try:
        for line in process.stdout:
            said.append(line)
            if "epoch 1 of" in line:
                return time.perf_counter() - began
    finally:
        alarm.cancel()
        _end(process)
        process.wait()
    raise Missing(f"{' '.join(command)} did not come to an epoch: {''.join(said)[-300:].strip()}")


def _end(process: subprocess.Popen) -> None:
    # those that it started, too; it may have ended
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"{' '.join(words)}: {done.stderr.strip()}")
