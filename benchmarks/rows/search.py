"""The search for thresholds on out-of-fold predictions of TGS's size."""

import time

import numpy as np

from benchmarks.rows.drawn import blobs
from benchmarks.table import Missing, Row, in_turns, version
from pipeline.imaging.metrics import CountMetric, precision_over_iou
from pipeline.tasks.binary import Binary
from pipeline.tasks.scoring import Tally
from pipeline.tasks.thresholds import Thresholds

COUNT = 4000
METRIC = CountMetric("precision over IoU", precision_over_iou)
LOOP = np.linspace(0.2, 0.8, 31)


def search(repeats: int) -> Row:
    answers, labels = blobs(COUNT, 2), np.roll(blobs(COUNT, 2), 4, axis=2) >= 128
    # one exact rule of ours against the loop's, before anything is timed
    rule = Thresholds(top=128 / 255, bottom=128 / 255)
    tally = Tally(METRIC, _searched(answers, labels).statistics([rule]))
    assert abs(tally.score() - _loop_at(answers, labels, 128)) < 1e-9
    actions = {
        "ours": lambda: _searched(answers, labels).choose(np.arange(COUNT)),
        "loop": lambda: max(_loop_at(answers, labels, np.ceil(255 * level)) for level in LOOP),
        "read": lambda: (answers.sum(dtype=np.int64), labels.sum(dtype=np.int64)),
    }
    times = in_turns(repeats, **actions)
    return Row(
        what="about 80,000 rules (256 levels, areas, two thresholds), exact",
        unit="s",
        n=COUNT,
        ours=times["ours"],
        peers={f"the loop of TGS's public kernels, {len(LOOP)} plain thresholds": times["loop"]},
        limit=(float(np.median(times["read"])), "one read of the data"),
        note=_torchmetrics(answers, labels, tally.score()),
    )


def _searched(answers: np.ndarray, labels: np.ndarray):
    items = (("", answer[..., None], label[..., None]) for answer, label in zip(answers, labels, strict=True))
    return Binary(("salt",)).search(METRIC, items)


def _loop_at(answers: np.ndarray, labels: np.ndarray, level: float) -> float:
    """Every image decoded and scored again, as the kernels do."""
    scores = []
    for answer, label in zip(answers, labels, strict=True):
        found = answer >= level
        both, either = np.logical_and(found, label).sum(), np.logical_or(found, label).sum()
        overlap = both / either if either else 1.0
        scores.append(np.mean([overlap > (10 + k) / 20 for k in range(10)]))
    return float(np.mean(scores))


def _torchmetrics(answers: np.ndarray, labels: np.ndarray, score: float) -> str:
    """What it takes for one of the thresholds, once: for all of them, in turns, it would be an hour."""
    try:
        import torch
        from torchmetrics.functional.classification import binary_stat_scores

        name = version("torchmetrics")
    except (ImportError, Missing):
        return "torchmetrics is not installed: pip install torch torchmetrics"
    probabilities = torch.from_numpy(answers.reshape(len(answers), -1)) / 255
    truth = torch.from_numpy(labels.reshape(len(labels), -1).astype(np.int32))
    began = time.perf_counter()
    # strictly above
    counts = binary_stat_scores(
        probabilities, truth, 127.5 / 255, multidim_average="samplewise", validate_args=False
    ).double()
    seconds = time.perf_counter() - began
    hits, invented, _, missed, _ = counts.T
    overlap = torch.nan_to_num(hits / (hits + invented + missed), nan=1.0)
    found = torch.stack([(overlap > (10 + k) / 20).double() for k in range(10)]).mean()
    assert abs(float(found) - score) < 1e-9
    return f"{name}, binary_stat_scores of each image, not validated: {seconds:.1f} s for one plain threshold (once)"
