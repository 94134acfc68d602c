"""Files of safetensors: the length of a header, the header in JSON, then the numbers one after the other.

The format: huggingface.co/docs/safetensors.
"""

import json
import math
from pathlib import Path

from pipeline.models.pretrained.stored import BFLOAT16, NotTensors, Stored, c_strides, checked, itemsize

KINDS = {
    "F16": "<f2", "BF16": BFLOAT16, "F32": "<f4", "F64": "<f8", "I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8",
    "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
MOST = 100_000_000  # bytes of a header, as the format has it


def read(path: Path) -> dict[str, Stored]:
    """Name -> tensor, in the order of the header, which is not that of the layers. Raises NotTensors."""
    end = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(MOST, end - 8):
            raise NotTensors("it does not begin with the header of safetensors")
        text = file.read(length)
    try:
        header = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise NotTensors("its header is no JSON") from error
    if not isinstance(header, dict):
        raise NotTensors("its header is no table of tensors")
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    return {name: _tensor(name, entry, 8 + length, end) for name, entry in entries.items()}


def _tensor(name: str, entry: dict, base: int, end: int) -> Stored:
    try:
        kind, shape, (first, last) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        kind = KINDS[kind]
        whole = all(type(number) is int and number >= 0 for number in (*shape, first, last))
    except (KeyError, TypeError, ValueError) as error:
        raise NotTensors(f"{name} is described in a way that is not known") from error
    if not whole or last - first != math.prod(shape) * itemsize(kind):
        raise NotTensors(f"{name} is not as large as its shape")
    return checked(Stored(kind, shape, c_strides(shape), base + first), end)
