"""What a submission holds, read back from its csv, and its score where the truth of the test part is known."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.imaging import rle
from pipeline.runs.job import Job
from pipeline.store import submission
from pipeline.store.submission import Expected, Summary
from pipeline.tasks.scoring import Tally
from pipeline.tasks.task import Task


@dataclass(frozen=True)
class Hidden:
    """The score of a submission on the hidden truth: the mean over n images and its standard error."""

    score: float
    error: float
    n: int


@dataclass(frozen=True)
class Submitted:
    """Attributes: summary: rows, images, share empty; coverage: of each image, 0..1; truth_coverage: the same
    of the truth, where it is known; is_test: whether these are
    test images (without a test part they are held-out ones); rows: of the prepared table; tally: what they got, None
    where the truth is not known."""

    summary: Summary
    coverage: np.ndarray
    truth_coverage: np.ndarray
    is_test: bool
    rows: np.ndarray
    tally: Tally | None

    @functools.cached_property
    def hidden(self) -> Hidden | None:
        """The score on the hidden truth."""
        return None if self.tally is None else Hidden(self.tally.score(), self.tally.error(), len(self.tally))


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
    coverage, true_coverage, statistics = [], [], []
    task, metric = job.competition.task, job.competition.metric
    for row, labels in zip(rows, decoded(csv, form, expected, task), strict=True):
        coverage.append(task.coverage(labels))
        if truth is not None:
            statistics.append(metric.statistic(task, labels, truth[place[row]]))
            true_coverage.append(task.coverage(truth[place[row]]))
    tally = Tally(metric, np.stack(statistics), job.prepared.groups(rows)) if statistics else None
    return Submitted(summary, np.array(coverage), np.array(true_coverage), is_test, rows, tally)


def labels_of_rows(job: Job, rows: np.ndarray) -> list[np.ndarray]:
    """The labels that the csv of the run gives to some of its images, by rows of the prepared table."""
    form = job.competition.format
    csv = submission.read_csv(job.store.submission, form)
    wanted = set(job.prepared.table["id"].iloc[rows])
    csv = csv[csv[form.id_column].isin(wanted)]
    expected = submission.expected_rows(job.competition, job.prepared, _prepared_rows(job, csv[form.id_column]))
    found = dict(zip(expected.ids, decoded(csv, form, expected, job.competition.task), strict=True))
    return [found[name] for name in job.prepared.table["id"].iloc[rows]]


def decoded(csv, form: submission.Format, expected: Expected, task: Task) -> Iterator[np.ndarray]:
    """The labels of each expected image, H x W x layers, from the rows of a valid csv."""
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
        count = int(last_row - first_row)
        yield task.labels_of(run_rows[runs] - first_row, starts[runs], lengths[runs], count, size)
        first_row, first_run = last_row, last_run


def _prepared_rows(job: Job, ids) -> np.ndarray:
    """Row numbers of the prepared table for the images of a csv, in its order, each once."""
    place = {name: row for row, name in enumerate(job.prepared.table["id"])}
    unknown = [name for name in dict.fromkeys(ids) if name not in place]
    if unknown:
        raise UserError(
            f"{job.store.shown(job.store.submission)}: {len(unknown)} id(s) are of no prepared image: {shown(unknown)}"
        )
    return np.array([place[name] for name in dict.fromkeys(ids)], int)
