"""raw files -> data/<c>/prepared/: images.npy labels.npy images.csv prepared.json (and truth.npy, the sample).

Every picture is decoded once, by all cores, into one flat file.
"""

import contextlib
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pipeline import source
from pipeline.competition import Competition, RawImage
from pipeline.errors import UserError, shown
from pipeline.raw import images as checks
from pipeline.raw import reader, tables
from pipeline.raw.files import RawFiles, content_of, fingerprints
from pipeline.runs.job import Job
from pipeline.store import disk, records
from pipeline.store.disk import atomic
from pipeline.store.flat import FlatWriter, offsets_of

READS = ("download",)
FORM = 2  # of the prepared files: another number has them made again


def needs(job: Job) -> tuple[str, ...]:
    """The modules without which nothing works; later stages read what this one writes."""
    return ("numpy", "pandas", "cv2", "tqdm")


def makes(job: Job) -> Path:
    """What one process at a time makes."""
    return job.store.prepared


def is_current(job: Job) -> bool:
    """Raises UserError where the competition's file reads in another way than it did, and there are no raw files."""
    done, folder = job.store.prepared / "prepared.json", job.raw_folder()
    state = _state(job, done, folder)
    if state == "yours":
        job.say(f"{job.store.shown(done)} was not written by us: used as it is")
    if state == "current" and job.on_bad_image == "refuse" and disk.read_json(done).get("bad"):
        # asked for by name: what stands in for pictures that cannot be read is not taken for them
        state = "stale"
    if state == "stale" and folder is None:
        raise UserError(
            f"{job.store.shown(done.parent)} was made by another read(), group= or labels= than "
            f"{reader.file_of(job.competition)} has now; name the raw files with --data DIR to have them read again"
        )
    return state in ("current", "yours")


def _state(job: Job, done: Path, folder: Path | None) -> str:
    """As `records.state`; without raw files by what can be known without them."""
    wanted, record = inputs_of(job.competition, folder), records.read_record(done)
    if record and "code" not in record["inputs"]:
        # of an earlier version, which did not keep the competition's own code apart
        wanted = {name: value for name, value in wanted.items() if name in ("raw", "form")}
        job.say(f"{job.store.shown(done.parent)} is of an earlier version: whether its read() was edited is not known")
    saved = record["inputs"] if record else {}
    other = [name for name, value in wanted.items() if saved.get(name) != value]
    if record and other == ["identity"] and saved.get("content") == content_of(folder):
        # a copy, or files that were touched: what is in them is the same, and need not be read again next time
        records.update(done, {**saved, "identity": wanted["identity"]})
        return "current"
    return "current" if record and not other else records.state(done, wanted)


def inputs_of(competition: Competition, folder: Path | None) -> dict:
    """What the prepared data depends on: the raw files, the files of ours that read them (both only where there are
    raw files), and the competition's own code."""
    own = {"code": reader.own_code(competition), "form": FORM}
    return {**fingerprints(folder), "reader": reader.shared_code(competition), **own} if folder else own


def run(job: Job, named: bool = False) -> None:
    folder = job.raw_folder()
    if folder is None:
        raise UserError(
            f"no raw files in {job.store.shown(job.store.raw)}; name their folder with --data DIR, or run the stage "
            "'download'"
        )
    inputs = {**inputs_of(job.competition, folder), "content": content_of(folder)}
    done = job.store.prepared / "prepared.json"
    if records.state(done, inputs) == "yours" and not job.again:
        job.say(f"{job.store.shown(done)} is yours: kept (--again replaces it)")
        return
    with RawFiles(folder) as raw:
        info = convert(job.competition, raw, job.store.prepared, inputs, job.stands_in)
    for note in info["notes"]:
        job.say(f"warning: {note}")
    job.say(
        f"{info['train']} train and {info['test']} test images, {info['channels']} channel(s) of {info['dtype']}, "
        f"{info['empty']:.1%} of the train images are empty"
    )


def convert(competition: Competition, raw: RawFiles, folder: Path, inputs: dict, stands_in: bool = False) -> dict:
    """Writes the prepared folder from raw files, and in the end exchanges it whole: a folder that cannot be read leaves
    what was prepared before. `stands_in`: a black picture stands for a test picture that cannot be read. Returns the
    content of prepared.json. Raises UserError."""
    with disk.whole_folder(folder) as part:
        return _convert(competition, raw, part, inputs, stands_in)


def _convert(competition: Competition, raw: RawFiles, folder: Path, inputs: dict, stands_in: bool) -> dict:
    with source.of_the_user("read()"):
        data = competition.read(raw)
    images = checks.in_order(data, competition, raw)
    writer = _Writer(competition, folder, _Decoding(competition.task.layers, stands_in))
    writer.write(images)
    if data.sample is not None:
        with atomic(folder / "sample_submission.csv") as part:
            part.write_bytes(tables.as_read_later(data.sample, competition.format))
    info = writer.info([*data.notes, *writer.decoding.notes()])
    # written last: it means that everything beside it is finished
    with records.recorded(folder / "prepared.json", inputs) as part:
        disk.write_json(part, info)
    return info


