"""COCO's json: images, categories and annotations (polygons, run lengths, plain or compressed), in one file or several.

An object is the union of its polygons; COCO knows no holes but in run lengths. What `iscrowd` marks is ignored. Whether
points are centres of pixels or lie between them is seen in all of them (see `drawn`). The compressed run lengths are
read here in a dozen lines, which gives what pycocotools gives; its own way to fill polygons differs from this one by
pixels of the border only.
"""

from collections.abc import Callable

from pipeline.competition import RawData
from pipeline.errors import UserError, shown
from pipeline.raw.annotations.assembled import IGNORED, Annotated, Drawn, Ways, assembled, unlisted_notes
from pipeline.raw.annotations.coco_json import Image, counts, listing, polygons, the_tables
from pipeline.raw.annotations.drawn import CENTRES, Outline
from pipeline.raw.annotations.seen import OF_OUTLINES, Seen
from pipeline.raw.annotations.whereabouts import ids, test_folder, with_test
from pipeline.raw.files import RawFiles

# of several files of one data set these are not of objects
_OTHERS = ("keypoints", "captions", "panoptic", "image_info", "stuff")


def read_coco(
    raw: RawFiles,
    tables: tuple[str, ...] = (),
    classes: tuple[str, ...] = (),
    images: str = "",
    test: str = "",
    answer: str = "classes",
    points: str = "",
    void: int | None = None,
    unlisted: str = "leave_out",
    channels: int | None = None,
    group: str | Callable[[str], str] | None = None,
) -> RawData:
    """The images that COCO's json files list, with what is annotated on them.

    Args:
        tables: names of the json files, with enough of their folders to tell them apart; () is all that there are.
        classes: names of categories, in the order of their numbers; others are refused. () is all, by their ids.
        images, test: folders of pictures; "" is every folder, and for test those that are called so. Test images that
            are annotated keep this as the hidden truth.
        answer, void, channels, group: see `assembled.Ways`.
        points: what those of polygons are, `centres` of pixels or `corners` (between them); "" is seen in them.
        unlisted: what pictures are that no file lists: `test` (to be answered), `empty`, or `leave_out`.

    Raises:
        UserError: a json that is cut off, annotations that are none, images or categories that are missing.
    """
    found = listing(raw, tables, images, test)
    classes = tuple(classes) or found.classes
    points = points or found.points()
    ways = Ways(classes, answer, void, channels, group)
    own = ids([image.path for image in found.images if image.part == "train"])
    asked = {image.path: image for image in found.images if image.part == "test"}
    notes = unlisted_notes(found.unlisted, unlisted, "that no file lists")
    more = found.unlisted if unlisted == "test" else []
    tests = with_test(own, ids([*asked, *(path for path in (*found.tests, *more) if path not in asked)]))
    result = [
        Annotated(own[i.path], "train", i.path, _drawn(i, classes, points), i.size, i.where)
        for i in found.images
        if i.part == "train"
    ]
    has_truth = any(image.annotations for image in asked.values())
    for path, name in tests.items():
        image = asked.get(path)
        truth = _drawn(image, classes, points) if image and has_truth else None
        result.append(Annotated(name, "test", path, truth, *((image.size, image.where) if image else ())))
    if unlisted == "empty":
        result += [Annotated(name, "train", path, []) for path, name in ids(found.unlisted).items()]
    return assembled(raw, result, ways, [*found.notes, *notes])


COMMENTS = OF_OUTLINES | {
    "tables": "the json files",
    "classes": "categories, in the order of their numbers",
    "void": "the label of what is to be ignored (iscrowd); None leaves it out",
    "unlisted": 'pictures that no file lists: "test" (to be answered), "empty" or "leave_out"',
}


def look(raw: RawFiles, answer: str, named: tuple[str, ...]) -> Seen | None:
    """COCO's json among the files, or the one that is named behind the folder of images."""
    images, table, test = (*named, "", "", "")[:3]
    if named and not table.lower().endswith(".json"):
        return None
    files = (table,) if table else the_tables(raw)
    if not files:
        return None
    found = listing(raw, files, images, test)
    crowds = [note for image in found.images for note in image.annotations if note.is_ignored]
    arguments = {"tables": files, "classes": found.classes, "images": images, "test": test or test_folder(found.tests)}
    arguments |= {"answer": answer or "classes", "points": found.points(), "void": 255 if crowds else None}
    total = sum(len(image.annotations) for image in found.images)
    unlisted = "test" if found.unlisted and not found.tests else "leave_out"
    notes = (_said_points(arguments["points"]),)
    if crowds:
        notes += (f"{len(crowds)} annotation(s) are of crowds (iscrowd): to be ignored",)
    return Seen(
        what=f"COCO annotations in {shown(files)}: {total} of {len(found.images)} images",
        function=read_coco,
        arguments={**arguments, "unlisted": unlisted},
        comments=COMMENTS,
        notes=notes,
        can_ignore=bool(crowds),
    )


def _said_points(points: str) -> str:
    if points == CENTRES:
        return (
            "points of outlines are centres of pixels (whole numbers): outlines belong to what they enclose (points=)"
        )
    return "points of outlines lie between pixels (fractions): a pixel counts when its centre is inside (points=)"


def _drawn(image: Image, classes: tuple[str, ...], points: str) -> list[Drawn]:
    numbers = {name: k for k, name in enumerate(classes, 1)}
    result = []
    for note in image.annotations:
        if note.category not in numbers:
            raise UserError(f"{note.where} is of the category {note.category!r}, which is none of {shown(classes)}")
        parts = polygons(note)
        shape = Outline(tuple(parts), points) if parts else counts(note)
        result.append(Drawn(shape, IGNORED if note.is_ignored else numbers[note.category], note.where))
    return result
