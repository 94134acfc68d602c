"""YOLO's outlines: a text file beside each picture or in labels/, a line for each object: `class x y x y …`, as
shares of the picture's width and height. Names of classes are in data.yaml or classes.txt."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.competition import RawData
from pipeline.errors import UserError, shown
from pipeline.imaging import evenly
from pipeline.raw.annotations.assembled import Annotated, Drawn, Ways, assembled, unlisted_notes
from pipeline.raw.annotations.drawn import CENTRES, Outline, points_of, polygon
from pipeline.raw.annotations.seen import OF_OUTLINES, Seen
from pipeline.raw.annotations.whereabouts import Gallery, ids, part_in, test_folder, with_test
from pipeline.raw.files import RawFiles
from pipeline.raw.places.names import Where, normal, stem, way

_NAMES = ("classes.txt", "obj.names", "labels.txt", "names.txt", "class_names.txt")
_LINE = re.compile(r"\s*\d+(\s+-?[\d.]+(e-?\d+)?)+\s*", re.IGNORECASE)
_MOST = 200  # pictures whose size is looked at


def read_yolo(
    raw: RawFiles,
    classes: tuple[str, ...] = (),
    images: str = "",
    test: str = "",
    answer: str = "classes",
    points: str = "",
    unlisted: str = "empty",
    channels: int | None = None,
    group: str | Callable[[str], str] | None = None,
) -> RawData:
    """The pictures that have a text file, with the outlines in it.

    Args:
        classes: names, in the order of YOLO's numbers 0, 1, …; () is what data.yaml or classes.txt says.
        images, test: folders of pictures; "" is every folder, and for test those that are called so.
        answer, channels, group: see `assembled.Ways`. points: as in `read_coco`.
        unlisted: what pictures without a text file are: `empty` (as YOLO takes them), `test` (to be answered), or
            `leave_out`.

    Raises:
        UserError: boxes instead of outlines, numbers that are no shares, pictures that are missing.
    """
    found = _found(raw, images, test)
    classes = tuple(classes) or found.classes
    points = points or found.points(raw)
    ways = Ways(classes, answer, None, channels, group)
    notes = [*found.said, *unlisted_notes(found.unlisted, unlisted, "without a text file")]
    empty = found.unlisted if unlisted == "empty" else []
    own = ids([*found.files, *empty])
    asked = [*found.tests, *(found.unlisted if unlisted == "test" else [])]
    has_truth = any(path in found.lines for path in found.tests)
    pages = [
        Annotated(name, "train", path, _Lines(raw, path, found.lines.get(path, []), classes, points).drawn())
        for path, name in own.items()
    ]
    for path, name in with_test(own, ids(asked)).items():
        truth = _Lines(raw, path, found.lines.get(path, []), classes, points).drawn() if has_truth else None
        pages.append(Annotated(name, "test", path, truth))
    return assembled(raw, pages, ways, notes)


COMMENTS = OF_OUTLINES | {
    "classes": "names, in the order of YOLO's numbers 0, 1, …",
    "unlisted": 'pictures without a text file: "empty" (as YOLO takes them), "test" (to be answered) or "leave_out"',
}


def look(raw: RawFiles, answer: str, named: tuple[str, ...]) -> Seen | None:
    """Text files of YOLO beside pictures."""
    images, folder, test = (*named, "", "", "")[:3]
    if folder or not _is_yolo(raw):
        return None
    found = _found(raw, images, test)
    points = found.points(raw)
    said = "centres of pixels" if points == CENTRES else "between pixels"
    arguments = {"classes": found.classes, "images": images, "test": test or test_folder(found.tests)}
    arguments |= {"answer": answer or "classes", "points": points, "unlisted": "empty"}
    return Seen(
        what=f"YOLO's outlines of {len(found.files)} pictures, classes in this order: {shown(found.classes, 20)}",
        function=read_yolo,
        arguments=arguments,
        comments=COMMENTS,
        notes=(*found.said, f"points of outlines are taken as {said} (points=)"),
    )


@dataclass
class _Found:
    """files: picture -> its text file; lines: picture -> (class, shares points x 2, where) of each object."""

    files: dict[str, str]
    lines: dict[str, list[tuple[int, np.ndarray, str]]]
    tests: list[str]
    unlisted: list[str]
    classes: tuple[str, ...]
    said: list[str]

    def points(self, raw: RawFiles) -> str:
        chosen = [path for path, lines in self.lines.items() if lines]
        outlines = []
        for path in evenly.some(chosen, _MOST):
            height, width = raw.picture(path).shape[:2]
            outlines += [shares * (width, height) for _, shares, _ in self.lines[path]]
        return points_of(outlines)


@dataclass(frozen=True)
class _Scaled:
    """An outline in shares of the picture."""

    shares: np.ndarray
    points: str

    def covered(self, height: int, width: int):
        return Outline((self.shares * (width, height),), self.points).covered(height, width)


@dataclass(frozen=True)
class _Lines:
    raw: RawFiles
    path: str
    lines: list[tuple[int, np.ndarray, str]]
    classes: tuple[str, ...]
    points: str

    def drawn(self) -> list[Drawn]:
        result = []
        for number, shares, where in self.lines:
            if number >= len(self.classes):
                raise UserError(
                    f"{where}: the class {number} is none of the {len(self.classes)} (0 to {len(self.classes) - 1}): "
                    f"{shown(self.classes, 8)}"
                )
            result.append(Drawn(_Scaled(shares, self.points), number + 1, where))
        return result


def _texts(raw: RawFiles) -> list[str]:
    names = [name for name in raw.names if name.lower().endswith(".txt")]
    return [name for name in names if name.rpartition("/")[2].lower() not in _NAMES]


def _is_yolo(raw: RawFiles) -> bool:
    """Whether most text files that are called as pictures are begin as YOLO's do."""
    stems = {normal(stem(name)) for name in Gallery(raw).names}
    beside = [name for name in _texts(raw) if normal(stem(name)) in stems]
    seen = [raw.read(name)[:4096].decode("utf-8", "replace").strip() for name in beside[:50]]
    filled = [text.splitlines()[0] for text in seen if text]
    return bool(filled) and sum(bool(_LINE.match(line)) for line in filled) > len(filled) / 2


