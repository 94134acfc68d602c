"""fold<k>/test.npy, thresholds.json -> submissions/<c>-<run>.csv, validated before it gets its name.

The folds are averaged image by image as they are read, decoded, and run-length encoded, or written as files into a zip
(<c>-<run>.zip) where the competition asks for these. Without a test part the out-of-fold masks of the trained folds are
written.
"""

import contextlib
import shutil
import sys
from pathlib import Path

import numpy as np

from pipeline.runs import decoding, encoding, scored_by, trained, tuning
from pipeline.runs.decoding import Decoder
from pipeline.runs.job import Job
from pipeline.store import answer_file, disk, records, submission, zipped
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
        answer_file.validate(path, job.competition.format, trained.expected(job))
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
        "rules": scored_by.fingerprint(job.competition),
        **decoding.inputs_of(job, np.arange(len(job.prepared.is_train))),
        **files,
    }


def run(job: Job, named: bool = False) -> None:
    path = job.store.submission
    if records.is_yours(path) and not job.again:
        answer_file.validate(path, job.competition.format, trained.expected(job))
        job.say(f"{job.store.shown(path)} is yours: kept, and valid (--again replaces it)")
        _copy_for_kaggle(job)
        return
    content, thresholds = tuning.read_thresholds(job.store.thresholds, job.competition.task.classes)
    decoder = decoding.as_submitted(job, content)
    if trained.answered_part(job) == "valid":
        job.say("there is no test part: these are the out-of-fold masks of the trained folds")
    job.say(f"averaging fold(s) {', '.join(map(str, trained.answering_folds(job)))}")
    if job.competition.postprocess is not None:
        job.say(f"postprocess: {'applied' if decoder.applies else 'not applied'}, as {job.store.thresholds.name} says")
    form, expected = job.competition.format, trained.expected(job)
    folder = _picture_folder(job)
    with records.recorded(path, inputs_of(job)) as part, contextlib.ExitStack() as stack:
        # has its name before the csv, which means that all is done
        pictures = stack.enter_context(disk.whole_folder(folder)) if form.pictures else None
        if form.files:
            zipped.write(part, form, _labels(decoder, expected.ids, thresholds))
        else:
            disk.write_rows(part, form.columns, _rows(decoder, expected, thresholds, pictures))
        summary = answer_file.validate(part, form, expected, job.store.shown(path))
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


def _rows(decoder: Decoder, expected: submission.Expected, thresholds: list, pictures: Path | None):
    """The rows of the csv, in the order of `expected`."""
    job = decoder.job
    task, form = job.competition.task, job.competition.format
    if not task.needs_groups:
        for name, texts in encoding.texts(decoder, _labels(decoder, expected.ids, thresholds), pictures):
            yield from submission.rows_of(name, texts, form, task.classes)
        return
    # the slices of a volume are decoded together, whatever order the csv has
    place = {name: row for row, name in enumerate(job.prepared.columns["id"])}
    labels = _labels(decoder, sorted(expected.ids, key=place.get), thresholds)
    found = dict(encoding.texts(decoder, labels, pictures))
    for name in expected.ids:
        yield from submission.rows_of(name, found[name], form, task.classes)


def _labels(decoder: Decoder, ids: list[str], thresholds: list):
    """(id, labels) image by image: averaged and decoded."""
    from tqdm import tqdm

    found = encoding.labels(decoder, ids, _averaged(decoder.job, ids), thresholds)
    return tqdm(found, "submit", len(ids), unit="image", disable=not sys.stderr.isatty(), delay=1)


def _averaged(job: Job, ids: list[str]):
    """H x W x K uint8 of each image: the mean over the folds that predicted it, rounded to nearest."""
    name, outputs = trained.answered_part(job), job.competition.task.outputs
    folds = [Predictions(job.store.fold(fold), name, outputs) for fold in trained.answering_folds(job)]
    places = [{image_id: i for i, image_id in enumerate(fold.ids)} for fold in folds]
    columns = job.prepared.columns
    for number, fold in zip(trained.answering_folds(job), folds, strict=True):
        rows = job.prepared.test if name == "test" else job.fold_table.held_out(number)
        fold.check(*([columns[key][row] for row in rows] for key in ("id", "height", "width")))
    for image_id in ids:
        answers = [fold[place[image_id]] for fold, place in zip(folds, places, strict=True) if image_id in place]
        yield encoding.mean(answers)


def _described(job: Job, summary: submission.Summary, content: dict) -> list[str]:
    train = float(np.mean(np.array(job.prepared.columns["coverage"], float)[job.prepared.train] == 0))
    # of thresholds chosen by hand nothing is known
    guess = content.get("empty_predicted") if records.read_record(job.store.thresholds) else None
    line = f"{job.store.shown(job.store.submission)}: valid, {summary}; "
    line += f"empty {summary.empty:.1%} (train {train:.1%}"
    line += f", out-of-fold {guess:.1%})" if guess is not None else ")"
    lines = [line]
    if abs(summary.empty - (train if guess is None else guess)) > FAR_OFF:
        lines.append("warning: the share of empty masks is far from what the held-out images got; look at the report")
    return lines
