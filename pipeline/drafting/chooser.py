"""Which draft suits what a folder holds."""

from dataclasses import replace

from pipeline.drafting import annotations, folders
from pipeline.drafting.draft import Draft
from pipeline.errors import UserError
from pipeline.raw.annotations import unread
from pipeline.raw.files import RawFiles


def draft(raw: RawFiles, *named: str, answer: str = "") -> Draft:
    """The draft for these files.

    Args:
        named: the folders of images, masks and test where somebody names them.
        answer: `classes` (that exclude each other), `overlap` (classes that may) or `objects`; "" is as it looks.

    Raises:
        UserError: nothing suits.
    """
    found = annotations.draft(raw, *named, answer=answer) or _of_folders(raw, named, answer)
    return replace(found, said=(*found.said, *raw.pictures.turned_said()))


def _of_folders(raw: RawFiles, named: tuple[str, ...], answer: str) -> Draft:
    try:
        return folders.draft(raw, *named, answer=answer)
    except UserError as error:
        # where there are no masks the reason may be a file that holds them in another way
        line = "" if named or annotations.has_masks(raw) else unread.why(raw)
        if line:
            raise UserError(line) from error
        raise
