"""What a run has made: a hash of every result file, to compare a run that was disturbed with one that was not."""

import csv
import hashlib
import io
from pathlib import Path

FOLDERS = ("data", "folds", "runs", "submissions")
# these hold times, or what of the machine the run was made on
LEFT_OUT = (".lock", ".inputs.json", "environment.json", "report.html")
SECONDS = "seconds"  # the column of history.csv that is of the clock


def results(root: Path) -> dict[str, str]:
    """Name -> SHA-256. What is left half-written has a name, too, and so shows as a difference."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_file() and not name.endswith(LEFT_OUT):
                found[name] = _hash(path)
            elif ".part-" in path.name or path.name.endswith(".before"):
                found[name] = "half-written"
    return found


def _hash(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha256(_without_seconds(content) if path.name == "history.csv" else content).hexdigest()


def _without_seconds(content: bytes) -> bytes:
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    return repr([[value for name, value in row.items() if name != SECONDS] for row in rows]).encode()


def differing(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    """The names of files that are others, missing, or too many."""
    names = sorted(wanted.keys() | found.keys())
    return [name for name in names if wanted.get(name) != found.get(name)]


def not_there(root: Path) -> list[str]:
    """What has no hash to compare, but must be there: the page, the environment of each fold, the records."""
    wanted = ["report.html", "environment.json", "prepared.json.inputs.json", "thresholds.json.inputs.json"]
    return [name for name in wanted if next(root.rglob(name), None) is None]
