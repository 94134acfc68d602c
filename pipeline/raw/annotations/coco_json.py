"""COCO's json files, read: their images with what is annotated on them, and its segmentations."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.raw.annotations.drawn import Counts, points_of, polygon
from pipeline.raw.annotations.json_files import content, number
from pipeline.raw.annotations.whereabouts import Gallery, part_in, split_of
from pipeline.raw.files import RawFiles
from pipeline.raw.places.names import Where, stem

# of several files of one data set these are not of objects
_OTHERS = ("keypoints", "captions", "panoptic", "image_info", "stuff")


@dataclass
class Note:
    """An annotation: its category, its segmentation as written, and where it stands."""

    category: str
    segmentation: object
    box: object
    is_ignored: bool
    where: str


@dataclass
class Image:
    """A listed image: its picture, part and size, and what is annotated."""

    path: str
    part: str
    size: tuple[int, int] | None
    where: str
    annotations: list[Note] = field(default_factory=list)


@dataclass
class Listed:
    """All files together.

    Attributes:
        classes: names of categories by id. tests: pictures in a test folder. unlisted: others that no file lists.
    """

    images: list[Image]
    classes: tuple[str, ...]
    tests: list[str]
    unlisted: list[str]
    notes: list[str]

    def points(self) -> str:
        outlines, boxes = [], []
        for image in self.images:
            for note in image.annotations:
                parts = polygons(note)
                outlines += parts
                if len(parts) == 1 and isinstance(note.box, list) and len(note.box) == 4:
                    boxes.append((parts[0], *note.box[2:]))
        return points_of(outlines, boxes)


def the_tables(raw: RawFiles) -> tuple[str, ...]:
    """The json files that are COCO's, as short as tells them apart."""
    found = [name for name in raw.names if name.lower().endswith(".json") and _is_coco(raw, name)]
    plain = [name for name in found if not any(word in stem(name).lower() for word in _OTHERS)] or found
    plain = [name for name in plain if stem(name).lower().startswith("instances")] or plain
    bases = Counter(name.rpartition("/")[2] for name in plain)
    short = {name: name.rpartition("/")[2] if bases[name.rpartition("/")[2]] == 1 else name for name in plain}
    return tuple(dict.fromkeys(short.values()))


_NO_PARENT = (None, "", "none")  # the supercategory of what has none


def _is_coco(raw: RawFiles, name: str) -> bool:
    """Whether it is one of annotations on images; a cut one counts, so that it is refused for that."""
    text = raw.read(name)
    return b'"images"' in text and any(word in text for word in (b'"annotations"', b'"categories"', b'"file_name"'))


def listing(raw: RawFiles, tables: tuple[str, ...], images: str, test: str) -> Listed:
    files = [_file(raw, table) for table in tables or the_tables(raw)]
    if not files:
        raise UserError(f"{raw.folder} holds no json with images and annotations as COCO has them")
    gallery = Gallery(raw, images)
    of_test = Where(test).holds if test else lambda name: part_in(name) == "test"
    found: dict[str, Image] = {}
    categories: dict[int, str] = {}
    parents: set[str] = set()
    for file in files:
        _read(raw, file, gallery, of_test, found, categories, parents)
    tests = [name for name in Gallery(raw).names if of_test(name)]
    listed = [image for image in found.values() if image.part == "train"]
    unlisted = [name for name in gallery.names if name not in found and name not in tests]
    if not any(image.annotations for image in listed):
        raise UserError(f"{raw.where(files[0])}: nothing is annotated on its {len(listed)} train images")
    notes = _crowds_alone([note for image in found.values() for note in image.annotations])
    used = {note.category for image in found.values() for note in image.annotations}
    classes = tuple(categories[key] for key in sorted(categories) if categories[key] not in parents - used)
    if above := [name for name in categories.values() if name in parents - used]:
        notes.append(f"{shown(above)} is what other categories are called together, and annotates nothing: no class")
    if bare := [name for name in classes if name not in used]:
        notes.append(f"{len(bare)} of {len(classes)} categories occur nowhere: {shown(bare)}")
    if empty := [image.path for image in listed if not image.annotations]:
        notes.append(f"{len(empty)} image(s) without annotations have nothing in them: {shown(empty, 1)}")
    return Listed(list(found.values()), classes, tests, unlisted, notes)


def _crowds_alone(annotations: list[Note]) -> list[str]:
    """Takes annotations that are all crowds as objects, and says so: some programs mark all run lengths as crowds."""
    if not all(note.is_ignored for note in annotations):
        return []
    for note in annotations:
        note.is_ignored = False
    return [f"all {len(annotations)} annotations are marked as crowds (iscrowd: 1): they are taken as objects"]


def _file(raw: RawFiles, table: str) -> str:
    found = [name for name in raw.names if name == table or name.endswith(f"/{table}")]
    if not found:
        raise UserError(f"{raw.folder} holds no file {table}; bring it")
    return found[0]


