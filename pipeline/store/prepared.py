"""The prepared data of a competition: every image once, in one flat file that maps into memory.

After `prepare` nothing knows a competition's layout. `images.npy` holds all images (train first, each part sorted by
id), `labels.npy` the labels of the train part, `truth.npy` those labels of the test part that are kept apart for the
report; `images.csv` is the index, `prepared.json` what holds for all of them, written last.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.store.disk import read_json, read_rows
from pipeline.store.flat import FlatReader
from pipeline.store.numbers import number, whole_number
from pipeline.store.scaling import Scaling
from pipeline.store.seen import Seen, SeenPicture, Together, Toned
from pipeline.store.slices import refuse_torn


class Prepared:
    """Opens a prepared folder in a second.

    Attributes:
        columns: the index: name -> a value for each image: id, part, group, kind, height, width, coverage (0..1, blank
            in the test part), offset (where the image starts in images.npy, in values), always_learnt (held out by no
            fold), volume (what it is a slice of, where a group holds several). table: the same as a pandas table.
        info: prepared.json: channels, dtype, label_dtype, layers, fingerprints, range (the largest value), mean and std
            of each channel over the train part (as shares of the range), notes; of all but pictures of 8 bits the
            scaling.
        own_groups: the fingerprint of groups that are the user's, not the data's; blank where there are none.
        scaling: how a network sees the images that it learns from now on; None where it sees them as shares of the
            range: of 8 bits, or prepared by an earlier version.

    Raises:
        UserError: nothing is prepared, or files are missing.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        done = self.folder / "prepared.json"
        if not done.exists() or not (self.folder / "images.csv").exists():
            raise UserError(f"{self.folder} holds no prepared data; run the stage 'prepare'")
        self.info = _checked(read_json(done), done)
        self.scaling = self.scaling_of(self.info, done)
        self.columns = _index(self.folder / "images.csv", has_train=self.info.get("train") != 0)
        self.own_groups = ""
        self._is_checked = False
        self.is_train = np.array([part == "train" for part in self.columns["part"]])

    @functools.cached_property
    def table(self):
        # for many a question the columns are enough, and pandas takes longer to load than to answer it
        import pandas

        return pandas.DataFrame(self.columns)

    @property
    def train_ids(self) -> list[str]:
        """Of the train part, in the order of `table`."""
        return [self.columns["id"][row] for row in self.train]

    def fingerprint(self, kind: str) -> str:
        """Of the content of `train`, `test` (ids, groups, pixels, labels) or `truth`: the same for zipped, unpacked
        or moved raw files. Apart, because a fold once trained stays true when the test images are exchanged."""
        return self.info["fingerprints"][kind]

    @property
    def notes(self) -> list[str]:
        """What `prepare` warned of."""
        return list(self.info.get("notes", []))

    @property
    def sample(self) -> Path | None:
        path = self.folder / "sample_submission.csv"
        return path if path.exists() else None

    @functools.cached_property
    def images(self) -> FlatReader:
        """Every image, in the order of `table`."""
        return self._reader("images.npy", np.arange(len(self.is_train)), self.info["channels"], self.info["dtype"])

    @functools.cached_property
    def labels(self) -> FlatReader:
        """The labels of the train part, H x W x layers: the first rows of `table`."""
        return self._whole_numbers("labels.npy", self.train)

    @functools.cached_property
    def truth(self) -> FlatReader | None:
        """The hidden labels of the test part, for the report alone; None where there are none."""
        if not (self.folder / "truth.npy").exists():
            return None
        return self._whole_numbers("truth.npy", self.test)

    @functools.cached_property
    def train(self) -> np.ndarray:
        """Row numbers of the train part: 0, 1, …"""
        return np.flatnonzero(self.is_train)

    @functools.cached_property
    def test(self) -> np.ndarray:
        return np.flatnonzero(~self.is_train)

    def groups(self, rows: np.ndarray) -> np.ndarray | None:
        """The groups of these rows; None where the competition has none and every image stands alone, as one without a
        group does beside others."""
        found = np.array(self.columns["group"], dtype=object)[rows]
        alone = np.flatnonzero(found == "")
        if len(alone) == len(found):
            return None
        ids = self.columns["id"]
        # no group is called so
        found[alone] = [f"\n{ids[row]}" for row in np.asarray(rows)[alone]]
        return found

    def group_by(self, groups: list[str], fingerprint: str) -> None:
        """Gives every image another group, before anybody has asked for the table."""
        self.columns, self.own_groups = {**self.columns, "group": groups}, fingerprint

    def check_arrays(self) -> None:
        """Raises UserError where the arrays do not hold what `prepare` wrote (a disk that fails, a copy that was cut
        off): a second for each gigabyte, so before work that takes longer."""
        readers = {} if self._is_checked else {"images.npy": self.images, "labels.npy": self.labels}
        self._is_checked = True
        for name, digest in self.info.get("arrays", {}).items():
            if name in readers and readers[name].digest() != digest:
                raise UserError(f"{self.folder / name} does not hold any more what was written into it; {_AGAIN}")

    def scaling_of(self, record: dict, where) -> Scaling | None:
        """The scaling that is written in prepared.json, or in the record of what was learnt. Raises UserError, with
        `where` it stands, for one that cannot be."""
        content = record.get("scaling")
        return None if content is None else Scaling.from_json(content, self.info["channels"], where)

    def view(
        self, neighbours: int = 0, slices: int = 1, scaling: Scaling | None = None, tones: str = "stored"
    ) -> "View":
        """The images as a network sees them: alone, with the slices before and after as further channels, or as
        patches of a volume, `slices` of them together. `scaling`: by which it has learnt; None is as stored. `tones`:
        `stored`, or each picture's `own`, in grey.

        Raises UserError when the images are no slices (without groups none has a neighbour), or do not lie on each
        other as their ids sort.
        """
        count = slices if slices > 1 else 2 * neighbours + 1
        plain = self.images if scaling is None else Seen(self.images, scaling.seen)
        info = _seen_as(self.info, scaling)
        if tones == "own":
            plain, info = Toned(plain), {**info, **_TONED}
        if count == 1:
            return View(plain, info, scaling=scaling, stored=self.images)
        if not (self.table[VOLUME] != "").any():
            option = "--slices" if slices > 1 else "--neighbours"
            raise UserError(f"{option} wants images that are slices of volumes; these have no groups")
        refuse_torn(self.table["id"], self.table["part"], self.table[VOLUME])
        images = Patches(self, slices, plain) if slices > 1 else Neighbours(self, neighbours, plain)
        return View(images, _side_by_side(info, count), slices, scaling, self.images)

    def _whole_numbers(self, name: str, rows: np.ndarray) -> FlatReader:
        # not recorded by earlier versions
        reader = self._reader(name, rows, self.info["layers"], self.info.get("label_dtype"))
        if reader.values.dtype.kind not in "ui":
            raise UserError(f"{self.folder / name} holds {reader.values.dtype}, not whole numbers; {_AGAIN}")
        return reader

    def _reader(self, name: str, rows: np.ndarray, channels: int, dtype=None) -> FlatReader:
        path = self.folder / name
        if not path.exists():
            raise UserError(f"{path} is missing; run the stage 'prepare' again")
        heights, widths = (self.columns[name][rows] for name in ("height", "width"))
        return FlatReader(path, heights, widths, channels, dtype)


