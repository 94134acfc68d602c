"""What masks hold, pixel by pixel: how often each value occurs, in how many of them, and how its pixels lie."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from pipeline.errors import UserError
from pipeline.raw.meaning.colours import VOID, is_coloured, is_grey, values_of, without_alpha
from pipeline.raw.meaning.palettes import Palettes, of_file
from pipeline.raw.pixels.alpha import has_alpha

MOST_VALUES = 4096  # of a mask with more values than this, which they are is not counted
SEVERAL = 6  # values beside the lowest in a mask, of whose changes from one to the next something can be told
MOST_NAMES = 40  # of the masks in which a value is
RIM = 11  # pixels: what a square of this side does not fit into is a rim

# name, bytes of the file, and H x W x C of each mask
Masks = Callable[[], Iterator[tuple[str, bytes, np.ndarray]]]


@dataclass
class Value:
    """A value in all masks: how many pixels have it, of these how many lie in a square of 3 x 3 of it (`thick`) and in
    what looks like a rim or touches the picture's frame (`rim`, of 255 alone), in how many masks, how many of these it
    fills, the most pixels in one mask, and the first masks."""

    pixels: int = 0
    thick: int = 0
    rim: int = 0
    images: int = 0
    filled: int = 0
    most: int = 0
    where: list[str] = field(default_factory=list)


@dataclass
class Numbers:
    """The values of one mask but 0: how many, the largest, how many are one connected part (not looked at in masks of
    two values), and whether they are in the order in which their first pixels come, row after row."""

    count: int
    top: int
    single: int
    in_order: bool


@dataclass
class Looks:
    """Of all masks.

    Attributes:
        values: as `values.values_of` numbers them.
        count, pixels: of masks, and of their pixels.
        most: (how many values, the mask) of the mask with the most.
        single, changes: changes between neighbours by one rank of the greys there are, and all, of masks with several.
        gradual, direct: changes from one value to another over one between, and at once, in pixels.
        lossy: masks saved as JPEG.
        fractions: masks that hold fractions; top, low: the largest value of all, and the smallest.
        numbers: of each mask.
        palettes: of those that have one.
        both: masks that hold 1 and 255.
        transparent: masks whose pixels differ in how opaque they are.
    """

    values: dict[int, Value] = field(default_factory=dict)
    count: int = 0
    pixels: int = 0
    most: tuple[int, str] = (0, "")
    single: int = 0
    changes: int = 0
    gradual: int = 0
    direct: int = 0
    lossy: list[str] = field(default_factory=list)
    fractions: list[str] = field(default_factory=list)
    top: float = 0.0
    low: float = math.inf
    numbers: list[Numbers] = field(default_factory=list)
    palettes: Palettes = field(default_factory=Palettes)
    both: int = 0
    transparent: int = 0

    @property
    def order(self) -> list[int]:
        """The colours of the palette in its order; [] where some masks have none, or another."""
        return self.palettes.order if self.palettes.files == self.count else []

    @property
    def coloured(self) -> bool:
        return any(map(is_coloured, self.values))


def look(masks: Masks) -> Looks:
    """Raises UserError for what can be no mask, with its name."""
    found = Looks()
    for name, content, picture in masks():
        try:
            _add(found, name, content, picture)
        except UserError as error:
            raise UserError(f"mask {name} {error}") from error
    return found


def _add(found: Looks, name: str, content: bytes, picture: np.ndarray) -> None:
    found.count += 1
    found.pixels += picture.shape[0] * picture.shape[1]
    found.top = max(found.top, float(without_alpha(picture).max()))
    found.low = min(found.low, float(without_alpha(picture).min()))
    found.transparent += has_alpha(picture) and bool(picture[..., 3].min() < picture[..., 3].max())
    if content.startswith(b"\xff\xd8\xff"):
        found.lossy.append(name)
    if picture.dtype.kind == "f" and is_grey(without_alpha(picture)) and not np.array_equal(picture, np.floor(picture)):
        found.fractions.append(name)
        return
    values = values_of(picture)
    seen, places, counts = _ranked(values)
    found.most = max(found.most, (len(seen), name), key=lambda most: most[0])
    if len(seen) > MOST_VALUES:
        return
    found.palettes.add(*of_file(content), name)
    places = places.astype(np.float32)
    in_squares = _in_squares(places, 3)
    thick = np.bincount(places[in_squares].astype(np.int64), minlength=len(seen))
    parts, firsts = _parts(places, len(seen)) if len(seen) > 2 else (np.zeros(len(seen), int), np.arange(len(seen)))
    for k, value in enumerate(seen.tolist()):
        known = found.values.setdefault(value, Value())
        known.pixels += int(counts[k])
        known.thick += int(thick[k])
        known.images += 1
        known.where += [name] if len(known.where) < MOST_NAMES else []
        known.filled += len(seen) == 1
        known.most = max(known.most, int(counts[k]))
        if value == VOID and len(seen) > 2:
            known.rim += _rim(values == VOID)
    found.both += bool(np.isin([1, VOID], seen).all())
    _add_numbers(found, seen, parts, firsts)
    _add_changes(found, picture, places, in_squares)


def _ranked(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The values there are, sorted; for each pixel which of them it has, H x W; and how many pixels have each."""
    low, high = int(values.min()), int(values.max())
    if high - low >= 1 << 16:
        seen, places, counts = np.unique(values, return_inverse=True, return_counts=True)
        return seen, places.reshape(values.shape), counts
    # many times as fast as sorting
    counts = np.bincount((values - low).ravel())
    seen = np.flatnonzero(counts)
    ranks = np.zeros(len(counts), np.int32)
    ranks[seen] = np.arange(len(seen))
    return seen + low, ranks[values - low], counts[seen]


