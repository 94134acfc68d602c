"""Arrays among the raw files: which there are, and each image or mask of them by its id."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.raw.annotations.array_formats import ARRAYS, PACKED, arrays_of, is_plane
from pipeline.raw.annotations.axes import channels_last, shape
from pipeline.raw.annotations.whereabouts import Gallery, ids
from pipeline.raw.files import RawFiles
from pipeline.raw.places.names import PICTURES, Where


@dataclass(frozen=True)
class Item:
    """An image or a mask.

    Attributes:
        where: what it is called in messages. path: of its file. key: of the array in it.
        read: gives the array. file: gives the bytes of a picture's file; None of an array.
    """

    where: str
    path: str
    key: str
    read: Callable[[], np.ndarray]
    file: Callable[[], bytes] | None = None

    def image(self) -> np.ndarray:
        """H x W x C. Raises UserError."""
        array = self.read()
        return array if self.file else channels_last(array, f"image {self.where}")

    def content(self) -> bytes:
        """The bytes of a picture's file, which say more than its pixels; none of an array."""
        return self.file() if self.file else b""


class Files:
    """Arrays in files; the last few that were opened are kept."""

    def __init__(self, raw: RawFiles):
        self.raw = raw
        self.content = functools.lru_cache(4)(self._content)

    def _content(self, name: str) -> dict[str, np.ndarray]:
        """key -> array; of a .npy the key is blank."""
        return arrays_of(self.raw.read(name), name, self.raw.where(name))

    def array(self, name: str, key: str) -> np.ndarray:
        content = self.content(name)
        if key not in content:
            raise UserError(f"{self.raw.where(name)} holds no array {key!r}, but {shown(content)}")
        return content[key]


def is_stack(place: str) -> bool:
    return place.partition(":")[0].lower().endswith(ARRAYS)


def place_of(path: str, key: str) -> str:
    """An array as it is named: `data.npz:images`."""
    return f"{path}:{key}" if key else path


def items(files: Files, place: str) -> dict[str, Item]:
    """id -> item of a folder, of one array, or of the arrays called so in every file of several (of a folder:
    `test:image`)."""
    raw = files.raw
    name, _, key = place.partition(":")
    if is_stack(place):
        return _of_stack(files, name, key)
    if key:
        paths = [own for own in raw.names if own.lower().endswith(PACKED) and Where(name).holds(own)]
        if not paths:
            raise UserError(f"{raw.folder} holds no {shown(PACKED)} in a folder {name}/")
        return {own: _in_npz(files, path, key) for path, own in ids(paths).items()}
    gallery = Gallery(raw, name, (*PICTURES, *ARRAYS), with_masks=True)
    if not gallery.names:
        raise UserError(f"{raw.folder} holds no pictures or arrays in a folder {name}/")
    return {
        own: Item(p, p, "", lambda p=p: files.array(p, _only(files, p)))
        if p.lower().endswith(ARRAYS)
        else Item(p, p, "", lambda p=p: raw.picture(p), lambda p=p: raw.read(p))
        for p, own in ids(gallery.names).items()
    }


def _of_stack(files: Files, name: str, key: str) -> dict[str, Item]:
    raw = files.raw
    path = next((own for own in raw.names if own == name or own.endswith(f"/{name}")), None)
    if path is None:
        raise UserError(f"{raw.folder} holds no file {name}; bring it")
    key = key or _only(files, path)
    whole = files.array(path, key)
    if whole.ndim < 3 or not len(whole):
        raise UserError(f"{place_of(raw.where(path), key)} is an array of {shape(whole)}, not of N images")
    digits = len(str(len(whole) - 1))
    return {
        f"{i:0{digits}}": Item(f"{place_of(path, key)}, number {i}", path, key, lambda i=i: files.array(path, key)[i])
        for i in range(len(whole))
    }


def _in_npz(files: Files, path: str, key: str) -> Item:
    def read() -> np.ndarray:
        array = files.array(path, key)
        if array.ndim > 3:
            raise UserError(
                f"{files.raw.where(path)} holds {key!r} of {shape(array)}, a stack, beside other files: name one "
                f"(./run.sh new NAME FOLDER {place_of(path, 'IMAGES')} {place_of(path, 'MASKS')}), or call them "
                "train.npz, val.npz and test.npz"
            )
        return array

    return Item(place_of(path, key), path, key, read)


def unused(files: Files, used: Iterable[Item]) -> str:
    """One line on the arrays and pictures that are not read; blank where there are none."""
    used = list(used)
    paths, arrays = {item.path for item in used}, {(item.path, item.key) for item in used}
    left = [name for name in files.raw.names if name.lower().endswith((*ARRAYS, *PICTURES)) and name not in paths]
    # of files with a stack of each kind
    stacks = {item.path for item in used if item.key and not item.where.endswith(f":{item.key}")}
    left += [place_of(path, key) for path in sorted(stacks) for key in files.content(path) if (path, key) not in arrays]
    return f"{len(left)} array(s) or picture(s) are not used: {shown(left, 4)}" if left else ""


def _only(files: Files, path: str) -> str:
    """The key of a file's only array, beside numbers and lists."""
    content = files.content(path)
    keys = [key for key, array in content.items() if is_plane(array)] or list(content)
    if len(keys) != 1:
        raise UserError(
            f"{files.raw.where(path)} holds {len(keys)} arrays ({shown(keys)}); say which one is meant behind the "
            f"folder of images (or its file): ./run.sh new NAME FOLDER IMAGES MASKS:{keys[0]}"
        )
    return keys[0]
