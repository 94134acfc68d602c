"""SIGKILL at random moments of a run in a process of its own, with a small network."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.faults_parts.results import differing, not_there, results
from tests.start import TINY, environment

WORDS = ["demo", *TINY, "--folds", "2", "--epochs", "3", "--run", "tried"]
TOGETHER = 10  # kills of one run, before it may end


class Life:
    """One run from its beginning to its end, killed several times on its way."""

    def __init__(self, root: Path):
        self.root = root
        root.mkdir()
        self.log = root / "log.txt"

    def start(self) -> subprocess.Popen:
        with self.log.open("w") as out:
            command = [sys.executable, "-P", "-m", "pipeline", *WORDS, "--root", str(self.root)]
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

    def finish(self) -> None:
        process = self.start()
        process.wait(600)
        self._ended(process)

    def _ended(self, process: subprocess.Popen) -> None:
        if process.returncode:
            raise RuntimeError(f"status {process.returncode}: {self.log.read_text()[-600:]}")

    def _stage(self) -> str:
        """The last stage that had begun."""
        words = [line.removesuffix(":") for line in self.log.read_text().splitlines() if line.endswith(":")]
        begun = [word for word in words if word.isalpha()]
        return begun[-1] if begun else "start"


def undisturbed(scratch: Path) -> tuple[dict[str, str], float]:
    """The results of a run that nobody kills, and how long it took."""
    life, started = Life(scratch / "undisturbed"), time.monotonic()
    life.finish()
    return results(life.root), time.monotonic() - started


def run(kills: int, seed: int, scratch: Path) -> bool:
    """Prints where the kills fell, and what came of them; whether all is well."""
    wanted, seconds = undisturbed(scratch)
    print(f"undisturbed: {len(wanted)} files, {seconds:.0f} s", flush=True)
    source, at, files, faults, number = random.Random(seed), Counter(), 0, 0, 0
    while sum(at.values()) < kills:
        number += 1
        life, count = Life(scratch / f"life{number}"), min(TOGETHER, kills - sum(at.values()))
        try:
            fell = _killed(life, count, seconds, source)
            life.finish()
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"  run {number} does not go on: {error}", flush=True)
            faults += 1
            at["not resumed"] += count
            continue
        at.update(fell)
        other = [*differing(wanted, results(life.root)), *not_there(life.root)]
        files += len(other)
        print(f"  run {number}: killed in {', '.join(fell)}; differing: {', '.join(other) or 'nothing'}", flush=True)
    print(", ".join(f"{stage} {count}" for stage, count in at.most_common()))
    total = sum(at.values())
    print(f"kills {total}, resumed {total - at['not resumed']}, differing files {files}")
    return not faults and not files


def _killed(life: Life, count: int, seconds: float, source: random.Random) -> list[str]:
    """Kills a run up to `count` times; fewer where it comes to its end before. Where each kill fell."""
    found: list[str] = []
    # what is done is not done again: each start gets a share of the way further, after loading what it needs
    longest = min(seconds, 6 + 2 * seconds / count)
    while len(found) < count:
        stage = life.killed_after(source.uniform(0, longest))
        if stage is None:
            break
        found.append(stage)
    return found
