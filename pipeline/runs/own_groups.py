"""`folds/<c>-groups.csv`: groups of the user's own, for a competition whose images have none.

Images of one group are never split over folds, and standard errors are over groups, as with groups of the data. An
image that is not named is alone.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from pipeline.competition import Competition
from pipeline.errors import UserError, shown
from pipeline.store import disk
from pipeline.store.prepared import Prepared


def applied(prepared: Prepared, competition: Competition, path: Path) -> Prepared:
    """The same with these groups, where there is such a file.

    Raises UserError: the data has groups, the answer or the score is of whole groups (such groups would change what is
    asked), or the file names images that there are not, or one twice.
    """
    if not path.exists():
        return prepared
    if any(prepared.columns["group"]):
        raise UserError(f"{path}: the data has groups of its own, which say what a group is; delete the file")
    groups = _read(path, prepared.columns["id"])
    if competition.task.needs_groups or _changes_units(competition, prepared, groups):
        raise UserError(f"{path}: answers or scores are of whole groups here, and other groups would be another score")
    prepared.group_by(groups, disk.text_hash(*groups))
    return prepared


def described(prepared: Prepared, where: str) -> list[str]:
    """A line about them; none where there are none."""
    if not prepared.own_groups:
        return []
    sizes = Counter(prepared.columns["group"][row] for row in prepared.train)
    several = [size for size in sizes.values() if size > 1]
    return [f"groups of {where}: {sum(several)} train images in {len(several)} groups, every other image alone"]


def _read(path: Path, ids: list[str]) -> list[str]:
    """The group of each image; one that is not named is a group of its own."""
    columns = disk.read_columns(path, ["id", "group"])
    twice = [name for name, count in Counter(columns["id"]).items() if count > 1]
    if twice:
        raise UserError(f"{path}: {len(twice)} id(s) are there more than once: {shown(twice)}")
    named = dict(zip(columns["id"], columns["group"], strict=True))
    if unknown := sorted(named.keys() - set(ids)):
        raise UserError(f"{path}: {len(unknown)} id(s) are of no image: {shown(unknown)}; mend or delete it")
    taken = set(named.values())
    return [named.get(name) or _alone(name, taken) for name in ids]


def _alone(name: str, taken: set[str]) -> str:
    found = f"image {name}"
    while found in taken:
        found += "'"
    return found


def _changes_units(competition: Competition, prepared: Prepared, groups: list[str]) -> bool:
    names, count, official = prepared.columns["id"], len(groups), competition.official
    units = competition.metric.unit
    if not np.array_equal(units(np.array(groups, object), count), units(None, count)):
        return True
    if official is None:
        return False
    unit = official.unit_of
    return any(unit(name, group) != unit(name, "") for name, group in zip(names, groups, strict=True))
