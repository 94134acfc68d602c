"""Folders that may hold the masks, weighed by what is in a few of their pictures."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError
from pipeline.imaging import evenly
from pipeline.raw.files import RawFiles
from pipeline.raw.meaning.colours import values_of
from pipeline.raw.pixels.alpha import has_alpha
from pipeline.raw.places.names import normal
from pipeline.raw.places.stacks import Page

LOOKED_AT = 6
COVERS = 0.5  # a mask of more than this share of every picture, at the same place, is a field of view
LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif")


@dataclass(frozen=True)
class Candidate:
    """A folder of masks that may be meant.

    Attributes:
        layers: how it is asked for. ids: the train images that have a mask in it. place: among the words for masks.
        why_not: why it cannot be, for people. most: the most values that one of its pictures holds. covers: the share
            of all pixels that are not 0. is_field: it covers most of every picture, at the same place.
    """

    layers: tuple[str, ...]
    ids: frozenset[str] = frozenset()
    place: int = 0
    why_not: str = ""
    most: int = 0
    covers: float = 0.0
    is_field: bool = False

    @property
    def matched(self) -> int:
        return len(self.ids)

    @property
    def is_binary(self) -> bool:
        return self.most <= 2

    def rank(self) -> tuple:
        """Sorts the likeliest first."""
        return not self.matched, self.is_field, self.most > 256, -self.matched, self.place, self.layers

    def said_of(self) -> str:
        """What it covers, for people."""
        return f", {self.covers:.0%} of the pixels are not 0" if self.matched else ""

    def why(self) -> str:
        """Why another may be likelier, for people."""
        if self.why_not:
            return self.why_not
        if self.is_field:
            return f"{self.matched} match an image, but cover {self.covers:.0%} of every picture alike: a field of view"
        return f"{self.matched} match an image{self.said_of()}"


def judged(raw: RawFiles, layout, known: tuple[str, ...]) -> Candidate:
    """What is in the folder of masks of a layout of one layer, and whether it fits; `known` are words for masks."""
    tokens = normal(layout.layers[0]).replace("*", " ").replace("_", " ").replace(".", " ").split()
    place = min((known.index(token) for token in tokens if token in known), default=len(known))
    try:
        found = layout.find(raw)
        masks = {name: layer[name][0] for layer in found.masks[:1] for name in layer if name in found.train}
        seen = [_values(raw, page) for page in evenly.some(list(masks.values()), LOOKED_AT)]
    except UserError as error:
        reason = str(error).removeprefix(f"{raw.folder}: ").partition(";")[0]
        return Candidate(layout.layers, place=place, why_not=reason)
    if not masks:
        return Candidate(layout.layers, place=place, why_not="no mask in it belongs to an image that is learnt from")
    share = float(np.mean([np.mean(values != 0) for values in seen]))
    return Candidate(
        layers=layout.layers,
        ids=frozenset(masks),
        place=place,
        most=max(len(np.unique(values)) for values in seen),
        covers=share,
        is_field=_is_field(seen),
    )


def _values(raw: RawFiles, page: Page) -> np.ndarray:
    """H x W: the values of a mask, soft edges and what is transparent left aside."""
    picture = page.read(raw)
    values = values_of(picture)
    if has_alpha(picture) and not picture[..., 3].all():
        opaque = picture[..., 3] > 0
        # of one colour alone, it says nothing
        values = np.where(opaque, values, 0) if len(np.unique(values[opaque])) > 1 else opaque.astype(int)
    seen = np.unique(values)
    # what JPEG makes of black and white
    return (values > 127).astype(int) if len(seen) > 2 and seen[-1] <= 255 and _is_soft(values) else values


def _is_soft(values: np.ndarray) -> bool:
    return float(np.mean((values <= 32) | (values >= 224))) > 0.9 and bool((values >= 224).any())


def _is_field(seen: list[np.ndarray]) -> bool:
    """Whether masks cover most of their pictures, and all the same part, in one value."""
    if len(set().union(*(np.unique(values).tolist() for values in seen)) - {0}) > 1:
        return False
    first = seen[0] != 0
    others = [values != 0 for values in seen[1:] if values.shape == first.shape]
    if not others or any(np.mean(part) <= COVERS for part in (first, *others)):
        return False
    return all(np.mean(part == first) > 0.9 for part in others)


def masks_among(raw: RawFiles, endings: dict[str, list[str]]) -> tuple[str, str]:
    """(ending of masks, ending of images) of two. Raises UserError where both look alike."""
    return image_and_mask(raw, endings)[::-1]


def image_and_mask(raw: RawFiles, files: dict[str, list[str]]) -> tuple[str, str]:
    """(what images are called, what masks are called) of two kinds of files: masks hold fewer values.

    Raises UserError where both hold as many.
    """
    counts = {}
    for kind, there in files.items():
        looks = [_values(raw, Page(name)) for name in evenly.some(there, LOOKED_AT)]
        lossy = Counter(name.lower().endswith(LOSSY) for name in there).most_common(1)[0][0]
        counts[kind] = (float(np.median([len(np.unique(values)) for values in looks])), lossy)
    (mask, few), (image, many) = sorted(counts.items(), key=lambda item: item[1])
    if few == many:
        raise UserError(
            f"{raw.folder}: which are the masks, {mask} or {image}? Both hold {few[0]:.0f} values; put images into "
            "images/ and masks into masks/, or: ./run.sh new NAME FOLDER IMAGES MASKS, as *.jpg and *.png"
        )
    return image, mask
