"""What the pixels of a mask mean: small functions from H x W x C, as the file holds it, to labels H x W x 1.

Each raises UserError without the name of the file, which the one who reads it puts in front (`mask a.png holds …`).
"""

from collections.abc import Callable

import cv2
import numpy as np

from pipeline.errors import UserError

VOID = 255  # the label of what is neither learnt nor scored
SOFT = 16  # more values than this in a mask that should have a few are soft edges
NEARLY_WHITE = 224
COLOURED = 1 << 48  # marks numbers that stand for a colour, not a grey value

Labels = Callable[[np.ndarray], np.ndarray]


def binary(picture: np.ndarray) -> np.ndarray:
    """Not 0 is the class: masks of 0 and 1, 0 and 255, black and one colour.

    Raises UserError for a mask with more than one value beside 0.
    """
    values = values_of(picture)
    top = values.max()
    if not ((values == 0) | (values == top)).all():
        seen = np.unique(values)
        if _are_soft(seen, SOFT):
            raise UserError(
                f"holds {len(seen)} different values, not two: its edges are soft (saved as JPEG, or resized); save it "
                "as PNG without smoothing, or use labels=above(127)"
            )
        raise UserError(
            f"holds the values {_said(seen)}, a binary mask 0 and one other: use labels=class_ids(…) or "
            "labels=palette(…) for classes, labels=above(0) if all of them are the one class"
        )
    return (values > 0).astype(np.uint8)[..., None]


def above(level: int) -> Labels:
    """What is brighter than `level` is the class: for masks whose edges are soft."""

    def labels(picture: np.ndarray) -> np.ndarray:
        return (_without_alpha(picture).max(axis=2, keepdims=True) > level).astype(np.uint8)

    return labels


def class_ids(count: int, void: int | None = None) -> Labels:
    """The values of a mask are the numbers of classes, 0 to count - 1; `void` is to be ignored (and becomes 255)."""
    if not 2 <= count <= VOID:
        raise UserError(f"class_ids({count}): there can be from 2 to {VOID} classes")

    def labels(picture: np.ndarray) -> np.ndarray:
        values = values_of(picture)
        ignored = values == void if void is not None else np.zeros(values.shape, bool)
        wrong = ((values >= count) | (values < 0)) & ~ignored
        if wrong.any():
            raise UserError(_not_a_class(np.unique(values), np.unique(values[wrong]), count))
        return np.where(ignored, VOID, values).astype(np.uint8)[..., None]

    return labels


def palette(colours: dict[str, tuple[int, int, int]], void: tuple[int, int, int] | None = None) -> Labels:
    """The colours of a mask (red, green, blue) are classes, numbered in the order of `colours`; `void` is to be ignored
    (and becomes 255). PNGs with a palette are read by their colours too."""
    table = {**{_code(colour): k for k, colour in enumerate(colours.values())}, **({_code(void): VOID} if void else {})}
    if len(table) != len(colours) + bool(void):
        raise UserError("palette(…): two classes have the same colour; each needs one of its own")
    codes = np.array(sorted(table))
    numbers = np.array([table[code] for code in codes.tolist()], np.uint8)

    def labels(picture: np.ndarray) -> np.ndarray:
        values = _codes(picture)
        places = np.searchsorted(codes, values).clip(0, len(codes) - 1)
        if (codes[places] != values).any():
            raise UserError(_not_in_palette(np.unique(values), colours, codes))
        return numbers[places][..., None]

    return labels


def objects(picture: np.ndarray) -> np.ndarray:
    """Every value or colour but 0 (black) is an object of its own: H x W x 1, uint16."""
    seen, numbers = np.unique(values_of(picture), return_inverse=True)
    _refuse_too_many(len(seen))
    return (numbers.reshape(picture.shape[:2]) + (seen[0] != 0)).astype(np.uint16)[..., None]


def parts(picture: np.ndarray) -> np.ndarray:
    """Every connected part of a binary mask is an object (4 neighbours): H x W x 1, uint16."""
    count, numbers = cv2.connectedComponents(binary(picture), connectivity=4)
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
    colours = _without_alpha(picture)
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


