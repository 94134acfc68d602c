"""Starting the pipeline as a user does, for tests of whole runs."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from pipeline.__main__ import main

ROOT = Path(__file__).parents[1]
# the pinned packages do not bring PyTorch: `./run.sh test -m torch` where it is installed
BACKENDS = ["tensorflow", "jax", pytest.param("torch", marks=pytest.mark.torch)]
# seconds of training: two steps of two epochs at the smallest size, by one loss: each of two is compiled
TINY = [
    "--width",
    "4",
    "--depth",
    "1",
    "--late-loss",
    "",
    "--size",
    "32",
    "--steps",
    "2",
    "--epochs",
    "2",
    "--batch-size",
    "4",
    "--folds",
    "3",
]


def environment(**changes: str) -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if not name.startswith(("KAGGLE", "KERAS"))}
    return {**found, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT), **changes}


def start(*arguments, root: Path, **changes: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "pipeline", *map(str, arguments), "--root", str(root)]
    return subprocess.Popen(
        command, cwd=root, env=environment(**changes), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(*arguments, root: Path, status: int = 0, **changes: str) -> str:
    """Runs to the end, checks the exit status and returns what was printed (of errors when one is expected).

    In this process, because loading a backend takes longer than most of what is tested; in one of its own where the
    environment is changed.
    """
    if changes:
        process = start(*arguments, root=root, **changes)
        out, err = process.communicate(timeout=600)
        found = process.returncode
    else:
        found, out, err = _run_here([*map(str, arguments), "--root", str(root)], root)
    assert found == status, f"{arguments} ended with {found}:\n{out}\n{err}"
    if status:
        assert "Traceback" not in err, err
        return err
    return out


def _run_here(arguments: list[str], root: Path) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    # a backend stays what the first call made it
    kept = {name: value for name, value in os.environ.items() if name.startswith("KERAS")}
    with (
        mock.patch.dict(os.environ, {**environment(), **kept}, clear=True),
        contextlib.chdir(root),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        return main(arguments), out.getvalue(), err.getvalue()