def _read(raw: RawFiles, file: str, gallery: Gallery, of_test, found: dict, categories: dict, parents: set) -> None:
    """Adds what one file says; to `parents` the names of categories that are what others are called together."""
    whole, where = content(raw, file), raw.where(file)
    lists = {name: whole.get(name) if isinstance(whole, dict) else None for name in ("images", "annotations")}
    for name, there in lists.items():
        if not isinstance(there, list) or not all(isinstance(item, dict) for item in there):
            raise UserError(f"{where} has no list of {name}: it is not COCO's json, or cut off; download it again")
    own = _categories(whole, where)
    above = {str(item.get("supercategory")) for item in whole["categories"]}
    # a class may also be called as its own
    parents |= {own[item["id"]] for item in whole["categories"] if item.get("supercategory") in _NO_PARENT} & above
    for key, name in own.items():
        if categories.setdefault(key, name) != name:
            raise UserError(f"{where}: category {key} is {name!r}, and {categories[key]!r} in another file")
    by_id = _images(raw, file, lists["images"], gallery, of_test, found)
    for item in lists["annotations"]:
        here = f"{where}, annotation {item.get('id', '?')}"
        image = by_id.get(item.get("image_id"))
        if image is None:
            raise UserError(
                f"{here} is of the image {item.get('image_id')!r}, which the file does not list; take it out"
            )
        if item.get("category_id") not in own:
            raise UserError(
                f"{here} is of the category {item.get('category_id')!r}, which the file does not list: "
                f"{shown(own, 8)}; add it to the categories"
            )
        segmentation = item.get("segmentation")
        if not segmentation:
            raise UserError(
                f"{here} has no segmentation{', only a box' if item.get('bbox') else ''}: boxes are no outlines; take "
                "it out, or bring the file with segmentations"
            )
        name = own[item["category_id"]]
        image.annotations.append(Note(name, segmentation, item.get("bbox"), bool(item.get("iscrowd")), here))


def _categories(whole: dict, where: str) -> dict[int, str]:
    listed = whole.get("categories")
    if not isinstance(listed, list) or not listed or not all(isinstance(c, dict) and "id" in c for c in listed):
        raise UserError(f"{where} has no list of categories with ids: it is not COCO's json, or cut off")
    names = Counter(str(item.get("name", item["id"])) for item in listed)
    return {
        item["id"]: str(item.get("name", item["id"]))
        if names[str(item.get("name", item["id"]))] == 1
        else f"{item.get('supercategory', 'class')} {item.get('name')} {item['id']}"
        for item in listed
    }


def _images(raw: RawFiles, file: str, listed: list[dict], gallery: Gallery, of_test, found: dict) -> dict:
    """id -> image; pictures that are not there are refused."""
    where, by_id, missing = raw.where(file), {}, []
    near = f"{file}"
    for item in listed:
        key, called = item.get("id"), item.get("file_name")
        if not isinstance(called, str) or key is None or key in by_id:
            raise UserError(f"{where}: the image {str(key)!r} has no file_name, or its id is there twice; mend it")
        path = gallery.find(called, near)
        if path is None:
            missing.append(called)
            continue
        size = None
        if item.get("height") and item.get("width"):
            said = f"{where}, image {key}"
            size = number(item["height"], said, "height"), number(item["width"], said, "width")
        part = "test" if of_test(path) or split_of(stem(file)) == "test" else "train"
        image = Image(path, part, size, f"{where}, image {key}")
        other = found.setdefault(path, image)
        if other is not image:
            raise UserError(f"{image.where} is the picture {path}, which is {other.where}, too; take one out")
        by_id[key] = image
    if missing:
        raise UserError(
            f"{where} lists {len(missing)} of {len(listed)} pictures that are not there: {shown(missing)}; add them, "
            "or say where they lie (images=)"
        )
    return by_id


def polygons(note: Note) -> list[np.ndarray]:
    """The parts of an annotation, points x 2; none where it is run lengths."""
    found = note.segmentation
    if isinstance(found, dict):
        return []
    if not isinstance(found, list):
        raise UserError(f"{note.where} has a segmentation that is neither polygons nor run lengths; mend it")
    # some programs write a single polygon without the list around it
    parts = [found] if not isinstance(found[0], list) else found
    try:
        return [polygon(part) for part in parts]
    except UserError as error:
        raise UserError(f"{note.where} {error}; mend it, or take it out") from error


def counts(note: Note) -> Counts:
    counts, size = note.segmentation.get("counts"), note.segmentation.get("size")
    if not isinstance(size, list) or len(size) != 2 or not isinstance(counts, (str, list)):
        raise UserError(f"{note.where} has run lengths without counts or size; mend it")
    height, width = (number(value, note.where, "size") for value in size)
    if isinstance(counts, str):
        found = uncompressed(counts, note.where)
    else:
        found = np.array([number(value, note.where, "run length") for value in counts], np.int64)
    if (found < 0).any() or found.sum() != height * width:
        raise UserError(
            f"{note.where} has run lengths of {found.sum()} pixels in all for {height} x {width} = {height * width}; "
            "the annotation is damaged: bring the file again"
        )
    return Counts(found, height, width)


def uncompressed(text: str, where: str) -> np.ndarray:
    """The counts of COCO's compressed run lengths: numbers in digits of five bits, low ones first, each in a letter
    from `0` on, whose sixth bit says that more follow; from the fourth number on as differences to the one before the
    last. Raises UserError for what is none."""
    letters = np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64) - 48
    if ((letters < 0) | (letters > 63)).any() or (len(letters) and letters[-1] & 32):
        raise UserError(f"{where} has compressed run lengths that are cut off or damaged; bring the file again")
    counts: list[int] = []
    value = shift = 0
    for letter in letters.tolist():
        value |= (letter & 31) << shift
        shift += 5
        if shift > 50:
            raise UserError(f"{where} has compressed run lengths that are damaged (a number too large); bring it again")
        if not letter & 32:
            if letter & 16:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return np.array(counts, np.int64)
