"""The kind of masks whose values are classes as they are: greys, numbers, colours, a palette."""

import math

import numpy as np

from pipeline.drafting import kinds
from pipeline.drafting.draft import Kind
from pipeline.drafting.ignored import void_of
from pipeline.errors import UserError, shown
from pipeline.raw.meaning.colours import COLOURED, VOID, code_of, is_coloured, plain_of, rgb_of
from pipeline.raw.meaning.looks import Looks

MOST_CLASSES = 64  # more values or colours than this are no classes, unless somebody says so
MOST_ASKED = VOID  # even then: their numbers are bytes, and one of these is what is to be ignored
MANY = 16  # classes that lie like steps, each beside the next alone (layers), are fewer than this


def kind_of(looks: Looks, classes: list[int], strays: list[int], answer: str = "") -> tuple[Kind, list[str]]:
    """The kind of greys and colours without soft edges, and what is to be said of it.

    Args:
        classes: values that are classes, sorted. strays: those that are not. answer: as in `chooser.draft`.

    Raises:
        UserError: classes cannot be told, or too many.
    """
    lines = [_strays_said(looks, strays)] if strays else []
    _refuse_twins(looks)
    _refuse_smoothed(looks, classes)
    order = [value for value in looks.order if value in classes]
    how = _forgiving(looks, strays)
    lines += _of_palette(looks)
    one = _one_of_two(looks, classes, order, how)
    if one:
        return one, lines
    void, said = void_of(looks, classes)
    classes = [value for value in classes if value != void]
    _refuse_many(looks, classes, answer)
    numbers = _in_one_channel(classes)
    lines += ["red, green or blue alone holds the numbers of the classes"] if numbers else []
    return _classes(looks, classes, numbers, void, how), [*lines, *said]


def _forgiving(looks: Looks, strays: list[int]) -> dict:
    """What makes labels forgive strays, for the functions of `kinds`: twice as many in a mask as were seen in one."""
    if not strays:
        return {}
    worst = sum(looks.values[value].most for value in strays) / (looks.pixels / looks.count)
    return {"how": "near", **({"most": math.ceil(200 * worst) / 100} if worst > 0.005 else {})}


def _one_of_two(looks: Looks, classes: list[int], order: list[int], how: dict) -> Kind | None:
    """Background and one class."""
    if len(order) == 2 and set(order) == set(classes) and order[0] == max(classes) and min(classes) == 0:
        # a palette says which is which: its first is the background
        return _of_two(order, how)
    if set(classes) <= {0, 1, VOID} and _never_together(looks, 1, VOID):
        return _of_two(sorted(classes), how) if how and len(classes) == 2 else kinds.one_class(_said_of(classes))
    if len(classes) == 1 and not is_coloured(classes[0]):
        return kinds.one_class(_said_of(classes))
    if len(classes) == 2 and classes[0] == 0:
        return _of_two(classes, how) if how else kinds.one_class(_said_of(classes))
    return None


def _said_of(classes: list[int]) -> str:
    own = " or ".join(str(plain_of(value)) for value in classes if value != 0)
    return f"masks of one class: {own}; 0 is background"


def _of_two(values: list[int], how: dict) -> Kind:
    """`palette` or `near` for background and one class, with what the values are."""
    said = f"masks of one class: {plain_of(values[1])}; {plain_of(values[0])} is background"
    if "how" in how:
        return kinds.near_two(said, plain_of(values[0]), plain_of(values[1]), how.get("most"))
    return kinds.palette_two(said, rgb_of(values[0]), rgb_of(values[1]))


def _never_together(looks: Looks, one: int, other: int) -> bool:
    """Whether no mask holds both values, as far as counts can tell."""
    there = [looks.values[value].images if value in looks.values else 0 for value in (one, other)]
    return not all(there) or (sum(there) <= looks.count and not looks.both)


def _classes(looks: Looks, classes: list[int], numbers: list[int], void: int | None, how: dict) -> Kind:
    """Several classes; `numbers` are their values where one channel holds them, else []."""
    if _is_by_palette(looks, classes):
        return _by_palette(looks, classes, void, how)
    if numbers:
        return kinds.coloured({f"class_{k}": value for k, value in enumerate(numbers)}, void, **how)
    if any(map(is_coloured, classes)) or (void is not None and is_coloured(void)):
        ordered = sorted(classes, key=lambda value: (value != 0, -looks.values[value].pixels))
        names = {f"class_{k}": value for k, value in enumerate(ordered)}
        return kinds.coloured(names, void, **how)
    top = max(classes)
    # of more classes than that somebody has said that these are numbers
    limit = MOST_CLASSES if len(classes) <= MOST_CLASSES else MOST_ASKED
    if classes[0] >= 0 and top < limit and top + 1 <= max(2 * len(classes), 8) and classes[0] != 1:
        if how:
            return kinds.valued({f"class_{k}": k for k in range(max(2, top + 1))}, void, **how)
        return kinds.numbered(max(2, top + 1), void)
    names = {f"class_{value}": value for value in classes}
    if top < limit or void is not None:
        return kinds.valued(names, void, **how)
    return kinds.coloured(names, None, **how)


