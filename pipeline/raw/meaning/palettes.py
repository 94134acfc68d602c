"""The palette of a picture file: which number stands for which colour, and which numbers its pixels have."""

import io
from dataclasses import dataclass, field

import numpy as np

from pipeline.raw.meaning.colours import values_of

# PNG, GIF, BMP, TIFF: other files have no palette
WITH_PALETTE = (b"\x89PNG", b"GIF8", b"BM", b"II", b"MM")


def of_file(content: bytes) -> tuple[dict[int, int], list[int]]:
    """number -> its colour (as `values.values_of` has it), of the numbers that pixels of the file have, and the colours
    of all numbers; nothing where it has no palette, or one of greys that are their own numbers."""
    if not content.startswith(WITH_PALETTE):
        return {}, []
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as picture:
            if picture.mode != "P":
                return {}, []
            numbers, colours = np.unique(np.asarray(picture)).tolist(), picture.getpalette("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        # whether it can be read is said by those who read its colours
        return {}, []
    table = values_of(np.array(colours, np.uint8).reshape(1, -1, 3))[0].tolist()
    if table == list(range(len(table))):
        return {}, []
    return {number: table[number] for number in numbers if number < len(table)}, table


@dataclass
class Palettes:
    """Of many files.

    Attributes:
        colours: number -> colour, of the numbers in use.
        table: the colours of all numbers in the first file.
        files: how many have one.
        differ: the first file whose numbers mean something else than those of others; blank where there is none.
    """

    colours: dict[int, int] = field(default_factory=dict)
    table: list[int] = field(default_factory=list)
    files: int = 0
    differ: str = ""

    def add(self, found: dict[int, int], table: list[int], name: str) -> None:
        """What `of_file` gives of a file."""
        self.files += bool(found)
        numbers = {colour: number for number, colour in self.colours.items()}
        for number, colour in found.items():
            # a colour twice in one palette is no contradiction
            other = numbers.get(colour, number) not in found and numbers.get(colour, number) != number
            if self.colours.get(number, colour) != colour or other:
                self.differ = self.differ or name
            self.colours.setdefault(number, colour)
        self.table = self.table or table

    @property
    def twins(self) -> list[int]:
        """Numbers in use whose colour another one in use has, too: their pixels cannot be told apart."""
        colours = list(self.colours.values())
        return [] if self.differ else [n for n, colour in self.colours.items() if colours.count(colour) > 1]

    def up_to(self, top: int) -> list[int]:
        """The colours of the numbers 0 to `top`, in use or not; [] where two of these are the same."""
        colours = [self.colours.get(number, self.table[number]) for number in range(top + 1)]
        return colours if len(set(colours)) == len(colours) else []

    @property
    def order(self) -> list[int]:
        """The colours in the order of their numbers; [] where there is no palette, or not one for all."""
        return [] if self.differ else [self.colours[number] for number in sorted(self.colours)]
