"""How a file of ours is written and read: whole or not at all.

A finished file is the only state. It is written under a temporary name that keeps its suffix (`x.part.npy`), flushed
to the disk and renamed.
"""

import contextlib
import csv
import errno
import hashlib
import json
import os
from pathlib import Path

from pipeline.errors import UserError


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