def is_grey(picture: np.ndarray) -> bool:
    """Whether all channels of H x W x C are alike."""
    return bool((picture == picture[..., :1]).all())


def _without_alpha(picture: np.ndarray) -> np.ndarray:
    return picture[..., :3] if picture.shape[2] == 4 else picture


def values_of(picture: np.ndarray) -> np.ndarray:
    """H x W int64: the grey value of each pixel, or a number that stands for its colour (see `colour_of`)."""
    colours = _whole(_without_alpha(picture))
    grey = (colours == colours[..., :1]).all(axis=2)
    return colours[..., 0] if grey.all() else np.where(grey, colours[..., 0], _codes(colours) | COLOURED)


def _codes(picture: np.ndarray) -> np.ndarray:
    """H x W int64: a number for each colour; grey v is the colour (v, v, v)."""
    colours = _whole(with_channels(picture, 3))
    return (colours[..., 0] << 32) | (colours[..., 1] << 16) | colours[..., 2]


def _code(colour: tuple[int, int, int]) -> int:
    red, green, blue = colour
    return (int(red) << 32) | (int(green) << 16) | int(blue)


def colour_of(code: int) -> tuple[int, int, int]:
    """(red, green, blue) of a number that stands for a colour."""
    return (int(code) >> 32) & 0xFFFF, (int(code) >> 16) & 0xFFFF, int(code) & 0xFFFF


def _whole(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind in "if" and values.size and values.min() < 0:
        raise UserError(f"holds the value {values.min()}; a mask holds 0 and what is above it")
    if values.dtype.kind == "f" and not np.array_equal(values, np.floor(values)):
        raise UserError("holds fractions; a mask holds whole numbers: save probabilities as 0 and 1 first")
    return values.astype(np.int64)


def _not_a_class(seen: np.ndarray, wrong: np.ndarray, count: int) -> str:
    value = int(wrong[-1])
    if value & COLOURED:
        return f"holds the colour {colour_of(value)}, not only numbers of classes: use labels=palette(…)"
    if _are_soft(seen, max(SOFT, 2 * count)):
        return (
            f"holds {len(seen)} different values but there are only {count} classes: its edges are soft (saved as "
            "JPEG, or resized); save it as PNG without smoothing"
        )
    line = f"holds the value {value} but there are only {count} classes (0 to {count - 1})"
    if wrong.tolist() == [VOID]:
        return (
            f"{line}: 0/255 masks are binary: use labels=binary; if 255 means ignore, labels=class_ids({count}, "
            "void=255)"
        )
    if value > VOID // 2:
        return f"{line}: if greys stand for classes, use labels=palette({{name: (grey, grey, grey), …}})"
    return f"{line}: use class_ids({value + 1}), or class_ids({count}, void={value}) if it means ignore"


def _not_in_palette(seen: np.ndarray, colours: dict, codes: np.ndarray) -> str:
    unknown = seen[~np.isin(seen, codes)]
    colour = colour_of(unknown[0])
    greys = [red for red, green, blue in map(colour_of, unknown) if red == green == blue]
    if len(unknown) > max(SOFT, 2 * len(codes)) or _are_soft(greys, SOFT):
        return (
            f"holds {len(unknown)} colours that are not in the palette: its edges are soft (saved as JPEG, or "
            "resized); save it as PNG without smoothing"
        )
    distances = {name: sum((a - b) ** 2 for a, b in zip(colour, own, strict=True)) for name, own in colours.items()}
    nearest = min(distances, key=distances.get)
    line = f"holds the colour {colour}, which is not in the palette (nearest: {nearest} {tuple(colours[nearest])})"
    if len(greys) == len(unknown):
        return f"{line}: add it, or use labels=class_ids(…) if the masks hold numbers of classes"
    return f"{line}: add it, or make it void"


def _are_soft(values, most: int) -> bool:
    """More values than `most`, or several just below 255: what JPEG makes of black and white."""
    return len(values) > most or sum(NEARLY_WHITE <= value < VOID for value in values) > 1


def _said(values) -> str:
    return ", ".join(str(colour_of(value) if value & COLOURED else int(value)) for value in values)
