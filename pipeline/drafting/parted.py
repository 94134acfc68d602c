"""Whether masks number objects instead of classes."""

from dataclasses import replace

from pipeline.drafting import kinds
from pipeline.drafting.draft import Kind
from pipeline.raw import masks
from pipeline.raw.meaning.looks import MOST_VALUES, Looks

MOSTLY = 0.9
MANY = 12  # values in all masks, of which each mask has others


def are_objects(looks: Looks) -> bool:
    """Whether nearly every value of nearly every mask is one connected part, and either they are counted in the order
    in which they lie, as many as there are, or each mask has others."""
    if not looks.numbers or not _single(looks):
        return False
    most = max(there.count for there in looks.numbers)
    own = len(looks.values.keys() - {0})
    return _are_counted(looks, most) or own > max(MANY, 1.5 * most) or (most > MANY and own > 64)


def _single(looks: Looks) -> bool:
    several = [there for there in looks.numbers if there.count > 1]
    return sum(there.single for there in several) >= MOSTLY * sum(there.count for there in several) > 0


def _are_counted(looks: Looks, most: int) -> bool:
    several = [there for there in looks.numbers if there.count > 1]
    counted = sum(there.top == there.count for there in looks.numbers) >= MOSTLY * len(looks.numbers)
    in_order = sum(there.in_order for there in several) >= MOSTLY * len(several)
    vary = len({there.count for there in looks.numbers}) > 1
    return len(several) > 1 and most > 2 and counted and in_order and vary


def are_numbered(looks: Looks, soft: bool) -> bool:
    """Whether more than one value beside 0 is there that parts objects from each other; where there are many, an object
    may have several parts, unless the values are those of soft edges."""
    most = max((there.count for there in looks.numbers), default=0)
    return (most > 1 and _single(looks)) or (max(most, looks.most[0] - 1) > MANY and not soft)


def numbered(looks: Looks) -> tuple[Kind, list[str]]:
    """Objects by their numbers or colours, and what is to be said of it."""
    if looks.most[0] > MOST_VALUES:
        return kinds.of_objects("objects"), [f"every value but 0 is an object: up to {looks.most[0]} values in a mask"]
    counts = sorted(there.count for there in looks.numbers)
    empty = looks.count - len(counts)
    line = (
        f"every value but 0 is an object: {counts[0]} to {counts[-1]} in a mask"
        + (f", none in {empty}" if empty else "")
        + "; if values are classes: --answer classes"
    )
    return kinds.of_objects("objects"), [line]


def of(kind: Kind) -> Kind:
    """The connected parts of what `kind` takes for the class."""
    parts = kinds.of_objects("parts")
    if kind.reads is masks.binary:
        return parts
    inner = kinds.within(kind, "parts_of")
    return replace(
        parts, labels=inner.labels, labels_import=inner.labels_import, reads=inner.reads, constants=kind.constants
    )


def offered(looks: Looks) -> list[str]:
    """A line that these may be objects, where values are one connected part each."""
    most = max((there.count for there in looks.numbers), default=0)
    if most < 2 or not _single(looks):
        return []
    return ["nearly every value is one connected part: where these are objects, not classes: --answer objects"]
