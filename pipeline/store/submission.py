"""The rows of a submission and their validation. `submit`, `upload` and `check` use it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.imaging import rle
from pipeline.store import disk


@dataclass(frozen=True)
class Format:
    """The columns of a submission.

    Attributes:
        id_column, rle_column: their names.
        class_column: the column that names the class, where each image has one row per class.
        several: whether an image may have several rows (one per object).
        pictures: whether the labels are also written as PNGs, in a folder beside the csv.
    """

    id_column: str = "id"
    rle_column: str = "rle"
    class_column: str = ""
    several: bool = False
    pictures: bool = False

    @property
    def columns(self) -> list[str]:
        return [self.id_column, *([self.class_column] if self.class_column else []), self.rle_column]


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
    the masks that are not empty."""

    rows: int
    images: int
    empty: float
    area: float


def read_csv(path: Path, form: Format):
    """A submission as a table of strings, with exactly the columns of the format.

    Raises UserError: not there, not a csv, other columns.
    """
    return table_of(disk.read_bytes(path), form, str(path))


def table_of(content: bytes, form: Format, where: str):
    """The same from bytes; `where` names them in errors. Raises UserError for a blank line, too."""
    import pandas

    header, rows = disk.table_of(content, where)
    if header != form.columns:
        raise UserError(f"{where} has the columns {','.join(header)[:80]}; expected {','.join(form.columns)}")
    blank = [number for number, row in enumerate(rows, 2) if not row]
    if blank:
        raise UserError(f"{where}, row {blank[0]} is blank; take it out")
    return pandas.DataFrame(rows, columns=header, dtype=str)


def validate(table, form: Format, expected: Expected, where: str) -> Summary:
    """Checks a submission against what is expected of it.

    Ids exactly the expected ones in their order, none twice (unless the format allows several rows), every run
    sorted, positive, in range and not overlapping, also between the rows of one image where each pixel may be
    claimed once.

    Raises UserError naming the first offending row.
    """
    ids = table[form.id_column].to_numpy(dtype=object)
    keys = _keys(table, form)
    _check_keys(keys, _expected_keys(form, expected), form, where)
    position = {name: i for i, name in enumerate(expected.ids)}
    image = np.fromiter((position[name] for name in ids), np.int64, len(ids))
    pixels = np.asarray(expected.heights, np.int64) * np.asarray(expected.widths, np.int64)
    try:
        rows, starts, lengths = rle.parse_many(table[form.rle_column].tolist())
        rle.check_runs(rows, starts, lengths, pixels[image])
    except rle.RunError as error:
        raise UserError(f"{where}, row {error.row + 2} (id {ids[error.row]}): {error}") from error
    if form.several:
        _check_disjoint(image[rows], starts, lengths, expected.ids, where)
    area = np.bincount(image[rows], weights=lengths, minlength=len(expected.ids))
    filled = area[area > 0]
    return Summary(
        rows=len(table),
        images=len(expected.ids),
        empty=float(np.mean(area == 0)) if len(area) else 0.0,
        area=float(filled.mean()) if len(filled) else 0.0,
    )


def rows_of(image_id: str, texts: list[str], form: Format, classes: tuple[str, ...]) -> list[list[str]]:
    """The rows of one image, from the run lengths of its classes or objects (a blank one where there are none)."""
    if form.class_column:
        return [[image_id, name, text] for name, text in zip(classes, texts, strict=True)]
    return [[image_id, text] for text in texts]


def _keys(table, form: Format) -> list:
    if form.class_column:
        return list(zip(table[form.id_column], table[form.class_column], strict=True))
    return table[form.id_column].tolist()


def _expected_keys(form: Format, expected: Expected) -> list:
    if form.class_column:
        return [(name, klass) for name in expected.ids for klass in expected.classes]
    return list(expected.ids)


def _check_keys(keys: list, wanted: list, form: Format, where: str) -> None:
    """Refuses keys that are unknown, missing, twice there or in another order."""
    have, want = set(keys), set(wanted)
    unknown = [key for key in dict.fromkeys(keys) if key not in want]
    if unknown:
        raise UserError(f"{where}: {len(unknown)} id(s) are not in the sample submission: {shown(unknown)}")
    missing = [key for key in wanted if key not in have]
    if missing:
        raise UserError(f"{where}: {len(missing)} id(s) are missing: {shown(missing)}")
    if form.several:
        keys = [key for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
    if len(keys) > len(wanted):
        seen = set()
        twice = [key for key in keys if key in seen or seen.add(key)]
        raise UserError(f"{where}: {len(twice)} id(s) are there more than once: {shown(twice)}")
    if keys != wanted:
        row = next(i for i, (key, other) in enumerate(zip(keys, wanted, strict=True)) if key != other)
        raise UserError(f"{where}, row {row + 2}: found {keys[row]} where the sample submission has {wanted[row]}")


def _check_disjoint(images, starts, lengths, ids: list[str], where: str) -> None:
    """No pixel of an image in two rows."""
    order = np.lexsort((starts, images))
    image, start, end = images[order], starts[order], (starts + lengths)[order]
    bad = np.flatnonzero((image[1:] == image[:-1]) & (start[1:] < end[:-1]))
    if len(bad):
        i = bad[0] + 1
        raise UserError(f"{where}: two masks of image {ids[image[i]]} overlap at pixel {start[i]}")


def expected(competition, prepared) -> Expected:
    """What a submission for the test part must answer: in the order of the sample submission where there is one."""
    rows = prepared.test
    if prepared.sample is None:
        return expected_rows(competition, prepared, rows)
    form = competition.format
    ids = list(dict.fromkeys(read_csv(prepared.sample, form)[form.id_column]))
    if not ids:
        raise UserError(f"{prepared.sample} names no image; bring the organisers' own file back")
    place = {name: row for row, name in zip(rows, prepared.table["id"].iloc[rows], strict=True)}
    unknown = [name for name in ids if name not in place]
    if unknown:
        raise UserError(f"{prepared.sample}: {len(unknown)} id(s) have no test image: {shown(unknown)}")
    return expected_rows(competition, prepared, np.array([place[name] for name in ids], int))


def expected_rows(competition, prepared, rows: np.ndarray) -> Expected:
    """What a submission for these rows of the prepared table must answer, in their order."""
    table = prepared.table.iloc[rows]
    return Expected(
        ids=table["id"].tolist(),
        heights=table["height"].to_numpy(),
        widths=table["width"].to_numpy(),
        classes=competition.task.classes,
    )


def validate_file(path: Path, form: Format, wanted: Expected) -> Summary:
    """`validate` for a file. Raises UserError."""
    return validate(read_csv(path, form), form, wanted, str(path))
