"""What the notebook of the tool `kernel` does on Kaggle's machine: it learns the run that was packed with the code, and
leaves what came of it as the notebook's output.

The notebook's output folder holds runs/<c>/<run>/ and submissions/ as a root does, and `session.json`, written last,
which says what they are. Data and folds lie elsewhere and are gone with the machine.
"""

import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError, shown
from pipeline.packing import code
from pipeline.store import disk, fold_table
from pipeline.store.paths import Store
from pipeline.store.prepared import Prepared

TOLD = "session.json"  # beside the code: what is to be done; in the output: what came of it
SECONDS = 11.5 * 3600  # of a session, which Kaggle ends after 12 hours: then what is learnt is brought into safety
GRACE = 600  # seconds from asking the training to end to ending it
KINDS = ("train", "test")  # of data whose fingerprints must be those of the machine that packed
# a path that is the same in each session: a checkpoint holds it
PRETRAINED = "pretrained"


@dataclass(frozen=True)
class Session:
    """One session, as the pack tells it.

    Attributes:
        told: competition, run, words (of the command), folds (the table's name), data and fold_table (fingerprints),
            earlier (`USER/SLUG` that goes on here, or blank), pretrained (file, owner/slug and SHA-256, or None), pack.
        given: the folder below which Kaggle mounts what may be read. output: what is kept of the machine.
        root: where the pipeline works; data and folds go there, gigabytes that are no output.
        until: when it must be over, in seconds of `time.monotonic`.
    """

    told: dict
    given: Path
    output: Path
    root: Path
    until: float

    @property
    def store(self) -> Store:
        return Store(self.root, self.told["competition"], self.told["run"])


def learn(given: str, output: str, root: str, seconds: float = SECONDS) -> None:
    """Does what the pack beside this code says, in folders as `Session` has them.

    Raises UserError, after leaving what there is: the data is not that of the machine that packed, an earlier output is
    not there, or the pipeline refused or failed.
    """
    told = disk.read_json(_code() / TOLD)
    session = Session(told, Path(given), Path(output), Path(root), time.monotonic() + seconds)
    status, error = 1, ""
    try:
        words = [*told["words"], "--root", str(session.root), *_arrange(session)]
        earlier = ["--continue-from", str(_earlier(session))] if told["earlier"] else []
        status, error = _run(session, [words[0], "split", *words[1:]])
        if not status:
            _check_data(session)
            status, error = _run(session, [*words, *earlier, "--jobs", "auto"])
    except UserError as found:
        error = str(found)
        raise
    finally:
        _leave(session, status, error)
    if status and not _is_over(session):
        raise UserError(f"the pipeline ended with {status}: {error or 'see above'}")


def _code() -> Path:
    return Path(code.__file__).parents[2]


def _arrange(session: Session) -> list[str]:
    """Makes the root, of which runs and submissions are in the output. Returns the words for pretrained weights."""
    root, here = session.root, _code()
    root.mkdir(parents=True, exist_ok=True)
    for name in ("runs", "submissions"):
        (session.output / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).exists():
            (root / name).symlink_to(session.output / name)
    shutil.copytree(here / "folds", root / "folds", dirs_exist_ok=True)
    pretrained = session.told["pretrained"]
    if not pretrained:
        return []
    owner, _, slug = pretrained["dataset"].partition("/")
    file = _mounted(session, f"datasets/{owner}/{slug}", slug, pretrained["file"])
    target = root / PRETRAINED / pretrained["file"]
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(file, target)
    if disk.file_hash(target) != pretrained["hash"]:
        raise UserError(f"{file} is not the file of weights that was packed")
    return ["--weights", str(target)]


def _earlier(session: Session) -> Path:
    owner, _, slug = session.told["earlier"].partition("/")
    runs = f"runs/{session.told['competition']}/{session.told['run']}"
    return _mounted(session, f"notebooks/{owner}/{slug}", slug, runs).parents[2]


def _mounted(session: Session, place: str, older: str, name: str) -> Path:
    """A file or folder of a source, which Kaggle mounts at one of two places. Raises UserError."""
    found = [session.given / folder / name for folder in (place, older)]
    path = next((path for path in found if path.exists()), None)
    if path is None:
        raise UserError(f"neither {found[0]} nor {found[1]} is there: Kaggle has not mounted what was packed")
    return path


def _check_data(session: Session) -> None:
    """Raises UserError where what is prepared here is not what was prepared there: what is learnt would be refused."""
    prepared = Prepared(session.store.prepared)
    other = [kind for kind in KINDS if prepared.fingerprint(kind) != session.told["data"][kind]]
    if other:
        raise UserError(
            f"the {' and '.join(other)} data on Kaggle is not what the machine has that packed this: read the same "
            "files there, as Kaggle gives them"
        )
    table = fold_table.read(session.root / "folds" / session.told["folds"], prepared)
    if table.fingerprint() != session.told["fold_table"]:
        raise UserError("the folds on Kaggle are not those that were packed")


def _run(session: Session, words: list[str]) -> tuple[int, str]:
    """(exit status, the error it ended with or blank) of the pipeline, whose lines are printed as they come; at the end
    of the session it is asked to end."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "pipeline", *words],
        env={**os.environ, "PYTHONPATH": str(_code())},
        cwd=session.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    timer = threading.Timer(max(0.0, session.until - time.monotonic()), _end, [process])
    timer.daemon = True
    timer.start()
    error = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        error = line.removeprefix("error: ").strip() if line.startswith("error: ") else error
    timer.cancel()
    return process.wait(), error


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def _is_over(session: Session) -> bool:
    return time.monotonic() >= session.until


def left(path: Path, store: Store) -> dict:
    """What a session of a run has left, as its session.json says (`_leave`).

    Raises UserError where it says less, or names files that are not of the run: they would be put anywhere.
    """
    kinds = {"pack": str, "finished": bool, "cut_off": bool, "error": str, "data": dict, "pretrained": str}
    found = disk.read_fields(path, **kinds, files=dict)
    others = [name for name in found["files"] if not _is_kept(name, store)]
    if others:
        raise UserError(f"{path} names {shown(others)}, which is no file of run '{store.run}': nothing is brought back")
    return found


def _is_kept(name: str, store: Store) -> bool:
    """Whether a file of the output, as it is called below that, is of the run, and whole."""
    run, answers = f"runs/{store.competition}/{store.run}/", f"submissions/{store.competition}-{store.run}"
    half = any(not part or part.startswith(".") or disk.is_part(part) for part in name.split("/"))
    return not half and name.isprintable() and name.startswith((run, f"{answers}.", f"{answers}/"))


def _leave(session: Session, status: int, error: str) -> None:
    """Writes what came of it, with the fingerprint of each file."""
    store, output = session.store, session.output
    kept = {}
    for path in sorted(path for folder in ("runs", "submissions") for path in (output / folder).rglob("*")):
        name = path.relative_to(output).as_posix()
        if path.is_file() and _is_kept(name, store):
            kept[name] = disk.file_hash(path)
    disk.write_json(
        output / TOLD,
        {
            "pack": session.told["pack"],
            "code": code.fingerprint(),
            "competition": store.competition,
            "run": store.run,
            "finished": status == 0,
            "cut_off": status != 0 and _is_over(session),
            "error": error,
            "data": session.told["data"],
            "pretrained": str(session.root / PRETRAINED / session.told["pretrained"]["file"])
            if session.told["pretrained"]
            else "",
            "files": kept,
        },
    )
