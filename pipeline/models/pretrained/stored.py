"""One tensor that lies in a file: what it is, and where."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# as NumPy spells them; it has no bfloat16, which is the upper half of a float32
BFLOAT16 = "bfloat16"
KINDS = ("<f2", "<f4", "<f8", "<i1", "<i2", "<i4", "<i8", "|u1", "|b1", BFLOAT16)


class NotTensors(Exception):
    """A file, or a part of it, is nothing that is read here; the message says why, after a `:`."""


@dataclass(frozen=True)
class Stored:
    """A tensor in a file.

    Attributes:
        kind: of KINDS.
        shape, strides: in elements; strides as PyTorch has them, so that also what was turned is read rightly.
        start: of its first element, in bytes from the start of the file.
    """

    kind: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    start: int

    @property
    def span(self) -> int:
        """Elements from its first to its last."""
        if 0 in self.shape:
            return 0
        return 1 + sum((side - 1) * stride for side, stride in zip(self.shape, self.strides, strict=True))

    def read(self, path: Path) -> np.ndarray:
        """As float32, C-ordered. Raises NotTensors for numbers that are not finite."""
        raw = np.fromfile(path, "<u2" if self.kind == BFLOAT16 else self.kind, self.span, offset=self.start)
        if len(raw) < self.span:
            raise NotTensors("it ends in the middle of a tensor")
        numbers = (raw.astype("<u4") << 16).view("<f4") if self.kind == BFLOAT16 else raw.astype("<f4")
        # of a side of 1 a stride means nothing
        steps = [stride * 4 if side > 1 else 0 for side, stride in zip(self.shape, self.strides, strict=True)]
        found = np.array(np.lib.stride_tricks.as_strided(numbers, self.shape, steps), order="C")
        if not np.isfinite(found).all():
            raise NotTensors("it holds numbers that are NaN or infinite")
        return found


def checked(tensor: Stored, end: int) -> Stored:
    """Raises NotTensors unless a tensor lies within the first `end` bytes of its file, each element once."""
    whole = (tensor.start, *tensor.shape, *tensor.strides)
    if len(tensor.shape) != len(tensor.strides) or not all(type(n) is int and n >= 0 for n in whole):
        raise NotTensors("the shape of a tensor is none")
    size = itemsize(tensor.kind)
    # no stride of 0, with which a byte would become as many as a file asks for
    if math.prod(tensor.shape) > tensor.span or tensor.start + tensor.span * size > end:
        raise NotTensors("a tensor is larger than what is stored of it")
    return tensor


def itemsize(kind: str) -> int:
    """Bytes of an element."""
    return 2 if kind == BFLOAT16 else np.dtype(kind).itemsize


def c_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of a tensor whose last axis runs fastest."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
