"""Runs of the demo made by hand, without training: recipes, predictions as good as wished for, and uploads."""

from dataclasses import replace

import numpy as np

from pipeline import recipe as recipes
from pipeline.competitions.demo import competition as demo
from pipeline.recipe import Recipe
from pipeline.runs import trained
from pipeline.runs.job import Job
from pipeline.store import disk, ledger
from pipeline.store.paths import Store
from pipeline.store.predictions import PredictionWriter

FOLDS = 3


def job_of(root, name: str, **fields) -> Job:
    return Job(demo, replace(Recipe(folds=FOLDS), **fields), "quick", Store(root, "demo", name))


def save_recipe(job: Job) -> None:
    disk.write_json(job.store.recipe, {"recipe": job.recipe_name, **recipes.to_json(job.recipe)})


def hold_out(job: Job, folds=range(FOLDS), miss: float = 0.2, seed: int = 0, minutes: float = 1.0) -> Job:
    """Predictions of these folds: the truth, blurred, of which a share `miss` of the images lacks a strip."""
    import cv2

    random = np.random.default_rng(seed)
    for fold in folds:
        rows, inputs = job.fold_table.held_out(fold), trained.inputs_of(job, fold)
        with PredictionWriter(job.store.fold(fold), "valid", 1, inputs, False, len(rows), "") as writer:
            for row in rows:
                soft = cv2.GaussianBlur(np.where(job.prepared.labels[row][..., 0] != 0, 235.0, 20.0), (9, 9), 0)
                soft += random.normal(0, 8, soft.shape)
                if random.random() < miss:
                    soft[: random.integers(20, 80)] = 10
                answer = soft.clip(0, 255).astype(np.uint8)[..., None]
                writer.add(job.prepared.columns["id"][row], answer, answer)
        history = [[epoch, 30 * minutes] for epoch in (1, 2)]
        disk.write_rows(job.store.fold(fold) / "history.csv", ["epoch", "seconds"], history)
    return job


def upload(job: Job, public: float, private: float | None = None, cross_fitted: float | None = None) -> None:
    """A row of the ledger, as the stage upload writes it."""
    kept = disk.read_json(job.store.thresholds) if job.store.thresholds.exists() else {}
    row = dict.fromkeys(ledger.COLUMNS)
    row |= {"when": f"2026-01-01T00:00:{job.store.run}", "competition": "demo", "run": job.store.run}
    row |= {"file_hash": job.store.run, "out_of_fold": kept.get("oof")}
    row |= {"cross_fitted": cross_fitted or kept.get("cross_fitted"), "public": public, "private": private}
    ledger.write_row(job.store.ledger, row)
