"""What folders of images, of masks and of the parts of a split are called."""

import functools
import re
from collections import Counter, defaultdict

from pipeline.raw.places.names import Where, common_folders, folder_of, normal, part_of, tokens_of, words

# how people call them, the likeliest first
IMAGES = ("images", "image", "imgs", "img", "photos", "photo", "frames", "pictures", "jpegimages", "leftimg8bit")
IMAGES += ("scans", "originals", "original", "inputs", "input")
MASKS = ("masks", "mask", "labels", "label", "annotations", "annotation", "annots", "anno", "segmentations")
MASKS += ("segmentation", "segs", "seg", "gt", "gts", "groundtruth", "groundtruths", "truth", "truths", "manual")
MASKS += ("targets", "target")


def role_of(name: str, same: int = 0) -> str:
    """`images` or `masks`, by the innermost folder that is called so, the first `same` ones aside; blank for none."""
    return _role_of(folder_of(name), same)


@functools.lru_cache(1 << 16)
def _role_of(folder: str, same: int) -> str:
    return next((role for role in map(_role, reversed(words(folder)[same:])) if role), "")


@functools.lru_cache(1 << 16)
def _role(word: str) -> str:
    tokens = [normal(word), *tokens_of(word)]
    if any(token in MASKS or re.sub(r"\d+$", "", token) in MASKS for token in tokens):
        return "masks"
    return "images" if any(token in IMAGES for token in tokens) else ""


@functools.lru_cache(1 << 16)
def _word_of(folder: str, role: str) -> str:
    """The innermost folder of that role, as it is called."""
    return next(word for word in reversed(words(folder)) if _role(word) == role)


def folders(names: list[str], role: str) -> dict[str, str]:
    """Folders of a role, those of the parts of a split as one (`*_masks`): how they are asked for -> what tells them
    apart."""
    kinds: dict[tuple, list[str]] = defaultdict(list)
    for word in dict.fromkeys(_word_of(folder_of(name), role) for name in names):
        kinds[tuple(token for token in tokens_of(word) if not part_of(token))].append(word)
    return {_as_one(there): " ".join(kind) for kind, there in kinds.items()}


def likeliest(names: list[str], role: str, known: tuple[str, ...]) -> str:
    """The likeliest folder of a role; blank where there is none."""
    found = folders(names, role)
    counts = Counter({where: sum(Where(where).holds(name) for name in names) for where in found})

    def rank(where: str) -> tuple:
        tokens = [where, *tokens_of(where.replace("*", "_"))]
        return min((known.index(t) for t in tokens if t in known), default=len(known)), -counts[where]

    return min(found, key=rank, default="")


def _as_one(called: list[str]) -> str:
    """How folders of one kind are asked for: `images`, or `*_images` for train_images and val_images."""
    spelt = sorted({normal(word) for word in called})
    if len(spelt) == 1:
        return spelt[0]
    start, end = _common(spelt), _common([word[::-1] for word in spelt])[::-1]
    # a pattern that is cut where words end is the narrower one
    patterns = [f"*{end}" if end else "", f"{start}*" if start else ""]
    return max(patterns, key=lambda pattern: (pattern.strip("*_-. ") != "", len(pattern))) or spelt[0]


def _common(spelt: list[str]) -> str:
    """What all begin with, cut where a word ends."""
    low, high = min(spelt), max(spelt)
    size = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return low[:size] if any(len(word) == size for word in spelt) else re.sub(r"[^_\-. ]+$", "", low[:size])


def of_part(names: list[str], part: str) -> str:
    """The folder of a part of a published split, below what all pictures lie in; blank where there is none."""
    ways = {folder_of(name): words(folder_of(name)) for name in names}
    same = common_folders(ways.values())
    found = {word for called in ways.values() for word in called[same:] if part_of(word) == part}
    spelt = sorted({normal(word) for word in found})
    if len(spelt) < 2:
        return "".join(spelt)
    # test/ or, where there is none, test_images/ beside test_masks/
    plain = [word for word in spelt if len(tokens_of(word)) == 1]
    pattern = _as_one(spelt)
    others = {word for called in ways.values() for word in called if part_of(word) != part}
    return plain[0] if plain else spelt[0] if any(Where(pattern).holds(f"{word}/x") for word in others) else pattern
