"""Probabilities of a fold: `valid.npy` / `test.npy`, one flat uint8 array, and its index `valid.csv` / `test.csv`."""

import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.store import disk, records
from pipeline.store.flat import FlatReader, FlatWriter
from pipeline.store.numbers import whole_number

COLUMNS = ["id", "height", "width", "channels", "offset"]


class PredictionWriter:
    """Writes `<name>.npy` and its index; with `keep_plain` also `<name>_no_tta.npy`. A context manager.

    The array that means "done" gets its name last; nothing gets a name when the block fails.
    """

    def __init__(self, folder: Path, name: str, channels: int, inputs: dict, keep_plain: bool, total: int, title: str):
        self.folder, self.name, self.channels, self.inputs = folder, name, channels, inputs
        self.keep_plain, self.total, self.title = keep_plain, total, title
        self.rows, self.offset = [], 0

    def __enter__(self):
        from tqdm import tqdm

        self.stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            path = self.folder / f"{self.name}.npy"
            self.averaged = self._open(stack, records.recorded(path, self.inputs))
            # entered after, so finished before `averaged` gets its name
            stack.push(self._write_index)
            if self.keep_plain:
                self.plain = self._open(stack, disk.atomic(self.folder / f"{self.name}_no_tta.npy"))
            bar = tqdm(total=self.total, desc=self.title, unit="image", disable=not sys.stderr.isatty(), delay=1)
            self.bar = stack.enter_context(bar)
            self.stack = stack.pop_all()
        return self

    def add(self, image_id: str, plain: np.ndarray, averaged: np.ndarray) -> None:
        """H x W x channels, uint8, both."""
        self.add_bands(image_id, [(plain, averaged)])

    def add_bands(self, image_id: str, bands: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        """The same of an answer (plain, averaged) in bands of lines from top to bottom."""
        height = 0
        for plain, averaged in bands:
            self.averaged.append(averaged)
            if self.keep_plain:
                self.plain.append(plain)
            height, (width, channels) = height + len(averaged), averaged.shape[1:]
        self.rows.append([image_id, height, width, channels, self.offset])
        self.offset += height * width * channels
        self.bar.update()

    def __exit__(self, *exception):
        return self.stack.__exit__(*exception)

    def _open(self, stack, file) -> FlatWriter:
        return stack.enter_context(FlatWriter(stack.enter_context(file), np.uint8))

    def _write_index(self, *exception):
        if exception[0] is None:
            disk.write_rows(self.folder / f"{self.name}.csv", COLUMNS, self.rows)


class Predictions:
    """Reads `<folder>/<name>.npy` with its index: `predictions[i]` is H x W x channels, `ids[i]` its image.

    Raises UserError when the files do not fit each other or what is expected of them.
    """

    def __init__(self, folder: Path, name: str, channels: int, index: str | None = None):
        path = Path(folder) / f"{index or name}.csv"
        if not path.exists():
            raise UserError(f"{path} is missing; {name}.npy needs its index with the columns {','.join(COLUMNS)}")
        table = disk.read_columns(path, COLUMNS)
        height, width, depth, offset = (_whole_numbers(table[column], column, path) for column in COLUMNS[1:])
        if (depth != channels).any():
            raise UserError(f"{path}: channels must be {channels} everywhere")
        self.path = Path(folder) / f"{name}.npy"
        self.ids = table["id"]
        self.reader = FlatReader(self.path, height, width, channels)
        if self.reader.values.dtype != np.uint8:
            raise UserError(
                f"{self.path} holds {self.reader.values.dtype}; probabilities are stored as uint8, 0 to 255"
            )
        if not np.array_equal(offset, self.reader.offsets):
            raise UserError(f"{path}: the offsets are not those of pictures stored one after the other")

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: int) -> np.ndarray:
        return self.reader[i]

    def check(self, ids: list[str], heights, widths) -> None:
        """Raises UserError unless it holds exactly these images, in this order, at these sizes."""
        if self.ids != list(ids):
            other = sorted(set(self.ids) ^ set(ids))
            what = f"is of other images: {shown(other)}" if other else "has the images in another order than by id"
            raise UserError(f"{self.path} {what}; bring or make it for these images, folds and sizes, or delete it")
        sizes = np.array_equal(self.reader.heights, heights) and np.array_equal(self.reader.widths, widths)
        if not sizes:
            raise UserError(f"{self.path} holds pictures of another size than the images")


def _whole_numbers(texts: list[str], column: str, path: Path) -> np.ndarray:
    """A column as int64. Raises UserError for anything but whole numbers from 0."""
    try:
        found = np.array([whole_number(text) for text in texts], np.int64)
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path} is no valid index: {column}: {error}") from error
    if (found < 0).any():
        raise UserError(f"{path} is no valid index: {column} is below 0")
    return found
