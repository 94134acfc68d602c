"""Foreign pictures as probabilities of a task, at the size of our images: H x W x outputs, uint8."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.adoption import axes, values
from pipeline.adoption.parts import Part
from pipeline.adoption.values import Survey
from pipeline.errors import UserError, shown
from pipeline.imaging.sizes import from_network, margins
from pipeline.imaging.tiles import stored
from pipeline.tasks import foreign
from pipeline.tasks.ahead import in_order
from pipeline.tasks.task import Task


@dataclass(frozen=True)
class How:
    """What the options say: logits: whether values are; fit: how pictures came to the network's size, or blank;
    channels: `first`, `last` or blank."""

    logits: bool = False
    fit: str = ""
    channels: str = ""


@dataclass(frozen=True)
class Reader:
    """Converts the pictures of a part.

    Attributes:
        place: of the channels. labels: whether values are numbers of classes or objects. scale: of whole numbers.
        channels: of each picture.
    """

    part: Part
    task: Task
    how: How
    place: str
    labels: bool
    scale: float
    channels: int

    def laid_out(self, place: int) -> np.ndarray:
        """H x W x C as it is stored there. Raises UserError where that is in another way than the first one is."""
        array = self.part.read(place)
        sides = 2 if self.place == axes.NONE else 3
        found = axes.laid_out(array, self.place) if len(axes.squeezed(array.shape)) == sides else None
        if found is None or found.shape[2] != self.channels:
            theirs, first = (" x ".join(map(str, one.shape)) for one in (array, self.part.read(0)))
            raise UserError(
                f"{self.part.of(place)} is an array of {theirs}, and the first one there of {first}: axes are not "
                "the same; save all alike"
            )
        return found

    def __call__(self, place: int, size: tuple[int, int]) -> np.ndarray:
        """H x W x outputs uint8, at the size. Raises UserError for numbers that cannot be labels."""
        array = self.laid_out(place)
        if self.labels:
            return self._of_labels(array[..., 0], place)
        exact = array.dtype == np.uint8 and self.scale == 255 and array.shape == (*size, self.task.outputs)
        if exact:
            return np.ascontiguousarray(array)
        numbers = array.astype(np.float32)
        numbers = numbers / np.float32(self.scale) if array.dtype.kind in "uib" else numbers
        found = foreign.probabilities(self.task, numbers, self.how.logits)
        found = from_network(np.ascontiguousarray(found), size, self.how.fit or "pad")
        return foreign.channels(self.task, stored(found))

    def _of_labels(self, labels: np.ndarray, place: int) -> np.ndarray:
        scores = self.part.scores(place) if self.part.scores else None
        if scores is not None and (scores.ndim != 1 or scores.dtype.kind not in "uif"):
            sides = " x ".join(map(str, scores.shape)) or "one number"
            raise UserError(
                f"{self.part.of(place)} has scores of {scores.dtype}, {sides}; wanted is a number for each of the "
                "objects 1, 2, …"
            )
        try:
            return foreign.of_labels(self.task, labels, scores)
        except UserError as error:
            raise UserError(f"{self.part.of(place)} {error}") from error


def reader(part: Part, task: Task, size: tuple[int, int], how: How) -> Reader:
    """What reads a part. Scale is not known yet. `size`: of the image of its first picture.

    Raises UserError where the axes are not told, or labels mean nothing here.
    """
    first = part.read(0)
    said = "last" if part.is_picture else how.channels
    counts = foreign.channel_counts(task)
    # whole numbers may also be maps of labels, of one channel
    counts = (*counts, 1) if first.dtype.kind in "uib" and foreign.reads_labels(task) and 1 not in counts else counts
    place = axes.placed(first.shape, counts, size, said, part.where)
    channels = axes.laid_out(first, place).shape[2]
    labels = _are_labels(part, first, channels, task)
    if not labels and channels not in counts:
        raise UserError(
            f"{part.where} holds pictures of one channel; {counts[0]} are answered here: {shown(task.classes)}"
        )
    return Reader(part, task, how, place, labels, 1.0, channels)


def _are_labels(part: Part, first: np.ndarray, channels: int, task: Task) -> bool:
    if channels != 1 or task.outputs == 1 or not foreign.reads_labels(task) or first.dtype.kind not in "uib":
        return False
    # a map of all objects together is of 8 bits or of yes and no, unless it is called otherwise
    return part.has_labels or first.dtype not in (np.uint8, bool) or 1 not in foreign.channel_counts(task)


def surveyed(one: Reader) -> tuple[Survey, list[tuple[int, int]]]:
    """What its values are, and the size of each picture."""
    sizes: list[tuple[int, int]] = []

    def seen(place: int):
        array = one.laid_out(place)
        return array.shape[:2], values.look(array)

    def counted() -> Iterator[tuple]:
        for size, found in in_order(seen, range(len(one.part)), "look"):
            sizes.append(size)
            yield found

    return values.survey(counted()), sizes


def check_sizes(one: Reader, sizes: list[tuple[int, int]], wanted: list[tuple[int, int]]) -> None:
    """Raises UserError where a picture is of another size than its image, and no option says how that came about.

    Args: wanted: of the image of each picture.
    """
    fit = "" if one.labels else one.how.fit
    odd = [pair for pair in zip(sizes, wanted, strict=True) if not _comes_back(fit, *pair)]
    if not odd:
        return
    theirs, ours = (shown(map(_sized, dict.fromkeys(found)), 3) for found in zip(*odd, strict=True))
    what = f"{one.part.where} is of {theirs} pixels (height x width), its images of {ours}"
    if fit:
        raise UserError(f"{what}: --fit {fit} makes nothing smaller; say how they came to that size")
    if one.labels:
        raise UserError(f"{what}: save maps of labels at the images' own size")
    raise UserError(f"{what}: say how they came to the network's size, --fit resize or --fit pad, and it is undone")


def _comes_back(fit: str, size: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """Whether a picture can be what `fit` makes of an image of the size wanted."""
    if fit in ("", "resize"):
        return bool(fit) or size == wanted
    factor = 2 if fit == "double" else 1
    return size[0] >= factor * wanted[0] and size[1] >= factor * wanted[1]


def notes(one: Reader, found: Survey, sizes: list[tuple[int, int]], wanted: list[tuple[int, int]]) -> list[str]:
    """What is assumed of a part, in a line each. `wanted`: the size of the image of each picture."""
    channels = {"none": "H x W", "first": "C x H x W", "last": "H x W x C"}[one.place]
    different = list(dict.fromkeys(sizes))
    size = ", ".join(map(_sized, different[:2])) + (" …" if len(different) > 2 else "")
    lines = [f"{one.part.where}: {len(one.part)} pictures {channels}, {size}, {found.in_words}"]
    count = one.laid_out(0).shape[2]
    if one.part.scores and not one.labels:
        lines.append(f"{one.part.where}: left out: scores, which are of the objects of maps of labels")
    if one.labels:
        lines.append(f"{one.part.where}: maps of labels{', with scores of objects' if one.part.scores else ''}")
        return lines
    lines += _cut(one, sizes[0], wanted[0])
    if foreign.has_background(one.task, count):
        lines.append(f"{one.part.where}: the first of {count} channels is taken for the background, and left out")
        lines += _sums(one)
    if foreign.is_exclusive(one.task):
        lines += _sums(one)
    if count < one.task.outputs:
        lines.append(f"{one.part.where}: all objects together: they are told apart by their shape")
    return lines


def _cut(one: Reader, size: tuple[int, int], wanted: tuple[int, int]) -> list[str]:
    """A line for what is cut off where pictures were padded: on which side, only who padded them knows."""
    if one.how.fit not in ("pad", "double") or size == wanted:
        return []
    factor = 2 if one.how.fit == "double" else 1
    top, bottom, left, right = margins(factor * wanted[0], factor * wanted[1], size)
    return [
        f"{one.part.where}: the image is taken to be in the middle: of the first picture {top} pixels above, {bottom} "
        f"below, {left} left and {right} right of it are cut off; padded otherwise, cut it yourself"
    ]


def _sums(one: Reader, looked_at: int = 16) -> list[str]:
    """A line where channels that exclude each other do not add up to one, in some pictures of all."""
    if one.how.logits:
        return []
    places = range(0, len(one.part), max(1, len(one.part) // looked_at))
    off = [float(np.abs(one.laid_out(i).astype(np.float32).sum(axis=2) / one.scale - 1).mean()) for i in places]
    if max(off) < 0.02:
        return []
    return [f"warning: {one.part.where}: channels do not add up to 1 (off by {max(off):.2f}): are they of a softmax?"]


def lost_objects(one: Reader, places: list[int]) -> str | None:
    """A line where objects of label maps do not come back as they are when decoded."""
    if not one.labels or not one.task.objects:
        return None

    def counted(place: int) -> tuple[int, int, bool]:
        labels = one.laid_out(place)[..., 0]
        numbers = np.unique(labels[labels != 0])
        return len(numbers), foreign.changed(one.task, labels, one(place, labels.shape)), place

    found = list(in_order(counted, places, "look"))
    total, lost = sum(entry[0] for entry in found), sum(entry[1] for entry in found)
    if not lost:
        return None
    first = next(one.part.ids[place] for _, broken, place in found if broken)
    return (
        f"{one.part.where}: {lost} of {total} objects do not come back as they are (of several parts, or thinner than "
        f"three pixels along another), the first in {first}"
    )


def _sized(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
