"""PASCAL VOC's folders: JPEGImages, SegmentationClass and SegmentationObject, and lists of names in
ImageSets/Segmentation.

Masks are PNGs with VOC's palette, or hold the numbers of classes; what is drawn in (224, 224, 192), or is 255, is to be
ignored. Without lists every picture with a mask is learnt from.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.competition import RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.raw.annotations.assembled import unlisted_notes
from pipeline.raw.annotations.seen import Seen
from pipeline.raw.annotations.voc_classes import BLACK, BORDER, Colour, seen_classes
from pipeline.raw.annotations.whereabouts import Gallery
from pipeline.raw.files import RawFiles
from pipeline.raw.grouping import of_names
from pipeline.raw.masks import class_ids, objects, palette, with_channels
from pipeline.raw.meaning.colours import VOID
from pipeline.raw.places.names import normal, stem, way
from pipeline.raw.values import of_image

BESIDE_MASKS = True  # its folders say more than that there are pictures of masks
_FOLDERS = {"classes": "SegmentationClass", "objects": "SegmentationObject"}
_MASKS = {"classes": "segmentationclass", "objects": "segmentationobject"}


def read_voc(
    raw: RawFiles,
    classes: tuple[str, ...] = (),
    colours: tuple[Colour, ...] = (),
    background: Colour = BLACK,
    answer: str = "classes",
    void: int | None = VOID,
    unlisted: str = "leave_out",
    channels: int | None = None,
    group: str | Callable[[str], str] | None = None,
) -> RawData:
    """The pictures with masks, or those that the lists name.

    Args:
        classes: names, in the order of their numbers 1, 2, … (0 is the background); () is as the masks show.
        colours: of these classes in the masks; () where masks hold their numbers. background: its colour.
        answer: `classes`, or `objects` (of SegmentationObject).
        void: what is to be ignored becomes this label (255); None refuses it. Of objects it is background.
        unlisted: what pictures in no list and without a mask are: `test` (to be answered), `empty`, or `leave_out`.
        channels, group: as in `read_folders`.

    Raises:
        UserError: names in a list without picture or mask, masks with another colour.
    """
    if answer not in _MASKS:
        raise UserError(f"answer={answer!r}: masks of VOC say one class for each pixel: classes, or objects")
    found = _found(raw, answer)
    if not classes:
        seen = seen_classes(raw, list(found.masks.values()))
        classes, colours = seen.names, seen.colours
    of_mask = _objects if answer == "objects" else _labels(classes, colours, background, void)
    notes = [*found.notes, *unlisted_notes(found.unlisted, unlisted, "in no list or without a mask")]
    part_of = dict.fromkeys(found.train, "train") | dict.fromkeys(found.test, "test")
    extra = {"test": "test", "empty": "train"}.get(unlisted)
    part_of |= dict.fromkeys(found.unlisted, extra) if extra else {}
    group_of = of_names(group)
    images = []
    for path, part in part_of.items():
        pair = _Pair(raw, path, found.masks.get(path), of_mask, channels)
        labels = pair.labels if part == "train" or (path in found.masks and found.are_answered) else None
        own = stem(path)
        images.append(RawImage(own, part, pair.image, labels, group=group_of(own, part)))
    return RawData(images, notes=notes)


COMMENTS = {
    "classes": "in the order of their numbers 1, 2, …; 0 is the background",
    "colours": "of these in the masks (red, green, blue); () where masks hold the numbers",
    "answer": '"classes", or "objects" (of SegmentationObject): belongs to TASK above',
    "void": "the label of what is to be ignored: the borders (224, 224, 192), or 255",
    "unlisted": 'pictures in no list and without a mask: "test" (to be answered), "empty" or "leave_out"',
}


def look(raw: RawFiles, answer: str, named: tuple[str, ...]) -> Seen | None:
    """Folders called as VOC's are, unless what is in them are masks of another kind, which folders are read as."""
    if named or not any(_MASKS["classes"] in way(name) for name in Gallery(raw, with_masks=True).names):
        return None
    answer = answer or "classes"
    found = _found(raw, "classes")
    seen = seen_classes(raw, list(found.masks.values()))
    if not seen.are_likely:
        return None
    arguments = {"classes": seen.names, "colours": seen.colours, "answer": answer}
    arguments |= {"void": VOID if seen.has_void else None}
    return Seen(
        what=f"PASCAL VOC's folders: {len(found.train)} pictures with masks, classes {shown(seen.names, 3)}",
        function=read_voc,
        arguments={**arguments, "unlisted": "leave_out"},
        comments=COMMENTS,
        notes=(*seen.said, *(["what is drawn in (224, 224, 192), or 255, is to be ignored"] if seen.has_void else [])),
        decided=True,
        can_ignore=seen.has_void and answer == "classes",
    )


@dataclass
class _Found:
    """masks: picture -> its mask; are_answered: whether test pictures have masks, all of them."""

    train: list[str]
    test: list[str]
    unlisted: list[str]
    masks: dict[str, str]
    notes: list[str]

    @property
    def are_answered(self) -> bool:
        return bool(self.test) and all(path in self.masks for path in self.test)


