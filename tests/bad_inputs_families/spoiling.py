"""Ways to spoil a file, whatever is in it; and a csv, a json file, a NumPy file."""

import io
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

Spoil = Callable[[Path], None]


def in_place(name: str, change: Callable[[Path], None]) -> Spoil:
    """Changes the file `name` below a root."""
    return lambda root: change(root / name)


def written(content: bytes) -> Callable[[Path], None]:
    """Puts other bytes in a file's place."""

    def change(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content)

    return change


def kept(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Changes the bytes that are there."""
    return lambda path: written(change(path.read_bytes()))(path)


def as_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def as_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def as_link_to_nothing(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("nowhere")


def as_link_to_itself(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def as_device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/null")


PLACES = {
    "a folder in its place": as_folder,
    "a pipe in its place": as_pipe,
    "a link to nothing in its place": as_link_to_nothing,
    "a link to itself in its place": as_link_to_itself,
    "a device in its place": as_device,
}


def any_bytes() -> Iterator[tuple[str, bytes]]:
    """Bytes that are of no format."""
    yield "nothing in it", b""
    yield "a NUL", b"\0"
    yield "many NULs", b"\0" * 5000
    yield "a blank line", b"\n"
    yield "not UTF-8", b"\xff\xfe\xfa"
    yield "Latin-1", "grün,é\n1,2\n".encode("latin-1")
    yield "UTF-16", "id,fold\na,1\n".encode("utf-16")
    yield "noise", random.Random(1).randbytes(3000)
    yield "a picture", b"\x89PNG\r\n\x1a\n" + random.Random(2).randbytes(200)
    yield "a zip", b"PK\x03\x04" + random.Random(3).randbytes(200)
    yield "a page", b"<!DOCTYPE html><html><body>404</body></html>"
    yield "a conflict", b"<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n"


def json_texts() -> Iterator[tuple[str, bytes]]:
    """What is no json, or json of another form."""
    yield from (("null", b"null"), ("a number", b"3"), ("a text", b'"x"'), ("a list", b"[]"), ("true", b"true"))
    yield from (("half of it", b'{"a": '), ("two of it", b"{}{}"), ("an empty object", b"{}"), ("NaN", b"NaN"))
    yield "a list of lists", b"[[[]]]"
    yield "nested deep", b"[" * 200_000
    yield "objects nested deep", b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    yield "a number of 5000 digits", b'{"a": ' + b"9" * 5000 + b"}"
    yield "a key twice", b'{"a": 1, "a": 2}'
    yield "a key of a megabyte", json.dumps({"k" * 1_000_000: 1}).encode()
    yield "a lone surrogate", b'{"\\ud800": "\\ud800"}'
    yield "trailing comma", b'{"a": 1,}'
    yield "single quotes", b"{'a': 1}"


VALUES = {
    "null": None,
    "true": True,
    "a text": "x",
    "a blank text": "",
    "a list": [],
    "an object": {},
    "minus one": -1,
    "a huge number": 10**30,
    "infinite": float("inf"),
    "not a number": float("nan"),
    "a list of lists": [[[]]],
    "a long text": "x" * 5000,
    "a NUL": "\0",
}


def with_value(keys: tuple, value) -> Callable[[bytes], bytes]:
    """The json with another value in one place."""

    def change(content: bytes) -> bytes:
        found = place = json.loads(content)
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        return json.dumps(found).encode()

    return change


def without(keys: tuple) -> Callable[[bytes], bytes]:
    """The json without one of its names."""

    def change(content: bytes) -> bytes:
        found = place = json.loads(content)
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]
        return json.dumps(found).encode()

    return change


def csv_changes() -> Iterator[tuple[str, bool, Callable[[bytes], bytes]]]:
    """(what, whether it is fine after all, the change) of a csv of at least two rows."""

    def lines(change):
        return lambda content: b"\n".join(change(content.rstrip(b"\n").split(b"\n"))) + b"\n"

    def field(column, value):
        def change(rows):
            fields = rows[1].split(b",")
            fields[column] = value
            return [rows[0], b",".join(fields), *rows[2:]]

        return lines(change)

    yield "the header alone", False, lines(lambda rows: rows[:1])
    yield "no header", False, lines(lambda rows: rows[1:])
    yield "the header twice", False, lines(lambda rows: [rows[0], *rows])
    yield "a row twice", False, lines(lambda rows: [*rows, rows[1]])
    yield "the last row missing", False, lines(lambda rows: rows[:-1])
    yield "half of the last row", False, lambda content: content[: -len(content.split(b"\n")[-2]) // 2 - 1]
    yield "cut off in the middle", False, lambda content: content[: len(content) // 2]
    yield "a row with one field more", False, lines(lambda rows: [*rows[:-1], rows[-1] + b",1"])
    yield "every row with one field more", False, lines(lambda rows: [rows[0], *(row + b",1" for row in rows[1:])])
    yield "a row with one field less", False, lines(lambda rows: [*rows[:-1], rows[-1].rpartition(b",")[0]])
    yield "a column less", False, lines(lambda rows: [row.partition(b",")[2] for row in rows])
    yield "a column twice", False, lines(lambda rows: [row + b"," + row.partition(b",")[0] for row in rows])
    yield "columns in other words", False, lines(lambda rows: [rows[0].upper() + b"x", *rows[1:]])
    yield "columns turned", False, lines(lambda rows: [b",".join(row.split(b",")[::-1]) for row in rows])
    yield "semicolons", False, lambda content: content.replace(b",", b";")
    yield "tabs", False, lambda content: content.replace(b",", b"\t")
    yield "carriage returns alone", True, lambda content: content.replace(b"\n", b"\r")
    yield "lines of Windows", True, lambda content: content.replace(b"\n", b"\r\n")
    yield "a mark of UTF-8", True, lambda content: b"\xef\xbb\xbf" + content
    yield "blank lines between", True, lambda content: content.replace(b"\n", b"\n\n")
    yield "no line end at its end", True, lambda content: content.rstrip(b"\n")
    yield "a quote that does not end", False, lines(lambda rows: [rows[0], b'"' + rows[1], *rows[2:]])
    yield "a quote in the middle", False, lines(lambda rows: [rows[0], rows[1][:3] + b'"' + rows[1][3:], *rows[2:]])
    yield "a NUL in a row", False, lines(lambda rows: [rows[0], rows[1][:3] + b"\0" + rows[1][3:], *rows[2:]])
    yield "a NUL in the header", False, lambda content: b"\0" + content
    yield "Latin-1 in a row", False, lines(lambda rows: [rows[0], b"\xe9" + rows[1], *rows[2:]])
    yield "UTF-16", False, lambda content: content.decode().encode("utf-16")
    yield "a field of a megabyte", False, lines(lambda rows: [rows[0], b"x" * 1_000_000 + rows[1], *rows[2:]])
    yield "a thousand columns", False, lines(lambda rows: [row + b",x" * 1000 for row in rows])
    yield "blanks around fields", False, lambda content: content.replace(b",", b" , ")
    yield "rows in another order", False, lines(lambda rows: [rows[0], *rows[:0:-1]])
    yield "another id", False, field(0, b"nobody")
    yield "a blank id", False, field(0, b"")
    for value in (b"x", b"-7", b"1.5", b"1e400", b"9" * 30, b"nan", b"", b"0x10", b"=1+1", "١".encode()):
        for column in (1, -1):
            which = "second" if column == 1 else "last"
            yield f"{value.decode() or 'nothing'} in the {which} column", False, field(column, value)


def array_changes() -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Ways to spoil an .npy file."""
    for share in (0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.999):
        yield f"cut off at {share:.1%}", kept(lambda content, share=share: content[: int(len(content) * share)])
    for length in (1, 6, 8, 9, 10, 64, 127, 128, 129):
        yield f"cut off after {length} bytes", kept(lambda content, length=length: content[:length])
    yield "one byte more", kept(lambda content: content + b"\0")
    yield "one byte less", kept(lambda content: content[:-1])
    for dtype in ("float32", "int64", "bool", "uint16", "complex64", "<U3", "V3"):
        yield f"of {dtype}", _array(lambda values, dtype=dtype: np.zeros(len(values), dtype))
    yield "two-dimensional", _array(lambda values: values[None])
    yield "Fortran's order", _array(lambda values: np.asfortranarray(values[: len(values) // 2 * 2].reshape(2, -1)))
    yield "a single number", _array(lambda values: np.array(7, np.uint8))
    yield "no values", _array(lambda values: values[:0])
    yield "one value more", _array(lambda values: np.append(values, values[:1]))
    yield "one value less", _array(lambda values: values[:-1])
    yield "a record type", _array(lambda values: np.zeros(len(values), [("a", "u1")]))
    yield "a pickle", _pickled
    yield "an archive of arrays", _archive
    for number in (2, 3, 9):
        yield f"version {number}", kept(lambda content, number=number: content[:6] + bytes([number]) + content[7:])
    for text in ("{", "{}", "[1]", "1", "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}", "(" * 3000):
        yield f"the header {text[:50]}", written(_headed(text))
    huge = "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,), }"
    yield "a huge shape", written(_headed(huge))
    yield "a shape that overflows", written(_headed(huge.replace("9" * 20 + ",", "4294967296, 4294967296,")))
    yield "a header that is code", written(_headed("__import__('os').abort()"))
    yield "an unknown type", written(_headed("{'descr': 'zz', 'fortran_order': False, 'shape': (3,), }"))
    yield "noise behind the header", kept(lambda content: content[:128] + random.Random(4).randbytes(100))


def _headed(text: str) -> bytes:
    line = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + b"\1\2\3"


def _array(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def changed(path: Path) -> None:
        file = io.BytesIO()
        np.lib.format.write_array(file, change(np.load(path)), allow_pickle=False)
        written(file.getvalue())(path)

    return changed


def _pickled(path: Path) -> None:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}, None], object), allow_pickle=True)
    written(file.getvalue())(path)


def _archive(path: Path) -> None:
    file = io.BytesIO()
    np.savez(file, a=np.zeros(3))
    written(file.getvalue())(path)


def removed(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
