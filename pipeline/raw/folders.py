"""A folder of images and a folder of masks, matched by name: what most data sets are, whoever made them.

A file of `competitions/` calls `read_folders`; what a mask's pixels mean is said by one of the small functions of
`masks` (`binary`, `class_ids(3)`, `palette({…})` …) or by one of your own: from H x W x C, as the file holds it,
to H x W x 1. What is wrong with the files is said in one line that names the file.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.competition import RawData, RawImage
from pipeline.errors import UserError, shown
from pipeline.raw.files import RawFiles
from pipeline.raw.masks import Labels, binary, with_channels

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
# what the name of a mask may end with, after the name of its image
ENDINGS = re.compile(r"[_-](masks?|labels?|seg)$", re.IGNORECASE)
TEST_IDS = "test_"  # what ids of test images begin with, where train images have the same names
UNMASKED = ("refuse", "test", "empty")


def read_folders(
    raw: RawFiles,
    images: str = "images",
    masks: str | tuple[str, ...] = "masks",
    test: str = "test",
    labels: Labels | None = None,
    group: str | Callable[[str], str] | None = None,
    channels: int | None = None,
    unmasked: str = "refuse",
) -> RawData:
    """Matches images and masks by name; the name without its ending is the id.

    Args:
        images, masks: the names of the folders (`photos`, `train/photos`), wherever they lie, also in zips; "" is
            every folder. Several folders of masks are as many layers of labels, one for each class. Where both are
            one folder, masks are what ends in _mask, _label or _seg.
        test: the folder of the pictures to answer; "" where there is none. Masks of these are the hidden truth. Where
            names are in train too, ids of test images begin with `test_`.
        labels: from a mask H x W x C to labels H x W x 1; None is `binary`.
        group: from the id to its group (patient, drive), or a regular expression whose one group that is.
        channels: 1 or 3: every image gets so many; None leaves them as they are (then all must be alike).
        unmasked: what an image without a mask is: `refuse`, one to answer (`test`), or one with nothing in it
            (`empty`).

    Raises:
        UserError: nothing there, names that do not match, images or masks that are missing or there twice. What is
            wrong within a picture is raised when it is read.
    """
    if unmasked not in UNMASKED:
        raise UserError(f"unmasked={unmasked!r} is not known; it can be {', '.join(UNMASKED)}")
    found = find(raw, images, masks, test)
    bare = {name for name in found.train if not any(name in layer for layer in found.masks)}
    if unmasked == "refuse":
        _refuse_without_mask(raw, found, masks)
    to_answer = {**found.test, **({name: found.train[name] for name in bare} if unmasked == "test" else {})}
    group_of = _grouping(group)
    result = []
    for name, path in {**found.train, **found.test}.items():
        has_truth = name not in bare if name in found.train else any(name in layer for layer in found.masks)
        part = "test" if name in to_answer else "train"
        picture = _Picture(raw, path, tuple(layer.get(name) for layer in found.masks), labels or binary, channels)
        result.append(
            RawImage(
                id=name,
                part=part,
                image=picture.image,
                labels=picture.labels if part == "train" or has_truth else None,
                group=group_of(name, part),
            )
        )
    return RawData(result, notes=[found.renamed(test)] if found.prefix else [])


@dataclass(frozen=True)
class Found:
    """Which files belong together: id -> name among the raw files; of masks one such table for each layer. `prefix` is
    what ids of test images begin with beside their names, where these are names of train images, too."""

    train: dict[str, str]
    test: dict[str, str]
    masks: list[dict[str, str]]
    prefix: str = ""

    def renamed(self, test: str) -> str:
        """What the ids of the test images are, for a message."""
        return f"names in {test}/ are names of train images, too: their ids are {shown(sorted(self.test), 3)}"


def find(raw: RawFiles, images: str = "images", masks: str | tuple[str, ...] = "masks", test: str = "test") -> Found:
    """The files of `read_folders`. Raises UserError where names do not fit, but not where a mask is missing."""
    layers = (masks,) if isinstance(masks, str) else tuple(masks)
    names = [name for name in raw.names if name.lower().endswith(PICTURES)]
    of_masks = {layer: [name for name in names if _is_mask(name, layer, images)] for layer in layers}
    taken = {name for there in of_masks.values() for name in there}
    others = [name for name in names if name not in taken]
    in_test = [name for name in others if test and _within(name, test)]
    # beside test/images/ there may be test/depth/
    in_test = [name for name in in_test if images and _within(name, images)] or in_test
    in_images = [name for name in others if _within(name, images) and not (test and _within(name, test))]
    for folder, there in ((images, in_images), *of_masks.items()):
        if not there:
            raise UserError(f"{raw.folder} holds no pictures in a folder {folder}/; {pictures_there(names)}")
    train, answered = (_by_name(raw, "images", there, _stem) for there in (in_images, in_test))
    prefix = TEST_IDS if train.keys() & answered.keys() else ""
    answered = {prefix + name: path for name, path in answered.items()}
    everything = {**train, **answered}

    def image_of(mask: str) -> str:
        names = [_stem(mask), ENDINGS.sub("", _stem(mask))]
        if test and _within(mask, test):
            names = [prefix + name for name in names]
        return next((name for name in names if name in everything), names[-1])

    found = Found(train, answered, [_by_name(raw, "masks", there, image_of) for there in of_masks.values()], prefix)
    for layer, there in zip(layers, found.masks, strict=True):
        _refuse_without_image(raw, images, layer, everything, there)
    return found


@dataclass
class _Picture:
    """An image and its masks; the image's size is kept from one reading to the other."""

    raw: RawFiles
    name: str
    masks: tuple[str | None, ...]
    of_mask: Labels
    channels: int | None
    shape: tuple[int, int] | None = None

    def image(self) -> np.ndarray:
        picture = with_channels(_known_depth(self.raw.picture(self.name), self.name), self.channels)
        self.shape = picture.shape[:2]
        return picture

    def labels(self) -> np.ndarray:
        if self.shape is None:
            self.image()
        return np.concatenate([self._layer(name) for name in self.masks], axis=2)

    def _layer(self, name: str | None) -> np.ndarray:
        if name is None:
            return self._checked(np.zeros((*self.shape, 1), np.uint8), f"the empty mask of {self.name}")
        picture = self.raw.picture(name)
        size = picture.shape[:2]
        if size != self.shape:
            turned = "; one of them lies on its side" if size == self.shape[::-1] else ""
            raise UserError(
                f"image {self.name} is {_size(self.shape)} pixels (height x width), its mask {name} "
                f"{_size(size)}{turned}; make them one size (masks without smoothing: nearest neighbour)"
            )
        return self._checked(picture, f"mask {name}")

    def _checked(self, mask: np.ndarray, name: str) -> np.ndarray:
        try:
            return self.of_mask(mask)
        except UserError as error:
            raise UserError(f"{name} {error}") from error


