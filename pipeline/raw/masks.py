"""What the pixels of a mask mean: small functions from H x W x C, as the file holds it, to labels H x W x 1.

Each raises UserError without the name of the file, which the one who reads it puts in front (`mask a.png holds …`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.errors import UserError
from pipeline.raw.meaning import wrong_values
from pipeline.raw.meaning.colours import (
    VOID,
    code_of,
    codes_of,
    is_grey,
    refuse_negative,
    values_of,
    without_alpha,
)
from pipeline.raw.meaning.nearest import by_edges, by_value_or_place
from pipeline.raw.pixels.alpha import has_alpha

FEW = 4  # pixels that may be strays in a mask however small it is

Labels = Callable[[np.ndarray], np.ndarray]
Value = int | tuple[int, int, int]


@dataclass(frozen=True)
class Tolerant:
    """Labels that forgive: `find` returns them, and how many pixels had a value that is no class's own."""

    find: Callable[[np.ndarray], tuple[np.ndarray, int]]

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        return self.find(picture)[0]


def tolerated(labels: Labels, picture: np.ndarray) -> tuple[np.ndarray, int]:
    """The labels of a mask, and how many of its pixels were forgiven a value that is no class's own."""
    return labels.find(picture) if isinstance(labels, Tolerant) else (labels(picture), 0)


def binary(picture: np.ndarray) -> np.ndarray:
    """Not 0 is the class: masks of 0 and 1, 0 and 255, black and one colour.

    Raises UserError for a mask with more than one value beside 0.
    """
    values = values_of(picture)
    refuse_negative(values)
    if not ((values == 0) | (values == values.max())).all():
        raise UserError(wrong_values.not_two(values))
    return (values > 0).astype(np.uint8)[..., None]


def as_published(picture: np.ndarray) -> np.ndarray:
    """Not 0 in the first channel is the class: of masks of 0 and one other value that nobody need mend.

    Raises UserError for a mask with more than one value beside 0.
    """
    mask = picture[..., :1]
    values = np.unique(mask[mask > 0])
    if len(values) > 1:
        raise UserError(f"holds {len(values)} values beside 0, a mask holds one (255); download it again")
    return (mask > 0).astype(np.uint8)


def above(level: float, most: float = 1.0) -> Labels:
    """What is brighter than `level` is the class: for masks whose edges are soft, and for probabilities (0.5).

    A mask is refused where a share of more than `most` of its pixels is neither dark nor bright (from half of `level`
    to one and a half), and, if `most` says something, where nothing reaches `level` though not all is black.
    """

    def labels(picture: np.ndarray) -> np.ndarray:
        return (_bright(picture, level, most) > level).astype(np.uint8)

    return labels


def below(level: float, most: float = 1.0) -> Labels:
    """What is darker than `level` is the class: for masks of black on white. `most` as in `above`."""

    def labels(picture: np.ndarray) -> np.ndarray:
        return (_bright(picture, level, most) < level).astype(np.uint8)

    return labels


def _bright(picture: np.ndarray, level: float, most: float) -> np.ndarray:
    """H x W x 1: the brightest of the colours of each pixel. Raises UserError as `above` says."""
    bright = without_alpha(picture).max(axis=2, keepdims=True)
    if most >= 1:
        return bright
    between = float(np.mean((bright > level / 2) & (bright < 1.5 * level)))
    if between > most:
        raise UserError(
            f"has {between:.1%} of its pixels from {level / 2:g} to {1.5 * level:g}, neither dark nor bright (allowed: "
            f"{most:.1%}): is it a mask of one class?"
        )
    if 0 < bright.max() <= level:
        raise UserError(f"holds values up to {bright.max():g} only, nothing above {level:g}: is it a mask like others?")
    return bright


def class_ids(count: int, void: int | None = None) -> Labels:
    """The values of a mask are the numbers of classes, 0 to count - 1; `void` is to be ignored (and becomes 255)."""
    if not 2 <= count <= VOID:
        raise UserError(f"class_ids({count}): there can be from 2 to {VOID} classes")

    def labels(picture: np.ndarray) -> np.ndarray:
        values = values_of(picture)
        ignored = values == void if void is not None else np.zeros(values.shape, bool)
        wrong = ((values >= count) | (values < 0)) & ~ignored
        if wrong.any():
            raise UserError(wrong_values.not_a_class(np.unique(values), np.unique(values[wrong]), count))
        return np.where(ignored, VOID, values).astype(np.uint8)[..., None]

    return labels


def palette(colours: dict[str, tuple[int, int, int]], void: tuple[int, int, int] | None = None) -> Labels:
    """The colours of a mask (red, green, blue) are classes, numbered in the order of `colours`; `void` is to be ignored
    (and becomes 255). PNGs with a palette are read by their colours too."""
    table = {code_of(colour): k for k, colour in enumerate(colours.values())}
    table |= {code_of(void): VOID} if void else {}
    if len(table) != len(colours) + bool(void):
        raise UserError("palette(…): two classes have the same colour; each needs one of its own")
    codes = np.array(sorted(table))
    numbers = np.array([table[code] for code in codes.tolist()], np.uint8)

    def labels(picture: np.ndarray) -> np.ndarray:
        values = codes_of(picture)
        places = np.searchsorted(codes, values).clip(0, len(codes) - 1)
        if (codes[places] != values).any():
            raise UserError(wrong_values.not_in_palette(np.unique(values), colours, codes))
        return numbers[places][..., None]

    return labels


