"""A draft from annotations that are no pictures of masks: run lengths in a csv, COCO, labelme, YOLO, VOC, arrays.

Each module of `raw/annotations` that has a `look` is asked; a new one needs nothing here.
"""

import importlib
import json
import pkgutil
from dataclasses import dataclass, fields, is_dataclass, replace

import numpy as np

from pipeline.competition import RawData
from pipeline.drafting import masks
from pipeline.drafting.draft import Draft, Kind
from pipeline.drafting.kinds import exclusive, of_objects, one_class, overlapping
from pipeline.drafting.scores import scored
from pipeline.errors import UserError, shown
from pipeline.imaging import evenly
from pipeline.raw import annotations
from pipeline.raw.annotations.array_formats import ARRAYS
from pipeline.raw.annotations.seen import Seen
from pipeline.raw.files import RawFiles
from pipeline.raw.masks import is_grey
from pipeline.raw.meaning.looks import look
from pipeline.raw.places.called import role_of
from pipeline.raw.places.names import PICTURES, Where, forms, normal, stem
from pipeline.raw.places.survey import elongation
from pipeline.store.dialect import Format

MOST = 100  # images looked at, evenly spread
OVERLAPS = 0.01  # of what is covered; less is where outlines touch
# what may be named in the place of the folder of masks
FILES = (".csv", ".tsv", ".json", *ARRAYS)
_GROUP = """\
        # images of one patient or drive must not be on both sides of a fold: what their names share, as a regular
        # expression with one group (group=r"^(.+)_\\d+$") or a function of the name
        group=None,
"""


def draft(raw: RawFiles, *named: str, answer: str = "") -> Draft | None:
    """The draft, or None where nothing is annotated so, or there are masks. Arguments as of `chooser.draft`.

    Raises UserError for annotations that are damaged.
    """
    if named and not (len(named) > 1 and (is_file(named[1]) or any(_are_arrays(raw, place) for place in named[:2]))):
        return None
    found = _seen(raw, answer, named)
    return _of(raw, *found, answer) if found else None


def is_file(place: str) -> bool:
    """Whether what holds the masks is a file or what is called so in each, and no folder."""
    return place.startswith(":") or place.partition(":")[0].lower().endswith(FILES)


def _are_arrays(raw: RawFiles, folder: str) -> bool:
    """Whether a folder holds arrays, and no pictures."""
    names = [name.lower() for name in raw.names if Where(folder).holds(name)]
    return any(name.endswith(ARRAYS) for name in names) and not any(name.endswith(PICTURES) for name in names)


def _seen(raw: RawFiles, answer: str, named: tuple[str, ...]) -> tuple[Seen, list[str]] | None:
    """What most images are annotated with, and what else is there."""
    names = [module.name for module in pkgutil.iter_modules(annotations.__path__)]
    modules = [importlib.import_module(f"{annotations.__name__}.{name}") for name in names]
    modules = [module for module in modules if hasattr(module, "look")]
    if not named and has_masks(raw):
        modules = [module for module in modules if hasattr(module, "BESIDE_MASKS")]
    seen = [found for module in modules if (found := module.look(raw, answer, named))]
    if not seen:
        return None
    counts = [sum(image.part == "train" for image in found.read(raw).images) for found in seen]
    best = counts.index(max(counts))
    return seen[best], [f"not read: {other.what}" for i, other in enumerate(seen) if i != best]


def has_masks(raw: RawFiles) -> bool:
    """Whether some pictures are masks by their folder or their name, and others their images."""
    names = [name for name in raw.names if name.lower().endswith(PICTURES)]
    roles = {role_of(name) for name in names}
    if "masks" in roles and roles != {"masks"}:
        return True
    stems = {normal(stem(name)) for name in names}
    return any(normal(form.key) in stems for name in names for form in forms(stem(name)) if form.word)


@dataclass(frozen=True)
class _Looks:
    """Of the images looked at: how many, the smallest, largest and longest (height, width), channels and depth."""

    count: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    longest: tuple[int, int]
    channels: int | None
    depth: str


def _of(raw: RawFiles, seen: Seen, others: list[str], answer: str) -> Draft:
    said, imports = [], [f"from {seen.function.__module__} import {seen.function.__name__}"]
    if not seen.decided and not answer and len(seen.arguments["classes"]) > 1:
        answer, why = _answer(seen.read(raw, answer="overlap"))
        said.append(why)
        seen = replace(seen, arguments={**seen.arguments, "answer": answer})
    if seen.masks:
        kind, known = _of_masks(seen, answer)
        data = seen.read(raw, labels=kind.reads)
        imports.append(f"from pipeline.raw.masks import {kind.labels_import}")
    else:
        kind, lines = scored(_kind(seen), seen)
        known = (kind.said, *lines)
        data = seen.read(raw)
    looks = _looks(data)
    train, test = (sum(image.part == part for image in data.images) for part in ("train", "test"))
    small, large = ("{} x {}".format(*size) for size in (looks.smallest, looks.largest))
    colours = {1: "grey", 3: "in colours"}.get(looks.channels, "of several channels")
    described = (
        f"{train} images with annotations and {test} to answer, {small if small == large else f'{small} to {large}'}"
    )
    return Draft(
        kind=kind,
        imports=tuple(imports),
        read=_read(seen, kind, looks.channels),
        said=(
            seen.what,
            f"{described} pixels (height x width), {colours}, {looks.depth} ({looks.count} looked at)",
            *known,
            *said,
            *seen.notes,
            *data.notes,
            *others,
        ),
        smallest=looks.smallest,
        largest=looks.largest,
        longest=looks.longest,
    )


