"""The only file that knows where files are: paths, atomic writes, and the record of what a file was made from.

A finished file is the only state. It is written under a temporary name that keeps its suffix (`x.part.npy`), flushed
to the disk and renamed. Beside it `<file>.inputs.json` records the fingerprints of what it was made from and the
hash of the file itself, so that a later start can tell apart: missing, current, stale, and `yours` (no record, or
changed since: made or edited by hand).
"""

import contextlib
import csv
import errno
import functools
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError


@dataclass(frozen=True)
class Store:
    """Where the files of one competition and one run are, below one root folder."""

    root: Path
    competition: str
    run: str = ""

    @property
    def data(self) -> Path:
        return self.root / "data" / self.competition

    @property
    def raw(self) -> Path:
        """Raw files as the competition gives them (`--data` replaces it)."""
        return self.data / "raw"

    @property
    def prepared(self) -> Path:
        return self.data / "prepared"

    def folds(self, count: int) -> Path:
        """The fold table: `folds/tgs.csv` for five folds, `folds/tgs-10.csv` for ten."""
        suffix = "" if count == 5 else f"-{count}"
        return self.root / "folds" / f"{self.competition}{suffix}.csv"

    @property
    def runs(self) -> Path:
        return self.root / "runs" / self.competition

    @property
    def run_folder(self) -> Path:
        return self.runs / self.run

    def fold(self, fold) -> Path:
        """The only folder that training fold `fold` (a number or `all`) writes to."""
        return self.run_folder / f"fold{fold}"

    @property
    def recipe(self) -> Path:
        return self.run_folder / "recipe.json"

    def model_file(self, fold) -> Path | None:
        """What a fold has learnt: a network's weights, or what a model without weights has chosen; None before."""
        paths = [self.fold(fold) / name for name in ("model.weights.h5", "model.json")]
        return next((path for path in paths if path.exists()), None)

    @property
    def thresholds(self) -> Path:
        return self.run_folder / "thresholds.json"

    @property
    def tuning(self) -> Path:
        """What the threshold search saw, for the report: the ids of the images, surfaces and curves."""
        return self.run_folder / "tuning.npz"

    @property
    def report(self) -> Path:
        return self.run_folder / "report.html"

    @property
    def ablation(self) -> Path:
        """What variants of this run gain, one row each; the picture of it stands beside it."""
        return self.run_folder / "ablation.csv"

    @property
    def submission(self) -> Path:
        return self.root / "submissions" / f"{self.competition}-{self.run}.csv"

    @property
    def kaggle_output(self) -> Path | None:
        """Where a Kaggle notebook's submission must be; None on any other machine."""
        folder = Path("/kaggle/working")
        return folder / "submission.csv" if folder.is_dir() else None

    @property
    def ledger(self) -> Path:
        return self.root / "submissions" / "ledger.csv"

    def folds_holding(self, *names: str) -> list:
        """The folds of this run (numbers first, then `all`) whose folder holds all these files."""
        found = []
        for folder in self.run_folder.glob("fold*"):
            fold = folder.name.removeprefix("fold")
            if (fold == "all" or fold.isdigit()) and all((folder / name).exists() for name in names):
                found.append(fold if fold == "all" else int(fold))
        return sorted(found, key=lambda fold: (fold == "all", fold if fold != "all" else 0))

    def shown(self, path: Path) -> str:
        """A path as a person would type it: below the root without the root."""
        try:
            return str(Path(path).relative_to(self.root))
        except ValueError:
            return str(path)


@contextlib.contextmanager
def atomic(path: Path):
    """Yields a temporary path beside `path` with its suffix; renamed to `path` when the block ends well.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    path = Path(path)
    dots = path.name.split(".", 1)
    part = path.with_name(".part.".join(dots) if len(dots) > 1 else path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        if error.filename2 or error.errno in _DISK_ERRORS:
            raise UserError(f"cannot write {path}: {error.strerror}; make room or use --root DIR") from error
        raise
    finally:
        with contextlib.suppress(NotADirectoryError):
            part.unlink(missing_ok=True)


# what a user can mend; anything else is a bug of ours
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOTDIR, errno.EEXIST)


def write_text(path: Path, text: str) -> None:
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content) -> None:
    write_text(path, json.dumps(content, indent=1) + "\n")


def write_json_once(path: Path, content) -> None:
    """Of several processes that write this file the first one decides what is in it; none ever sees half of it."""
    own = path.with_name(f"{path.stem}.{os.getpid()}{path.suffix}")
    write_json(own, content)
    try:
        os.link(own, path)
    except FileExistsError:
        pass
    except OSError:
        # a file system without links
        if not path.exists():
            own.replace(path)
    finally:
        own.unlink(missing_ok=True)


def read_json(path: Path):
    """The content of a json file. Raises UserError when it is not json."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid json ({error}); mend or delete it") from error


def write_rows(path: Path, header: list[str], rows) -> None:
    """A csv file from rows; None is a blank field."""
    with atomic(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_hash(*texts) -> str:
    """A short fingerprint (16 hexadecimal digits) of a sequence of values that print alike when they are alike."""
    return hashlib.sha256("\x1f".join(str(text) for text in texts).encode()).hexdigest()[:16]


def record_path(path: Path) -> Path:
    return path.with_name(path.name + ".inputs.json")


@contextlib.contextmanager
def recorded(path: Path, inputs: dict):
    """`atomic`, with the record of inputs written beside the file.

    The old file goes first, then the record is put in place, then the file: killed anywhere between, the file is
    missing (and made again), never one that looks like the user's.
    """
    with atomic(path) as part:
        yield part
        stat = part.stat()
        content = {
            "output": file_hash(part),
            "size": stat.st_size,
            "modified_ns": stat.st_mtime_ns,
            "inputs": inputs,
        }
        path.unlink(missing_ok=True)
        write_json(record_path(path), content)


def read_record(path: Path) -> dict | None:
    """The record beside a file, or None when there is none or the file was changed since (it is the user's)."""
    record = record_path(path)
    if not path.exists() or not record.exists():
        return None
    content = read_json(record)
    if not isinstance(content, dict) or "inputs" not in content:
        return None
    stat = path.stat()
    untouched = (stat.st_size, stat.st_mtime_ns) == (content.get("size"), content.get("modified_ns"))
    if untouched or file_hash(path) == content.get("output"):
        return content
    return None


def state(path: Path, inputs: dict) -> str:
    """`missing`, `current`, `stale`, or `yours` (no record of ours, or changed since we wrote it)."""
    if not path.exists():
        return "missing"
    record = read_record(path)
    if record is None:
        return "yours"
    return "current" if record["inputs"] == inputs else "stale"


@functools.lru_cache(maxsize=256)
def _hash_of(path: Path, size: int, modified_ns: int) -> str:
    return file_hash(path)


def fingerprint(path: Path) -> str:
    """The hash of a file's content; read from its record where that is still true, otherwise computed."""
    record = read_record(path)
    if record:
        return record["output"]
    stat = path.stat()
    return _hash_of(path, stat.st_size, stat.st_mtime_ns)
