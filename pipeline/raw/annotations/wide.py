"""A csv with a column of run lengths for each class, read as one with a row for each image and class."""

import re

from pipeline.errors import UserError, shown
from pipeline.raw.annotations.columns import rle_columns
from pipeline.raw.annotations.headers import RLE_NAMES
from pipeline.raw.tables import Row
from pipeline.store.dialect import Format

CLASS, RLE = "class", "rle"  # the columns that the classes and their run lengths are put into
_BORDERS = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\-. ]+")


def melted(rows: list[Row], given: Format | None, where: str) -> tuple[list[Row], list[str]]:
    """The rows with one column of run lengths, and what is said: as they are where there is one, else several of each.

    Args: given: the dialect that somebody names; a table that has its columns stays as it is.

    Raises UserError where it is not clear what several columns of run lengths are of.
    """
    if given is not None and set(given.columns) <= rows[0].fields.keys():
        return rows, []
    columns, others = rle_columns(rows)
    classes = _classes(columns, where) if len(columns) > 1 else {}
    if not classes:
        return rows, [f"not read: {shown(others)}, which holds lists of numbers, too"] if others else []
    if len(classes) == 1:
        (chosen,) = classes
        others += [name for name in columns if name != chosen]
        kept = [
            Row(row.number, {k: v for k, v in row.fields.items() if k == chosen or k not in columns}) for row in rows
        ]
        return kept, [f"not read: {shown(others)}, which is called as {chosen} is and holds run lengths, too"]
    rest = [name for name in rows[0].fields if name not in columns]
    if {CLASS, RLE} & set(rest):
        raise UserError(
            f"{where} has a column of run lengths for each of {shown(columns)}, and a column {CLASS} or {RLE} as well; "
            "rename that one, or bring a row for each image and class"
        )
    said = (
        f"a column of run lengths for each class ({shown(columns, 20)}): read as a row for each image and class; a "
        f"submission of this project has these rows, too"
    )
    return [_row(row, rest, column, name) for row in rows for column, name in classes.items()], [said]


def _row(row: Row, rest: list[str], column: str, name: str) -> Row:
    return Row(row.number, {**{own: row.fields[own] for own in rest}, CLASS: name, RLE: row.fields[column]})


def _classes(columns: list[str], where: str) -> dict[str, str]:
    """Column -> class, without the words that all begin or end with; one alone where the others are copies of it."""
    words = [[word for word in _BORDERS.split(name) if word] for name in columns]
    before, after = _shared(words), _shared([own[::-1] for own in words])
    # `rle` beside `rle_2`: nothing is left of its name
    plain = [name for name, own in zip(columns, words, strict=True) if len(own) <= max(before, after)]
    if len(plain) == 1:
        return {plain[0]: ""}
    names = ["_".join(own[before : len(own) - after]) for own in words]
    if plain or len(set(names)) < len(names) or any(RLE_NAMES.search(name) for name in names):
        raise UserError(
            f"{where}: the columns {shown(columns)} all hold run lengths; take out all but one, or, where each is a "
            "class, call it rle_CLASS"
        )
    return dict(zip(columns, names, strict=True))


def _shared(words: list[list[str]]) -> int:
    """With how many words all begin."""
    return next((i for i, there in enumerate(zip(*words, strict=False)) if len(set(there)) > 1), min(map(len, words)))
