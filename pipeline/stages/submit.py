"""fold<k>/test.npy, thresholds.json -> submissions/<c>-<run>.csv, validated before it gets its name.

The folds are averaged image by image as they are read, decoded, and run-length encoded. Without a test part the
out-of-fold masks of the trained folds are written.
"""

import contextlib
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np

from pipeline.imaging import rle
from pipeline.runs import trained, tuning
from pipeline.runs.job import Job
from pipeline.store import disk, records, submission
from pipeline.store.predictions import Predictions

READS = ("tune", "predict")
FAR_OFF = 0.15  # a difference in the share of empty masks that deserves a warning


def reads(job: Job) -> tuple[str, ...]:
    """A submission of one's own is checked against the data alone: nothing need be trained."""
    return ("prepare",) if records.is_yours(job.store.submission) and not job.again else READS


def makes(job: Job) -> Path:
    """What one process at a time makes."""
    return job.store.submission


def is_current(job: Job) -> bool:
    path = job.store.submission
    if records.is_yours(path):
        submission.validate_file(path, job.competition.format, trained.expected(job))
        job.say(f"{job.store.shown(path)} is yours: valid, used as it is")
        return _is_copied(job)
    has_pictures = not job.competition.format.pictures or _picture_folder(job).is_dir()
    return records.state(path, inputs_of(job)) == "current" and has_pictures and _is_copied(job)


def inputs_of(job: Job) -> dict:
    name = trained.answered_part(job)
    files = {
        f"fold{fold}": records.fingerprint(job.store.fold(fold) / f"{name}.npy")
        for fold in trained.answering_folds(job)
    }
    sample = job.prepared.sample
    return {
        "thresholds": records.fingerprint(job.store.thresholds),
        "sample": records.fingerprint(sample) if sample else "",
        "format": repr(job.competition.format),
        "rules": trained.rules(job.competition),
        **files,
    }


def run(job: Job, named: bool = False) -> None:
    path = job.store.submission
    if records.is_yours(path) and not job.again:
        submission.validate_file(path, job.competition.format, trained.expected(job))
        job.say(f"{job.store.shown(path)} is yours: kept, and valid (--again replaces it)")
        _copy_for_kaggle(job)
        return
    content, thresholds = tuning.read_thresholds(job.store.thresholds, job.competition.task.classes)
    if trained.answered_part(job) == "valid":
        job.say("there is no test part: these are the out-of-fold masks of the trained folds")
    job.say(f"averaging fold(s) {', '.join(map(str, trained.answering_folds(job)))}")
    form, expected = job.competition.format, trained.expected(job)
    folder = _picture_folder(job)
    with records.recorded(path, inputs_of(job)) as part, contextlib.ExitStack() as stack:
        # has its name before the csv, which means that all is done
        pictures = stack.enter_context(disk.whole_folder(folder)) if form.pictures else None
        disk.write_rows(part, form.columns, _rows(job, expected, thresholds, pictures))
        summary = submission.validate(submission.read_csv(part, form), form, expected, job.store.shown(path))
    for line in _described(job, summary, content):
        job.say(line)
    if form.pictures:
        job.say(f"label pictures: {job.store.shown(folder)}/")
    _copy_for_kaggle(job)


def _picture_folder(job: Job) -> Path:
    return job.store.submission.with_suffix("")


def _is_copied(job: Job) -> bool:
    """Whether a Kaggle notebook's output is this run's submission; True on any other machine."""
    output, path = job.store.kaggle_output, job.store.submission
    return not output or (output.exists() and path.exists() and disk.file_hash(output) == disk.file_hash(path))


def _copy_for_kaggle(job: Job) -> None:
    output = job.store.kaggle_output
    if output:
        with disk.atomic(output) as part:
            shutil.copyfile(job.store.submission, part)
        job.say(f"copied to {output}")


