"""How the runs of a csv are counted, found in the runs: absolute or relative, from 0 or 1, down the columns or across
the rows. Each is a vote over all images; where there is none, what is usual is taken, and that is said."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import UserError
from pipeline.raw.annotations import no_runs
from pipeline.store.dialect import ORDERS, Format, Runs

MOST = 300  # images looked at
CLEAR = 2.0  # standard errors of a vote by chance that make it clear
OBJECTS, LINES = 3, 8  # objects, and lines of pictures, from which on small numbers tell that they are no runs
SMALLER = (2, 3, 4)  # how many times smaller pictures may be than their masks' were
LARGE = 1 << 24  # pixels beyond which pictures are not looked at for their contents


@dataclass(frozen=True)
class Fields:
    """The fields of a csv that are not empty.

    Attributes:
        texts: them. images: of which image each is. numbers: its row in the file.
        size: an image's name -> (height, width). look: -> H x W, its grey values.
        where: the file.
    """

    texts: list[str]
    images: list[str]
    numbers: list[int]
    size: Callable[[str], tuple[int, int]]
    look: Callable[[str], np.ndarray]
    where: str


def counted(dialect: Format, fields: Fields) -> tuple[Format, list[str]]:
    """The dialect with `relative`, `first` and `order` as they are in these fields, and how that was found.

    Raises UserError where no reading fits into the pictures.
    """
    if not fields.texts:
        return dialect, []
    chosen = _evenly(list(dict.fromkeys(fields.images)))
    sizes = {name: fields.size(name) for name in chosen}
    _refuse_pixels(fields)
    written = replace(dialect, first=1, relative=False).parse(fields.texts)
    _refuse_coordinates(fields, written, sizes)
    _refuse_ends(fields, written, sizes)
    dialect, said_relative = _relative(replace(dialect, first=0, relative=False), fields, sizes)
    runs = dialect.parse(fields.texts)
    dialect, said_first = _first(dialect, fields, runs, sizes)
    # parsed as if counted from 0
    runs = replace_starts(runs, dialect.first)
    _refuse_smaller(fields, runs, sizes)
    dialect, said_order = _order(dialect, fields, runs, sizes)
    return dialect, [*said_relative, said_order, said_first]


def replace_starts(runs: Runs, first: int) -> Runs:
    return Runs(runs.rows, runs.starts - first, runs.lengths, runs.of_text)


def _evenly(names: list[str]) -> list[str]:
    return [names[i] for i in np.unique(np.linspace(0, len(names) - 1, MOST).astype(int))]


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


def _refuse_pixels(fields: Fields) -> None:
    """Raises UserError where most numbers are one more than the one before: all pixels, and not the runs of them."""
    texts = fields.texts[:: max(1, len(fields.texts) // 50)]
    # the beginning tells; the last number of it may be cut
    lists = [np.array(no_runs.numbers(text if len(text) < 2000 else text[:2000].rpartition(" ")[0])) for text in texts]
    steps = np.concatenate([np.diff(own) for own in lists])
    if len(steps) >= 8 and (steps > 0).all() and (steps == 1).mean() > 0.5:
        raise UserError(
            f"{fields.where}, row {fields.numbers[0]}: '{fields.texts[0][:40]}' lists the pixels of a mask one by one; "
            "write its runs, 'start length' of each"
        )


def _refuse_ends(fields: Fields, runs: Runs, sizes: dict) -> None:
    """Raises UserError where numbers are starts and ends: so all runs are in order and in their pictures, and as starts
    and lengths they are not, or each is longer than a line, and as starts and ends none.

    Args: runs: as they are written, not counted in any way.
    """
    starts, ends, pixels = runs.starts, runs.lengths, _pixels(runs, fields, sizes)[runs.rows]
    follows = runs.rows[1:] == runs.rows[:-1]
    if (ends < starts).any() or (ends[:-1] >= starts[1:])[follows].any() or (ends > pixels + 1)[pixels > 0].any():
        return
    as_lengths = starts + ends
    overlap = (as_lengths[:-1] > starts[1:])[follows].any() or (as_lengths - 1 > pixels + 1)[pixels > 0].any()
    sides = np.array([max(sizes.get(name, (0, 0))) for name in fields.images])[runs.of_text][runs.rows]
    # a run from the first pixel on is the same either way
    told = (sides > 0) & (starts > 1)
    long = told.sum() >= OBJECTS and ((ends > sides) & (ends - starts < sides))[told].all()
    if overlap or long:
        index = int(runs.of_text[0])
        raise UserError(
            f"{fields.where}, row {fields.numbers[index]}: '{fields.texts[index][:40]}' is a list of 'start end', not "
            "of 'start length': all rows are in order so, and do not fit as lengths; write lengths (end - start, and "
            "one more where the end belongs to the run)"
        )


def _refuse_coordinates(fields: Fields, runs: Runs, sizes: dict) -> None:
    """Raises UserError where no number is larger than a side of its picture: masks that lie in its first line alone
    would have such runs, boxes and points of outlines have them."""
    known = [sizes.get(name, (0, 0)) for name in fields.images]
    sides = np.array([max(size) for size in known])[runs.of_text]
    counts = np.bincount(runs.rows, minlength=len(runs.of_text))
    seen = (sides > 0)[runs.rows]
    small = (np.maximum(runs.starts, runs.lengths) <= sides[runs.rows])[seen]
    # pictures of few lines are no evidence
    few = any(min(size) < LINES for size in known if any(size))
    if few or len(runs.of_text) < OBJECTS or counts.min() < 2 or not small.all() or _are_lines(runs, known):
        return
    what = no_runs.NO_BOXES if (counts == 2).all() else no_runs.NO_OUTLINES
    index = int(runs.of_text[0])
    raise UserError(f"{fields.where}, row {fields.numbers[index]}: '{fields.texts[index][:40]}' {what}")


def _are_lines(runs: Runs, known: list[tuple[int, int]]) -> bool:
    """Whether most runs begin a line behind the end of the run before theirs: relative ones of masks at a border."""
    follows = np.flatnonzero(runs.rows[1:] == runs.rows[:-1])
    steps = runs.starts[follows + 1] + runs.lengths[follows]
    sides = np.array(known)[runs.of_text][runs.rows[follows]]
    return bool((np.abs(steps[:, None] - sides) <= 0.1 * sides).any(axis=1).mean() > 0.5)


def _fits(runs: Runs, fields: Fields, sizes: dict) -> bool:
    """Whether all runs of the images whose sizes are known end in the picture, counted from 0 or 1."""
    pixels = _pixels(runs, fields, sizes)[runs.rows]
    return bool((runs.starts - 1 + runs.lengths <= pixels + 1)[pixels > 0].all())


def _pixels(runs: Runs, fields: Fields, sizes: dict) -> np.ndarray:
    """Of each object the pixels of its picture; 0 where that is not known. All are known where all seen are alike."""
    areas = {height * width for height, width in sizes.values()}
    unknown = areas.pop() if len(areas) == 1 else 0
    of_field = np.array([np.prod(sizes[name]) if name in sizes else unknown for name in fields.images], np.int64)
    return of_field[runs.of_text]


def _first(dialect: Format, fields: Fields, runs: Runs, sizes: dict) -> tuple[Format, str]:
    """From `runs` as they are when counted from 0 (their starts then are counted from 1)."""
    raw = runs.starts - 1
    is_first = np.r_[True, runs.rows[1:] != runs.rows[:-1]]
    at_0 = np.flatnonzero((raw == 0) & (is_first | (not dialect.relative)))
    pixels = _pixels(runs, fields, sizes)[runs.rows]
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


def _refuse_smaller(fields: Fields, runs: Runs, sizes: dict) -> None:
    """Raises UserError where masks are of pictures a whole number of times smaller: all end in the first quarter,
    ninth, … of the pixels, and in most the next line is as far on as in such a picture."""
    pixels = _pixels(runs, fields, sizes)[runs.rows]
    share = ((runs.starts + runs.lengths - 1) / np.maximum(pixels, 1))[pixels > 0].max(initial=0)
    able = [times for times in SMALLER if 0 < share <= 1.05 / times**2]
    seen = list(itertools.islice(_by_image(fields, runs, sizes), 30)) if able else []
    votes = {times: [_are_lines_of(one, sizes[name], times) for name, one in seen] for times in able}
    times = max(votes, key=lambda times: sum(votes[times]), default=0)
    if times and sum(votes[times]) >= max(OBJECTS, 0.75 * len(seen)):
        height, width = sizes[seen[0][0]]
        raise UserError(
            f"{fields.where}: the runs of {sum(votes[times])} of {len(seen)} images are of masks of 1/{times} of the "
            f"size of their pictures ({seen[0][0]} has {height} x {width}); bring the pictures at the size at which they "
            "were annotated"
        )


def _are_lines_of(runs: Runs, size: tuple[int, int], times: int) -> bool:
    """Whether a mask is most like itself when moved by a line of a picture so many times smaller: more so than by lines
    a quarter longer or shorter, and by those of the picture itself."""
    flat = _mask(Format(order="across"), runs, 1, int((runs.starts + runs.lengths).max()) + 2 * max(size))[0]

    def unlike(step: float) -> int:
        return np.count_nonzero(flat[int(step) :] != flat[: -int(step)])

    sides = {-(-side // times) for side in size}
    others = {length: [*size, 0.75 * length, 1.25 * length] for length in sides if length > LINES}
    return any(unlike(length) < min(map(unlike, there)) for length, there in others.items())


def _by_image(fields: Fields, runs: Runs, sizes: dict):
    """The name of each image whose size is known, and its runs as those of one object."""
    rows_of: dict[str, list[int]] = {name: [] for name in sizes}
    for row, index in enumerate(runs.of_text):
        if fields.images[index] in rows_of:
            rows_of[fields.images[index]].append(row)
    bounds = np.searchsorted(runs.rows, np.arange(len(runs.of_text) + 1))
    for name, rows in rows_of.items():
        taken = np.concatenate([np.arange(bounds[row], bounds[row + 1]) for row in rows]) if rows else []
        if len(taken):
            yield (
                name,
                Runs(np.zeros(len(taken), np.int64), runs.starts[taken], runs.lengths[taken], np.zeros(1, np.int64)),
            )


def _order(dialect: Format, fields: Fields, runs: Runs, sizes: dict) -> tuple[Format, str]:
    """By shape: read the right way masks are compact. In squares both ways give the same shape lying on its side: there
    by the pictures, whose contents change at the outline of a mask."""
    by_shape, by_picture = [], []
    for name, one in _by_image(fields, runs, sizes):
        masks = [_mask(replace(dialect, order=order), one, *sizes[name]) for order in ORDERS]
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


def _mask(dialect: Format, runs: Runs, height: int, width: int) -> np.ndarray:
    # objects of one image may share pixels: each pixel counts once
    flat = np.zeros(height * width + 1, np.int32)
    np.add.at(flat, np.clip(runs.starts - 1, 0, height * width), 1)
    np.add.at(flat, np.clip(runs.starts - 1 + runs.lengths, 0, height * width), -1)
    inside = np.cumsum(flat[:-1]) > 0
    return inside.reshape(width, height).T if dialect.order == "down" else inside.reshape(height, width)


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
