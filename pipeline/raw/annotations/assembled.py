"""What is drawn on images -> labels, as classes, classes that overlap, or objects: what all readers of annotations end
with. A size that is said otherwise than the picture has it is refused when the picture is read."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pipeline.competition import RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.raw.annotations.drawn import Shape, are_shares
from pipeline.raw.files import RawFiles
from pipeline.raw.grouping import of_names
from pipeline.raw.masks import with_channels
from pipeline.raw.meaning.colours import VOID
from pipeline.raw.values import of_image

ANSWERS = ("classes", "overlap", "objects")
UNLISTED = {
    "test": "to be answered",
    "empty": "with nothing in them",
    "leave_out": "none of its images: left out",
}
IGNORED = 0  # the class of what is neither learnt nor scored
NOTHING = -1  # the class of what cuts holes into all that is drawn before it


@dataclass(frozen=True)
class Drawn:
    """Something on an image.

    Attributes:
        shape: the pixels that it covers.
        number: of its class, 1, 2, …; IGNORED; NOTHING.
        where: it is written, for messages: `a.json, annotation 17`.
        thing: parts of one object share it; None for an object by itself.
    """

    shape: Shape
    number: int
    where: str
    thing: object = None


@dataclass(frozen=True)
class Annotated:
    """An image and what is drawn on it.

    Attributes:
        id, part: as of a `RawImage`.
        name: of its file, for messages and for reading it.
        drawn: in the order it was drawn; None where it is to be answered.
        size: (height, width) as the annotation says; None where it does not.
        said: where it says so.
        read: gives the picture, H x W x C, where it is not a file of its own.
        group: as of a `RawImage`, where the annotations say it.
    """

    id: str
    part: str
    name: str
    drawn: list[Drawn] | None = None
    size: tuple[int, int] | None = None
    said: str = ""
    read: Callable[[], np.ndarray] | None = None
    group: str = ""


@dataclass(frozen=True)
class Ways:
    """How annotations become labels.

    Attributes:
        classes: their names, in the order of their numbers 1, 2, …
        answer: `classes` (one layer of numbers, 0 is none; where two overlap the later one wins), `overlap` (a layer
            for each), `objects` (one layer that numbers them, whatever their class).
        void: the label of what is ignored (255), or None where the task knows no such thing: then it is left out.
        channels: 1 or 3: every image gets so many; None leaves them as they are.
        group: a regular expression whose one group is the image's group, a function of the id, or None.
    """

    classes: tuple[str, ...]
    answer: str = "classes"
    void: int | None = None
    channels: int | None = None
    group: str | Callable[[str], str] | None = None

    def __post_init__(self):
        if self.answer not in ANSWERS:
            raise UserError(f"answer={self.answer!r} is not known; it can be {', '.join(ANSWERS)}")
        if len(self.classes) >= VOID and self.answer == "classes":
            raise UserError(f"{len(self.classes)} classes are more than the {VOID - 1} that can be told apart")
        if not self.classes:
            raise UserError("there is no class: nothing is annotated")


def assembled(
    raw: RawFiles, images: list[Annotated], ways: Ways, notes: list[str], sample: bytes | None = None
) -> RawData:
    """The images with their labels, read when asked for. Raises UserError where nothing is annotated, or in shares."""
    if not any(image.drawn for image in images):
        raise UserError(f"{raw.folder}: none of {len(images)} images has anything annotated; is it the right folder?")
    _refuse_shares(raw, [drawn for image in images for drawn in image.drawn or ()])
    group_of = of_names(ways.group)
    found = []
    for image in images:
        layers = _Layers(raw, image, ways)
        found.append(
            RawImage(
                id=image.id,
                part=image.part,
                image=layers.image,
                labels=layers.labels if image.drawn is not None else None,
                group=image.group or group_of(image.id, image.part),
                doubt=layers.doubt if image.drawn is not None else None,
            )
        )
    return RawData(found, sample=sample, notes=[*notes, *_left_out(images, ways)])


def _refuse_shares(raw: RawFiles, every: list[Drawn]) -> None:
    if are_shares(drawn.shape for drawn in every):
        raise UserError(
            f"{raw.folder}: the points of all outlines lie between 0 and 1 (the first: {every[0].where}): they are "
            "shares of the picture's width and height, where pixels are wanted; multiply them by these"
        )


def unlisted_notes(paths: list[str], unlisted: str, what: str) -> list[str]:
    """What pictures that no annotation speaks of are taken as, in a line; `what` they lack, as `without a json`.

    Raises UserError where `unlisted` is no key of UNLISTED.
    """
    if unlisted not in UNLISTED:
        raise UserError(f"unlisted={unlisted!r} is not known; it can be {', '.join(UNLISTED)}")
    if not paths:
        return []
    return [f"{len(paths)} picture(s) {what} are taken as {UNLISTED[unlisted]} (unlisted=): {shown(paths, 1)}"]


def _left_out(images: list[Annotated], ways: Ways) -> list[str]:
    ignored = [drawn.where for image in images for drawn in image.drawn or () if drawn.number == IGNORED]
    if not ignored or (ways.void is not None and ways.answer == "classes"):
        return []
    return [
        f"{len(ignored)} annotation(s) that are to be ignored are left out, because this kind of answer has nothing to "
        f"ignore: {shown(ignored, 1)}"
    ]


@dataclass
class _Layers:
    """The picture and the labels of an image; its size is kept from one reading to the other."""

    raw: RawFiles
    of: Annotated
    ways: Ways
    shape: tuple[int, int] | None = None
    doubts: list[str] = field(default_factory=list)

    def image(self) -> np.ndarray:
        picture = self.of.read() if self.of.read else self.raw.picture(self.of.name)
        picture = with_channels(of_image(picture, self.of.name), self.ways.channels)
        self.shape = picture.shape[:2]
        if self.of.size is not None and tuple(self.of.size) != self.shape:
            turned = "; the two are exchanged, or one lies on its side" if self.of.size == self.shape[::-1] else ""
            raise UserError(
                f"{self.of.said} says that {self.of.name} is {_size(self.of.size)} pixels (height x width), the "
                f"picture is {_size(self.shape)}{turned}; bring the pictures that were annotated"
            )
        return picture

    def labels(self) -> np.ndarray:
        """H x W x 1 uint8 (classes), H x W x classes uint8 (overlap) or H x W x 1 uint16 (objects)."""
        if self.shape is None:
            self.image()
        self.doubts = []
        return getattr(self, f"_{self.ways.answer}")()

    def doubt(self, labels: np.ndarray) -> str | None:
        return "; ".join(dict.fromkeys(self.doubts)) or None

    def _classes(self) -> np.ndarray:
        labels = np.zeros(self.shape, np.uint8)
        known = np.zeros(self.shape, bool)
        for drawn, rows, columns, mask in self._covered():
            known[rows, columns] |= mask
            window = labels[rows, columns]
            if drawn.number == NOTHING:
                self._cut(labels, rows, columns, mask)
                continue
            if ((window != drawn.number) & (window != 0) & mask).any():
                self.doubts.append("annotations of different classes overlap (the later one wins)")
            window[mask] = drawn.number
        if self.ways.void is not None:
            for _, rows, columns, mask in self._covered(ignored=True):
                # what is known of a pixel counts more than that it is in a crowd
                labels[rows, columns][mask & ~known[rows, columns]] = self.ways.void
        return labels[..., None]

    def _overlap(self) -> np.ndarray:
        labels = np.zeros((*self.shape, len(self.ways.classes)), np.uint8)
        for drawn, rows, columns, mask in self._covered():
            if drawn.number == NOTHING:
                self._cut(labels, rows, columns, mask)
            else:
                labels[rows, columns, drawn.number - 1][mask] = 1
        return labels

    def _objects(self) -> np.ndarray:
        labels = np.zeros(self.shape, np.uint16)
        numbers: dict[object, int] = {}
        for drawn, rows, columns, mask in self._covered():
            if drawn.number == NOTHING:
                self._cut(labels, rows, columns, mask)
                continue
            thing = (drawn.number, drawn.thing) if drawn.thing is not None else object()
            number = numbers.setdefault(thing, len(numbers) + 1)
            if number > np.iinfo(np.uint16).max:
                raise UserError(f"{drawn.where}: more than {number - 1} objects on an image, which is noise")
            window = labels[rows, columns]
            if ((window != number) & (window != 0) & mask).any():
                self.doubts.append("objects overlap (the later one wins)")
            window[mask] = number
        if len(np.unique(labels)) <= len(numbers):
            self.doubts.append("an object is covered by others or has no pixel")
        return labels[..., None]

    def _cut(self, labels: np.ndarray, rows: slice, columns: slice, mask: np.ndarray) -> None:
        """Takes from the labels what is drawn before."""
        was_there = labels.any()
        labels[rows, columns][mask] = 0
        if was_there and not labels.any():
            self.doubts.append("background that is drawn last cuts away all that is drawn")

    def _covered(self, ignored: bool = False):
        """(drawn, rows, columns, mask) of each in order."""
        for drawn in self.of.drawn:
            if (drawn.number == IGNORED) == ignored:
                try:
                    rows, columns, mask = drawn.shape.covered(*self.shape)
                except UserError as error:
                    raise UserError(f"{drawn.where} (image {self.of.name}) {error}") from error
                beyond = getattr(drawn.shape, "beyond", None)
                if beyond and beyond(*self.shape) > 1:
                    self.doubts.append("outlines leave the picture (cut off at its edge)")
                yield drawn, rows, columns, mask


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]} x {shape[1]}"
