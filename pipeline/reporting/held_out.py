"""What the held-out images of the trained folds got, image by image, under the thresholds of the submission."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.imaging.metrics import standard_error
from pipeline.job import Job
from pipeline.predictions import Predictions
from pipeline.tasks.scoring import image_scores


@dataclass(frozen=True)
class HeldOut:
    """n images, fold after fold.

    Attributes:
        rows: of the prepared table; folds: which held each out; places: where it is in its fold's predictions.
        scores: the competition's score; wrong: share of the pixels that are wrong; found: coverage as predicted;
        coverage: of the truth; plain: scores without flips, or None; groups: of each image, or None.
    """

    rows: np.ndarray
    folds: np.ndarray
    places: np.ndarray
    scores: np.ndarray
    wrong: np.ndarray
    found: np.ndarray
    coverage: np.ndarray
    plain: np.ndarray | None
    groups: np.ndarray | None

    def error(self, values: np.ndarray) -> float:
        """The standard error of the mean of n values."""
        return standard_error(values, self.groups)


def measure(job: Job, rules: list) -> HeldOut | None:
    """One pass over the out-of-fold predictions, and one over those without flips where every fold kept them.

    None when no fold holds anything out.
    """
    folds = job.store.folds_holding("valid.npy")
    if not folds:
        return None
    rows = [job.fold_table.held_out(fold) for fold in folds]
    seen: list[tuple[float, float]] = []
    task, metric = job.competition.task, job.competition.metric
    scores = image_scores(metric, _noting(_pairs(job, folds, "valid", rules), task, seen))
    plain_kept = all((job.store.fold(fold) / "valid_no_tta.npy").exists() for fold in folds)
    table = job.prepared.table.iloc[np.concatenate(rows)]
    return HeldOut(
        rows=np.concatenate(rows),
        folds=np.repeat(folds, [len(part) for part in rows]),
        places=np.concatenate([np.arange(len(part)) for part in rows]),
        scores=scores,
        wrong=np.array([wrong for wrong, _ in seen]),
        found=np.array([found for _, found in seen]),
        coverage=table["coverage"].to_numpy(float),
        plain=image_scores(metric, _pairs(job, folds, "valid_no_tta", rules)) if plain_kept else None,
        groups=job.prepared.groups(np.concatenate(rows)),
    )


def answers(job: Job, fold, name: str = "valid") -> Predictions:
    """The probabilities of the images that a fold holds out, checked to be of these images."""
    table = job.prepared.table.iloc[job.fold_table.held_out(fold)]
    found = Predictions(job.store.fold(fold), name, job.competition.task.outputs, index="valid")
    found.check(table["id"].tolist(), table["height"], table["width"])
    return found


def _pairs(job: Job, folds: list, name: str, rules: list) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(decoded, labels), H x W x layers, of every held-out image."""
    for fold in folds:
        probabilities = answers(job, fold, name)
        for i, row in enumerate(job.fold_table.held_out(fold)):
            yield job.competition.task.decode(probabilities[i], rules), job.prepared.labels[row]


def _noting(pairs, task, seen: list) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Passes pairs on; notes the share of wrong pixels and the coverage found, so that pixels are read once."""
    for decoded, labels in pairs:
        seen.append((float(np.mean((decoded != 0) != (labels != 0))), task.coverage(decoded)))
        yield decoded, labels
