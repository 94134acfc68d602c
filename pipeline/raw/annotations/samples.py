"""The sample submission beside a csv of run lengths: which pictures it asks for, and the format of what is to be sent.

Where this project cannot write what the sample shows, that is said; never is another csv written in silence.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.errors import UserError, shown
from pipeline.raw import tables
from pipeline.raw.annotations.headers import CLASS_NAMES, RLE_NAMES
from pipeline.raw.annotations.keys import split_by
from pipeline.raw.annotations.whereabouts import Gallery, bare
from pipeline.raw.files import RawFiles
from pipeline.store.dialect import NOTHING, Format

_NAME = re.compile(r"sample.*submission|submission.*(sample|format)|^submission", re.IGNORECASE)
# what the submission takes over from the train csv
_COUNTED = ("order", "first", "relative", "ends", "between", "brackets")


@dataclass(frozen=True)
class Sample:
    """What was found.

    Attributes:
        file: its name; blank where there is none.
        content: its bytes, where a submission of this project has its columns and rows; else None.
        form: fields of the submission's `Format`.
        paths: id of a test image -> its picture; empty where there is no sample.
        notes: what is otherwise in a submission of this project.
    """

    file: str = ""
    content: bytes | None = None
    form: dict[str, object] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def is_sample(file_name: str) -> bool:
    return bool(_NAME.search(file_name))


@dataclass(frozen=True)
class Asked:
    """What the sample is held against.

    Attributes:
        dialect: the train csv's; header: its columns, of those in the dialect. classes, answer: as of `assembled.Ways`.
        find_train: from what an image is called to its picture. test: the test pictures.
    """

    dialect: Format
    header: list[str]
    classes: tuple[str, ...]
    answer: str
    find_train: Callable[[str], str | None]
    test: list[str]

    @property
    def has_classes(self) -> bool:
        """Whether each class has a row of its own."""
        return self.answer != "objects" and len(self.classes) > 1

    def is_wide(self, header: list[str]) -> bool:
        """Whether several columns are called by the classes."""
        of_class = re.compile(rf"(^|[_\-. ])({'|'.join(map(re.escape, self.classes))})($|[_\-. ])")
        return self.has_classes and sum(bool(of_class.search(name)) for name in header) > 1

    def counted(self, empty: str | None) -> dict[str, object]:
        """Fields of the format that say how runs are written, as far as they are not as usual."""
        found = {name: getattr(self.dialect, name) for name in _COUNTED}
        usual = Format()
        if self.answer != "objects":
            found["between"] = ""
        return {
            **{name: value for name, value in found.items() if value != getattr(usual, name)},
            **({"empty": empty} if empty else {}),
            # a row for each object, or all of an image in one field
            **({"several": not found["between"]} if self.answer == "objects" else {}),
        }


def find(raw: RawFiles, asked: Asked, file: str = "") -> Sample:
    """The sample submission among the files, or the one of that name.

    Raises UserError where it asks for pictures that are not there.
    """
    name = (
        raw.one(file)
        if file
        else next((n for n in raw.names if n.lower().endswith(".csv") and is_sample(_base(n))), None)
    )
    if name is None:
        if file:
            raise UserError(f'{raw.folder} holds no sample submission {file}; bring it, or say sample=""')
        return _without(asked)
    header, *records = tables.records(raw.read(name), raw.where(name))
    for number, record in enumerate(records, 2):
        if len(record) != len(header):
            raise UserError(
                f"{raw.where(name)}, row {number}: {len(record)} fields under {len(header)} names of columns; download "
                "it again, or mend the row"
            )
    if not records:
        said = f"{_base(name)} names the columns {shown(header)} and no images: a placeholder"
        form = _form(asked, header, None, [])
        return Sample(_base(name), None, form, {}, (said, *(() if form else (_unlike(_base(name), header, asked),))))
    return _of_rows(raw, name, header, records, asked)


def _usual_order(asked: Asked, header: list[str]) -> list[int]:
    """The places of image, class and run lengths among two or three columns; as they stand where they are others.

    Known by the names of the train csv, or by what such columns are called.
    """
    places = list(range(len(header)))
    if len(header) not in (2, 3):
        return places
    klass = _place(header, places, asked.dialect.class_column, CLASS_NAMES.match) if len(header) == 3 else None
    others = [place for place in places if place != klass]
    rle = _place(header, others, asked.dialect.rle_column, RLE_NAMES.search)
    rle = others[-1] if rle is None else rle
    return sorted(places, key=lambda place: (place == rle, place == klass))


def _place(header: list[str], places: list[int], name: str, likely: Callable[[str], object]) -> int | None:
    """The one of these places whose column has this name, or else is likely; None where there are none or several."""
    found = [i for i in places if header[i] == name] or [i for i in places if likely(header[i])]
    return found[0] if len(found) == 1 else None


def _without(asked: Asked) -> Sample:
    """Where there is no sample the train csv is the only one that shows what may be wanted."""
    dialect = asked.dialect
    joined = dialect.joined and _can_be_joined(asked)
    form = {"id_column": dialect.id_columns[0] if len(dialect.id_columns) == 1 else "id"}
    form |= {"rle_column": dialect.rle_column, **({"ending": dialect.ending} if dialect.ending else {})}
    if joined:
        form |= {"joined": True, "glue": dialect.glue}
    elif asked.has_classes:
        form |= {"class_column": dialect.class_column or "class"}
        form["id_column"] = "id" if dialect.joined else form["id_column"]
    form |= asked.counted(dialect.empty)
    notes = []
    if sorted(asked.header) == sorted(Format(**form).columns):
        form = _ordered(form, asked.header)
    else:
        notes = [_unlike("the train csv", asked.header, asked, form)]
    return Sample(form=form, notes=tuple(notes))


def _can_be_joined(asked: Asked) -> bool:
    """Whether keys of image and class can be written: the classes are those of the csv, and what joins them not in
    their names."""
    return asked.answer == "overlap" and not any(asked.dialect.glue in name for name in asked.classes)


def _of_rows(raw: RawFiles, name: str, header: list[str], records: list[list[str]], asked: Asked) -> Sample:
    finder = _Finder(raw, asked)
    content, order = raw.read(name), _usual_order(asked, header)
    records = [[record[i] for i in order] for record in records]
    keys = list(dict.fromkeys(record[0] for record in records))
    is_joined = not any(map(finder, keys))
    images = list(dict.fromkeys(split_by(finder, key, asked.dialect.glue)[0] for key in keys)) if is_joined else keys
    paths = {image: finder(image) for image in images}
    missing = [image for image, path in paths.items() if path is None]
    if missing:
        raise UserError(
            f"{raw.where(name)}: {len(missing)} of its ids have no picture: {shown(missing)}; add the pictures, or "
            "download both again"
        )
    endings = {image[len(bare(image)) :] for image in images}
    ending = endings.pop() if len(endings) == 1 else ""
    notes = []
    is_wide = asked.is_wide(header)
    if filler := "" if is_wide else _filler(asked, records):
        # any class will do: the sample is not followed row by row
        content, records = None, [[image, asked.classes[0], text] for image, _, text in records]
        notes = [
            f"{_base(name)} has the class {filler} in every row, which is none of {shown(asked.classes)}: a "
            "placeholder; a row for each image and class is written"
        ]
    form = {} if is_wide else _form(asked, header, is_joined, records, ending)
    ids = {image.removesuffix(ending): path for image, path in paths.items()}
    if not form:
        return Sample(_base(name), None, {}, ids, (_unlike(_base(name), header, asked),))
    return Sample(_base(name), content, form, ids, tuple(notes))


class _Finder:
    """Pictures by what a sample calls them: first among those to be answered."""

    def __init__(self, raw: RawFiles, asked: Asked):
        self.test = Gallery(raw).only(set(asked.test))
        self.find_train = asked.find_train

    def __call__(self, called: str) -> str | None:
        return self.test.find(called) or self.find_train(called)


def _form(
    asked: Asked, header: list[str], is_joined: bool | None, records: list[list[str]], ending: str = ""
) -> dict[str, object]:
    """Fields of the `Format` that has these columns; none where it cannot.

    Args: header: as it stands; records: in the usual order; is_joined: None where no row tells.
    """
    usual = [header[i] for i in _usual_order(asked, header)]
    return _ordered(_usual_form(asked, usual, is_joined, records, ending), header)


def _ordered(form: dict[str, object], header: list[str]) -> dict[str, object]:
    """With the order of the columns, where it is another than the usual one."""
    return {**form, "header": tuple(header)} if form and header != Format(**form).columns else form


def _filler(asked: Asked, records: list[list[str]]) -> str:
    """What is the class of every row, where it is one word and none of several classes; else blank."""
    names = {record[1] for record in records if len(record) == 3 and " " not in record[1]}
    return names.pop() if asked.has_classes and len(names) == 1 and not names & set(asked.classes) else ""


def _usual_form(
    asked: Asked, header: list[str], is_joined: bool | None, records: list[list[str]], ending: str
) -> dict[str, object]:
    is_joined = asked.dialect.joined and len(header) == 2 if is_joined is None else is_joined
    known = set(asked.classes)
    form = {"id_column": header[0], "rle_column": header[-1], **({"ending": ending} if ending else {})}
    form |= asked.counted(_empty(asked.dialect, records))
    if is_joined:
        names = {record[0].rpartition(asked.dialect.glue)[2] for record in records}
        if len(header) == 2 and _can_be_joined(asked) and names <= known:
            return {**form, "joined": True, "glue": asked.dialect.glue}
        return {}
    if len(header) == 2:
        return {} if asked.has_classes else form
    names = {record[1] for record in records}
    if len(header) == 3 and asked.answer == "overlap" and names <= known:
        return {**form, "class_column": header[1]}
    return {}


def _empty(dialect: Format, records: list[list[str]]) -> str:
    """What an answer without pixels is written as: as in the train csv, or as all of the sample says it."""
    said = {record[-1].strip() for record in records}
    if len(said) == 1 and not dialect.empty:
        (word,) = said
        return word if word.lower() in NOTHING - {"nan", "na", "null"} else ""
    return dialect.empty or ""


def _unlike(base: str, header: list[str], asked: Asked, form: dict | None = None) -> str:
    columns = Format(**form).columns if form else ["id", *(["class"] if asked.has_classes else []), "rle"]
    return (
        f"{base} has the columns {','.join(header)}; the submission that this project writes has {','.join(columns)}"
        f"{' (the background is a class of its own)' if asked.has_classes and asked.answer == 'classes' else ''}: it "
        "must be rewritten before it is sent"
    )


def said(form: dict[str, object]) -> tuple[str, ...]:
    """How a submission is written, as far as it is not as usual, in a line."""
    parts = [
        form.get("joined") and "keys of image and class",
        form.get("ending") and f"names that end in {form['ending']}",
        form.get("order") == "across" and "runs across the rows",
        form.get("first") == 0 and "pixels counted from 0",
        form.get("relative") and "starts counted from the run before",
        form.get("ends") and f"starts and {form['ends']} ends of runs",
        form.get("between") and f"objects joined by {form['between']}",
        form.get("brackets") and "lists in brackets",
        form.get("empty") and f"'{form['empty']}' where there is nothing",
        form.get("header") and f"the columns {','.join(form['header'])}",
    ]
    found = [part for part in parts if part]
    return (f"the submission is written with {', '.join(found)} (format=)",) if found else ()


def _base(name: str) -> str:
    return name.rpartition("/")[2]
