"""Runs on the images that all of them held out: the same images of the same folds, or nothing is compared."""

from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.runs.crossed import Crossed


@dataclass(frozen=True)
class Common:
    """Attributes: folds: that all runs hold out alike; places: of each run, the places of these images in its
    `Crossed`, in one order for all; notes: what is left out, a line each."""

    folds: list[int]
    places: list[np.ndarray]
    notes: list[str]

    def __len__(self) -> int:
        return len(self.places[0])


def common(names: list[str], runs: list[Crossed]) -> Common:
    """The images that runs have in common, from what the images of each got.

    Raises UserError where no fold holds out the same images in all of them: the others' networks may have learnt what
    is asked here, and other images are easier or harder.
    """
    held = [_by_fold(found) for found in runs]
    everywhere = sorted(set.union(*map(set, held)))
    alike = [fold for fold in everywhere if len({folds.get(fold, _NONE) for folds in held}) == 1]
    if not alike:
        said = "; ".join(f"{name} holds out {_folds(folds)}" for name, folds in list(zip(names, held, strict=True))[:3])
        raise UserError(
            f"{shown(names)} have no fold in common that holds out the same images ({said}); train them on the same "
            "folds (--folds, folds/)"
        )
    left = [fold for fold in everywhere if fold not in alike]
    notes = []
    if left:
        notes.append(
            f"on fold(s) {_listed(alike)} alone: {_listed(left)} hold(s) out other images in one of them, or none"
        )
    return Common(alike, [np.flatnonzero(np.isin(found.folds, alike)) for found in runs], notes)


_NONE = ("not held out",)


def _by_fold(found: Crossed) -> dict[int, tuple]:
    return {int(fold): tuple(found.ids[found.folds == fold].tolist()) for fold in np.unique(found.folds)}


def _folds(folds: dict[int, tuple]) -> str:
    return f"{sum(map(len, folds.values()))} images in fold(s) {_listed(folds)}"


def _listed(folds) -> str:
    return ", ".join(map(str, folds))
