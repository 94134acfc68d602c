"""NAME [FOLDER [IMAGES MASKS [TEST]]] -> pipeline/competitions/NAME.py: your own data, filled in from FOLDER.

FOLDER holds images/ and masks/ with the same names, and perhaps test/ (all may lie in zips); what they are called
otherwise is said behind it. Or it holds annotations: run lengths in a csv, COCO, labelme, YOLO, VOC, arrays. What kind
of masks these are, which classes, channels and sizes is looked up in them; without FOLDER the file is one for masks of
one class.
"""

import keyword
import re
import shlex
from pathlib import Path

from pipeline import source
from pipeline.command import help, names
from pipeline.drafting import chooser, folders, page
from pipeline.drafting.draft import Draft
from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from pipeline.runs.identity import absolute
from pipeline.store import disk
from pipeline.store.disk import text_hash

COMPETITIONS = source.PACKAGE / "competitions"
RESERVED = ("new", "test", "all")
SEAL = "# as `new` wrote it: "


def run(job, words: list[str], overwrite: bool = False, answer: str = "") -> int:
    """Writes the file, says what was found and what to type next, and returns 0. Raises UserError: a name that cannot
    be one, a file that is there and was edited, or what is wrong with the folder.

    Args:
        answer: `classes` (that exclude each other), `overlap` (classes that may) or `objects`; "" is as it looks.
    """
    if job is not None or len(words) not in (1, 2, 4, 5):
        raise UserError(
            "new wants a name and perhaps a folder: ./run.sh new NAME, ./run.sh new NAME FOLDER, or with the names of "
            "the folders in it: ./run.sh new NAME FOLDER IMAGES MASKS [TEST]"
        )
    name, *where = words
    check_name(name)
    path = COMPETITIONS / f"{name}.py"
    _refuse_edited(path, overwrite)
    draft = _draft(*where, answer=answer) if where else folders.unseen(answer)
    disk.write_text(path, _sealed(page.filled_in(name, draft)))
    for line in [*draft.said, *_next(name, path, where)]:
        print(line)
    return 0


def check_name(name: str) -> None:
    """Raises UserError unless `name` can be a new word on the command line and a file of competitions/."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", name) or keyword.iskeyword(name):
        raise UserError(
            f"'{name}' cannot be a name: small letters, digits and _, a letter first, at most 30, no word of Python; "
            "for example cells_2"
        )
    if name in RESERVED or name in names.stages() or name in names.tools() or name in help.TOPICS:
        raise UserError(f"'{name}' means something else on the command line; give another name")


def _sealed(text: str) -> str:
    """The text with a last line by which `new` knows later whether anybody has edited it."""
    return f"{text}{SEAL}{text_hash(text)}\n"


def _refuse_edited(path: Path, overwrite: bool) -> None:
    """Raises UserError where a file is there that `new` did not write, or that was edited since and is not to be
    overwritten."""
    if not path.exists():
        return
    text, by_new, seal = path.read_text(encoding="utf-8").rpartition(SEAL)
    there = f"'{path.stem}' is there already: pipeline/competitions/{path.name}"
    if not by_new:
        raise UserError(f"{there}; give another name, or delete that file first")
    if seal.strip() != text_hash(text) and not overwrite:
        raise UserError(f"{there}, and was edited since `new` wrote it; give another name, or --overwrite")


def _draft(folder: str, *named: str, answer: str) -> Draft:
    with RawFiles(absolute(Path(folder))) as raw:
        return chooser.draft(raw, *named, answer=answer)


def _next(name: str, path: Path, where: list[str]) -> list[str]:
    shown = f"pipeline/competitions/{path.name}"
    if where:
        return [f"wrote {shown}; now: ./run.sh {name} --data {shlex.quote(where[0])} --recipe smoke"]
    return [
        f"wrote {shown}; put images into FOLDER/images and masks of the same names into FOLDER/masks, then: "
        f"./run.sh {name} --data FOLDER --recipe smoke"
    ]
