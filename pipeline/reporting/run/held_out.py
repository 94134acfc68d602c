"""What the held-out images of the trained folds got, image by image, under the thresholds of the submission."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.runs import answers
from pipeline.runs.job import Job
from pipeline.tasks import scoring
from pipeline.tasks.scoring import Tally


@dataclass(frozen=True)
class HeldOut:
    """n images, fold after fold.

    Attributes:
        rows: of the prepared table; folds: which held each out; places: where it is in its fold's predictions.
        tally: what they got; unflipped: the same, each image seen once, or None.
        wrong: share of the pixels that are wrong; found: coverage as predicted; coverage: of the truth.
    """

    rows: np.ndarray
    folds: np.ndarray
    places: np.ndarray
    tally: Tally
    unflipped: Tally | None
    wrong: np.ndarray
    found: np.ndarray
    coverage: np.ndarray

    @functools.cached_property
    def scores(self) -> np.ndarray:
        """n scores, each image taken for itself."""
        return self.tally.image_scores()

    @property
    def groups(self) -> np.ndarray | None:
        return self.tally.groups


def measure(job: Job, rules: list) -> HeldOut | None:
    """One pass over the out-of-fold predictions, and one over those without flips where every fold kept them.

    None when no fold holds anything out.
    """
    folds = job.store.folds_holding("valid.npy")
    if not folds:
        return None
    rows = [job.fold_table.held_out(fold) for fold in folds]
    every = np.concatenate(rows)
    task, metric, groups = job.competition.task, job.competition.metric, job.prepared.groups(every)
    seen: list[tuple[float, float]] = []
    decoded = task.decoded(((group, found) for group, found, _ in answers.items(job, folds, "valid")), rules)
    truth = (job.prepared.labels[row] for row in every)
    statistics = [metric.statistic(task, *pair) for pair in _noting(zip(decoded, truth, strict=True), task, seen)]
    plain_kept = all((job.store.fold(fold) / "valid_no_tta.npy").exists() for fold in folds)
    plain = answers.items(job, folds, "valid_no_tta") if plain_kept else None
    return HeldOut(
        rows=every,
        folds=np.repeat(folds, [len(part) for part in rows]),
        places=np.concatenate([np.arange(len(part)) for part in rows]),
        tally=Tally(metric, np.stack(statistics), groups),
        unflipped=scoring.count(metric, task, plain, rules, groups) if plain_kept else None,
        wrong=np.array([wrong for wrong, _ in seen]),
        found=np.array([found for _, found in seen]),
        coverage=job.prepared.table["coverage"].to_numpy(float)[every],
    )


def _noting(pairs, task, seen: list) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Passes pairs on; notes the share of wrong pixels and the coverage found, so that pixels are read once."""
    for decoded, labels in pairs:
        seen.append((task.wrong(decoded, labels), task.coverage(decoded)))
        yield decoded, labels
