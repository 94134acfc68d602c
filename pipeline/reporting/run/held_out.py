"""What the held-out images of the trained folds got, image by image, under the thresholds of the submission."""

import functools
from dataclasses import dataclass

import numpy as np

from pipeline.reporting.run import mistakes
from pipeline.reporting.run.mistakes import Mistakes
from pipeline.runs import answers
from pipeline.runs.decoding import Decoder
from pipeline.tasks.scoring import Tally


@dataclass(frozen=True)
class HeldOut:
    """n images, fold after fold.

    Attributes:
        rows: of the prepared table; folds: which held each out; places: where it is in its fold's predictions.
        tally: what they got; unflipped: the same, each image seen once, or None.
        wrong: share of the pixels that are wrong; found: coverage as predicted; coverage: of the truth.
        mistakes: what is wrong, and what the probabilities say of it.
    """

    rows: np.ndarray
    folds: np.ndarray
    places: np.ndarray
    tally: Tally
    unflipped: Tally | None
    wrong: np.ndarray
    found: np.ndarray
    coverage: np.ndarray
    mistakes: Mistakes

    @functools.cached_property
    def scores(self) -> np.ndarray:
        """n scores, each image taken for itself."""
        return self.tally.image_scores()

    @property
    def groups(self) -> np.ndarray | None:
        return self.tally.groups


def measure(decoder: Decoder, rules: list) -> HeldOut | None:
    """One pass over the out-of-fold predictions, and one over those without flips where every fold kept them.

    None when no fold holds anything out.
    """
    job = decoder.job
    folds = job.store.folds_holding("valid.npy")
    if not folds:
        return None
    rows = [job.fold_table.held_out(fold) for fold in folds]
    every = np.concatenate(rows)
    task, metric, groups = job.competition.task, job.competition.metric, job.prepared.groups(every)
    everything = [(np.arange(len(every)), rules)]
    decoded = (labels for _, labels in answers.decoded(decoder, folds, everything))
    # views of what `decoded` reads, which may run ahead of what it gives back
    beside = ((labels, found) for _, found, labels in answers.items(job, folds, "valid"))
    answered = ((labels, *others) for labels, others in zip(decoded, beside, strict=True))
    looks = mistakes.looks(task, metric, answered, len(every))
    plain_kept = all((job.store.fold(fold) / "valid_no_tta.npy").exists() for fold in folds)
    plain = answers.counted(decoder, folds, everything, "valid_no_tta") if plain_kept else None
    return HeldOut(
        rows=every,
        folds=np.repeat(folds, [len(part) for part in rows]),
        places=np.concatenate([np.arange(len(part)) for part in rows]),
        tally=Tally(metric, np.stack([look.statistic for look in looks]), groups),
        unflipped=Tally(metric, plain, groups) if plain_kept else None,
        wrong=np.array([look.wrong for look in looks]),
        found=np.array([look.found for look in looks]),
        coverage=job.prepared.table["coverage"].to_numpy(float)[every],
        mistakes=mistakes.summed(looks, metric, groups),
    )
