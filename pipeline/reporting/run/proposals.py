"""What a network that finds objects looked at: regions that it proposed, and the objects that it found in them."""

from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.reporting.shared import pictures
from pipeline.runs.job import Job
from pipeline.store import disk
from pipeline.training.proposals import NAME

SHOWN = 60  # regions of a picture, the likeliest
# name -> dimensions, and kinds of numbers
FORM = {
    "ids": (1, "U"),
    "windows": (2, "iu"),
    "boxes": (3, "f"),
    "likely": (2, "f"),
    "found": (3, "f"),
    "scores": (2, "f"),
}


def cards(job: Job) -> list[dict]:
    """id, fold and panels of each picture that the first fold kept; empty where none did, as of other networks. Raises
    UserError where a fold's file is none."""
    folds = job.store.folds_holding(NAME)
    if not folds:
        return []
    content = _read(job.store.fold(folds[0]) / NAME)
    row_of = {name: row for row, name in enumerate(job.prepared.train_ids)}
    found = []
    for i, name in enumerate(content["ids"].tolist()):
        if name in row_of:
            of = {key: values[i] for key, values in content.items()}
            found.append({"id": name, "fold": folds[0], "panels": _panels(job, row_of[name], of)})
    return found


def _read(path: Path) -> dict:
    content = disk.read_arrays(path)
    for name, (dimensions, kinds) in FORM.items():
        values = content.get(name)
        is_fine = values is not None and values.ndim == dimensions and values.dtype.kind in kinds
        if not is_fine or len(values) != len(content["ids"]) or (kinds == "f" and not np.isfinite(values).all()):
            raise UserError(f"{path}: its '{name}' are none; delete it to have the page without")
    return content


def _panels(job: Job, row: int, of: dict) -> list[tuple[str, str]]:
    top, left, height, width = of["windows"].tolist()
    window = np.s_[top : top + height, left : left + width]
    truth = job.prepared.labels[row][..., 0][window]
    if not truth.size:
        raise UserError(f"{NAME} of run '{job.store.run}' is of other pictures; delete it to have the page without")
    picture = pictures.rgb(np.asarray(job.prepared.images[row]), job.prepared.scaling)[window]
    proposed, is_object = of["likely"] > 0, of["scores"] > 0
    boxes = of["boxes"][proposed][:SHOWN]
    return [
        (pictures.boxed(picture, truth, boxes), f"the {len(boxes)} likeliest regions of {int(proposed.sum())}"),
        (
            pictures.boxed(picture, truth, of["found"][is_object], of["scores"][is_object]),
            "objects, and their scores in per cent",
        ),
    ]
