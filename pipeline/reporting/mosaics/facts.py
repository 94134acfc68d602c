"""Which images are tiles of one picture, how many would be found by chance, and what speaks for them being so."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from pipeline.imaging import mosaics
from pipeline.imaging.mosaics import Neighbours, Placed
from pipeline.store.prepared import Prepared
from pipeline.tasks.task import Task

COLUMNS = ["id", "part", "mosaic", "row", "column", "labelled_neighbours"]
SEED = 0  # of the order in which edges are compared that are no neighbours


@dataclass(frozen=True)
class Found:
    """Attributes:
    pairs: of images whose edges continue each other. chance: how many pairs the same search finds where every second
        edge is read backwards. placed: where the tiles lie.
    agreement: of train images, the share of the pixels along shared edges of which the labels on both sides are the
        same, 0..1; of_others: the same of edges that are no neighbours; compared: shared edges it is of.
    labelled: row of the prepared table -> the train images beside it.
    """

    pairs: Neighbours
    chance: int
    placed: Placed
    agreement: float
    of_others: float
    compared: int
    labelled: dict[int, list[int]]

    @property
    def is_chance(self) -> bool:
        """Whether as many pairs might be found where there is nothing: within two standard errors of a difference of
        counts."""
        return len(self.pairs) - self.chance <= 2 * np.sqrt(len(self.pairs) + self.chance)


def find(prepared: Prepared, task: Task) -> Found:
    """Reads the edges of every image once, and compares those of one size."""
    from tqdm import tqdm

    count, quiet = len(prepared.table), not sys.stderr.isatty()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        each = pool.map(lambda row: mosaics.edges(prepared.images[row]), range(count))
        found = list(tqdm(each, total=count, desc="edges", unit="image", disable=quiet, delay=2))
    with tqdm(total=4 * count, desc="mosaics", unit="edge", disable=quiet, delay=2) as bar:
        pairs = mosaics.neighbours(found, each=bar.update)
        chance = mosaics.neighbours(found, mirrored=True, each=bar.update)
    placed = mosaics.placed(pairs, count)
    kept = Neighbours(*(column[placed.kept] for column in (pairs.first, pairs.second, pairs.below, pairs.misfit)))
    agreement, of_others, compared = _agreement(kept, prepared, task)
    return Found(pairs, len(chance), placed, agreement, of_others, compared, _labelled(kept, prepared))


def _agreement(pairs: Neighbours, prepared: Prepared, task: Task) -> tuple[float, float, int]:
    both = prepared.is_train[pairs.first] & prepared.is_train[pairs.second]
    ends, starts = [], []
    for first, second, below in zip(pairs.first[both], pairs.second[both], pairs.below[both], strict=True):
        one, other = (task.filled(np.asarray(prepared.labels[row])) for row in (first, second))
        ends.append(one[-1] if below else one[:, -1])
        starts.append(other[0] if below else other[:, 0])
    if not ends:
        return np.nan, np.nan, 0
    order = np.random.default_rng(SEED).permutation(len(ends))
    # of images of several sizes only edges of one length can be compared
    others = [(ends[i], starts[k]) for i, k in enumerate(order) if i != k and len(ends[i]) == len(starts[k])]
    return _same(zip(ends, starts, strict=True)), _same(others), len(ends)


def _same(pairs) -> float:
    shares = [float((one == other).mean()) for one, other in pairs]
    return float(np.mean(shares)) if shares else np.nan


def _labelled(pairs: Neighbours, prepared: Prepared) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for one, other in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True):
        for row, beside in ((one, other), (other, one)):
            if prepared.is_train[beside]:
                found.setdefault(row, []).append(beside)
    return found


def table(found: Found, prepared: Prepared) -> list[list]:
    """Rows of COLUMNS, mosaic after mosaic."""
    placed, columns = found.placed, prepared.columns
    rows = np.flatnonzero(placed.mosaic >= 0)
    rows = rows[np.lexsort((placed.column[rows], placed.row[rows], placed.mosaic[rows]))]
    return [
        [
            columns["id"][row],
            columns["part"][row],
            int(placed.mosaic[row]),
            int(placed.row[row]),
            int(placed.column[row]),
            ";".join(columns["id"][beside] for beside in found.labelled.get(int(row), [])),
        ]
        for row in rows
    ]


def groups(found: Found, prepared: Prepared) -> list[tuple[str, str]]:
    """(id, group) of each train image in a mosaic with another one."""
    mosaic = found.placed.mosaic[prepared.train]
    several = np.flatnonzero((mosaic >= 0) & (np.bincount(mosaic[mosaic >= 0], minlength=len(mosaic) + 1)[mosaic] > 1))
    return [(prepared.train_ids[row], f"mosaic {mosaic[row]}") for row in several]


def lines(found: Found, prepared: Prepared) -> list[str]:
    """What is to be said, a line each."""
    pairs, sizes = found.pairs, found.placed.sizes
    said = f"{len(pairs)} pair(s) of images have edges that continue each other; read backwards, where all is chance, "
    said += f"{found.chance} do"
    if found.is_chance:
        return [f"{said}: nothing but chance is found here"]
    counts = np.bincount(sizes)
    by_size = ", ".join(f"{counts[size]} of {size}" for size in np.flatnonzero(counts))
    dropped = int((~found.placed.kept).sum())
    result = [
        f"{said}: about {found.chance / len(pairs):.1%} of them are wrong",
        f"{len(sizes)} mosaic(s) of {sizes.sum()} tiles among {len(prepared.table)} images: {by_size}",
        f"{dropped} pair(s) contradict closer ones, and are left out",
    ]
    if found.compared:
        line = f"labels on both sides of {found.compared} shared edges of train images agree in {found.agreement:.1%}"
        other = "" if np.isnan(found.of_others) else f" (of the same edges in another order: {found.of_others:.1%})"
        result.append(f"{line} of the pixels{other}")
    tests = int(np.count_nonzero((found.placed.mosaic >= 0) & ~prepared.is_train))
    beside = sum(not prepared.is_train[row] for row in found.labelled)
    result.append(f"{tests} test image(s) are in a mosaic, {beside} of them beside a train image")
    return result
