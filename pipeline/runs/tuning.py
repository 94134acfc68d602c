"""Thresholds from out-of-fold predictions, and the honest score that goes with them.

Thresholds are chosen on all folds for the submission; the score is also reported cross-fitted: chosen on the other
folds, scored on this one. Nothing is chosen by what it is scored on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.competition import coverage_class
from pipeline.errors import UserError
from pipeline.imaging.metrics import standard_error
from pipeline.runs import official
from pipeline.store.disk import read_json
from pipeline.tasks.scoring import Tally
from pipeline.tasks.task import Task
from pipeline.tasks.thresholds import Thresholds

PARTS = 5  # that a single fold is cut into for cross-fitting
FEWEST = 5  # independent parts: of fewer, no gain can be told from chance
MOST = 20  # lines of a table on the terminal
Apart = Sequence[tuple[np.ndarray, list[Thresholds]]]  # places of images, and the thresholds chosen without them


@dataclass(frozen=True)
class OutOfFold:
    """The held-out images of the trained folds, fold after fold.

    Attributes:
        ids, coverage: of each image; folds: which held it out.
        search: the task's, over these images. plain: the rules where nothing can be chosen, one for each class.
        unflipped: a tally of the predictions that are not averaged, from rules, or None where those were not kept.
        metric: the competition's; groups: of each image, or None.
        also: further scores: name -> one number per image.
        counted: from places and rules to what the metric counts of each image, where it is not what the search counts.
        official: from places and rules to what `official.scores` needs of the organisers' metric, or None where the
            competition has none; incomplete: units of it of which these folds hold out a part.
    """

    ids: list[str]
    coverage: np.ndarray
    folds: np.ndarray
    search: object
    plain: list[Thresholds]
    unflipped: Callable[[list[Thresholds]], Tally] | None
    metric: object
    groups: np.ndarray | None
    also: dict[str, np.ndarray] = field(default_factory=dict)
    official: Callable[[list[tuple[np.ndarray, list[Thresholds]]]], Tally] | None = None
    incomplete: int = 0
    counted: Callable[[list[tuple[np.ndarray, list[Thresholds]]]], np.ndarray] | None = None

    @property
    def parts(self) -> int:
        """How many parts are independent of each other: groups, or images where there are none."""
        return parts_of(self.groups, len(self.ids))

    def choose(self, rows: np.ndarray) -> list[Thresholds]:
        """The rules for these images, one for each class; the plain ones where the parts are fewer than FEWEST.

        A paired standard error of two, three or four numbers is itself mostly chance. (CamVid, three drives: rules
        that gained .001 on them cost .033 on frames of other drives.)
        """
        return self.plain if self.parts < FEWEST else self.search.choose(rows)

    def tally(self, rules: list[Thresholds]) -> Tally:
        return self.tally_of([(np.arange(len(self.ids)), rules)])

    def tally_of(self, chosen: Apart) -> Tally:
        """What each image got under the rules that were chosen for it."""
        if self.counted is not None:
            return Tally(self.metric, self.counted(list(chosen)), self.groups)
        statistics = None
        for places, rules in chosen:
            found = self.search.statistics(rules)
            statistics = np.zeros_like(found) if statistics is None else statistics
            statistics[places] = found[places]
        return Tally(self.metric, statistics, self.groups)


def parts_of(groups, count: int) -> int:
    """How many of `count` images are independent: their groups (None: each stands alone)."""
    return count if groups is None else len(set(groups))


def is_evidence(gain: float, error: float, parts: int) -> bool:
    """Whether a gain over independent parts is more than its paired standard error, and that means something."""
    return parts >= FEWEST and gain > error


def tuned(data: OutOfFold, task: Task, apart: Apart | None = None) -> tuple[dict, Tally]:
    """The content of thresholds.json, and what each image got under those thresholds. `apart`: as `chosen_apart` gives
    it, where that is known already."""
    apart = chosen_apart(data) if apart is None else apart
    return scored(data, task, data.choose(np.arange(len(data.ids))), apart)


def scored(data: OutOfFold, task: Task, chosen: list[Thresholds], apart: Apart = ()) -> tuple[dict, Tally]:
    """The same for thresholds that are given; those made by hand have no cross-fitted score (nothing is chosen
    `apart`)."""
    tally, half, crossed = data.tally(chosen), data.tally(task.plain_thresholds()), crossed_by(data, apart)
    empty = task.is_empty(data.metric, tally.statistics)
    content = {
        "classes": list(task.classes),
        "thresholds": [thresholds.to_json() for thresholds in chosen],
        "oof": tally.score(),
        "cross_fitted": None if crossed is None else crossed.score(),
        "standard_error": None if crossed is None else crossed.error(),
        "n": len(tally),
        "units": int(tally.units().max()) + 1,
        **({"few_parts": data.parts} if data.parts < FEWEST else {}),
        "metric": data.metric.name,
        "folds": sorted(set(data.folds.tolist())),
        "oof_at_half": half.score(),
        "oof_no_tta": None if data.unflipped is None else data.unflipped(chosen).score(),
        **_overlaps(data, half),
        "empty_truth": float(np.mean(data.coverage == 0)),
        "empty_predicted": float(np.mean(empty)),
        "by_class": _by_class(task.classes, tally, crossed),
        "by_unit": _by_unit(tally, crossed),
        "by_fold": _by_fold(data, tally, crossed),
        "by_coverage_class": _by_coverage(data, tally, crossed),
        **_official(data, chosen, apart),
    }
    return content, tally


def cross_fitted(data: OutOfFold) -> Tally | None:
    """What each image got under thresholds chosen on the other folds; None where there is one unit only."""
    return crossed_by(data, chosen_apart(data))


def chosen_apart(data: OutOfFold) -> Apart:
    """For the images of each fold the thresholds chosen on the other folds; nothing where there is one unit only.

    With one fold only, it is cut into parts (whole groups where there are groups) that stand in for the folds.
    """
    parts = data.folds
    if len(set(parts.tolist())) < 2:
        units = np.arange(len(data.ids)) if data.groups is None else np.unique(data.groups, return_inverse=True)[1]
        parts = units % PARTS
    if len(set(parts.tolist())) < 2:
        return []
    found = sorted(set(parts.tolist()))
    return [(np.flatnonzero(parts == part), data.choose(np.flatnonzero(parts != part))) for part in found]


def crossed_by(data: OutOfFold, apart: Apart) -> Tally | None:
    """What each image got under the thresholds that were chosen apart from it; None where there are none."""
    return data.tally_of(apart) if len(apart) else None


def collapsed(empty: np.ndarray, coverage: np.ndarray) -> str | None:
    """A warning where a network answers "nothing" to (nearly) every image, though many are not empty.

    Mean Dice and its like reward that: an empty answer to an empty image scores 1.
    """
    filled = coverage > 0
    if filled.mean() < 0.02 or empty[filled].mean() < 0.98:
        return None
    return (
        f"nothing is found in {empty.mean():.1%} of the images, of which {np.mean(~filled):.1%} are empty; what this "
        "scores, an all-empty answer scores too. A network that answers so has collapsed: train longer, with another "
        "--learning-rate, --loss or --seed"
    )


def read_thresholds(path: Path, classes: tuple[str, ...]) -> tuple[dict, list[Thresholds]]:
    """thresholds.json, ours or written by hand: its content and one rule per class.

    Raises UserError when it does not fit the competition.
    """
    content = read_json(path)
    rules = content.get("thresholds") if isinstance(content, dict) else None
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise UserError(f"{path} has no list 'thresholds' with one entry per class; {_MEND}")
    if content.get("classes", list(classes)) != list(classes):
        raise UserError(f"{path} is for the classes {content['classes']}, not {list(classes)}; {_MEND}")
    if len(rules) != len(classes):
        raise UserError(f"{path} has {len(rules)} thresholds for {len(classes)} classes; {_MEND}")
    huge = [name for rule in rules for name, value in rule.items() if isinstance(value, int) and abs(value) > 1e15]
    if huge:
        raise UserError(f"{path}: {huge[0]} is no number that a picture could reach")
    thresholds = [Thresholds.from_json(rule, str(path)) for rule in rules]
    if any(rule.min_score for rule in thresholds):
        raise UserError(f"{path}: min_score needs scores of whole images, which no network here gives; remove it")
    return content, thresholds


_MEND = 'write {"thresholds": [{"top": 0.5, "min_area": 0, "bottom": 0.5}]}, or delete it to have thresholds searched'


CHOSEN = "thresholds chosen on all"


def table(content: dict, how: str = CHOSEN) -> list[str]:
    """What `tune` prints: lines of one table. `how`: where the thresholds come from."""
    rules = [_rule(rule) for rule in content["thresholds"]]
    names = content["classes"] if len(set(rules)) > 1 else [", ".join(content["classes"])]
    lines = [f"{name}: {rule}" for name, rule in zip(names, rules, strict=False)]

    def row(label, value):
        return f"  {label:<44}{_shown(value):>8}"

    if how == CHOSEN and content.get("few_parts"):
        lines.append(few(content["few_parts"]))
    lines.append(f"{content['metric']}, {content['n']} images of fold(s) {', '.join(map(str, content['folds']))}")
    lines.append(row(f"out-of-fold ({how})", content["oof"]))
    error = content["standard_error"]
    lines.append(row("cross-fitted", content["cross_fitted"]) + (f" ± {error:.4f}" if error else ""))
    lines.append(row("out-of-fold at .5", content["oof_at_half"]))
    lines.append(row("out-of-fold, not averaged over flips", content["oof_no_tta"]))
    if content["mean_iou_at_half"] is not None:
        lines.append(row("mean IoU at .5, all images", content["mean_iou_at_half"]))
        lines.append(row("mean IoU at .5, images with truth", content["mean_iou_at_half_non_empty"]))
    lines.append(f"  empty: {content['empty_predicted']:.1%} predicted, {content['empty_truth']:.1%} in truth")
    if content["by_class"]:
        lines.append(f"  {'class':<23}{'score':>9}{'cross-fitted':>14}")
        lines += [
            f"  {entry['name'][:22]:<23}{_shown(entry['score']):>9}{_shown(entry['cross_fitted']):>14}"
            for entry in content["by_class"]
        ]
    for title, key in (("unit", "by_unit"), ("fold", "by_fold"), ("coverage class", "by_coverage_class")):
        entries = content[key][:MOST]
        if entries:
            lines.append(f"  {title:<16}{'n':>7}{'score':>9}{'cross-fitted':>14}")
        lines += [
            f"  {str(entry['name'])[-24:]:<16}{entry['n']:>7}{entry['score']:>9.4f}{_shown(entry['cross_fitted']):>14}"
            + "".join(f"  {name} {value:.4f}" for name, value in entry.get("also", {}).items())
            for entry in entries
        ]
        if len(content[key]) > MOST:
            lines.append(f"  … and {len(content[key]) - MOST} more in thresholds.json")
    return lines + official.lines(content)


def few(parts: int) -> str:
    """Why nothing was chosen."""
    return (
        f"{parts} independent part(s) (groups) are too few to tell a gain from chance, {FEWEST} are wanted: thresholds "
        "of .5; write others into thresholds.json to use them"
    )


def _rule(rule: dict) -> str:
    kind = "plain threshold" if rule["min_area"] == 0 and rule["top"] == rule["bottom"] else "two thresholds"
    line = f"{kind}: top {rule['top']:.3f}, min area {rule['min_area']} px, bottom {rule['bottom']:.3f}"
    return line + (f", min component {rule['min_component']} px" if rule.get("min_component") else "")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _official(data: OutOfFold, chosen: list[Thresholds], apart: Apart) -> dict:
    """The organisers' score, where the competition has one of its own."""
    if data.official is None:
        return {}
    everywhere = [(np.arange(len(data.ids)), chosen)]
    oof = crossed = data.official(everywhere)
    if any(rules != chosen for _, rules in apart):
        crossed = data.official(list(apart))
    found = official.scores(oof.metric, oof, crossed if apart else None)
    return {"official": {**found, "incomplete": data.incomplete}}


