"""Which columns of a csv name the pictures, and how: by names with or without ending, keys of image and class, parts of
the way of a file. Where several columns could, the one that names most; never one of them at random."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.errors import UserError, shown
from pipeline.imaging import evenly
from pipeline.raw.annotations.headers import names_images
from pipeline.raw.annotations.whereabouts import Gallery, bare
from pipeline.raw.places.names import folder_of, stem, words
from pipeline.raw.tables import Row
from pipeline.store.mending import INDEX

GLUES = ("_", "-", "/", ":", " ", "|")
SEEN = 500  # rows looked at to find out
LONGEST = 1024  # letters: what is longer, as lists of numbers are, is no name
ENOUGH = 0.9  # of the rows or pictures: who names so many need not be held against keys of several columns
NEARLY = 0.8  # of what the best names: who names so many is as good


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
        return split_by(self.find, key, glue)


def split_by(find: Callable[[str], str | None], key: str, glue: str) -> tuple[str, str]:
    """The same, with what finds a picture by its name."""
    place = key.rfind(glue)
    while place > 0:
        if find(key[:place]):
            return key[:place], key[place + len(glue) :]
        place = key.rfind(glue, 0, place)
    return key, ""


@dataclass(frozen=True)
class Keys:
    """The columns that name the pictures, what joins them, whether they name the class as well, how they are found."""

    columns: tuple[str, ...]
    pictures: Pictures
    glue: str = "_"
    joined: bool = False

    def called(self, row: Row) -> str:
        return self.glue.join(row.fields[name] for name in self.columns)

    def picture(self, called: str) -> str | None:
        """The picture that a key names; None where it names none, or several."""
        try:
            if self.joined:
                image, name = self.pictures.split(called, self.glue)
                return self.pictures.find(image) if name else None
            return self.pictures.find(called)
        except UserError:
            return None


@dataclass(frozen=True)
class _Candidate:
    """Keys of which most name a picture.

    Attributes:
        pictures: of each row looked at. hits: how many pictures are named; misses: how many keys name none.
        kind: 0 for a column, more for what is less usual. exact: whether most have the ending of a picture, which no
            number of something else has.
    """

    keys: Keys
    kind: int
    pictures: tuple[str | None, ...]
    hits: int
    misses: int
    exact: bool

    @property
    def worth(self) -> int:
        return self.hits - self.misses

    @property
    def most(self) -> int:
        """How many pictures it would name if none were missing."""
        return self.hits + self.misses

    @property
    def is_index(self) -> bool:
        return any(INDEX.fullmatch(name) for name in self.keys.columns)

    @property
    def likely(self) -> int:
        return max(map(names_images, self.keys.columns))

    def differs(self, other: "_Candidate") -> bool:
        """Whether a row is of another picture by the other."""
        return any(a and b and a != b for a, b in zip(self.pictures, other.pictures, strict=True))

    def __str__(self) -> str:
        return shown(self.keys.columns)


def keys_of(rows: list[Row], columns: list[str], gallery: Gallery, where: str) -> tuple[Keys, list[str]]:
    """What names the pictures, and what is said of other columns that could.

    Raises UserError where nothing does, or where two do that would give masks to different pictures.
    """
    seen = evenly.some(rows, SEEN)
    columns = [name for name in columns if all(len(row.fields[name]) <= LONGEST for row in seen)]
    found: list[_Candidate] = []
    for kind, tried in enumerate(_usual_keys(columns, Pictures(gallery))):
        found += _candidates(tried, kind, seen)
        if any(own.worth >= ENOUGH * min(len(seen), len(gallery.names)) for own in _no_index(found)):
            break
    found = found or _candidates(_template_keys(columns, gallery, seen), 0, seen)
    if not found:
        _refuse_nameless(rows, columns, gallery, where)
    chosen, others = _chosen(found, where)
    _refuse_a_picture_as_header(rows, chosen, where)
    said = (
        f"pictures are found by the column {chosen}; {others[0]} names pictures, too, but other ones" if others else ""
    )
    return chosen.keys, [said] if said else []


def by_given(keys: Keys, rows: list[Row], gallery: Gallery) -> Pictures:
    """How pictures are found by keys that somebody gives."""
    seen = evenly.some(rows, SEEN)
    found = None if _candidates([keys], 0, seen) else template(gallery, [keys.called(row) for row in seen])
    return Pictures(gallery, found) if found else keys.pictures


def _usual_keys(columns: list[str], plain: Pictures):
    """A column, two in their order, two the other way round, a column of image and class."""
    yield (Keys((name,), plain) for name in columns)
    yield (Keys(pair, plain, glue) for pair in itertools.combinations(columns, 2) for glue in GLUES)
    yield (Keys(pair[::-1], plain, glue) for pair in itertools.combinations(columns, 2) for glue in GLUES)
    yield (Keys((name,), plain, glue, joined=True) for name in columns for glue in GLUES)


def _template_keys(columns: list[str], gallery: Gallery, seen: list[Row]):
    for name in columns:
        if found := template(gallery, [row.fields[name] for row in seen]):
            yield Keys((name,), Pictures(gallery, found))


def _candidates(tried, kind: int, seen: list[Row]) -> list[_Candidate]:
    """Those of which more than half name a picture; of those that differ in what joins them the first."""
    found: dict[tuple[str, ...], _Candidate] = {}
    for keys in tried:
        if keys.columns in found:
            continue
        called = [keys.called(row) for row in seen]
        of = {key: keys.picture(key) for key in dict.fromkeys(called) if key}
        misses = sum(path is None for path in of.values())
        if misses < len(of) / 2:
            pictures = tuple(of.get(key) for key in called)
            exact = sum(bare(key) != key for key in of) > len(of) / 2
            found[keys.columns] = _Candidate(keys, kind, pictures, len(set(of.values()) - {None}), misses, exact)
    return list(found.values())


def _no_index(found: list[_Candidate]) -> list[_Candidate]:
    return [own for own in found if not own.is_index]


def _chosen(found: list[_Candidate], where: str) -> tuple[_Candidate, list[_Candidate]]:
    """The one that is meant, and those that name as many pictures, but others."""
    best = max(own.worth for own in _no_index(found) or found)
    able = [own for own in found if own.most >= best]
    left = _no_index(able) or able
    for rank in (lambda own: own.exact, lambda own: own.likely, lambda own: -own.kind):
        top = max(map(rank, left))
        left = [own for own in left if rank(own) == top]
    top = max(own.worth for own in left)
    left = [own for own in left if own.worth >= NEARLY * top]
    other = next((own for own in left if own.differs(left[0])), None)
    if other:
        one, two = next((a, b) for a, b in zip(left[0].pictures, other.pictures, strict=True) if a and b and a != b)
        raise UserError(
            f"{where}: the columns {left[0]} and {other} both name pictures, and not the same ones ({one} and {two} in "
            "one row); take one of them out of the table, or name the right one as id_column in dialect= of read_runs"
        )
    return left[0], [own for own in able if own.differs(left[0])]


def _refuse_nameless(rows: list[Row], columns: list[str], gallery: Gallery, where: str) -> None:
    plain = Pictures(gallery)
    for name in columns:
        # a name that several pictures have is refused for that
        plain.find(rows[0].fields[name])
    raise UserError(
        f"{where}: none of the columns {shown(columns)} names the pictures, which are called "
        f"{shown([name.rpartition('/')[2] for name in gallery.names], 3) or 'nothing: there are none'}; the first row "
        f"is {shown(rows[0].fields[name][:40] for name in columns)}"
    )


def _refuse_a_picture_as_header(rows: list[Row], chosen: _Candidate, where: str) -> None:
    """Raises UserError where the column is called as a picture that no row names: then the first row has been lost."""
    name = chosen.keys.columns[0]
    path = chosen.keys.picture(name) if chosen.likely < 1 and len(chosen.keys.columns) == 1 else None
    if path and not any(row.fields[name] == name or chosen.keys.picture(row.fields[name]) == path for row in rows):
        raise UserError(
            f"{where} has no names of columns: its first line is of the picture {path}; put the names of the "
            f"{len(rows[0].fields)} columns (such as id,rle) into a line before it"
        )


def template(gallery: Gallery, keys: list[str]) -> Template | None:
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