def _in_squares(places: np.ndarray, side: int) -> np.ndarray:
    """H x W bool: what lies in a square of that side of one value, which the picture's frame may cut."""
    kernel = np.ones((side, side), np.uint8)
    # beyond the frame lies what lies at it
    low = cv2.erode(places, kernel, borderType=cv2.BORDER_REPLICATE)
    centres = low == cv2.dilate(places, kernel, borderType=cv2.BORDER_REPLICATE)
    return cv2.dilate(centres.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0


def _parts(places: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each value: how many connected parts it has (4 neighbours), and its first pixel, row after row."""
    height, width = places.shape
    # pixels, with what joins them between
    joined = np.zeros((2 * height - 1, 2 * width - 1), np.uint8)
    joined[::2, ::2] = 1
    joined[::2, 1::2] = places[:, 1:] == places[:, :-1]
    joined[1::2, ::2] = places[1:] == places[:-1]
    _, numbers = cv2.connectedComponents(joined, connectivity=4)
    _, firsts = np.unique(numbers[::2, ::2], return_index=True)
    of_parts = places.ravel()[firsts].astype(np.int64)
    first_pixels = np.full(count, places.size)
    np.minimum.at(first_pixels, of_parts, firsts)
    return np.bincount(of_parts, minlength=count), first_pixels


def _rim(mask: np.ndarray) -> int:
    """Pixels in parts that touch the frame, or that are narrow."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    at_frame = np.isin(parts, np.unique(edge[edge > 0]))
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((RIM, RIM), np.uint8)) > 0
    return int(np.count_nonzero(mask & (at_frame | ~opened)))


def _add_numbers(found: Looks, seen: np.ndarray, parts: np.ndarray, firsts: np.ndarray) -> None:
    own = seen != 0
    if own.any():
        rows = firsts[own]
        in_order = bool((np.diff(rows) > 0).all())
        found.numbers.append(Numbers(int(own.sum()), int(seen.max()), int((parts[own] == 1).sum()), in_order))


def _add_changes(found: Looks, picture: np.ndarray, places: np.ndarray, thick: np.ndarray) -> None:
    """Where two squares touch, one value changes into another at once; by way of another where a pixel in no square
    lies, in every channel, between its neighbours in a row or column."""
    colours = without_alpha(picture).astype(np.float64)
    for along in (0, 1):
        steps = np.diff(colours, axis=along)
        changes = np.diff(places, axis=along) != 0
        first, second = _neighbours(thick, along)
        if places.max() >= SEVERAL:
            ranks = np.abs(np.diff(places, axis=along))
            found.single += int(np.count_nonzero(ranks == 1))
            found.changes += int(np.count_nonzero(ranks))
        found.direct += int(np.count_nonzero(changes & first & second))
        (before, after), (left, right) = _neighbours(steps, along), _neighbours(changes, along)
        monotone = (before * after >= 0).all(axis=2) & left & right
        middle = _neighbours(_neighbours(thick, along)[1], along)[0]
        found.gradual += int(np.count_nonzero(monotone & ~middle))


def _neighbours(array: np.ndarray, along: int) -> tuple[np.ndarray, np.ndarray]:
    return (array[:-1], array[1:]) if along == 0 else (array[:, :-1], array[:, 1:])
