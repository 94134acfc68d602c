"""Reads the pickles in which PyTorch writes tensors, without unpickling them: nothing that they name is ever called.

`pickletools` splits a pickle into its opcodes. The few that make tables, lists, texts and numbers are followed here; a
name stays a name, and of the calls that a pickle asks for only those that stand in `_CALLS` have a meaning: they are
functions of this file, whatever lies behind their names elsewhere.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.models.pretrained.stored import NotTensors

MOST = 5_000_000  # opcodes; the largest networks have some ten thousand

_MARK = object()
_PLAIN = {
    "BINUNICODE", "SHORT_BINUNICODE", "SHORT_BINSTRING", "BINSTRING", "BININT", "BININT1", "BININT2", "LONG1",
    "BINFLOAT",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "MARK": _MARK}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(frozen=True)
class Name:
    """`module name` of what a pickle wants: only its text."""

    text: str


@dataclass(frozen=True)
class Storage:
    """Numbers that lie elsewhere in the file: of this type of PyTorch (`FloatStorage`), under this key, so many."""

    type: str
    key: str
    count: int


@dataclass(frozen=True)
class View:
    """A tensor: which numbers of a storage it is, in elements."""

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple


def read(file) -> tuple:
    """(what the next pickle of a file holds, every Storage that it names): tables, lists, texts, numbers, and a `View`
    for each tensor.

    Args: file: a map of it, so that nothing can be asked for that is not there; stands behind the pickle afterwards.
    Raises NotTensors for anything else.
    """
    stack: list = []
    memo: dict = {}
    storages: list[Storage] = []
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if count > MOST:
                raise NotTensors("its pickle is too long for one of tensors")
            if opcode.name == "STOP":
                break
            if opcode.name == "BINPERSID":
                storages.append(_storage(stack.pop()))
                stack.append(storages[-1])
                continue
            _step(opcode.name, argument, stack, memo)
        return stack.pop(), storages
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise NotTensors("its pickle is damaged") from error


def _step(opcode: str, argument, stack: list, memo: dict) -> None:
    if opcode in _PLAIN:
        stack.append(argument)
    elif opcode in _CONSTANTS:
        stack.append(_CONSTANTS[opcode])
    elif opcode in ("BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif opcode == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif opcode in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif opcode in _TUPLES:
        stack.append(tuple(_popped(stack, _TUPLES[opcode])))
    elif opcode not in ("PROTO", "FRAME"):
        if opcode not in _STEPS:
            raise NotTensors(f"its pickle holds {opcode}, which tensors have no need of{_last_name(stack)}")
        _STEPS[opcode](stack, argument)


def _popped(stack: list, count: int) -> list:
    """The last entries, taken away."""
    if count > len(stack):
        raise IndexError
    found = stack[len(stack) - count :]
    del stack[len(stack) - count :]
    return found


def _to_mark(stack: list) -> list:
    """The entries behind the last mark; they and the mark are taken away."""
    first = len(stack) - 1
    while stack[first] is not _MARK:
        first -= 1
        if first < 0:
            raise IndexError
    found = _popped(stack, len(stack) - first - 1)
    stack.pop()
    return found


def _name(stack: list, argument) -> None:
    stack.append(Name(argument))


def _name_of_two(stack: list, _) -> None:
    module, name = _popped(stack, 2)
    stack.append(Name(f"{module} {name}"))


def _set(stack: list, items: list) -> None:
    table = stack[-1]
    if type(table) is not dict or not all(type(key) in (str, int) for key in items[::2]):
        raise TypeError
    table.update(zip(items[::2], items[1::2], strict=True))


def _append(stack: list, items: list) -> None:
    if type(stack[-1]) is not list:
        raise TypeError
    stack[-1].extend(items)


def _storage(words: tuple) -> Storage:
    """`('storage', torch.FloatStorage, key, device, count)`; very old files name a part of another storage behind."""
    word, kind, key, _, count, *part = words
    module, _, name = kind.text.partition(" ")
    if word != "storage" or module != "torch" or part not in ([], [None]) or type(key) is not str:
        raise NotTensors("its numbers are stored in a way that is not known")
    if type(count) is not int or count < 0:
        raise TypeError
    return Storage(name, key, count)


def _call(stack: list, _) -> None:
    called, arguments = _popped(stack, 2)
    if not isinstance(called, Name) or called.text not in _CALLS:
        raise NotTensors(f"it wants to call something else than tensors{_last_name([called])}")
    stack.append(_CALLS[called.text](*arguments))


def _tensor(storage, offset, shape, strides, *_) -> View:
    if not isinstance(storage, Storage) or type(shape) is not tuple or type(strides) is not tuple:
        raise TypeError
    return View(storage, offset, shape, strides)


def _parameter(tensor, *_) -> View:
    return tensor


def _table(pairs=()) -> dict:
    """An OrderedDict, empty or, as Python 2 wrote it, from its pairs."""
    stack: list = [{}]
    _set(stack, [entry for key, value in pairs for entry in (key, value)])
    return stack[0]


def _last_name(stack: list) -> str:
    names = [entry.text for entry in stack if isinstance(entry, Name)]
    return f" ({names[-1].replace(' ', '.')[:100]!r})" if names else ""


_CALLS: dict[str, Callable] = {
    "collections OrderedDict": _table,
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
}

_STEPS: dict[str, Callable] = {
    "GLOBAL": _name,
    "STACK_GLOBAL": _name_of_two,
    "EMPTY_DICT": lambda stack, _: stack.append({}),
    "EMPTY_LIST": lambda stack, _: stack.append([]),
    "TUPLE": lambda stack, _: stack.append(tuple(_to_mark(stack))),
    "SETITEM": lambda stack, _: _set(stack, _popped(stack, 2)),
    "SETITEMS": lambda stack, _: _set(stack, _to_mark(stack)),
    "APPEND": lambda stack, _: _append(stack, _popped(stack, 1)),
    "APPENDS": lambda stack, _: _append(stack, _to_mark(stack)),
    "REDUCE": _call,
    # attributes of a table, as the versions of its layers: nothing that is needed
    "BUILD": lambda stack, _: stack.pop(),
}
