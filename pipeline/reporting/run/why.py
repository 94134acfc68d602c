"""The sections of the page that say why the score is what it is. Each turns facts into what the template fills in."""

import numpy as np

from pipeline.imaging import average_precision, calibration, found_objects
from pipeline.imaging.fates import COUNTS
from pipeline.imaging.metrics import standard_error
from pipeline.reporting.run import mistake_charts
from pipeline.reporting.run.facts import Facts
from pipeline.reporting.run.held_out import HeldOut
from pipeline.reporting.shared import pictures
from pipeline.reporting.shared.page import css
from pipeline.tasks import mistakes, scoring
from pipeline.tasks.scoring import Tally
from pipeline.tasks.task import Task

PAIRS = 10  # of classes that are taken for each other, in a table
DRAWN = 5  # classes in one chart
WELL = 15  # the step of IoU .75
SHOWN = {"well": "IoU above .75", "half": "IoU above .5", "touched": "touched", "missed": "missed"}


def confusion(facts: Facts, task: Task) -> dict:
    """Which class is taken for which; empty where classes do not exclude each other."""
    table = facts.held_out and facts.held_out.mistakes.confusion
    if table is None:
        return {}
    count = len(task.classes)
    painted = [css(colour) for colour in pictures.palette(task)] or [""] * count
    names = [*task.classes, "nothing"] if table[:, count].any() else list(task.classes)
    pixels, taken = table.sum(axis=1), table[:, :count].sum(axis=0)
    rows = [
        {
            "name": name,
            "colour": painted[k],
            "pixels": int(pixels[k]),
            "cells": [float(cell) / pixels[k] if pixels[k] else None for cell in table[k, : len(names)]],
            "precision": float(table[k, k] / taken[k]) if taken[k] else None,
        }
        for k, name in enumerate(task.classes)
    ]
    wrong = table.copy()
    np.fill_diagonal(wrong, 0)
    total = int(wrong.sum())
    largest = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    pairs = [
        {
            "true": task.classes[k],
            "found": names[j],
            "of_true": float(wrong[k, j] / pixels[k]),
            "of_wrong": float(wrong[k, j] / total),
        }
        for k, j in zip(*np.unravel_index(largest, wrong.shape), strict=True)
        if wrong[k, j]
    ]
    return {"names": names, "rows": rows, "pairs": pairs, "wrong": total / max(1, int(pixels.sum()))}


def pixels(facts: Facts, task: Task) -> list[dict]:
    """For each class which share of its pixels is found, and of those found is it; empty where the confusion of classes
    says it, or where the metric counts no pixels."""
    held = facts.held_out
    if held is None or mistakes.exclude_each_other(task) or held.mistakes.expected is None:
        return []
    rows = []
    for name, (both, predicted, truth) in zip(task.classes, held.tally.statistics.sum(axis=0).tolist(), strict=True):
        recall, precision = (both / part if part else None for part in (truth, predicted))
        rows.append({"name": name, "recall": recall, "precision": precision})
    return rows


def objects(facts: Facts, task: Task) -> list[dict]:
    """For each class its objects by size: found well, found, touched and missed, and those found that are none; empty
    where nobody counts objects, or where there are none."""
    found = facts.held_out.mistakes.objects if facts.held_out else []
    return [_of_objects(task.classes[k], *entry) for k, entry in enumerate(found) if entry.truth.any()]


def average_precisions(facts: Facts) -> list[dict]:
    """Of masks and of boxes, at IoU .5 and the mean over .5 to .95; empty where nobody counts objects."""
    found = facts.held_out.mistakes.ranked if facts.held_out else None
    if found is None or not found.truth:
        return []
    rows = []
    for name, hits in (("masks", found.masks), ("boxes around them", found.boxes)):
        levels = average_precision.average_precision(found.scores, hits, found.truth)
        rows.append({"name": name, "half": float(levels[0]), "mean": float(levels.mean())})
    return rows


def fates(facts: Facts) -> dict:
    """What became of the objects: how many of each of `imaging.fates.COUNTS`; empty where nobody counts any."""
    found = facts.held_out.mistakes.fates if facts.held_out else None
    return {} if found is None else dict(zip(COUNTS, found.tolist(), strict=True))


def _of_objects(name: str, truth: np.ndarray, found: np.ndarray) -> dict:
    half = found_objects.HALF
    rows = []
    for k, least in enumerate(found_objects.SIZES):
        if truth[k].any() or found[k].any():
            rows.append(_object_row(_size_name(k, least), truth[k], found[k]))
    present = [row for row in rows if row["n"]]
    series = [
        (words, [row[key] / row["n"] for row in present])
        for words, key in (
            ("IoU above .75", "well"),
            ("above .5", "half"),
            ("touched", "touched"),
            ("missed", "missed"),
        )
    ]
    sizes = [row["name"] for row in present]
    chart = mistake_charts.stacked(f"objects by size: {name}", sizes, series, "pixels of the true object")
    total = _object_row("all", truth.sum(axis=0), found.sum(axis=0))
    matched = int(truth[:, half + 1 :].sum())
    return {
        "name": name,
        "rows": [*rows, total],
        "chart": chart if len(present) > 1 else "",
        "recall": matched / total["n"],
        "precision": matched / max(1, int(found.sum())),
    }