def near(values: Mapping[str, Value], void: Value | None = None, most: float = 0.01) -> Labels:
    """The greys (0, 255) or colours (red, green, blue) of a mask are classes, numbered in the order of `values`; `void`
    is to be ignored (and becomes 255). A pixel of another value falls to the nearest class: to the one whose value is
    far nearer than all others', or else to that of the nearest pixel.

    Of every mask such pixels can be a share of `most`, or FEW: more are refused.
    """
    table, numbers = _table(values, void)

    return _forgiving(table, numbers, most, by_value_or_place)


def soft(values: Mapping[str, Value], most: float, wide: int = 3) -> Labels:
    """As `near`, for several classes whose edges are soft (resized, blurred, saved as JPEG): a pixel at an edge, which
    may be `wide` pixels broad, falls to one of the classes on its two sides. `most`: which share of the pixels of a
    mask can be of no class's own value; more is refused."""
    table, numbers = _table(values, None)

    return _forgiving(table, numbers, most, lambda pixels, classes: by_edges(pixels, classes, wide))


def _forgiving(table: np.ndarray, numbers: np.ndarray, most: float, places: Callable) -> Tolerant:
    """Labels by `places` of `nearest`."""

    def find(picture: np.ndarray) -> tuple[np.ndarray, int]:
        pixels, classes = _alike(picture, table)
        place, others = places(pixels, classes)
        count = int(np.count_nonzero(others))
        if count > max(FEW, most * others.size):
            raise UserError(wrong_values.too_many(pixels[others], count, others.size, table, most))
        return numbers[place][..., None], count

    return Tolerant(find)


def in_alpha(labels: Labels) -> Labels:
    """The mask is the alpha channel: what `labels` says of that. Colours count for nothing."""

    def find(picture: np.ndarray) -> tuple[np.ndarray, int]:
        if not has_alpha(picture):
            if not picture.any():
                # nothing is opaque
                return tolerated(labels, picture[..., :1])
            raise UserError(f"has {picture.shape[2]} channel(s), none of which is alpha")
        return tolerated(labels, picture[..., -1:])

    return Tolerant(find)


def over_black(labels: Labels) -> Labels:
    """What is transparent (alpha 0) is black, whatever its colour: then as `labels` says."""

    def find(picture: np.ndarray) -> tuple[np.ndarray, int]:
        if has_alpha(picture):
            picture = np.where(picture[..., 3:] == 0, picture.dtype.type(0), picture[..., :3])
        return tolerated(labels, picture)

    return Tolerant(find)


def _table(values: Mapping[str, Value], void: Value | None) -> tuple[np.ndarray, np.ndarray]:
    """K x 3 values and K labels. Raises UserError where two classes have the same value."""
    rows = [
        value if isinstance(value, tuple) else (value,) * 3 for value in (*values.values(), void) if value is not None
    ]
    if len(set(rows)) != len(rows):
        raise UserError("two classes have the same value or colour; each needs one of its own")
    labels = [*range(len(values)), *([VOID] if void is not None else [])]
    return np.array(rows, np.int64), np.array(labels, np.uint8)


def _alike(picture: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels H x W x C and classes K x C, int64, both of one channel where all is grey, else of three."""
    colours = without_alpha(picture)
    if colours.dtype.kind == "f":
        colours = np.rint(colours)
    pixels = colours.astype(np.int64)
    if is_grey(table[None]) and is_grey(pixels):
        return pixels[..., :1], table[:, :1]
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3)), table


def objects(picture: np.ndarray) -> np.ndarray:
    """Every value or colour but 0 (black) is an object of its own: H x W x 1, uint16."""
    values = values_of(picture)
    refuse_negative(values)
    seen, numbers = np.unique(values, return_inverse=True)
    _refuse_too_many(len(seen))
    return (numbers.reshape(picture.shape[:2]) + (seen[0] != 0)).astype(np.uint16)[..., None]


def parts(picture: np.ndarray) -> np.ndarray:
    """Every connected part of a binary mask is an object (4 neighbours): H x W x 1, uint16."""
    return _numbered(binary(picture))


def parts_of(labels: Labels) -> Labels:
    """Every connected part of what `labels` finds (not 0) is an object: `parts_of(above(127))`."""

    def find(picture: np.ndarray) -> tuple[np.ndarray, int]:
        found, count = tolerated(labels, picture)
        return _numbered((found > 0).astype(np.uint8)), count

    return Tolerant(find)


def _numbered(mask: np.ndarray) -> np.ndarray:
    count, numbers = cv2.connectedComponents(mask, connectivity=4)
    _refuse_too_many(count)
    return numbers.astype(np.uint16)[..., None]


def _refuse_too_many(count: int) -> None:
    """Raises UserError where objects cannot be numbered in 16 bits."""
    if count > 65535:
        raise UserError(f"holds {count} objects, which is noise: is it a mask?")


def with_channels(picture: np.ndarray, channels: int | None) -> np.ndarray:
    """H x W x C with 1 channel (grey) or 3, without alpha; None leaves it as it is."""
    if channels is None or picture.shape[2] == channels:
        return picture
    colours = without_alpha(picture)
    if channels == 3 and colours.shape[2] == 1:
        return np.repeat(colours, 3, axis=2)
    if channels == 1 and colours.shape[2] == 3:
        if is_grey(colours):
            return colours[..., :1]
        grey = colours.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        return (grey if colours.dtype.kind == "f" else np.rint(grey)).astype(colours.dtype)[..., None]
    if colours.shape[2] == channels:
        return colours
    raise UserError(f"an image has {picture.shape[2]} channels, which cannot be made {channels}; use channels=None")
