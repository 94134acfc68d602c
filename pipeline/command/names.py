"""The words there are: competitions, stages, tools. A file in the right folder is one; nothing else is told of it."""

import functools
import importlib
import traceback
from pathlib import Path

from pipeline import source
from pipeline.errors import UserError, not_installed

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


def is_of_every_run(name: str) -> bool:
    """Whether a tool is about all the runs of a competition, and says so (OF_EVERY_RUN)."""
    return bool(source.constant(f"tools/{name}", "OF_EVERY_RUN", False))


def is_of_runs_in_words(name: str) -> bool:
    """Whether a tool makes a run of those that it is given as words, and says so (OF_RUNS_IN_WORDS)."""
    return bool(source.constant(f"tools/{name}", "OF_RUNS_IN_WORDS", False))


def is_of_a_pack(name: str) -> bool:
    """Whether a tool runs from a pack, and says so (OF_A_PACK)."""
    return bool(source.constant(f"tools/{name}", "OF_A_PACK", False))


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
        found = getattr(importlib.import_module(f"pipeline.competitions.{name}"), "competition", None)
    except UserError as error:
        raise UserError(f"{where(name, error)}: {error}") from error
    except ModuleNotFoundError as error:
        if error.name in MOVED:
            line = f"import from {MOVED[error.name]} instead of {error.name}"
            raise UserError(f"{where(name, error)} was written for an earlier version: {line}") from error
        if not _imported_by(name, error):
            raise
        if (error.name or "").split(".")[0] == "pipeline":
            line = "which is no file of ours; docs/explanation/house.md says what is where"
            raise UserError(f"{where(name, error)} imports '{error.name}', {line}") from error
        raise UserError(f"{where(name, error)} imports {not_installed(error.name)}") from error
    except BaseException as error:
        # whoever writes a competition's file makes mistakes in it: a line says where
        if not source.is_mistake(error):
            raise
        raise UserError(f"{where(name, error)}: {source.in_words(error)}") from error
    from pipeline.competition import Competition

    if not isinstance(found, Competition):
        kind = "none" if found is None else f"one of the type {type(found).__name__}"
        raise UserError(
            f"pipeline/competitions/{name}.py wants a competition = Competition(…) at its end, and has {kind}"
        )
    if found.name != name:
        # two of one name would write over each other's files
        raise UserError(
            f"pipeline/competitions/{name}.py: name is '{found.name}'; it must be that of the file, '{name}'"
        )
    return found


def _imported_by(name: str, error: ImportError) -> bool:
    """Whether it is the competition's file itself that imports what is not there."""
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    ours = [frame for frame in frames if not frame.startswith("<frozen")]
    return bool(ours) and Path(ours[-1]) == _file_of(name)


def where(name: str, error: BaseException | None) -> str:
    """The file of a competition, and the line in it that an error comes from."""
    return source.place(_file_of(name), error)


def _file_of(name: str) -> Path:
    return source.PACKAGE / "competitions" / f"{name}.py"
