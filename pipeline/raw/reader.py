"""Which code is a competition's own: fingerprints by which prepared data knows that it would be read otherwise now.

Of the competition's own file only what `read` calls and uses counts: recipes, titles and metrics change no image.
"""

import ast
import inspect
from pathlib import Path

from pipeline.competition import Competition
from pipeline.errors import UserError
from pipeline.store.disk import text_hash


def file_of(competition: Competition) -> str:
    """The file whose `read` it is, as a person would name it."""
    path = _path(competition)
    return f"{path.parent.name}/{path.name}"


def own_code(competition: Competition) -> str:
    """Of `read`, of what of its file it uses, and of the task. Comments and line breaks count for nothing. Raises
    UserError where `read` is of no file."""
    return text_hash(repr(competition.task), *statements(competition, "read"))


def statements(competition: Competition, field: str) -> list[str]:
    """The code of a competition's function (`read`, `postprocess`), and of what of its file that uses; comments and
    line breaks count for nothing. Raises UserError where it is of no file."""
    used = _used(competition, field)
    return [ast.unparse(used[name]) for name in sorted(used)]


def shared_code(competition: Competition) -> str:
    """Of the files of ours that `read` takes something from."""
    values = vars(inspect.getmodule(_function(competition)))
    used = [values[name] for name in _used(competition) if name in values]
    modules = {value if inspect.ismodule(value) else inspect.getmodule(value) for value in used}
    ours = {other for other in modules if other is not None and other.__name__.startswith("pipeline.")}
    paths = sorted({Path(inspect.getsourcefile(other)) for other in _with_imports(ours)} - {_path(competition)})
    return text_hash(*(path.read_text(encoding="utf-8") for path in paths))


def _with_imports(modules: set) -> set:
    """These and the files of `raw/` that they build on: a change in how names are matched is one in `read_folders`."""
    found, waiting = set(modules), list(modules)
    while waiting:
        for value in vars(waiting.pop()).values():
            other = value if inspect.ismodule(value) else inspect.getmodule(value)
            if other is not None and other not in found and other.__name__.startswith("pipeline.raw."):
                found.add(other)
                waiting.append(other)
    return found


def _used(competition: Competition, field: str = "read") -> dict[str, ast.AST]:
    """The statements at the top of the file of a function that it needs, by the names that they give."""
    function = _function(competition, field)
    tree = ast.parse(_path(competition, field).read_text(encoding="utf-8"))
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


def _function(competition: Competition, field: str = "read"):
    # a functools.partial stands before what it calls
    found = getattr(competition, field)
    return getattr(found, "func", found)


def _path(competition: Competition, field: str = "read") -> Path:
    """Raises UserError for what no file holds, of which nobody could tell whether it has changed."""
    try:
        found = inspect.getsourcefile(_function(competition, field))
    except TypeError:
        found = None
    if found is None:
        raise UserError(
            f"pipeline/competitions/{competition.name}.py: {field} is {getattr(competition, field)!r}; it must be a "
            f"function of a file: def {field}(…): …"
        )
    return Path(found)


def _names(node: ast.AST) -> list[str]:
    """What a statement at the top of a file gives a name to."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
