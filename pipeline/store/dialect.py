"""What a csv of run lengths looks like: names of columns, what a row is, how runs are counted, what empty is.

Competitions differ in all of it. One `Format` reads a train csv, writes a submission and checks one. It also says where
there is no csv but a zip of files (`store/zipped.py`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from pipeline.imaging import rle
from pipeline.imaging.rle import RunError

ORDERS = ("down", "across")
ENDS = ("inclusive", "exclusive")
# what a zip holds in place of a csv: a volume in each file, or an image
VOLUMES, PICTURES = ".tif", ".png"
# what programs write where there is nothing
NOTHING = frozenset(("", "-", "-1", "nan", "na", "n/a", "<na>", "null", "none"))
# a run without length: `1 0`
_NO_LENGTH = re.compile(r"\d+ 0")
# brackets, commas and line ends stand for spaces
_SPACES = str.maketrans(dict.fromkeys('[](){},"\t\r\n', " "))
_MOST = 1 << 40  # no position in a picture; larger numbers would overflow when they are added


@dataclass(frozen=True)
class Runs:
    """Runs of many objects: one entry for each run, those of an object together.

    Attributes:
        rows: which object. starts, lengths: counted from 1, along the order of the dialect, absolute.
        of_text: of each object, the index of the text that it was in.
    """

    rows: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    of_text: np.ndarray


@dataclass(frozen=True, repr=False)
class Format:
    """What a csv of run lengths looks like.

    Attributes:
        id_column: the column that names the image; a tuple where several do, whose words are joined by `glue`.
        rle_column: the column of the run lengths.
        class_column: the column that names the class, where each image has one row per class.
        several: whether an image may have several rows (one per object).
        pictures: whether labels are also written as PNGs, in a folder beside the csv.
        joined: whether image and class are one key, joined by `glue`: `a.jpg_1`.
        glue: see there.
        ending: what the name of an image ends with in the csv and not in its id: `.jpg`.
        between: what stands between the objects of one field (`;`); blank where a field holds one.
        brackets: whether a field is written as a JSON list, `[1, 3, 10, 2]`.
        order: `down` the columns or `across` the rows.
        first: the number of the first pixel, 1 or 0.
        relative: whether a start is counted from the end of the run before it.
        ends: what stands behind a start in place of its length: the last pixel of the run (`inclusive`), the one behind
            it (`exclusive`); blank for lengths.
        empty: what a field without pixels holds (blank, `-1`, a word); None where there is no row at all.
        ordered: whether the order of the rows counts.
        header: the columns in their order, where it is another than image, class, run lengths.
        files: the ending of the files that a zip holds in place of a csv: `.tif`, one for each volume, its slices as
            pages, or `.png`, one for each image; blank where there is a csv.
        values: what these files hold where the label is 0, 1, …
    """

    id_column: str | tuple[str, ...] = "id"
    rle_column: str = "rle"
    class_column: str = ""
    several: bool = False
    pictures: bool = False
    joined: bool = False
    glue: str = "_"
    ending: str = ""
    between: str = ""
    brackets: bool = False
    order: str = "down"
    first: int = 1
    relative: bool = False
    ends: str = ""
    empty: str | None = ""
    ordered: bool = True
    header: tuple[str, ...] = ()
    files: str = ""
    values: tuple[int, ...] = (0, 1)

    def __post_init__(self):
        """Raises ValueError for what no csv, and no zip, can be."""
        if self.files not in ("", VOLUMES, PICTURES):
            raise ValueError(f"files={self.files!r} is neither {VOLUMES} nor {PICTURES}, nor blank for a csv")
        if self.files and (self.class_column or self.joined or self.several or self.between or self.pictures):
            raise ValueError(
                f"files={self.files!r}: a zip of files has no csv with classes, objects or pictures beside"
            )
        if len(set(self.values)) < max(2, len(self.values)) or not set(self.values) <= set(range(256)):
            raise ValueError(f"values={self.values!r}: wanted are different whole numbers from 0 to 255, two at least")
        if self.order not in ORDERS:
            raise ValueError(f"order={self.order!r} is none of {', '.join(ORDERS)}")
        if self.ends and (self.ends not in ENDS or self.relative):
            raise ValueError(f"ends={self.ends!r} is none of {', '.join(ENDS)}, or not of absolute starts")
        if self.first not in (0, 1):
            raise ValueError(f"first={self.first!r}: the first pixel has the number 0 or 1")
        if self.joined and self.class_column:
            raise ValueError("joined=True and a class_column: the class is in the key or in a column")
        if self.header and sorted(self.header) != sorted([*self.key_columns, self.rle_column]):
            named = ", ".join([*self.key_columns, self.rle_column])
            raise ValueError(f"header={self.header!r}: it must name the columns {named}, in any order")

    def __repr__(self) -> str:
        """The first five fields, and those that are not as usual: what formats are compared by across versions."""
        said = fields(self)[:5] + tuple(f for f in fields(self)[5:] if getattr(self, f.name) != f.default)
        return f"Format({', '.join(f'{field.name}={getattr(self, field.name)!r}' for field in said)})"

    @property
    def id_columns(self) -> tuple[str, ...]:
        return (self.id_column,) if isinstance(self.id_column, str) else tuple(self.id_column)

    @property
    def key_columns(self) -> list[str]:
        """What together names a row: of the image, then of the class."""
        return [*self.id_columns, *([self.class_column] if self.class_column else [])]

    @property
    def columns(self) -> list[str]:
        """As they stand in the csv; none where there is no csv."""
        return [] if self.files else list(self.header) or [*self.key_columns, self.rle_column]

    @property
    def rle_place(self) -> int:
        """Where among the columns the run lengths are."""
        return self.columns.index(self.rle_column)

    def key_of(self, row: list[str]) -> tuple[str, ...]:
        """What `key_columns` hold in a row."""
        if not self.header:
            return tuple(row[:-1])
        return tuple(row[self.header.index(column)] for column in self.key_columns)

    def image_of(self, key: tuple[str, ...]) -> str:
        """The id of the image in what `key_columns` hold, or `id_columns` alone."""
        return self.split(self.glue.join(key[: len(self.id_columns)]))[0]

    def row(self, key: tuple[str, ...], field: str) -> list[str]:
        """The inverse of `key_of`: a row of the csv."""
        if not self.header:
            return [*key, field]
        held = dict(zip([*self.key_columns, self.rle_column], [*key, field], strict=True))
        return [held[column] for column in self.header]

    @property
    def suffix(self) -> str:
        """What the name of a submission ends with."""
        return ".zip" if self.files else ".csv"

    def file_of(self, image: str) -> str:
        """The name of the file that holds an image, where there is no csv: `a.tif` for the slice `a/0001`."""
        return f"{image.rpartition('/')[0] or image if self.files == VOLUMES else image}{self.files}"

    @property
    def has_classes(self) -> bool:
        """Whether each class has a row of its own."""
        return self.joined or bool(self.class_column)

    def key(self, image: str, name: str = "") -> str:
        """What stands in the key of a row, of the image's id and, where the two are joined, the class."""
        return f"{image}{self.ending}{self.glue}{name}" if self.joined else f"{image}{self.ending}"

    def split(self, key: str) -> tuple[str, str]:
        """The inverse: (id, class); a key without glue is all id."""
        image, _, name = key.rpartition(self.glue) if self.joined and self.glue in key else (key, "", "")
        return image.removesuffix(self.ending), name

    def image_and_class(self, row: Mapping[str, str]) -> tuple[str, str]:
        """(id, class) of a row by its columns; the class is blank where its key does not hold it."""
        return self.split(self.glue.join(row[column] for column in self.id_columns))

    def is_empty(self, field: str) -> bool:
        """Whether a field says that there is nothing."""
        text = field.strip()
        if text.lower() in NOTHING or (self.empty is not None and text == self.empty):
            return True
        return not self.ends and text.endswith(" 0") and bool(_NO_LENGTH.fullmatch(text))

    def parse(self, fields: list[str]) -> Runs:
        """The runs of many fields, in one pass.

        Raises RunError, whose `row` is the index of the field: what is no number, an odd count of numbers.
        """
        return self._runs(*self._objects(fields), _MOST)

    def parse_strictly(self, fields: list[str]) -> Runs:
        """The same for a submission, where what is empty, and each object, is written as the format says and numbers
        stand as they are written. Raises RunError."""
        has = [field != self.empty for field in fields]
        odd = next((i for i, field in enumerate(fields) if has[i] and self.is_empty(field)), None)
        if odd is not None:
            raise RunError(odd, f"'{fields[odd]}': {self._said_of_empty()}")
        of_text = np.flatnonzero(has)
        if self.between or self.brackets:
            parts = [(i, part) for i in of_text.tolist() for part in self._parts(fields[i])]
            of_text = np.array([i for i, _ in parts], np.int64)
            return self._runs([self._numbers(*part) for part in parts], of_text, _MOST)
        return self._runs([fields[i] for i in of_text], of_text, np.iinfo(np.int64).max)

    def _parts(self, field: str) -> list[str]:
        """The objects of a field, as they are written."""
        return field.split(self.between) if self.between else [field]

    def _numbers(self, row: int, part: str) -> str:
        """The numbers of an object with a space between, as `rle.parse_many` reads them. Raises RunError for what is no
        object as the format writes it: who reads it as JSON would fail."""
        if self.is_empty(part):
            raise RunError(row, f"'{part}' stands for an object without pixels; leave it out")
        if not self.brackets:
            return part.strip()
        try:
            numbers = json.loads(part)
        except (ValueError, RecursionError):
            numbers = None
        if not isinstance(numbers, list) or not numbers or not all(type(number) is int for number in numbers):
            apart = f", and '{self.between}' between objects" if self.between else ""
            raise RunError(row, f"'{part.strip()[:40]}' is not a JSON list of whole numbers, as [1, 3, 10, 2]{apart}")
        return " ".join(map(str, numbers))

    def _runs(self, objects: list[str], of_text: np.ndarray, most: int) -> Runs:
        """Of the texts of single objects, with larger numbers than `most` taken for it. Raises RunError as `parse`."""
        try:
            rows, starts, lengths = rle.parse_many(objects)
        except RunError as error:
            raise RunError(int(of_text[error.row]), str(error)) from error
        starts, lengths = np.minimum(starts, most), np.minimum(lengths, most)
        if self.ends:
            lengths = lengths - starts + (self.ends == "inclusive")
        if self.relative:
            starts = _absolute(rows, starts, lengths)
        return Runs(rows, starts + (1 - self.first), lengths, of_text)

    def check(self, runs: Runs, pixels: np.ndarray) -> None:
        """Raises RunError, whose `row` is the index of the text: runs that are not sorted, overlap, or lie outside
        of the picture of their object, which has so many pixels."""
        try:
            rle.check_runs(runs.rows, runs.starts, runs.lengths, pixels)
        except RunError as error:
            raise RunError(int(runs.of_text[error.row]), str(error)) from error

    def _said_of_empty(self) -> str:
        if self.empty is None:
            return "an image with nothing in it has no row in this competition; take the row out"
        written = f"'{self.empty}'" if self.empty else "a blank field"
        return f"a mask without pixels is {written} in this competition"

    def field(self, texts: list[str]) -> str | None:
        """The field of a row, from the run lengths of its objects as `rle.encode` writes them; None for no row."""
        texts = [text for text in texts if text]
        if not texts:
            return self.empty
        if len(texts) > 1 and not self.between:
            raise ValueError(f"{len(texts)} objects for one field")
        if self.first == 1 and not self.relative and not self.ends and not self.brackets:
            return (self.between or " ").join(texts)
        return self._fields(*rle.parse_many(texts), len(texts))

    def turned(self, labels: np.ndarray) -> np.ndarray:
        """Labels H x W x layers so that their runs down the columns are those of this format."""
        return labels if self.order == "down" else np.ascontiguousarray(labels.swapaxes(0, 1))

    unturned = turned

    def turned_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The same of (height, width)."""
        return size if self.order == "down" else (size[1], size[0])

    def _objects(self, fields: list[str]) -> tuple[list[str], np.ndarray]:
        """The texts of single objects, with one space between numbers, and the index of the field of each."""
        texts, of_text = [], []
        for index, field in enumerate(fields):
            for part in self._parts(field):
                if not self.is_empty(part):
                    texts.append(" ".join(part.translate(_SPACES).split()))
                    of_text.append(index)
        return texts, np.array(of_text, np.int64)

    def in_order(self, runs: Runs, pixels: np.ndarray | int) -> Runs:
        """The runs of each object sorted, and checked.

        Args: pixels: of the picture of each object, or of all.

        Raises RunError, whose `row` is the index of the object: a run that is empty, outside of the picture, or
        overlaps another of its object.
        """
        order = np.lexsort((runs.starts, runs.rows))
        found = Runs(runs.rows, runs.starts[order], runs.lengths[order], runs.of_text)
        rle.check_runs(
            found.rows, found.starts, found.lengths, np.broadcast_to(np.asarray(pixels), (len(runs.of_text),))
        )
        return found

    def masks(self, runs: Runs, height: int, width: int) -> np.ndarray:
        """The masks of the objects, each H x W bool, from runs of pictures of one size that `in_order` checked."""
        count = len(runs.of_text)
        if self.order == "down":
            return rle.decode_many(runs.rows, runs.starts, runs.lengths, count, height, width)
        return rle.decode_many(runs.rows, runs.starts, runs.lengths, count, width, height).transpose(0, 2, 1)

    def window(self, runs: Runs, height: int, width: int) -> tuple[slice, slice, np.ndarray]:
        """The runs of one object: the rows and columns of the window of the picture that they lie in, whole in the
        direction of the runs, and its mask, bool. Raises RunError as `in_order` does."""
        runs = self.in_order(runs, height * width)
        side = height if self.order == "down" else width
        first = int((runs.starts[0] - 1) // side)
        last = int((runs.starts[-1] + runs.lengths[-1] - 2) // side) + 1
        shifted = Runs(np.zeros_like(runs.rows), runs.starts - first * side, runs.lengths, runs.of_text)
        if self.order == "down":
            return slice(0, height), slice(first, last), self.masks(shifted, height, last - first)[0]
        return slice(first, last), slice(0, width), self.masks(shifted, last - first, width)[0]

    def decode(self, field: str, height: int, width: int) -> np.ndarray:
        """The masks of the objects in one field, objects x H x W bool. Raises RunError."""
        return self.masks(self.in_order(self.parse([field]), height * width), height, width)

    def encode(self, masks: np.ndarray) -> str | None:
        """The field of a row that holds these objects, objects x H x W; without pixels what is empty is written.

        Raises ValueError where there are several and a field holds one.
        """
        return self.field(rle.encode_many(masks if self.order == "down" else masks.transpose(0, 2, 1)))

    def _fields(self, rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray, count: int) -> str:
        """One field for the runs of `count` objects, starts counted from 1."""
        if self.relative:
            before = np.r_[0, (starts + lengths)[:-1]]
            # the first start of an object is counted from the first pixel
            starts = np.where(np.r_[True, rows[1:] != rows[:-1]], starts - 1 + self.first, starts - before)
        else:
            starts = starts - 1 + self.first
        if self.ends:
            lengths = starts + lengths - (self.ends == "inclusive")
        numbers = np.stack([starts, lengths], axis=-1)
        return (self.between or " ").join(self._written(numbers[rows == i].ravel()) for i in range(count))

    def _written(self, numbers: np.ndarray) -> str:
        words = map(str, numbers.tolist())
        return f"[{', '.join(words)}]" if self.brackets else " ".join(words)


def _absolute(rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Starts that were counted from the end of the run before."""
    if not len(rows):
        return starts
    ends = np.cumsum(starts + lengths)
    first = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
    before = np.repeat(np.r_[0, ends[first[1:] - 1]], np.diff(np.r_[first, len(rows)]))
    return ends - lengths - before
