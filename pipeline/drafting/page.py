"""The text of a competition's file, from what is known of it."""

import string
from pathlib import Path

from pipeline.drafting.draft import Draft
from pipeline.raw.places.survey import elongation

TEMPLATE = Path(__file__).with_name("competition.py.txt")
SMALL = 256  # images up to this side are learnt at their own size
LONG = 1.6  # the longer side by the shorter one: from here on an image is no square
WINDOWS = 4  # along the shorter side of an image: from here on a square shows more, if the image is not this long, too
STEP = 32  # of the sides of windows, in pixels


def filled_in(name: str, draft: Draft) -> str:
    """The text of the file; `name` is the competition's word on the command line."""
    kind = draft.kind
    return string.Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=name,
        title=name.replace("_", " ").capitalize(),
        what=kind.said,
        seen="Filled in from the data." if draft.said else "For masks of one class it works as it is.",
        metric_import=kind.metric_import,
        task_import=kind.task_import,
        constants=kind.constants,
        task=kind.task,
        loss=kind.loss,
        metric=kind.metric,
        official=f"\n    official={kind.official}," if kind.official else "",
        format=kind.format,
        imports="\n".join(sorted({*draft.imports, "from pipeline.raw.files import RawFiles"})),
        read=draft.read.rstrip(),
        quick_size=_size(draft, 96),
        default_size=_size(draft, SMALL),
    )


def _size(draft: Draft, side: int) -> str:
    """Small images of one size stay as they are; of long ones windows are learnt; others become squares.

    Args: side: of the squares, in pixels.
    """
    own = '    "size": 0,\n    "fit": "pad",'
    if draft.largest is not None:
        alike, (height, width) = draft.smallest == draft.largest, draft.largest
        long = _is_long(draft, side)
        # a long one of no more pixels than the square costs no more
        if alike and (max(height, width) <= side or (long and height * width <= side**2)):
            return own
        if long:
            said = (
                "    # in squares images this long would lose what is thin: windows are learnt, whole images answered"
            )
            return f'{said}\n{own}\n    "crop": {min(side, -(-min(height, width) // STEP) * STEP)},'
    return f'    "size": {side},\n    "fit": "resize",'


def _is_long(draft: Draft, side: int) -> bool:
    """Whether squares would distort some images more than windows would show too little of them."""
    ratio = elongation(draft.longest or max(draft.smallest, draft.largest, key=elongation))
    return ratio > LONG and (min(draft.largest) <= WINDOWS * side or ratio > WINDOWS)
