"""What a submission holds, read back from its file, and its score where the truth of the test part is known."""

import functools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.runs import official
from pipeline.runs.job import Job
from pipeline.store import answer_file, submission
from pipeline.store.submission import Summary
from pipeline.tasks.scoring import Tally


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
    where the truth is not known; official: the same by the organisers' metric, where there is one."""

    summary: Summary
    coverage: np.ndarray
    truth_coverage: np.ndarray
    is_test: bool
    rows: np.ndarray
    tally: Tally | None
    official: Tally | None = None

    @functools.cached_property
    def hidden(self) -> Hidden | None:
        """The score on the hidden truth."""
        return None if self.tally is None else Hidden(self.tally.score(), self.tally.error(), len(self.tally))


def read(job: Job) -> Submitted | None:
    """Decodes the submission of the run; None where there is none. Raises UserError when it is not valid."""
    path, form = job.store.submission, job.competition.format
    if not path.exists():
        return None
    file = answer_file.opened(path, form, job.store.shown(path))
    rows = _prepared_rows(job, file.ids(job.prepared.table["id"]))
    expected = submission.expected_rows(job.competition, job.prepared, rows)
    summary = file.validate(expected)
    is_test = len(rows) > 0 and not job.prepared.is_train[rows].any()
    truth = job.prepared.truth if is_test else None
    place = {row: i for i, row in enumerate(job.prepared.test)}
    coverage, true_coverage, statistics = [], [], []
    task, metric = job.competition.task, job.competition.metric

    def read_once() -> Iterator[tuple[int, np.ndarray]]:
        for i, (row, labels) in enumerate(zip(rows, file.decoded(expected, task), strict=True)):
            coverage.append(task.coverage(labels))
            if truth is not None:
                statistics.append(metric.statistic(task, labels, truth[place[row]]))
                true_coverage.append(task.coverage(truth[place[row]]))
            yield i, labels

    by_unit = None
    if truth is not None and job.competition.official is not None:
        by_unit = official.tally(job, rows, read_once(), truth, int(job.prepared.test[0]))
    else:
        deque(read_once(), maxlen=0)
    tally = Tally(metric, np.stack(statistics), job.prepared.groups(rows)) if statistics else None
    return Submitted(summary, np.array(coverage), np.array(true_coverage), is_test, rows, tally, by_unit)


def labels_of_rows(job: Job, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(row of the prepared table, labels that the submission of the run gives) of some of its images, in its order."""
    names = set(job.prepared.table["id"].iloc[rows])
    file = answer_file.opened(job.store.submission, job.competition.format).only(names)
    here = _prepared_rows(job, file.ids(job.prepared.table["id"]))
    expected = submission.expected_rows(job.competition, job.prepared, here)
    wanted = set(rows.tolist())
    # of a volume all slices are read
    for row, labels in zip(here.tolist(), file.decoded(expected, job.competition.task), strict=True):
        if row in wanted:
            yield row, labels


def _prepared_rows(job: Job, ids) -> np.ndarray:
    """Row numbers of the prepared table for the images of a submission, in its order, each once."""
    place = {name: row for row, name in enumerate(job.prepared.table["id"])}
    unknown = [name for name in dict.fromkeys(ids) if name not in place]
    if unknown:
        raise UserError(
            f"{job.store.shown(job.store.submission)}: {len(unknown)} id(s) are of no prepared image: {shown(unknown)}"
        )
    return np.array([place[name] for name in dict.fromkeys(ids)], int)
