"""Commands as a person waits for them: how soon one begins, and what an idea costs beside its training."""

import functools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.table import LEAST, Row, in_turns, version
from pipeline.store import disk

ROOT = Path(__file__).parents[2]


def startup(repeats: int) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        finished = ("--root", folder, "--run", "floor")
        _start("demo", "--model", "classical", *finished)
        commands = {
            "--help": ("--help",),
            "tune": ("demo", "tune", *finished),
            "submit": ("demo", "submit", *finished),
            "runs": ("demo", "runs", *finished[:2]),
        }
        actions = {name: functools.partial(_start, *words) for name, words in commands.items()}
        times = in_turns(repeats, keras=lambda: _python("-c", "import keras"), **actions)
    each = ", ".join(f"{name} {np.median(times[name]):.2f}" for name in actions)
    slowest = max(actions, key=lambda name: np.median(times[name]))
    return Row(
        what=f"the slowest of commands on finished work ({each})",
        unit="s",
        n=1,
        ours=times[slowest],
        peers={f"import keras, {version('keras')}": times["keras"]},
    )


def idea(repeats: int) -> Row:
    """Two runs of one fold, the recipe's loss and another, and their comparison: all that is not a training step."""
    seconds, known = [], set()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _start("demo", "split", "--recipe", "smoke", "--root", folder)
        for turn in range(max(LEAST, repeats)):
            # a seed of its own each time: nothing of the turn before is taken
            words = ("--recipe", "smoke", "--seed", str(turn), "--fold", "0", "--root", folder, "--fields", "loss=bce")
            began = time.perf_counter()
            _start("demo", "ablate", *words)
            taken = time.perf_counter() - began
            made = set(root.glob("runs/demo/*/fold0/history.csv")) - known
            known |= made
            steps = sum(float(row["seconds"]) for path in made for row in disk.read_rows(path, "seconds"))
            seconds.append(taken - steps)
    return Row(
        what="a loss changed, to its paired difference on a fold: two trainings, without their epochs",
        unit="s",
        n=1,
        ours=seconds,
    )


def _start(*words: str) -> str:
    return _python("-P", "-m", "pipeline", *words)


def _python(*words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    # a person's Python keeps what it has compiled
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return done.stdout
