"""The prepared folder as it is written: every image once, and what is known of all of them."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline import source
from pipeline.competition import Competition, Doubt, RawImage
from pipeline.errors import UserError, shown
from pipeline.raw import images as checks
from pipeline.raw import values
from pipeline.raw.decoding import Decoding
from pipeline.raw.organisers import Organisers
from pipeline.store import disk
from pipeline.store.bands import Bands, bands_of
from pipeline.store.disk import atomic
from pipeline.store.exchanged import Frames
from pipeline.store.flat import FlatWriter, offsets_of
from pipeline.store.measuring import Measure
from pipeline.store.prepared import ALWAYS_LEARNT, VOLUME
from pipeline.store.shares import Shares


class Written:
    """Collects what is known of the images while they pass by once."""

    def __init__(self, competition: Competition, folder: Path, decoding: Decoding, organisers: Organisers):
        self.task, self.organisers = competition.task, organisers
        self.decoding = decoding
        self.folder = folder
        self.rows, self.doubts, self.extra, self.always_learnt, self.volumes = [], [], [], [], []
        self.shares, self.frames = Shares(len(competition.task.classes)), Frames()
        self.content = {kind: hashlib.sha256() for kind in ("train", "test", "truth")}
        if decoding.nodata is not None:
            for content in self.content.values():
                # the same pixels, of which some are not learnt
                content.update(f"nodata {decoding.nodata}".encode())
        self.arrays: dict[str, FlatWriter] = {}
        self.first = None
        self.measure: Measure | None = None

    def write(self, images: list[RawImage]) -> None:
        has_truth = any(image.part == "test" and image.labels for image in images)
        with contextlib.ExitStack() as stack:
            decoded = stack.enter_context(contextlib.closing(self.decoding.of(images)))
            first, picture, labels = next(decoded)
            # what all must be like; the picture itself is not kept
            self.first = np.empty((0, 0, picture.shape[2]), picture.dtype)
            self.measure = Measure(picture, values.stored_nodata(self.decoding.nodata, picture.dtype))
            dtype = labels.dtype if labels is not None else np.uint8
            pictures = self._open(stack, "images.npy", values.needed(picture))
            answers = self._open(stack, "labels.npy", dtype)
            truth = self._open(stack, "truth.npy", dtype) if has_truth else None
            self._add(first, picture, labels, pictures, answers, truth)
            del picture, labels
            for item in decoded:
                self._add(*item, pictures, answers, truth)
        write_index(self.folder, self.rows, self.first.shape[2], self.volumes, self.extra, self.always_learnt)

    def _open(self, stack, name: str, dtype) -> FlatWriter:
        writer = stack.enter_context(FlatWriter(stack.enter_context(atomic(self.folder / name)), dtype))
        self.arrays[name] = writer
        return writer

    def _add(self, image, picture, labels, pictures, answers, truth) -> None:
        alike = values.are_alike(picture.dtype, self.first.dtype)
        if not alike or picture.shape[2] != self.first.shape[2]:
            raise UserError(
                f"image {image.id} has {picture.shape[2]} channel(s) of {picture.dtype}, the first one "
                f"{self.first.shape[2]} of {self.first.dtype}; all must be alike"
            )
        if labels is not None:
            self._refuse_odd(image, labels, (*picture.shape[:2], self.task.layers), answers.dtype)
        if self.task.needs_groups:
            _refuse_another_size(image, picture, self.rows)
        kind = values.joined(pictures.dtype, values.needed(picture))
        if kind != pictures.dtype:
            pictures.widen(kind)
        content = self.content[image.part]
        # what few images have counts only where it is there: other fingerprints stay as they were
        more = ((image.kind,) if image.kind else ()) + (("always learnt",) if image.always_learnt else ())
        more += (("volume", image.volume),) if image.volume else ()
        content.update(repr((image.id, image.group, *more, picture.shape, picture.dtype.str)).encode())
        bands = _passing(picture, pictures, content)
        if image.part == "train":
            self._measure(bands, picture.shape[2])
        for _ in bands:
            pass
        coverage = ""
        if image.part == "train":
            counted = Counted(self.task)
            self.frames.add(image.id, map(counted.add, _passing(labels, answers, content)))
            coverage = repr(counted.coverage)
            self.organisers.compare(image.id, labels)
            self.shares.add(counted.pixels, counted.known)
            with source.of_the_user(f"doubt of image {image.id}"):
                doubt = image.doubt(labels) if image.doubt else None
            if doubt and not isinstance(doubt, (str, Doubt)):
                raise checks.WrongKind(f"doubt of image {image.id} gives {doubt!r}; it must be a text, or None")
            if doubt:
                self.doubts.append((image.id, doubt if isinstance(doubt, Doubt) else Doubt(doubt)))
        elif truth is not None:
            if labels is None:
                raise UserError(f"test image {image.id} has no truth, though others have; add it or remove all")
            for _ in _passing(labels, truth, self.content["truth"]):
                pass
        self.rows.append([image.id, image.part, image.group, image.kind, *picture.shape[:2], coverage])
        self.extra.append(image.extra)
        self.always_learnt.append(image.always_learnt)
        self.volumes.append(image.volume)

    def _refuse_odd(self, image: RawImage, labels: np.ndarray | Bands, shape: tuple, dtype: np.dtype) -> None:
        """Raises UserError for labels of another size than their image, layers that the task has not, and another type
        than that of the first ones."""
        sizes = [" x ".join(map(str, size)) for size in (shape, labels.shape)]
        if labels.shape[:2] != shape[:2]:
            raise UserError(f"image {image.id} is {sizes[0]} (height x width x layers), its labels are {sizes[1]}")
        if labels.shape != shape:
            raise checks.WrongKind(f"the labels of image {image.id} have {labels.shape[2]} layer(s), not {shape[2]}")
        if labels.dtype != dtype:
            alike = f"{labels.dtype}, the first ones {dtype}; all must be alike"
            raise checks.WrongKind(f"the labels of image {image.id} are {alike}")

    def _measure(self, bands: Iterator[np.ndarray], channels: int) -> None:
        self.measure.add_bands(bands, channels)

    def info(self, notes: list[str]) -> dict:
        train = [row for row in self.rows if row[1] == "train"]
        measured = self.measure.info()
        exclusive = self.task.layers == 1 < len(self.task.classes)
        notes = [*notes, *self._notes(), *self.shares.notes(self.task.classes, has_background=exclusive)]
        notes += self.frames.notes() if len(self.task.classes) == 1 else []
        return {
            "fingerprints": {kind: content.hexdigest()[:32] for kind, content in self.content.items()},
            "arrays": {name: writer.digest.hexdigest() for name, writer in self.arrays.items()},
            "train": len(train),
            "test": len(self.rows) - len(train),
            "channels": self.first.shape[2],
            "dtype": str(self.arrays["images.npy"].dtype),
            "label_dtype": str(self.arrays["labels.npy"].dtype),
            "layers": self.task.layers,
            **measured,
            **({} if self.decoding.nodata is None else {"nodata": self.measure.gaps / self.measure.values}),
            "class_pixels": self.shares.pixels.tolist(),
            "empty": float(np.mean([float(row[6]) == 0 for row in train])),
            **({"bad": list(self.decoding.bad)} if self.decoding.bad else {}),
            "notes": [*notes, *self._doubts()],
        }

    def _doubts(self) -> list[str]:
        """A line for each kind of doubt: its images, and its pixels where these are counted."""
        kinds: dict[str, list[tuple[str, int]]] = {}
        for name, doubt in self.doubts:
            kinds.setdefault(doubt.text, []).append((name, doubt.pixels))
        lines = []
        for text, there in kinds.items():
            pixels = sum(count for _, count in there)
            counted = f"{len(there)} image(s){f', {pixels} pixel(s)' if pixels else ''}"
            lines.append(f"{counted}: {text}: {shown([name for name, _ in there])}")
        return lines

    def _notes(self) -> list[str]:
        """What is doubtful in the values. Raises UserError where nothing is known of any train image."""
        nodata, measure = self.decoding.nodata, self.measure
        if nodata is not None and measure.gaps == measure.values:
            raise UserError(f"every pixel of the train images is nodata ({nodata}); is it the right value?")
        notes = [] if nodata is None or measure.gaps else [f"no pixel of the train images is nodata ({nodata})"]
        if self.first.dtype == values.WIDE and measure.top > values.EXACT:
            notes += [f"values up to {measure.top:.0f} are kept as float32, to seven digits"]
        return notes


def write_index(folder: Path, rows: list, channels: int, volumes: list, extra: list, always_learnt=()) -> None:
    """images.csv of rows `id,part,group,kind,height,width,coverage`, and extra.csv where something more is known."""
    sizes = np.array([row[4:6] for row in rows])
    offsets = offsets_of(sizes[:, 0], sizes[:, 1], channels)
    rows = [[*row, offset] for row, offset in zip(rows, offsets, strict=True)]
    header = ["id", "part", "group", "kind", "height", "width", "coverage", "offset"]
    if any(always_learnt):
        header.append(ALWAYS_LEARNT)
        marks = ["yes" if always else "" for always in always_learnt]
        rows = [[*row, mark] for row, mark in zip(rows, marks, strict=True)]
    if any(volumes):
        header.append(VOLUME)
        rows = [[*row, volume] for row, volume in zip(rows, volumes, strict=True)]
    disk.write_rows(folder / "images.csv", header, rows)
    names = sorted({name for known in extra for name in known})
    if names:
        known = [[row[0], *(known.get(name, "") for name in names)] for row, known in zip(rows, extra, strict=True)]
        disk.write_rows(folder / "extra.csv", ["id", *names], known)


class Counted:
    """What is known of the labels of one image after all of its bands.

    Attributes: coverage: as the task has it, 0..1; pixels: of each class; known: pixels that are not void.
    """

    def __init__(self, task):
        self.task, self.parts = task, []
        self.pixels, self.known = 0, 0

    def add(self, band: np.ndarray) -> np.ndarray:
        """h x W x layers; returns where the first of them has a class, h x W bool."""
        void = 0 if self.task.void is None else np.count_nonzero((band == self.task.void).all(axis=2))
        self.parts.append((self.task.coverage(band), band.size))
        self.pixels = self.pixels + self.task.counts(band, band)[:, 2]
        self.known += band.shape[0] * band.shape[1] - int(void)
        first = band[..., 0]
        return first > 0 if self.task.void is None else (first > 0) & (first != self.task.void)

    @property
    def coverage(self) -> float:
        if len(self.parts) == 1:
            return self.parts[0][0]
        # counts again, so that it is the number that the whole has
        return sum(round(share * size) for share, size in self.parts) / sum(size for _, size in self.parts)


def _passing(picture: np.ndarray | Bands, pictures: FlatWriter, content) -> Iterator[np.ndarray]:
    """A picture from top to bottom, written into `pictures` and counted in the hash `content` on its way."""
    for band in bands_of(picture):
        pictures.append(band.astype(pictures.dtype, copy=False))
        content.update(np.ascontiguousarray(band))
        yield band


def _refuse_another_size(image: RawImage, picture: np.ndarray, rows: list) -> None:
    """Raises UserError for a slice that differs in size from the one before it in its volume."""
    if rows and rows[-1][1:3] == [image.part, image.group] and rows[-1][4:6] != list(picture.shape[:2]):
        sizes = " and ".join("{} x {}".format(*size) for size in (rows[-1][4:6], picture.shape[:2]))
        raise UserError(f"slices {rows[-1][0]} and {image.id} of one volume are {sizes} pixels; all must be alike")
