"""Tables among the raw files: the one reader of every csv that a competition gives, and the check of its sample.

What is wrong with a table is said in one line that names the file and the row, counted as a spreadsheet does (the names
of the columns are row 1).
"""

import codecs
import csv
import io
import re
import sys
from dataclasses import dataclass

from pipeline.errors import UserError, shown
from pipeline.raw.files import RawFiles
from pipeline.store.submission import Format

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_HEADER = 1 << 16  # bytes that the first line is looked for in
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # what Excel's "Unicode text" begins with
_SAYS_SEPARATOR = re.compile(r'"?sep=(.?)"?\s*')  # a first line by which Excel knows what separates columns
_NUMBERS = re.compile(r"\[?\d+([ ,;]+\d+){3,}\]?")


def rows(raw: RawFiles, file_name: str, *columns: str, key: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """The rows of the table of that name, wherever it lies, by the names of its columns; none where there is none.

    With or without a byte order mark, in UTF-8 or, with one, in UTF-16; with any line ends, with fields of any length;
    blank lines are left out.

    Args:
        columns: that must be there. key: those which together name a row: none blank, no two rows alike.

    Raises:
        UserError: it is no csv in UTF-8 or UTF-16, has no rows, or lacks a column; a row with more or fewer fields than
            names.
    """
    name = raw.one(file_name)
    if name is None:
        return []
    where = raw.where(name)
    found = parse(raw.read(name), where, *columns)
    for column in key:
        _refuse_unnamed(found, column, where)
    if key:
        _refuse_twice(found, key, where)
    return [row.fields for row in found]


@dataclass(frozen=True)
class Sample:
    """The sample submission: its ids in order, each once, and its bytes. No ids and None where there is none."""

    ids: list[str]
    content: bytes | None


def sample(raw: RawFiles, form: Format, file_name: str = "sample_submission.csv") -> Sample:
    """The sample submission among the raw files. Raises UserError where it is not one of this format."""
    name = raw.one(file_name)
    if name is None:
        return Sample([], None)
    content = raw.read(name)
    found = checked_sample(content, form, raw.where(name))
    return Sample(list(dict.fromkeys(form.image_and_class(row)[0] for row in found)), content)


def checked_sample(content: bytes, form: Format, where: str, classes: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """The rows of a sample submission. Raises UserError for other columns than the format's, no rows, ids that are
    blank, twice there (where the format has one row for each) or not on one line, and classes that are not `classes`.
    """
    found = parse(content, where, *form.columns)
    names = list(found[0].fields)
    if names != form.columns:
        raise UserError(
            f"{where} has the columns {shown(names)}, the format of this competition {','.join(form.columns)}: "
            "download it again, or mend format= in the competition's file"
        )
    for column in form.id_columns:
        _refuse_unnamed(found, column, where)
    if not form.several:
        _refuse_twice(found, tuple(form.key_columns), where)
    wrong = [(row, _class(row, form)) for row in found if classes and form.has_classes]
    wrong = [(row, name) for row, name in wrong if name not in classes]
    if wrong:
        raise UserError(
            f"{where}, row {wrong[0][0].number}: the class {wrong[0][1]!r} is none of "
            f"{shown(classes)}: download it again, or mend the classes in the competition's file"
        )
    return [row.fields for row in found]


def _class(row: "Row", form: Format) -> str:
    return row.fields[form.class_column] if form.class_column else form.image_and_class(row.fields)[1]


def as_read_later(content: bytes, form: Format) -> bytes:
    """A checked sample as the submission's own reader wants it: in UTF-8, without blank lines, otherwise the same
    bytes."""
    records = _records(_text(content, ""), "", ",")
    if all(record for _, record in records) and not is_utf_16(content):
        return content
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(record for _, record in records if record)
    return text.getvalue().encode()


@dataclass(frozen=True)
class Row:
    """A row of a table: where it is, and what its fields hold."""

    number: int
    fields: dict[str, str]


def parse(content: bytes, where: str, *columns: str, separator: str = ",") -> list[Row]:
    """The rows of a csv from its bytes; `where` names it in errors; `separator`: as `separator_of` finds it. Raises
    UserError as `rows` does."""
    text = _text(content, where)
    records = [(number, record) for number, record in _records(text, where, separator) if record]
    if not records:
        raise UserError(f"{where} is empty; download it again")
    header = records[0][1]
    _refuse_rows_as_header(header, where)
    twice = [name for name in dict.fromkeys(header) if name and header.count(name) > 1]
    if twice:
        raise UserError(f"{where} has the column {twice[0]!r} twice; download it again, or rename one")
    if not set(columns) <= set(header):
        raise UserError(
            f"{where} has no columns {','.join(columns)}, but {shown(header)}; is it the file of this competition?"
        )
    if len(records) == 1:
        raise UserError(f"{where} has the names of its columns but no rows; download it again")
    for number, record in records[1:]:
        if len(record) != len(header):
            raise UserError(
                f"{where}, row {number}: {len(record)} fields under {len(header)} names of columns; download it again, "
                "or mend the row"
            )
    return [Row(number, dict(zip(header, record, strict=True))) for number, record in records[1:]]


def records(content: bytes, where: str) -> list[list[str]]:
    """The rows of a csv that are not blank, that of the names of the columns first. Raises UserError as `rows` does."""
    found = [record for _, record in _records(_text(content, where), where, ",") if record]
    if not found:
        raise UserError(f"{where} is empty; download it again")
    _refuse_rows_as_header(found[0], where)
    return found


def separator_of(content: bytes) -> str:
    """What separates the columns by the first line that is not blank: a comma, where it has none and one of them a
    semicolon (as spreadsheets write in Europe), a tab or a bar. Such a line may say it (Excel's `sep=;`)."""
    lines = first_lines(content)
    said = _SAYS_SEPARATOR.fullmatch(lines[0]) if lines else None
    if said and said[1] in SEPARATORS:
        return said[1]
    plain = re.sub('"[^"]*"', "", next(iter(lines), ""))
    return next((separator for separator in SEPARATORS if separator in plain), ",")


def first_lines(content: bytes) -> list[str]:
    """Those lines of the beginning of a table that are not blank; what cannot be decoded in them is replaced."""
    encoding = "utf-16" if is_utf_16(content) else "utf-8-sig"
    return [line for line in content[:_HEADER].decode(encoding, "replace").splitlines() if line.strip()]


def is_utf_16(content: bytes) -> bool:
    """Whether a table begins with a byte order mark of UTF-16."""
    return content.startswith(_UTF_16) and not content.startswith(codecs.BOM_UTF32_LE)


def _refuse_rows_as_header(header: list[str], where: str) -> None:
    """Raises UserError where the names of the columns are none, but a row: numbers such as run lengths."""
    numbers = next((name for name in header if _NUMBERS.fullmatch(name)), "")
    if numbers:
        raise UserError(
            f"{where} has no names of columns: its first line is a row already ('{numbers[:40]}'); put names for its "
            f"{len(header)} columns (such as id,rle) into a line before it"
        )


def _text(content: bytes, where: str) -> str:
    """Raises UserError for what is no text in UTF-8, or in UTF-16 with its mark."""
    if is_utf_16(content):
        return _text_of_utf_16(content, where)
    place = content.find(b"\0")
    if place >= 0:
        raise UserError(
            f"{where}, row {_row_at(content, place)}: holds a NUL byte: it is damaged, or in UTF-16 without its mark; "
            "download it again, or save it as csv in UTF-8"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # what follows a byte order mark is counted from behind it
        place = error.start + len(content) - len(error.object)
        raise UserError(
            f"{where}, row {_row_at(content, place)}: the byte 0x{content[place]:02x} is not UTF-8 (Latin-1?); save it "
            "as csv in UTF-8"
        ) from error


def _text_of_utf_16(content: bytes, where: str) -> str:
    try:
        text = content.decode("utf-16")
    except UnicodeDecodeError as error:
        row = len((error.object[2 : error.start].decode(error.encoding, "replace") + ".").splitlines())
        raise UserError(
            f"{where}, row {row}: UTF-16 that is cut off or damaged; download it again, or save it as csv in UTF-8"
        ) from error
    place = text.find("\0")
    if place >= 0:
        row = len((text[:place] + ".").splitlines())
        raise UserError(f"{where}, row {row}: holds a NUL: it is damaged; download it again")
    return text


def _row_at(content: bytes, place: int) -> int:
    return len((content[:place].decode("latin-1") + ".").splitlines())


def _records(text: str, where: str, separator: str) -> list[tuple[int, list[str]]]:
    """(row, fields), blank lines as rows without fields."""
    # the run lengths of a large mask are longer than the module allows by itself
    csv.field_size_limit(sys.maxsize)
    found: list[tuple[int, list[str]]] = []
    other = separator_of(text[:_HEADER].encode())
    if separator == "," != other:
        raise UserError(f"{where} has columns separated by {SEPARATORS[other]}, not by commas; save it with commas")
    try:
        # line ends as they are: a lone CR ends a row, too
        for record in csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator):
            # a first line that says how columns are separated is no row
            is_row = found or not _SAYS_SEPARATOR.fullmatch(separator.join(record))
            found.append((len(found) + 1, record if is_row else []))
    except csv.Error as error:
        raise UserError(
            f"{where}, row {len(found) + 1}: not a csv ({error}); download it again, or mend the row"
        ) from error
    return found


def _refuse_unnamed(found: list[Row], column: str, where: str) -> None:
    """Raises UserError where what names a row is blank or holds a line end or another control character."""
    for row in found:
        name = row.fields[column]
        if not name.strip() or unprintable(name):
            what = f"holds {name!a}, which is not one word on a line" if name.strip() else "is blank"
            raise UserError(
                f"{where}, row {row.number}: the column {column!r} {what}; download it again, or mend the row"
            )


def _refuse_twice(found: list[Row], key: tuple[str, ...], where: str) -> None:
    first: dict[tuple, int] = {}
    for row in found:
        names = tuple(row.fields[column] for column in key)
        other = first.setdefault(names, row.number)
        if other != row.number:
            raise UserError(
                f"{where}, row {row.number}: {shown(names)} is in row {other}, too; download it again, or remove one"
            )


def unprintable(name: str) -> bool:
    """Whether a name holds control characters (line ends, tabs, NUL) or bytes that are not UTF-8."""
    return any(ord(letter) < 32 or 127 <= ord(letter) < 160 or 0xD800 <= ord(letter) < 0xE000 for letter in name)
