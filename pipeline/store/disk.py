"""How a file of ours is written and read: whole or not at all.

A finished file is the only state. It is written under a temporary name of the process's own that keeps its suffix,
flushed to the disk and renamed.
"""

import codecs
import contextlib
import csv
import ctypes
import errno
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import tokenize
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import UserError

# what NumPy raises where a file holds no array of its
BROKEN_ARRAYS = (OSError, ValueError, EOFError, TypeError, SyntaxError, ArithmeticError, tokenize.TokenError)


@contextlib.contextmanager
def atomic(path: Path):
    """Yields a temporary path beside `path`, of this process alone, with its suffix; it gets its name when the block
    ends well.

    Raises:
        UserError: the disk is full, the folder cannot be written, what stands there is no file, or a text in it is not
            UTF-8 (a file's name that is not, as Python reads it).
    """
    path = Path(path)
    part = part_of(path)
    try:
        refuse_no_file(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except UnicodeEncodeError as error:
        odd = error.object[max(0, error.start - 20) : error.end + 20]
        raise UserError(f"cannot write {path}: {odd!a} is not UTF-8; rename what is called so") from error
    except OSError as error:
        if error.filename2 or error.errno in _DISK_ERRORS:
            raise UserError(f"cannot write {path}: {error.strerror}; make room or use --root DIR") from error
        raise
    finally:
        # what cannot be removed must not hide why
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(folder: Path):
    """Yields a temporary folder beside `folder`, which takes its place as a whole when the block ends well; until then,
    and where it does not, the old one is as it was."""
    part = part_of(folder)
    try:
        with as_user_error(folder):
            _refuse_no_folder(folder)
            part.mkdir(parents=True)
        yield part
        with as_user_error(folder):
            _exchange(part, folder)
    finally:
        # what was made, or what stood there before
        shutil.rmtree(part, ignore_errors=True)


def restore_folder(folder: Path) -> None:
    """Brings back the old folder where a process was killed between taking it away and putting the new one there."""
    before = _before(folder)
    if before.exists() and not folder.exists():
        before.rename(folder)
    elif before.exists():
        shutil.rmtree(before, ignore_errors=True)


def is_replaced(folder: Path) -> bool:
    """Whether it is what stood in the place of another that is there: a process was killed as it exchanged them."""
    return folder.suffix == ".before" and folder.with_suffix("").exists()


def _before(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.before")


def _exchange(part: Path, folder: Path) -> None:
    """Gives `part` the name `folder`, and what stood there the name `part`."""
    if not folder.exists():
        part.rename(folder)
    elif not _exchanged_at_once(part, folder):
        before = _before(folder)
        shutil.rmtree(before, ignore_errors=True)
        folder.rename(before)
        part.rename(folder)
        before.rename(part)


def _exchanged_at_once(one: Path, other: Path) -> bool:
    """Whether the system could exchange two names in one step (Linux's renameat2, on most of its file systems)."""
    exchange = getattr(ctypes.CDLL(None), "renameat2", None)
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return exchange is not None and exchange(here, os.fsencode(one), here, os.fsencode(other), swap) == 0


@contextlib.contextmanager
def as_user_error(path: Path):
    """Raises UserError where what is done to `path` fails."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; make room or use --root DIR") from error


def part_of(path: Path) -> Path:
    """A name beside `path` that no other process takes, with its suffix: `x.part-4711-0a1b2c.npy`."""
    name, dot, suffix = path.name.partition(".")
    return path.with_name(f"{name}.part-{os.getpid()}-{secrets.token_hex(3)}{dot}{suffix}")


def is_part(name: str) -> bool:
    """Whether a file's name is such a temporary one."""
    return bool(_PART.search(name))


def remove_parts(folder: Path, process: int) -> None:
    """Removes what a process that is gone has left half-written in a folder."""
    for path in folder.glob(f"*.part-{process}-*"):
        if is_part(path.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


_PART = re.compile(r"\.part-[0-9]+-[0-9a-f]{6}(\.|$)")
# what a user can mend; anything else is a bug of ours
_DISK_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)


def write_text(path: Path, text: str) -> None:
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content) -> None:
    write_text(path, json.dumps(content, indent=1) + "\n")


def write_json_once(path: Path, content) -> None:
    """Of several processes that write this file the first one decides what is in it; none ever sees half of it."""
    own = part_of(path)
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


def refuse_no_file(path: Path) -> None:
    """Raises UserError for what stands in a file's place: a pipe would be waited for, and a device replaced."""
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no file; move it away")


def _refuse_no_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is no folder; move it away")


def read_bytes(path: Path) -> bytes:
    """The one door through which files of ours are read, and those in their place. Raises UserError where it fails."""
    path = Path(path)
    try:
        refuse_no_file(path)
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def read_text(path: Path) -> str:
    """The same as UTF-8, with or without its mark. Raises UserError when it is something else."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not text in UTF-8 ({error.reason} at byte {error.start}); mend or delete it"
        ) from error


def read_json(path: Path, kind: type = dict):
    """The content of a json file. Raises UserError when it is not json, or of another form."""
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid json ({error}); mend or delete it") from error
    if not isinstance(content, kind):
        form = "a list […]" if kind is list else "an object {…}"
        raise UserError(f"{path} is not {form}; mend or delete it")
    return content


def read_fields(path: Path, **kinds: type) -> dict:
    """The content of a json file of an object that has these fields, each of its type; it may have others. Raises
    UserError where it has not."""
    content = read_json(path)
    for name, kind in kinds.items():
        if not isinstance(content.get(name), kind):
            raise UserError(f"{path} has no '{name}' of type {kind.__name__}; mend or delete it")
    return content


def read_rows(path: Path, *wanted: str) -> list[dict[str, str]]:
    """The rows of a csv file by the names of its columns; blank lines are left out. Raises UserError when it is none,
    lacks one of the wanted columns, or a row has more or fewer fields than there are names."""
    header, rows = _own_table(path)
    missing = [name for name in wanted if name not in header]
    if missing:
        raise UserError(f"{path} has no column '{missing[0]}'; mend or delete it")
    return [dict(zip(header, row, strict=True)) for row in rows if row]


def read_columns(path: Path, names: list[str]) -> dict[str, list[str]]:
    """The columns of a csv file that has just these. Raises UserError like `read_rows`, and for others."""
    header, rows = _own_table(path)
    if header != names:
        raise UserError(f"{path} has the columns {','.join(header)[:80]}; expected {','.join(names)}")
    columns = zip(*(row for row in rows if row), strict=True)
    return dict(zip(names, map(list, columns), strict=False)) or {name: [] for name in names}


def _own_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """`table_of` for a file of ours: what is wrong with it can be mended by hand, or made again."""
    content = read_bytes(path)
    try:
        return table_of(content, str(path))
    except UserError as error:
        raise UserError(f"{error}; mend or delete it") from error


def table_of(content: bytes, where: str) -> tuple[list[str], list[list[str]]]:
    """(names, rows) of a csv file's bytes; a blank line is a row without fields. `where` names them in errors.

    Raises UserError: packed, not UTF-8, not a csv, nothing in it, or a row with more or fewer fields than there are
    names (pandas would take the first field for an index, or make up the last).
    """
    if odd := next((said for begins, said in _NO_CSV.items() if content.startswith(begins)), None):
        raise UserError(f"{where} is not a csv: {odd}")
    try:
        header, *rows = _rows_of(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{where} is not a csv: {error}") from error
    except ValueError as error:
        raise UserError(f"{where} is not a csv: there is nothing in it") from error
    for number, row in enumerate(rows, 2):
        if row and len(row) != len(header):
            raise UserError(f"{where}, row {number}: {len(row)} field(s) under {len(header)} names")
    return header, rows


# what bytes begin with that are no text in UTF-8
_NO_CSV = {
    b"PK\x03\x04": "it is a zip, or a workbook of Excel's; unpack it, or save it as csv",
    b"\x1f\x8b": "it is packed with gzip; unpack it",
    b"7z\xbc\xaf": "it is packed with 7z; unpack it",
    b"\xfd7zXZ": "it is packed with xz; unpack it",
    codecs.BOM_UTF16_LE: "it is text in UTF-16; save it as UTF-8",
    codecs.BOM_UTF16_BE: "it is text in UTF-16; save it as UTF-8",
}


def _rows_of(text: str) -> Iterable[list[str]]:
    """The fields of each line of a csv, none of a blank one. Raises csv.Error."""
    lines = text.replace("\r\n", "\n")
    if '"' in lines or "\r" in lines:
        # a field may be as long as a picture's run lengths
        csv.field_size_limit(2**31 - 1)
        return csv.reader(io.StringIO(text, newline=""), strict=True)
    # without quotes a csv is what lies between commas, which takes a tenth of the time
    return [line.split(",") if line else [] for line in lines.removesuffix("\n").split("\n")] if lines else []


def read_arrays(path: Path) -> dict:
    """The arrays of an npz file by their names. Raises UserError where it is none; nothing in a file is ever run."""
    import zipfile
    import zlib

    import numpy as np

    # a zip of another version or method is not implemented; one that is encrypted a RuntimeError
    broken = (*BROKEN_ARRAYS, KeyError, AttributeError, RuntimeError, zipfile.BadZipFile, zlib.error)
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as file:
            return dict(file)
    except broken as error:
        raise UserError(
            f"{path} holds no arrays that can be read ({error}); delete it to have it made again"
        ) from error


def write_rows(path: Path, header: list[str], rows) -> None:
    """A csv file from rows; None is a blank field."""
    with atomic(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        # Python before 3.13 leaves a carriage return bare, which would end the line when it is read
        quoting = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(header)
        for row in rows:
            returns = any(isinstance(value, str) and "\r" in value for value in row)
            (quoting if returns else writer).writerow(row)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits. Raises UserError where it cannot be read."""
    path = Path(path)
    try:
        refuse_no_file(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def text_hash(*texts) -> str:
    """A short fingerprint (16 hexadecimal digits) of a sequence of values that print alike when they are alike."""
    # names of files need not be UTF-8
    content = "\x1f".join(map(str, texts)).encode(errors="surrogatepass")
    return hashlib.sha256(content).hexdigest()[:16]
