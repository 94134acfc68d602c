"""Several runs as one: the images that all of them hold out, and what a mixture of them answers to these and to test.

The folds are those of the first run. Another run may have other folds: an image counts where each run has held it out.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.runs import answers, trained
from pipeline.runs.blending import Weights, mixed
from pipeline.runs.job import Job
from pipeline.runs.tuning import OutOfFold
from pipeline.store.predictions import Predictions


@dataclass(frozen=True)
class Mixture:
    """Runs that can be mixed.

    Attributes:
        jobs: one for each run. folds: of the first, of which every image was held out by all of them.
        left_out: further trained folds, of any of them.
        alike: whether all have the same folds trained, of the same images, and no others.
    """

    jobs: tuple[Job, ...]
    folds: list[int]
    left_out: dict[str, list]
    alike: bool

    @property
    def names(self) -> list[str]:
        return [job.store.run for job in self.jobs]

    def rows(self, fold: int) -> np.ndarray:
        """The images of a fold: rows of the prepared table."""
        return self.jobs[0].fold_table.held_out(fold)

    @functools.cached_property
    def _places(self) -> list[dict[int, tuple[Predictions, int]]]:
        """For each run: row of the prepared table -> where its held-out answer is."""
        return [_held_out(job) for job in self.jobs]

    def valid(self, weights: Sequence[Weights], fold: int) -> Iterator[tuple[int, np.ndarray]]:
        """(row, probabilities H x W x outputs uint8) of each image of a fold, each by weights of its own."""
        for row, own in zip(self.rows(fold), weights, strict=True):
            yield row, mixed([_picture(places[row]) for places in self._places], own)

    def by_fold(self, weights: Sequence[Weights]) -> dict[int, list[Weights]]:
        """Of all held-out images, fold after fold, those of each fold."""
        ends = np.cumsum([len(self.rows(fold)) for fold in self.folds])
        return {
            fold: list(weights[end - len(self.rows(fold)) : end]) for fold, end in zip(self.folds, ends, strict=True)
        }

    def data(self, weights: Weights) -> OutOfFold:
        """The held-out images as a mixture answers them, for the search."""
        job = self.jobs[0]
        table, labels, groups = job.prepared.table, job.prepared.labels, job.prepared.table["group"].to_numpy()
        rows = np.concatenate([self.rows(fold) for fold in self.folds])
        metric, of_rows = job.competition.metric, job.prepared.groups(rows)
        items = (
            (groups[row], picture, labels[row])
            for fold in self.folds
            for row, picture in self.valid([weights] * len(self.rows(fold)), fold)
        )
        return OutOfFold(
            ids=table["id"].iloc[rows].tolist(),
            coverage=table["coverage"].to_numpy(float)[rows],
            folds=np.repeat(self.folds, [len(self.rows(fold)) for fold in self.folds]),
            search=job.competition.task.search(metric, items, of_rows),
            plain=job.competition.task.plain_thresholds(),
            unflipped=None,
            metric=metric,
            groups=of_rows,
        )

    def tests(self, on_all: Weights, held: dict[int, list[Weights]]) -> dict[object, Weights]:
        """Where the mixture's test predictions go, and by which weights they are mixed: into each fold where the runs
        are alike, by the weights of its held-out images, so that what fold k answers knows nothing of what fold k holds
        out; else into one for all.

        Args: on_all: chosen on all images; held: of each held-out image, by fold.
        """
        if self.alike and all(len(set(own)) == 1 for own in held.values()):
            return {fold: own[0] for fold, own in held.items()}
        return {"all": on_all}

    def test(self, weights: Sequence[int], fold) -> Iterator[tuple[str, np.ndarray]]:
        """(id, probabilities) of each test image: of a run the mean over its folds. Raises UserError where a run that
        counts has no predictions of today's test images."""
        shares = shares_of(self.jobs, weights, fold, trained.answering_folds)
        found, each = [_test(job, own) for job, own, _ in shares], [weight for *_, weight in shares]
        for i, row in enumerate(self.jobs[0].prepared.test):
            yield self.jobs[0].prepared.table["id"].iloc[row], mixed([one[i] for one in found], each)


def shares_of(
    jobs: Sequence[Job], weights: Sequence[int], fold, folds_of: Callable[[Job], list]
) -> list[tuple[Job, object, int]]:
    """(run, its fold, weight) of all that are mixed into the test predictions of a fold of the mixture: the same fold
    of each run; into those of `all` the folds that `folds_of` gives. Raises UserError where a run that counts has none.
    """
    counting = [(job, weight) for job, weight in zip(jobs, weights, strict=True) if weight]
    own = [[fold] if fold != "all" else folds_of(job) for job, _ in counting]
    for (job, _), folds in zip(counting, own, strict=True):
        if not folds:
            raise UserError(f"run '{job.store.run}' has no test predictions; ./run.sh … predict --run {job.store.run}")
    share = math.lcm(*map(len, own))
    return [
        (job, number, weight * share // len(folds))
        for (job, weight), folds in zip(counting, own, strict=True)
        for number in folds
    ]


def of_jobs(jobs: Sequence[Job]) -> Mixture:
    """Raises UserError where there are no images that all runs hold out, or a run is not trained or no longer true."""
    for job in jobs:
        trained.require(job)
    held = [_rows(job) for job in jobs]
    first = held[0]
    common = set.intersection(*(set(rows) for rows in held))
    folds = [fold for fold in sorted(set(first.values())) if set(jobs[0].fold_table.held_out(fold)) <= common]
    tables = [{fold: tuple(job.fold_table.held_out(fold)) for fold in _numbered(job)} for job in jobs]
    if not folds:
        raise UserError(_nothing_common(jobs, held))
    alike = all(table == tables[0] for table in tables) and not any("all" in trained.folds(job) for job in jobs)
    used = {row for fold in folds for row in jobs[0].fold_table.held_out(fold)}
    left_out = {
        job.store.run: odd
        for job, rows in zip(jobs, held, strict=True)
        if (odd := sorted({fold for row, fold in rows.items() if row not in used}))
    }
    return Mixture(tuple(jobs), folds, left_out, alike)


def _numbered(job: Job) -> list[int]:
    return job.store.folds_holding(trained.DONE)


def _rows(job: Job) -> dict[int, int]:
    """Row of the prepared table -> the fold that held it out."""
    return {int(row): fold for fold in _numbered(job) for row in job.fold_table.held_out(fold)}


def _nothing_common(jobs: Sequence[Job], held: list[dict]) -> str:
    said = [
        f"{job.store.run} has fold(s) {shown(_numbered(job), 10)} of {job.fold_table.count}, {len(rows)} images"
        for job, rows in zip(jobs, held, strict=True)
    ]
    return (
        f"no fold of run '{jobs[0].store.run}' holds only images that the others held out, too: {'; '.join(said)}; "
        "train the same folds in each"
    )


def _held_out(job: Job) -> dict[int, tuple[Predictions, int]]:
    found = {}
    for fold in _numbered(job):
        predictions = answers.of_fold(job, fold)
        found |= {int(row): (predictions, i) for i, row in enumerate(job.fold_table.held_out(fold))}
    return found


def _picture(place: tuple[Predictions, int]) -> np.ndarray:
    predictions, i = place
    return predictions[i]


def _test(job: Job, fold) -> Predictions:
    table = job.prepared.table.iloc[job.prepared.test]
    found = Predictions(job.store.fold(fold), "test", job.competition.task.outputs)
    found.check(table["id"].tolist(), table["height"], table["width"])
    return found
