"""How the runs of a csv are counted, found in the runs: absolute or relative, from 0 or 1, down the columns or across
the rows. Each is a vote over all images; where there is none, what is usual is taken, and that is said."""

from dataclasses import replace

import numpy as np

from pipeline.errors import UserError
from pipeline.imaging import evenly
from pipeline.raw.annotations import misfits
from pipeline.raw.annotations.fields import Fields, by_image, mask_of, pixels_of
from pipeline.store.dialect import ORDERS, Format, Runs

MOST = 300  # images looked at
CLEAR = 2.0  # standard errors of a vote by chance that make it clear
LARGE = 1 << 24  # pixels beyond which pictures are not looked at for their contents


def counted(dialect: Format, fields: Fields) -> tuple[Format, list[str]]:
    """The dialect with `relative`, `first` and `order` as they are in these fields, and how that was found.

    Raises UserError where no reading fits into the pictures.
    """
    if not fields.texts:
        return dialect, []
    chosen = evenly.some(list(dict.fromkeys(fields.images)), MOST)
    sizes = {name: fields.size(name) for name in chosen}
    ends, said_ends = misfits.ends_of(dialect, fields, sizes)
    dialect = replace(dialect, ends=ends)
    dialect, said_relative = _relative(replace(dialect, first=0, relative=False), fields, sizes)
    runs = dialect.parse(fields.texts)
    dialect, said_first = _first(dialect, fields, runs, sizes)
    # parsed as if counted from 0
    runs = replace_starts(runs, dialect.first)
    misfits.refuse_smaller(fields, runs, sizes)
    dialect, said_order = _order(dialect, fields, runs, sizes)
    return dialect, [*filter(None, [said_ends]), *said_relative, said_order, said_first]


def replace_starts(runs: Runs, first: int) -> Runs:
    return Runs(runs.rows, runs.starts - first, runs.lengths, runs.of_text)


def _relative(dialect: Format, fields: Fields, sizes: dict) -> tuple[Format, list[str]]:
    """Relative where starts, taken as absolute, are mostly in no order, and taken as relative stay in the picture."""
    runs = dialect.parse(fields.texts)
    follows = np.r_[False, runs.rows[1:] == runs.rows[:-1]]
    backwards = follows & (runs.starts < np.r_[0, (runs.starts + runs.lengths)[:-1]])
    count = len(runs.of_text)
    several = np.bincount(runs.rows[follows], minlength=count) > 0
    wrong = np.bincount(runs.rows[backwards], minlength=count) > 0
    if not wrong.any():
        return dialect, []
    relative = replace(dialect, relative=True)
    other = relative.parse(fields.texts)
    if _fits(other, fields, sizes) and (wrong.sum() > several.sum() / 2 or not _fits(runs, fields, sizes)):
        return relative, [
            "starts of runs are counted from the end of the run before (relative=True): as absolute ones they would be "
            f"in no order in {wrong.sum()} of {several.sum()} rows"
        ]
    return dialect, [f"the runs of {wrong.sum()} row(s) are in no order: sorted"]


def _fits(runs: Runs, fields: Fields, sizes: dict) -> bool:
    """Whether all runs of the images whose sizes are known end in the picture, counted from 0 or 1."""
    pixels = pixels_of(runs, fields, sizes)[runs.rows]
    return bool((runs.starts - 1 + runs.lengths <= pixels + 1)[pixels > 0].all())


def _first(dialect: Format, fields: Fields, runs: Runs, sizes: dict) -> tuple[Format, str]:
    """From `runs` as they are when counted from 0 (their starts then are counted from 1)."""
    raw = runs.starts - 1
    is_first = np.r_[True, runs.rows[1:] != runs.rows[:-1]]
    at_0 = np.flatnonzero((raw == 0) & (is_first | (not dialect.relative)))
    pixels = pixels_of(runs, fields, sizes)[runs.rows]
    ends = raw + runs.lengths
    at_end = np.flatnonzero((pixels > 0) & (ends == pixels + 1))
    beyond = np.flatnonzero((pixels > 0) & (ends > pixels + 1))
    if len(beyond) or (len(at_0) and len(at_end)):
        _refuse(fields, runs, sizes, beyond if len(beyond) else at_end, counted_from_0=bool(len(at_0)))
    if len(at_0):
        return replace(dialect, first=0), f"pixels are counted from 0 (first=0): {len(at_0)} run(s) start there"
    if len(at_end):
        return replace(dialect, first=1), f"pixels are counted from 1: {len(at_end)} run(s) end with the last pixel"
    crossings = [_crossings(dialect, fields, runs, sizes, first) for first in (0, 1)]
    if crossings[0] < crossings[1] / 2 and crossings[1] >= 4:
        return replace(dialect, first=0), (
            f"pixels are counted from 0 (first=0): {crossings[0]} run(s) then go on in the next line, from 1 "
            f"{crossings[1]}"
        )
    if crossings[1] < crossings[0] / 2 and crossings[0] >= 4:
        return replace(dialect, first=1), (
            f"pixels are counted from 1: {crossings[1]} run(s) then go on in the next line, from 0 {crossings[0]}"
        )
    first = 0 if dialect.relative else 1
    return replace(
        dialect, first=first
    ), f"pixels are taken as counted from {first}, as is usual: no run tells (first=)"


