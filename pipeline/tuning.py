"""Thresholds from out-of-fold predictions, and the honest score that goes with them.

Thresholds are chosen on all folds for the submission; the score is also reported cross-fitted: chosen on the other
folds, scored on this one. Nothing is chosen by what it is scored on.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.competition import coverage_class
from pipeline.errors import UserError
from pipeline.imaging.metrics import iou, standard_error
from pipeline.store import read_json
from pipeline.tasks.thresholds import Thresholds

PARTS = 5  # that a single fold is cut into for cross-fitting


@dataclass(frozen=True)
class OutOfFold:
    """The held-out images of the trained folds, fold after fold.

    Attributes:
        ids, coverage: of each image; folds: which held it out.
        sweeps, sweeps_plain: one per class, with and without flips (None where those were not kept).
        groups: of each image, or None.
    """

    ids: list[str]
    coverage: np.ndarray
    folds: np.ndarray
    sweeps: list
    sweeps_plain: list | None
    groups: np.ndarray | None


def tuned(data: OutOfFold, classes: tuple[str, ...], metric: str) -> tuple[dict, np.ndarray]:
    """The content of thresholds.json, and each image's score under those thresholds."""
    everything = np.arange(len(data.ids))
    chosen = [sweep.choose(everything) for sweep in data.sweeps]
    scores = _scores(data.sweeps, chosen)
    crossed = cross_fitted(data)
    half = [Thresholds()] * len(classes)
    overlap = _overlap(data.sweeps)
    has_truth = data.coverage > 0
    content = {
        "classes": list(classes),
        "thresholds": [thresholds.to_json() for thresholds in chosen],
        "oof": float(scores.mean()),
        "cross_fitted": None if crossed is None else float(crossed.mean()),
        "standard_error": None if crossed is None else standard_error(crossed, data.groups),
        "n": len(scores),
        "units": len(scores) if data.groups is None else len(set(data.groups)),
        "metric": metric,
        "folds": sorted(set(data.folds.tolist())),
        "oof_at_half": float(_scores(data.sweeps, half).mean()),
        "oof_no_tta": None if data.sweeps_plain is None else float(_scores(data.sweeps_plain, chosen).mean()),
        "mean_iou_at_half": float(overlap.mean()),
        "mean_iou_at_half_non_empty": float(overlap[has_truth].mean()) if has_truth.any() else None,
        "empty_truth": float(np.mean(~has_truth)),
        "empty_predicted": float(np.mean(_emptied(data.sweeps, chosen))),
        "by_fold": _by(data.folds, scores, crossed, data.groups),
        "by_coverage_class": _by(coverage_class(data.coverage), scores, crossed, data.groups),
    }
    return content, scores


def cross_fitted(data: OutOfFold) -> np.ndarray | None:
    """Each image's score under thresholds chosen on the other folds; None where there is one unit only.

    With one fold only, it is cut into parts (whole groups where there are groups) that stand in for the folds.
    """
    parts = data.folds
    if len(set(parts.tolist())) < 2:
        units = np.arange(len(data.ids)) if data.groups is None else np.unique(data.groups, return_inverse=True)[1]
        parts = units % PARTS
    if len(set(parts.tolist())) < 2:
        return None
    scores = np.zeros(len(parts))
    for part in set(parts.tolist()):
        inside, outside = np.flatnonzero(parts == part), np.flatnonzero(parts != part)
        chosen = [sweep.choose(outside) for sweep in data.sweeps]
        scores[inside] = _scores(data.sweeps, chosen)[inside]
    return scores


def read_thresholds(path: Path, classes: tuple[str, ...]) -> tuple[dict, list[Thresholds]]:
    """thresholds.json, ours or written by hand: its content and one rule per class.

    Raises UserError when it does not fit the competition.
    """
    content = read_json(path)
    rules = content.get("thresholds") if isinstance(content, dict) else None
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise UserError(f"{path} has no list 'thresholds' with one entry per class; run the stage 'tune'")
    if content.get("classes") != list(classes):
        raise UserError(
            f"{path} is for the classes {content.get('classes')}, not {list(classes)}; run the stage 'tune'"
        )
    if len(rules) != len(classes):
        raise UserError(f"{path} has {len(rules)} thresholds for {len(classes)} classes; run the stage 'tune'")
    thresholds = [Thresholds.from_json(rule, str(path)) for rule in rules]
    if any(rule.min_score for rule in thresholds):
        raise UserError(f"{path}: min_score needs scores of whole images, which no network here gives; remove it")
    return content, thresholds


def table(content: dict) -> list[str]:
    """What `tune` prints: lines of one table."""
    lines = []
    for name, rule in zip(content["classes"], content["thresholds"], strict=True):
        kind = "plain threshold" if rule["min_area"] == 0 and rule["top"] == rule["bottom"] else "two thresholds"
        lines.append(
            f"{name}: {kind}: top {rule['top']:.3f}, min area {rule['min_area']} px, bottom {rule['bottom']:.3f}"
        )

    def row(label, value):
        return f"  {label:<44}{_shown(value):>8}"

    lines.append(f"{content['metric']}, {content['n']} images of fold(s) {', '.join(map(str, content['folds']))}")
    lines.append(row("out-of-fold (thresholds chosen on all)", content["oof"]))
    error = content["standard_error"]
    lines.append(row("cross-fitted", content["cross_fitted"]) + ("" if error is None else f" ± {error:.4f}"))
    lines.append(row("out-of-fold at .5", content["oof_at_half"]))
    lines.append(row("out-of-fold without flips", content["oof_no_tta"]))
    lines.append(row("mean IoU at .5, all images", content["mean_iou_at_half"]))
    lines.append(row("mean IoU at .5, images with truth", content["mean_iou_at_half_non_empty"]))
    lines.append(f"  empty: {content['empty_predicted']:.1%} predicted, {content['empty_truth']:.1%} in truth")
    for title, key in (("fold", "by_fold"), ("coverage class", "by_coverage_class")):
        lines.append(f"  {title:<16}{'n':>7}{'score':>9}{'cross-fitted':>14}")
        lines += [
            f"  {entry['name']:<16}{entry['n']:>7}{entry['score']:>9.4f}{_shown(entry['cross_fitted']):>14}"
            for entry in content[key]
        ]
    return lines


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _scores(sweeps: list, rules: list[Thresholds]) -> np.ndarray:
    return np.mean([sweep.scores(rule) for sweep, rule in zip(sweeps, rules, strict=True)], axis=0)


def _overlap(sweeps: list) -> np.ndarray:
    """IoU of each image at .5, mean over the classes."""
    half = 128
    values = [iou(s.counts.intersection[:, half], s.counts.area[:, half], s.counts.truth) for s in sweeps]
    return np.mean(values, axis=0)


def _emptied(sweeps: list, rules: list[Thresholds]) -> np.ndarray:
    """Whether each image is decoded to nothing at all."""
    return np.all([sweep.emptied_by(rule) for sweep, rule in zip(sweeps, rules, strict=True)], axis=0)


def _by(keys: np.ndarray, scores: np.ndarray, crossed: np.ndarray | None, groups) -> list[dict]:
    rows = []
    for key in sorted(set(keys.tolist())):
        chosen = keys == key
        rows.append(
            {
                "name": int(key),
                "n": int(chosen.sum()),
                "score": float(scores[chosen].mean()),
                "cross_fitted": None if crossed is None else float(crossed[chosen].mean()),
                "standard_error": standard_error(scores[chosen], None if groups is None else groups[chosen]),
            }
        )
    return rows
