"""What a submission holds, read back from its csv, and its score where the truth of the test part is known."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline import submission
from pipeline.errors import UserError, shown
from pipeline.imaging import rle
from pipeline.imaging.metrics import standard_error
from pipeline.job import Job
from pipeline.submission import Expected, Summary
from pipeline.tasks.scoring import image_scores


@dataclass(frozen=True)
class Hidden:
    """The score of a submission on the hidden truth: the mean over n images and its standard error."""

    score: float
    error: float
    n: int


@dataclass(frozen=True)
class Submitted:
    """Attributes: summary: rows, images, share empty; coverage: of each image, 0..1; is_test: whether these are
    test images (without a test part they are held-out ones); hidden: None where the truth is not known."""

    summary: Summary
    coverage: np.ndarray
    is_test: bool
    hidden: Hidden | None


def read(job: Job) -> Submitted | None:
    """Decodes the csv of the run; None where there is none. Raises UserError when it is not valid."""
    path, form = job.store.submission, job.competition.format
    if not path.exists():
        return None
    csv = submission.read_csv(path, form)
    rows = _prepared_rows(job, csv[form.id_column])
    expected = submission.expected_rows(job.competition, job.prepared, rows)
    summary = submission.validate(csv, form, expected, job.store.shown(path))
    is_test = len(rows) > 0 and not job.prepared.is_train[rows].any()
    truth = job.prepared.truth if is_test else None
    place = {row: i for i, row in enumerate(job.prepared.test)}
    coverage: list[float] = []

    def pairs():
        for row, labels in zip(rows, decoded(csv, form, expected, job.competition.task.layers), strict=True):
            coverage.append(job.competition.task.coverage(labels))
            yield labels, None if truth is None else truth[place[row]]

    hidden = None
    if truth is None:
        for _ in pairs():
            pass
    else:
        scores = image_scores(job.competition.metric, pairs())
        error = standard_error(scores, job.prepared.groups(rows))
        hidden = Hidden(float(scores.mean()), error, len(scores))
    return Submitted(summary, np.array(coverage), is_test, hidden)


def decoded(csv, form: submission.Format, expected: Expected, layers: int) -> Iterator[np.ndarray]:
    """The labels of each expected image, H x W x layers uint8 or wider, from the rows of a valid csv."""
    ids = csv[form.id_column].to_numpy(dtype=object)
    position = {name: i for i, name in enumerate(expected.ids)}
    image = np.fromiter((position[name] for name in ids), np.int64, len(ids))
    run_rows, starts, lengths = rle.parse_many(csv[form.rle_column].tolist())
    csv_ends = np.searchsorted(image, np.arange(len(expected.ids)), side="right")
    run_ends = np.searchsorted(run_rows, csv_ends)
    first_row = first_run = 0
    for i, (last_row, last_run) in enumerate(zip(csv_ends, run_ends, strict=True)):
        runs = slice(first_run, last_run)
        size = int(expected.heights[i]), int(expected.widths[i])
        count = last_row - first_row
        yield labels_of(rle.decode_many(run_rows[runs] - first_row, starts[runs], lengths[runs], count, *size), layers)
        first_row, first_run = last_row, last_run


def labels_of(masks: np.ndarray, layers: int) -> np.ndarray:
    """K x H x W bool masks to labels H x W x layers: a layer each where there are as many, else numbered from 1."""
    if len(masks) == layers:
        return np.moveaxis(masks, 0, -1).astype(np.uint8)
    numbers = np.arange(1, len(masks) + 1, dtype=np.uint16)[:, None, None]
    return (masks * numbers).max(axis=0)[..., None]


def _prepared_rows(job: Job, ids) -> np.ndarray:
    """Row numbers of the prepared table for the images of a csv, in its order, each once."""
    place = {name: row for row, name in enumerate(job.prepared.table["id"])}
    unknown = [name for name in dict.fromkeys(ids) if name not in place]
    if unknown:
        raise UserError(
            f"{job.store.shown(job.store.submission)}: {len(unknown)} id(s) are of no prepared image: {shown(unknown)}"
        )
    return np.array([place[name] for name in dict.fromkeys(ids)], int)
