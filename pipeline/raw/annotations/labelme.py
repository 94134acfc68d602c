"""labelme's json, one for each picture: polygons, rectangles, circles and masks, each with a label.

The label `__ignore__` is what is to be ignored, `_background_` cuts holes into what is drawn before it. Shapes of one
label and `group_id` are one object. Lines and points have no area: they are left out, and counted. A picture may be in
the json itself.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.competition import RawData
from pipeline.errors import UserError, shown
from pipeline.raw import pictures
from pipeline.raw.annotations.assembled import IGNORED, NOTHING, Annotated, Drawn, Ways, assembled, unlisted_notes
from pipeline.raw.annotations.drawn import CENTRES, CORNERS, Cutout, Disc, Outline, Shape, points_of, polygon
from pipeline.raw.annotations.json_files import content, number
from pipeline.raw.annotations.seen import OF_OUTLINES, Seen
from pipeline.raw.annotations.whereabouts import Gallery, ids, part_in, test_folder, with_test
from pipeline.raw.files import RawFiles
from pipeline.raw.places.names import Where

IGNORE, BACKGROUND = "__ignore__", "_background_"
_WITHOUT_AREA = ("line", "linestrip", "point", "points")
# kind -> how many points it has; X-AnyLabeling writes rectangles and turned ones (rotation) by their four corners
_KNOWN = {"polygon": "3 or more", "rectangle": "2 or 4", "rotation": "4", "circle": "2"}
_BOXES = ("rectangle", "rotation")


def read_labelme(
    raw: RawFiles,
    classes: tuple[str, ...] = (),
    images: str = "",
    test: str = "",
    answer: str = "classes",
    points: str = "",
    void: int | None = None,
    unlisted: str = "test",
    channels: int | None = None,
    group: str | Callable[[str], str] | None = None,
) -> RawData:
    """The pictures that have a json, with what is drawn on them.

    Args:
        classes: labels, in the order of their numbers; others are refused. () is all, sorted.
        images, test: folders of pictures; "" is every folder, and for test those that are called so.
        answer, void, channels, group: see `assembled.Ways`. points: as in `read_coco`.
        unlisted: what pictures without a json are: `test` (to be answered), `empty`, or `leave_out`.

    Raises:
        UserError: a json that is cut off, shapes that are none, pictures that are missing.
    """
    found = _found(raw, images, test)
    classes = tuple(classes) or found.classes
    ways = Ways(classes, answer, void, channels, group)
    points = points or found.points()
    pages = {page.path or page.file: page for page in found.pages}
    own = ids(pages)
    more = found.unlisted
    notes = unlisted_notes(more, unlisted, "without a json")
    result = [
        Annotated(own[name], "train", name, _drawn(page, classes, points), page.size, page.where, page.embedded(raw))
        for name, page in pages.items()
    ]
    if unlisted == "empty":
        result += [Annotated(name, "train", path, []) for path, name in ids(more).items()]
    asked = [*found.tests, *(more if unlisted == "test" else [])]
    result += [Annotated(name, "test", path) for path, name in with_test(own, ids(asked)).items()]
    return assembled(raw, result, ways, [*found.notes(), *notes])


COMMENTS = OF_OUTLINES | {
    "classes": "labels, in the order of their numbers",
    "void": f"the label of what is to be ignored ({IGNORE}); None leaves it out",
    "unlisted": 'pictures without a json: "test" (to be answered), "empty" or "leave_out"',
}


def look(raw: RawFiles, answer: str, named: tuple[str, ...]) -> Seen | None:
    """labelme's json files among the files."""
    images, folder, test = (*named, "", "", "")[:3]
    if folder or not _files(raw):
        return None
    found = _found(raw, images, test)
    if not found.classes:
        raise UserError(f"{raw.folder}: {len(found.pages)} json file(s) of labelme, and no outline in any of them")
    ignored = any(shape.label == IGNORE for page in found.pages for shape in page.shapes)
    points = found.points()
    said = "centres of pixels" if points == CENTRES else "between pixels"
    arguments = {"classes": found.classes, "images": images, "test": test or test_folder(found.tests)}
    arguments |= {"answer": answer or "classes", "points": points, "void": 255 if ignored else None}
    return Seen(
        what=f"labelme's json files of {len(found.pages)} pictures, labels in this order: {shown(found.classes, 20)}",
        function=read_labelme,
        arguments={**arguments, "unlisted": "leave_out" if found.tests else "test"},
        comments=COMMENTS,
        notes=(f"points of outlines are taken as {said} (points=)",),
        can_ignore=ignored,
    )


