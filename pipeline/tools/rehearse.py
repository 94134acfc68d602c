"""--run R [--times 3] [--time-limit 30m] -> PASS, or what Kaggle would say of the packed notebook, and why.

    ./run.sh tgs rehearse --run quick                          packs the run where it is not yet, and tries it
    ./run.sh tgs rehearse --run quick --times 10 --time-limit 20m

A machine like Kaggle's is made: no network, /kaggle/input that cannot be written, memory and time that end. There lies
the pack beside a test part that nobody has seen: the known pictures several times under new ids, one of an odd size,
one of one channel, one of a single value, one damaged, the sample submission in another order, and no train part. The
cells of the pack's `notebook.ipynb` run as they are, yours where you have changed it, and what they write is checked as
Kaggle would: "Notebook Timeout", "Notebook Threw Exception", "Notebook Exceeded Memory", "Submission CSV Not Found",
"Submission Format Error", "Submission Scoring Error". Where there are no namespaces, what is not checked is said.
"""

import contextlib
import errno
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.command import order
from pipeline.errors import UserError
from pipeline.packing import answers, contents, notebook
from pipeline.rehearsal import cells, hidden, sandbox, verdict
from pipeline.runs.job import Job
from pipeline.store import disk
from pipeline.tools import infer, pack

TIMES = 3
HOURS = 9  # that a notebook has on Kaggle
MEMORY = 29 << 30  # bytes that it has there
OF_LIMIT = 0.94  # share of a limit that is asked for which infer may take


def run(job: Job | None, words: list[str], times: int = TIMES, time_limit: str = "") -> int:
    """Rehearses. Returns 0. Raises UserError with what Kaggle would say where it is not PASS."""
    if job is None or words:
        raise UserError("rehearse wants a competition and a run: ./run.sh tgs rehearse --run R [--times N]")
    limit = infer.seconds(time_limit)
    found = rehearsed(job, times, limit, MEMORY)
    if found.words != verdict.PASS:
        raise UserError(f"{found.words}: {found.why}")
    job.say(f"PASS: {found.why}")
    return 0


def rehearsed(job: Job, times: int, limit: float, memory: int) -> verdict.Verdict:
    """`limit`: seconds; 0 is what Kaggle gives. `memory`: bytes."""
    folder = _packed(job)
    raw = job.raw_folder()
    if raw is None:
        raise UserError(
            "rehearse makes a test part of the raw files, and there are none; name their folder with --data DIR"
        )
    isolated = sandbox.has_namespaces()
    if not isolated:
        job.say("no namespaces here: not checked is that it needs no network and does not write into /kaggle/input")
    with _room() as room:
        (room / "working").mkdir()
        (room / "input").mkdir()
        name = job.competition.slug.rsplit("/", 1)[-1] or job.competition.name
        made = hidden.write(job, raw, contents.remembered(job, raw), room / "input" / name, times)
        mounted = room / "input" / contents.metadata(job)["id"].rpartition("/")[2]
        # what cannot be kept from writing gets a copy
        mounted.symlink_to(folder) if isolated else shutil.copytree(folder, mounted)
        odd = ", ".join(made.odd.values()) or "nothing odd"
        job.say(f"a hidden test part of {len(made.expected.ids)} pictures, among them {odd}")
        for note in made.notes:
            job.say(note)
        script = _script(folder, room, limit, isolated)
        seconds = limit or HOURS * 3600.0
        ended = sandbox.run([sys.executable, *map(str, script)], room, seconds, memory, isolated)
        for line in ended.said.splitlines():
            job.say(f"  {line}")
        bounds = f"{memory / (1 << 30):.3g} GB by {ended.capped_by}"
        job.say(f"the notebook took {ended.seconds:.0f} s, and could have {bounds}")
        form = job.competition.format
        return verdict.of(ended, room / "working" / f"submission{form.suffix}", form, made.expected, seconds)


@contextlib.contextmanager
def _room() -> Iterator[Path]:
    """A folder that is gone afterwards. Raises UserError where there is no room for what is written there."""
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as place:
        try:
            yield Path(place)
        except OSError as error:
            # of several files that are copied the reasons are in a list
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) and not isinstance(error, shutil.Error):
                raise
            why = error.strerror or "not all could be copied"
            raise UserError(
                f"cannot write {place}: {why}; make room there, ask for fewer --times, or set TMPDIR to another place"
            ) from error


def _packed(job: Job) -> Path:
    """The folder of the run's pack, made where it is missing or of other files; a notebook that was edited stays."""
    folder = job.store.run_folder / "pack"
    order.bring_up_to_date(job, "tune")
    if contents.is_current(job, folder, answers.of(job)):
        job.say(f"{job.store.shown(folder)}: up to date")
    else:
        pack.make(job, folder)
    return folder


def _script(folder: Path, room: Path, limit: float, isolated: bool) -> list[Path]:
    """What runs the notebook's cells: the runner, and the cells in a file. Raises UserError where there is no
    notebook."""
    path = folder / contents.NOTEBOOK
    try:
        found = notebook.read(disk.read_text(path), path.name)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no notebook ({error}); delete it to have it written again") from error
    for number, cell in enumerate(found, 1):
        if magic := cells.unknown_magic(cell):
            raise UserError(
                f"{path}, cell {number}: {magic} is a command of Jupyter that the rehearsal cannot run as it "
                "does; write it in Python"
            )
    if limit:
        found = [cell.replace(f'"{contents.LIMIT}"', f'"{max(1, int(OF_LIMIT * limit))}s"') for cell in found]
    if not isolated:
        # its own folders in place of Kaggle's, which nobody may make here
        found = [cell.replace("/kaggle/", f"{room}/") for cell in found]
    (room / "cells.json").write_text(json.dumps(found), encoding="utf-8")
    return [Path(cells.__file__), room / "cells.json"]
