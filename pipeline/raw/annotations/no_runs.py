"""Lists in a csv that are no run lengths though they look so: boxes, points of outlines, numbers with a point, COCO's
compressed ones. Told by the names of their columns and by what they hold, and refused for what they are."""

import re

from pipeline.errors import UserError
from pipeline.imaging import evenly
from pipeline.raw.annotations.coco_json import uncompressed
from pipeline.raw.annotations.headers import BOX_NAMES, OUTLINE_NAMES, RLE_NAMES, of_box
from pipeline.raw.annotations.keys import SEEN
from pipeline.raw.tables import Row
from pipeline.store.dialect import NOTHING

NO_BOXES = "is a box (4 numbers), not run lengths; masks cannot be made of boxes: bring outlines, run lengths or masks"
NO_OUTLINES = "holds the points of an outline, not run lengths; bring outlines as COCO's or labelme's json"
_MOST = 50  # fields looked at
_NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:e[+-]?\d+)?", re.IGNORECASE)
_LIST = re.compile(
    r"[\[\](){}\s,;]*" + _NUMBER.pattern + r"(?:[\[\](){}\s,;]+" + _NUMBER.pattern + r")*[\[\](){}\s,;]*", re.I
)


def numbers(field: str) -> list[float]:
    """The numbers of a field that is a list of numbers, with or without brackets; else none."""
    return [float(word) for word in _NUMBER.findall(field)] if _LIST.fullmatch(field.strip()) else []


def are_coordinates(name: str, fields: list[str]) -> str:
    """What boxes and outlines are, for a message; blank for other columns. By the name of a column and its numbers."""
    fields = evenly.some(fields, _MOST)
    if not (BOX_NAMES.match(name) or OUTLINE_NAMES.search(name) or any("." in field for field in fields)):
        return ""
    lists = [numbers(field) for field in fields if field.strip().lower() not in NOTHING]
    if not lists or not all(lists):
        return ""
    is_called = any(names.search(name) for names in (BOX_NAMES, OUTLINE_NAMES, RLE_NAMES))
    if not is_called and all(abs(value) <= 1 for own in lists for value in own):
        # of shares, or a direction in space
        return ""
    four = all(len(own) == 4 for own in lists)
    if four and (BOX_NAMES.match(name) or any(value % 1 for own in lists for value in own)):
        return NO_BOXES
    if BOX_NAMES.match(name) and all(len(own) % 4 == 0 for own in lists):
        return NO_BOXES
    if not all(len(own) >= 6 and len(own) % 2 == 0 for own in lists):
        return ""
    likely = OUTLINE_NAMES.search(name) and not RLE_NAMES.search(name)
    fractions = any(round(value % 1, 6) for own in lists for value in own)
    return NO_OUTLINES if (likely and not _in_order(lists)) or fractions else ""


def _in_order(lists: list[list[float]]) -> bool:
    """Whether most lists could be runs: pairs of start and length that follow each other."""
    return sum(all(b >= a for a, b in zip(own[::2], own[2::2], strict=False)) for own in lists) > len(lists) / 2


def refusal(rows: list[Row], where: str) -> str:
    """Which columns hold something else than run lengths, what, and what to do; blank where none does."""
    for name in rows[0].fields:
        filled = [row for row in evenly.some(rows, SEEN) if row.fields[name].strip().lower() not in NOTHING]
        if filled and (what := are_coordinates(name, [row.fields[name] for row in filled])):
            return f"{where}, row {filled[0].number}: '{filled[0].fields[name][:40]}' in the column {name} {what}"
    four = of_box(list(rows[0].fields))
    if four and all(len(numbers(rows[0].fields[name])) == 1 for name in four):
        return f"{where}: what its columns {', '.join(four)} hold {NO_BOXES}"
    return _of_other_numbers(rows, where)


def _of_other_numbers(rows: list[Row], where: str) -> str:
    """Run lengths that are not written as pairs of whole numbers."""
    for name in filter(RLE_NAMES.search, rows[0].fields):
        filled = [row for row in evenly.some(rows, SEEN) if row.fields[name].strip().lower() not in NOTHING]
        fields = [row.fields[name].strip() for row in filled[:50]]
        here = f"{where}, row {filled[0].number}: '{fields[0][:40]}' in the column {name}" if fields else ""
        if fields and all("." in field and numbers(field) for field in fields):
            return f"{here} holds numbers with a point; write whole ones (411 1, not 411.0 1.0)"
        if fields and all(_is_compressed(field) for field in fields):
            return (
                f"{here} holds compressed run lengths as COCO has them, which are read in COCO's json alone; bring "
                "that, or write 'start length' (pycocotools.mask.decode gives the masks)"
            )
    return ""


def _is_compressed(field: str) -> bool:
    if len(field) < 8 or re.search(r"[\s,]", field):
        return False
    try:
        counts = uncompressed(field, "")
    except UserError:
        return False
    return len(counts) > 2 and bool((counts >= 0).all())
