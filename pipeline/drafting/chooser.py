"""Which draft suits what a folder holds."""

from dataclasses import replace

from pipeline.drafting import annotations, folders
from pipeline.drafting.draft import Draft
from pipeline.raw.files import RawFiles


def draft(raw: RawFiles, *named: str, answer: str = "") -> Draft:
    """The draft for these files.

    Args:
        named: the folders of images, masks and test where somebody names them.
        answer: `classes` (that exclude each other), `overlap` (classes that may) or `objects`; "" is as it looks.

    Raises:
        UserError: nothing suits.
    """
    found = annotations.draft(raw, *named, answer=answer) or folders.draft(raw, *named, answer=answer)
    return replace(found, said=(*found.said, *raw.pictures.turned_said()))
