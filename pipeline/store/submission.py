"""The rows of a submission and their validation. `submit`, `upload` and `check` use it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.imaging import rle
from pipeline.store import disk
from pipeline.store.dialect import Format, Runs

__all__ = ["Expected", "Format", "Summary"]


@dataclass(frozen=True)
class Expected:
    """What a valid submission answers: image ids in order, their sizes in pixels, the classes of each."""

    ids: list[str]
    heights: np.ndarray
    widths: np.ndarray
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """What a valid submission holds. `empty` is the share of images without any pixel, `area` the mean pixels of
    the masks that are not empty; `unit` is what is counted in `rows`."""

    rows: int
    images: int
    empty: float
    area: float
    unit: str = "rows"

    def __str__(self) -> str:
        return f"{self.rows} {self.unit} of {self.images} images"


@dataclass(frozen=True)
class Table:
    """Rows of strings; `table[column]` is a list. (pandas takes longer to load than a small submission to be checked.)

    Attributes: columns: their names. rows: each as many fields.
    """

    columns: list[str]
    rows: list[list[str]]

    def __getitem__(self, column: str) -> list[str]:
        place = self.columns.index(column)
        return [row[place] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)


def read_csv(path: Path, form: Format) -> Table:
    """A submission as a table of strings, with exactly the columns of the format.

    Raises UserError: not there, not a csv, other columns.
    """
    return table_of(disk.read_bytes(path), form, str(path))


def table_of(content: bytes, form: Format, where: str) -> Table:
    """The same from bytes; `where` names them in errors. Raises UserError for a blank line, too."""
    header, rows = disk.table_of(content, where)
    refuse_columns(header, form, where)
    blank = [number for number, row in enumerate(rows, 2) if not row]
    if blank:
        raise UserError(f"{where}, row {blank[0]} is blank; take it out")
    return table_from(rows, form)


def refuse_columns(header: list[str], form: Format, where: str) -> None:
    """Raises UserError for other columns than those of the format."""
    if header != form.columns:
        raise UserError(f"{where} has the columns {','.join(header)[:80]}; expected {','.join(form.columns)}")


def table_from(rows: list[list[str]], form: Format) -> Table:
    """The table of rows that have the columns of the format."""
    return Table(form.columns, rows)


@dataclass(frozen=True)
class Answers:
    """A submission whose rows are read: of the images that are expected, with runs that fit them.

    Attributes:
        runs: of all objects, n. image, slot: n int64: the place of each object's image among the expected ones, and its
            class, or its number in its image. rows: how many the csv has. form: how it is written. expected: what it
            was checked against. where: what the file is called in errors.
    """

    runs: Runs
    image: np.ndarray
    slot: np.ndarray
    rows: int
    form: Format
    expected: Expected
    where: str

    def summary(self) -> Summary:
        """What it holds. Raises UserError where two objects of an image claim a pixel that may be claimed once."""
        runs, count = self.runs, len(self.expected.ids)
        image = self.image[runs.rows]
        if self.form.several or self.form.between:
            # objects of several rows, or of one field
            unit = image if self.form.several else runs.of_text[runs.rows]
            _check_disjoint(unit, image, runs, self.expected.ids, self.where)
        area = np.bincount(image, weights=runs.lengths, minlength=count)
        filled = area[area > 0]
        return Summary(
            rows=self.rows,
            images=count,
            empty=float(np.mean(area == 0)) if count else 0.0,
            area=float(filled.mean()) if len(filled) else 0.0,
        )

    def labels(self, task) -> Iterator[np.ndarray]:
        """Of each expected image, H x W x layers."""
        runs, form = self.runs, self.form
        image, row = self.image[runs.rows], self.slot[runs.rows]
        order = np.argsort(image, kind="stable")
        image, row, starts, lengths = (values[order] for values in (image, row, runs.starts, runs.lengths))
        for first, end in self._of_one_size(len(task.classes)):
            of = slice(*np.searchsorted(image, [first, end]))
            shape = (end - first, *form.turned_size((self.expected.heights[first], self.expected.widths[first])))
            found = task.labels_of(image[of] - first, row[of], starts[of], lengths[of], shape)
            yield from map(form.unturned, found)

    def _of_one_size(self, classes: int) -> Iterator[tuple[int, int]]:
        """(first, end) of expected images that follow each other and are decoded together."""
        sizes = np.stack([self.expected.heights, self.expected.widths], axis=-1)
        changes = np.flatnonzero((sizes[1:] != sizes[:-1]).any(axis=1)) + 1
        for first, end in itertools.pairwise([0, *changes.tolist(), len(sizes)]):
            step = rle.together((*sizes[first], classes)) if end > first else 1
            yield from ((at, min(at + step, end)) for at in range(first, end, step))


def read(table: Table, form: Format, expected: Expected, where: str = "") -> Answers:
    """Raises UserError as `validate` does, but for objects that overlap."""
    keys = _keys(table, form)
    wanted = expected_keys(form, expected)
    _check_keys(keys, wanted, form, where)
    image_of_row, slot_of_row = np.divmod(_places(keys, wanted), len(_names(form, expected)))
    fields = table[form.rle_column]
    pixels = np.asarray(expected.heights, np.int64) * np.asarray(expected.widths, np.int64)
    try:
        runs = form.parse_strictly(fields)
        of_row = runs.of_text[runs.rows]
        form.check(runs, pixels[image_of_row[runs.of_text]])
    except rle.RunError as error:
        name = expected.ids[image_of_row[error.row]]
        raise UserError(f"{where}, row {error.row + 2} (id {name}): {error}") from error
    _check_blank(of_row, image_of_row, expected.ids, form, where)
    image = image_of_row[runs.of_text]
    slot = slot_of_row[runs.of_text] if len(expected.classes) > 1 and form.has_classes else _numbered(image)
    return Answers(runs, image, slot, len(table), form, expected, where)


def validate(table: Table, form: Format, expected: Expected, where: str) -> Summary:
    """Checks a submission against what is expected of it.

    Ids exactly the expected ones in their order, none twice (unless the format allows several rows), every run
    sorted, positive, in range and not overlapping, also between the rows of one image, or the objects of one field,
    where each pixel may be claimed once; what is empty written as the format says.

    Raises UserError naming the first offending row.
    """
    return read(table, form, expected, where).summary()


def decoded(table: Table, form: Format, expected: Expected, task, where: str = "") -> Iterator[np.ndarray]:
    """The labels of each expected image, H x W x layers, from the rows of a valid csv."""
    return read(table, form, expected, where).labels(task)


def _numbered(image: np.ndarray) -> np.ndarray:
    """0, 1, … for the objects of each image."""
    order = np.argsort(image, kind="stable")
    first = np.searchsorted(image[order], image[order], side="left")
    numbers = np.empty(len(image), np.int64)
    numbers[order] = np.arange(len(image)) - first
    return numbers


def rows_of(image_id: str, texts: list[str], form: Format, classes: tuple[str, ...]) -> list[list[str]]:
    """The rows of one image, from the run lengths of its classes or objects (a blank one where there are none), as
    `rle.encode` writes them along the order of the format.

    Raises UserError: texts of several classes where the format names none; an id that does not fit its columns.
    """
    if len(classes) > 1 and form.has_classes:
        found = [(name, [text]) for name, text in zip(classes, texts, strict=True)]
    else:
        name = classes[0] if form.has_classes else ""
        found = [(name, [text]) for text in texts] if form.several else [(name, texts)]
    if not (form.several or form.between) and any(len(objects) > 1 for _, objects in found):
        raise UserError(
            f"image {image_id}: {len(texts)} masks for one row; give the Format a class_column, or joined=True"
        )
    rows = [(key_of(form, image_id, name), form.field(objects)) for name, objects in found]
    return [form.row(key, field) for key, field in rows if field is not None]


def key_of(form: Format, image_id: str, name: str = "") -> tuple[str, ...]:
    """What `form.key_columns` hold in a row of an image and, where it has such, a class.

    Raises UserError where the columns are several, and the id has not a word for each of them.
    """
    of_class = (name,) if form.class_column else ()
    columns = form.id_columns
    if len(columns) == 1:
        return form.key(image_id, name), *of_class
    # joined, the last of them is the class
    count = len(columns) - form.joined
    whole = f"{image_id}{form.ending}"
    words = whole.split(form.glue) if form.glue and count > 1 else [whole]
    if len(words) != count:
        raise UserError(
            f"id '{image_id}' has {len(words)} word(s) with '{form.glue}' between, the Format has {count} columns for "
            f"them ({', '.join(columns)}); give ids of {count}, or another glue"
        )
    return *words, *((name,) if form.joined else of_class)


def _keys(table: Table, form: Format) -> list:
    """What names each row: a text where it is one column."""
    columns = [table[column] for column in form.key_columns]
    return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def ids_of(table: Table, form: Format) -> list[str]:
    """The id of the image of each row."""
    columns = [table[column] for column in form.id_columns]
    return [form.image_of(words) for words in zip(*columns, strict=True)]


def expected_keys(form: Format, expected: Expected) -> list:
    """What names each row, in order: of every image the classes that have a row of their own. A text where the key is
    one column."""
    names = _names(form, expected)
    if len(form.key_columns) == 1:
        return [form.key(image, name) for image in expected.ids for name in names]
    return [key_of(form, image, name) for image in expected.ids for name in names]


def _names(form: Format, expected: Expected) -> tuple[str, ...]:
    """Of the classes that have a row of their own; one without a name where none has."""
    return expected.classes if form.has_classes else ("",)


def _places(keys: list, wanted: list) -> np.ndarray:
    """Where each key is among those that are wanted, int64."""
    if keys == wanted:
        return np.arange(len(keys))
    place = {key: i for i, key in enumerate(wanted)}
    return np.array([place[key] for key in keys], np.int64)


def _check_blank(of_run: np.ndarray, images: np.ndarray, ids: list[str], form: Format, where: str) -> None:
    """Refuses an empty row of an image that has other rows, where each row is an object."""
    if not form.several:
        return
    has_runs = np.zeros(len(images), bool)
    has_runs[of_run] = True
    rows_each = np.bincount(images, minlength=len(ids))
    odd = np.flatnonzero(~has_runs & (rows_each[images] > 1))
    if len(odd):
        raise UserError(
            f"{where}, row {odd[0] + 2}: an empty row of image {ids[images[odd[0]]]}, which has other rows; take it out"
        )


def _check_keys(keys: list, wanted: list, form: Format, where: str) -> None:
    """Refuses keys that are unknown, missing, twice there or in another order."""
    if keys == wanted:
        return
    have, want = set(keys), set(wanted)
    unknown = [key for key in dict.fromkeys(keys) if key not in want]
    if unknown:
        raise UserError(f"{where}: {len(unknown)} id(s) are not in the sample submission: {shown(unknown)}")
    missing = [key for key in wanted if key not in have]
    if missing and form.empty is not None:
        raise UserError(f"{where}: {len(missing)} id(s) are missing: {shown(missing)}")
    wanted = [key for key in wanted if key in have]
    if form.several:
        keys = [key for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
    if len(keys) > len(wanted):
        seen = set()
        twice = [key for key in keys if key in seen or seen.add(key)]
        raise UserError(f"{where}: {len(twice)} id(s) are there more than once: {shown(twice)}")
    if keys != wanted and form.ordered:
        row = next(i for i, (key, other) in enumerate(zip(keys, wanted, strict=True)) if key != other)
        raise UserError(f"{where}, row {row + 2}: found {keys[row]} where the sample submission has {wanted[row]}")


def _check_disjoint(units: np.ndarray, images: np.ndarray, runs: Runs, ids: list[str], where: str) -> None:
    """No pixel in two runs of one unit. `units`, `images`: of each run."""
    order = np.lexsort((runs.starts, units))
    unit, start, end = units[order], runs.starts[order], (runs.starts + runs.lengths)[order]
    bad = np.flatnonzero((unit[1:] == unit[:-1]) & (start[1:] < end[:-1]))
    if len(bad):
        i = bad[0] + 1
        raise UserError(f"{where}: two masks of image {ids[images[order[i]]]} overlap at pixel {start[i]}")


def expected(competition, prepared) -> Expected:
    """What a submission for the test part must answer: in the order of the sample submission where there is one."""
    rows = prepared.test
    if prepared.sample is None:
        return expected_rows(competition, prepared, rows)
    form = competition.format
    ids = list(dict.fromkeys(ids_of(read_csv(prepared.sample, form), form)))
    if not ids:
        raise UserError(f"{prepared.sample} names no image; bring the organisers' own file back")
    place = {prepared.columns["id"][row]: row for row in rows.tolist()}
    unknown = [name for name in ids if name not in place]
    if unknown:
        raise UserError(f"{prepared.sample}: {len(unknown)} id(s) have no test image: {shown(unknown)}")
    return expected_rows(competition, prepared, np.array([place[name] for name in ids], int))


def expected_rows(competition, prepared, rows: np.ndarray) -> Expected:
    """What a submission for these rows of the prepared table must answer, in their order."""
    ids, heights, widths = ([prepared.columns[name][row] for row in rows] for name in ("id", "height", "width"))
    return Expected(ids, np.array(heights, np.int64), np.array(widths, np.int64), competition.task.classes)
