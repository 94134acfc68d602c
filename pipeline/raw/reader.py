"""Which code reads a competition's raw files: fingerprints by which prepared data knows that it would be another now.

Of the competition's own file only what `read` calls and uses counts: recipes, titles and metrics change no image.
"""

import ast
import inspect
from pathlib import Path

from pipeline.competition import Competition
from pipeline.store.disk import text_hash


def file_of(competition: Competition) -> str:
    """The file whose `read` it is, as a person would name it."""
    path = _path(competition)
    return f"{path.parent.name}/{path.name}"


def own_code(competition: Competition) -> str:
    """Of `read`, of what of its file it uses, and of the task. Comments and line breaks count for nothing."""
    used = _used(competition)
    return text_hash(repr(competition.task), *(ast.unparse(used[name]) for name in sorted(used)))


def earlier_code(competition: Competition) -> tuple[str, ...]:
    """What `own_code` was of earlier files of this competition that read the same: what they prepared is still true.

    The file says it, as READ_ALIKE; whoever changes what `read` finds takes it away.
    """
    return tuple(vars(inspect.getmodule(_function(competition))).get("READ_ALIKE", ()))


def shared_code(competition: Competition) -> str:
    """Of the files of ours that `read` takes something from."""
    values = vars(inspect.getmodule(_function(competition)))
    used = [values[name] for name in _used(competition) if name in values]
    modules = {value if inspect.ismodule(value) else inspect.getmodule(value) for value in used}
    ours = {other for other in modules if other is not None and other.__name__.startswith("pipeline.")}
    paths = sorted({Path(inspect.getsourcefile(other)) for other in ours} - {_path(competition)})
    return text_hash(*(path.read_text(encoding="utf-8") for path in paths))


def _used(competition: Competition) -> dict[str, ast.AST]:
    """The statements at the top of the file of `read` that it needs, by the names that they give."""
    function = _function(competition)
    tree = ast.parse(_path(competition).read_text(encoding="utf-8"))
    defined = {name: node for node in tree.body for name in _names(node)}
    used: dict[str, ast.AST] = {}
    # what has no name of its own may be anywhere in the file
    waiting = [function.__name__] if function.__name__ in defined else list(defined)
    while waiting:
        name = waiting.pop()
        if name in defined and name not in used:
            used[name] = defined[name]
            waiting += [node.id for node in ast.walk(defined[name]) if isinstance(node, ast.Name)]
    return used


def _function(competition: Competition):
    # a functools.partial stands before what it calls
    return getattr(competition.read, "func", competition.read)


def _path(competition: Competition) -> Path:
    return Path(inspect.getsourcefile(_function(competition)))


def _names(node: ast.AST) -> list[str]:
    """What a statement at the top of a file gives a name to."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
