"""A test part alone, prepared piece by piece: what `prepare` writes of it, by what is known of the train part.

Nothing of a picture that nobody has seen may stop the others: another number of channels, another depth, damage cost
its own answer at the most. Of a test part of any size a piece is on the disk at a time, and some pictures in the
memory.
"""

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from pipeline.competition import Competition, RawImage
from pipeline.errors import UserError, shown
from pipeline.raw import values
from pipeline.raw.decoding import Decoding
from pipeline.raw.files import RawFiles
from pipeline.raw.masks import with_channels
from pipeline.raw.written import write_index
from pipeline.store import disk
from pipeline.store.bands import Bands, spans
from pipeline.store.flat import FlatWriter

MOST = 256  # images of a piece, where they are no slices that belong together
MOST_BYTES = 1 << 28
# more bits by fewer, and the other way round: the whole of one range becomes the whole of the other
DEPTHS = {(np.dtype(np.uint16), np.dtype(np.uint8)): 1 / 257, (np.dtype(np.uint8), np.dtype(np.uint16)): 257}


class Asked:
    """The test part of a competition.

    Args:
        info: prepared.json of the data that was learnt from. size: the height and width that most of its images have.
        are_slices: whether images of one volume (or group) are looked at together. stands_in: whether a picture that
            cannot be read costs its own answer alone.

    Attributes:
        changed: ids of pictures that were made to be like those that were learnt.
        bad: id -> why, of those that cannot be read.
    """

    def __init__(
        self,
        competition: Competition,
        raw: RawFiles,
        info: dict,
        size: tuple[int, int],
        nodata,
        are_slices: bool,
        stands_in: bool = True,
    ):
        self.competition, self.info, self.are_slices = competition, info, are_slices
        self.dtype, self.channels = np.dtype(info["dtype"]), info["channels"]
        self.decoding = Decoding(competition, raw, stands_in, values.checked_nodata(nodata))
        # what stands for a picture that cannot be read is as large as others, and at first as those that were learnt
        self.decoding.shapes[(*size, self.channels), self.dtype] += 1
        self.changed: list[str] = []

    @property
    def bad(self) -> dict[str, str]:
        return self.decoding.bad

    def notes(self) -> list[str]:
        """What is to be said of the pictures. Raises UserError where none can be read."""
        found = self.decoding.notes()
        if self.changed:
            found.append(
                f"{len(self.changed)} test picture(s) have other channels or another depth than those that were learnt "
                f"({self.channels} of {self.dtype}), and are made to be like them: {shown(sorted(self.changed))}"
            )
        return found

    def pieces(self, images: list[RawImage], folders: Iterable[Path], first: int = MOST) -> Iterator[Path]:
        """Prepared folders with the images in their order; each is gone when the next one is asked for. `first`: how
        many are in the first one."""
        images = [replace(image, labels=None, image=self._like_learnt(image)) for image in images]
        # the last of each that must stay together
        ends = {one.id for one, other in pairwise(images) if not self.are_slices or _volume(one) != _volume(other)}
        with contextlib.closing(self.decoding.of(images)) as decoded:
            for number, part in enumerate(folders):
                part.mkdir(parents=True)
                try:
                    if not self._write(decoded, part, ends, MOST if number else first):
                        return
                    yield part
                finally:
                    shutil.rmtree(part, ignore_errors=True)

    def _write(self, decoded: Iterator, folder: Path, ends: set[str], most: int) -> bool:
        """Whether there was anything left to write."""
        rows, kept = [], []
        with disk.atomic(folder / "images.npy") as path, FlatWriter(path, self.dtype) as writer:
            for image, picture, _ in decoded:
                if self._has_another_size(image, picture, rows):
                    self.bad[image.id] = f"image {image.id} has another size than the other slices of its volume"
                    picture = np.zeros((*rows[-1][4:6], self.channels), self.dtype)
                size = picture.shape[:2]
                self._append(writer, image, picture)
                rows.append([image.id, "test", image.group, image.kind, *size, ""])
                kept.append(image)
                del picture
                is_full = len(rows) >= most or writer.count * writer.dtype.itemsize >= MOST_BYTES
                if is_full and image.id in ends:
                    break
        if not rows:
            return False
        write_index(folder, rows, self.channels, [one.volume for one in kept], [one.extra for one in kept])
        info = {name: value for name, value in self.info.items() if name not in ("arrays", "bad", "notes")}
        bad = [row[0] for row in rows if row[0] in self.bad]
        disk.write_json(
            folder / "prepared.json",
            {**info, "dtype": str(writer.dtype), "train": 0, "test": len(rows), "notes": [], "bad": bad},
        )
        return True

    def _has_another_size(self, image: RawImage, picture, rows: list) -> bool:
        """Whether a slice cannot be decoded together with the one before it."""
        together = self.competition.task.needs_groups and rows and rows[-1][2] == image.group
        return bool(together) and tuple(rows[-1][4:6]) != picture.shape[:2]

    def _append(self, writer: FlatWriter, image: RawImage, picture: np.ndarray | Bands) -> None:
        """Writes a picture; what of it cannot be read is black."""
        kind = values.joined(writer.dtype, values.needed(picture))
        if kind != writer.dtype:
            writer.widen(kind)
        for top, bottom in spans(picture.shape) if isinstance(picture, Bands) else [(0, picture.shape[0])]:
            lines = picture
            if isinstance(picture, Bands):
                try:
                    lines = np.zeros(0) if image.id in self.bad else picture.read(top, bottom)
                except UserError as error:
                    self.bad[image.id] = str(error)
            if image.id in self.bad:
                lines = np.zeros((bottom - top, *picture.shape[1:]), writer.dtype)
            writer.append(lines.astype(writer.dtype, copy=False))

    def _like_learnt(self, image: RawImage):
        def read() -> np.ndarray | Bands:
            picture = image.image()
            # of what is no picture is told where it is checked
            if not isinstance(picture, (np.ndarray, Bands)) or len(picture.shape) != 3:
                return picture
            found = like(picture, self.channels, self.dtype)
            if found is not picture:
                self.changed.append(image.id)
            return found

        return read


