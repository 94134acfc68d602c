"""A csv of run lengths as it was found: its rows, the pictures they are of, and the dialect that it is in."""

import re
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.raw import tables
from pipeline.raw.annotations import samples
from pipeline.raw.annotations.columns import Columns, columns_of, rle_columns
from pipeline.raw.annotations.counting import counted
from pipeline.raw.annotations.fields import Fields
from pipeline.raw.annotations.whereabouts import Gallery, bare, part_in
from pipeline.raw.annotations.wide import melted
from pipeline.raw.files import RawFiles
from pipeline.raw.places.names import Where, folder_of
from pipeline.raw.tables import Row
from pipeline.store.dialect import NOTHING, Format, RunError

TABLES = (".csv", ".tsv")  # what tables are called
_PLACEHOLDERS = ("1 1", "0 1", "1,1", "0,1")
LONG = re.compile(rb"(\d+ ){7}\d+")  # what looks like run lengths
_DIGIT = re.compile(r"\d")


@dataclass
class Written:
    """A csv, what its rows say, and which pictures there are.

    Attributes:
        rows: (image as named, class, field, row) of each; paths: image as named -> its picture.
        train, test: names of pictures. answer: what the rows are.
    """

    where: str
    table: str
    columns: Columns
    dialect: Format
    rows: list[tuple[str, str, str, Row]]
    paths: dict[str, str]
    train: list[str]
    test: list[str]
    notes: list[str]
    answer: str = "classes"

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of their numbers where they are numbers, else in that of the rows."""
        names = [name for name in dict.fromkeys(name for _, name, _, _ in self.rows) if name]
        return tuple(sorted(names, key=int) if all(name.isdecimal() for name in names) else names)

    def described(self) -> str:
        unit = "object" if self.dialect.several else "image and class" if self.classes else "image"
        return f"a row for each {unit}, {len(self.rows)} rows of {len(self.paths)} images"

    def unlisted(self, has_test: bool) -> str:
        """What pictures without a row are likely to be."""
        more = set(self.train) - set(self.paths.values())
        if not more:
            return "refuse"
        elsewhere = {folder_of(path) for path in self.paths.values()}.isdisjoint(map(folder_of, more))
        if self.dialect.empty is None and not elsewhere:
            return "empty"
        return "leave_out" if has_test or self.dialect.empty is None else "test"


def the_table(raw: RawFiles) -> str:
    """The csv with run lengths of pictures that are no test pictures; blank where there is none. Raises UserError where
    there are several."""
    found = []
    for name in raw.names:
        base = name.rpartition("/")[2]
        if base.lower().endswith(TABLES) and not samples.is_sample(base) and base not in found:
            try:
                rows = parsed(raw, name)
            except UserError:
                # in UTF-16 every other byte is 0
                if LONG.search(raw.read(name).replace(b"\0", b"")):
                    raise
                # of another kind than is looked for
                continue
            if rle_columns(rows)[0]:
                found.append(base)
    found = [name for name in found if not re.search(r"test", name, re.IGNORECASE)] or found
    if len(found) > 1:
        raise UserError(
            f"{raw.folder} holds run lengths in {len(found)} tables: {shown(found)}; name one behind the folder of its "
            f"images: ./run.sh new NAME FOLDER IMAGES {found[0]}"
        )
    return found[0] if found else ""


def opened(raw: RawFiles, table: str, dialect: Format | None, images: str, test: str) -> Written:
    name = raw.one(table)
    if name is None:
        raise UserError(f"{raw.folder} holds no table {table}; name another, or bring it")
    where = raw.where(name)
    rows, notes = melted(parsed(raw, name), dialect, where)
    everything = Gallery(raw).names
    if not everything:
        raise UserError(f"{where} holds run lengths, but {raw.folder} no pictures that can be read; bring them")
    of_test = {n for n in everything if (Where(test).holds(n) if test else part_in(n) == "test")}
    gallery = Gallery(raw, images)
    gallery = gallery.without(of_test) if set(gallery.names) - of_test else gallery
    columns = columns_of(rows, gallery, where, dialect)
    said = [(*columns.image_and_class(row), row.fields[columns.dialect.rle_column].strip(), row) for row in rows]
    paths = _paths(raw, said, columns, where)
    train = [path for path in gallery.names if path not in of_test]
    found = Written(where, table, columns, columns.dialect, said, paths, train, sorted(of_test), [])
    if dialect is None:
        found.notes += [*_said_of_text(raw, name), *notes, *columns.said]
        _complete(raw, found)
    found.answer = _answer(found)
    return found


def parsed(raw: RawFiles, name: str) -> list[Row]:
    """The rows of a table, whatever separates its columns. Raises UserError as `tables.rows` does."""
    content = raw.read(name)
    return tables.parse(content, raw.where(name), separator=tables.separator_of(content))


def _said_of_text(raw: RawFiles, name: str) -> list[str]:
    content = raw.read(name)
    separator = tables.separator_of(content)
    said = [f"{name.rpartition('/')[2]} is in UTF-16, by its byte order mark"] if tables.is_utf_16(content) else []
    return [*said, *([f"columns are separated by {tables.SEPARATORS[separator]}"] if separator != "," else [])]


def _paths(raw: RawFiles, said: list, columns: Columns, where: str) -> dict[str, str]:
    paths = {image: columns.pictures.find(image) for image in dict.fromkeys(image for image, *_ in said)}
    missing = [image for image, path in paths.items() if path is None]
    if missing:
        row = next(row.number for image, _, _, row in said if image == missing[0])
        raise UserError(
            f"{where}: {len(missing)} of {len(paths)} images that it names have no picture: {shown(missing)} (row "
            f"{row}); add the pictures, or take out the rows"
        )
    twice = [path for path, count in Counter(paths.values()).items() if count > 1]
    if twice:
        raise UserError(f"{where} names a picture in two ways: {shown(twice)}; name it one way")
    return paths


def _complete(raw: RawFiles, found: Written) -> None:
    """Finds what is not in the columns: what a row is, what is empty, how runs are counted."""
    dialect = replace(found.dialect, ending=_ending(found.paths), several=_is_several(found))
    fields = [field for _, _, field, _ in found.rows]
    dialect = replace(dialect, between=";" if any(";" in field for field in fields) else "")
    dialect = replace(dialect, brackets=any("[" in field for field in fields))
    dialect = replace(dialect, empty=_empty(found, dialect, found.notes))
    filled = [(image, field, row) for image, _, field, row in found.rows if not dialect.is_empty(field)]
    sizes = _Sizes(raw, found.paths)
    try:
        found.dialect, said = counted(
            dialect,
            Fields(
                texts=[field for _, field, _ in filled],
                images=[image for image, _, _ in filled],
                numbers=[row.number for *_, row in filled],
                size=sizes.size,
                look=sizes.look,
                where=found.where,
            ),
        )
    except RunError as error:
        raise not_runs(found, [(row, field) for _, field, row in filled], error) from error
    found.notes += said


def not_runs(found: Written, filled: list, error: RunError) -> UserError:
    row, field = filled[error.row]
    return UserError(f"{found.where}, row {row.number}: {error}; download it again, or mend the row ('{field[:40]}')")


class _Sizes:
    """The sizes and grey values of pictures."""

    def __init__(self, raw: RawFiles, paths: dict[str, str]):
        self.raw, self.paths = raw, paths

    def size(self, image: str) -> tuple[int, int]:
        return self.look(image).shape

    def look(self, image: str) -> np.ndarray:
        return self.raw.picture(self.paths[image]).mean(axis=2, dtype=np.float32)


def _ending(paths: dict[str, str]) -> str:
    """What all names end with in the csv, where that is the ending of a picture."""
    endings = {image[len(bare(image)) :] for image in paths}
    return endings.pop() if len(endings) == 1 else ""


def _is_several(found: Written) -> bool:
    """Whether an image (and class) has several rows. Raises UserError where a single one of many has."""
    counts = Counter((image, name) for image, name, _, _ in found.rows)
    several = [key for key, count in counts.items() if count > 1]
    if len(several) == 1 and len(counts) >= 20:
        rows = [row.number for image, name, _, row in found.rows if (image, name) == several[0]]
        raise UserError(
            f"{found.where}, row {rows[1]}: {shown(filter(None, several[0]))} is in row {rows[0]}, too, and no other "
            "is there twice; take one out"
        )
    return bool(several)


def _empty(found: Written, dialect: Format, notes: list[str]) -> str | None:
    """What a field without pixels holds; None where there is no such row. Raises UserError for words that may be
    anything."""
    fields = Counter(field for _, _, field, _ in found.rows)
    nothing = {field: count for field, count in fields.items() if dialect.is_empty(field)}
    words = {field: count for field, count in fields.items() if field not in nothing and not _DIGIT.search(field)}
    ones = {field: count for field, count in fields.items() if field in _PLACEHOLDERS}
    if len(words) > 1 or (words and nothing):
        rarest = min(words, key=words.get)
        row = next(row.number for _, _, field, row in found.rows if field == rarest)
        raise UserError(
            f"{found.where}, row {row}: '{rarest[:40]}' is no list of run lengths, and other rows without any say "
            f"{shown([word for word in (*nothing, *words) if word != rarest], 3)}; mend the row"
        )
    if words or nothing:
        chosen = max(words or nothing, key=(words or nothing).get)
        said = f"'{chosen}' in {fields[chosen]} rows" if chosen else f"a blank field in {fields[chosen]} rows"
        if chosen.lower() not in NOTHING or chosen:
            notes.append(f"{said} means that there is nothing")
        if ones:
            notes.append(f"{sum(ones.values())} row(s) say '{max(ones)}': taken as the one pixel that it says")
        return chosen
    if ones and sum(ones.values()) < len(found.rows):
        chosen = max(ones, key=ones.get)
        notes.append(f"'{chosen}' in {ones[chosen]} rows is taken as a mask without pixels, as no other row is empty")
        return chosen
    wanted = len(found.train) * max(len(found.classes), 1)
    return None if len({(image, name) for image, name, _, _ in found.rows}) < wanted else ""


def _answer(found: Written) -> str:
    if found.classes:
        return "overlap"
    return "objects" if found.dialect.several or found.dialect.between else "classes"
