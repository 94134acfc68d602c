"""A draft from a folder of images and a folder of masks."""

import json
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pipeline.drafting.draft import Draft, Kind
from pipeline.drafting.kinds import of_objects, one_class, overlapping_as
from pipeline.drafting.masks import kind_of
from pipeline.errors import UserError, shown
from pipeline.raw import folders as image_folders
from pipeline.raw.files import RawFiles
from pipeline.raw.grouping import BY_FOLDER
from pipeline.raw.places import unused
from pipeline.raw.places.survey import Survey, survey

READ = string.Template('''\
def read(raw: RawFiles) -> RawData:
    """Masks have the name of their image (or end in _mask, _label, _seg); folders may lie anywhere, also in zips."""
    return read_folders(
        raw,
        images=$images,
        masks=$masks,
        # pictures to answer; "" where there are none: then the out-of-fold masks are what is written
        test=$test,
        # what the pixels of a mask mean: binary, class_ids(3), palette({...}) ... of pipeline/raw/masks.py, or a
        # function of your own from H x W x C to H x W x 1
        labels=$labels,
        # images of one patient or drive must not be on both sides of a fold: what their names share, as a regular
        # expression with one group or a function of the name; "folder" is the folder that tells them apart
        #   group=r"$hint"
        group=$group,
        # 1 (grey) or 3; None leaves images as they are
        channels=$channels,
        # images without a mask: "refuse" them, "test" (to be answered) or "empty" (there is nothing in them)
        unmasked="$unmasked",
$more    )
''')


def draft(raw: RawFiles, *folders: str, answer: str = "") -> Draft:
    """From what is in the folders, which are looked for where they are not named; `answer` as in `chooser.draft`.
    Raises UserError."""
    found = survey(raw, *folders)
    kind, lines = _kind(found, answer)
    return _of(found, kind, lines, unused.line(raw, found.found.used, with_tables=True))


def _kind(found: Survey, answer: str) -> tuple[Kind, list[str]]:
    """The kind, and what is to be said of it. Raises UserError where several folders of masks are no classes that may
    overlap."""
    if len(found.found.masks) > 1:
        return _of_layers(found, answer)
    if answer == "objects" and found.found.several:
        # every mask is an object, whatever parts it has
        kind, lines = _judged(found, "classes")
        same = {"labels": kind.labels, "labels_import": kind.labels_import, "reads": kind.reads}
        return replace(of_objects("parts"), constants=kind.constants, **same), lines
    return _judged(found, answer)


def _judged(found: Survey, answer: str) -> tuple[Kind, list[str]]:
    return kind_of(found.read, found.looks, f"{found.masks}/", answer)


def _of_layers(found: Survey, answer: str) -> tuple[Kind, list[str]]:
    layers = found.layout.layers
    kind, lines = _judged(found, "classes")
    if answer not in ("", "overlap") or len(kind.names) != 2 or kind.names[0] != "background":
        what = (
            f"--answer {answer} wants" if answer else f"{kind.said}, in each of several folders, are not read: it wants"
        )
        raise UserError(
            f"{what} one folder of masks, and {shown(f'{layer}/' for layer in layers)} are layers: name one "
            f"(./run.sh new NAME FOLDER {found.images or 'IMAGES'} {layers[0]})"
        )
    names = found.layout.classes or tuple(f"class_{k}" for k in range(len(found.found.masks)))
    return overlapping_as(replace(kind, names=("background", *names))), lines


def unseen(answer: str = "") -> Draft:
    """For masks in images/ and masks/ of which nothing is known: of one class, or whose parts are objects.

    Raises UserError for classes that overlap, of which more must be known.
    """
    if answer == "overlap":
        raise UserError("--answer overlap wants a folder: ./run.sh new NAME FOLDER --answer overlap")
    return _of(None, of_objects("parts") if answer == "objects" else one_class())


def _of(found: Survey | None, kind: Kind, lines: Sequence[str] = (), unused_files: str = "") -> Draft:
    return Draft(
        kind=kind,
        imports=(
            "from pipeline.raw.folders import read_folders",
            f"from pipeline.raw.masks import {kind.labels_import}",
        ),
        read=READ.substitute(
            images=_quoted(found.images if found else "images"),
            masks=_masks(found.layout.layers if found else ("masks",)),
            test=_quoted(found.test if found else "test"),
            labels=kind.labels,
            channels=found.channels if found else 3,
            unmasked=_unmasked(found) if found else "refuse",
            group='"folder"' if found and _is_by_folder(found) else "None",
            more=_more(found, kind) if found else "",
            hint=(found.hint if found else "") or r"^(.+)_\d+$",
        ),
        said=tuple(_described(found, kind, lines, unused_files)) if found else (),
        smallest=found.smallest if found else None,
        largest=found.largest if found else None,
        longest=found.longest if found else None,
    )


