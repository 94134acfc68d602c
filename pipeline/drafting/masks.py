"""Which kind of answer the masks of a folder ask for, by what covers their pixels."""

from dataclasses import dataclass

from pipeline.drafting import edges, exact, kinds, parted, shares
from pipeline.drafting.draft import Kind
from pipeline.errors import UserError
from pipeline.raw import masks as labels
from pipeline.raw.meaning import levels, transparent
from pipeline.raw.meaning.looks import MOST_VALUES, Looks, Masks, look

STRAY = 16  # pixels that a stray value may have in all masks, and how many such values there can be
STRAYS = 8
THIN = 0.05  # of a value's pixels: if fewer lie in squares of 3 x 3, it is of edges or of lines


@dataclass(frozen=True)
class Values:
    """What is decided of the values in masks: those that are classes, strays among them, and whether edges are soft."""

    classes: list[int]
    strays: list[int]
    soft: bool


def kind_of(masks: Masks, looks: Looks, place: str, answer: str = "") -> tuple[Kind, list[str]]:
    """The kind, and what is to be said of it beside its name. Raises UserError where no kind is likely.

    Args:
        masks: reads those that are looked at; looks: what they hold. place: where they are, for messages: `masks/`.
        answer: as in `chooser.draft`.
    """
    meaning = transparent.meaning(masks) if looks.transparent else transparent.IGNORED
    if meaning == transparent.IGNORED:
        kind, lines = _kind_of(masks, looks, place, answer)
        return kind, [*lines, *shares.said(kind, looks, masks)]
    how = "in_alpha" if meaning == transparent.THE_MASK else "over_black"
    masks = _seen_by(masks, how)
    looks = look(masks)
    kind, lines = _kind_of(masks, looks, place, answer)
    lines += shares.said(kind, looks, masks)
    said = {
        "in_alpha": "the mask is the alpha channel: what is opaque is the class; colours say nothing",
        "over_black": "what is transparent is background, whatever its colour",
    }[how]
    return kinds.within(kind, how), [said, *lines]


def _seen_by(masks: Masks, how: str) -> Masks:
    """The masks as `in_alpha` or `over_black` of `raw.masks` hands them on."""
    view = getattr(labels, how)(lambda picture: picture)

    def read():
        for name, _, picture in masks():
            # a palette in the bytes numbers other values than those that are looked at now
            yield name, b"", view(picture)

    return read


def _kind_of(masks: Masks, looks: Looks, place: str, answer: str) -> tuple[Kind, list[str]]:
    if looks.fractions:
        kind, lines = edges.of_fractions(looks, masks)
        return (parted.of(kind), lines) if answer == "objects" else (_answer(kind, answer, place), lines)
    if set(looks.values) == {0}:
        jpeg = "; JPEG makes that of numbers of classes" if looks.lossy else ""
        raise UserError(f"all {looks.count} masks looked at hold only 0; is {place} where the masks are?{jpeg}")
    edges.refuse_numbers(looks, masks)
    values = split(looks)
    if not answer and parted.are_objects(looks):
        return parted.numbered(looks)
    if answer == "objects" and parted.are_numbered(looks, _is_soft(values, looks, masks)):
        return parted.numbered(looks)
    if values.soft:
        kind, lines = edges.kind_of(looks, masks)
    else:
        kind, lines = exact.kind_of(looks, values.classes, values.strays, answer)
        lines += [] if answer else parted.offered(looks)
    return (parted.of(kind), lines) if answer == "objects" else (_answer(kind, answer, place), lines)


def _is_soft(values: Values, looks: Looks, masks: Masks) -> bool:
    """Also of masks with so many values that only what lies dark or bright tells edges from numbers."""
    return values.soft and (looks.most[0] <= MOST_VALUES or levels.one_class(masks, looks.top) is not None)


def _answer(kind: Kind, answer: str, place: str) -> Kind:
    """The kind as it is asked for. Raises UserError where masks of one folder cannot say what overlaps."""
    if answer != "overlap":
        return kind
    if len(kind.names) != 2 or kind.names[0] != "background":
        raise UserError(
            f"{place} gives each pixel one of {len(kind.names)} classes, which cannot overlap; --answer overlap "
            "wants a folder of masks, or a layer of an array, for each class"
        )
    return kinds.overlapping_as(kind)


def split(looks: Looks) -> Values:
    """Values that are classes, those of a few pixels in few masks, and whether there are soft edges."""
    thin = [value for value, seen in looks.values.items() if seen.thick < THIN * seen.pixels]
    rare = _rare(looks, thin)
    edges = [value for value in thin if value not in rare]
    several = sum(_is_small(looks, value) for value in edges) > STRAYS or looks.most[0] > MOST_VALUES
    between = looks.gradual > max(4, 4 * looks.direct) and _lie_between(looks, edges)
    if several or between:
        return Values([value for value in looks.values if value not in thin], rare, True)
    classes = [value for value in looks.values if value not in rare]
    # where nothing else is there, what is rare is what is looked for
    if set(classes) <= {0} or (len(rare) == 1 and len(classes) < 2):
        classes, rare = list(looks.values), []
    return Values(sorted(classes), sorted(rare), False)


def _rare(looks: Looks, thin: list[int]) -> list[int]:
    """Values of a few pixels in few masks; many such values only where all are in the same few masks."""
    few, some = max(1, looks.count // 10), max(1, looks.count // 3)
    found = [value for value in thin if _is_small(looks, value) and looks.values[value].images <= few]
    places = {name for value in found for name in looks.values[value].where}
    if found and len(places) <= few < looks.count:
        return found
    seen = looks.values
    found = [value for value in found if seen[value].pixels <= STRAY]
    # a pixel here and there
    found += [v for v in thin if v not in found and seen[v].pixels <= 2 * seen[v].images and seen[v].images <= some]
    return found if len(found) <= STRAYS else []


def _is_small(looks: Looks, value: int) -> bool:
    """Whether it covers little where it is."""
    seen = looks.values[value]
    return seen.pixels < 0.02 * looks.pixels / looks.count * seen.images


def _lie_between(looks: Looks, edges: list[int]) -> bool:
    """Whether there are values of edges alone, and, where all is grey, they lie between two others."""
    thick = [value for value in looks.values if value not in edges]
    grey = not looks.coloured
    return bool(edges) and len(thick) > 1 and (not grey or all(min(thick) < value < max(thick) for value in edges))
