"""The words there are: competitions, stages, tools. A file in the right folder is one; nothing else is told of it."""

import functools
import importlib
import traceback
from pathlib import Path

from pipeline import source
from pipeline.errors import UserError

PROGRAM = "./run.sh"
# where files of ours went that a competition's file may have been written with
MOVED = {
    "pipeline.image_folders": "pipeline.raw.folders",
    "pipeline.mask_labels": "pipeline.raw.masks",
    "pipeline.raw_files": "pipeline.raw.files",
    "pipeline.submission": "pipeline.store.submission",
}


def competitions() -> list[str]:
    return source.modules("competitions")


def tools() -> list[str]:
    return source.modules("tools")


@functools.cache
def stages() -> tuple[str, ...]:
    """In the order in which they run: each after what it READS, and of two that read the same the one that is named
    first by who reads both."""
    reads = {name: _reads(name) for name in source.modules("stages")}
    found: list[str] = []

    def visit(name: str, way: tuple[str, ...] = ()) -> None:
        if name in way:
            raise UserError(f"pipeline/stages/{name}.py reads itself, by {' <- '.join([*way, name])}: change its READS")
        for other in reads[name]:
            visit(other, (*way, name))
        if name not in found:
            found.append(name)

    last = sorted(reads.keys() - {other for others in reads.values() for other in others})
    for name in [*last, *reads]:
        visit(name)
    return tuple(found)


def _reads(name: str) -> tuple[str, ...]:
    """Raises UserError where a stage's file does not say what it reads."""
    reads, known = source.constant(f"stages/{name}", "READS"), source.modules("stages")
    if not isinstance(reads, tuple) or not set(reads) <= set(known):
        raise UserError(f"pipeline/stages/{name}.py wants READS = (…,) at its top, of the stages {', '.join(known)}")
    return reads


def stage(name: str):
    return _module("stages", name, "is_current", "run")


def tool(name: str):
    return _module("tools", name, "run")


def _module(room: str, name: str, *wanted: str):
    """Raises UserError where a function is missing that it is called by."""
    missing = [function for function in wanted if function not in source.functions(f"{room}/{name}")]
    if missing:
        page = "docs/how-to/add-a-stage-or-tool.md"
        raise UserError(f"pipeline/{room}/{name}.py has no function {missing[0]}: see {page}")
    return importlib.import_module(f"pipeline.{room}.{name}")


def competition(name: str):
    """The object that a file of competitions/ fills in. Raises UserError: there is none, or a mistake in its file."""
    if name in stages() or name in tools():
        raise UserError(f"'{name}' wants a competition before it: {PROGRAM} tgs {name}")
    if name not in competitions():
        raise UserError(f"'{name}' is no competition; known are: {', '.join(competitions())}")
    try:
        return importlib.import_module(f"pipeline.competitions.{name}").competition
    except UserError as error:
        raise UserError(f"{where(name, error)}: {error}") from error
    except ModuleNotFoundError as error:
        if error.name in MOVED:
            line = f"import from {MOVED[error.name]} instead of {error.name}"
            raise UserError(f"{where(name, error)} was written for an earlier version: {line}") from error
        raise
    except Exception as error:
        # whoever writes a competition's file makes mistakes in it: a line says where
        raise UserError(f"{where(name, error)}: {type(error).__name__}: {error}") from error


def where(name: str, error: Exception | None) -> str:
    """The file of a competition, and the line in it that an error comes from."""
    path = source.PACKAGE / "competitions" / f"{name}.py"
    trace = traceback.extract_tb(error.__traceback__) if error else []
    frames = [frame for frame in trace if Path(frame.filename) == path]
    line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    return f"{path.relative_to(source.PACKAGE.parent)}" + (f", line {line}" if line else "")
