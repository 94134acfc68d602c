"""Whether the test part looks as the train part does, and what was answered to the pictures that look least like it."""

from collections.abc import Iterable

import numpy as np

from pipeline.reporting.explore.gallery import legend, tinted
from pipeline.reporting.run.facts import Facts
from pipeline.reporting.run.submitted import Submitted, labels_of_rows
from pipeline.reporting.shared import charts, pictures
from pipeline.reporting.shared.page import css
from pipeline.runs import dataset_shift
from pipeline.runs.job import Job
from pipeline.tasks.task import Task

SHOWN = 8  # pictures
NAMED = 20  # ids of those the classifier is sure of
BINS = np.linspace(0, 1, 21)


def content(job: Job, facts: Facts) -> dict:
    """Empty without a test part; `why_not` where the parts cannot be compared."""
    if not len(job.prepared.test):
        return {}
    shift = facts.shift
    if shift is None:
        return {"why_not": dataset_shift.why_not(job.prepared), "tiles": []}
    series = [("train", shift.test_like[~shift.is_test]), ("test", shift.test_like[shift.is_test])]
    return {
        "why_not": "",
        "auc": shift.auc,
        "error": shift.error,
        "is_large": shift.is_large,
        "limit": dataset_shift.LIMIT,
        "looked_at": {"train": int((~shift.is_test).sum()), "test": int(shift.is_test.sum())},
        "left_out": {part: count for part, count in shift.left_out.items() if count},
        "telling": [{"name": name, "auc": area} for name, area in shift.telling],
        "chart": charts.steps("images by how test-like they look", BINS, series, "probability of being a test picture"),
        "sure": shift.sure[:NAMED],
        "sure_count": len(shift.sure),
        "grouped": job.prepared.groups(job.prepared.train) is not None,
        "legend": [(name, css(colour)) for _, name, colour in legend(job.competition.task)],
        "tiles": tiles(job, facts),
    }


def tiles(job: Job, facts: Facts) -> list[dict]:
    """Cards of the test pictures that look least like train, with what the submission says of them where there is one:
    the truth of the test part, if it is known, is not looked at here."""
    place = {name: row for row, name in enumerate(job.prepared.table["id"])}
    chosen = facts.shift.least_like_train()[:SHOWN]
    likeness = {place[name]: (name, value) for name, value in chosen}
    # one picture after the other: they may be large
    cards = {row: _card(job, row, *likeness[row], answer) for row, answer in _answers(job, facts.submitted, likeness)}
    return [cards[row] for row in likeness]


def _card(job: Job, row: int, name: str, likeness: float, answer: np.ndarray | None) -> dict:
    return {
        "id": name,
        "likeness": likeness,
        "coverage": None if answer is None else job.competition.task.coverage(answer),
        "panels": _panels(job.competition.task, job, row, answer),
    }


def _answers(job: Job, submitted: Submitted | None, rows: Iterable[int]) -> Iterable[tuple[int, np.ndarray | None]]:
    """(row, labels) of each of these rows, in any order; None where the submission does not answer all of them."""
    if submitted is None or not submitted.is_test or not set(rows) <= set(submitted.rows.tolist()):
        return [(row, None) for row in rows]
    return labels_of_rows(job, np.array(list(rows)))


def _panels(task: Task, job: Job, row: int, answer) -> list[tuple[str, str]]:
    """(address, what it is) of the image and of the prediction."""
    picture = pictures.rgb(job.prepared.images[row], job.prepared.scaling)
    plain = pictures.data_uri(pictures.enlarged(picture)), "the image"
    if answer is None:
        return [plain]
    if task.colours:
        return [plain, (pictures.data_uri(pictures.enlarged(pictures.painted(answer, task))), "the prediction")]
    if task.layers > 1:
        return [plain, (pictures.data_uri(pictures.enlarged(tinted(picture, answer, task))), "the prediction")]
    return [(pictures.outlined(picture, None, pictures.things(answer, task)), "outlines of the prediction")]