def _found(raw: RawFiles, images: str, test: str) -> _Found:
    gallery = Gallery(raw, images)
    stems = {normal(stem(name)) for name in gallery.names}
    texts = _texts(raw)
    of_labels = [name for name in texts if "labels" in way(name)]
    files, lost = {}, []
    for name in of_labels or texts:
        path = gallery.find(_as_picture(name), _as_picture(name)) if normal(stem(name)) in stems else None
        if path is None:
            lost.append(name)
        elif path in files:
            raise UserError(f"{raw.where(name)} and {files[path]} are both of {path}; take one out")
        else:
            files[path] = name
    if not files:
        raise UserError(f"{raw.folder} holds no text files that are called as pictures are")
    if of_labels and lost:
        raise UserError(f"{raw.folder}: {len(lost)} text file(s) have no picture: {shown(lost)}; add the pictures")
    lines = {path: _parsed(raw, name) for path, name in files.items()}
    _refuse_boxes(raw, files, lines)
    of_test = Where(test).holds if test else lambda name: part_in(name) == "test"
    tests = [name for name in Gallery(raw).names if of_test(name)]
    train = {path: name for path, name in files.items() if path not in tests}
    unlisted = [name for name in gallery.names if name not in files and name not in tests]
    top = max((number for there in lines.values() for number, _, _ in there), default=-1)
    classes, said = _classes(raw, top)
    return _Found(train, lines, tests, unlisted, classes, said)


def _as_picture(name: str) -> str:
    """labels/train/a.txt is of images/train/a."""
    return "/".join("images" if word.lower() == "labels" else word for word in name.removesuffix(".txt").split("/"))