def _quoted(folder: str) -> str:
    return json.dumps(folder, ensure_ascii=False)


def _masks(layers: tuple[str, ...]) -> str:
    return _quoted(layers[0]) if len(layers) == 1 else f"({', '.join(map(_quoted, layers))})"


def _unmasked(found: Survey) -> str:
    """Images with masks in some folders of classes have nothing of the other classes in them."""
    if found.bare:
        return "test"
    return "empty" if any(len(layer) < len(found.found.train) for layer in found.found.masks) else "refuse"


def _is_by_folder(found: Survey) -> bool:
    """Whether the folder of an image is likely a patient or the like: names repeat in them, or there are many of
    several images each."""
    folders = Counter(found.found.folders.values())
    folders.pop("", None)
    return len(folders) > 1 and (found.found.are_repeated or (len(folders) >= 5 and min(folders.values()) > 1))


def _more(found: Survey, kind: Kind) -> str:
    """Lines of `read` that few need."""
    lines = []
    if found.layout.valid:
        lines += [
            '# a published validation part, and what becomes of it: in the "folds" like all others, "learnt" and',
            '# never held out, or hidden "truth" that the report alone reads',
            f"valid={_quoted(found.layout.valid)},",
            'valid_as="folds",',
        ]
    if found.found.several:
        lines += [
            '# several masks of one image: parts of one ("union") or an object each ("objects")',
            f'several="{_several(kind)}",',
        ]
    return "".join(f"        {line}\n" for line in lines)


def _several(kind: Kind) -> str:
    return "objects" if "several" in kind.format else "union"


def _described(found: Survey, kind: Kind, of_masks: Sequence[str], unused_files: str) -> list[str]:
    """What was found, for people."""
    files, layout = found.found, found.layout
    train, test = len(files.train) - found.bare, len(files.test) + found.bare
    small, large = ("{} x {}".format(*size) for size in (found.smallest, found.largest))
    sizes = small if small == large else f"{small} to {large}"
    channels = {1: "grey", 3: "in colours"}.get(found.channels, "of several channels")
    lines = [
        f"{train} images with a mask and {test} to answer, {sizes} pixels (height x width), {channels}, {found.depth}"
    ]
    lines += [f"{kind.said} ({found.looked_at} looked at)", *of_masks, *layout.taken, *layout.rejected]
    if found.bare:
        lines.append(
            f"{found.bare} image(s) without a mask are taken as to be answered (unmasked=): {shown(sorted(files.bare))}"
        )
    elif _unmasked(found) == "empty":
        part = [name for name in files.train if not all(name in layer for layer in files.masks)]
        lines.append(
            f"{len(part)} image(s) lack masks of some classes: nothing of these is in them (unmasked=): {shown(part)}"
        )
    if files.prefix:
        lines.append(files.renamed(found.test))
    if answered := sum(any(name in layer for layer in files.masks) for name in files.test):
        lines.append(image_folders.truth_said(answered, f"{found.test}/", "test"))
    lines += files.notes
    lines += [
        line
        for line in (
            image_folders.split_of(files, layout.valid, "folds", frozenset(files.bare if found.bare else ())),
            _groups(found),
            image_folders.several_said(files, _several(kind)),
            unused_files,
        )
        if line
    ]
    return lines


def _groups(found: Survey) -> str:
    """What is a group, or may be one, for people."""
    if _is_by_folder(found):
        return image_folders.folders_said(found.found, BY_FOLDER)
    folders = Counter(found.found.folders.values())
    folders.pop("", None)
    if len(folders) > 1 and min(folders.values()) > 1:
        return (
            f"images lie in {len(folders)} folders ({shown(sorted(folders), 3)}): if those of a folder are alike (a "
            'patient, a drive), set group="folder"'
        )
    if found.hint:
        return "the names look like GROUP_NUMBER: if images of a group are alike (a patient, a drive), set group="
    return ""
