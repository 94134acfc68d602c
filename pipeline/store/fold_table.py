"""`folds/<c>.csv`: which fold holds an image out. Written by `split`, edited or supplied by hand, read by all."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.store.disk import read_columns, text_hash
from pipeline.store.numbers import whole_number
from pipeline.store.prepared import Prepared


@dataclass(frozen=True)
class FoldTable:
    """The fold of every train image, in the order of the prepared table; -1 is always trained on, never held out."""

    ids: list[str]
    folds: np.ndarray

    @property
    def count(self) -> int:
        return int(self.folds.max()) + 1

    def held_out(self, fold) -> np.ndarray:
        """Row numbers of the images that fold `fold` holds out; none for `all`."""
        return np.flatnonzero(self.folds == (-2 if fold == "all" else fold))

    def learnt(self, fold) -> np.ndarray:
        return np.setdiff1d(np.arange(len(self.folds)), self.held_out(fold))

    def fingerprint(self, fold=None) -> str:
        """Of the images one fold holds out, or of the whole table."""
        if fold is None:
            return text_hash(*self.ids, *self.folds.tolist())
        return text_hash(fold, *(self.ids[row] for row in self.held_out(fold)))


def read(path: Path, prepared: Prepared) -> FoldTable:
    """Reads a fold table.

    Raises UserError: no such file, other columns, ids that are not exactly the data's (naming them), folds that are
    not whole numbers from -1, or folds without any image.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist; run the stage 'split'")
    table = read_columns(path, ["id", "fold"])
    ids = prepared.train_ids
    _check_ids(table["id"], ids, path)
    try:
        numbers = {name: whole_number(fold) for name, fold in zip(table["id"], table["fold"], strict=True)}
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path}: a fold is not a whole number ({error})") from error
    folds = np.array([numbers[name] for name in ids])
    if folds.min() < -1:
        raise UserError(f"{path}: fold {folds.min()}; folds are 0, 1, …, and -1 for images that are always trained on")
    used = np.unique(folds[folds >= 0])
    gaps = np.flatnonzero(used != np.arange(len(used)))
    if len(gaps) or not len(used):
        gap = int(gaps[0]) if len(gaps) else 0
        raise UserError(f"{path}: no image is in fold {gap}; number the folds from 0 without gaps")
    return FoldTable(ids, folds)


def _check_ids(have: list[str], want: list[str], path: Path) -> None:
    twice = len(have) - len(set(have))
    unknown = sorted(set(have) - set(want))
    missing = sorted(set(want) - set(have))
    if twice:
        raise UserError(f"{path}: {twice} id(s) are there more than once")
    if unknown or missing:
        parts = [f"{len(unknown)} not in the data: {shown(unknown)}"] if unknown else []
        parts += [f"{len(missing)} of the data not in it: {shown(missing)}"] if missing else []
        raise UserError(f"{path} does not fit the data: {'; '.join(parts)}; delete it to have folds made")