class _Writer:
    """Collects what is known of the images while they pass by once."""

    def __init__(self, competition: Competition, folder: Path, decoding: "_Decoding"):
        self.task = competition.task
        self.decoding = decoding
        self.folder = folder
        self.rows, self.doubts, self.extra = [], [], []
        self.class_pixels = np.zeros(len(competition.task.classes), np.int64)
        self.content = {kind: hashlib.sha256() for kind in ("train", "test", "truth")}
        self.arrays: dict[str, FlatWriter] = {}
        self.first = None
        self.top, self.sums, self.squares, self.pixels = 0.0, 0.0, 0.0, 0

    def write(self, images: list[RawImage]) -> None:
        has_truth = any(image.part == "test" and image.labels for image in images)
        with contextlib.ExitStack() as stack:
            decoded = stack.enter_context(contextlib.closing(self.decoding.of(images)))
            first, picture, labels = next(decoded)
            self.first = picture
            dtype = labels.dtype if labels is not None else np.uint8
            pictures = self._open(stack, "images.npy", picture.dtype)
            answers = self._open(stack, "labels.npy", dtype)
            truth = self._open(stack, "truth.npy", dtype) if has_truth else None
            self._add(first, picture, labels, pictures, answers, truth)
            for item in decoded:
                self._add(*item, pictures, answers, truth)
        self._write_table()

    def _open(self, stack, name: str, dtype) -> FlatWriter:
        writer = stack.enter_context(FlatWriter(stack.enter_context(atomic(self.folder / name)), dtype))
        self.arrays[name] = writer
        return writer

    def _add(self, image, picture, labels, pictures, answers, truth) -> None:
        if picture.dtype != self.first.dtype or picture.shape[2] != self.first.shape[2]:
            raise UserError(
                f"image {image.id} has {picture.shape[2]} channel(s) of {picture.dtype}, the first one "
                f"{self.first.shape[2]} of {self.first.dtype}; all must be alike"
            )
        if labels is not None and labels.shape != (*picture.shape[:2], self.task.layers):
            raise UserError(f"image {image.id} is {picture.shape[:2]} pixels, its labels are {labels.shape[:2]}")
        if self.task.needs_groups:
            _refuse_another_size(image, picture, self.rows)
        pictures.append(picture)
        content = self.content[image.part]
        kind = (image.kind,) if image.kind else ()
        content.update(repr((image.id, image.group, *kind, picture.shape, picture.dtype.str)).encode())
        content.update(np.ascontiguousarray(picture))
        coverage = ""
        if image.part == "train":
            answers.append(labels)
            content.update(np.ascontiguousarray(labels))
            coverage = repr(self.task.coverage(labels))
            self.class_pixels = self.class_pixels + self.task.counts(labels, labels)[:, 2]
            self._measure(picture)
            with source.of_the_user(f"doubt of image {image.id}"):
                doubt = image.doubt(labels) if image.doubt else None
            if doubt:
                self.doubts.append((image.id, doubt))
        elif truth is not None:
            if labels is None:
                raise UserError(f"test image {image.id} has no truth, though others have; add it or remove all")
            truth.append(labels)
            self.content["truth"].update(np.ascontiguousarray(labels))
        self.rows.append([image.id, image.part, image.group, image.kind, *picture.shape[:2], coverage])
        self.extra.append(image.extra)

    def _measure(self, picture: np.ndarray) -> None:
        flat = picture.reshape(-1, picture.shape[2]).astype(np.float64)
        self.top = max(self.top, float(flat.max()))
        self.sums = self.sums + flat.sum(axis=0)
        self.squares = self.squares + (flat**2).sum(axis=0)
        self.pixels += len(flat)

    def _write_table(self) -> None:
        sizes = np.array([row[4:6] for row in self.rows])
        offsets = offsets_of(sizes[:, 0], sizes[:, 1], self.first.shape[2])
        rows = [[*row, offset] for row, offset in zip(self.rows, offsets, strict=True)]
        header = ["id", "part", "group", "kind", "height", "width", "coverage", "offset"]
        disk.write_rows(self.folder / "images.csv", header, rows)
        names = sorted({name for extra in self.extra for name in extra})
        if names:
            extra = [
                [row[0], *(extra.get(name, "") for name in names)] for row, extra in zip(rows, self.extra, strict=True)
            ]
            disk.write_rows(self.folder / "extra.csv", ["id", *names], extra)

    def info(self, notes: list[str]) -> dict:
        train = [row for row in self.rows if row[1] == "train"]
        value_range = 255.0 if self.first.dtype == np.uint8 else max(self.top, 1e-6)
        mean = self.sums / self.pixels / value_range
        variance = self.squares / self.pixels / value_range**2 - mean**2
        kinds = {}
        for name, doubt in self.doubts:
            kinds.setdefault(doubt, []).append(name)
        return {
            "fingerprints": {kind: content.hexdigest()[:32] for kind, content in self.content.items()},
            "arrays": {name: writer.digest.hexdigest() for name, writer in self.arrays.items()},
            "train": len(train),
            "test": len(self.rows) - len(train),
            "channels": self.first.shape[2],
            "dtype": str(self.first.dtype),
            "layers": self.task.layers,
            "range": value_range,
            "mean": [float(value) for value in mean],
            "std": [float(value) for value in np.sqrt(np.maximum(variance, 1e-12))],
            "class_pixels": self.class_pixels.tolist(),
            "empty": float(np.mean([float(row[6]) == 0 for row in train])),
            **({"bad": list(self.decoding.bad)} if self.decoding.bad else {}),
            "notes": [*notes, *(f"{len(ids)} image(s): {doubt}: {shown(ids)}" for doubt, ids in kinds.items())],
        }


