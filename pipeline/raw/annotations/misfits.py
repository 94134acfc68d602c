"""Numbers in a csv that are no runs of their pictures: single pixels, boxes and points, starts and ends, runs of masks
that are smaller. Told by the sizes of the pictures, and refused for what they are."""

import itertools
from dataclasses import replace

import numpy as np

from pipeline.errors import UserError
from pipeline.imaging import evenly
from pipeline.raw.annotations import no_runs
from pipeline.raw.annotations.fields import Fields, by_image, mask_of, pixels_of
from pipeline.store.dialect import Format, Runs

OBJECTS, LINES = 3, 8  # objects, and lines of pictures, from which on small numbers tell that they are no runs
SMALLER = (2, 3, 4)  # how many times smaller pictures may be than their masks' were


def ends_of(dialect: Format, fields: Fields, sizes: dict) -> tuple[str, str]:
    """What stands behind starts (`Format.ends`), and how that was found; blank where lengths do. Raises UserError where
    the numbers are no runs, however these are counted, or starts and ends of which nothing tells how."""
    _refuse_single_ones(fields)
    runs = replace(dialect, first=1, relative=False).parse(fields.texts)
    _refuse_coordinates(fields, runs, sizes)
    return _ends(fields, runs, sizes) if _have_ends(fields, runs, sizes) else ("", "")


def _refuse_single_ones(fields: Fields) -> None:
    """Raises UserError where most numbers are one more than the one before: all pixels, and not the runs of them."""
    texts = evenly.some(fields.texts, 50)
    # the beginning tells; the last number of it may be cut
    lists = [np.array(no_runs.numbers(text if len(text) < 2000 else text[:2000].rpartition(" ")[0])) for text in texts]
    steps = np.concatenate([np.diff(own) for own in lists])
    if len(steps) >= 8 and (steps > 0).all() and (steps == 1).mean() > 0.5:
        raise UserError(
            f"{fields.where}, row {fields.numbers[0]}: '{fields.texts[0][:40]}' lists the pixels of a mask one by one; "
            "write its runs, 'start length' of each"
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
    """Whether runs begin a line behind the end of the run before theirs, nearly all of them, or most where masks begin
    with the first pixel: relative ones of masks at a border."""
    follows = np.flatnonzero(runs.rows[1:] == runs.rows[:-1])
    steps = runs.starts[follows + 1] + runs.lengths[follows]
    sides = np.array(known)[runs.of_text][runs.rows[follows]]
    lines = (np.abs(steps[:, None] - sides) <= 0.1 * sides).any(axis=1).mean()
    first = runs.starts[np.searchsorted(runs.rows, np.arange(len(runs.of_text)))]
    return bool(lines > 0.9 or (lines > 0.5 and (first <= 1).mean() > 0.5))


def _have_ends(fields: Fields, runs: Runs, sizes: dict) -> bool:
    """Whether numbers are starts and ends: so all runs are in order and in their pictures, and as starts and lengths
    they are not, or each is longer than a line, and as starts and ends none.

    Args: runs: as they are written, not counted in any way.
    """
    starts, ends, pixels = runs.starts, runs.lengths, pixels_of(runs, fields, sizes)[runs.rows]
    follows = runs.rows[1:] == runs.rows[:-1]
    if (ends < starts).any() or (ends[:-1] > starts[1:])[follows].any() or (ends > pixels + 1)[pixels > 0].any():
        return False
    as_lengths = starts + ends
    overlap = (as_lengths[:-1] > starts[1:])[follows].any() or (as_lengths - 1 > pixels + 1)[pixels > 0].any()
    sides = np.array([max(sizes.get(name, (0, 0))) for name in fields.images])[runs.of_text][runs.rows]
    # a run from the first pixel on is the same either way
    told = (sides > 0) & (starts > 1)
    long = told.sum() >= OBJECTS and ((ends > sides) & (ends - starts < sides))[told].all()
    return bool(overlap or long)


def _ends(fields: Fields, runs: Runs, sizes: dict) -> tuple[str, str]:
    """Whether ends belong to their runs: they do where one is its start, as no run is empty. They do not where one is
    the start of the next run, or the pixel behind the last. Raises UserError where nothing tells, or both."""
    starts, ends, pixels = runs.starts, runs.lengths, pixels_of(runs, fields, sizes)[runs.rows]
    single = np.count_nonzero((starts == ends) & (starts > 1))
    touching = np.count_nonzero((ends[:-1] == starts[1:]) & (runs.rows[1:] == runs.rows[:-1]))
    behind = np.count_nonzero((pixels > 0) & (ends == pixels + (starts.min(initial=1) > 0)))
    said = "runs are given as 'start end', which as 'start length' do not fit: the end"
    if single and not touching and not behind:
        return "inclusive", f"{said} belongs to the run (ends=inclusive), as {single} run(s) end where they start"
    if (touching or behind) and not single and len(runs.of_text) >= OBJECTS:
        why = f"{behind} end with the pixel behind the last" if behind else f"{touching} end where the next one starts"
        return "exclusive", f"{said} is behind the run (ends=exclusive), as {why}"
    index = int(runs.of_text[0])
    raise UserError(
        f"{fields.where}, row {fields.numbers[index]}: '{fields.texts[index][:40]}' is a list of 'start end', not of "
        "'start length': all rows are in order so, and do not fit as lengths; no row tells "
        "whether the end belongs to the run: write lengths (end - start, and one more where it does)"
    )


def refuse_smaller(fields: Fields, runs: Runs, sizes: dict) -> None:
    """Raises UserError where masks are of pictures a whole number of times smaller: all end in the first quarter,
    ninth, … of the pixels, and in most the next line is as far on as in such a picture."""
    pixels = pixels_of(runs, fields, sizes)[runs.rows]
    share = ((runs.starts + runs.lengths - 1) / np.maximum(pixels, 1))[pixels > 0].max(initial=0)
    able = [times for times in SMALLER if 0 < share <= 1.05 / times**2]
    seen = list(itertools.islice(by_image(fields, runs, sizes), 30)) if able else []
    votes = {times: [_are_lines_of(one, sizes[name], times) for name, one in seen] for times in able}
    times = max(votes, key=lambda times: sum(votes[times]), default=0)
    if times and sum(votes[times]) >= max(OBJECTS, 0.75 * len(seen)):
        height, width = sizes[seen[0][0]]
        raise UserError(
            f"{fields.where}: the runs of {sum(votes[times])} of {len(seen)} images are of masks of 1/{times} of the "
            f"size of their pictures ({seen[0][0]} has {height} x {width}); bring the pictures at the size at which "
            "they were annotated"
        )


def _are_lines_of(runs: Runs, size: tuple[int, int], times: int) -> bool:
    """Whether a mask is most like itself when moved by a line of a picture so many times smaller: more so than by lines
    a quarter longer or shorter, and by those of the picture itself."""
    flat = mask_of(Format(order="across"), runs, 1, int((runs.starts + runs.lengths).max()) + 2 * max(size))[0]

    def unlike(step: float) -> int:
        return np.count_nonzero(flat[int(step) :] != flat[: -int(step)])

    sides = {-(-side // times) for side in size}
    others = {length: [*size, 0.75 * length, 1.25 * length] for length in sides if length > LINES}
    return any(unlike(length) < min(map(unlike, there)) for length, there in others.items())
