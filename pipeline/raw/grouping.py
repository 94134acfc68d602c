"""What no fold must tear apart, as `group=` of a reader says it: a pattern, a function of the name, or the folders."""

import re
from collections.abc import Callable

import numpy as np

from pipeline.errors import UserError
from pipeline.raw.images import WrongKind
from pipeline.raw.places.finding import Found

BY_FOLDER, BY_ITSELF = "folder", "repeated"

Group = str | Callable[[str], str] | None


def of_names(group: Group) -> Callable[[str, str], str]:
    """(id, part) -> group, blank where nothing is asked for. Raises UserError for a text that is no pattern."""
    if not group:
        return lambda name, part: ""
    return (lambda name, part: _text(group(name), name)) if callable(group) else _by_pattern(group)


def of_found(group: Group, found: Found) -> Callable[[str, str], str]:
    """The same of images in folders, which may be the groups. Of pages of one file the file's id is what is asked, and
    else the group."""
    if is_by_folder(group, found):
        return lambda name, part: found.folders[name] or found.files.get(name, "")
    if group in (None, BY_FOLDER, BY_ITSELF):
        return lambda name, part: found.files.get(name, "")
    of_name = of_names(group) if callable(group) else _by_pattern(group)
    return lambda name, part: of_name(found.files.get(name, name), part)


def is_by_folder(group: Group, found: Found) -> bool:
    wanted = group == BY_FOLDER or (group == BY_ITSELF and found.are_repeated)
    return wanted and len(set(found.folders.values())) > 1


def _by_pattern(group: str) -> Callable[[str, str], str]:
    """(id, part) -> group by a regular expression. Raises UserError."""
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise UserError(f"group={group!r} is no regular expression: {error}") from error
    if pattern.groups != 1:
        raise UserError(f"group={group!r} has {pattern.groups} groups; it needs one, in (): what the images share")

    def group_of(name: str, part: str) -> str:
        match = pattern.search(name)
        if not match and part == "train":
            raise UserError(f"group={group!r} does not match the image {name}; change it so that it matches every one")
        return match[1] if match else ""

    return group_of


def _text(group: str | int, name: str) -> str:
    """A group as text: a number is one, too. Raises WrongKind for anything else."""
    if isinstance(group, (int, np.integer)) and not isinstance(group, bool):
        return str(group)
    if not isinstance(group, str):
        raise WrongKind(f"group= gives {group!r} for the image {name}; it must be a text, blank where there is none")
    return group
