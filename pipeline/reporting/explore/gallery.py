"""Pictures of the data before anything is trained: examples by coverage, and copies side by side."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pipeline.imaging import evenly
from pipeline.reporting.shared import pictures
from pipeline.store.prepared import Prepared
from pipeline.tasks.task import Task

BANDS = (0, 1, 10, 25, 50, 75, 100)  # per cent of the image that the truth covers: empty, up to 1, up to 10 …
PICTURES = 42  # of examples on the page, shared out among the bands that have any
ROW = 6  # pictures beside each other on a wide screen
PAINT = 0.5  # how much of a pixel is the colour of its class


def bands(coverage: np.ndarray) -> np.ndarray:
    """The place in BANDS of shares 0..1: 0 for empty, then the first that is not smaller."""
    return np.searchsorted(np.array(BANDS) / 100, coverage, side="left").clip(0, len(BANDS) - 1)


def band_name(band: int) -> str:
    if band == 0:
        return "empty"
    return "up to 1 %" if band == 1 else f"{BANDS[band - 1]} to {BANDS[band]} %"


def choose(coverage: np.ndarray, constant: np.ndarray, count: int, row: int) -> dict[int, np.ndarray]:
    """band -> rows of examples, evenly spaced over the coverage within the band; constant images only where a band
    has no other. About `count` in all: one or two full rows of `row` in each band, of empty images one."""
    of_band = bands(coverage)
    present = np.unique(of_band)
    found = {}
    for band in present:
        each = 2 * row if band and 2 * row * len(present) <= count else row
        rows = np.flatnonzero(of_band == band)
        rows = rows[~constant[rows]] if (~constant[rows]).any() else rows
        rows = rows[np.argsort(coverage[rows], kind="stable")]
        found[int(band)] = rows[evenly.places(len(rows), each)]
    return found


def examples(prepared: Prepared, task: Task, coverage: np.ndarray, constant: np.ndarray) -> list[dict]:
    """Cards of train images by coverage, the emptiest first."""
    shown = 2 if legend(task) else 1
    return [
        {
            "name": band_name(band),
            "count": int((bands(coverage) == band).sum()),
            "tiles": _tiles(prepared, task, rows, bare=shown > 1),
        }
        for band, rows in choose(coverage, constant, PICTURES // shown, ROW // shown).items()
    ]


def pairs(prepared: Prepared, task: Task, chosen: list[tuple[int, int]]) -> list[list[dict]]:
    """Two cards for each pair of rows; images of the test part are shown without a truth."""
    cards = _tiles(prepared, task, [row for pair in chosen for row in pair], bare=True)
    return [cards[i : i + 2] for i in range(0, len(cards), 2)]


def _tiles(prepared: Prepared, task: Task, rows, bare: bool) -> list[dict]:
    # to compress a picture takes longer than to draw it
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda row: _tile(prepared, task, row, bare), rows))


def _tile(prepared: Prepared, task: Task, row: int, bare: bool) -> dict:
    entry = prepared.table.iloc[row]
    train = entry["part"] == "train"
    labels = prepared.labels[row] if train else None
    return {
        "id": entry["id"],
        "where": entry["group"] if train else "test",
        "coverage": float(entry["coverage"]) if train else None,
        "pictures": views(prepared.images[row], labels, task, bare, prepared.scaling),
    }


def views(image: np.ndarray, labels: np.ndarray | None, task: Task, bare: bool, scaling=None) -> list[str]:
    """PNG addresses of an image: as it is (if `bare`, or without labels), and with its truth, which is outlined where
    there is one class and painted over it where there are several."""
    numbers = image if scaling or np.issubdtype(image.dtype, np.integer) else np.nan_to_num(image)
    plain = pictures.rgb(numbers, scaling)
    if labels is None:
        return [pictures.data_uri(pictures.enlarged(plain))]
    painted = legend(task)
    if not painted:
        with_truth = pictures.outlined(plain, np.where(labels[..., 0] == task.void, 0, pictures.things(labels, task)))
    else:
        with_truth = pictures.data_uri(pictures.enlarged(tinted(plain, labels, task)))
    return [pictures.data_uri(pictures.enlarged(plain)), with_truth] if bare else [with_truth]


def legend(task: Task) -> list[tuple[int, str, tuple[int, int, int]]]:
    """(number, name, RGB) of the classes that are painted; empty where one class is outlined."""
    count = len(task.classes)
    if task.colours:
        return [(k, task.classes[k], colour) for k, colour in enumerate(pictures.palette(task))]
    if count == 1:
        return []
    return [(k, task.classes[k], pictures.hue(k)) for k in range(count)]


def tinted(picture: np.ndarray, labels: np.ndarray, task: Task) -> np.ndarray:
    """H x W x 3 uint8 with the painted classes of H x W x layers labels laid over it; where several meet, the mean of
    their colours."""
    masks = list(task.masks(labels))
    colours = np.zeros(picture.shape, np.float32)
    several = np.zeros((*picture.shape[:2], 1), np.float32)
    for k, _, colour in legend(task):
        colours[masks[k]] += colour
        several[masks[k]] += 1
    share = PAINT * (several > 0)
    mixed = (1 - share) * picture + share * colours / np.maximum(several, 1)
    return (mixed + 0.5).astype(np.uint8)
