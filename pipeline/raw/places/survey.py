"""What a folder of images and masks holds: sizes, channels, what the masks hold."""

import re
from dataclasses import dataclass

import numpy as np

from pipeline.imaging import evenly
from pipeline.raw.files import RawFiles
from pipeline.raw.meaning.colours import is_grey, without_alpha
from pipeline.raw.meaning.looks import Looks, Masks, look
from pipeline.raw.places import layout as layouts
from pipeline.raw.places.finding import Found
from pipeline.raw.places.layout import Layout
from pipeline.raw.places.stacks import Page

MOST, FEWEST = 300, 12  # pictures looked at, evenly spread: fewer where they are large
MOST_PIXELS = 1 << 26


@dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes:
        found: which files belong together. layout: in which folders they are.
        looked_at: how many masks.
        smallest, largest: (height, width) of the images with the fewest and the most pixels; longest: of the one
            whose sides differ most, by their ratio.
        channels: 1 for grey (also as three equal channels), 3 for colours, None for anything else.
        depth: of the images: uint8 …
        looks: what the masks hold.
        read: reads the masks that were looked at again, one by one.
        hint: a regular expression of what the names may share, or blank.
    """

    found: Found
    layout: Layout
    looked_at: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    longest: tuple[int, int]
    channels: int | None
    depth: str
    looks: Looks
    read: Masks
    hint: str

    @property
    def bare(self) -> int:
        """How many images have neither a mask nor a place among those to answer."""
        return len(self.found.bare)

    @property
    def images(self) -> str:
        """The folder of the images, as somebody would name it."""
        return self.layout.images

    @property
    def masks(self) -> str:
        """The folder of the masks; the first of several."""
        return self.layout.layers[0]

    @property
    def test(self) -> str:
        """The folder of the images to answer; blank for none."""
        return self.layout.test


def elongation(size: tuple[int, int]) -> float:
    """The longer side of (height, width) by the shorter one: 1 is a square."""
    return max(size) / min(size)


def survey(raw: RawFiles, images: str = "", masks: str = "", test: str = "") -> Survey:
    """Looks for the folders that are not named.

    Raises UserError where names do not fit together or pictures cannot be read.
    """
    layout = layouts.choose(raw, images, masks, test)
    found = layout.find(raw)
    pairs = _pairs(found)
    if not pairs:
        layouts.refuse_only_tests(raw, layout)
    chosen = seen_of(pairs, pairs[0][1].read(raw)[..., 0].size)
    looks = [_look(image.read(raw)) for image, _ in evenly.some(chosen, 50)]
    sizes = set()

    def read():
        for _, mask in chosen:
            picture = mask.read(raw)
            sizes.add(picture.shape[:2])
            # of a page of a stack the file says nothing more
            yield str(mask), raw.read(mask.name) if mask.number is None else b"", picture

    looks_of_masks = look(read)
    return Survey(
        found=found,
        layout=layout,
        looked_at=len(chosen),
        smallest=min(sizes, key=lambda size: (size[0] * size[1], size)),
        largest=max(sizes, key=lambda size: (size[0] * size[1], size)),
        longest=max(sizes, key=lambda size: (elongation(size), size)),
        channels=_channels(looks),
        depth=looks[0][2],
        looks=looks_of_masks,
        read=read,
        hint=_hint(list(found.train)),
    )


def seen_of(pairs: list, pixels: int) -> list:
    """Those of many that are looked at, where each is an image of so many pixels, or its mask, or both."""
    return evenly.some(pairs, min(MOST, max(FEWEST, MOST_PIXELS // pixels)))


def _pairs(found: Found) -> list[tuple[Page, Page]]:
    """(image, mask) of all masks of images that are learnt from, layer after layer of one image."""
    return [
        (image, mask) for name, image in found.train.items() for layer in found.masks for mask in layer.get(name, ())
    ]


def _look(picture: np.ndarray) -> tuple[int, bool, str]:
    """Channels without alpha, whether grey, and dtype of an image: its pixels need not be kept."""
    colours = without_alpha(picture)
    return colours.shape[2], is_grey(colours), str(picture.dtype)


def _channels(looks: list[tuple[int, bool, str]]) -> int | None:
    if not {count for count, _, _ in looks} <= {1, 3}:
        return None
    return 1 if all(grey for _, grey, _ in looks) else 3


def _hint(names: list[str]) -> str:
    """What names may share: `patient3_017` and `patient3_018`. Blank unless a few groups share all of them."""
    pattern = r"^(.+)[_-][^_-]+$"
    groups = {match[1] for match in (re.search(pattern, name) for name in names) if match}
    matches = all(re.search(pattern, name) for name in names)
    return pattern if matches and 2 <= len(groups) <= len(names) / 3 else ""