def _overlaps(data: OutOfFold, half: Tally) -> dict:
    """IoU at .5, mean over images, where the metric counts pixels."""
    overlap, filled = data.metric.overlap(half.statistics), data.coverage > 0
    if overlap is None:
        return {"mean_iou_at_half": None, "mean_iou_at_half_non_empty": None}
    return {
        "mean_iou_at_half": float(overlap.mean()),
        "mean_iou_at_half_non_empty": float(overlap[filled].mean()) if filled.any() else None,
    }


def _entry(name, tally: Tally, crossed: Tally | None, **more) -> dict:
    cross_fitted = None if crossed is None else crossed.score()
    return {
        "name": name,
        "n": len(tally),
        "score": tally.score(),
        "cross_fitted": cross_fitted,
        "standard_error": tally.error(),
        **more,
    }


def _by_class(classes: tuple[str, ...], tally: Tally, crossed: Tally | None) -> list[dict]:
    """The score of each class; empty where there is one."""
    scores = tally.by_class() if len(classes) > 1 else None
    if scores is None:
        return []
    others = scores * np.nan if crossed is None else crossed.by_class()
    return [
        {"name": name, "score": _number(score), "cross_fitted": _number(other)}
        for name, score, other in zip(classes, scores, others, strict=True)
    ]


