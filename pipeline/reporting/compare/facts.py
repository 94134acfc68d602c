"""What two runs got on the same images: by how much the first is better, of all and of parts, and on which images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.competition import Competition, coverage_class
from pipeline.imaging.metrics import standard_error
from pipeline.reporting.ablation import facts as paired
from pipeline.runs.crossed import Crossed
from pipeline.runs.every import Run, differing
from pipeline.runs.job import Job
from pipeline.runs.paired import common
from pipeline.tasks.scoring import Tally

FEW = 20  # groups; of more a table says little
COLUMNS = ["part", "name", "n", "first", "second", "difference", "error", "wins", "losses"]


@dataclass(frozen=True)
class Side:
    """A run: its name, its job, and what all its held-out images got."""

    run: Run
    crossed: Crossed

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def job(self) -> Job:
        return self.run.job


@dataclass(frozen=True)
class Compared:
    """Two runs on the n images that both held out.

    Attributes:
        sides: the first and the second. places: of each, where the images are in its `crossed`.
        tallies: what they got. scores: 2 x n, each image taken for itself. rows: of the prepared table. folds: common.
        fields: of the recipe that differ, name -> both values; None where those of one are not known.
        notes: what is left out, a line each.
    """

    sides: tuple[Side, Side]
    places: tuple[np.ndarray, np.ndarray]
    tallies: tuple[Tally, Tally]
    scores: np.ndarray
    rows: np.ndarray
    folds: list[int]
    fields: dict[str, tuple] | None
    notes: list[str]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def gain(self) -> tuple[float, float | None]:
        """By how much the first is better, and the paired standard error."""
        return paired.paired(*self.tallies)

    @property
    def wins(self) -> np.ndarray:
        """By how much the first is better on each image, taken for itself."""
        return self.scores[0] - self.scores[1]


def compare(competition: Competition, first: Side, second: Side, notes: Sequence[str] = ()) -> Compared:
    """`notes`: how these sides came about, a line each. Raises UserError where they have no images in common."""
    sides, metric = (first, second), competition.metric
    found = common([side.name for side in sides], [side.crossed for side in sides])
    tallies = tuple(side.crossed.tally(metric, rows) for side, rows in zip(sides, found.places, strict=True))
    place = {name: row for row, name in enumerate(first.job.prepared.train_ids)}
    known = None not in (first.run.fields, second.run.fields)
    fields = {name: (first.run.fields[name], second.run.fields[name]) for name in _differing(sides)} if known else None
    return Compared(
        sides=sides,
        places=tuple(found.places),
        tallies=tallies,
        scores=np.stack([tally.image_scores() for tally in tallies]),
        rows=np.array([place[name] for name in first.crossed.ids[found.places[0]]]),
        folds=found.folds,
        fields=fields,
        notes=[*found.notes, *notes],
    )


def _differing(sides) -> list[str]:
    return differing([side.run for side in sides])


def sentence(found: Compared) -> str:
    """What the difference says, in words."""
    (first, second), (gain, error) = found.sides, found.gain
    of = f"{len(found)} images"
    if found.tallies[0].groups is not None:
        of = f"{len(set(found.tallies[0].groups))} groups ({of})"
    if error is None:
        return f"Of one group alone no error is known: {first.name} is {gain:+.4f} beside {second.name} on {of}."
    said = f"{gain:+.4f} ± {error:.4f}"
    verdict = paired.verdict(gain, error)
    if verdict == "no difference":
        return f"No difference that {of} can show: {said} is at most one paired standard error from nothing."
    better, worse = (first, second) if gain > 0 else (second, first)
    many = abs(gain) / error if error else np.inf
    return (
        f"{better.name} is better than {worse.name} on {of}: {said}, {many:.1f} paired standard errors from nothing. "
        "(Beyond one counts as a difference; of changes that do nothing one in three is beyond.)"
    )


def parts(found: Compared, competition: Competition, columns: dict) -> list[dict]:
    """Rows of COLUMNS: all images, then by coverage class, fold, kind, group where there are few, and class.

    Of coverage classes and groups within a whole set the scores are those of single images, their mean.
    """
    rows = [_whole("all", "", found, np.arange(len(found)))]
    keys = coverage_class(found.sides[0].crossed.coverage[found.places[0]])
    rows += [_by_image("coverage class", str(key), found, np.flatnonzero(keys == key)) for key in np.unique(keys)]
    folds = found.sides[0].crossed.folds[found.places[0]]
    rows += _each("fold", folds, found) if len(found.folds) > 1 else []
    for part, column in (("kind", "kind"), ("group", "group")):
        values = np.array(columns[column], dtype=object)[found.rows].astype(str)
        count = len(np.unique(values))
        rows += _each(part, values, found) if 1 < count <= FEW else []
    return rows + _by_class(found, competition)


def _each(part: str, values: np.ndarray, found: Compared) -> list[dict]:
    return [_whole(part, str(value), found, np.flatnonzero(values == value)) for value in np.unique(values)]


def _whole(part: str, name: str, found: Compared, rows: np.ndarray) -> dict:
    """Of some images, as the competition scores them."""
    first, second = (tally.of(rows) for tally in found.tallies)
    return _row(part, name, len(rows), (first.score(), second.score()), paired.paired(first, second), found, rows)


def _by_image(part: str, name: str, found: Compared, rows: np.ndarray) -> dict:
    """The mean over single images, whatever the unit is."""
    groups = found.tallies[0].groups
    groups = None if groups is None else groups[rows]
    wins = found.wins[rows]
    alone = len(rows if groups is None else set(groups)) < 2
    gain = float(wins.mean()), None if alone else standard_error(wins, groups)
    return _row(part, name, len(rows), tuple(found.scores[:, rows].mean(axis=1)), gain, found, rows)


def _by_class(found: Compared, competition: Competition) -> list[dict]:
    """Each class alone, over the images in which truth or one of the answers has it; none where there is one class, or
    the metric knows none."""
    names = competition.task.classes
    scores = [tally.metric.class_scores(tally.statistics) for tally in found.tallies]
    if len(names) < 2 or scores[0] is None:
        return []
    rows = []
    for k, name in enumerate(names):
        taking_part = np.flatnonzero(~np.isnan(scores[0][:, k]) | ~np.isnan(scores[1][:, k]))
        if len(taking_part):
            first, second = (_of_class(tally.of(taking_part), k) for tally in found.tallies)
            values, gain = (first.score(), second.score()), paired.paired(first, second)
            rows.append(_row("class", name, len(taking_part), values, gain, found, None))
    return rows


def _of_class(tally: Tally, k: int) -> Tally:
    return Tally(tally.metric, tally.statistics[:, [k]], tally.groups)


def _row(part: str, name: str, n: int, scores, gain, found: Compared, rows) -> dict:
    wins = None if rows is None else found.wins[rows]
    counts = (None, None) if wins is None else (int((wins > 0).sum()), int((wins < 0).sum()))
    values = (part, name, n, float(scores[0]), float(scores[1]), *gain, *counts)
    return dict(zip(COLUMNS, values, strict=True))


def most(found: Compared, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The images on which the first wins most, and those on which the second does: places 0 … n - 1, none where neither
    does. Where scores differ alike, the more different pixels come first."""
    overlap = [side.crossed.overlap[places] for side, places in zip(found.sides, found.places, strict=True)]
    pixels = overlap[0] - overlap[1]
    chosen = []
    for sign in (1, -1):
        order = np.lexsort((-sign * pixels, -sign * found.wins))
        chosen.append(order[(sign * found.wins)[order] > 0][:count])
    return chosen[0], chosen[1]
