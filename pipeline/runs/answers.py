"""What the trained folds answered to the images they held out: checked, and beside the truth."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pipeline.runs.decoding import Decoder
from pipeline.store.predictions import Predictions
from pipeline.tasks.thresholds import Thresholds

Chosen = list[tuple[np.ndarray, list[Thresholds]]]  # places among the held-out images, and the rules for these

if TYPE_CHECKING:
    from pipeline.runs.job import Job


def of_fold(job: "Job", fold, name: str = "valid") -> Predictions:
    """The probabilities of the images that a fold holds out. Raises UserError when they are of other images."""
    columns, rows = job.prepared.columns, job.fold_table.held_out(fold)
    found = Predictions(job.store.fold(fold), name, job.competition.task.outputs, index="valid")
    found.check([columns["id"][row] for row in rows], columns["height"][rows], columns["width"][rows])
    return found


def items(job: "Job", folds: list, name: str, among=None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(group, probabilities H x W x outputs, labels H x W x layers) of every held-out image, fold after fold; or of
    those `among` them, by their places 0, 1, …"""
    groups, labels = job.prepared.columns["group"], job.prepared.labels
    before = 0
    for fold in folds:
        answers, rows = of_fold(job, fold, name), job.fold_table.held_out(fold)
        for i, row in enumerate(rows):
            if among is None or before + i in among:
                yield groups[row], answers[i], labels[row]
        before += len(rows)


def decoded(
    decoder: Decoder, folds: list[int], chosen: Chosen, name: str = "valid"
) -> Iterator[tuple[int, np.ndarray]]:
    """(place, labels) of each image, for one set of rules after the other."""
    rows = held_out(decoder.job, folds)
    for places, rules in chosen:
        among = sorted(places.tolist())
        given = items(decoder.job, folds, name, frozenset(among))
        labels = decoder.labels(rows[among], (found for _, found, _ in given), rules)
        yield from zip(among, labels, strict=True)


def counted(decoder: Decoder, folds: list[int], chosen: Chosen, name: str = "valid") -> np.ndarray:
    """What the metric counts of each image, decoded by the rules chosen for it: n x …"""
    competition, truth = decoder.job.competition, decoder.job.prepared.labels
    rows = held_out(decoder.job, folds)
    found = {}
    for place, labels in decoded(decoder, folds, chosen, name):
        found[place] = competition.metric.statistic(competition.task, labels, truth[rows[place]])
    return np.stack([found[place] for place in range(len(rows))])


def held_out(job: "Job", folds: list[int]) -> np.ndarray:
    """The images that these folds hold out, fold after fold: rows of the prepared table."""
    return np.concatenate([job.fold_table.held_out(fold) for fold in folds])