def _by_unit(tally: Tally, crossed: Tally | None) -> list[dict]:
    """The score of each unit, where a unit is a group of images."""
    units = tally.units()
    count = int(units.max()) + 1
    if tally.groups is None or not 1 < count < len(tally):
        return []
    found = [(tally.groups[units == unit][0], np.flatnonzero(units == unit)) for unit in range(count)]
    return [_entry(str(name), tally.of(rows), None if crossed is None else crossed.of(rows)) for name, rows in found]


def _by_fold(data: OutOfFold, tally: Tally, crossed: Tally | None) -> list[dict]:
    found = []
    for fold in sorted(set(data.folds.tolist())):
        rows = np.flatnonzero(data.folds == fold)
        also = {name: float(np.mean(values[rows])) for name, values in data.also.items()}
        more = {"also": also} if also else {}
        found.append(_entry(int(fold), tally.of(rows), None if crossed is None else crossed.of(rows), **more))
    return found


def _by_coverage(data: OutOfFold, tally: Tally, crossed: Tally | None) -> list[dict]:
    """Scores of single images, whatever the unit is, by how much of them the truth covers."""
    keys, scores = coverage_class(data.coverage), tally.image_scores()
    others = None if crossed is None else crossed.image_scores()
    found = []
    for key in sorted(set(keys.tolist())):
        rows = np.flatnonzero(keys == key)
        groups = None if data.groups is None else data.groups[rows]
        found.append(
            {
                "name": int(key),
                "n": len(rows),
                "score": float(scores[rows].mean()),
                "cross_fitted": None if others is None else float(others[rows].mean()),
                "standard_error": standard_error(scores[rows], groups),
            }
        )
    return found


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
