"""Which columns of a csv of run lengths say what, and which picture a row is of: found in what they hold."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from pipeline.errors import UserError, shown
from pipeline.raw.annotations.whereabouts import Gallery, bare
from pipeline.raw.places.names import folder_of, stem, words
from pipeline.raw.tables import Row
from pipeline.store.dialect import NOTHING, Format

RLE_NAMES = re.compile(
    r"encod|^rle|rle$|run_?length|^pixels$|^segmentation$|^annotation$|^predicted$|mask", re.IGNORECASE
)
CLASS_NAMES = re.compile(r"^(class|label|category|cls|organ)(_?(id|name|ids|names))?$", re.IGNORECASE)
SIZE_NAMES = (
    re.compile(r"^(img_?|image_?|orig_?)?(height|h|rows)$", re.IGNORECASE),
    re.compile(r"^(img_?|image_?|orig_?)?(width|w|cols|columns)$", re.IGNORECASE),
)
GLUES = ("_", "-", "/", ":", " ", "|")
_RUNS = re.compile(r"[\[\]\d\s,;]*\d[\s,]+\d[\[\]\d\s,;]*")
_SEEN = 500  # rows looked at to find out
_MOST_CLASSES = 254


@dataclass(frozen=True)
class Template:
    """How a name is made from a file's: a folder (1 is the nearest, 0 none) and the first `tokens` of its stem (0: all)
    between _: `case1_day2/scans/slice_0001_266.png` gives case1_day2_slice_0001 of folder 2 and 2 tokens."""

    folder: int = 0
    tokens: int = 0
    glue: str = "_"

    def name(self, path: str) -> str:
        own = "_".join(stem(path).split("_")[: self.tokens]) if self.tokens else stem(path)
        above = words(folder_of(path))
        if not self.folder:
            return own
        return f"{above[-self.folder]}{self.glue}{own}" if len(above) >= self.folder else ""


@dataclass
class Pictures:
    """The pictures that a csv speaks of, by the names it gives them."""

    gallery: Gallery
    template: Template | None = None
    known: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self):
        if self.template is not None:
            found = defaultdict(list)
            for path in self.gallery.names:
                found[self.template.name(path)].append(path)
            self.known = {name: paths[0] for name, paths in found.items() if len(paths) == 1}

    def find(self, called: str) -> str | None:
        """The picture called so; None where there is none. Raises UserError where there are several."""
        if self.template is not None:
            return self.known.get(bare(called))
        if called not in self.known:
            self.known[called] = self.gallery.find(called)
        return self.known[called]

    def called(self, path: str) -> str:
        """What a picture would be called."""
        return self.template.name(path) if self.template else stem(path)

    def split(self, key: str, glue: str) -> tuple[str, str]:
        """Image and class of a key of both: the longest beginning that names a picture; (key, "") where none does."""
        place = key.rfind(glue)
        while place > 0:
            if self.find(key[:place]):
                return key[:place], key[place + len(glue) :]
            place = key.rfind(glue, 0, place)
        return key, ""


@dataclass(frozen=True)
class Columns:
    """What was found: the dialect's columns, how pictures are found, the columns of height and width or blanks."""

    dialect: Format
    pictures: Pictures
    size: tuple[str, str]

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
    rle = rle_column(rows)
    if not rle:
        raise UserError(f"{where}: none of the columns {shown(rows[0].fields)} holds run lengths")
    others = [name for name in rows[0].fields if name != rle]
    keys, joined, glue, pictures = _keys(rows, others, gallery, where)
    rest = [name for name in others if name not in keys]
    size = _size_columns(rest)
    shape = Columns(Format(_id_column(keys), rle, joined=joined, glue=glue), pictures, size)
    klass = "" if joined else _class_column(rows, [name for name in rest if name not in size], shape)
    found = Format(_id_column(keys), rle, class_column=klass, joined=joined, glue=glue)
    return Columns(found, pictures, size)


def _given(rows: list[Row], gallery: Gallery, where: str, given: Format) -> Columns:
    missing = [name for name in given.columns if name not in rows[0].fields]
    if missing:
        raise UserError(f"{where} has no column {missing[0]!r}, but {shown(rows[0].fields)}; mend dialect=")
    plain = Pictures(gallery)
    size = _size_columns([name for name in rows[0].fields if name not in given.columns])
    keys = [given.glue.join(row.fields[name] for name in given.id_columns) for row in _evenly(rows, _SEEN)]
    if _share(keys, lambda key: plain.split(key, given.glue)[1] if given.joined else plain.find(key)) > 0.5:
        return Columns(given, plain, size)
    template = _template(gallery, keys)
    return Columns(given, Pictures(gallery, template) if template else plain, size)


