"""A learner that knows everything by heart, and small runs for it: nothing leaks more readily, and it is quick."""

from dataclasses import replace

import numpy as np

from pipeline.competition import Competition, RawData, RawImage
from pipeline.imaging.metrics import CountMetric, precision_over_iou
from pipeline.recipe import Recipe
from pipeline.runs.job import Job
from pipeline.stages import prepare
from pipeline.store import disk, records
from pipeline.store.paths import Store
from pipeline.store.predictions import PredictionWriter
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary

SIDE, FOLDS = 12, 3


class ByHeart:
    """What `trainer.of` gives, for a model that is the images it has learnt with their labels."""

    @staticmethod
    def environment(recipe):
        return {"backend": "none"}

    @staticmethod
    def train_fold(plan, prepared, competition, recipe):
        known = [[prepared.images[row].ravel().tolist(), prepared.labels[row].ravel().tolist()] for row in plan.learnt]
        with records.recorded(plan.folder / "model.json", plan.inputs) as part:
            disk.write_json(part, known)

    @staticmethod
    def predict_held_out(plan, prepared, competition, recipe):
        images, labels = (
            np.array(values) for values in zip(*disk.read_json(plan.folder / "model.json", list), strict=True)
        )
        total = len(plan.held_out)
        with PredictionWriter(plan.folder, "valid", competition.task.outputs, plan.inputs, True, total, "") as writer:
            for row in plan.held_out:
                nearest = np.abs(images - prepared.images[row].ravel()).sum(axis=1).argmin()
                found = (labels[nearest].reshape(prepared.labels[row].shape) != 0).astype(np.uint8) * 255
                writer.add(prepared.table["id"].iat[row], found, found)


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images of noise and labels, a rectangle each, that have nothing to do with them: count x SIDE x SIDE x 1."""
    random = np.random.default_rng(seed)
    labels = np.zeros((count, SIDE, SIDE, 1), np.uint8)
    for label in labels:
        top, left = random.integers(0, 6, 2)
        height, width = random.integers(3, 7, 2)
        label[top : top + height, left : left + width] = 1
    return random.integers(0, 256, labels.shape, np.uint8), labels


def job_of(root, images, labels, groups=None, **changes) -> Job:
    """A run of the classical model, prepared; not split yet. `changes`: of the recipe."""

    def raw(i):
        group = "" if groups is None else groups[i]
        return RawImage(f"t{i:03}", "train", lambda: images[i], lambda: labels[i], group=group)

    chosen = Competition(
        name="tiny",
        title="Tiny",
        page="",
        slug="",
        task=Binary(("salt",)),
        metric=CountMetric("mean precision", precision_over_iou),
        read=lambda given: RawData([raw(i) for i in range(len(images))]),
        format=Format("id", "rle_mask"),
        symmetry="none",
        recipes={"quick": {}},
        costs={},
    )
    recipe = replace(Recipe(model="classical", folds=FOLDS), **changes)
    job = Job(chosen, recipe, "quick", Store(root, "tiny", "mine"))
    prepare.convert(chosen, None, job.store.prepared, {})
    return job


def split_as(job: Job, folds) -> Job:
    """A fold table made by hand."""
    rows = zip(job.prepared.table["id"], folds, strict=True)
    disk.write_rows(job.store.folds(FOLDS), ["id", "fold"], rows)
    return replace(job)
