"""What a competition is: one dataclass, filled in by each file of `competitions/`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.imaging.flips import SYMMETRIES
from pipeline.imaging.metrics import CountMetric
from pipeline.imaging.objects import ObjectMetric
from pipeline.recipe import resolve
from pipeline.store.submission import Format
from pipeline.tasks.task import Task


@dataclass(frozen=True)
class RawImage:
    """One image as the raw files hold it; its pixels are read when asked for.

    Attributes:
        id: as in the submission.
        part: `train` or `test`.
        image: returns H x W x C, uint8, uint16 or float16.
        labels: returns H x W x layers (None where there are none). Labels of a test image are kept apart and read by
            the report alone.
        group: patient, drive: images of one group are never split over folds. Blank where there are no groups. Where
            the images of a group are slices of a volume, their ids sort as the slices lie.
        kind: what sort of picture, where there are several: folds get a like share of each.
        extra: numbers known of the image (depth), for looking at the data.
        doubt: given the labels, says what is wrong with them (for a warning), or returns None.
    """

    id: str
    part: str
    image: Callable[[], np.ndarray]
    labels: Callable[[], np.ndarray] | None = None
    group: str = ""
    kind: str = ""
    extra: Mapping[str, float] = field(default_factory=dict)
    doubt: Callable[[np.ndarray], str | None] | None = None


@dataclass(frozen=True)
class RawData:
    """What a competition's `read` finds: its images, and the bytes of the sample submission where there is one."""

    images: list[RawImage]
    sample: bytes | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Competition:
    """A competition.

    Attributes:
        name: the word on the command line.
        title: for people.
        page: the address of its rules and data; blank where there is none.
        slug: its name on Kaggle; blank where it is not there.
        task: the kind of answer.
        metric: the official score.
        read: finds the images among the raw files (a `raw.files.RawFiles`).
        format: the columns of its submission.
        symmetry: which flips and turns leave the pictures plausible (a key of `imaging.flips.SYMMETRIES`).
        recipes: name -> fields that differ from the defaults; `smoke`, `quick` and `default` exist everywhere.
        costs: name -> what that recipe costs, for `--help`.
        draw: makes the raw files instead of a download, in the folder it is given.
        split: (images table, fold count) -> fold numbers, instead of the stratified folds.
        uploads: whether Kaggle takes submissions for it.
        remarks: what a reader must know before believing its scores; the report says it.
        also: further scores by name, shown beside the metric: (probabilities H x W x outputs uint8, labels H x W x
            layers) of an image -> a number; their mean counts.
    """

    name: str
    title: str
    page: str
    slug: str
    task: Task
    metric: CountMetric | ObjectMetric
    read: Callable[..., RawData]
    format: Format
    symmetry: str
    recipes: Mapping[str, dict]
    costs: Mapping[str, str]
    draw: Callable[[Path], None] | None = None
    split: Callable | None = None
    uploads: bool = True
    remarks: tuple[str, ...] = ()
    also: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = field(default_factory=dict)

    def __post_init__(self):
        """Raises UserError where task, metric and format do not fit each other: it would show after all training."""
        task, form = self.task, self.format
        if isinstance(task.classes, str):
            raise UserError(f"{self.name}: the classes of its task must be a tuple of names: ('{task.classes}',)")
        if task.objects != self.metric.objects:
            wanted = "objects (ObjectMetric)" if task.objects else "pixels (CountMetric)"
            raise UserError(f"{self.name}: its task asks for a metric of {wanted}")
        if task.objects != form.several:
            raise UserError(f"{self.name}: its format must say several={task.objects}: a row for each object or not")
        if len(task.classes) > 1 and not form.class_column:
            raise UserError(f"{self.name}: with {len(task.classes)} classes its format needs a class_column")
        if form.pictures and task.layers > 1:
            raise UserError(f"{self.name}: layers that overlap cannot be one label picture; pictures=False")
        if self.symmetry not in SYMMETRIES:
            raise UserError(f"{self.name}: symmetry is '{self.symmetry}'; known are: {', '.join(SYMMETRIES)}")
        self._check_recipes()

    def _check_recipes(self) -> None:
        """Raises UserError for a field or a value that no recipe can have, or a cost of no recipe."""
        for name, fields in self.recipes.items():
            try:
                resolve(fields, {})
            except UserError as error:
                raise UserError(f"{self.name}, recipe '{name}': {error}") from error
        if odd := sorted(self.costs.keys() - self.recipes.keys()):
            raise UserError(f"{self.name}: costs of what is no recipe: {shown(odd)}")


def coverage_class(coverage: np.ndarray) -> np.ndarray:
    """0 for empty, then 1 to 10 in tenths of the image: what folds are stratified by and scores are broken down by."""
    return np.ceil(np.asarray(coverage, float) * 10).astype(int).clip(0, 10)