def _object_row(name: str, truth: np.ndarray, found: np.ndarray) -> dict:
    half = found_objects.HALF
    counts = {"well": truth[WELL + 1 :], "half": truth[half + 1 : WELL + 1], "touched": truth[1 : half + 1]}
    counts |= {"missed": truth[:1], "invented": found[: half + 1], "n": truth}
    return {"name": name, **{key: int(values.sum()) for key, values in counts.items()}}


def _size_name(k: int, least: int) -> str:
    return f"{least} and more" if k + 1 == len(found_objects.SIZES) else f"to {found_objects.SIZES[k + 1] - 1}"


def reliability(facts: Facts, task: Task) -> dict:
    """Whether probabilities come true; empty without held-out images."""
    if facts.held_out is None:
        return {}
    every, rows, series = facts.held_out.mistakes.said, [], []
    for k, name in enumerate(task.classes[: every.shape[1]]):
        counts = every[:, k].sum(axis=0)
        upper = counts[calibration.BINS // 2 :].sum(axis=0)
        row = {"name": name, "error": calibration.expected_error(counts)}
        row |= _said_and_seen("all", counts.sum(axis=0)) | _said_and_seen("upper", upper)
        rows.append(row)
        errors = _errors(every[:, k], facts.held_out.groups)
        series.append((name, calibration.said(counts), calibration.seen(counts), errors))
    chosen = sorted(np.argsort([-row["error"] for row in rows], kind="stable")[:DRAWN])
    chart = mistake_charts.reliability([series[k] for k in chosen])
    return {"rows": rows, "chart": chart, "drawn": len(chosen), "mean": float(np.mean([row["error"] for row in rows]))}


def _said_and_seen(key: str, counts: np.ndarray) -> dict:
    pixels, true, levels = (int(count) for count in counts)
    said, seen = (levels / 255 / pixels, true / pixels) if pixels else (None, None)
    return {f"{key}_said": said, f"{key}_seen": seen}


def _errors(counts: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """The standard error of the share that came true in each bin, of a ratio of sums over images or groups: n x BINS x
    3 to BINS."""
    total = np.maximum(counts[..., 0].sum(axis=0), 1)
    deviations = (counts[..., 1] - counts[..., 0] * (counts[..., 1].sum(axis=0) / total)) / total
    if groups is not None:
        number = np.unique(groups, return_inverse=True)[1]
        added = np.zeros((number.max() + 1, counts.shape[1]))
        np.add.at(added, number, deviations)
        deviations = added
    return np.array([scoring.error_of(column) for column in deviations.T])


def expected(facts: Facts) -> dict:
    """The score that the probabilities promise beside the one that came; empty without held-out images."""
    held = facts.held_out
    if held is None:
        return {}
    found = held.mistakes
    content = {"wrong": float(held.wrong.mean()), "expected_wrong": float(found.expected_wrong.mean())}
    if found.expected is None:
        return content
    alone = len(np.unique(held.tally.units())) == len(held.rows)
    return content | (_of_masks(held, found.expected) if alone else _of_units(held, found.expected))


def _of_masks(held: HeldOut, expected: Tally) -> dict:
    """Over the masks (of one class in one image) in which anything was found: whether there is anything at all is one
    question, and not promised pixel by pixel."""
    rows, classes = np.nonzero(held.tally.statistics[..., 1])
    if len(np.unique(rows)) < 2:
        return {}
    metric = held.tally.metric
    promised, seen = (metric.class_scores(tally.statistics)[rows, classes] for tally in (expected, held.tally))
    error = standard_error(promised - seen, rows if held.groups is None else held.groups[rows])
    means = {"promised": float(promised.mean()), "seen": float(seen.mean()), "apart": float((promised - seen).mean())}
    return {"alone": True, "n": len(rows), **means, "error": error, "ranks": _ranks(promised, seen)}


def _of_units(held: HeldOut, expected: Tally) -> dict:
    """Over units of several images, by their sums."""
    gain, error = scoring.gain(expected, held.tally)
    means = {"promised": expected.score(), "seen": held.tally.score(), "apart": gain}
    ranks = _ranks(expected.image_scores(), held.tally.image_scores())
    return {"alone": False, "n": len(held.rows), **means, "error": error, "ranks": ranks}


def _ranks(one: np.ndarray, other: np.ndarray) -> float | None:
    """The correlation of ranks (Spearman 1904); None where one of both does not vary."""
    from pandas import Series

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(Series(one).rank(), Series(other).rank())[0, 1])