def like(picture: np.ndarray | Bands, channels: int, dtype: np.dtype) -> np.ndarray | Bands:
    """A picture with so many channels, and of a type that may stand among pictures of `dtype`; the same where it is so.

    Grey becomes three equal channels, colours become grey, alpha is left out, 8 and 16 bits become each other. Raises
    UserError for any other.
    """
    if isinstance(picture, Bands):
        if picture.shape[2] == channels and values.are_alike(picture.dtype, dtype):
            return picture
        lines = like(np.zeros((1, 1, picture.shape[2]), picture.dtype), channels, dtype)
        shape = (*picture.shape[:2], channels)
        return replace(
            picture, shape=shape, dtype=lines.dtype, read=lambda a, b: like(picture.read(a, b), channels, dtype)
        )
    if picture.shape[2] != channels:
        picture = _with_channels(picture, channels)
    if values.are_alike(picture.dtype, dtype) or picture.dtype == bool:
        return picture
    if picture.dtype.kind in "ui" and dtype.kind in "iuf" and (picture.dtype, dtype) not in DEPTHS:
        # units that are not of a display: a number is itself, where it can be kept
        kept = picture.astype(dtype)
        if np.array_equal(kept, picture):
            return kept
    if (picture.dtype, dtype) in DEPTHS:
        return np.rint(picture.astype(np.float32) * DEPTHS[picture.dtype, dtype]).astype(dtype)
    raise UserError(f"holds {picture.dtype}, and what was learnt {dtype}")


def _with_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    count = picture.shape[2]
    if count == 1:
        return np.repeat(picture, channels, axis=2)
    if channels in (1, 3) and count in (2, 3, 4):
        return with_channels(picture, channels)
    if count == 3 and channels == 4:
        full = np.iinfo(picture.dtype).max if picture.dtype.kind in "ui" else 1
        return np.concatenate([picture, np.full_like(picture[..., :1], full)], axis=2)
    raise UserError(f"has {count} channels, which cannot be made {channels}")


def _volume(image: RawImage) -> str:
    return image.volume or image.group or image.id
