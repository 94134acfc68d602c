"""Masks, and perhaps images, as arrays of NumPy: a file for each (`masks/a.npy`), one of all (`Y.npy`, N x H x W), or
files of both (`.npz` with image and mask).

What the axes are is told by the sizes of the images; what may be two things is refused. Ids of a stack are its numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.competition import RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.raw.annotations.array_files import ARRAYS, Item, found_places, is_stack, items
from pipeline.raw.annotations.axes import exclusive, laid_out, numbered, stored, whole
from pipeline.raw.annotations.seen import Seen
from pipeline.raw.annotations.whereabouts import with_test
from pipeline.raw.files import RawFiles
from pipeline.raw.folders import by_pattern
from pipeline.raw.masks import with_channels
from pipeline.raw.meaning.colours import VOID
from pipeline.raw.places.names import forms, normal
from pipeline.raw.values import of_image

_MOST_CLASSES = 64
_SEEN = 200  # masks looked at


def read_arrays(
    raw: RawFiles,
    images: str = "images",
    masks: str = "masks",
    test: str = "",
    classes: tuple[str, ...] = (),
    answer: str = "classes",
    void: int | None = None,
    soft: bool = False,
    channels: int | None = None,
    group: str | Callable[[str], str] | None = None,
) -> RawData:
    """Images and masks, matched by name, or by their places in two stacks.

    Args:
        images, masks, test: a folder of pictures or arrays, or one array: `X.npy`, `data.npz:images`; `:image` is that
            array of every .npz. "" for no test.
        classes: names, in the order of their numbers 1, 2, … (0 is none), or of the layers of masks H x W x K.
        answer: `classes` (one number for each pixel), `overlap` (layers), `objects` (each number is an object).
        void: a number that is to be ignored (255), or None.
        soft: whether masks are shares: more than a half is the class.
        channels, group: as in `read_folders`.

    Raises:
        UserError: what is no array, masks of another size, axes that may be two things.
    """
    train, truth = items(raw, images), items(raw, masks)
    tests = items(raw, test) if test else {}
    train = {name: item for name, item in train.items() if name not in tests or is_stack(images)}
    pairs = _pairs(raw, train, truth, images, masks)
    layer = _Layer(tuple(classes) or ("object",), answer, void, soft)
    group_of = group and ((lambda name, part: str(group(name))) if callable(group) else by_pattern(group))
    found = []
    for name, (image, mask) in pairs.items():
        pair = _Pair(image, mask, layer, channels)
        found.append(
            RawImage(name, "train", pair.image, pair.labels, group=group_of(name, "train") if group_of else "")
        )
    own = {name: name for name in pairs}
    for key, name in with_test(own, {name: name for name in tests}).items():
        pair = _Pair(tests[key], None, layer, channels)
        found.append(RawImage(name, "test", pair.image, group=group_of(name, "test") if group_of else ""))
    return RawData(found)


COMMENTS = {
    "images": "a folder of pictures or arrays, or one array: X.npy, data.npz:images, :image (of every .npz)",
    "test": 'of the same kind, to be answered; "" where there is none',
    "classes": "in the order of their numbers 1, 2, … or of the layers of masks H x W x K",
    "answer": '"classes" (exclusive), "overlap" (layers) or "objects" (numbers): belongs to TASK above',
    "void": "the number that is to be ignored, or None",
    "soft": "whether masks are shares: more than a half is the class",
}


def look(raw: RawFiles, answer: str, named: tuple[str, ...]) -> Seen | None:
    """Arrays among the files, of masks at least."""
    arrays = [name for name in raw.names if name.lower().endswith(ARRAYS)]
    if not arrays:
        return None
    places = (*named, "", "")[:3] if len(named) > 1 else found_places(raw, arrays)
    if not places or not places[1]:
        return None
    images, masks, test = places
    train, truth = items(raw, images), items(raw, masks)
    pairs = list(_pairs(raw, train, truth, images, masks).values())
    kind = _kind(pairs[:: max(1, len(pairs) // _SEEN)], answer)
    arguments = {"images": images, "masks": masks, "test": test, **kind}
    return Seen(
        what=f"arrays: images of {images}, masks of {masks}, {len(pairs)} pairs",
        function=read_arrays,
        arguments=arguments,
        comments=COMMENTS,
        notes=tuple(_said(kind)),
        decided=True,
        can_ignore=kind["void"] is not None,
    )


def _pairs(raw: RawFiles, train: dict, truth: dict, images: str, masks: str) -> dict[str, tuple[Item, Item]]:
    """id -> (image, mask). Raises UserError where they do not fit."""
    if is_stack(images) and is_stack(masks):
        if len(train) != len(truth):
            raise UserError(f"{images} holds {len(train)} images, {masks} {len(truth)} masks: they must be as many")
        return {name: (image, mask) for (name, image), mask in zip(train.items(), truth.values(), strict=True)}
    by_name = {normal(name): name for name in train}
    found, lost = {}, []
    for name, mask in truth.items():
        own = next((by_name[normal(form.key)] for form in forms(name) if normal(form.key) in by_name), None)
        if own is None:
            lost.append(name)
        else:
            found[own] = (train[own], mask)
    if lost:
        raise UserError(f"{raw.folder}: {len(lost)} of {len(truth)} masks in {masks} have no image: {shown(lost)}")
    bare = [name for name in train if name not in found]
    if bare:
        raise UserError(f"{raw.folder}: {len(bare)} of {len(train)} images have no mask in {masks}: {shown(bare)}")
    return found


@dataclass(frozen=True)
class _Layer:
    """How a mask becomes labels, see `read_arrays`."""

    classes: tuple[str, ...]
    answer: str
    void: int | None
    soft: bool

    def labels(self, mask: np.ndarray) -> np.ndarray:
        """H x W x K, as stored, to labels H x W x layers. Raises UserError without saying where."""
        mask = whole(mask, self.soft)
        if self.answer == "overlap":
            if mask.shape[2] != len(self.classes):
                raise UserError(f"has {mask.shape[2]} layers, there are {len(self.classes)} classes")
            return (mask != 0).astype(np.uint8)
        if mask.shape[2] > 1:
            mask = exclusive(mask)
        if self.answer == "objects":
            return numbered(mask)
        ignored = mask == self.void if self.void is not None else np.zeros(mask.shape, bool)
        if len(self.classes) == 1 and self.void is None:
            values = np.unique(mask)
            if len(values[values != 0]) > 1:
                raise UserError(f"holds the values {shown(values)}, a mask of one class 0 and one other")
            return (mask != 0).astype(np.uint8)
        wrong = (mask > len(self.classes)) & ~ignored
        if wrong.any():
            raise UserError(f"holds the value {mask[wrong].max()}, there are {len(self.classes)} classes beside 0")
        return np.where(ignored, VOID, mask).astype(np.uint8)


@dataclass
class _Pair:
    """An image and its mask."""

    of: Item
    mask: Item | None
    layer: _Layer
    channels: int | None
    shape: tuple[int, int] | None = None

    def image(self) -> np.ndarray:
        picture = with_channels(stored(self.of.image()), self.channels)
        picture = of_image(picture, self.of.where)
        self.shape = picture.shape[:2]
        return picture

    def labels(self) -> np.ndarray:
        if self.shape is None:
            self.image()
        try:
            return self.layer.labels(laid_out(self.mask.read(), self.shape))
        except UserError as error:
            raise UserError(f"{self.mask.where} {error}") from error


def _kind(pairs: list[tuple[Item, Item]], answer: str) -> dict[str, object]:
    """The arguments that say what masks are, from some of them. Raises UserError."""
    values: set[float] = set()
    layers, overlap, soft, most = 1, False, False, 0
    for image, mask in pairs:
        try:
            array = laid_out(mask.read(), image.image().shape[:2])
            if array.dtype.kind == "f" and not np.array_equal(array, np.rint(array)):
                soft = True
                if not (array.min() >= 0 and array.max() <= 1):
                    raise UserError("holds fractions that are no shares (0 to 1) of a class")
            layers = max(layers, array.shape[2])
            overlap = overlap or (array.shape[2] > 1 and ((array > 0.5).sum(axis=2) > 1).any())
            seen = np.unique(array)
            most = max(most, len(seen))
            values |= set(seen[:1000].tolist())
        except UserError as error:
            raise UserError(f"{mask.where} {error}") from error
    void = VOID if VOID in values and len(values) > 2 and not soft else None
    numbers = sorted(value for value in values if value not in (0, void))
    kind = {"classes": ("object",), "answer": answer or "classes", "void": void, "soft": soft}
    if layers > 1:
        names = tuple(f"class_{k}" for k in range(1, layers + 1))
        return {**kind, "classes": names, "answer": "overlap", "void": None}
    if answer == "objects" or (not answer and most > _MOST_CLASSES and not soft):
        return {**kind, "answer": "objects", "void": None}
    if soft or len(numbers) <= 1:
        return {**kind, "void": None if soft else void}
    if numbers[-1] > 254:
        return {**kind, "answer": "objects", "void": None}
    return {**kind, "classes": tuple(f"class_{k}" for k in range(1, int(numbers[-1]) + 1))}


def _said(kind: dict) -> list[str]:
    notes = []
    if kind["soft"]:
        notes.append("masks are shares: more than a half is the class (soft=True)")
    if kind["void"] is not None:
        notes.append(f"{VOID} means that a pixel is to be ignored (void=)")
    if kind["answer"] == "overlap":
        notes.append(f"masks have {len(kind['classes'])} layers: a class each, which may overlap")
    return notes