@dataclass(frozen=True)
class _Shape:
    """What is drawn, as the file has it."""

    label: str
    kind: str
    points: np.ndarray
    thing: object
    mask: np.ndarray | None
    where: str


@dataclass(frozen=True)
class _Page:
    """A json: its picture (blank where that is in the json), the size that it says, and its shapes."""

    file: str
    path: str
    size: tuple[int, int] | None
    where: str
    shapes: list[_Shape]

    def embedded(self, raw: RawFiles) -> Callable[[], np.ndarray] | None:
        return None if self.path else lambda: _embedded(raw, self.file)


@dataclass
class _Found:
    pages: list[_Page]
    tests: list[str]
    unlisted: list[str]

    @property
    def classes(self) -> tuple[str, ...]:
        labels = {shape.label for page in self.pages for shape in page.shapes if shape.kind not in _WITHOUT_AREA}
        return tuple(sorted(labels - {IGNORE, BACKGROUND}))

    def points(self) -> str:
        return points_of(shape.points for page in self.pages for shape in page.shapes if shape.mask is None)

    def notes(self) -> list[str]:
        flat = [shape for page in self.pages for shape in page.shapes if shape.kind in _WITHOUT_AREA]
        drawn = [shape for page in self.pages for shape in page.shapes if shape.kind not in _WITHOUT_AREA]
        holes = [shape for shape in drawn if shape.label == BACKGROUND]
        kinds = sorted({shape.kind for shape in flat})
        found = []
        if flat:
            found.append(
                f"{len(flat)} shape(s) without an area ({shown(kinds)}) are left out, the first: {flat[0].where}"
            )
        if holes:
            found.append(
                f"{len(holes)} shape(s) called {BACKGROUND} cut holes into what is drawn before them, of classes and "
                f"of objects, the first: {holes[0].where}"
            )
        return found


def _files(raw: RawFiles) -> list[str]:
    """Those that are labelme's; one that is cut off counts, so that it is refused for that."""
    names = [name for name in raw.names if name.lower().endswith(".json")]
    return [name for name in names if b'"shapes"' in (text := raw.read(name)) or b'"imagePath"' in text]


def _found(raw: RawFiles, images: str, test: str) -> _Found:
    files = _files(raw)
    if not files:
        raise UserError(f"{raw.folder} holds no json of labelme")
    gallery = Gallery(raw, images)
    pages = [_page(raw, file, gallery) for file in files]
    twice = [page.path for i, page in enumerate(pages) if page.path and page.path in {p.path for p in pages[:i]}]
    if twice:
        raise UserError(f"{raw.folder}: two json files are of {twice[0]}; take one out")
    of_test = Where(test).holds if test else lambda name: part_in(name) == "test"
    there = {page.path for page in pages}
    tests = [name for name in Gallery(raw).names if of_test(name) and name not in there]
    unlisted = [name for name in gallery.names if name not in there and name not in tests]
    return _Found(pages, tests, unlisted)


