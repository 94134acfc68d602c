"""What a folder of images and masks holds: sizes, channels, the values or colours of the masks."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError
from pipeline.raw import folders as image_folders
from pipeline.raw.files import RawFiles
from pipeline.raw.folders import ENDINGS, Found
from pipeline.raw.masks import COLOURED, is_grey, values_of

# how people call them, the likeliest first
IMAGES = ("images", "image", "imgs", "img", "photos", "frames", "pictures")
MASKS = ("masks", "mask", "labels", "label", "annotations", "segmentations", "segmentation", "gt")
TEST = ("test", "test_images", "testing")
MOST = 300  # pictures looked at, evenly spread


@dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes:
        found: which files belong together; images, masks, test: the names of their folders ("" for no test).
        looked_at: how many masks.
        smallest, largest: (height, width) of the images with the fewest and the most pixels.
        channels: 1 for grey (also as three equal channels), 3 for colours, None for anything else.
        depth: of the images: uint8 …
        pixels: how many pixels of the masks have each value (of `masks.values_of`).
        most: distinct values in the mask that has the most of them.
        order: the values in the order of the palette of the first mask, where it is a PNG with one.
        hint: a regular expression of what the names may share, or blank.
    """

    found: Found
    images: str
    masks: str
    test: str
    looked_at: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    channels: int | None
    depth: str
    pixels: dict[int, int]
    most: int
    order: list[int]
    hint: str

    @property
    def bare(self) -> int:
        """How many images have neither a mask nor a place among those to answer."""
        return sum(name not in self.found.masks[0] for name in self.found.train)


def survey(raw: RawFiles, images: str = "", masks: str = "", test: str = "") -> Survey:
    """Looks for the folders that are not named.

    Raises UserError where names do not fit together or pictures cannot be read.
    """
    images, masks = images or _folder(raw, IMAGES), masks or _folder(raw, MASKS)
    if not images and not masks and any(ENDINGS.search(name.rpartition(".")[0]) for name in raw.names):
        # all in one place, told apart by their endings
        images = masks = ""
    else:
        images, masks = images or IMAGES[0], masks or MASKS[0]
    test = test or _folder(raw, TEST)
    found = image_folders.find(raw, images, masks, test)
    pairs = [(found.train[name], mask) for name, mask in found.masks[0].items() if name in found.train]
    if not pairs:
        raise UserError(f"{raw.folder}: every mask belongs to an image in {test}/; put what is to be learnt elsewhere")
    chosen = [pairs[i] for i in np.unique(np.linspace(0, len(pairs) - 1, MOST).astype(int))]
    looks = [_look(raw.picture(image)) for image, _ in chosen[:: -(-len(chosen) // 50)]]
    pixels, sizes, most = Counter(), set(), 0
    for _, mask in chosen:
        picture = raw.picture(mask)
        seen, counts = _values(picture, mask)
        pixels.update(dict(zip(seen.tolist(), counts.tolist(), strict=True)))
        most = max(most, len(seen))
        sizes.add(picture.shape[:2])
    return Survey(
        found=found,
        images=images,
        masks=masks,
        test=test,
        looked_at=len(chosen),
        smallest=min(sizes, key=lambda size: (size[0] * size[1], size)),
        largest=max(sizes, key=lambda size: (size[0] * size[1], size)),
        channels=_channels(looks),
        depth=looks[0][2],
        pixels=dict(pixels),
        most=most,
        order=_palette(raw.read(chosen[0][1])),
        hint=_hint(list(found.train)),
    )


def _folder(raw: RawFiles, candidates: tuple[str, ...]) -> str:
    """The first of these folders that is there; blank when none is."""
    ways = {part for name in raw.names for part in image_folders.way(name)}
    return next((folder for folder in candidates if folder in ways), "")


def _values(mask: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        return np.unique(values_of(mask), return_counts=True)
    except UserError as error:
        raise UserError(f"mask {name} {error}") from error


def _look(picture: np.ndarray) -> tuple[int, bool, str]:
    """Channels, whether grey, and dtype of an image: its pixels need not be kept."""
    return picture.shape[2], is_grey(picture[..., :3]), str(picture.dtype)


def _channels(looks: list[tuple[int, bool, str]]) -> int | None:
    if not {count for count, _, _ in looks} <= {1, 3, 4}:
        return None
    return 1 if all(grey for _, grey, _ in looks) else 3


def _palette(content: bytes) -> list[int]:
    """The colours of a PNG's palette in its order, as `masks.values_of` numbers them; [] where it has none."""
    start = content.find(b"PLTE")
    # a palette comes before the pixels, whose bytes may spell anything
    if not content.startswith(b"\x89PNG") or start < 0 or start > content.find(b"IDAT"):
        return []
    length = int.from_bytes(content[start - 4 : start], "big")
    colours = np.frombuffer(content[start + 4 : start + 4 + length], np.uint8).reshape(1, -1, 3)
    alone = [values_of(colours[:, i : i + 1]).item() for i in range(colours.shape[1])]
    return list(dict.fromkeys(alone))


def _hint(names: list[str]) -> str:
    """What names may share: `patient3_017` and `patient3_018`. Blank unless a few groups share all of them."""
    pattern = r"^(.+)[_-][^_-]+$"
    groups = {match[1] for match in (re.search(pattern, name) for name in names) if match}
    matches = all(re.search(pattern, name) for name in names)
    return pattern if matches and 2 <= len(groups) <= len(names) / 3 else ""


def is_coloured(value: int) -> bool:
    """Whether a value of `pixels` stands for a colour that is not grey."""
    return bool(value & COLOURED)
