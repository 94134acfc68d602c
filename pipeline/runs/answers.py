"""What the trained folds answered to the images they held out: checked, and beside the truth."""

from collections.abc import Iterator

import numpy as np

from pipeline.runs.job import Job
from pipeline.store.predictions import Predictions


def of_fold(job: Job, fold, name: str = "valid") -> Predictions:
    """The probabilities of the images that a fold holds out. Raises UserError when they are of other images."""
    table = job.prepared.table.iloc[job.fold_table.held_out(fold)]
    found = Predictions(job.store.fold(fold), name, job.competition.task.outputs, index="valid")
    found.check(table["id"].tolist(), table["height"], table["width"])
    return found


def items(job: Job, folds: list, name: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(group, probabilities H x W x outputs, labels H x W x layers) of every held-out image, fold after fold."""
    groups, labels = job.prepared.table["group"].to_numpy(), job.prepared.labels
    for fold in folds:
        answers = of_fold(job, fold, name)
        for i, row in enumerate(job.fold_table.held_out(fold)):
            yield groups[row], answers[i], labels[row]
