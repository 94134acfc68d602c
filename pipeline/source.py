"""What a file of ours defines, read from its text: names and meanings without importing what the file needs."""

import ast
import contextlib
import functools
import os
import re
import traceback
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError

PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Function:
    """A function at the top of a file.

    Attributes:
        parameters: their names, in order.
        meaning: the first sentence of its docstring.
        marks: its decorators that are called with one text: name -> text (`@like("dice")`).
    """

    parameters: tuple[str, ...]
    meaning: str
    marks: dict[str, str]


def modules(room: str) -> list[str]:
    """The files of a room (`models/encoders`), sorted, but those that begin with an underscore."""
    return sorted(path.stem for path in (PACKAGE / room).glob("*.py") if not path.stem.startswith("_"))


def docstring(module: str) -> str:
    """Of `stages/tune`: the whole text at its top."""
    return ast.get_docstring(_tree(module)) or ""


def meaning(module: str) -> str:
    """Of `models/unet`: the first line of its docstring."""
    return docstring(module).partition("\n")[0]


def constant(module: str, name: str, default=None):
    """The value that a file gives to a name at its top, where that is spelled out; else the default."""
    for node in _tree(module).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
            return ast.literal_eval(node.value)
    return default


def functions(module: str, *first: str) -> dict[str, Function]:
    """The public functions at the top of a file whose first parameters are these, in the order of the file."""
    nodes = [node for node in _tree(module).body if isinstance(node, ast.FunctionDef)]
    found = {node.name: _read(node) for node in nodes if not node.name.startswith("_")}
    return {name: function for name, function in found.items() if function.parameters[: len(first)] == first}


def place(path: Path, error: BaseException | None) -> str:
    """`pipeline/competitions/mine.py, line 7`: a file, and the last line of it that an error went through."""
    trace = traceback.extract_tb(error.__traceback__) if error else []
    frames = [frame for frame in trace if Path(frame.filename) == path]
    line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    shown = path.relative_to(PACKAGE.parent) if path.is_relative_to(PACKAGE.parent) else path
    return f"{shown}" + (f", line {line}" if line else "")


def added_file(error: BaseException) -> Path | None:
    """The file that an error came through and that a user wrote: of a competition, else one outside of the package that
    was not installed; None where there is none, so that the mistake is ours."""
    frames = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    of_competitions = [path for path in frames if path.parent == PACKAGE / "competitions"]
    installed = Path(os.__file__).parent
    others = [
        path
        for path in frames
        if not path.is_relative_to(PACKAGE)
        and not path.is_relative_to(installed)
        and not {"site-packages", "dist-packages"} & set(path.parts)
        and path.exists()
    ]
    return next(reversed(of_competitions or others), None)


def is_mistake(error: BaseException) -> bool:
    """Whether an error tells of a mistake: not Ctrl-C or a signal, which may arrive in anybody's line."""
    if isinstance(error, (Exception, SystemExit)):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    raised_there = bool(frames) and Path(frames[-1].filename).parent == PACKAGE / "competitions"
    return raised_there and not isinstance(error, KeyboardInterrupt)


@contextlib.contextmanager
def of_the_user(what: str):
    """Raises UserError, with the line, for a mistake in what the user wrote; any other is ours, and stays as it is."""
    try:
        yield
    except UserError:
        raise
    except BaseException as error:
        if not is_mistake(error):
            raise
        path = added_file(error)
        # a function that cannot even be called as it is: no line of its own has run
        calls = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
        if path is None and not (isinstance(error, TypeError) and len(calls) == 1):
            raise
        where = place(path, error) if path else what
        raise UserError(f"{where}: {in_words(error)} (in {what}); mend the competition's file") from error


def in_words(error: BaseException) -> str:
    """`KeyError: 'a'`; of an exception that cannot say anything its kind alone."""
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)
    except Exception:  # somebody's own, with a mistake in it
        text = ""
    return f"{type(error).__name__}: {text}".rstrip(": ")


def _read(node: ast.FunctionDef) -> Function:
    sentences = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
    calls = [mark for mark in node.decorator_list if isinstance(mark, ast.Call) and len(mark.args) == 1]
    return Function(
        parameters=tuple(argument.arg for argument in node.args.args),
        meaning=re.split(r"\. (?=[A-Z])", sentences)[0].rstrip("."),
        marks={ast.unparse(mark.func): ast.literal_eval(mark.args[0]) for mark in calls},
    )


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