ALWAYS_LEARNT = "always_learnt"  # a column of images.csv where there are such images
VOLUME = "volume"  # a column where a group holds several
_AT_ONCE = 1 << 23  # values
_WORDS = ("id", "part", "group", "kind")
_COUNTS = ("height", "width", "offset")
_AGAIN = "name the raw files with --data DIR to have them prepared again"


def _checked(info: dict, path: Path) -> dict:
    """prepared.json, if it holds what is asked of it. Raises UserError."""
    kinds = {"fingerprints": dict, "channels": int, "dtype": str, "layers": int, "range": (float, int)}
    kinds |= {"class_pixels": list, "mean": list, "std": list}
    wrong = [name for name, kind in kinds.items() if not isinstance(info.get(name), kind)]
    wrong += [name for name in ("channels", "layers") if not wrong and not 1 <= info[name] <= 65535]
    wrong += [f"fingerprints of {part}" for part in ("train", "test") if not wrong and part not in info["fingerprints"]]
    wrong += [name for name in ("dtype", "label_dtype") if name in info and not _is_dtype(info[name])]
    notes = info.get("notes", [])
    wrong += ["notes"] if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes) else []
    if wrong:
        raise UserError(f"{path} is of an earlier version, or was edited: {wrong[0]} is not there as it was; {_AGAIN}")
    return info


def _is_dtype(name) -> bool:
    return isinstance(name, str) and name in np.sctypeDict


def _index(path: Path, has_train: bool) -> dict:
    """images.csv by columns. Raises UserError where it is another."""
    rows = read_rows(path, *_WORDS, *_COUNTS, "coverage")
    try:
        columns = {
            **{name: [row[name] for row in rows] for name in _WORDS},
            **{name: np.array([whole_number(row[name]) for row in rows], np.int64) for name in _COUNTS},
            "coverage": [number(row["coverage"] or "nan") for row in rows],
        }
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path} holds what is no number ({error}); {_AGAIN}") from error
    found = {name: columns[name] for name in (*_WORDS, "height", "width", "coverage", "offset")}
    found[ALWAYS_LEARNT] = [bool(row.get(ALWAYS_LEARNT)) for row in rows]
    found[VOLUME] = [row.get(VOLUME) or row["group"] for row in rows]
    if not set(found["part"]) <= {"train", "test"} or ("train" in found["part"]) != has_train:
        raise UserError(f"{path} has parts other than train and test, or no train images; {_AGAIN}")
    return found


