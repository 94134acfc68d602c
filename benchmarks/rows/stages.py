"""Whole stages on as many pictures as TGS has, and what of a whole run is not a network's work."""

import contextlib
import functools
import io
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.rows.drawn import SIDE, blobs
from benchmarks.table import LEAST, Row
from pipeline.__main__ import main
from pipeline.competitions.tgs import competition
from pipeline.imaging import rle
from pipeline.recipe import Recipe
from pipeline.runs import trained
from pipeline.runs.job import Job
from pipeline.stages import predict
from pipeline.store import disk
from pipeline.store.paths import Store
from pipeline.store.predictions import PredictionWriter

TRAIN, TEST, FOLDS = 4000, 18_000, 5
RUN = "measured"
LEARNING = ("train", "predict")


def dataset(repeats: int) -> Row:
    """What is no network's: files to arrays, folds, thresholds, csv, report."""
    turns, by_stage = [], []
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        _draw(raw)
        for turn in range(max(LEAST, repeats)):
            root = Path(folder) / str(turn)
            seconds = {stage: _timed(stage, root, raw) for stage in ("prepare", "split")}
            _answer(root)
            seconds |= {stage: _timed(stage, root) for stage in ("tune", "submit", "report")}
            turns.append(sum(seconds.values()))
            by_stage.append(seconds)
        began = time.perf_counter()
        for path in raw.rglob("*.png"):
            cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        read = time.perf_counter() - began
    each = ", ".join(f"{stage} {np.median([one[stage] for one in by_stage]):.1f}" for stage in by_stage[0])
    return Row(
        what=f"{TRAIN} train and {TEST} test pictures of {SIDE} x {SIDE} through {each}",
        unit="s",
        n=TRAIN + TEST,
        ours=turns,
        limit=(read, "its PNGs decoded by one core, nothing else"),
    )


def whole(repeats: int) -> Row:
    """The demo's recipe `quick` from nothing to the report, once: it takes minutes."""
    with tempfile.TemporaryDirectory() as folder:
        words = ("--recipe", "quick")
        stages = ("prepare", "split", "train", "tune", "predict", "submit", "report")
        seconds = {stage: _timed(stage, Path(folder), words=words, competition="demo") for stage in stages}
    learning = sum(seconds[stage] for stage in LEARNING)
    beside = sum(seconds.values()) - learning
    return Row(
        what=f"of the demo's `quick`, beside {learning:.0f} s of train and predict ({beside / learning:.1%} of that)",
        unit="s",
        n=1,
        ours=[beside],
        note="once, for it takes minutes; the larger a network is, the smaller is the share",
    )


def _draw(raw: Path) -> None:
    """TGS's layout: pictures and masks as PNG, train.csv, a sample submission."""
    texture = np.random.default_rng(0).integers(0, 60, (8, SIDE, SIDE), np.uint8)
    answers = _answers()
    for name in ("train/images", "train/masks", "test/images"):
        (raw / name).mkdir(parents=True)
    names = [f"{i:010x}" for i in range(TRAIN + TEST)]
    rows = []
    for i, (name, answer) in enumerate(zip(names, answers, strict=True)):
        part = "train" if i < TRAIN else "test"
        cv2.imwrite(str(raw / part / "images" / f"{name}.png"), answer // 2 + texture[i % 8])
        if part == "train":
            mask = answer >= 128
            cv2.imwrite(str(raw / "train" / "masks" / f"{name}.png"), mask.astype(np.uint16) * 65535)
            rows.append((name, rle.encode(mask)))
    disk.write_rows(raw / "train.csv", ["id", "rle_mask"], rows)
    disk.write_rows(raw / "sample_submission.csv", ["id", "rle_mask"], [(name, "1 1") for name in names[TRAIN:]])


@functools.cache
def _answers() -> np.ndarray:
    """What the pictures show, in the order of their ids, which are numbers."""
    return blobs(TRAIN + TEST, 3)


def _answer(root: Path) -> None:
    """Predictions as five folds of a good network would give them."""
    job = Job(competition, Recipe(folds=FOLDS), "quick", Store(root, "tgs", RUN))
    disk.write_json(job.store.recipe, {"recipe": "quick", **Recipe(folds=FOLDS).__dict__})
    random, answers = np.random.default_rng(1), _answers()
    # as smooth as what a network answers: of noise from pixel to pixel the csv would have ten times its size
    coarse = random.uniform(0, 60, (16, 8, 8)).astype(np.float32)
    noise = [cv2.resize(each, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(np.uint8) for each in coarse]
    prepared = job.prepared
    for fold in range(FOLDS):
        for part, rows, inputs in (
            ("valid", job.fold_table.held_out(fold), trained.inputs_of(job, fold)),
            ("test", prepared.test, predict.inputs_of(job, fold)),
        ):
            with PredictionWriter(job.store.fold(fold), part, 1, inputs, False, len(rows), "") as writer:
                for row in rows:
                    name = prepared.columns["id"][row]
                    soft = (answers[int(name, 16)] // 2 + noise[row % 16])[..., None]
                    writer.add(name, soft, soft)


def _timed(stage: str, root: Path, raw: Path | None = None, words=("--run", RUN), competition: str = "tgs") -> float:
    """Seconds of a stage whose inputs are there."""
    options = ["--root", str(root), *(["--data", str(raw)] if raw else []), *words]
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        status = main([competition, stage, *options])
    if status:
        raise RuntimeError(f"{stage} ended with {status}: {said.getvalue()[-500:]}")
    return time.perf_counter() - began
