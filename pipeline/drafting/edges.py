"""The kind of masks whose edges are soft: resized, blurred, saved as JPEG, or probabilities."""

import itertools
import math

from pipeline.drafting import kinds
from pipeline.drafting.draft import Kind
from pipeline.drafting.exact import too_many
from pipeline.errors import UserError, shown
from pipeline.raw import masks
from pipeline.raw.meaning import levels
from pipeline.raw.meaning.colours import plain_of
from pipeline.raw.meaning.looks import Looks, Masks
from pipeline.raw.meaning.wrong_values import NEARLY_WHITE

MOST_PIXELS = 1 << 23  # in which colours behind soft edges are looked for: every pixel is looked at many times
SHOT_OVER = 0.25  # of the largest value: what resizing leaves beside an edge, below 0 and above white
DARK = 64  # what is no brighter at all, in a JPEG, are numbers


def refuse_numbers(looks: Looks, read: Masks) -> None:
    """Raises UserError for numbers of classes that were saved as JPEG, which changes them by as much."""
    if not looks.lossy:
        return
    low = list(range(int(looks.top) + 1)) if looks.top < DARK else levels.numbers_beside(read)
    if low:
        raise UserError(
            f"the masks hold numbers of classes ({shown(map(str, low), 5)}) saved as JPEG ({looks.lossy[0]}), which "
            "changes values by as much as they differ; save them as PNG again, from what they were made of"
        )


def of_fractions(looks: Looks, read: Masks) -> tuple[Kind, list[str]]:
    """Probabilities of one class, or greys with soft edges as floating point. Raises UserError for anything else."""
    if looks.low < -SHOT_OVER * looks.top:
        raise UserError(
            f"mask {looks.fractions[0]} holds fractions, and masks values from {looks.low:g} to {looks.top:g}: no "
            "mask of classes; where what is above 0 is the class (logits), save that as 1 and the rest as 0"
        )
    if looks.top <= 1 + SHOT_OVER:
        kind = kinds.one_class("masks of one class: probabilities", "above(0.5)", masks.above(0.5))
        return kind, [f"fractions from 0 to {max(1, looks.top):g} are probabilities: above 0.5 is the class (labels=)"]
    found = levels.one_class(read, looks.top)
    if found is None or looks.low > found.level:
        raise UserError(f"mask {looks.fractions[0]} holds fractions up to {looks.top:g}: no mask of classes")
    return _one_class(found)


def kind_of(looks: Looks, read: Masks) -> tuple[Kind, list[str]]:
    """The kind, and what is to be said of it. Raises UserError where no classes are seen behind the edges."""
    if not looks.coloured and (found := levels.one_class(read, _top(looks))):
        return _one_class(found)
    read = _some(read, -(-looks.pixels // MOST_PIXELS))
    colours = levels.levels(read, looks.top)
    if not colours:
        raise UserError(too_many(looks))
    colours = sorted(colours, key=lambda colour: (colour != (0, 0, 0), colours.index(colour)))
    if len(colours) == 2 and sum(colours[0]) < DARK:
        return _of_two(colours, read)
    values = {f"class_{k}": levels.value_of(colour) for k, colour in enumerate(colours)}
    worst = _worst(kinds.coloured(values, None, "soft", most=1.0), read)
    line = f"soft edges: {worst:.1%} of a mask at most is none of {len(colours)} colours, and falls to one beside it"
    return kinds.coloured(values, None, "soft", most=_allowed(worst)), [line]


def _of_two(colours: list[tuple[int, int, int]], read: Masks) -> tuple[Kind, list[str]]:
    """Black and one colour: bright is the class, unless there are bright pixels of other colours."""
    values = [plain_of(levels.value_of(colour)) for colour in colours]
    worst = _worst(kinds.near_two("", *values, 1.0), read)
    said = f"masks of one class with soft edges: {values[1]}; {values[0]} is background"
    line = f"soft edges: {worst:.1%} of a mask at most is neither of both"
    if isinstance(values[1], tuple):
        level = max(colours[1]) // 2
        return kinds.one_class(said, f"above({level})", masks.above(level)), [f"{line}; above {level} is the class"]
    return kinds.near_two(said, *values, _allowed(worst)), [f"{line}, and falls to the nearest"]


def _some(read: Masks, step: int) -> Masks:
    """Every so many of the masks."""
    return lambda: itertools.islice(read(), 0, None, step)


def _worst(kind: Kind, read: Masks) -> float:
    """The largest share of a mask's pixels that are forgiven."""
    return max(masks.tolerated(kind.reads, picture)[1] / picture[..., 0].size for _, _, picture in read())


def _top(looks: Looks) -> float:
    """The brightest value that covers squares: edges may shoot over it."""
    top = max((value for value, seen in looks.values.items() if seen.thick), default=0) or looks.top
    return 255 if NEARLY_WHITE <= top <= 255 else top


def _one_class(found: levels.OneClass) -> tuple[Kind, list[str]]:
    level = math.floor(found.level) or round(found.level, 3)
    labels, reads = f"above({level})", masks.above(level)
    if found.worst < 0.45:
        most = _allowed(found.worst)
        labels, reads = f"above({level}, most={most})", masks.above(level, most)
    line = f"soft edges: {found.worst:.1%} of a mask at most is neither dark nor bright; above {level} is the class"
    return kinds.one_class("masks of one class with soft edges", labels, reads), [line]


def _allowed(worst: float) -> float:
    """Twice what was seen in one mask."""
    return min(1.0, max(0.05, math.ceil(200 * worst) / 100))