# mean and std are about those of pictures on dark ground
_TONED = {"dtype": "float32", "range": 1.0, "channels": 1, "mean": [0.25], "std": [0.25]}


def _seen_as(info: dict, scaling: Scaling | None) -> dict:
    """prepared.json, of images as they are seen."""
    if scaling is None:
        return info
    return {**info, "dtype": "float32", "range": 1.0, "mean": list(scaling.mean), "std": list(scaling.std)}


def _side_by_side(info: dict, count: int) -> dict:
    """prepared.json for `count` images as the channels of one."""
    wider = {name: info[name] * count for name in ("mean", "std")}
    return {**info, "channels": info["channels"] * count, **wider}


@dataclass(frozen=True)
class View:
    """Attributes:
    images: like `Prepared.images`, `images[row]` is what the network sees of a row.
    info: like `Prepared.info`, with the channels of these images, and their type, range, mean and std as seen.
    slices: how many images an answer is for.
    scaling: by which they are seen, or None.
    stored: the images as they are stored.
    """

    images: object
    info: dict
    slices: int = 1
    scaling: Scaling | None = None
    stored: object = None

    def members(self, row: int) -> np.ndarray:
        """The rows that the answer to `images[row]` is for, in its order."""
        return np.array([row]) if self.slices == 1 else self.images.around(row)

    @property
    def has_gaps(self) -> bool:
        """Whether there may be pixels that nothing is known of."""
        return self.scaling is not None and self.scaling.nodata is not None

    def known(self, row: int) -> SeenPicture:
        """H x W x 1 float32 of one image, where the view has gaps: 0 where nothing is known of a pixel, otherwise 1."""
        return SeenPicture(self.stored[row], self.scaling.known, 1)

    def blanked(self, row: int, answer: np.ndarray, first: int = 0) -> np.ndarray:
        """An answer to one image, or to its lines from `first` on, h x W x K: 0 where nothing is known of a pixel."""
        if not self.has_gaps:
            return answer
        known, found = self.known(row), answer.copy()
        # a band of lines at a time: all channels are looked at
        step = max(1, _AT_ONCE // (answer.shape[1] * self.stored.channels))
        for top in range(0, len(answer), step):
            bottom = min(top + step, len(answer))
            seen = np.asarray(known[first + top : first + bottom, :])[..., 0]
            found[top:bottom][seen <= 0] = 0
        return found


class _Slices:
    """Images that are slices of volumes, several together: `self[row]` is H x W x (count C), the earliest first."""

    def __init__(self, prepared: Prepared, images=None):
        self.images = prepared.images if images is None else images
        self.heights, self.widths = self.images.heights, self.images.widths
        table = prepared.table
        keys = list(zip(table["part"], table[VOLUME], self.heights.tolist(), self.widths.tolist(), strict=True))
        # the first row of each row's volume, and its last one
        changes = [row for row in range(len(keys)) if row == 0 or keys[row] != keys[row - 1]]
        lengths = np.diff([*changes, len(keys)])
        self.first = np.repeat(changes, lengths)
        self.last = self.first + np.repeat(lengths, lengths) - 1

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> Together:
        return Together([self.images[i] for i in self.around(row)])

    def around(self, row: int) -> np.ndarray:
        """The rows that are seen together."""
        raise NotImplementedError


class Neighbours(_Slices):
    """An image with `count` slices before and after it; beyond the ends of a volume its last slice is repeated.

    (2.5-D: a cheap view along the third axis.)
    """

    def __init__(self, prepared: Prepared, count: int, images=None):
        super().__init__(prepared, images)
        self.count = count

    def around(self, row: int) -> np.ndarray:
        return np.arange(row - self.count, row + self.count + 1).clip(self.first[row], self.last[row])


class Patches(_Slices):
    """`count` slices of a volume with the image in their middle, moved to where they lie inside of the volume.

    A volume of fewer slices ends in copies of its last one.
    """

    def __init__(self, prepared: Prepared, count: int, images=None):
        super().__init__(prepared, images)
        self.count = count

    def around(self, row: int) -> np.ndarray:
        first, last = self.first[row], self.last[row]
        start = max(first, min(row - self.count // 2, last - self.count + 1))
        return np.arange(start, start + self.count).clip(first, last)