@dataclass
class _Pair:
    """A picture and its mask (None: nothing is there)."""

    raw: RawFiles
    path: str
    mask: str | None
    of_mask: Callable[[np.ndarray], np.ndarray]
    channels: int | None
    shape: tuple[int, int] | None = None

    def image(self) -> np.ndarray:
        picture = with_channels(of_image(self.raw.picture(self.path), self.path), self.channels)
        self.shape = picture.shape[:2]
        return picture

    def labels(self) -> np.ndarray:
        if self.shape is None:
            self.image()
        if self.mask is None:
            return np.zeros((*self.shape, 1), np.uint8)
        picture = self.raw.picture(self.mask)
        if picture.shape[:2] != self.shape:
            sizes = ["{} x {}".format(*size) for size in (self.shape, picture.shape[:2])]
            raise UserError(
                f"image {self.path} is {sizes[0]} pixels (height x width), its mask {self.mask} {sizes[1]}; make them "
                "one size"
            )
        try:
            return self.of_mask(picture)
        except UserError as error:
            raise UserError(f"mask {self.mask} {error}") from error


def _found(raw: RawFiles, answer: str) -> _Found:
    names = Gallery(raw, with_masks=True).names
    masks = [name for name in names if _MASKS[answer] in way(name)]
    if not masks:
        other = {"objects": "classes", "classes": "objects"}[answer]
        raise UserError(
            f'{raw.folder} holds no masks in {_FOLDERS[answer]}/; bring it, or answer="{other}" of {_FOLDERS[other]}/'
        )
    pictures = [name for name in names if not set(_MASKS.values()) & set(way(name))]
    by_stem: dict[str, str] = {}
    for name in pictures:
        other = by_stem.setdefault(normal(stem(name)), name)
        if other != name and ("jpegimages" in way(name)) == ("jpegimages" in way(other)):
            raise UserError(f"{raw.folder}: two pictures are called {stem(name)}: {other} and {name}; rename one")
        by_stem[normal(stem(name))] = name if "jpegimages" in way(name) else other
    lost = [name for name in masks if normal(stem(name)) not in by_stem]
    if lost:
        raise UserError(f"{raw.folder}: {len(lost)} of {len(masks)} masks have no picture: {shown(lost)}; add them")
    of_picture = {by_stem[normal(stem(name))]: name for name in masks}
    lists = {part: _list(raw, part, by_stem) for part in ("train", "val", "trainval", "test")}
    train = list(dict.fromkeys(path for part in ("train", "val", "trainval") for path in lists[part]))
    bare = [path for path in train if path not in of_picture]
    if bare:
        raise UserError(f"{raw.folder}: {len(bare)} of {len(train)} pictures in the lists have no mask: {shown(bare)}")
    test = [path for path in lists["test"] if path not in train]
    notes = []
    if lists["val"]:
        notes.append(
            f"the published split ({len(lists['train'])} in train.txt, {len(lists['val'])} in val.txt) is not kept: "
            "all are learnt from and held out in turn"
        )
    train = train or [path for path in of_picture if path not in test]
    unlisted = [path for path in by_stem.values() if path not in set(train) | set(test)]
    return _Found(train, test, unlisted, of_picture, notes)


def _list(raw: RawFiles, part: str, by_stem: dict[str, str]) -> list[str]:
    """The pictures that ImageSets/Segmentation/PART.txt names. Raises UserError where one is not there."""
    for name in raw.names:
        if name.rpartition("/")[2].lower() == f"{part}.txt" and "imagesets" in way(name):
            if "segmentation" not in way(name) and any(
                "segmentation" in way(n) for n in raw.names if n.endswith(".txt")
            ):
                continue
            called = [
                line.split()[0] for line in raw.read(name).decode("utf-8-sig", "replace").splitlines() if line.split()
            ]
            missing = [own for own in called if normal(own) not in by_stem]
            if missing and part != "test":
                raise UserError(
                    f"{raw.where(name)} names {len(missing)} of {len(called)} pictures that are not there: "
                    f"{shown(missing)}; add them, or take out the names"
                )
            return [by_stem[normal(own)] for own in called if normal(own) in by_stem]
    return []


def _labels(classes, colours, background: Colour, void: int | None) -> Callable[[np.ndarray], np.ndarray]:
    """From a mask to labels."""
    if not colours:
        return class_ids(len(classes) + 1, void)
    named = {"": background, **dict(zip(classes, colours, strict=True))}
    return palette(named, BORDER if void is not None else None)


def _objects(picture: np.ndarray) -> np.ndarray:
    """Every colour but black and that of the borders is an object."""
    ignored = np.zeros(picture.shape[:2], bool)
    for colour in (BORDER, (VOID,) * 3):
        ignored |= (with_channels(picture, 3) == colour).all(axis=2)
    return objects(np.where(ignored[..., None], picture.dtype.type(0), picture))
