"""raw files -> data/<c>/prepared/: images.npy labels.npy images.csv prepared.json (and truth.npy, the sample).

Every picture is decoded once, by all cores, into one flat file.
"""

import contextlib
import hashlib
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.competition import Competition, RawImage
from pipeline.errors import UserError, shown
from pipeline.raw import reader
from pipeline.raw.files import RawFiles, listing_fingerprint
from pipeline.runs.job import Job
from pipeline.store import disk, locks, records
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
    if not done.exists():
        with locks.making(makes(job), job.wait, job.say):
            disk.restore_folder(job.store.prepared)
    state = _state(job, done, folder)
    if state == "yours":
        job.say(f"{job.store.shown(done)} was not written by us: used as it is")
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
        wanted = {name: value for name, value in wanted.items() if name not in ("code", "reader")}
        job.say(f"{job.store.shown(done.parent)} is of an earlier version: whether its read() was edited is not known")
    if record and all(record["inputs"].get(name) == value for name, value in wanted.items()):
        return "current"
    return records.state(done, wanted)


def inputs_of(competition: Competition, folder: Path | None) -> dict:
    """What the prepared data depends on: the raw files, the files of ours that read them (both only where there are
    raw files), and the competition's own code."""
    own = {"code": reader.own_code(competition), "form": FORM}
    return {"raw": listing_fingerprint(folder), "reader": reader.shared_code(competition), **own} if folder else own


def run(job: Job, named: bool = False) -> None:
    folder = job.raw_folder()
    if folder is None:
        raise UserError(
            f"no raw files in {job.store.shown(job.store.raw)}; name their folder with --data DIR, or run the stage "
            "'download'"
        )
    inputs = inputs_of(job.competition, folder)
    done = job.store.prepared / "prepared.json"
    if records.state(done, inputs) == "yours" and not job.again:
        job.say(f"{job.store.shown(done)} is yours: kept (--again replaces it)")
        return
    with RawFiles(folder) as raw:
        info = convert(job.competition, raw, job.store.prepared, inputs)
    for note in info["notes"]:
        job.say(f"warning: {note}")
    job.say(
        f"{info['train']} train and {info['test']} test images, {info['channels']} channel(s) of {info['dtype']}, "
        f"{info['empty']:.1%} of the train images are empty"
    )


def convert(competition: Competition, raw: RawFiles, folder: Path, inputs: dict) -> dict:
    """Writes the prepared folder from raw files, and in the end exchanges it whole: a folder that cannot be read leaves
    what was prepared before. Returns the content of prepared.json."""
    with disk.whole_folder(folder) as part:
        return _convert(competition, raw, part, inputs)


def _convert(competition: Competition, raw: RawFiles, folder: Path, inputs: dict) -> dict:
    data = competition.read(raw)
    images = sorted(_grouped(data.images), key=lambda image: (image.part == "test", image.id))
    _refuse_twins(images)
    if competition.task.needs_groups:
        _refuse_torn(images)
    writer = _Writer(competition, folder)
    writer.write(images)
    if data.sample is not None:
        with atomic(folder / "sample_submission.csv") as part:
            part.write_bytes(data.sample)
    info = writer.info(data.notes)
    # written last: it means that everything beside it is finished
    with records.recorded(folder / "prepared.json", inputs) as part:
        disk.write_json(part, info)
    return info


class _Writer:
    """Collects what is known of the images while they pass by once."""

    def __init__(self, competition: Competition, folder: Path):
        self.task = competition.task
        self.folder = folder
        self.rows, self.doubts, self.extra = [], [], []
        self.class_pixels = np.zeros(len(competition.task.classes), np.int64)
        self.content = {kind: hashlib.sha256() for kind in ("train", "test", "truth")}
        self.first = None
        self.top, self.sums, self.squares, self.pixels = 0.0, 0.0, 0.0, 0

    def write(self, images: list[RawImage]) -> None:
        has_truth = any(image.part == "test" and image.labels for image in images)
        with contextlib.ExitStack() as stack:
            decoded = stack.enter_context(contextlib.closing(_decoded(images)))
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
        return stack.enter_context(FlatWriter(stack.enter_context(atomic(self.folder / name)), dtype))

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
            "notes": [*notes, *(f"{len(ids)} image(s): {doubt}: {shown(ids)}" for doubt, ids in kinds.items())],
        }


def _refuse_another_size(image: RawImage, picture: np.ndarray, rows: list) -> None:
    """Raises UserError for a slice that differs in size from the one before it in its volume."""
    if rows and rows[-1][1:3] == [image.part, image.group] and rows[-1][4:6] != list(picture.shape[:2]):
        sizes = " and ".join("{} x {}".format(*size) for size in (rows[-1][4:6], picture.shape[:2]))
        raise UserError(f"slices {rows[-1][0]} and {image.id} of one volume are {sizes} pixels; all must be alike")


def _decoded(images: list[RawImage]):
    """(image, picture, labels) in order; a few dozen are decoded ahead by all cores."""
    from tqdm import tqdm

    def decode(image: RawImage):
        return image, image.image(), image.labels() if image.labels else None

    ahead = 64
    bar = tqdm(total=len(images), desc="prepare", unit="image", disable=not sys.stderr.isatty(), delay=1)
    with ThreadPoolExecutor(os.cpu_count()) as pool, bar:
        for start in range(0, len(images), ahead):
            for item in pool.map(decode, images[start : start + ahead]):
                yield item
                bar.update()


def _grouped(images: list[RawImage]) -> list[RawImage]:
    """Where some images have a group, one without is a group of its own, called like itself."""
    if not any(image.group for image in images):
        return images
    return [image if image.group else replace(image, group=image.id) for image in images]


def _refuse_torn(images: list[RawImage]) -> None:
    """Raises UserError where the slices of a volume do not lie on each other in the order of their ids."""
    keys = [(image.part, image.group) for image in images]
    starts = Counter(key for i, key in enumerate(keys) if i == 0 or key != keys[i - 1])
    torn = [group for (_, group), count in starts.items() if count > 1]
    if torn:
        raise UserError(
            f"the slices of {len(torn)} volume(s) do not follow each other when sorted by id: {shown(torn)}; "
            "ids must begin with what a volume's slices share (patient_007)"
        )


def _refuse_twins(images: list[RawImage]) -> None:
    if not any(image.part == "train" for image in images):
        raise UserError("no train images among the raw files; is it the right folder?")
    seen = set()
    twins = [image.id for image in images if image.id in seen or seen.add(image.id)]
    if twins:
        raise UserError(f"{len(twins)} image id(s) are there more than once: {shown(twins)}")
