"""encode, decode, score, tune, check: what a competition asks of arrays, from a notebook and without any files.

The first argument `of` says what competition it is: its word on the command line (`"tgs"`), the object that its file
fills in, or where there is no such file a metric (a formula's name, `"dice"`, a formula, a `CountMetric`) or a
`store.dialect.Format`, with the names of the `classes` where there are several.

Pictures are N x H x W where an answer has one layer, N x H x W x layers where it has several, or a list of such of
several sizes. Probabilities are 0..1 in floating point (taken to the nearest of 256 levels, as they are stored), or
uint8. What cannot be taken raises `pipeline.errors.UserError`, in one line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.notebook import given
from pipeline.notebook.asked import Asked, asked
from pipeline.runs import official, tuning
from pipeline.store import submission
from pipeline.tasks.scoring import Tally
from pipeline.tasks.thresholds import Thresholds


@dataclass(frozen=True, repr=False)
class Score:
    """A score with its error.

    Attributes:
        metric: its name. mean: the score. error: its standard error, over groups where there are groups; 0 where there
            is one independent part only.
        of_images: of each image taken for itself; None where the metric is of whole units.
        by_class: the score of each class by its name; empty where the metric knows none.
        also: of a competition whose organisers' metric cannot be searched by: the score that is.
    """

    metric: str
    mean: float
    error: float
    of_images: np.ndarray | None
    by_class: dict[str, float]
    also: "Score | None" = None

    def __float__(self) -> float:
        return self.mean

    def __repr__(self) -> str:
        also = f" ({self.also})" if self.also else ""
        return f"{self.metric}: {self.mean:.4f} ± {self.error:.4f}{also}"


@dataclass(frozen=True, repr=False)
class Tuned:
    """Thresholds, and what they score.

    Attributes:
        thresholds: one rule for each class. oof: the score of these on what they were chosen on.
        cross_fitted: of thresholds chosen on the other folds, and its standard error; None with one unit only.
        content: what the stage `tune` would write into thresholds.json.
    """

    thresholds: list[Thresholds]
    oof: float
    cross_fitted: float | None
    error: float | None
    content: dict
    of: Asked

    def decode(self, probabilities, groups: Sequence | None = None) -> list[np.ndarray]:
        """The labels of each picture, H x W x layers, as they are submitted.

        Args: groups: of each picture, where slices of a volume are decoded together.
        """
        task = self.of.task
        stored = given.probabilities(probabilities, task.outputs)
        groups = given.groups(groups, len(stored))
        names = [""] * len(stored) if groups is None else groups
        return list(task.decoded(zip(names, stored, strict=True), self.thresholds))

    def __repr__(self) -> str:
        return "\n".join(tuning.table(self.content))


def encode(of, labels, ids: Sequence | None = None, classes: tuple[str, ...] = ()):
    """The run lengths of labels as a competition writes them.

    Returns: without `ids` a list with the fields of each picture's rows, a text where it has one; with them the rows as
        a pandas.DataFrame: `encode("tgs", masks, ids).to_csv("submission.csv", index=False)`.

    >>> mask = np.array([[0, 1], [1, 1]])
    >>> encode("tgs", mask)  # down the columns, counted from 1
    ['2 3']
    >>> encode("vesuvius", mask)  # across the rows
    ['2 3']
    >>> encode("tgs", np.array([[1, 1], [0, 0]])), encode("vesuvius", np.array([[1, 1], [0, 0]]))
    (['1 1 3 1'], ['1 2'])
    >>> encode("dsb2018", np.array([[1, 0, 2]]))  # a row for each object
    [['1 1', '3 1']]
    """
    what = _written(of, classes)
    _refuse_objects_of_classes(what)
    task, form = what.task, what.format
    found = given.labels(labels, task, "labels")
    names = [str(i) for i in range(len(found))] if ids is None else given.ids(ids, len(found))
    of_images = [
        submission.rows_of(name, task.texts(form.turned(one)), form, task.classes)
        for name, one in zip(names, found, strict=True)
    ]
    if ids is not None:
        import pandas

        return pandas.DataFrame([row for rows in of_images for row in rows], columns=form.columns, dtype=str)
    fields = [[row[form.rle_place] for row in rows] for rows in of_images]
    return fields if form.has_classes or form.several else [one[0] if one else None for one in fields]


def decode(of, csv, ids: Sequence, sizes, classes: tuple[str, ...] = ()) -> list[np.ndarray]:
    """The labels of a csv: H x W x layers of each of `ids`, in their order.

    Args:
        csv: a file's path, or a pandas.DataFrame.
        sizes: (height, width) of all pictures, or of each.

    Raises UserError where the csv is not a valid submission of just these.

    >>> masks = np.zeros((2, 3, 4), int)
    >>> masks[0, 1:, 2] = 1
    >>> table = encode("tgs", masks, ["a", "b"])
    >>> table["rle_mask"].tolist()
    ['8 2', '']
    >>> bool((np.stack(decode("tgs", table, ["a", "b"], (3, 4)))[..., 0] == masks).all())
    True
    """
    what = _written(of, classes)
    _refuse_objects_of_classes(what)
    table, expected, where = _csv(what, csv, ids, sizes)
    answers = submission.read(table, what.format, expected, where)
    # refuses two masks that claim one pixel
    answers.summary()
    return list(answers.labels(what.task))


def check(of, csv, ids: Sequence, sizes, classes: tuple[str, ...] = ()) -> submission.Summary:
    """Whether a csv is a valid submission for just these pictures: what it holds.

    Args: as in `decode`. Raises UserError naming the first row that is wrong, and the rule that it breaks.

    >>> check("tgs", encode("tgs", np.ones((1, 2, 2), bool), ["a"]), ["a"], (2, 2))
    Summary(rows=1, images=1, empty=0.0, area=4.0, unit='rows')
    """
    what = _written(of, classes)
    table, expected, where = _csv(what, csv, ids, sizes)
    return submission.validate(table, what.format, expected, where)


def score(
    of, labels, found, ids: Sequence | None = None, groups: Sequence | None = None, classes: tuple[str, ...] = ()
) -> Score:
    """The competition's score of decoded labels, with its standard error.

    Args:
        labels: the truth. found: what was found, of the same shapes.
        ids: of the pictures; wanted where the organisers' metric is of units that are told by them.
        groups: patient, drive of each picture, where there are such; one whose group is missing is alone.

    >>> truth = np.array([[[1, 1, 1, 1]], [[0, 0, 0, 0]]])
    >>> answer = np.array([[[1, 1, 1, 0]], [[0, 0, 0, 0]]])
    >>> score("tgs", truth, answer)  # IoU .75 is a hit at 5 of 10 thresholds
    mean precision over IoU 0.5 to 0.95: 0.7500 ± 0.2500
    >>> float(score("dice", truth, answer)), score("dice", truth, answer).of_images.round(3).tolist()
    (0.9285714285714286, [0.857, 1.0])
    """
    what = _scored(of, classes)
    task = what.task
    true, answer = given.labels(labels, task, "labels"), given.labels(found, task, "found")
    given.alike(true, answer, ("labels", "found"))
    groups = given.groups(groups, len(true))
    statistics = [what.metric.statistic(task, one, other) for one, other in zip(answer, true, strict=True)]
    counted = _score(what, Tally(what.metric, np.stack(statistics), groups))
    if what.official is None:
        return counted
    if ids is None:
        raise UserError(f"{what.official.name} is of units that are told by the pictures' ids: give ids=")
    names = given.ids(ids, len(true))
    blank, sizes = [""] * len(true), [one.shape[:2] for one in true]
    units = official.units_of_images(what.official, names, blank if groups is None else groups, sizes, blank)
    order = np.argsort(np.argsort(np.array(names)))
    tally = official.of_units(what.official, task, units, groups, enumerate(answer), true.__getitem__, order)
    return Score(what.official.name, tally.score(), tally.error(), None, {}, counted)


def tune(
    of,
    probabilities,
    labels,
    folds: Sequence | None = None,
    groups: Sequence | None = None,
    classes: tuple[str, ...] = (),
) -> Tuned:
    """Thresholds for the competition's metric from out-of-fold probabilities: searched exactly, at 256 levels.

    Args:
        probabilities: of pictures that the network has not learnt. labels: their truth.
        folds: which fold held each out; without them the pictures (or groups) are cut into five parts for the
            cross-fitted score.
        groups: patient, drive of each picture, where there are such; one whose group is missing is alone.

    >>> truth = np.zeros((10, 8, 8), int)
    >>> truth[:, 2:6, 2:6] = 1
    >>> found = tune("dice", np.where(truth, 0.4, 0.1), truth)  # a network that is too shy
    >>> round(found.thresholds[0].bottom, 2), found.oof, found.cross_fitted
    (0.25, 1.0, 1.0)
    >>> found.content["oof_at_half"]
    0.0
    >>> int(found.decode(np.full((1, 8, 8), 0.4))[0].sum())
    64
    """
    what = _scored(of, classes)
    task = what.task
    stored, true = given.probabilities(probabilities, task.outputs), given.labels(labels, task, "labels")
    given.alike(stored, true, ("probabilities", "labels"))
    groups = given.groups(groups, len(true))
    of_images = given.folds(folds, len(true))
    given.refuse_split_groups(groups, of_images)
    items = [
        ("" if groups is None else groups[i], one, other)
        for i, (one, other) in enumerate(zip(stored, true, strict=True))
    ]
    data = tuning.OutOfFold(
        ids=[str(i) for i in range(len(true))],
        coverage=np.array([task.coverage(one) for one in true]),
        folds=np.zeros(len(true), int) if of_images is None else of_images,
        search=task.search(what.metric, items, groups),
        plain=task.plain_thresholds(),
        unflipped=None,
        metric=what.metric,
        groups=groups,
    )
    content, _ = tuning.tuned(data, task)
    rules = [Thresholds(**rule) for rule in content["thresholds"]]
    return Tuned(rules, content["oof"], content["cross_fitted"], content["standard_error"], content, what)


def _score(what: Asked, tally: Tally) -> Score:
    by_class = tally.by_class() if len(what.task.classes) > 1 else None
    names = {} if by_class is None else dict(zip(what.task.classes, by_class.tolist(), strict=True))
    return Score(tally.metric.name, tally.score(), tally.error(), tally.image_scores(), names)


def _scored(of, classes: tuple[str, ...]) -> Asked:
    what = asked(of, classes)
    if what.metric is None:
        raise UserError("a Format says how a csv is written, not how it is scored; name a competition or a metric")
    return what


def _written(of, classes: tuple[str, ...]) -> Asked:
    what = asked(of, classes)
    if what.format is None:
        raise UserError("a metric does not say how a csv is written; name a competition, or give a Format")
    if what.format.files:
        raise UserError(f"it is answered by a zip of {what.format.files} files, not by a csv; `submit` writes that")
    if len(what.task.classes) > 1 and not what.format.has_classes:
        raise UserError(
            f"the Format has no place for the names of {len(what.task.classes)} classes; give it a class_column, or "
            "joined=True"
        )
    return what


def _refuse_objects_of_classes(what: Asked) -> None:
    """Raises UserError where labels, which are numbers of objects, would have to tell several classes."""
    if what.task.objects and len(what.task.classes) > 1:
        raise UserError(
            f"numbers of objects (several= or between= of the Format) are of one class, {len(what.task.classes)} are "
            "named; take one class at a time"
        )


def _csv(what: Asked, csv, ids: Sequence, sizes):
    """(table of strings, what it must answer, its name in errors)."""
    names = given.ids(ids)
    found = given.sizes(sizes, len(names))
    expected = submission.Expected(names, found[:, 0], found[:, 1], what.task.classes)
    if isinstance(csv, (str, Path)):
        return submission.read_csv(Path(csv), what.format), expected, str(csv)
    if not (hasattr(csv, "columns") and hasattr(csv, "notna")):
        said = "None" if csv is None else f"one {type(csv).__name__}"
        raise UserError(f"csv: {said} was given; wanted is a file's path, or a pandas.DataFrame")
    header = [str(name) for name in csv.columns]
    submission.refuse_columns(header, what.format, "the table")
    # what pandas read as nothing is a blank field
    rows = csv.astype(object).where(csv.notna(), "").astype(str).to_numpy().tolist()
    return submission.table_from(rows, what.format), expected, "the table"