def _refuse_another_size(image: RawImage, picture: np.ndarray, rows: list) -> None:
    """Raises UserError for a slice that differs in size from the one before it in its volume."""
    if rows and rows[-1][1:3] == [image.part, image.group] and rows[-1][4:6] != list(picture.shape[:2]):
        sizes = " and ".join("{} x {}".format(*size) for size in (rows[-1][4:6], picture.shape[:2]))
        raise UserError(f"slices {rows[-1][0]} and {image.id} of one volume are {sizes} pixels; all must be alike")


class _Decoding:
    """Decodes images, a few dozen ahead by all cores.

    Attributes:
        bad: id -> why, of the test pictures that could not be read and for which a black picture stands.
    """

    AHEAD = 64

    def __init__(self, layers: int, stands_in: bool):
        self.layers, self.stands_in = layers, stands_in
        self.bad: dict[str, str] = {}
        self.tests = 0
        # (shape, dtype) of what was read
        self.shapes: Counter = Counter()

    def of(self, images: list[RawImage]) -> Iterator[tuple[RawImage, np.ndarray, np.ndarray | None]]:
        """(image, picture H x W x C, labels H x W x layers or None) in order. Raises UserError."""
        from tqdm import tqdm

        self.tests = sum(image.part == "test" for image in images)
        bar = tqdm(total=len(images), desc="prepare", unit="image", disable=not sys.stderr.isatty(), delay=1)
        with ThreadPoolExecutor(os.cpu_count()) as pool, bar:
            for start in range(0, len(images), self.AHEAD):
                batch = images[start : start + self.AHEAD]
                found = [pool.submit(self._decode, image) for image in batch]
                try:
                    for image, future in zip(batch, found, strict=True):
                        picture, labels = future.result()
                        if picture is None:
                            picture, labels = self._stand_in(image, labels, batch, found)
                        self.shapes[picture.shape, picture.dtype] += 1
                        yield image, picture, labels
                        bar.update()
                finally:
                    for future in found:
                        future.cancel()

    def notes(self) -> list[str]:
        """Which pictures could not be read. Raises UserError where it is all there are to answer."""
        if not self.bad:
            return []
        first = next(iter(self.bad.values()))
        if len(self.bad) == self.tests:
            raise UserError(f"none of the {self.tests} test pictures can be read; the first: {first}")
        count = f"{len(self.bad)} of {self.tests} test pictures cannot be read and get an empty answer"
        return [f"{count}: {shown(self.bad)}; the first: {first}"]

    def _decode(self, image: RawImage) -> tuple[np.ndarray | None, np.ndarray | None]:
        try:
            with source.of_the_user(f"image() of image {image.id}"):
                picture = checks.checked_picture(image.image(), image)
        except UserError as error:
            if image.part != "test":
                raise
            if not self.stands_in:
                raise UserError(f"{error}; or give this test image an empty answer: --on-bad-image empty") from error
            self.bad[image.id] = str(error)
            return None, self._labels(image, needed=False)
        return picture, self._labels(image)

    def _labels(self, image: RawImage, needed: bool = True) -> np.ndarray | None:
        if image.labels is None:
            return None
        try:
            with source.of_the_user(f"labels() of image {image.id}"):
                return checks.checked_labels(image.labels(), image)
        except UserError:
            if needed:
                raise
            return None

    def _stand_in(self, image: RawImage, labels, batch: list[RawImage], found: list) -> tuple[np.ndarray, np.ndarray]:
        """A black picture, as large as its labels, as other slices of its volume, or as most pictures are."""
        (shape, dtype), _ = self.shapes.most_common(1)[0]
        size = shape[:2]
        near = [
            future.result()[0]
            for other, future in zip(batch, found, strict=True)
            if image.group and (other.part, other.group) == (image.part, image.group)
        ]
        size = next((picture.shape[:2] for picture in near if picture is not None), size)
        if labels is not None:
            size = labels.shape[:2]
        elif image.labels:
            labels = np.zeros((*size, self.layers), np.uint8)
        return np.zeros((*size, shape[2]), dtype), labels
