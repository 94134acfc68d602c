"""SIGKILL at random moments of a run in a process of its own, with a small network."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.faults_parts.results import differing, not_there, results
from tests.start import TINY, environment

WORDS = ["demo", *TINY, "--folds", "2", "--epochs", "3", "--run", "tried"]
TOGETHER = 6  # kills of one run, before it may end


class Life:
    """One run from its beginning to its end, killed several times on its way."""

    def __init__(self, root: Path, begun: Path | None = None):
        self.root = root
        shutil.copytree(begun, root) if begun else root.mkdir()
        self.log = root / "log.txt"

    def start(self, *stages: str) -> subprocess.Popen:
        with self.log.open("w") as out:
            command = [sys.executable, "-P", "-m", "pipeline", *WORDS, *stages, "--root", str(self.root)]
            return subprocess.Popen(
                command, cwd=self.root, env=environment(), stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )

    def killed_after(self, seconds: float) -> str | None:
        """The stage that was at work when the run was killed; None where it had ended before."""
        process = self.start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return self._ended(process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return self._stage()

    def finish(self, *stages: str) -> float:
        """Runs to the end; how many seconds that took."""
        process, started = self.start(*stages), time.monotonic()
        process.wait(600)
        self._ended(process)
        return time.monotonic() - started

    def _ended(self, process: subprocess.Popen) -> None:
        if process.returncode:
            raise RuntimeError(f"status {process.returncode}: {self.log.read_text()[-600:]}")

    def _stage(self) -> str:
        """The last stage that had begun."""
        words = [line.removesuffix(":") for line in self.log.read_text().splitlines() if line.endswith(":")]
        begun = [word for word in words if word.isalpha()]
        return begun[-1] if begun else "start"


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody kills: its files, the root as it was when all was trained, and the seconds of both halves."""

    files: dict[str, str]
    trained: Path
    first: float
    second: float


def undisturbed(scratch: Path) -> Undisturbed:
    life, trained = Life(scratch / "undisturbed"), scratch / "trained"
    first = life.finish("train")
    shutil.copytree(life.root, trained)
    second = life.finish()
    return Undisturbed(results(life.root), trained, first, second)


def run(kills: int, seed: int, scratch: Path) -> bool:
    """Prints where the kills fell, and what came of them; whether all is well."""
    wanted = undisturbed(scratch)
    print(f"undisturbed: {len(wanted.files)} files, {wanted.first:.0f} + {wanted.second:.0f} s", flush=True)
    source, at, files, number = random.Random(seed), Counter(), 0, 0
    while sum(at.values()) < kills:
        number += 1
        # every other run begins where all is trained: otherwise training would take nearly all of the kills
        begun = None if number % 2 else wanted.trained
        life = Life(scratch / f"life{number}", begun)
        count = min(TOGETHER, kills - sum(at.values()))
        fell: list[str] = []
        try:
            _kill(life, count, wanted.second if begun else wanted.first, source, fell)
            life.finish()
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"  run {number} does not go on: {error}", flush=True)
            # the last of them is the one that it does not go on from
            at.update(fell[:-1])
            at["not resumed"] += 1
            continue
        at.update(fell)
        other = [*differing(wanted.files, results(life.root)), *not_there(life.root)]
        files += len(other)
        print(f"  run {number}: killed in {', '.join(fell)}; differing: {', '.join(other) or 'nothing'}", flush=True)
        shutil.rmtree(life.root)
    print(", ".join(f"{stage} {count}" for stage, count in at.most_common()))
    total = sum(at.values())
    print(f"kills {total}, resumed {total - at['not resumed']}, differing files {files}")
    return not at["not resumed"] and not files


def _kill(life: Life, count: int, seconds: float, source: random.Random, fell: list[str]) -> None:
    """Kills a run up to `count` times, fewer where it comes to its end before; adds where each kill fell."""
    while len(fell) < count:
        # what is done is not done again, but what is loaded is loaded again: any moment of the way is possible
        stage = life.killed_after(source.uniform(0.05, 0.8) * seconds)
        if stage is None:
            break
        fell.append(stage)
