"""NAME [FOLDER [IMAGES MASKS [TEST]]] -> pipeline/competitions/NAME.py: your own data, filled in from FOLDER.

FOLDER holds images/ and masks/ with the same names, and perhaps test/ (all may lie in zips); what they are called
otherwise is said behind it. What kind of masks these are, which classes, channels and sizes is looked up in them;
without FOLDER the file is one for masks of one class.
"""

import json
import keyword
import re
import shlex
import string
from dataclasses import dataclass
from pathlib import Path

from pipeline import source
from pipeline.command import help, names
from pipeline.errors import UserError, shown
from pipeline.raw.files import RawFiles
from pipeline.raw.masks import NEARLY_WHITE, SOFT, VOID, colour_of
from pipeline.raw.survey import Survey, is_coloured, survey
from pipeline.runs.identity import absolute
from pipeline.store import disk
from pipeline.store.disk import text_hash

COMPETITIONS = source.PACKAGE / "competitions"
TEMPLATE = Path(__file__).with_name("new_competition.py.txt")
RESERVED = ("new", "test", "all")
SEAL = "# as `new` wrote it: "
MOST_CLASSES = 64  # more values or colours than this are no classes
SMALL = 256  # images up to this side are learnt at their own size


def run(job, words: list[str], overwrite: bool = False) -> int:
    """Writes the file, says what was found and what to type next, and returns 0. Raises UserError: a name that cannot
    be one, a file that is there and was edited, or what is wrong with the folder."""
    if job is not None or len(words) not in (1, 2, 4, 5):
        raise UserError(
            "new wants a name and perhaps a folder: ./run.sh new NAME, ./run.sh new NAME FOLDER, or with the names of "
            "the folders in it: ./run.sh new NAME FOLDER IMAGES MASKS [TEST]"
        )
    name, *folders = words
    check_name(name)
    path = COMPETITIONS / f"{name}.py"
    _refuse_edited(path, overwrite)
    found = _look(*folders) if folders else None
    disk.write_text(path, _sealed(filled_in(name, found)))
    for line in [*(described(found) if found else []), *_next(name, path, folders)]:
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


def _look(folder: str, *names: str) -> Survey:
    with RawFiles(absolute(Path(folder))) as raw:
        return survey(raw, *names)


@dataclass(frozen=True)
class Kind:
    """A kind of masks: what it is called, and what the file says of it."""

    said: str
    task_import: str
    labels_import: str
    task: str
    labels: str
    constants: str = ""
    formula: str = "iou_of_present, whole_set"
    metric: str = '"mean IoU of the classes, whole set", iou_of_present, whole_set'
    loss: str = '{"loss": "ce+dice", "late_loss": ""}'
    format: str = 'class_column="class", pictures=True'


def one_class(said: str = "masks of one class", labels: str = "binary") -> Kind:
    """0 and one other value; `labels` may be `above(127)`."""
    return Kind(
        said=said,
        task_import="binary import Binary",
        labels_import=labels.partition("(")[0],
        task='Binary(("object",))',
        labels=labels,
        formula="dice",
        metric='"mean Dice", dice',
        loss='{"loss": "bce+dice", "late_loss": "bce+lovasz"}',
        format="pictures=True",
    )


def numbered(count: int, has_void: bool) -> Kind:
    """The masks hold 0 to count - 1, and 255 where a pixel is to be ignored."""
    names = "".join(f'    "class_{k}",\n' for k in range(count))
    void = ", void=255" if has_void else ""
    return Kind(
        said=f"masks that hold the numbers of {count} classes" + (", 255 meaning ignore" if has_void else ""),
        task_import="multiclass import MultiClass",
        labels_import="class_ids",
        constants=f"# their names, in the order of the numbers in the masks; give them better ones\n"
        f"CLASSES = (\n{names})\n\n",
        task=f"MultiClass(CLASSES{void})",
        labels=f"class_ids(len(CLASSES){void})",
    )


def coloured(values: list[int], void: int | None) -> Kind:
    """The masks hold these colours, as `raw.masks.values_of` numbers them."""
    names = "".join(f'    "class_{k}": {_rgb(value)},\n' for k, value in enumerate(values))
    ignored = f", void={_rgb(void)}" if void is not None else ""
    return Kind(
        said=f"masks that show {len(values)} classes by colours"
        + (f", {_rgb(void)} meaning ignore" if ignored else ""),
        task_import="multiclass import MultiClass",
        labels_import="palette",
        constants="# name -> (red, green, blue) in the masks, in the order of their numbers; give them better names\n"
        f"COLOURS = {{\n{names}}}\n\n",
        task=f"MultiClass(tuple(COLOURS){', void=255' if ignored else ''}, colours=tuple(COLOURS.values()))",
        labels=f"palette(COLOURS{ignored})",
    )


def _rgb(value: int) -> tuple[int, int, int]:
    return colour_of(value) if is_coloured(value) else (value, value, value)


