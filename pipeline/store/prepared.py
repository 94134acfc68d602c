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


class Prepared:
    """Opens a prepared folder in a second.

    Attributes:
        table: the index as a pandas table: id, part, group, kind, height, width, coverage (0..1, blank in the test
            part), offset (where the image starts in images.npy, in values).
        info: prepared.json: channels, dtype, layers, fingerprints, range (the largest value), mean and std of each
            channel over the train part (as shares of the range), notes.

    Raises:
        UserError: nothing is prepared, or files are missing.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        done = self.folder / "prepared.json"
        if not done.exists() or not (self.folder / "images.csv").exists():
            raise UserError(f"{self.folder} holds no prepared data; run the stage 'prepare'")
        self.info = _checked(read_json(done), done)
        self.table = _index(self.folder / "images.csv")
        self._is_checked = False
        self.is_train = (self.table["part"] == "train").to_numpy()

    def fingerprint(self, kind: str) -> str:
        """Of the content of `train`, `test` (ids, groups, pixels, labels) or `truth`: the same for zipped, unpacked
        or moved raw files. Apart, because a fold once trained stays true when the test images are exchanged."""
        return self.info["fingerprints"][kind]

    @property
    def sample(self) -> Path | None:
        path = self.folder / "sample_submission.csv"
        return path if path.exists() else None

    @functools.cached_property
    def images(self) -> FlatReader:
        """Every image, in the order of `table`."""
        return self._reader("images.npy", np.arange(len(self.table)), self.info["channels"], self.info["dtype"])

    @functools.cached_property
    def labels(self) -> FlatReader:
        """The labels of the train part, H x W x layers: the first rows of `table`."""
        return self._reader("labels.npy", self.train, self.info["layers"])

    @functools.cached_property
    def truth(self) -> FlatReader | None:
        """The hidden labels of the test part, for the report alone; None where there are none."""
        if not (self.folder / "truth.npy").exists():
            return None
        return self._reader("truth.npy", self.test, self.info["layers"])

    @functools.cached_property
    def train(self) -> np.ndarray:
        """Row numbers of the train part: 0, 1, …"""
        return np.flatnonzero(self.is_train)

    @functools.cached_property
    def test(self) -> np.ndarray:
        return np.flatnonzero(~self.is_train)

    def groups(self, rows: np.ndarray) -> np.ndarray | None:
        """The groups of these rows; None where the competition has none and every image stands alone."""
        found = self.table["group"].to_numpy()[rows]
        return found if (found != "").any() else None

    def check_arrays(self) -> None:
        """Raises UserError where the arrays do not hold what `prepare` wrote (a disk that fails, a copy that was cut
        off): a second for each gigabyte, so before work that takes longer."""
        readers = {} if self._is_checked else {"images.npy": self.images, "labels.npy": self.labels}
        self._is_checked = True
        for name, digest in self.info.get("arrays", {}).items():
            if name in readers and readers[name].digest() != digest:
                raise UserError(f"{self.folder / name} does not hold any more what was written into it; {_AGAIN}")

    def view(self, neighbours: int = 0, slices: int = 1) -> "View":
        """The images as a network sees them: alone, with the slices before and after as further channels, or as
        patches of a volume, `slices` of them together.

        Raises UserError when the images are no slices: without groups none has a neighbour.
        """
        count = slices if slices > 1 else 2 * neighbours + 1
        if count == 1:
            return View(self.images, self.info)
        if self.groups(np.arange(len(self.table))) is None:
            option = "--slices" if slices > 1 else "--neighbours"
            raise UserError(f"{option} wants images that are slices of volumes; these have no groups")
        wider = {name: self.info[name] * count for name in ("mean", "std")}
        images = Patches(self, slices) if slices > 1 else Neighbours(self, neighbours)
        return View(images, {**self.info, "channels": self.info["channels"] * count, **wider}, slices)

    def _reader(self, name: str, rows: np.ndarray, channels: int, dtype=None) -> FlatReader:
        path = self.folder / name
        if not path.exists():
            raise UserError(f"{path} is missing; run the stage 'prepare' again")
        table = self.table.iloc[rows]
        return FlatReader(path, table["height"], table["width"], channels, dtype)


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
    if wrong:
        raise UserError(f"{path} is of an earlier version, or was edited: {wrong[0]} is not there as it was; {_AGAIN}")
    return info


def _index(path: Path):
    """images.csv as a pandas table. Raises UserError where it is another."""
    import pandas

    rows = read_rows(path, *_WORDS, *_COUNTS, "coverage")
    try:
        columns = {
            **{name: [row[name] for row in rows] for name in _WORDS},
            **{name: np.array([int(row[name]) for row in rows], np.int64) for name in _COUNTS},
            "coverage": [float(row["coverage"] or "nan") for row in rows],
        }
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path} holds what is no number ({error}); {_AGAIN}") from error
    table = pandas.DataFrame({name: columns[name] for name in (*_WORDS, "height", "width", "coverage", "offset")})
    if not set(table["part"]) <= {"train", "test"} or not (table["part"] == "train").any():
        raise UserError(f"{path} has parts other than train and test, or no train images; {_AGAIN}")
    return table


@dataclass(frozen=True)
class View:
    """Attributes:
    images: like `Prepared.images`, `images[row]` is what the network sees of a row.
    info: like `Prepared.info`, with the channels of these images.
    slices: how many images an answer is for.
    """

    images: object
    info: dict
    slices: int = 1

    def members(self, row: int) -> np.ndarray:
        """The rows that the answer to `images[row]` is for, in its order."""
        return np.array([row]) if self.slices == 1 else self.images.around(row)


class _Slices:
    """Images that are slices of volumes, several together: `self[row]` is H x W x (count C), the earliest first."""

    def __init__(self, prepared: Prepared):
        self.images = prepared.images
        self.heights, self.widths = self.images.heights, self.images.widths
        table = prepared.table
        keys = list(zip(table["part"], table["group"], self.heights.tolist(), self.widths.tolist(), strict=True))
        # the first row of each row's volume, and its last one
        changes = [row for row in range(len(keys)) if row == 0 or keys[row] != keys[row - 1]]
        lengths = np.diff([*changes, len(keys)])
        self.first = np.repeat(changes, lengths)
        self.last = self.first + np.repeat(lengths, lengths) - 1

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> np.ndarray:
        return np.concatenate([self.images[i] for i in self.around(row)], axis=2)

    def around(self, row: int) -> np.ndarray:
        """The rows that are seen together."""
        raise NotImplementedError


class Neighbours(_Slices):
    """An image with `count` slices before and after it; beyond the ends of a volume its last slice is repeated.

    (2.5-D: a cheap view along the third axis.)
    """

    def __init__(self, prepared: Prepared, count: int):
        super().__init__(prepared)
        self.count = count

    def around(self, row: int) -> np.ndarray:
        return np.arange(row - self.count, row + self.count + 1).clip(self.first[row], self.last[row])


class Patches(_Slices):
    """`count` slices of a volume with the image in their middle, moved to where they lie inside of the volume.

    A volume of fewer slices ends in copies of its last one.
    """

    def __init__(self, prepared: Prepared, count: int):
        super().__init__(prepared)
        self.count = count

    def around(self, row: int) -> np.ndarray:
        first, last = self.first[row], self.last[row]
        start = max(first, min(row - self.count // 2, last - self.count + 1))
        return np.arange(start, start + self.count).clip(first, last)
