"""A submission that is nearly valid, mended where nothing need be guessed: order, missing rows, an index column."""

import re
from dataclasses import replace

import numpy as np

from pipeline.imaging import rle
from pipeline.store import disk
from pipeline.store.dialect import Format
from pipeline.store.submission import Expected, expected_keys, refuse_columns

# what pandas calls the column of row numbers that `to_csv` writes by itself
INDEX = re.compile(r"|Unnamed: \d+|index")


def mended(content: bytes, form: Format, expected: Expected, where: str) -> tuple[list[list[str]], list[str]]:
    """The rows of a csv as they should be, and what was mended, in words. What is wrong otherwise stays.

    Raises UserError for what is no csv, or has other columns.
    """
    header, rows = disk.table_of(content, where)
    done: list[str] = []
    rows = _without_blank(rows, done)
    header, rows = _columns(header, rows, form, done)
    refuse_columns(header, form, where)
    rows = _emptied(rows, form, done)
    if form.several:
        rows = _without_blank_objects(rows, form, done)
    return _in_order(rows, form, expected, done), done


def _without_blank(rows: list[list[str]], done: list[str]) -> list[list[str]]:
    kept = [row for row in rows if any(field.strip() for field in row)]
    if len(kept) < len(rows):
        done.append(f"{len(rows) - len(kept)} blank line(s) taken out")
    return kept


def _columns(header: list[str], rows: list, form: Format, done: list[str]) -> tuple[list[str], list]:
    """Without a column of row numbers, and in the order of the format."""
    if len(header) == len(form.columns) + 1 and INDEX.fullmatch(header[0]) and _counts_up(rows):
        header, rows = header[1:], [row[1:] for row in rows]
        done.append("the index column of pandas taken out")
    if header != form.columns and sorted(header) == sorted(form.columns):
        places = [header.index(name) for name in form.columns]
        header, rows = form.columns, [[row[i] for i in places] for row in rows]
        done.append(f"the columns put in the order {','.join(form.columns)}")
    return header, rows


def _counts_up(rows: list[list[str]]) -> bool:
    return [row[0] for row in rows] in ([str(i) for i in range(start, start + len(rows))] for start in (0, 1))


def _emptied(rows: list[list[str]], form: Format, done: list[str]) -> list[list[str]]:
    """What is empty in the words of the format."""
    place = form.rle_place
    odd = [row[place] != form.empty and form.is_empty(row[place]) for row in rows]
    if not any(odd):
        return rows
    if form.empty is None:
        done.append(f"{sum(odd)} empty row(s) taken out")
        return [row for row, is_odd in zip(rows, odd, strict=True) if not is_odd]
    done.append(f"{sum(odd)} mask(s) without pixels written as {form.empty or 'blank'}")
    return [form.row(form.key_of(row), form.empty) if is_odd else row for row, is_odd in zip(rows, odd, strict=True)]


def _without_blank_objects(rows: list[list[str]], form: Format, done: list[str]) -> list[list[str]]:
    """No empty row beside an object of the same image."""
    place = form.rle_place
    images = [form.image_of(form.key_of(row)) for row in rows]
    filled = {image for image, row in zip(images, rows, strict=True) if row[place] != form.empty}
    kept = [row for image, row in zip(images, rows, strict=True) if row[place] != form.empty or image not in filled]
    if len(kept) < len(rows):
        done.append(f"{len(rows) - len(kept)} empty row(s) of images with objects taken out")
    return kept


def _in_order(rows: list[list[str]], form: Format, expected: Expected, done: list[str]) -> list[list[str]]:
    """In the expected order, with an empty row for each that is missing."""
    place = {_key(key): i for i, key in enumerate(expected_keys(form, expected))}
    there = {form.key_of(row) for row in rows}
    if not there <= place.keys():
        return rows
    missing = [key for key in place if key not in there] if form.empty is not None else []
    if missing:
        done.append(f"{len(missing)} missing row(s) added as empty")
        rows = [*rows, *(form.row(key, form.empty) for key in missing)]
    places = [place[form.key_of(row)] for row in rows]
    order = np.argsort(places, kind="stable")
    if form.ordered and (np.diff(places[: len(rows) - len(missing)]) < 0).any():
        done.append("the rows put in the order of the sample submission")
    return [rows[i] for i in order]


def _key(key) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) else tuple(key)


def counted_from_other(content: bytes, form: Format, expected: Expected, where: str) -> str:
    """Which other way of counting runs would make them valid, in words; blank where none would, or they are valid.

    Raises UserError for what is no csv.
    """
    header, rows = disk.table_of(content, where)
    if header != form.columns:
        return ""
    rows = [row for row in rows if row]
    pixels = {name: int(h) * int(w) for name, h, w in zip(expected.ids, expected.heights, expected.widths, strict=True)}
    fields = [row[form.rle_place] for row in rows]
    sizes = np.array([pixels.get(form.image_of(form.key_of(row)), 0) for row in rows])
    if _suits(form, fields, sizes):
        return ""
    for said, other in _others(form):
        if _suits(other, fields, sizes):
            return said
    return ""


def _suits(form: Format, fields: list[str], sizes: np.ndarray) -> bool:
    try:
        runs = form.parse_strictly(fields)
        form.check(runs, sizes[runs.of_text])
    except rle.RunError:
        return False
    return True


def _others(form: Format) -> list[tuple[str, Format]]:
    start = "the first pixel" if form.relative else "the end of the run before"
    return [
        (
            f"its runs are valid if pixels are counted from {1 - form.first}, not {form.first}",
            replace(form, first=1 - form.first),
        ),
        (f"its runs are valid if a start is counted from {start}", replace(form, relative=not form.relative)),
    ]
