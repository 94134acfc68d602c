"""What is wrong with the values of a mask, and which labels to use instead: for messages."""

import math

import numpy as np

from pipeline.raw.meaning.colours import VOID, colour_of, is_coloured, plain_of

SOFT = 16  # more values than this in a mask that should have a few are soft edges
NEARLY_WHITE = 224
FEW_OF_100 = 1  # per cent of the pixels that may be strays


def not_two(values: np.ndarray) -> str:
    """Of H x W values (of `values.values_of`) that are not 0 and one other."""
    seen, counts = np.unique(values, return_counts=True)
    if are_soft(seen, SOFT):
        return (
            f"holds {len(seen)} different values, not two: its edges are soft (saved as JPEG, or resized); save it as "
            "PNG without smoothing, or use labels=above(127)"
        )
    line = f"holds the values {said(seen)}, a binary mask 0 and one other"
    own, pixels = seen[seen != 0], counts[seen != 0]
    others = pixels.sum() - pixels.max()
    if others <= FEW_OF_100 / 100 * values.size:
        most = plain_of(own[pixels.argmax()])
        return (
            f'{line}: use labels=near({{"background": 0, "object": {most}}}) if the {others} pixel(s) of another value '
            "are strays, or labels=class_ids(…) or labels=palette(…) for classes"
        )
    return (
        f"{line}: use labels=class_ids(…) or labels=palette(…) for classes, labels=above(0) if all of them are the one "
        "class"
    )


def too_many(others: np.ndarray, count: int, size: int, table: np.ndarray, most: float) -> str:
    found, counts = np.unique(others, axis=0, return_counts=True)
    commonest = tuple(found[counts.argmax()].tolist())
    value = commonest if len(commonest) == 3 and len(set(commonest)) > 1 else commonest[0]
    return (
        f"holds {count} pixels ({math.ceil(1000 * count / size) / 10:g} %, allowed: {100 * most:g} %) of {len(found)} "
        f"values that are none of the {len(table)} classes, most of them {value}: is it a mask like the others?"
    )


def not_a_class(seen: np.ndarray, wrong: np.ndarray, count: int) -> str:
    value = int(wrong[-1])
    if is_coloured(value):
        return f"holds the colour {colour_of(value)}, not only numbers of classes: use labels=palette(…)"
    if are_soft(seen, max(SOFT, 2 * count)):
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


def not_in_palette(seen: np.ndarray, colours: dict, codes: np.ndarray) -> str:
    unknown = seen[~np.isin(seen, codes)]
    colour = colour_of(unknown[0])
    greys = [red for red, green, blue in map(colour_of, unknown) if red == green == blue]
    if len(unknown) > max(SOFT, 2 * len(codes)) or are_soft(greys, SOFT):
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


def are_soft(values, most: int) -> bool:
    """More values than `most`, or several just below 255: what JPEG makes of black and white."""
    return len(values) > most or sum(NEARLY_WHITE <= value < VOID for value in values) > 1


def said(values) -> str:
    return ", ".join(str(plain_of(value)) for value in values)
