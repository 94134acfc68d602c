"""A fingerprint of what scores and decodes: other code, another formula or another rule is another answer."""

import ast
import functools
import inspect
import sys
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path

from pipeline.competition import Competition
from pipeline.raw import reader
from pipeline.store import disk

PACKAGE = Path(__file__).parents[1]
ROOMS = ("tasks", "imaging")
# Every answer depends on these. What is added to the rooms later counts where it is used alone: a new metric must not
# make finished runs of other competitions stale.
EVERYWHERE = (
    *(
        f"tasks/{name}"
        for name in (
            "__init__",
            "ahead",
            "binary",
            "candidates",
            "instances",
            "multiclass",
            "multilabel",
            "scoring",
            "search",
            "task",
            "thresholds",
            "touching",
            "volume",
        )
    ),
    *(f"imaging/{name}" for name in ("metrics", "objects", "plateau", "rle")),
)


def fingerprint(competition: Competition) -> str:
    """Of the texts of EVERYWHERE, of the competition's metrics, task and `postprocess`, and of their files."""
    metric = competition.metric
    functions = [value for value in vars(metric).values() if callable(value)]
    parts = [metric.name, repr(competition.task), *map(_source, [*functions, *competition.also.values()])]
    texts = [_text(PACKAGE / f"{name}.py") for name in EVERYWHERE]
    # nothing is added where nothing is used that is not EVERYWHERE: what such a run has recorded stays true
    numbers = [repr(value) for name, value in vars(metric).items() if name != "name" and not callable(value)]
    official = [_held(competition.official)] if competition.official else []
    own = _postprocess(competition) if competition.postprocess else []
    return disk.text_hash(*parts, *texts, *numbers, *official, *own, *map(_text, _added(competition)))


def _postprocess(competition: Competition) -> list[str]:
    """Its code, what of its file that uses, and the values it holds."""
    function, held = competition.postprocess, []
    if isinstance(function, functools.partial):
        held, function = [function.args, function.keywords], function.func
    code = reader.statements(competition, "postprocess")
    held += [cell.cell_contents for cell in function.__closure__ or ()]
    return [*code, function.__qualname__, *map(_held, held)]


def _added(competition: Competition) -> list[Path]:
    """The files of ROOMS, none of EVERYWHERE, that its task, metrics and `postprocess` are from, and what these import
    there."""
    held = [part for one in (competition.metric, competition.official, competition.postprocess) for part in _parts(one)]
    first = [*type(competition.task).__mro__, *held]
    waiting, found = {module for value in first for module in _modules(value)}, set()
    while waiting:
        module = waiting.pop()
        path = PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")
        if _counts(module) and path not in found and path.exists():
            found.add(path)
            waiting |= _imported(path)
    return sorted(found)


def _counts(module: str) -> bool:
    package, room, *rest = [*module.split("."), "", ""][:4]
    return package == PACKAGE.name and room in ROOMS and f"{room}/{rest[0]}" not in EVERYWHERE and bool(rest[0])


def _parts(value) -> Iterable:
    """The classes of a value, and the functions it holds, also in what it holds."""
    if isinstance(value, functools.partial):
        yield from (value.func, *(part for held in (*value.args, *value.keywords.values()) for part in _parts(held)))
    elif isinstance(value, (tuple, list)):
        yield from (part for held in value for part in _parts(held))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from type(value).__mro__
        yield from (part for field in fields(value) for part in _parts(getattr(value, field.name)))
    elif callable(value):
        yield value


def _modules(value) -> set[str]:
    """Where a class or function is from; of a function elsewhere (in a competition's file) also what it names."""
    home = getattr(value, "__module__", None) or ""
    code = getattr(value, "__code__", None)
    if code is None or _counts(home):
        return {home}
    named = [value.__globals__.get(name) for name in code.co_names]
    inside = [getattr(one, "__name__" if inspect.ismodule(one) else "__module__", None) for one in named]
    return {home, *(module for module in inside if module in sys.modules)}


def _imported(path: Path) -> set[str]:
    """The modules that a file imports, at its top or within a function."""
    found = set()
    for node in ast.walk(ast.parse(_text(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _held(value) -> str:
    """What a dataclass holds, functions by their code."""
    if is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__name__} {[_held(getattr(value, field.name)) for field in fields(value)]}"
    if isinstance(value, (tuple, list)):
        return f"{[_held(one) for one in value]}"
    return _source(value) if callable(value) else repr(value)


def _source(function) -> str:
    """The code of a function, and the values it holds; of anything else what it prints as."""
    if isinstance(function, functools.partial):
        return f"{_source(function.func)} {function.args} {function.keywords}"
    try:
        held = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
        return f"{inspect.getsource(function)} {held}"
    except (TypeError, OSError):
        return repr(function)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
