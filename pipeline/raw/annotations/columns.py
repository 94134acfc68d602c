"""Which columns of a csv of run lengths say what, and which picture a row is of: found in what they hold."""

import re
from collections import defaultdict
from dataclasses import dataclass, replace

from pipeline.errors import UserError, shown
from pipeline.imaging import evenly
from pipeline.raw.annotations import no_runs
from pipeline.raw.annotations.headers import CLASS_NAMES, MEASURE_NAMES, RLE_NAMES, SIZE_NAMES
from pipeline.raw.annotations.keys import SEEN, Keys, Pictures, by_given, keys_of
from pipeline.raw.annotations.whereabouts import Gallery
from pipeline.raw.tables import Row
from pipeline.store.dialect import NOTHING, Format

_LIST, _PAIR = re.compile(r"[\[\]\d\s,;]+"), re.compile(r"\d[\s,]+\d")
_MOST_CLASSES = 254


@dataclass(frozen=True)
class Columns:
    """What was found: the dialect's columns, how pictures are found, columns of height and width or blanks, notes."""

    dialect: Format
    pictures: Pictures
    size: tuple[str, str]
    said: tuple[str, ...] = ()

    def image_and_class(self, row: Row) -> tuple[str, str]:
        """What the row calls its image and its class (blank where there is none)."""
        key = self.dialect.glue.join(row.fields[name] for name in self.dialect.id_columns)
        if self.dialect.joined:
            return self.pictures.split(key, self.dialect.glue)
        return key, row.fields[self.dialect.class_column] if self.dialect.class_column else ""


def columns_of(rows: list[Row], gallery: Gallery, where: str, given: Format | None = None) -> Columns:
    """Which columns say what, or how pictures are found where the columns are given.

    Raises UserError where none holds run lengths, or none names the pictures.
    """
    if given is not None:
        return _given(rows, gallery, where, given)
    found, _ = rle_columns(rows)
    if not found:
        raise UserError(
            no_runs.refusal(rows, where) or f"{where}: none of the columns {shown(rows[0].fields)} holds run lengths"
        )
    rle = found[0]
    others = [name for name in rows[0].fields if name != rle]
    keys, said = keys_of(rows, others, gallery, where)
    rest = [name for name in others if name not in keys.columns]
    size = _size_columns(rest)
    shape = Columns(Format(_id_column(keys.columns), rle, joined=keys.joined, glue=keys.glue), keys.pictures, size)
    klass = "" if keys.joined else _class_column(rows, [name for name in rest if name not in size], shape)
    whether = [name for name in rest if CLASS_NAMES.match(name) and _says_whether(rows, name, shape)]
    said += [f"the column {name} says whether there is anything: no class" for name in whether]
    return Columns(replace(shape.dialect, class_column=klass), keys.pictures, size, tuple(said))


def _given(rows: list[Row], gallery: Gallery, where: str, given: Format) -> Columns:
    missing = [name for name in given.columns if name not in rows[0].fields]
    if missing:
        raise UserError(f"{where} has no column {missing[0]!r}, but {shown(rows[0].fields)}; mend dialect=")
    size = _size_columns([name for name in rows[0].fields if name not in given.columns])
    return Columns(
        given, by_given(Keys(given.id_columns, Pictures(gallery), given.glue, given.joined), rows, gallery), size
    )


def _size_columns(names: list[str]) -> tuple[str, str]:
    """The columns of height and width; blanks where there are none."""
    found = tuple(next((name for name in names if pattern.match(name)), "") for pattern in SIZE_NAMES)
    return found if all(found) else ("", "")


def _id_column(keys: tuple[str, ...]) -> str | tuple[str, ...]:
    return keys[0] if len(keys) == 1 else keys


def rle_columns(rows: list[Row]) -> tuple[list[str], list[str]]:
    """The columns that hold run lengths, by what they hold: those that are called so, or any where none is; and others
    that hold lists of numbers."""
    named, long, blank = [], [], []
    for name in rows[0].fields:
        # of those alone that say something, whatever comes between them
        filled = [field for row in rows if (field := row.fields[name].strip()).lower() not in NOTHING]
        numbers = [field for field in evenly.some(filled, 4 * SEEN) if re.search(r"\d", field)]
        runs = [field for field in numbers if _LIST.fullmatch(field) and _PAIR.search(field)]
        if not filled and RLE_NAMES.search(name):
            blank.append(name)
        elif runs and len(runs) >= len(numbers) / 2 and not no_runs.are_coordinates(name, numbers):
            if RLE_NAMES.search(name):
                named.append(name)
            elif any(len(field.split()) > 2 for field in runs):
                long.append(name)
    if left := [name for name in named if not MEASURE_NAMES.search(name)]:
        # the size of a mask, or its box
        named, long = left, long + [name for name in named if name not in left]
    if len(named) > 1:
        # a class that is nowhere
        named = [name for name in rows[0].fields if name in named + blank]
    return (named, long) if named else (long, [])


def _class_column(rows: list[Row], columns: list[str], shape: Columns) -> str:
    """The column that names classes: one that is called so, or that differs between the rows of an image."""
    for named in (True, False):
        for name in columns:
            if bool(CLASS_NAMES.match(name)) != named or not _few(rows, name) or _says_whether(rows, name, shape):
                continue
            if named or _varies(rows, name, shape):
                return name
    return ""


def _says_whether(rows: list[Row], name: str, shape: Columns) -> bool:
    """Whether it has one value where something is there, and others where nothing is, in a row for each image."""
    values = {True: set(), False: set()}
    for row in rows:
        values[row.fields[shape.dialect.rle_column].strip().lower() not in NOTHING].add(row.fields[name])
    one_each = len({shape.image_and_class(row)[0] for row in rows}) == len(rows)
    return one_each and len(values[True]) == 1 and bool(values[False]) and not values[True] & values[False]


def _few(rows: list[Row], name: str) -> bool:
    """Whether it has few values, which are no measures."""
    values = {row.fields[name] for row in rows}
    return len(values) <= min(_MOST_CLASSES, max(2, len(rows) // 2)) and not any("." in value for value in values)


def _varies(rows: list[Row], name: str, shape: Columns) -> bool:
    """Whether most images with several rows have other values in them, each value once."""
    seen = defaultdict(list)
    for row in rows[: 20 * SEEN]:
        seen[shape.image_and_class(row)[0]].append(row.fields[name])
    several = [values for values in seen.values() if len(values) > 1]
    return bool(several) and sum(len(set(values)) == len(values) for values in several) > len(several) / 2
