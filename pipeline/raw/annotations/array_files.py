"""Arrays among the raw files: which there are, and each image or mask of them by its id."""

import functools
import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.raw.annotations.axes import channels_last, shape
from pipeline.raw.annotations.whereabouts import Gallery, ids, part_in
from pipeline.raw.files import RawFiles
from pipeline.raw.places.names import PICTURES, stem, words

ARRAYS = (".npy", ".npz")
_IMAGE = re.compile(r"^(x|images?|imgs?|inputs?|data|pictures?|frames?|volumes?)$", re.IGNORECASE)
_MASK = re.compile(
    r"^(y|masks?|labels?|gt|targets?|segs?|segmentations?|annotations?|truths?|human|pixel|ground)$", re.IGNORECASE
)


@dataclass(frozen=True)
class Item:
    """An image or a mask.

    Attributes:
        where: what it is called in messages.
        read: gives the array. file: gives the bytes of a picture's file; None of an array.
    """

    where: str
    read: Callable[[], np.ndarray]
    file: Callable[[], bytes] | None = None

    def image(self) -> np.ndarray:
        """H x W x C. Raises UserError."""
        array = self.read()
        return array if self.file else channels_last(array, f"image {self.where}")

    def content(self) -> bytes:
        """The bytes of a picture's file, which say more than its pixels; none of an array."""
        return self.file() if self.file else b""


class _Files:
    """Arrays in files; the last few that were opened are kept."""

    def __init__(self, raw: RawFiles):
        self.raw = raw
        self.content = functools.lru_cache(4)(self._content)

    def _content(self, name: str) -> dict[str, np.ndarray]:
        """key -> array; of a .npy the key is blank."""
        try:
            found = np.load(io.BytesIO(self.raw.read(name)), allow_pickle=False)
            return {key: found[key] for key in found.files} if hasattr(found, "files") else {"": found}
        except (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile) as error:
            said = "holds Python objects, not numbers" if "pickle" in str(error) else "is cut off or no array"
            raise UserError(f"{self.raw.where(name)} {said}; save it with numpy.save as numbers") from error

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


def items(raw: RawFiles, place: str) -> dict[str, Item]:
    """id -> item of a folder, of one array, or of the arrays called so in every .npz."""
    files = _Files(raw)
    name, _, key = place.partition(":")
    if is_stack(place):
        path = next((own for own in raw.names if own == name or own.endswith(f"/{name}")), None)
        if path is None:
            raise UserError(f"{raw.folder} holds no file {name}; bring it")
        whole = files.array(path, key)
        if whole.ndim < 3 or not len(whole):
            raise UserError(f"{raw.where(path)} is an array of {shape(whole)}, not of N images")
        digits = len(str(len(whole) - 1))
        return {
            f"{i:0{digits}}": Item(f"{place_of(path, key)}, number {i}", lambda i=i: files.array(path, key)[i])
            for i in range(len(whole))
        }
    if key:
        paths = [own for own in raw.names if own.lower().endswith(".npz")]
        return {own: Item(place_of(p, key), lambda p=p: files.array(p, key)) for p, own in ids(paths).items()}
    gallery = Gallery(raw, name, (*PICTURES, *ARRAYS), with_masks=True)
    if not gallery.names:
        raise UserError(f"{raw.folder} holds no pictures or arrays in a folder {name}/")
    return {
        own: Item(p, lambda p=p: files.array(p, _only(files, p)))
        if p.lower().endswith(ARRAYS)
        else Item(p, lambda p=p: raw.picture(p), lambda p=p: raw.read(p))
        for p, own in ids(gallery.names).items()
    }


def _only(files: _Files, path: str) -> str:
    """The key of a file's only array."""
    keys = list(files.content(path))
    if len(keys) != 1:
        raise UserError(f"{files.raw.where(path)} holds {len(keys)} arrays ({shown(keys)}); say which one: :{keys[0]}")
    return keys[0]


def found_places(raw: RawFiles, arrays: list[str]) -> tuple[str, str, str] | None:
    """Where images, masks and what is to be answered are; None where no masks are found."""
    found: dict[str, str] = {}
    files = _Files(raw)
    folders: dict[tuple[str, str], set[str]] = {}
    packed = [name for name in arrays if name.lower().endswith(".npz")]
    first = packed[0] if packed else ""
    for name in arrays:
        role, part = _role(stem(name)), "test" if "test" in _tokens(stem(name)) else part_in(name)
        above = words(name.rpartition("/")[0])
        by_folder = next((word for word in reversed(above) if _role(word)), "")
        keys = [key for key in files.content(name) if _role(key)] if name == first else []
        if by_folder:
            folders.setdefault((_role(by_folder), "test" if part == "test" else ""), set()).add(by_folder)
        elif {_role(key) for key in keys} == {"image", "mask"}:
            base = name.rpartition("/")[2] if first == packed[-1] else ""
            for key in keys:
                found.setdefault(f"{_role(key)} {'test' in _tokens(key)}", f"{base}:{key}")
        elif role:
            found.setdefault(f"{role} {part == 'test'}", name.rpartition("/")[2])
    masks = found.get("mask False") or next(iter(folders.get(("mask", ""), ())), "")
    images = found.get("image False") or next(iter(folders.get(("image", ""), ())), "")
    if masks and not images:
        images = next(
            (w for n in Gallery(raw).names for w in reversed(words(n.rpartition("/")[0])) if _role(w) == "image"), ""
        )
    return (images, masks, found.get("image True", "")) if masks and images else None


def _tokens(text: str) -> list[str]:
    return re.split(r"[_\-. ]+", text.lower())


def _role(text: str) -> str:
    """`image` or `mask` where something is called so."""
    tokens = [token for token in _tokens(text) if token not in ("train", "test", "val", "valid", "training")]
    if any(_MASK.match(token) for token in tokens):
        return "mask"
    return "image" if any(_IMAGE.match(token) for token in tokens) else ""
