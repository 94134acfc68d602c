"""fold<k>/proposals.npz: what a network that finds objects proposed in some held-out pictures, for the report."""

from pathlib import Path

import numpy as np

from pipeline.imaging import evenly
from pipeline.imaging.tiles import mirrored
from pipeline.models.frame import Frame
from pipeline.store import disk
from pipeline.store.prepared import Prepared, View

NAME = "proposals.npz"
PICTURES, SIDE = 6, 256  # so many, and windows of at most so many pixels


def write(folder: Path, network, view: View, rows: np.ndarray, prepared: Prepared, frame: Frame) -> None:
    """Of windows in the middle of held-out pictures, evenly chosen among those that hold something.

    Written: ids; windows n x 4 (top, left, height, width); boxes n x P x 4 (top, left, bottom, right, in pixels of the
    window) of the proposals, and likely n x P, 0..1, 0 where there is none; the same of the objects that were found, as
    found and scores.
    """
    coverage = prepared.table["coverage"].to_numpy(float)[rows]
    filled = rows[coverage > 0] if (coverage > 0).any() else rows
    chosen = filled[evenly.places(len(filled), PICTURES)]
    seen = [_one(network, view, row, frame) for row in chosen]
    parts = [np.array(part) for part in zip(*seen, strict=True)]
    names = ("windows", "boxes", "likely", "found", "scores")
    ids = np.array([prepared.table["id"].iat[row] for row in chosen], str)
    with disk.atomic(folder / NAME) as part, part.open("wb") as file:
        np.savez(file, ids=ids, **dict(zip(names, parts, strict=True)))


def _one(network, view: View, row: int, frame: Frame) -> tuple:
    picture = view.images[row]
    size = [_side(length, frame) for length in picture.shape[:2]]
    top, left = (max(0, (length - side) // 2) for length, side in zip(picture.shape[:2], size, strict=True))
    image = mirrored(picture, top, left, *size)[None].astype(np.float32) / np.float32(view.info["range"])
    window = [min(side, length) for side, length in zip(size, picture.shape[:2], strict=True)]
    boxes, likely = network.propose(image)
    _, found, scores = network.find(image, False)
    return (top, left, *window), *(np.asarray(part)[0] for part in (boxes, likely, found, scores))


def _side(length: int, frame: Frame) -> int:
    """What the network takes: within the picture, if that is large enough."""
    within = min(length, SIDE) // frame.multiple * frame.multiple
    return within or frame.multiple
