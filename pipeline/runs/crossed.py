"""runs/<c>/<run>/cross_fitted.npz: what each held-out image got under thresholds chosen on the other folds.

Kept, so that runs are compared image by image without a search or a pixel.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.runs.tuning import Apart, OutOfFold
from pipeline.store import disk
from pipeline.tasks.scoring import Tally
from pipeline.tasks.thresholds import Thresholds

_ARRAYS = ("ids", "folds", "groups", "coverage", "statistics", "overlap", "parts", "rules", "inputs")


@dataclass(frozen=True)
class Crossed:
    """n held-out images, fold after fold.

    Attributes:
        ids, groups: texts, n; groups are blank where there are none. folds: which held it out. coverage: 0..1.
        statistics: n x …, what the metric counts. overlap: n, IoU of the pixels as decoded, mean over classes.
        parts: which of the `rules` decoded it; rules: for each part one `Thresholds` per class.
        processed: whether the competition's `postprocess` had the last word.
    """

    ids: np.ndarray
    groups: np.ndarray
    folds: np.ndarray
    coverage: np.ndarray
    statistics: np.ndarray
    overlap: np.ndarray
    parts: np.ndarray
    rules: tuple[list[Thresholds], ...]
    processed: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def tally(self, metric, rows=slice(None)) -> Tally:
        """Of all images, or some."""
        groups = self.groups[rows]
        return Tally(metric, self.statistics[rows], groups if (self.groups != "").any() else None)


def of(data: OutOfFold, tally: Tally, apart: Apart, overlap: np.ndarray, processed: bool = False) -> Crossed:
    """What `tuning.crossed_by` has found, with what decoded each image."""
    parts = np.zeros(len(data.ids), np.int64)
    for number, (places, _) in enumerate(apart):
        parts[places] = number
    groups = [""] * len(data.ids) if data.groups is None else data.groups.tolist()
    return Crossed(
        ids=np.array(data.ids),
        groups=np.array(groups),
        folds=np.array(data.folds, np.int64),
        coverage=data.coverage,
        statistics=tally.statistics,
        overlap=overlap,
        parts=parts,
        rules=tuple(rules for _, rules in apart),
        processed=processed,
    )


def keep(path: Path, found: Crossed, inputs: dict) -> None:
    """Writes it down with what it was counted from."""
    rules = [[rule.to_json() for rule in part] for part in found.rules]
    arrays = {name: getattr(found, name) for name in _ARRAYS[:-2]}
    arrays |= {"rules": np.array(json.dumps(rules)), "inputs": np.array(_text(inputs))}
    arrays |= {"processed": np.array(True)} if found.processed else {}
    with disk.atomic(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)


def kept(path: Path, inputs: dict) -> Crossed | None:
    """What was written down, where it was counted from the same; None otherwise, to be counted anew."""
    if not path.exists():
        return None
    try:
        arrays = disk.read_arrays(path)
        if not set(_ARRAYS) <= arrays.keys() or str(arrays["inputs"]) != _text(inputs):
            return None
        rules = [
            [Thresholds.from_json(rule, str(path)) for rule in part] for part in json.loads(str(arrays.pop("rules")))
        ]
    except (UserError, ValueError):
        # nobody's but ours: what cannot be read is made again
        return None
    images = {arrays[name].shape[:1] for name in _ARRAYS[:-2]}
    if len(images) != 1 or arrays["statistics"].dtype.kind not in "iuf" or arrays["parts"].max() >= len(rules):
        return None
    processed = bool(arrays.get("processed", np.array(False)).all())
    return Crossed(**{name: arrays[name] for name in _ARRAYS[:-2]}, rules=tuple(rules), processed=processed)


def _text(inputs: dict) -> str:
    return json.dumps(inputs, sort_keys=True)