def pictures_there(names: list[str]) -> str:
    """Which folders do hold pictures, for a message."""
    counts: dict[str, int] = {}
    for name in names:
        folder = name.rpartition("/")[0] or "."
        counts[folder] = counts.get(folder, 0) + 1
    if not counts:
        return f"there is no picture at all ({' '.join(PICTURES)}); is it the right folder?"
    return (
        f"there are {shown(f'{folder}/ ({count})' for folder, count in counts.items())}; "
        "rename them, or say images= and masks= (for a new file: ./run.sh new NAME FOLDER IMAGES MASKS)"
    )


def _known_depth(picture: np.ndarray, name: str) -> np.ndarray:
    """uint8 and uint16 as they are, other floating point as float16."""
    if picture.dtype in (np.uint8, np.uint16, np.float16):
        return picture
    if picture.dtype.kind != "f":
        raise UserError(f"image {name} holds {picture.dtype}; save it with 8 or 16 bits without sign, or as float")
    if not np.abs(picture).max() <= np.finfo(np.float16).max:
        raise UserError(f"image {name} holds values that are no numbers or above 65504; scale them to 0..1 first")
    return picture.astype(np.float16)


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]} x {shape[1]}"


def way(name: str) -> list[str]:
    """The folders above a file, in small letters, a zip being one: `Train.zip/images/a.png` gives train, images."""
    return _words(name.rpartition("/")[0])


def _words(folder: str) -> list[str]:
    return [part.lower().removesuffix(".zip") for part in folder.split("/") if part]


def _within(name: str, folder: str) -> bool:
    """Whether the file lies below a folder of that name (or way: `train/images`)."""
    above, wanted = way(name), _words(folder)
    return any(above[i : i + len(wanted)] == wanted for i in range(len(above) - len(wanted) + 1))


def _is_mask(name: str, masks: str, images: str) -> bool:
    return _within(name, masks) and (_words(masks) != _words(images) or bool(ENDINGS.search(_stem(name))))


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]


def _by_name(raw: RawFiles, kind: str, names: list[str], key: Callable[[str], str]) -> dict[str, str]:
    """key -> name. What lies outside of zips hides its twin within one; any other twins are refused."""
    found: dict[str, str] = {}
    for name in names:
        other = found.setdefault(key(name), name)
        unpacked = other.rpartition("/")[2] == name.rpartition("/")[2] and other.count(".zip/") < name.count(".zip/")
        if other != name and not unpacked:
            raise UserError(
                f"{raw.folder}: two {kind} are called {key(name)}: {other} and {name}; each needs a name of its own: "
                "delete or rename one"
            )
    return found


def _refuse_without_image(raw: RawFiles, images: str, layer: str, ids: dict, there: dict[str, str]) -> None:
    lost = [name for key, name in there.items() if key not in ids]
    if len(lost) == len(there):
        raise UserError(
            f"{raw.folder}: no mask belongs to an image by its name: images are called {shown(ids, 2)}, masks "
            f"{shown(map(_stem, lost), 2)}; a mask has the name of its image, or that with _mask, _label or _seg"
        )
    if lost:
        raise UserError(
            f"{raw.folder}: {len(lost)} of {len(there)} masks in {layer}/ have no image in {images}/: {shown(lost)}; "
            "add the images or delete the masks"
        )


def _refuse_without_mask(raw: RawFiles, found: Found, masks: str | tuple[str, ...]) -> None:
    layers = (masks,) if isinstance(masks, str) else masks
    for layer, there in zip(layers, found.masks, strict=True):
        missing = [path for name, path in found.train.items() if name not in there]
        if missing:
            raise UserError(
                f"{raw.folder}: {len(missing)} of {len(found.train)} images have no mask in {layer}/: "
                f'{shown(missing)}; add the masks, or say what these images are: unmasked="test" (to be answered) or '
                '"empty" (nothing in them)'
            )


def _grouping(group: str | Callable[[str], str] | None) -> Callable[[str, str], str]:
    """(id, part) -> group."""
    if group is None:
        return lambda name, part: ""
    if callable(group):
        return lambda name, part: str(group(name))
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise UserError(f"group={group!r} is no regular expression: {error}") from error
    if pattern.groups != 1:
        raise UserError(f"group={group!r} has {pattern.groups} groups; it needs one, in (): what the images share")

    def group_of(name: str, part: str) -> str:
        match = pattern.search(name)
        if not match and part == "train":
            raise UserError(f"group={group!r} does not match the image {name}; change it so that it matches every one")
        return match[1] if match else ""

    return group_of