def kind_of(found: Survey) -> Kind:
    """Raises UserError where no kind is likely."""
    values = sorted(found.pixels)
    if values == [0]:
        raise UserError(
            f"all {found.looked_at} masks looked at hold only 0; is {found.masks}/ the folder of the masks?"
        )
    if values == [VOID] or (found.most <= 2 and 0 in values and _one_beside_0(found, values)):
        return one_class()
    if _is_soft(found):
        return one_class("masks of one class with soft edges: brighter than 127 is the class", "above(127)")
    if found.most > MOST_CLASSES or len(values) > 4 * MOST_CLASSES:
        raise UserError(
            f"a mask in {found.masks}/ holds {found.most} different values: its edges are soft (saved as JPEG, or "
            "resized), or it holds objects, not classes; save masks as PNG without smoothing, or make the file without "
            "the folder and follow what it says of objects"
        )
    if any(map(is_coloured, values)):
        return coloured(*_with_void(_ordered(found)))
    top = max(value for value in values if value != VOID) if len(values) > 1 else values[0]
    if top < MOST_CLASSES and top + 1 <= max(2 * len(values), 8):
        return numbered(max(2, top + 1), VOID in values)
    if len(values) <= SOFT:
        return coloured(values, None)
    raise UserError(
        f"the masks hold {len(values)} values up to {values[-1]}: numbers of objects? Make the file without the "
        "folder and follow what it says of objects"
    )


def _one_beside_0(found: Survey, values: list[int]) -> bool:
    """Whether each mask is black and one other; 0/1 in some masks and 0/255 in others are the same class."""
    return len(values) == 2 or set(values) <= {0, 1, VOID}


def _is_soft(found: Survey) -> bool:
    """Nearly all pixels are nearly black or nearly white: one class, saved as JPEG or resized."""
    if any(map(is_coloured, found.pixels)):
        return False
    bright = {value for value in found.pixels if NEARLY_WHITE <= value <= VOID}
    clear = sum(count for value, count in found.pixels.items() if value <= 32 or value in bright)
    return len(bright) > 2 and clear >= 0.9 * sum(found.pixels.values())


def _ordered(found: Survey) -> list[int]:
    """The order of the palette where there is one, otherwise black first, then what covers most."""
    known = [value for value in found.order if value in found.pixels]
    rest = [value for value in found.pixels if value not in known]
    return known + sorted(rest, key=lambda value: (value != 0, -found.pixels[value]))


def _with_void(values: list[int]) -> tuple[list[int], int | None]:
    """PASCAL VOC draws what is to be ignored in (224, 224, 192), the last of its palette."""
    void = next((value for value in values if _rgb(value) == (224, 224, 192)), None)
    return [value for value in values if value != void], void


def filled_in(name: str, found: Survey | None) -> str:
    """The text of the file."""
    kind = kind_of(found) if found else one_class()
    title = name.replace("_", " ").capitalize()
    return string.Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=name,
        title=title,
        what=kind.said,
        seen="Filled in from the data." if found else "For masks of one class it works as it is.",
        formula=kind.formula,
        labels_import=kind.labels_import,
        task_import=kind.task_import,
        constants=kind.constants,
        task=kind.task,
        labels=kind.labels,
        loss=kind.loss,
        metric=kind.metric,
        format=kind.format,
        images=_quoted(found.images if found else "images"),
        masks=_quoted(found.masks if found else "masks"),
        test=_quoted(found.test if found else "test"),
        channels=found.channels if found else 3,
        unmasked="test" if found and found.bare else "refuse",
        hint=(found.hint if found else "") or r"^(.+)_\d+$",
        quick_size=_size(found, 96),
        default_size=_size(found, SMALL),
    )


def _quoted(folder: str) -> str:
    return json.dumps(folder, ensure_ascii=False)


def _size(found: Survey | None, side: int) -> str:
    """Small images of one size stay as they are; others become squares."""
    own = found is not None and found.smallest == found.largest and max(found.largest) <= side
    return '    "size": 0,\n    "fit": "pad",' if own else f'    "size": {side},\n    "fit": "resize",'


def described(found: Survey) -> list[str]:
    """What was found, for people."""
    train, test = len(found.found.train) - found.bare, len(found.found.test) + found.bare
    small, large = ("{} x {}".format(*size) for size in (found.smallest, found.largest))
    sizes = small if small == large else f"{small} to {large}"
    channels = {1: "grey", 3: "in colours"}.get(found.channels, "of several channels")
    lines = [
        f"{train} images with a mask and {test} to answer, {sizes} pixels (height x width), {channels}, {found.depth}"
    ]
    lines.append(f"{kind_of(found).said} ({found.looked_at} looked at)")
    if found.bare:
        bare = sorted(name for name in found.found.train if name not in found.found.masks[0])
        lines.append(f"{found.bare} image(s) without a mask are taken as to be answered (unmasked=): {shown(bare)}")
    if found.found.prefix:
        lines.append(found.found.renamed(found.test))
    if found.hint:
        lines.append(
            "the names look like GROUP_NUMBER: if images of a group are alike (a patient, a drive), set group="
        )
    return lines


def _next(name: str, path: Path, folders: list[str]) -> list[str]:
    shown = f"pipeline/competitions/{path.name}"
    if folders:
        return [f"wrote {shown}; now: ./run.sh {name} --data {shlex.quote(folders[0])} --recipe smoke"]
    return [
        f"wrote {shown}; put images into FOLDER/images and masks of the same names into FOLDER/masks, then: "
        f"./run.sh {name} --data FOLDER --recipe smoke"
    ]