def _of_masks(seen: Seen, answer: str) -> tuple[Kind, tuple[str, ...]]:
    """The kind, told by what masks hold, and what is to be said of it. Raises UserError."""
    place = seen.arguments["masks"]
    try:
        looks = look(seen.masks)
        kind, lines = masks.kind_of(seen.masks, looks, place if is_file(place) else f"{place}/", answer)
    except UserError as error:
        where = f" (of {seen.function.__name__}: docs/how-to/annotations.md)" if "labels=" in str(error) else ""
        raise UserError(f"{error}{where}") from error
    return replace(kind, format=_format(kind, seen.form)), (f"{kind.said} ({looks.count} looked at)", *lines)


def _answer(data: RawData) -> tuple[str, str]:
    """`overlap` where classes cover the same pixels, else `classes`, and why."""
    covered = shared = 0
    for image in evenly.some([image for image in data.images if image.part == "train"], MOST):
        image.image()
        layers = image.labels().sum(axis=2, dtype=np.int64)
        covered += int(np.count_nonzero(layers))
        shared += int(np.count_nonzero(layers > 1))
    share = shared / max(covered, 1)
    if share > OVERLAPS:
        return "overlap", f"classes cover the same pixels in {share:.1%} of what is annotated: they may overlap"
    how = f"share {share:.1%} of what is annotated (the later one wins)" if shared else "share no pixel"
    return "classes", f"annotations of different classes {how}: they exclude each other (--answer overlap, objects)"


def _looks(data: RawData) -> _Looks:
    """Raises UserError where a picture or its labels cannot be read."""
    sizes, channels, depths, grey = [], set(), [], True
    chosen = evenly.some([image for image in data.images if image.part == "train"], MOST)
    for image in chosen:
        picture = image.image()
        image.labels()
        sizes.append(picture.shape[:2])
        channels.add(picture.shape[2])
        depths.append(str(picture.dtype))
        grey = grey and is_grey(picture[..., :3])
    few = channels <= {1, 3, 4}
    sizes.sort(key=lambda size: (size[0] * size[1], size))
    longest = max(sizes, key=elongation)
    return _Looks(len(chosen), sizes[0], sizes[-1], longest, (1 if grey else 3) if few else None, depths[0])


def _kind(seen: Seen) -> Kind:
    classes, answer = list(seen.arguments["classes"]), seen.arguments["answer"]
    if answer == "objects":
        kind = of_objects("", tuple(classes))
        more = f" ({len(classes)} classes become one)" if len(classes) > 1 else ""
        kind = replace(kind, said=f"{kind.said}{more}")
    elif len(classes) == 1 and not seen.can_ignore:
        name = json.dumps(classes[0], ensure_ascii=False)
        kind = replace(one_class(f"one class, {classes[0]}"), task=f"Binary(({name},))", labels="", labels_import="")
    elif answer == "overlap":
        kind = replace(overlapping(classes), said=f"{len(classes)} classes that may overlap: {shown(classes)}")
    else:
        kind = exclusive(["background", *classes])
        said = f"{len(classes)} classes that exclude each other, and the background: {shown(classes)}"
        kind = replace(kind, said=said, **({"task": "MultiClass(CLASSES, void=255)"} if seen.can_ignore else {}))
    return replace(kind, format=_format(kind, seen.form))


def _format(kind: Kind, form: dict[str, object]) -> str:
    """The kind's own, with what the data asks for."""
    own = dict(part.split("=") for part in kind.format.split(", "))
    if "joined" in form:
        own.pop("class_column", None)
    found = {**own, **{name: _literal(value) for name, value in form.items()}}
    return ", ".join(f"{own.name}={found[own.name]}" for own in fields(Format) if own.name in found)


def _read(seen: Seen, kind: Kind, channels: int | None) -> str:
    lines = []
    written = {name: _literal(value) for name, value in seen.arguments.items()}
    for name, value in {**written, **({"labels": kind.labels} if seen.masks else {})}.items():
        if name in seen.comments:
            lines.append(f"        # {seen.comments[name]}\n")
        lines.append(f"        {name}={value},\n")
    return (
        f'def read(raw: RawFiles) -> RawData:\n    """{_sentence(seen)}"""\n'
        f"    return {seen.function.__name__}(\n        raw,\n{''.join(lines)}"
        f"        # 1 (grey) or 3; None leaves images as they are\n        channels={channels},\n{_GROUP}    )\n"
    )


def _sentence(seen: Seen) -> str:
    return f"Reads what `{seen.function.__name__}` of {seen.function.__module__.replace('.', '/')}.py explains."


def _literal(value) -> str:
    """A value as Python has it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        inner = [_literal(own) for own in value]
        text = f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
        if len(text) < 90:
            return text
        rows = "".join(f"            {own},\n" for own in inner)
        return f"(\n{rows}        )"
    if is_dataclass(value):
        given = [(own.name, getattr(value, own.name)) for own in fields(value)]
        changed = [
            f"{name}={_literal(now)}"
            for (name, now), own in zip(given, fields(value), strict=True)
            if now != own.default or name in ("id_column", "rle_column", "order", "first", "empty")
        ]
        return f"{type(value).__name__}(\n" + "".join(f"            {part},\n" for part in changed) + "        )"
    if value is None or isinstance(value, (bool, int)):
        return repr(value)
    raise UserError(f"{value!r} cannot stand in a competition's file")
