"""Files of `torch.save`: a zip with a pickle, and a file for the numbers of each storage.

Before PyTorch 1.6: pickles one after the other, and all numbers behind them.
"""

import io
import mmap
import struct
import zipfile
from pathlib import Path

from pipeline.models.pretrained import pickled
from pipeline.models.pretrained.stored import BFLOAT16, NotTensors, Stored, checked, itemsize

KINDS = {
    "HalfStorage": "<f2", "BFloat16Storage": BFLOAT16, "FloatStorage": "<f4", "DoubleStorage": "<f8",
    "CharStorage": "<i1", "ShortStorage": "<i2", "IntStorage": "<i4", "LongStorage": "<i8", "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}  # fmt: skip
# what an old file begins with, and the number of its form
MAGIC, FORM = 0x1950A86A20F9469CFC6C, 1001
# under which a training keeps the tensors, beside its epoch and more
INSIDE = ("state_dict", "model_state_dict", "model")
MOST = 64 << 20  # bytes of the pickle in a zip; the tensors themselves lie beside it


def read(path: Path) -> dict[str, Stored]:
    """Name -> tensor, in the order in which the network has them. Raises NotTensors."""
    end = path.stat().st_size
    if not end:
        raise NotTensors("it is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found, starts = _of_zip(file, content) if content[:2] == b"PK" else _of_pickles(content)
    views = {name: value for name, value in _tensors(found).items() if isinstance(value, pickled.View)}
    return {name: _stored(view, starts, end) for name, view in views.items()}


def _of_zip(file: io.BufferedReader, content: mmap.mmap) -> tuple:
    """(what the pickle holds, storage key -> where its bytes start)."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            pickle = next((name for name in entries if name.endswith("data.pkl") and name.count("/") == 1), None)
            if pickle is None:
                raise NotTensors("it is a zip, but none of torch.save")
            folder = pickle.removesuffix("data.pkl")
            _refuse_others(entries, folder, archive)
            packed = archive.read(pickle)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise NotTensors("it is a damaged zip") from error
    inside = f"{folder}data/"
    names = [name for name in entries if name.startswith(inside)]
    starts = {name.removeprefix(inside): _start(content, entries[name]) for name in names}
    return pickled.read(io.BytesIO(packed))[0], starts


def _refuse_others(entries: dict, folder: str, archive: zipfile.ZipFile) -> None:
    """Raises NotTensors for a zip that is packed, as torch.save's are not, or whose numbers begin with their end."""
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
        raise NotTensors("it is a compressed zip, which torch.save does not write")
    if entries[f"{folder}data.pkl"].file_size > MOST:
        raise NotTensors("its pickle is too long for one of tensors")
    order = entries.get(f"{folder}byteorder")
    if order and (order.file_size > 10 or archive.read(order) != b"little"):
        raise NotTensors("its bytes are not in little order")


def _start(content: mmap.mmap, entry: zipfile.ZipInfo) -> int:
    """Where the bytes of an entry start: behind its own header, whose two last parts have lengths of their own."""
    header = content[entry.header_offset : entry.header_offset + 30]
    if len(header) < 30:
        raise NotTensors("it is a damaged zip")
    return entry.header_offset + 30 + sum(struct.unpack("<HH", header[26:]))


def _of_pickles(content: mmap.mmap) -> tuple:
    """As `_of_zip`. The pickles: a magic number, the form, the machine, the tensors, the keys of their storages."""
    if content[:1] != b"\x80" or pickled.read(content)[0] != MAGIC or pickled.read(content)[0] != FORM:
        raise NotTensors("it was not written by torch.save")
    machine, _ = pickled.read(content)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise NotTensors("its bytes are not in little order")
    found, storages = pickled.read(content)
    keys, _ = pickled.read(content)
    sizes = {storage.key: _bytes(storage) for storage in storages}
    starts, position = {}, content.tell()
    for key in keys if isinstance(keys, list) else []:
        if key not in sizes:
            raise NotTensors("it holds numbers of which it does not say what they are")
        # their count stands before them
        starts[key] = position + 8
        position += 8 + sizes[key]
    return found, starts


def _tensors(found) -> dict:
    """The table of tensors, which may lie inside of another."""
    for name in INSIDE:
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
            break
    if not isinstance(found, dict) or not any(map(_is_view, found.values())):
        raise NotTensors("it holds no table of tensors (save the state_dict() of a network)")
    return found


def _is_view(value) -> bool:
    return isinstance(value, pickled.View)


def _bytes(storage: pickled.Storage) -> int:
    if storage.type not in KINDS:
        raise NotTensors(f"it holds numbers of a kind that is not read ({storage.type[:40]})")
    return storage.count * itemsize(KINDS[storage.type])


def _stored(view: pickled.View, starts: dict, end: int) -> Stored:
    storage = view.storage
    if storage.key not in starts:
        raise NotTensors("it lacks numbers that it names")
    size = _bytes(storage)
    kind, first = KINDS[storage.type], starts[storage.key]
    if type(view.offset) is not int or view.offset < 0:
        raise NotTensors("the shape of a tensor is none")
    tensor = Stored(kind, view.shape, view.strides, first + view.offset * itemsize(kind))
    return checked(tensor, min(end, first + size))
