"""What a person sees of work that is done elsewhere: a bar for each fold, fed by its history.csv; lines."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Sequence

from tqdm import tqdm

from pipeline.errors import UserError
from pipeline.machines.work import Work
from pipeline.training import history

SECONDS = 1.0  # from one look at history.csv to the next


class Bars:
    """Quiet when there is no terminal; then the lines of the epochs are said instead.

    Args: say: where lines go.
    """

    def __init__(self, works: Sequence[Work], say: Callable[[str], None]):
        self.width = max(len(work.title) for work in works)
        self.terminal = sys.stderr.isatty()
        self.at_it: dict[Work, tuple[tqdm, float]] = {}
        self._say = say

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for bar, _ in self.at_it.values():
            bar.close()

    def say(self, line: str, file=None) -> None:
        """A line, above the bars."""
        if self.terminal:
            tqdm.write(line, file=file or sys.stdout)
        elif file is None:
            self._say(line)
        else:
            print(line, file=file, flush=True)

    def begin(self, work: Work) -> None:
        total, title = work.epochs or None, work.title.ljust(self.width)
        bar = tqdm(total=total, desc=title, unit="epoch", disable=not self.terminal)
        self.at_it[work] = bar, time.time()

    def end(self, work: Work) -> None:
        self._look(work)
        bar, _ = self.at_it.pop(work)
        bar.close()

    async def follow(self) -> None:
        """Keeps the bars true until it is cancelled."""
        while True:
            self.look()
            await asyncio.sleep(SECONDS)

    def look(self) -> None:
        """Makes the bars true."""
        for work in list(self.at_it):
            self._look(work)

    def pass_on(self, work: Work, line: str, is_error: bool = False) -> None:
        """A line that a process has printed, or its error."""
        if work.is_news(line) and not (self.terminal and work.is_of_epoch(line)):
            self.say(work.titled(line), sys.stderr if is_error else None)

    def _look(self, work: Work) -> None:
        bar, begun = self.at_it[work]
        path = work.folder / history.NAME
        if not self.terminal:
            return
        # of a file that is damaged its own process says so; one that is not there may be any moment, or be gone
        with contextlib.suppress(UserError, OSError):
            if work.is_again and path.stat().st_mtime < begun:
                return
            rows = history.read(work.folder)
            bar.update(len(rows) - bar.n)
            if rows:
                bar.set_postfix_str(history.in_words(rows[-1]))
