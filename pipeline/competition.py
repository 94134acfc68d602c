"""What a competition is: one dataclass, filled in by each file of `competitions/`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType

import numpy as np

from pipeline.errors import UserError, shown
from pipeline.imaging.flips import SYMMETRIES
from pipeline.imaging.metrics import CountMetric
from pipeline.imaging.objects import ObjectMetric
from pipeline.imaging.official import OfficialMetric
from pipeline.recipe import resolve
from pipeline.store.bands import Bands
from pipeline.store.submission import Format
from pipeline.tasks.task import Task


@dataclass(frozen=True)
class Doubt:
    """What is wrong with the labels of an image, and with how many of its pixels."""

    text: str
    pixels: int = 0


@dataclass(frozen=True)
class RawImage:
    """One image as the raw files hold it; its pixels are read when asked for.

    Attributes:
        id: as in the submission.
        part: `train` or `test`.
        image: returns H x W x C, whole numbers or floating point; of what is too large for the memory a `Bands`, whose
            lines are read as they are written.
        labels: returns H x W x layers whole numbers, those that the task decodes to: 0 and 1, numbers of classes, or of
            objects (None where there are none); also as `Bands`. Labels of a test image are kept apart and read by the
            report alone.
        group: patient, drive: images of one group are never split over folds. Blank where there are no groups. Where
            the images of a group are slices of a volume, their ids sort as the slices lie.
        kind: what sort of picture, where there are several: folds get a like share of each.
        extra: numbers known of the image (depth), for looking at the data.
        doubt: given the labels as `labels` returns them, says what is wrong with them (for a warning; a `Doubt` where
            pixels are counted), or returns None.
        always_learnt: a train image that no fold holds out (fold -1 in the table of folds).
        volume: what an image is a slice of, where a group holds several such (a patient's scans of several days): only
            slices of one volume are neighbours. Their ids sort as they lie. Blank where the group is the volume.
    """

    id: str
    part: str
    image: Callable[[], np.ndarray | Bands]
    labels: Callable[[], np.ndarray | Bands] | None = None
    group: str = ""
    kind: str = ""
    extra: Mapping[str, float] = field(default_factory=dict)
    doubt: Callable[[np.ndarray | Bands], str | Doubt | None] | None = None
    always_learnt: bool = False
    volume: str = ""


@dataclass(frozen=True)
class RawData:
    """What a competition's `read` finds.

    Attributes:
        sample: the bytes of the sample submission, where there is one.
        notes: what was assumed or left out, a line each.
        nodata: the value of pixels that nothing is known of (-9999, NaN), or None.
    """

    images: list[RawImage]
    sample: bytes | None = None
    notes: list[str] = field(default_factory=list)
    nodata: float | None = None


@dataclass(frozen=True)
class Competition:
    """A competition.

    Attributes:
        name: the word on the command line.
        title: for people.
        page: the address of its rules and data; blank where there is none.
        slug: its name on Kaggle; blank where it is not there.
        task: the kind of answer.
        metric: the official score, or where that cannot be counted at every threshold the nearest one that can.
        read: finds the images among the raw files (a `raw.files.RawFiles`).
        format: the columns of its submission.
        symmetry: which flips and turns leave the pictures plausible (a key of `imaging.flips.SYMMETRIES`).
        recipes: name -> fields that differ from the defaults; `smoke`, `quick` and `default` exist everywhere.
        costs: name -> what that recipe costs, for `--help`.
        draw: makes the raw files, in the folder it is given: instead of a download or, with a `slug`, where nobody is
            logged in to Kaggle and there are no files; that they are drawn is then said wherever it counts.
        split: (images table, fold count) -> fold numbers, instead of the stratified folds.
        copies: `together` keeps images that are copies of each other, exact or near, in one fold, where there are
            neither groups nor `split`; blank deals them out as any others.
        uploads: whether Kaggle takes submissions for it.
        remarks: what a reader must know before believing its scores; the report says it.
        also: further scores by name, shown beside the metric: (probabilities H x W x outputs uint8, labels H x W x
            layers) of an image -> a number; their mean counts.
        official: the organisers' score where it is not `metric`: what is searched by the metric is reported by it, too.
        postprocess: (labels H x W x layers as decoded, what is known of the image: id, part, group, kind, height, width
            and its `extra` numbers, by name) -> labels of the same shape. `tune` measures what it gains, and keeps it
            where that is more than a standard error.
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
    copies: str = ""
    uploads: bool = True
    remarks: tuple[str, ...] = ()
    also: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = field(default_factory=dict)
    official: OfficialMetric | None = None
    postprocess: Callable[[np.ndarray, Mapping], np.ndarray] | None = None

    def __post_init__(self):
        """Raises UserError where task, metric and format do not fit each other: it would show after all training."""
        self._check_kinds()
        task, form = self.task, self.format
        if isinstance(task.classes, str):
            raise UserError(f"{self.name}: the classes of its task must be a tuple of names: ('{task.classes}',)")
        if task.objects != self.metric.objects:
            wanted = "objects (ObjectMetric)" if task.objects else "pixels (CountMetric)"
            raise UserError(f"{self.name}: its task asks for a metric of {wanted}")
        self._check_files()
        if task.objects != (form.several or bool(form.between)):
            raise UserError(f"{self.name}: its format must say several={task.objects}: a row for each object or not")
        if len(task.classes) > 1 and not (form.has_classes or form.files):
            raise UserError(
                f"{self.name}: with {len(task.classes)} classes its format needs a class_column, or joined=True"
            )
        if form.pictures and task.layers > 1:
            raise UserError(f"{self.name}: layers that overlap cannot be one label picture; pictures=False")
        if self.official and (odd := sorted(set(self.official.classes) - set(task.classes))):
            raise UserError(f"{self.name}: its official metric is of {shown(odd)}; classes are {shown(task.classes)}")
        if self.symmetry not in SYMMETRIES:
            raise UserError(f"{self.name}: symmetry is '{self.symmetry}'; known are: {', '.join(SYMMETRIES)}")
        if self.copies not in ("", "together"):
            raise UserError(f"{self.name}: copies is '{self.copies}'; known are: together, or blank")
        self._check_recipes()

    def _check_files(self) -> None:
        """Raises UserError where a label is no value of the files that stand in place of a csv."""
        task, form = self.task, self.format
        if not form.files:
            return
        if task.layers > 1 or task.objects:
            raise UserError(
                f"{self.name}: layers that overlap, or objects, cannot be label files; give a csv: files=''"
            )
        full = np.full((1, 1, task.outputs), 255, np.uint8)
        top = max(int(task.decode(full, task.plain_thresholds()).max()), len(task.classes) - 1)
        if len(form.values) != top + 1:
            raise UserError(
                f"{self.name}: labels are 0 to {top}, and its format has {len(form.values)} values for them; name "
                "one for each: values=(…)"
            )

    def _check_kinds(self) -> None:
        """Raises UserError for a field of another type than it is used as."""
        for name, (kind, words) in _KINDS.items():
            if not isinstance(getattr(self, name), kind):
                raise UserError(f"{self.name}: {name} is {getattr(self, name)!r}; it must be {words}")
        if odd := [name for name, score in self.also.items() if not callable(score)]:
            raise UserError(f"{self.name}: also['{odd[0]}'] is no function of (probabilities, labels)")

    def _check_recipes(self) -> None:
        """Raises UserError for a field or a value that no recipe can have, or a cost of no recipe."""
        for name, fields in self.recipes.items():
            try:
                resolve(fields, {})
            except UserError as error:
                raise UserError(f"{self.name}, recipe '{name}': {error}") from error
        if odd := sorted(self.costs.keys() - self.recipes.keys()):
            raise UserError(f"{self.name}: costs of what is no recipe: {shown(odd)}")


_KINDS = {
    "task": (Task, "one of pipeline/tasks/: Binary((…,))"),
    "metric": ((CountMetric, ObjectMetric), "CountMetric(name, formula) or ObjectMetric(name)"),
    "read": (Callable, "a function: def read(raw): …"),
    "format": (Format, "Format(…)"),
    "recipes": (Mapping, "a table: name -> fields"),
    "costs": (Mapping, "a table: name -> what it costs"),
    "draw": ((Callable, NoneType), "a function, or None"),
    "split": ((Callable, NoneType), "a function, or None"),
    "remarks": ((tuple, list), "a tuple of texts"),
    "also": (Mapping, "a table: name -> function"),
    "postprocess": ((Callable, NoneType), "a function of (labels, row), or None"),
}


def coverage_class(coverage: np.ndarray) -> np.ndarray:
    """0 for empty, then 1 to 10 in tenths of the image: what folds are stratified by and scores are broken down by."""
    return np.ceil(np.asarray(coverage, float) * 10).astype(int).clip(0, 10)
