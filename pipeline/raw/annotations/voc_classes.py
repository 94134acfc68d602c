"""Which classes the masks in VOC's folders show: their names, and the colours or numbers that stand for them."""

from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.imaging import evenly
from pipeline.raw.files import RawFiles
from pipeline.raw.meaning.colours import COLOURED, colour_of, values_of
from pipeline.raw.places.candidates import LOSSY
from pipeline.raw.places.names import normal

Colour = tuple[int, int, int]
BLACK, WHITE, BORDER = (0, 0, 0), (255, 255, 255), (224, 224, 192)
VOCS = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "dining_table",
    "dog",
    "horse",
    "motorbike",
    "person",
    "potted_plant",
    "sheep",
    "sofa",
    "train",
    "tv_monitor",
]
# lists of names, as labelme's converter writes them: a line for each number, from 0 (the background) on
_LISTS = ("class_names.txt", "labels.txt", "classes.txt", "label_names.txt")
_BACKGROUND = ("_background_", "background", "bg")
_MOST = 300  # masks looked at
_HIGHEST = 200  # greys above this are no numbers of classes


@dataclass(frozen=True)
class Classes:
    """What masks show.

    Attributes:
        names: in the order of the numbers 1, 2, …; 0 is the background.
        colours: of these in the masks; () where masks hold the numbers.
        has_void: whether something is to be ignored.
        said: what was assumed, for people.
        are_likely: whether these are classes at all: not of masks that are JPEG, or greys with soft edges.
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...] = ()
    has_void: bool = False
    said: tuple[str, ...] = ()
    are_likely: bool = True


def seen_classes(raw: RawFiles, masks: list[str]) -> Classes:
    """The classes of these masks. Raises UserError for a mask that cannot be read."""
    seen, is_coloured = _seen(raw, masks)
    are_jpeg = any(name.lower().endswith(LOSSY) for name in masks)
    if named := _label_map(raw):
        own = {name: colour for name, colour in named.items() if colour not in (BLACK, BORDER)}
        has_void = bool(seen & {BORDER, WHITE} - set(own.values()))
        return Classes(tuple(own), tuple(own.values()), has_void, are_likely=not are_jpeg)
    if seen - {BLACK} == {WHITE}:
        return Classes(("object",), (WHITE,), said=("masks hold 0 and 255 alone: 255 is the class",))
    has_void, own = bool(seen & {BORDER, WHITE}), seen - {BLACK, BORDER, WHITE}
    are_likely = not are_jpeg and (is_coloured or _are_numbers({colour[0] for colour in own}))
    known = {voc_colour(number) if is_coloured else (number,) * 3: number for number in range(256)}
    if not own <= known.keys():
        colours = tuple(sorted(own))
        names = tuple(f"class_{k}" for k in range(1, len(own) + 1))
        return Classes(names, colours, has_void, are_likely=are_likely)
    names, said = _named(raw, {known[colour] for colour in own})
    colours = tuple(voc_colour(k) for k in range(1, len(names) + 1)) if is_coloured else ()
    return Classes(names, colours, has_void, said, are_likely)


def _are_numbers(greys: set[int]) -> bool:
    """Whether greys are numbers of classes: few, or most of those there can be."""
    top = max(greys, default=0)
    return top <= len(VOCS) or (top < _HIGHEST and top < 2 * len(greys))


def _seen(raw: RawFiles, masks: list[str]) -> tuple[set[Colour], bool]:
    """The colours in some of the masks, and whether there are others than greys."""
    values = set()
    for name in evenly.some(masks, _MOST):
        try:
            values |= set(np.unique(values_of(raw.picture(name))).tolist())
        except UserError as error:
            raise UserError(f"mask {name} {error}") from error
    is_coloured = any(value & COLOURED for value in values)
    return {colour_of(value) if value & COLOURED else (value,) * 3 for value in values}, is_coloured


def _named(raw: RawFiles, numbers: set[int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of classes 1, 2, … of which these are in use, and where they are from, for people."""
    top, said = max(numbers, default=0), ()
    file, listed = _listed(raw)
    if listed and top <= len(listed):
        return tuple(listed), (f"names of the classes are those in {file}",)
    if listed:
        said = (f"{file} names {len(listed)} classes, and masks hold the class {top}: it is not used",)
    todo = "name them in class_names.txt, a line for each, _background_ first, or in classes="
    # of twenty classes a few pictures show some: who has classes of their own numbers them 1, 2, 3
    if top == len(VOCS) or (top < len(VOCS) and numbers != set(range(1, top + 1))) or not numbers:
        shows = shown([f"{number} is {VOCS[number - 1]}" for number in sorted(numbers)])
        return tuple(VOCS), (*said, f"the classes are taken for VOC's own ({shows}); if they are others, {todo}")
    names = tuple(f"class_{k}" for k in range(1, top + 1))
    return names, (*said, f"nothing says what the classes are called: {todo}")


def _listed(raw: RawFiles) -> tuple[str, list[str]]:
    """A file with names of classes, and these, the background left aside; blank where there is none."""
    file = next((name for own in _LISTS if (name := raw.one(own))), "")
    lines = raw.read(file).decode("utf-8-sig", "replace").splitlines() if file else []
    names = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    names = [name for name in names if normal(name) != "__ignore__"]
    return file, names[1:] if names and normal(names[0]) in _BACKGROUND else names


def _label_map(raw: RawFiles) -> dict[str, Colour]:
    """name -> colour of labelmap.txt (`name:red,green,blue::`), as some programs add it; empty where there is none."""
    name = raw.one("labelmap.txt")
    found = {}
    for line in raw.read(name).decode("utf-8-sig", "replace").splitlines() if name else ():
        own, _, rest = line.partition(":")
        numbers = rest.partition(":")[0].split(",")
        if not line.startswith("#") and len(numbers) == 3 and all(word.strip().isdecimal() for word in numbers):
            found[own.strip()] = tuple(int(word) for word in numbers)
    return found


def voc_colour(number: int) -> Colour:
    """The colour of a class in VOC's palette: its bits, dealt out to red, green and blue."""
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (number >> (3 * place + channel) & 1) << (7 - place)
    return tuple(channels)
