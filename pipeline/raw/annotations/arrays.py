"""Masks, and perhaps images, as arrays of NumPy: a file for each (`masks/a.npy`), one of all (`Y.npy`, N x H x W), or
files of both (`.npz` with image and mask).

What the axes are is told by the sizes of the images; what may be two things is refused. Ids of a stack are its numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.competition import Doubt, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.raw.annotations import layers
from pipeline.raw.annotations.array_files import ARRAYS, Item, found_places, is_stack, items
from pipeline.raw.annotations.axes import as_numbers, exclusive, laid_out, numbered, stored, whole
from pipeline.raw.annotations.seen import Seen
from pipeline.raw.annotations.whereabouts import with_test
from pipeline.raw.files import RawFiles
from pipeline.raw.folders import by_pattern, doubt_of, labelled, refuse_labels
from pipeline.raw.masks import Labels, with_channels
from pipeline.raw.meaning.colours import VOID
from pipeline.raw.meaning.looks import Masks
from pipeline.raw.places.names import forms, normal
from pipeline.raw.places.survey import evenly
from pipeline.raw.values import of_image


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
    labels: Labels | None = None,
) -> RawData:
    """Images and masks, matched by name, or by their places in two stacks.

    Args:
        images, masks, test: a folder of pictures or arrays, or one array: `X.npy`, `data.npz:images`; `:image` is that
            array of every .npz. "" for no test.
        classes: names, in the order of their numbers 1, 2, … (0 is none), or of the layers of masks H x W x K.
        answer: `classes` (one number for each pixel, or one layer: where there is a layer more than names, the first is
            the background), `overlap` (layers), `objects` (each number or layer is an object).
        void: a number that is to be ignored (255), or None.
        soft: whether masks are shares: more than a half is the class.
        channels, group: as in `read_folders`.
        labels: as in `read_folders`, what the values of a mask mean, where it holds them as a picture does; classes,
            answer, void and soft then say nothing. None is as these say.

    Raises:
        UserError: what is no array, masks of another size, axes that may be two things.
    """
    refuse_labels(labels)
    train, truth = items(raw, images), items(raw, masks)
    tests = items(raw, test) if test else {}
    train = {name: item for name, item in train.items() if name not in tests or is_stack(images)}
    pairs = _pairs(raw, train, truth, images, masks)
    layer = _Layer(tuple(classes) or ("object",), answer, void, soft, labels)
    group_of = group and ((lambda name, part: str(group(name))) if callable(group) else by_pattern(group))
    found = []
    for name, (image, mask) in pairs.items():
        pair = _Pair(image, mask, layer, channels)
        of_group = group_of(name, "train") if group_of else ""
        found.append(RawImage(name, "train", pair.image, pair.labels, group=of_group, doubt=pair.doubt))
    own = {name: name for name in pairs}
    for key, name in with_test(own, {name: name for name in tests}).items():
        pair = _Pair(tests[key], None, layer, channels)
        found.append(RawImage(name, "test", pair.image, group=group_of(name, "test") if group_of else ""))
    return RawData(found)


COMMENTS = {
    "images": "a folder of pictures or arrays, or one array: X.npy, data.npz:images, :image (of every .npz)",
    "test": 'of the same kind, to be answered; "" where there is none',
    "labels": "what the values of a mask mean: binary, class_ids(3), palette({...}) ... of pipeline/raw/masks.py",
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
    chosen = evenly(pairs, pairs[0][0].image()[..., 0].size)
    found = layers.looked_at((f"mask {item.where}", mask) for item, mask in _read(chosen))
    is_layered = found.count > 1 and not found.colours
    kind, notes = _of_layers(found, answer, masks) if is_layered else ({}, [])
    return Seen(
        what=f"arrays: images of {images}, masks of {masks}, {len(pairs)} pairs",
        function=read_arrays,
        arguments={"images": images, "masks": masks, "test": test, **kind},
        comments=COMMENTS,
        notes=tuple(notes),
        decided=True,
        masks=None if is_layered else _as_pictures(chosen),
    )


def _of_layers(found: layers.Layers, answer: str, masks: str) -> tuple[dict[str, object], list[str]]:
    try:
        return layers.meaning(found, answer)
    except UserError as error:
        raise UserError(f"{masks} {error}") from error


def _read(pairs: list[tuple[Item, Item]]) -> Iterator[tuple[Item, np.ndarray]]:
    """The masks, H x W x K. Raises UserError."""
    for image, mask in pairs:
        size = image.image().shape[:2]
        try:
            yield mask, as_numbers(laid_out(mask.read(), size))
        except UserError as error:
            raise UserError(f"mask {mask.where} {error}") from error


def _as_pictures(pairs: list[tuple[Item, Item]]) -> Masks:
    def read():
        for mask, array in _read(pairs):
            yield mask.where, mask.content(), array

    return read


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
    labels: Labels | None

    def labels_of(self, mask: np.ndarray, name: str) -> tuple[np.ndarray, int]:
        """H x W x K, as stored, to labels H x W x layers, and how many pixels were forgiven a value that is no class's.
        Raises UserError that begins with the name."""
        try:
            mask = as_numbers(mask)
            if self.labels is None:
                return self._numbers(mask), 0
        except UserError as error:
            raise UserError(f"{name} {error}") from error
        return labelled(mask, self.labels, name)

    def _numbers(self, mask: np.ndarray) -> np.ndarray:
        has_background = mask.shape[2] == len(self.classes) + 1
        if self.soft and self.answer == "classes" and has_background:
            return mask.argmax(axis=2).astype(np.uint8)[..., None]
        mask = whole(mask, self.soft)
        if self.answer == "overlap":
            if mask.shape[2] != len(self.classes):
                raise UserError(f"has {mask.shape[2]} layers, there are {len(self.classes)} classes")
            return (mask != 0).astype(np.uint8)
        if mask.shape[2] > 1:
            mask = exclusive(mask, has_background and self.answer == "classes")
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
    forgiven: int = 0  # pixels of its mask, when it was read last, whose value is no class's

    def image(self) -> np.ndarray:
        picture = with_channels(stored(self.of.image()), self.channels)
        picture = of_image(picture, self.of.where)
        self.shape = picture.shape[:2]
        return picture

    def labels(self) -> np.ndarray:
        if self.shape is None:
            self.image()
        name = f"mask {self.mask.where}"
        try:
            mask = laid_out(self.mask.read(), self.shape)
        except UserError as error:
            raise UserError(f"{name} {error}") from error
        labels, self.forgiven = self.layer.labels_of(mask, name)
        return labels

    def doubt(self, labels: np.ndarray) -> Doubt | None:
        return doubt_of(self.forgiven)