def _rows(job: Job, expected: submission.Expected, thresholds: list, pictures: Path | None):
    """The rows of the csv, in the order of `expected`."""
    task, form = job.competition.task, job.competition.format
    if not task.needs_groups:
        for name, texts in _texts(job, expected.ids, thresholds, pictures):
            yield from submission.rows_of(name, texts, form, task.classes)
        return
    # the slices of a volume are decoded together, whatever order the csv has
    place = {name: row for row, name in enumerate(job.prepared.table["id"])}
    found = dict(_texts(job, sorted(expected.ids, key=place.get), thresholds, pictures))
    for name in expected.ids:
        yield from submission.rows_of(name, found[name], form, task.classes)


def _texts(job: Job, ids: list[str], thresholds: list, pictures: Path | None):
    """(id, run lengths) image by image: averaged, decoded, encoded, and read back to make sure."""
    from tqdm import tqdm

    task = job.competition.task
    groups = dict(zip(job.prepared.table["id"], job.prepared.table["group"], strict=True))
    items = ((groups[name], probabilities) for name, probabilities in _averaged(job, ids))
    names = tqdm(ids, desc="submit", unit="image", disable=not sys.stderr.isatty(), delay=1)
    bad = set(job.prepared.info.get("bad", []))
    for name, labels in zip(names, task.decoded(items, thresholds), strict=True):
        if name in bad:
            labels = _nothing(task, labels.shape[:2])
        texts = task.texts(labels)
        if not np.array_equal(_read_back(task, texts, labels.shape[:2]), labels):
            raise RuntimeError(f"the run lengths of {name} did not decode to the labels they were made from")
        if pictures:
            _write_picture(pictures / f"{name}.png", labels)
        yield name, texts


def _nothing(task, shape: tuple[int, int]) -> np.ndarray:
    """The labels of an image whose picture cannot be read: those of blank rows."""
    blank = [""] * len(task.classes)
    return task.labels_of(*rle.parse_many(blank), len(blank), shape)


def _read_back(task, texts: list[str], shape: tuple[int, int]) -> np.ndarray:
    return task.labels_of(*rle.parse_many(texts), len(texts), shape)


def _write_picture(path: Path, labels: np.ndarray) -> None:
    """Labels as a PNG."""
    done, content = cv2.imencode(".png", labels)
    if not done:
        raise RuntimeError(f"OpenCV could not encode the labels of {path.stem}")
    path.write_bytes(content.tobytes())


def _averaged(job: Job, ids: list[str]):
    """(id, H x W x K uint8) of each image: the mean over the folds that predicted it, rounded to nearest."""
    name, outputs = trained.answered_part(job), job.competition.task.outputs
    folds = [Predictions(job.store.fold(fold), name, outputs) for fold in trained.answering_folds(job)]
    places = [{image_id: i for i, image_id in enumerate(fold.ids)} for fold in folds]
    table = job.prepared.table
    for number, fold in zip(trained.answering_folds(job), folds, strict=True):
        rows = job.prepared.test if name == "test" else job.fold_table.held_out(number)
        fold.check(table["id"].iloc[rows].tolist(), table["height"].iloc[rows], table["width"].iloc[rows])
    for image_id in ids:
        answers = [fold[place[image_id]] for fold, place in zip(folds, places, strict=True) if image_id in place]
        count = len(answers)
        total = np.add.reduce(answers, dtype=np.uint32)
        yield image_id, ((2 * total + count) // (2 * count)).astype(np.uint8)


def _described(job: Job, summary: submission.Summary, content: dict) -> list[str]:
    train = float(np.mean(job.prepared.table["coverage"].to_numpy(float)[job.prepared.train] == 0))
    # of thresholds chosen by hand nothing is known
    guess = content.get("empty_predicted") if records.read_record(job.store.thresholds) else None
    line = f"{job.store.shown(job.store.submission)}: valid, {summary.rows} rows of {summary.images} images; "
    line += f"empty {summary.empty:.1%} (train {train:.1%}"
    line += f", out-of-fold {guess:.1%})" if guess is not None else ")"
    lines = [line]
    if abs(summary.empty - (train if guess is None else guess)) > FAR_OFF:
        lines.append("warning: the share of empty masks is far from what the held-out images got; look at the report")
    return lines
