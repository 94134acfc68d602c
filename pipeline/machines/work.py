"""What is done apart from the rest: a fold of a run, by a process of its own that writes to one folder alone.

Folds, and the variants of `ablate`, need nothing of each other: a list of work is done in any order, anywhere.
"""

import re
import signal
from dataclasses import dataclass
from pathlib import Path

from pipeline.runs.job import Job


@dataclass(frozen=True)
class Work:
    """One fold of a run whose recipe is saved, so that the epochs of a --budget are decided.

    Attributes:
        title: as lines and bars name it: `fold 2`, of several runs `quick-width24 fold 2`.
        words: of the process that does it, `python -m pipeline WORDS`, on whichever machine: without --root and --data.
        root: what --root is on this machine; data: what --data is, or None.
        folder: the only one that it writes to, runs/<c>/<run>/fold<k>/.
        epochs: how many it learns; history.csv in its folder has a row for each that is finished. 0 where a model
            learns in none.
        devices: how many it spreads its batches over.
    """

    title: str
    words: tuple[str, ...]
    root: Path
    data: Path | None
    folder: Path
    epochs: int
    devices: int = 1

    @property
    def words_here(self) -> list[str]:
        """Of the process on a machine where root and data are where they are here."""
        return [*self.words, "--root", str(self.root), *(["--data", str(self.data)] if self.data else [])]

    @property
    def is_again(self) -> bool:
        """Whether what its folder holds is learnt anew."""
        return "--again" in self.words

    @property
    def name(self) -> str:
        """As its own process calls it: `fold 2`."""
        return f"fold {self.folder.name.removeprefix('fold')}"

    def is_news(self, line: str) -> bool:
        """Whether a line that its process printed says what nobody else does: not which stages are up to date, and not
        why it ended (`why`)."""
        return bool(line) and not re.fullmatch(r"\w+: up to date|train:|(error: |interrupted;).*", line)

    def is_of_epoch(self, line: str) -> bool:
        """Whether a line says what an epoch came to."""
        return line.startswith(f"{self.name}, epoch ")

    def titled(self, line: str) -> str:
        """A line of its process, with the title of the work in front."""
        is_named = re.match(rf"{self.name}\b", line)
        return f"{self.title}{line[len(self.name) :]}" if is_named else f"{self.title}: {line}"


def why(status: int, errors: list[str]) -> str:
    """Why a process failed, in one line, by its exit status and what it printed to stderr; blank where it did not."""
    if status == 0:
        return ""
    if status == -signal.SIGKILL:
        return "it was killed, as the system does where memory is exhausted; do fewer at a time, or less with each"
    if status < 0:
        return f"it was ended by the signal {signal.Signals(-status).name}"
    last = next((line for line in reversed(errors) if line.strip()), f"it ended with {status} and said nothing")
    return last.removeprefix("error: ")


def of(job: Job, fold, epochs: int, of_several: bool = False) -> Work:
    """A fold of a job. `of_several`: runs, so that its title names the run, too."""
    words = [job.competition.name, "train", "--fold", str(fold), f"--run={job.store.run}"]
    words += ["--again"] * job.again + ["--wait"] * job.wait
    words += ["--on-bad-image", job.on_bad_image] if job.on_bad_image else []
    words += ["--devices", str(job.devices)] if job.devices > 1 else []
    title = f"{job.store.run} fold {fold}" if of_several else f"fold {fold}"
    return Work(title, tuple(words), job.store.root, job.data, job.store.fold(fold), epochs, job.devices)