def _parsed(raw: RawFiles, name: str) -> list[tuple[int, np.ndarray, str]]:
    """(class, shares, where) of each line; of a box the shares are its four numbers."""
    try:
        text = raw.read(name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{raw.where(name)} is no text in UTF-8; bring it again") from error
    result = []
    for row, line in enumerate(text.splitlines(), 1):
        words, where = line.split(), f"{raw.where(name)}, line {row}"
        if not words:
            continue
        try:
            number, shares = int(float(words[0])), np.array([float(word) for word in words[1:]])
        except (ValueError, OverflowError) as error:
            raise UserError(f"{where} is not a class and numbers ('{line[:40]}'); mend it") from error
        if number < 0 or number != float(words[0]):
            raise UserError(f"{where}: the class {words[0]} is not a number 0, 1, …; mend it")
        if len(shares) == 4:
            result.append((number, shares, where))
            continue
        try:
            shares = polygon(shares)
        except UserError as error:
            raise UserError(f"{where} {error}; mend it, or take it out") from error
        if shares.min() < -0.1 or shares.max() > 1.1:
            raise UserError(
                f"{where}: its points reach from {shares.min():g} to {shares.max():g}; they are shares of width and "
                "height, 0 to 1: divide pixels by these"
            )
        result.append((number, shares, where))
    return result


def _refuse_boxes(raw: RawFiles, files: dict, lines: dict) -> None:
    """Raises UserError where lines are boxes: all of them, or some of a mixed set."""
    boxes = [where for there in lines.values() for _, shares, where in there if shares.ndim == 1]
    count = sum(map(len, lines.values()))
    if boxes:
        raise UserError(
            f"{boxes[0]} is a box (a class and 4 numbers), not an outline: {len(boxes)} of {count} lines are; masks "
            "cannot be made of boxes: bring the outlines (YOLO's segment form), or take these lines out"
        )
    if not count:
        raise UserError(f"{raw.folder}: the {len(files)} text files hold no outline")


def _classes(raw: RawFiles, top: int) -> tuple[tuple[str, ...], list[str]]:
    """Names by number, and what is said of them. Raises UserError where there are fewer names than numbers."""
    for name in raw.names:
        base = name.rpartition("/")[2].lower()
        text = (
            raw.read(name).decode("utf-8-sig", "replace") if base in _NAMES or base.endswith((".yaml", ".yml")) else ""
        )
        names = (_of_yaml(text) if base.endswith((".yaml", ".yml")) else text.split("\n")) if text else []
        names = [own.strip() for own in names if own.strip()]
        if names and len(names) <= top:
            raise UserError(f"{raw.where(name)} names {len(names)} classes, lines have the class {top}; add its name")
        if names:
            return tuple(names), []
    said = f"no data.yaml or classes.txt says what the classes are called: class_0 to class_{top}"
    return tuple(f"class_{k}" for k in range(top + 1)), [said]


def _of_yaml(text: str) -> list[str]:
    """What stands under `names:`: a list in one line, a line for each, or `0: name`."""
    match = re.search(r"^names\s*:\s*(.*(?:\n(?:[ \t]+.*|[ \t]*-.*|[ \t]*#.*|\s*))*)", text, re.MULTILINE)
    if not match:
        return []
    body = "\n".join(line.partition(" #")[0] for line in match[1].split("\n"))
    flat = body.strip()
    parts = re.split(r",|\n", flat.strip("[]{}")) if flat[:1] in "[{" and flat else flat.split("\n")
    names: dict[int, str] = {}
    for part in parts:
        entry = re.match(r"\s*(?:-\s*|(\d+)\s*:\s*)?(.+?)\s*$", part)
        if entry:
            names[int(entry[1]) if entry[1] else len(names)] = entry[2].strip("'\" ")
    return [names[k] for k in sorted(names)]
