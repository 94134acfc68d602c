"""The project's own files that run it, copied into a folder: what a machine needs that has the packages."""

import shutil
from pathlib import Path

from pipeline import source
from pipeline.store import disk

# programs, and the pages and styles that they fill in
SUFFIXES = (".py", ".html", ".css", ".txt")


def files() -> list[Path]:
    """Of the package, sorted, below its parent (`pipeline/recipe.py`): the competitions that were added, too; nothing
    that is hidden, half-written, or made by Python."""
    root = source.PACKAGE.parent
    found = (path.relative_to(root) for path in source.PACKAGE.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    return sorted(path for path in found if not any(map(_is_left_out, path.parts)))


def copy_into(folder: Path) -> list[Path]:
    """Copies them into a folder, where `python -m pipeline` then starts; returns them as `files` does. Raises UserError
    where they cannot be written."""
    found = files()
    for path in found:
        with disk.as_user_error(folder / path):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            # the content alone: what is read-only here may be replaced there
            shutil.copyfile(source.PACKAGE.parent / path, folder / path)
    return found


def fingerprint() -> str:
    """Of all of it: the same wherever the same code stands."""
    root = source.PACKAGE.parent
    return disk.text_hash(*(f"{path.as_posix()} {disk.file_hash(root / path)}" for path in files()))


def _is_left_out(name: str) -> bool:
    return name.startswith((".", "__pycache__")) or disk.is_part(name)
