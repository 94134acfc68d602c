"""Ids that another program wrote, and which image of ours each of them is."""

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.adoption import words
from pipeline.adoption.arrays import Arrays
from pipeline.errors import UserError, shown
from pipeline.raw.places.names import PICTURES, tokens_of, unpadded
from pipeline.store import disk
from pipeline.store.mending import INDEX

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


def of_file(path: Path, count: int) -> dict[str, list[str]]:
    """One id for each row of a npy, a text, or a csv: of this all columns, the likeliest first. Raises UserError.

    Args: count: of pictures.
    """
    if path.suffix.lower() == ".npy":
        return {"": of_array(Arrays(path)[""], str(path))}
    if path.suffix.lower() == ".txt":
        return {"": [line.strip() for line in disk.read_text(path).splitlines() if line.strip()]}
    header, rows = disk.table_of(disk.read_bytes(path), str(path))
    header, *rows = _apart([header, *(row for row in rows if row)])
    # where there is a row for each picture beside it, or it is called so, the first row is no id
    called = any(name.strip().lower() in _COLUMNS for name in header)
    if len(rows) != count and not called and (len(rows) + 1 == count or not any(map(_is_known, header))):
        rows, header = [header, *rows], [""] * len(header)
    # as pandas calls them
    names = [name or f"Unnamed: {i}" for i, name in enumerate(header)]
    if len(set(names)) < len(names):
        raise UserError(f"{path} has two columns of one name ({shown(names)}); rename or remove one")
    return {
        names[i]: [row[i] for row in rows] for i in sorted(range(len(names)), key=lambda i: not _is_known(names[i]))
    }


def _apart(rows: list[list[str]]) -> list[list[str]]:
    """The fields of each row, where they are not separated by commas."""
    for separator in (";", "\t"):
        found = [row[0].split(separator) for row in rows if len(row) == 1]
        if len(found) == len(rows) and {len(row) for row in found} == {len(found[0])} != {1}:
            return found
    return rows


def _is_known(column: str) -> bool:
    """Whether a column is called as those are that hold ids: `id`, `image_name`, `ImageId`."""
    return column.strip().lower() in _COLUMNS or tokens_of(column.strip())[-1:] in [[name] for name in _COLUMNS]


def column_of(columns: dict[str, list[str]], groups: list[list[str]], names: dict[str, str], where: str) -> str:
    """The one column whose values are ids of ours, each of another image; the first one where none are.

    Args: columns: of a csv, as `of_file` gives them. groups: ids of ours that may be meant together. names: `renamed`.
        where: the csv.

    Raises UserError where two columns are of other images each, and nothing tells which of them is meant.
    """
    found: dict[str, tuple[list[str], str]] = {}
    for column, ours in itertools.product(columns, groups):
        with contextlib.suppress(UserError):
            found.setdefault(column, matched(columns[column], ours, names, where))
    # row numbers are spelt without the zeros of names, and pandas calls them so
    tests = (lambda name: not INDEX.fullmatch(name), _is_known, lambda name: found[name][1] != _ZEROS)
    for test in tests:
        found = {name: found[name] for name in found if test(name)} or found
    if len({tuple(own) for own, _ in found.values()}) > 1:
        raise UserError(
            f"{where}: the columns {shown(found)} hold ids of ours each, of other images in a row; keep the one that "
            "names the picture of the row"
        )
    return next(iter(found or columns))


def beside(near: list[Path], path: Path, name: str, count: int) -> tuple[dict[str, list[str]], list[Path]]:
    """(ids as `of_file`, the file that they are from): the one beside it that is called so, and is of no other fold.

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
    found = {other: of_file(other, count) for other in same}
    first = {other: next(iter(columns.values())) for other, columns in found.items()}
    fitting = [other for other in same if len(first[other]) == count] or same[:1]
    if any(first[other] != first[fitting[0]] for other in fitting):
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


_ZEROS = "without zeros before numbers"
# what is said -> what is compared
_RULES: dict[str, Callable[[str], str]] = {
    "": _same,
    "without folders and endings": _without_ending,
    f"without {', '.join(_BEHIND)} behind them": _bare,
    _ZEROS: lambda name: unpadded(_bare(name)),
}