def _size_columns(names: list[str]) -> tuple[str, str]:
    """The columns of height and width; blanks where there are none."""
    found = tuple(next((name for name in names if pattern.match(name)), "") for pattern in SIZE_NAMES)
    return found if all(found) else ("", "")


def _id_column(keys: tuple[str, ...]) -> str | tuple[str, ...]:
    return keys[0] if len(keys) == 1 else keys


def rle_column(rows: list[Row]) -> str:
    """The column that holds run lengths; blank where none does."""
    found = []
    for name in rows[0].fields:
        fields = [row.fields[name].strip() for row in _evenly(rows, 4 * _SEEN)]
        numbers = [field for field in fields if field.lower() not in NOTHING and re.search(r"\d", field)]
        runs = [field for field in numbers if _RUNS.fullmatch(field)]
        if runs and len(runs) >= len(numbers) / 2:
            long = any(len(field.split()) > 2 for field in runs)
            if long or RLE_NAMES.search(name):
                found.append((bool(RLE_NAMES.search(name)), sum(map(len, runs)), name))
    return max(found)[2] if found else ""


def _evenly(rows: list[Row], most: int) -> list[Row]:
    return rows[:: max(1, len(rows) // most)]


def _keys(rows: list[Row], columns: list[str], gallery: Gallery, where: str):
    """The columns that name the pictures, whether they name the class as well, what joins them, how they are found."""
    seen = _evenly(rows, _SEEN)
    plain = Pictures(gallery)
    pairs = [(one, two) for one in columns for two in columns if one != two]
    for keys in [*((name,) for name in columns), *pairs]:
        for glue in GLUES if len(keys) > 1 else ("_",):
            called = [glue.join(row.fields[name] for name in keys) for row in seen]
            if _share(called, plain.find) > 0.5:
                return keys, False, glue, plain
    for name in columns:
        for glue in GLUES:
            if _share([row.fields[name] for row in seen], lambda key, glue=glue: plain.split(key, glue)[1]) > 0.5:
                return (name,), True, glue, plain
    for name in columns:
        template = _template(gallery, [row.fields[name] for row in seen])
        if template:
            return (name,), False, "_", Pictures(gallery, template)
    raise UserError(
        f"{where}: none of the columns {shown(columns)} names the pictures, which are called "
        f"{shown([name.rpartition('/')[2] for name in gallery.names], 3) or 'nothing: there are none'}; the first row "
        f"is {shown(rows[0].fields[name][:40] for name in columns)}"
    )


def _share(called: list[str], find) -> float:
    names = set(called) - {""}
    return sum(bool(find(name)) for name in names) / len(names) if names else 0.0


def _template(gallery: Gallery, keys: list[str]) -> Template | None:
    """How most of these names are made from files' names; None where there is no such way."""
    called = {bare(key) for key in keys}
    best = max(_templates(), key=lambda template: _hits(template, gallery, called))
    return best if _hits(best, gallery, called) > len(called) / 2 else None


def _templates() -> list[Template]:
    return [
        Template(folder, tokens, glue)
        for folder in range(5)
        for tokens in range(7)
        for glue in (("_", "-", "/", "") if folder else ("_",))
    ]


def _hits(template: Template, gallery: Gallery, called: set[str]) -> int:
    """How many of these names exactly one picture has."""
    counts = Counter(template.name(path) for path in gallery.names)
    return sum(counts[name] == 1 for name in called)


def _class_column(rows: list[Row], columns: list[str], shape: Columns) -> str:
    """The column that names classes: one that is called so, or that differs between the rows of an image."""
    for named in (True, False):
        for name in columns:
            if bool(CLASS_NAMES.match(name)) != named or not _few(rows, name):
                continue
            if named or _varies(rows, name, shape):
                return name
    return ""


def _few(rows: list[Row], name: str) -> bool:
    """Whether it has few values, which are no measures."""
    values = {row.fields[name] for row in rows}
    return len(values) <= min(_MOST_CLASSES, max(2, len(rows) // 2)) and not any("." in value for value in values)


def _varies(rows: list[Row], name: str, shape: Columns) -> bool:
    """Whether most images with several rows have other values in them, each value once."""
    seen = defaultdict(list)
    for row in _evenly(rows, 20 * _SEEN) if len(rows) < 20 * _SEEN else rows[: 20 * _SEEN]:
        seen[shape.image_and_class(row)[0]].append(row.fields[name])
    several = [values for values in seen.values() if len(values) > 1]
    return bool(several) and sum(len(set(values)) == len(values) for values in several) > len(several) / 2
