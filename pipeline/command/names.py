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
    reads = {name: source.constant(f"stages/{name}", "READS") for name in source.modules("stages")}
    found: list[str] = []

    def visit(name: str) -> None:
        for other in reads[name]:
            visit(other)
        if name not in found:
            found.append(name)

    for last in sorted(reads.keys() - {other for others in reads.values() for other in others}):
        visit(last)
    return tuple(found)


def stage(name: str):
    return importlib.import_module(f"pipeline.stages.{name}")


def tool(name: str):
    return importlib.import_module(f"pipeline.tools.{name}")


def competition(name: str):
    """The object that a file of competitions/ fills in. Raises UserError: there is none, or a mistake in its file."""
    if name not in competitions():
        raise UserError(f"'{name}' is no competition; known are: {', '.join(competitions())}")
    try:
        return importlib.import_module(f"pipeline.competitions.{name}").competition
    except UserError:
        raise
    except ModuleNotFoundError as error:
        if error.name in MOVED:
            line = f"import from {MOVED[error.name]} instead of {error.name}"
            raise UserError(f"{where(name, error)} was written for an earlier version: {line}") from error
        raise
    except Exception as error:
        # whoever writes a competition's file makes mistakes in it: a line says where
        raise UserError(f"{where(name, error)}: {type(error).__name__}: {error}") from error


def where(name: str, error: Exception) -> str:
    """The file of a competition, and the line in it that an error comes from."""
    path = source.PACKAGE / "competitions" / f"{name}.py"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    return f"{path.relative_to(source.PACKAGE.parent)}" + (f", line {line}" if line else "")