def _page(raw: RawFiles, file: str, gallery: Gallery) -> _Page:
    whole, where = content(raw, file), raw.where(file)
    if not isinstance(whole, dict) or not isinstance(whole.get("shapes"), list):
        raise UserError(f"{where} has no list of shapes: it is not labelme's, or cut off")
    called = whole.get("imagePath")
    beside = file.rpartition(".")[0]
    path = gallery.find(called, file) if isinstance(called, str) and called else None
    path = path or gallery.find(beside, file)
    if path is None and not whole.get("imageData"):
        raise UserError(f"{where} is of the picture {called}, which is not there, nor in the json; add it")
    size = None
    if whole.get("imageHeight") and whole.get("imageWidth"):
        size = tuple(number(whole[name], where, name) for name in ("imageHeight", "imageWidth"))
    shapes = [_shape(item, f"{where}, shape {i}") for i, item in enumerate(whole["shapes"], 1)]
    return _Page(file, path or "", size, where, shapes)


def _shape(item: dict, where: str) -> _Shape:
    if not isinstance(item, dict) or not isinstance(item.get("label"), str) or "points" not in item:
        raise UserError(f"{where} has no label or no points; mend it")
    kind = item.get("shape_type") or "polygon"
    try:
        points = np.array(item["points"], np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where} has points that are no pairs of numbers; mend it") from error
    mask = _mask(item, where) if kind == "mask" else None
    return _Shape(item["label"], kind, points, item.get("group_id"), mask, where)


def _mask(item: dict, where: str) -> np.ndarray:
    try:
        return pictures.decoded(base64.b64decode(item["mask"], validate=True))[..., 0] > 0
    except (KeyError, TypeError, binascii.Error, UserError) as error:
        raise UserError(f"{where} has a mask that cannot be read; mend it") from error


def _embedded(raw: RawFiles, file: str) -> np.ndarray:
    try:
        return pictures.decoded(base64.b64decode(content(raw, file)["imageData"], validate=True))
    except (TypeError, ValueError, UserError) as error:
        said = str(error) if isinstance(error, UserError) else "is damaged"
        raise UserError(f"the picture in {raw.where(file)} {said}") from error


def _drawn(page: _Page, classes: tuple[str, ...], points: str) -> list[Drawn]:
    numbers = {IGNORE: IGNORED, BACKGROUND: NOTHING} | {name: k for k, name in enumerate(classes, 1)}
    result = []
    for shape in page.shapes:
        if shape.kind in _WITHOUT_AREA:
            continue
        if shape.label not in numbers:
            raise UserError(f"{shape.where} has the label {shape.label!r}, which is none of {shown(classes)}")
        try:
            drawn = _figure(shape, points)
        except UserError as error:
            raise UserError(f"{shape.where} {error}; mend it, or take it out") from error
        result.append(Drawn(drawn, numbers[shape.label], shape.where, shape.thing))
    return result


def _figure(shape: _Shape, points: str) -> Shape:
    """Raises UserError, without saying where, for what is no figure."""
    if not np.isfinite(shape.points).all():
        raise UserError("has points that are infinite or no numbers (NaN)")
    if shape.mask is not None:
        if not len(shape.points):
            raise UserError("is a mask without the point of its corner")
        x, y = (int(value) for value in np.rint(shape.points[0]))
        return Cutout(x, y, shape.mask)
    if shape.kind not in _KNOWN:
        raise UserError(f"is a {shape.kind}, which is not known; known are {', '.join(_KNOWN)} and mask")
    if shape.kind == "polygon" or (shape.kind in _BOXES and len(shape.points) == 4):
        return Outline((polygon(shape.points.ravel()),), points)
    if len(shape.points) != 2 or shape.kind == "rotation":
        raise UserError(f"is a {shape.kind} of {len(shape.points)} points, not of {_KNOWN[shape.kind]}")
    (x, y), (other_x, other_y) = shape.points
    if shape.kind == "rectangle":
        return Outline((polygon((x, y, other_x, y, other_x, other_y, x, other_y)),), points)
    return Disc(x, y, float(np.hypot(other_x - x, other_y - y)), points or CORNERS)
