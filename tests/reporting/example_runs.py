"""Tiny runs made by hand, without training: prepared data, folds, predictions, and the pages of them."""

import re
from dataclasses import replace

import numpy as np

from pipeline.competition import Competition, RawData, RawImage
from pipeline.imaging.metrics import CountMetric, precision_over_iou
from pipeline.recipe import Recipe
from pipeline.runs import trained
from pipeline.runs.job import Job
from pipeline.stages import predict, prepare, report
from pipeline.store import disk
from pipeline.store.paths import Store
from pipeline.store.predictions import PredictionWriter
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary
from pipeline.tasks.multilabel import MultiLabel

LAYERS = MultiLabel(("a", "b"))
SIDE, FOLDS, HISTORY = 24, 3, ["epoch", "loss", "iou", "learning_rate", "score", "seconds"]


def square(rows: int, columns: int = 16, layers: int = 1) -> np.ndarray:
    labels = np.zeros((SIDE, SIDE, layers), np.uint8)
    labels[2 : 2 + rows, 2 : 2 + columns] = 1
    return labels


def competition(
    train: int = 18, tests=(), task=None, channels=1, dtype=np.uint8, form=None, metric=None
) -> Competition:
    """Images of noise with squares of every height, a third of them empty. `tests`: labels of the test part."""
    task = task or Binary(("salt",))
    rng = np.random.default_rng(0)

    def raw(name, part, labels):
        image = rng.integers(0, 200, (SIDE, SIDE, channels)).astype(dtype) + labels[..., :1].astype(dtype) * 40
        return RawImage(name, part, lambda: image, lambda: labels)

    images = [raw(f"t{i:02}", "train", square(i % 3 * 6, layers=task.layers)) for i in range(train)]
    images += [raw(f"x{i:02}", "test", labels) for i, labels in enumerate(tests)]
    return Competition(
        name="tiny",
        title="Tiny <squares>",
        page="https://example.org/tiny",
        slug="",
        task=task,
        metric=metric or CountMetric("mean precision", precision_over_iou),
        read=lambda raw: RawData(images),
        format=form or Format("id", "rle_mask"),
        symmetry="left-right",
        recipes={"quick": {"epochs": 7}},
        costs={},
    )


def job_of(tmp_path, chosen: Competition, **changes) -> Job:
    recipe = replace(Recipe(epochs=7, folds=FOLDS), **changes)
    job = Job(chosen, recipe, "quick", Store(tmp_path, chosen.name, "mine"))
    prepare.convert(chosen, None, job.store.prepared, {})
    rows = [(name, i % FOLDS) for i, name in enumerate(job.prepared.table["id"].iloc[job.prepared.train])]
    disk.write_rows(job.store.folds(FOLDS), ["id", "fold"], rows)
    return job


def answer(job: Job, fold, name: str, rows, labels, inputs: dict, keep_plain=True) -> None:
    """Probabilities that are right except for noise; without flips with one more error."""
    rng = np.random.default_rng(len(rows))
    channels = job.competition.task.outputs
    with PredictionWriter(job.store.fold(fold), name, channels, inputs, keep_plain, len(rows), "") as writer:
        for row, truth in zip(rows, labels, strict=True):
            good = np.where(truth != 0, 230, 20).astype(np.uint8) + rng.integers(0, 20, truth.shape).astype(np.uint8)
            plain = good.copy()
            plain[:8, :8] = 235
            writer.add(job.prepared.table["id"].iat[row], plain, good)


def hold_out(job: Job, fold: int, keep_plain=True, history=True) -> None:
    rows = job.fold_table.held_out(fold)
    labels = [job.prepared.labels[row] for row in rows]
    answer(job, fold, "valid", rows, labels, trained.inputs_of(job, fold), keep_plain)
    if history:
        lines = [[epoch, 1 / epoch, 0.5, 1e-3, 0.7 if epoch % 3 == 0 else None, 2.0] for epoch in range(1, 8)]
        disk.write_rows(job.store.fold(fold) / "history.csv", HISTORY, lines)
        disk.write_json(job.store.fold(fold) / "environment.json", {"backend": "jax", "keras": "3.15.1"})


def answer_test(job: Job, fold, labels) -> None:
    answer(job, fold, "test", job.prepared.test, labels, predict.inputs_of(job, fold), keep_plain=False)


def page_of(job: Job, *stages) -> str:
    for stage in (*stages, report):
        stage.run(job)
    return job.store.report.read_text(encoding="utf-8")


def blank_columns(page: str) -> list[str]:
    """The titles of columns of a page's tables that hold nothing but dashes."""
    found = []
    for table in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        titles = re.findall(r"<th>(.*?)</th>", table)
        rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)]
        rows = [row for row in rows if len(row) == len(titles)]
        columns = zip(titles, zip(*rows, strict=True), strict=True) if rows else ()
        found += [title for title, cells in columns if set(cells) == {"–"}]
    return found


def written_in(chart: str) -> list[str]:
    """The words and numbers of a chart."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", chart)