def _in_one_channel(classes: list[int]) -> list[int]:
    """The values of classes 0, 1, … where one channel holds their numbers and the others nothing; else []."""
    colours = np.array([rgb_of(value) for value in classes])
    used, top = np.flatnonzero(colours.any(axis=0)), int(colours.max())
    if len(used) != 1 or top >= MOST_CLASSES or top + 1 > max(2 * len(classes), 8):
        return []
    channel = np.eye(3, dtype=int)[used[0]]
    return [0, *(COLOURED | code_of(number * channel) for number in range(1, top + 1))]


def _is_by_palette(looks: Looks, classes: list[int]) -> bool:
    return bool(looks.order) and set(classes) <= set(looks.order)


def _refuse_many(looks: Looks, classes: list[int], answer: str) -> None:
    """Raises UserError for more values than classes are, with the choice where they could be numbers of classes. What
    has a palette says itself that it numbers classes."""
    if (
        len(classes) <= MOST_CLASSES
        or _is_by_palette(looks, classes)
        or (answer == "classes" and len(classes) < MOST_ASKED)
    ):
        return
    if len(classes) >= MOST_ASKED or any(map(is_coloured, classes)) or max(classes) > VOID:
        raise UserError(too_many(looks))
    # what are objects is seen before this
    raise UserError(
        f"the masks hold {len(classes)} numbers from {min(classes)} to {max(classes)}, which are not one connected "
        "part each, as objects are: say --answer classes where these are numbers of classes"
    )


def _by_palette(looks: Looks, classes: list[int], void: int | None, how: dict) -> Kind:
    """Index k of the palette is class k; where most indices are not in use, those that are, in their order."""
    used = {number: colour for number, colour in sorted(looks.palettes.colours.items()) if colour in classes}
    top = max(used)
    if top + 1 <= max(2 * len(used), 8) and void not in looks.palettes.up_to(top):
        used = dict(enumerate(looks.palettes.up_to(top))) or used
    names = {f"class_{number}": colour for number, colour in used.items()}
    return kinds.coloured(names, void, **how)


def _of_palette(looks: Looks) -> list[str]:
    palette = looks.palettes
    if palette.differ:
        return [f"the palette of {palette.differ} numbers its colours in another order than others: colours are read"]
    used = sorted(palette.colours.items())
    if 0 < palette.files < looks.count:
        return [f"{palette.files} of {looks.count} masks have a palette: not its indices are read, but its colours"]
    if not looks.order:
        return []
    words = ", ".join(f"{number} is {rgb_of(colour)}" for number, colour in used[:6])
    return [f"the masks have a palette; its indices are the classes: {words}{' …' if len(used) > 6 else ''}"]


def _refuse_twins(looks: Looks) -> None:
    twins = looks.palettes.twins if looks.order else []
    if twins:
        colour = looks.palettes.colours[twins[0]]
        raise UserError(
            f"the palette of the masks has one colour, {plain_of(colour)}, at indices {shown(map(str, twins), 4)}: "
            "classes cannot be told apart by it; save the indices as grey values"
        )


def _refuse_smoothed(looks: Looks, classes: list[int]) -> None:
    """Numbers of classes that were resized with smoothing: 0 and 3 are never side by side, but by way of 1 and 2. And
    what is smooth all over, as a map of depths."""
    own = [value for value in classes if value != VOID]
    if looks.coloured or len(own) < 3:
        return
    is_row = min(own) > 1 and max(own) - min(own) + 1 == len(own)
    if (len(own) > MANY or is_row) and looks.single > 0.9 * looks.changes > 0:
        raise UserError(too_many(looks))
    if looks.order or looks.gradual <= max(20, 4 * looks.direct):
        return
    if max(own) >= MOST_CLASSES or min(own) > 1:
        raise UserError(too_many(looks))
    raise UserError(
        f"the masks hold the values {shown(map(str, own), 6)}, and where one goes over into another those between lie "
        "between them: numbers of classes that were resized with smoothing, which makes classes of edges; resize them "
        "by nearest neighbour"
    )


def _strays_said(looks: Looks, strays: list[int]) -> str:
    pixels = sum(looks.values[value].pixels for value in strays)
    where = list(dict.fromkeys(name for value in strays for name in looks.values[value].where))
    values = shown([str(plain_of(value)) for value in strays], 3)
    return (
        f"{pixels} stray pixel(s) of {len(strays)} value(s) that are no class's ({values}), in {shown(where)}: "
        "they fall to the nearest class"
    )


def too_many(looks: Looks) -> str:
    count, name = looks.most
    return (
        f"the masks hold {len(looks.values) or 'many'} different values, {name} alone {count}: numbers of objects "
        "(--answer objects), pictures that are no masks, or soft edges everywhere"
    )
