"""What is said where names of files do not fit: which, where, and what to type, with the folders that are there."""

import itertools
import shlex
from collections import Counter, defaultdict

from pipeline.errors import UserError, shown
from pipeline.raw import archives
from pipeline.raw.files import RawFiles
from pipeline.raw.places.matching import Image
from pipeline.raw.places.names import folder_of, normal, stem


def refuse_empty(raw: RawFiles, names: list[str], roles, images: str, masks: tuple[str, ...], valid: str) -> None:
    """Raises UserError where a folder that is asked for holds no pictures; `names` are all pictures."""
    wanted = [(images, roles.train), *zip(masks, roles.masks, strict=True)]
    if valid:
        wanted.append((valid, [name for name in roles.train if roles.in_valid(name)]))
    for folder, there in wanted:
        if there:
            continue
        raise UserError(f"{raw.folder} holds no pictures in a folder {folder}/; {pictures_there(raw, names)}")


def pictures_there(raw: RawFiles, names: list[str]) -> str:
    """Which folders do hold pictures, and what to type, for a message."""
    counts = Counter(folder_of(name) or "." for name in names)
    packed = [name for name in raw.names if archives.unpacking(name)]
    if packed:
        command = archives.unpacking(packed[0])
        more = f"{len(packed)} file(s) are packed in a way that is not read: {shown(packed, 2)}; unpack them " + (
            f"({command} {shlex.quote(packed[0])})"
        )
        return f"{more}; there are {_shown(counts)}" if counts else more
    if not counts:
        return f"there is no picture at all ({shown(_endings(raw))}); is it the right folder?"
    return (
        f"there are {_shown(counts)}; rename them, or say images= and masks= (for a new file: "
        f"./run.sh new NAME FOLDER {_typed(names)})"
    )


def _typed(names: list[str]) -> str:
    """IMAGES MASKS, or the first two folders whose files have the same names."""
    there: dict[str, set] = defaultdict(set)
    for name in names:
        there[folder_of(name)].add(normal(stem(name)))
    for folder, other in itertools.combinations(sorted(there)[:50], 2):
        if folder and len(there[folder] & there[other]) > 0.5 * min(len(there[folder]), len(there[other])):
            return f"{shlex.quote(folder)} {shlex.quote(other)}"
    return "IMAGES MASKS"


def _shown(counts: Counter) -> str:
    return shown(f"{folder}/ ({count})" for folder, count in counts.items())


def _endings(raw: RawFiles) -> list[str]:
    """What the names of its files end with."""
    endings = Counter("." + name.rpartition("/")[2].rpartition(".")[2].lower() for name in raw.names)
    return [f"{count} {ending}" for ending, count in endings.most_common()]


def refuse_lost(
    raw: RawFiles, images: str, layer: str, everything: list[Image], there: list[str], lost: list[str]
) -> None:
    """Raises UserError for masks that belong to no image."""
    kinds = Counter(stem(name).rpartition("_")[2] for name in lost)
    if 1 < len(kinds) <= 8 and set(kinds.values()) == {len(everything)}:
        stars = [f"*_{kind}{_ending(lost[0])}" for kind in sorted(kinds)]
        raise UserError(
            f"{raw.folder}: masks of {len(kinds)} kinds lie in {layer}/, each of all images: {shown(stars, 8)}; name "
            f"the one that is meant: ./run.sh new NAME FOLDER {shlex.quote(images)} '{stars[0]}'"
        )
    if lost and len(lost) == len(there):
        raise UserError(
            f"{raw.folder}: no mask belongs to an image by its name: images are called "
            f"{shown([stem(image.name) for image in everything], 2)}, masks {shown(map(stem, lost), 2)}; a mask has "
            "the name of its image, or that with _mask, _label, _seg or _gt"
        )
    if lost:
        raise UserError(
            f"{raw.folder}: {len(lost)} of {len(there)} masks in {layer}/ have no image in {images}/: {shown(lost)}; "
            "add the images or delete the masks"
        )


def _ending(name: str) -> str:
    return name[len(name.rpartition("/")[0]) :].removeprefix("/")[len(stem(name)) :]


def refuse_bare(raw: RawFiles, found, layers: tuple[str, ...]) -> None:
    """Raises UserError for train images without a mask."""
    for layer, there in zip(_as_many(layers, len(found.masks)), found.masks, strict=True):
        missing = [str(page) for name, page in found.train.items() if name not in there]
        if missing:
            raise UserError(
                f"{raw.folder}: {len(missing)} of {len(found.train)} images have no mask in {layer}/: "
                f'{shown(missing)}; add the masks, or say what these images are: unmasked="test" (to be answered) or '
                '"empty" (nothing in them)'
            )


def _as_many(layers: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The folder of each layer, also where the pages of its masks are layers."""
    return layers if len(layers) == count else (layers[0],) * count
