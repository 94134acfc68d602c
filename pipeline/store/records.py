"""What a file was made from: the record beside it, by which a later start tells what is still true.

`<file>.inputs.json` holds the fingerprints of what a file was made from and the hash of the file itself. So a file is
missing, current, stale, or `yours` (no record, or changed since: made or edited by hand).
"""

import contextlib
import functools
from pathlib import Path

from pipeline.errors import UserError
from pipeline.store.disk import atomic, file_hash, read_json, write_json


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
    if not isinstance(content.get("inputs"), dict) or not isinstance(content.get("output"), str):
        return None
    stat = path.stat()
    untouched = (stat.st_size, stat.st_mtime_ns) == (content.get("size"), content.get("modified_ns"))
    if untouched or file_hash(path) == content.get("output"):
        return content
    return None


def update(path: Path, inputs: dict) -> None:
    """Writes other inputs into the record of a file that stays as it is; where that cannot be written, nothing."""
    record = read_record(path)
    if record:
        with contextlib.suppress(UserError):
            write_json(record_path(path), {**record, "inputs": inputs})


def is_yours(path: Path) -> bool:
    """Whether a file was made or edited by hand: it has no record of ours, or was changed since."""
    return path.exists() and read_record(path) is None


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
