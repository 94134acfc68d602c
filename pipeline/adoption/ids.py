"""Ids that another program wrote, and which image of ours each of them is."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.adoption import words
from pipeline.adoption.arrays import Arrays
from pipeline.errors import UserError, shown
from pipeline.raw.places.names import PICTURES, unpadded
from pipeline.store import disk

ENDINGS = (".npy", ".txt", ".csv")
_COLUMNS = ("id", "ids", "image_id", "imageid", "image", "img", "name", "filename", "file", "case")
# what programs put behind the name of the image that they answer
_BEHIND = ("_pred", "_preds", "_prob", "_probs", "_mask", "_oof", "_seg", "_0000")


def of_array(values: np.ndarray, where: str) -> list[str]:
    """Texts or whole numbers, one for each picture. Raises UserError for anything else."""
    if values.dtype.kind == "S":
        try:
            values = np.char.decode(values, "utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{where} holds ids that are not UTF-8 ({error}); save them as texts") from error
    if values.dtype.kind not in "Uiu" or values.ndim != 1:
        raise UserError(f"{where} holds {values.dtype} of shape {values.shape}, not one id for each picture")
    return [str(value) for value in values.tolist()]


def of_file(path: Path) -> list[str]:
    """One id for each row of a npy, a text, or a csv (its column `id`, else the first). Raises UserError."""
    if path.suffix.lower() == ".npy":
        return of_array(Arrays(path)[""], str(path))
    if path.suffix.lower() == ".txt":
        return [line.strip() for line in disk.read_text(path).splitlines() if line.strip()]
    header, rows = disk.table_of(disk.read_bytes(path), str(path))
    column = next((i for i, name in enumerate(header) if name.strip().lower() in _COLUMNS), None)
    found = [row[column or 0] for row in rows if row]
    # without the names of columns the first row is an id, too
    return found if column is not None else [header[0], *found]


def beside(near: list[Path], path: Path, name: str, count: int) -> tuple[list[str], list[Path]]:
    """(ids, the file that they are from): the one beside it that is called so, and is of no other fold.

    Args: near: such files in its folder. name: its own below the folder of all. count: of its pictures.

    Raises UserError where there is none, or several say other ids.
    """
    near = [other for other in near if words.fold_of(other.name) in (None, words.fold_of(name))]
    same = [other for other in near if other.stem.lower().startswith(f"{path.stem.lower()}_")]
    same = same or [other for other in near if (words.role_of(other.name), words.fold_of(other.name)) == _said(name)]
    same = same or [other for other in near if not words.role_of(other.name)]
    if not same:
        raise UserError(
            f"{path} holds no ids, and there are none beside it; save them with it, numpy.savez(path, predictions=…, "
            f"ids=…), or write {path.stem}_ids.txt, one a line in the order of the pictures"
        )
    found = {other: of_file(other) for other in same}
    fitting = [other for other in same if len(found[other]) == count] or same[:1]
    if any(found[other] != found[fitting[0]] for other in fitting):
        raise UserError(
            f"{path} has several files of ids beside it: {shown([other.name for other in fitting])}; keep the one that "
            "is in the order of its pictures"
        )
    return found[fitting[0]], fitting[:1]


def _said(name: str) -> tuple[str, int | None]:
    return words.role_of(name.rpartition("/")[2]), words.fold_of(name.rpartition("/")[2])


def renamed(path: Path) -> dict[str, str]:
    """Their id -> ours, from a csv `theirs,ours`. Raises UserError where it is another table, or names one twice."""
    header, rows = disk.table_of(disk.read_bytes(path), str(path))
    if header != ["theirs", "ours"]:
        raise UserError(f"{path} has the columns {','.join(header)[:80]}; --names wants theirs,ours")
    pairs = [tuple(row) for row in rows if row]
    for column, word in enumerate(header):
        twice = [name for name, count in Counter(pair[column] for pair in pairs).items() if count > 1]
        if twice:
            raise UserError(f"{path}: the column {word} holds {len(twice)} name(s) twice: {shown(twice)}")
    return dict(pairs)


def matched(theirs: list[str], ours: list[str], names: dict[str, str], where: str) -> tuple[list[str], str]:
    """(our id for each of theirs, by what rule where they are not the same).

    The first rule counts by which each of theirs is one of ours, and no two are the same.

    Args: ours: the ids that may be meant. names: `renamed`, or empty.

    Raises UserError where no rule fits, naming ids that nothing fits.
    """
    twice = [name for name, count in Counter(theirs).items() if count > 1]
    if twice:
        raise UserError(f"{where}: {len(twice)} id(s) are there more than once: {shown(twice)}; keep one of each")
    rules = {"as --names says": names.get} if names else _RULES
    worst: list[str] = []
    for said, rule in rules.items():
        by_key = _keyed(ours, rule if not names else lambda name: name)
        keys = [rule(name) for name in theirs]
        found = [by_key.get(key) for key in keys]
        lost = [name for name, own in zip(theirs, found, strict=True) if own is None]
        if not lost and len(set(found)) == len(found):
            return found, said
        worst = lost if not worst or (lost and len(lost) < len(worst)) else worst
    what = f"{len(worst)} of {len(theirs)} ids are of no such image: {shown(worst)}" if worst else "ids are ambiguous"
    raise UserError(
        f"{where}: {what}; ours are called {shown(ours, 2)}: name them by --names FILE.csv with the columns theirs,ours"
    )


def _keyed(ours: list[str], rule: Callable[[str], str]) -> dict[str, str]:
    """What a rule makes of our ids; what it makes of several is none's."""
    counts = Counter(map(rule, ours))
    return {rule(name): name for name in ours if counts[rule(name)] == 1}


def _same(name: str) -> str:
    return name


def _without_ending(name: str) -> str:
    """The last word of a path, without the ending of a picture or an array."""
    base = name.replace("\\", "/").rpartition("/")[2]
    ending = next((end for end in (*PICTURES, ".npy", ".npz") if base.lower().endswith(end)), "")
    return base[: len(base) - len(ending)]


def _bare(name: str) -> str:
    base = _without_ending(name)
    behind = next((end for end in _BEHIND if base.lower().endswith(end)), "")
    return base[: len(base) - len(behind)] if behind else base


# what is said -> what is compared
_RULES: dict[str, Callable[[str], str]] = {
    "": _same,
    "without folders and endings": _without_ending,
    f"without {', '.join(_BEHIND)} behind them": _bare,
    "without zeros before numbers": lambda name: unpadded(_bare(name)),
}