def _refuse(fields: Fields, runs: Runs, sizes: dict, bad: np.ndarray, counted_from_0: bool) -> None:
    """Raises UserError for a run that leaves its picture."""
    run = int(bad[0])
    index = int(runs.of_text[runs.rows[run]])
    name = fields.images[index]
    height, width = fields.size(name)
    also = ", and other runs start with pixel 0" if counted_from_0 else ""
    said = f"'{runs.starts[run] - 1} {runs.lengths[run]}'"
    raise UserError(
        f"{fields.where}, row {fields.numbers[index]}: the run {said} ends behind the last pixel of {name}, which has "
        f"{height} x {width} = {height * width}{also}; bring the pictures at the size at which they were annotated"
    )


def _crossings(dialect: Format, fields: Fields, runs: Runs, sizes: dict, first: int) -> int:
    """How many runs, but those longer than a line, end in another line than they start in, in the better order."""
    seen = np.array([name in sizes for name in fields.images])[runs.of_text][runs.rows]
    counts = []
    for axis in (0, 1):
        sides = np.array([sizes.get(name, (1, 1))[axis] for name in fields.images])[runs.of_text][runs.rows]
        starts = runs.starts - 1 - first
        crosses = (starts // sides != (starts + runs.lengths - 1) // sides) & (runs.lengths < sides)
        counts.append(int((crosses & seen).sum()))
    return min(counts)


def _order(dialect: Format, fields: Fields, runs: Runs, sizes: dict) -> tuple[Format, str]:
    """By shape: read the right way masks are compact. In squares both ways give the same shape lying on its side: there
    by the pictures, whose contents change at the outline of a mask."""
    by_shape, by_picture = [], []
    for name, one in by_image(fields, runs, sizes):
        masks = [mask_of(replace(dialect, order=order), one, *sizes[name]) for order in ORDERS]
        if sizes[name][0] != sizes[name][1]:
            by_shape.append(np.subtract(*(_outline(mask) for mask in reversed(masks))))
        elif np.prod(sizes[name]) <= LARGE and len(by_picture) < 100:
            by_picture.append(np.subtract(*(_contrast(fields.look(name), mask) for mask in masks)))
    for votes, how in ((by_shape, "masks are compact then"), (by_picture, "pictures change at the outlines then")):
        down, across = int(np.sum(np.array(votes) > 0)), int(np.sum(np.array(votes) < 0))
        if abs(down - across) > CLEAR * np.sqrt(down + across) or (not min(down, across) and max(down, across) > 1):
            order = "down" if down > across else "across"
            line = "the columns" if order == "down" else "the rows"
            return replace(dialect, order=order), (
                f"runs go {order} {line}: {how} in {max(down, across)} of {down + across} images"
            )
    why = "the pictures are squares, in which shapes do not tell" if by_picture else "the shapes do not tell"
    return replace(dialect, order="down"), f"runs are taken as going down the columns, as is usual: {why} (order=)"


def _outline(mask: np.ndarray) -> int:
    """How many pairs of neighbours are one inside and one outside."""
    return int(np.count_nonzero(mask[1:] != mask[:-1]) + np.count_nonzero(mask[:, 1:] != mask[:, :-1]))


def _contrast(grey: np.ndarray, mask: np.ndarray) -> float:
    """How much grey values change at the outline of a mask, the mean over pairs of neighbours."""
    total, count = 0.0, 0
    for image, inside in ((grey, mask), (grey.T, mask.T)):
        at = inside[1:] != inside[:-1]
        total += float(np.abs(np.diff(image, axis=0))[at].sum())
        count += int(at.sum())
    return total / count if count else 0.0
