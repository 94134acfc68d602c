"""Files of several pages: every page of a stack is an image of its own, or a layer of the masks of one image."""

import re
import struct
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError
from pipeline.raw.files import RawFiles

# files of these kinds hold one picture
SINGLE = (".png", ".jpg", ".jpeg", ".bmp")
TIFF = (".tif", ".tiff")
HEAD = 1 << 16  # bytes in which small files have their list of pages
DESCRIPTION = 270
# what tifffile writes of an array H x W or H x W x C
PLANE = re.compile(rb'\{"shape": \[\d+, \d+(?:, [1-4])?\]\}\0*$')
# size, bits, compression, places, resolution, date, program, predictor, palette, tiles, alpha: none can hold more pages
PLAIN_TAGS = {254, 256, 257, 258, 259, 262, 266, 270, 273, 274, 277, 278, 279, 282, 283, 284, 296, 305, 306, 317, 320}
PLAIN_TAGS |= {322, 323, 324, 325, 338, 339}


@dataclass(frozen=True)
class Page:
    """A picture: a file, or a page of one (counted from 0)."""

    name: str
    number: int | None = None

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name} (page {self.number})"

    def read(self, raw: RawFiles, has_gaps: bool = False) -> np.ndarray:
        """H x W x C. Raises UserError as `RawFiles.picture` does."""
        return raw.picture(self.name, has_gaps) if self.number is None else raw.page(self.name, self.number, has_gaps)


@dataclass(frozen=True)
class Opened:
    """Images and masks page by page: id -> page; for each layer id -> pages; id of a page -> id of its file; notes."""

    images: dict[str, Page]
    masks: list[dict[str, tuple[Page, ...]]]
    files: dict[str, str]
    notes: list[str]


def opened(raw: RawFiles, images: dict[str, str], layers: list[dict[str, tuple[str, ...]]]) -> Opened:
    """Images and masks, each file of several pages as its pages.

    Args:
        images: id -> file. layers: for each, id -> files of its masks.

    Raises:
        UserError: an image and its mask have numbers of pages that do not fit, or masks of single images differ in it.
    """
    counts = {name: _count(raw, name) for name in images.values()}
    for layer in layers:
        counts |= {name: _count(raw, name) for there in layer.values() for name in there}
    if max(counts.values(), default=1) == 1:
        pages = [{name: tuple(map(Page, there)) for name, there in layer.items()} for layer in layers]
        return Opened({name: Page(path) for name, path in images.items()}, pages, {}, [])
    found, files, masks, notes = {}, {}, [], []
    for name, path in images.items():
        for page, called in zip(_pages(path, counts[path]), _called(name, counts[path]), strict=True):
            found[called] = page
            if counts[path] > 1:
                files[called] = name
    for layer in layers:
        masks += _opened(images, layer, counts)
    stacks = sum(counts[path] > 1 for path in images.values())
    if stacks:
        first = next(name for name, path in images.items() if counts[path] > 1)
        notes.append(
            f"{stacks} file(s) of several pages: every page is a slice ({_called(first, counts[images[first]])[0]} …), "
            "the file is the group"
        )
    if len(masks) > len(layers):
        notes.append(f"masks of {len(masks)} pages for images of one: every page is a layer, a class of its own")
    return Opened(found, masks, files, notes)


def _count(raw: RawFiles, name: str) -> int:
    if name.lower().endswith(SINGLE):
        return 1
    if name.lower().endswith(TIFF) and is_one_page(raw.head(name, HEAD)):
        return 1
    return raw.page_count(name)


def is_one_page(head: bytes) -> bool:
    """Whether a TIFF is a single picture by its first bytes; False also where these do not tell. Thousands of files are
    asked, and reading all that is said in each takes a minute.

    Its list of pages is in these bytes and ends after one that holds no others, and nothing in its description says
    that there are more behind it (ImageJ, OME, arrays of more than two axes).
    """
    try:
        order = {b"II*\0": "<", b"MM\0*": ">"}[head[:4]]
        (place,) = struct.unpack_from(f"{order}I", head, 4)
        (count,) = struct.unpack_from(f"{order}H", head, place)
        tags = {}
        for at in range(place + 2, place + 2 + 12 * count, 12):
            tag, _, size, value = struct.unpack_from(f"{order}HHII", head, at)
            tags[tag] = size, value
        (following,) = struct.unpack_from(f"{order}I", head, place + 2 + 12 * count)
    except (KeyError, struct.error):
        return False
    size, value = tags.get(DESCRIPTION, (0, 0))
    text = head[value : value + size] if size > 4 else b""
    is_plain = (not size or len(text) == size) and (not text.strip(b"\0") or bool(PLANE.match(text)))
    return not following and is_plain and tags.keys() <= PLAIN_TAGS


def _pages(path: str, count: int) -> list[Page]:
    return [Page(path)] if count == 1 else [Page(path, k) for k in range(count)]


def _called(name: str, count: int) -> list[str]:
    """Ids of the pages, which sort as they lie."""
    width = len(str(count - 1))
    return [name] if count == 1 else [f"{name}/{k:0{width}}" for k in range(count)]


def _opened(images: dict[str, str], layer: dict[str, tuple[str, ...]], counts: dict[str, int]) -> list[dict]:
    """The masks of one layer: as many layers as masks of single images have pages."""
    deep = {(path, counts[path]) for name, there in layer.items() if counts[images[name]] == 1 for path in there}
    by_count = {count: path for path, count in sorted(deep, reverse=True)}
    if len(by_count) > 1:
        (one, first), (other, second) = list(by_count.items())[:2]
        raise UserError(
            f"mask {first} has {one} page(s), mask {second} {other}: masks of single images must have as many pages "
            "each, one for each class; save them alike"
        )
    depth = next(iter(by_count), 1)
    found: list[dict[str, tuple[Page, ...]]] = [{} for _ in range(depth)]
    for name, there in layer.items():
        count = counts[images[name]]
        for path in there:
            if count > 1 and counts[path] != count:
                raise UserError(
                    f"image {images[name]} has {count} pages, its mask {path} {counts[path]}; a stack wants a mask of "
                    "as many pages: save them alike"
                )
        if count == 1:
            for k in range(depth):
                found[k][name] = tuple(_pages(path, depth)[k] for path in there)
        else:
            if depth > 1:
                raise UserError(
                    f"image {images[name]} has {count} pages, but masks of single images have {depth} layers; keep "
                    "them in folders of their own"
                )
            for k, called in enumerate(_called(name, count)):
                found[0][called] = tuple(Page(path, k) for path in there)
    return found
