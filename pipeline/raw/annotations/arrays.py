"""Masks, and perhaps images, as arrays of NumPy, HDF5 or MATLAB: a file for each (`masks/a.npy`), one of all (`Y.npy`,
N x H x W), or files of both (`.npz`, `.h5`, `.mat` with image and mask).

What the axes are is told by the sizes of the images; what may be two things is refused. Ids of a stack are its numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.competition import Doubt, RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.raw.annotations import layers
from pipeline.raw.annotations.array_files import Files, Item, is_stack, items, unused
from pipeline.raw.annotations.array_formats import ARRAYS
from pipeline.raw.annotations.array_pairs import pairs_of, refuse_mixed, said_of_cores
from pipeline.raw.annotations.array_places import Places, beside, found_places, part_called
from pipeline.raw.annotations.axes import as_numbers, exclusive, laid_out, largest, numbered, stored, whole
from pipeline.raw.annotations.seen import Seen
from pipeline.raw.annotations.whereabouts import with_test
from pipeline.raw.annotations.written import TABLES
from pipeline.raw.files import RawFiles
from pipeline.raw.folders import (
    VALID_AS,
    blind_said,
    doubt_of,
    labelled,
    refuse_blind,
    refuse_labels,
    refuse_unknown,
    split_said,
    truth_said,
)
from pipeline.raw.grouping import of_names
from pipeline.raw.masks import Labels, with_channels
from pipeline.raw.meaning.colours import VOID
from pipeline.raw.meaning.looks import Masks
from pipeline.raw.places.survey import seen_of
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
    test_masks: str = "",
    valid: str = "",
    valid_masks: str = "",
    valid_as: str = "folds",
) -> RawData:
    """Images and masks, matched by name, or by their places in two stacks.

    Args:
        images, masks, test: a folder of pictures or arrays, or one array: `X.npy`, `data.npz:images`; `:image` is that
            array of every .npz, .h5 or .mat, `train:image` of those in a folder. "" for no test.
        classes: names, in the order of their numbers 1, 2, … (0 is none), or of the layers of masks H x W x K.
        answer: `classes` (one number for each pixel, or one layer: where there is a layer more than names, the first is
            the background), `overlap` (layers), `objects` (each number or layer is an object).
        void: a number that is to be ignored (255), or None.
        soft: whether masks are shares: more than a half is the class.
        channels, group: as in `read_folders`.
        labels: as in `read_folders`, what the values of a mask mean, where it holds them as a picture does; classes,
            answer, void and soft then say nothing. None is as these say.
        test_masks: masks of the test images, the hidden truth; "" for none.
        valid, valid_masks: a published validation part; "" for none. Where names are in train too, and in stacks, ids
            begin with the part: `train/0`, `val/0`.
        valid_as: as in `read_folders`.

    Raises:
        UserError: what is no array, masks of another size, axes that may be two things, valid without its masks.
    """
    refuse_labels(labels)
    refuse_unknown("valid_as", valid_as, VALID_AS)
    found = _find(raw, Places((images, masks), (valid, valid_masks), (test, test_masks)))
    layer = _Layer(tuple(classes) or ("object",), answer, void, soft, labels)
    group_of = of_names(group)
    is_truth = valid_as == "truth"
    learnt = {**found.train, **({} if is_truth else found.valid)}
    answered = {**(found.valid if is_truth else {}), **found.test}
    blind = [name for name, (_, mask) in answered.items() if mask is None]
    if blind and is_truth and found.valid:
        refuse_blind(raw, blind)
    result = []
    for part, there in (("train", learnt), ("test", answered)):
        for name, (image, mask) in there.items():
            pair = _Pair(image, mask, layer, channels)
            result.append(
                RawImage(
                    id=name,
                    part=part,
                    image=pair.image,
                    labels=pair.labels if part == "train" or not blind else None,
                    group=group_of(name, part),
                    doubt=pair.doubt,
                    always_learnt=valid_as == "learnt" and name in found.valid,
                )
            )
    return RawData(result, notes=_notes(found, test, valid, valid_as, blind))


@dataclass(frozen=True)
class _Found:
    """id -> (image, mask) of the parts, those to be answered perhaps without a mask, and lines on what is not used, and
    on how names were matched; blank for nothing to say."""

    train: dict[str, tuple[Item, Item]]
    valid: dict[str, tuple[Item, Item]]
    test: dict[str, tuple[Item, Item | None]]
    unused: str
    matched: str


def _find(raw: RawFiles, places: Places) -> _Found:
    """Raises UserError where images and masks do not fit."""
    files = Files(raw)

    def there(place: str, *others: dict[str, Item]) -> dict[str, Item]:
        """Without others, whose folder may lie within."""
        taken = {item.where for other in others for item in other.values()}
        return {name: item for name, item in items(files, place).items() if item.where not in taken} if place else {}

    (images, masks), (valid, valid_masks), (test, test_masks) = places.train, places.valid, places.test
    if bool(valid) != bool(valid_masks):
        raise UserError(f"valid={valid!r}, valid_masks={valid_masks!r}: a validation part is images and their masks")
    tests, tests_truth = there(test), there(test_masks)
    valids, valids_truth = there(valid, tests), there(valid_masks, tests_truth)
    train, truth = there(images, tests, valids), there(masks, tests_truth, valids_truth)
    pairs = pairs_of(raw, train, truth, images, masks)
    of_valid = pairs_of(raw, valids, valids_truth, valid, valid_masks) if valid else {}
    if pairs.keys() & of_valid.keys() or (of_valid and is_stack(images)):
        pairs = {f"{part_called(images, 'train')}/{name}": pair for name, pair in pairs.items()}
        of_valid = {f"{part_called(valid, 'valid')}/{name}": pair for name, pair in of_valid.items()}
    of_test = {name: (item, None) for name, item in tests.items()}
    if test_masks:
        of_test |= pairs_of(raw, tests, tests_truth, test, test_masks, all_of_them=False)
    own = {name: name for name in (*pairs, *of_valid)}
    called = with_test(own, {name: name for name in of_test})
    used = [item for pair in (*pairs.values(), *of_valid.values(), *of_test.values()) for item in pair if item]
    tests = {called[name]: pair for name, pair in of_test.items()}
    return _Found(pairs, of_valid, tests, unused(files, used), said_of_cores({**pairs, **of_valid}))


def _notes(found: _Found, test: str, valid: str, valid_as: str, blind: list[str]) -> list[str]:
    """What is assumed, and what is left out."""
    counts = {"train": len(found.train), "valid": len(found.valid)} if valid else {}
    split = split_said(counts, valid, len(found.valid), valid_as)
    count = len(found.test) - len(blind)
    truth = blind_said(count, blind) if blind else truth_said(count, test, "test_masks")
    return [line for line in (split, found.matched, truth if count else "", found.unused) if line]


COMMENTS = {
    "images": "a folder of pictures or arrays, or one array: X.npy, data.npz:images, :image (of every .npz)",
    "test": 'of the same kind, to be answered; "" where there is none',
    "test_masks": "masks of these, the hidden truth that the report alone reads",
    "valid": 'a published validation part, and what becomes of it: in the "folds" like all others, "learnt" and\n'
    '        # never held out, or hidden "truth" that the report alone reads',
    "labels": "what the values of a mask mean: binary, class_ids(3), palette({...}) ... of pipeline/raw/masks.py",
    "classes": "in the order of their numbers 1, 2, … or of the layers of masks H x W x K",
    "answer": '"classes" (exclusive), "overlap" (layers) or "objects" (numbers): belongs to TASK above',
    "void": "the number that is to be ignored, or None",
    "soft": "whether masks are shares: more than a half is the class",
}


def look(raw: RawFiles, answer: str, named: tuple[str, ...]) -> Seen | None:
    """Arrays among the files, of images or masks at least."""
    arrays = [name for name in raw.names if name.lower().endswith(ARRAYS)]
    images, masks, test = (*named, "", "", "")[:3]
    if not arrays or masks.lower().endswith((*TABLES, ".json")):
        return None
    places = Places((images, masks), test=(test, "")) if masks else found_places(raw, arrays)
    if not places:
        _refuse_beside(raw, arrays)
        return None
    found = _find(raw, places)
    pairs = [*found.train.values(), *found.valid.values()]
    chosen = seen_of(pairs, pairs[0][0].image()[..., 0].size)
    refuse_mixed(chosen)
    chosen = [(mask, image.image().shape[:2]) for image, mask in chosen]
    looks = layers.looked_at((f"mask {item.where}", mask) for item, mask in _read(chosen))
    is_layered = looks.count > 1 and not looks.colours
    (images, masks), (test, test_masks) = places.train, places.test
    kind, notes = _of_layers(looks, answer, masks) if is_layered else ({}, [])
    arguments = {"images": images, "masks": masks, "test": test}
    if test_masks:
        arguments["test_masks"] = test_masks
    if places.valid[0]:
        arguments |= {"valid": places.valid[0], "valid_masks": places.valid[1], "valid_as": "folds"}
    return Seen(
        what=f"arrays: images of {images}, masks of {masks}, {len(found.train)} pairs",
        function=read_arrays,
        arguments={**arguments, **kind},
        comments=COMMENTS,
        notes=tuple(notes),
        decided=True,
        masks=None if is_layered else _as_pictures(chosen),
    )


def _refuse_beside(raw: RawFiles, arrays: list[str]) -> None:
    """Raises UserError for masks that are pictures in the folder of images that are arrays."""
    if masks := beside(raw, arrays):
        raise UserError(
            f"{raw.folder}: {len(masks)} masks are pictures in a folder with images that are arrays: {shown(masks)}; "
            "put them into a folder masks/ of their own, and the arrays into images/"
        )


def _of_layers(found: layers.Layers, answer: str, masks: str) -> tuple[dict[str, object], list[str]]:
    try:
        return layers.meaning(found, answer)
    except UserError as error:
        raise UserError(f"{masks} {error}") from error


def _read(masks: list[tuple[Item, tuple[int, int]]]) -> Iterator[tuple[Item, np.ndarray]]:
    """Masks of (height, width), H x W x K. Raises UserError."""
    for mask, size in masks:
        array = mask.read()
        try:
            yield mask, as_numbers(laid_out(array, size))
        except UserError as error:
            raise UserError(f"mask {mask.where} {error}") from error


def _as_pictures(masks: list[tuple[Item, tuple[int, int]]]) -> Masks:
    def read():
        for mask, array in _read(masks):
            yield mask.where, mask.content(), array

    return read


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
        if self.soft and self.answer == "classes" and mask.shape[2] > 1:
            return largest(mask, has_background).astype(np.uint8)
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
        name, mask = f"mask {self.mask.where}", self.mask.read()
        try:
            mask = laid_out(mask, self.shape)
        except UserError as error:
            raise UserError(f"{name} {error}") from error
        labels, self.forgiven = self.layer.labels_of(mask, name)
        return labels

    def doubt(self, labels: np.ndarray) -> Doubt | None:
        return doubt_of(self.forgiven)
