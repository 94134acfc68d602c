"""The truth of a drawn test part, taken for a network's answer: scores 1, and is written as another encoder would."""

from collections.abc import Callable

import numpy as np

from pipeline.store import submission
from pipeline.tasks import scoring


def is_found_and_written(job, encoded: Callable[[np.ndarray], str], columns: list[str], ids: list[str]) -> None:
    """Args: encoded: a mask H x W to its field, by other code than ours. columns, ids: of the csv, in their order."""
    task, form, rows = job.competition.task, job.competition.format, job.prepared.test
    names = job.prepared.table["id"].iloc[rows].tolist()
    truth = [np.asarray(job.prepared.truth[i]) for i in range(len(rows))]
    items = [("", task.target(labels), labels) for labels in truth]
    assert scoring.count(job.competition.metric, task, items, task.plain_thresholds()).score() == 1
    written = []
    for name, (_, probabilities, labels) in zip(names, items, strict=True):
        decoded = task.decode(probabilities, task.plain_thresholds())
        written += submission.rows_of(name, task.texts(form.turned(decoded)), form, task.classes)
        assert written[-1] == [name, encoded(labels[..., 0])] and labels.any()
    wanted = submission.expected(job.competition, job.prepared)
    assert form.columns == columns and wanted.ids == ids
    table = submission.table_from(written, form)
    submission.validate(table, form, wanted, "here")
    again = list(submission.decoded(table, form, wanted, task))
    assert all(np.array_equal(one, other) for one, other in zip(again, truth, strict=True))
