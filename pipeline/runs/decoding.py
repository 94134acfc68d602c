"""How answers become the labels that are submitted: decoded by thresholds and, where that is kept, handed to the
competition's `postprocess`.

Whatever scores, shows or writes what a run answers decodes here, so that all of it is of the same labels.
"""

import functools
import inspect
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pipeline import source
from pipeline.errors import UserError
from pipeline.store import disk, extra
from pipeline.tasks.label_values import comes_back, largest_label
from pipeline.tasks.thresholds import Thresholds

if TYPE_CHECKING:
    from pipeline.runs.job import Job

WHAT = "postprocess="
KNOWN = ("id", "group", "kind", "height", "width", "part")  # columns of images.csv that say nothing of the labels
AT_ONCE = 1 << 22  # values that are looked at together


@dataclass(frozen=True)
class Decoder:
    """Attributes: applies: whether the competition's `postprocess` has the last word."""

    job: "Job"
    applies: bool

    def labels(
        self, rows: Sequence[int], probabilities: Iterable[np.ndarray], rules: list[Thresholds]
    ) -> Iterator[np.ndarray]:
        """The labels H x W x layers of images, in order; a volume is decoded whole, and processed slice by slice.

        Args: rows: of the prepared table, one for each image. probabilities: H x W x outputs uint8 of each.
        """
        groups, task = self.job.prepared.columns["group"], self.job.competition.task
        found = task.decoded(zip((groups[row] for row in rows), probabilities, strict=True), rules)
        for row, labels in zip(rows, found, strict=True):
            yield self._processed(int(row), labels) if self.applies else labels

    def known(self, row: int) -> Mapping:
        """What is known of an image beside its pixels: KNOWN, and its `extra` numbers."""
        columns = self.job.prepared.columns
        known = {name: columns[name][row] for name in KNOWN}
        known |= {name: int(known[name]) for name in ("height", "width")}
        return MappingProxyType({**self._extra.get(known["id"], {}), **known})

    def _processed(self, row: int, labels: np.ndarray) -> np.ndarray:
        """What the competition's function makes of the labels of an image. Raises UserError, with its line, for a
        mistake in it, and for what are no labels of this image."""
        shape, dtype = labels.shape, labels.dtype
        with source.of_the_user(WHAT):
            found = self.job.competition.postprocess(labels, self.known(row))
        if wrong := self._wrong(found, shape, dtype):
            name = self.job.prepared.columns["id"][row]
            raise UserError(f"{_where(self.job.competition.postprocess)}: {WHAT} returns {wrong} (image {name})")
        return found.astype(dtype, copy=False)

    def _wrong(self, found, shape: tuple, dtype) -> str:
        """Why what was returned are no labels of this shape; blank where they are."""
        if not isinstance(found, np.ndarray):
            return f"{type(found).__name__}, not the labels; return an array, also where it was changed in place"
        if found.shape != shape:
            return f"labels of the shape {_shape(found.shape)}, not {_shape(shape)}"
        if found.dtype.kind not in "ui":
            return f"labels of {found.dtype}, not whole numbers; return them .astype(labels.dtype)"
        answers = self._answers
        if answers is None:
            low, high = (int(end(found)) if found.size else 0 for end in (np.min, np.max))
            odd, words = low if low < 0 else high if high > np.iinfo(dtype).max else None, largest_label(self._task)[1]
        else:
            odd, words = next(iter(sorted(_values(found) - answers)), None), ", ".join(map(str, sorted(answers)))
        return "" if odd is None else f"the label {odd}; known are {words}"

    @property
    def _task(self):
        return self.job.competition.task

    @functools.cached_property
    def _answers(self) -> frozenset[int] | None:
        """The labels that an answer can hold; None of objects, which may have any number."""
        task = self._task
        if task.objects:
            return None
        values = {*range(largest_label(task)[0] + 1), *([] if task.void is None else [task.void])}
        return frozenset(value for value in values if comes_back(value, task))

    @functools.cached_property
    def _extra(self) -> dict:
        return extra.read(self.job.prepared.folder)


def plain(job: "Job") -> Decoder:
    """Thresholds alone."""
    return Decoder(job, False)


def as_submitted(job: "Job", content: dict) -> Decoder:
    """As thresholds.json says: in one that `tune` has written `postprocess` is applied where it is kept, in one made by
    hand unless it says otherwise. Raises UserError where what it says cannot be."""
    exists, said = job.competition.postprocess is not None, content.get("postprocess")
    kept = said.get("kept") if isinstance(said, dict) else exists if said is None else said
    where = job.store.shown(job.store.thresholds)
    if not isinstance(kept, bool):
        raise UserError(f'{where}: "postprocess" is {said!r}; write true or false, or leave it out')
    if kept and not exists:
        raise UserError(f'{where} asks for "postprocess", and the competition has none; write false, or leave it out')
    return Decoder(job, kept)


def inputs_of(job: "Job", rows: np.ndarray) -> dict:
    """What labels of these images depend on beside answers and thresholds; nothing where there is no `postprocess`."""
    if job.competition.postprocess is None:
        return {}
    decoder = plain(job)
    return {"known": disk.text_hash(*(sorted(decoder.known(int(row)).items()) for row in rows))}


def check(job: "Job") -> None:
    """Raises UserError where `postprocess` fails on train images that are answered rightly: the smallest, and the
    smallest that is not empty. Tried before the work."""
    if job.competition.postprocess is None:
        return
    prepared, task = job.prepared, job.competition.task
    filled = prepared.train[np.array(prepared.columns["coverage"])[prepared.train] > 0]
    pixels = prepared.columns["height"] * prepared.columns["width"]
    rows = [int(some[pixels[some].argmin()]) for some in (prepared.train, filled) if len(some)]
    for row in rows:
        target = task.target(np.asarray(prepared.labels[row]))
        deque(Decoder(job, True).labels([row], [target], task.plain_thresholds()), maxlen=0)


def _values(labels: np.ndarray) -> set[int]:
    """The values of labels; of large ones some lines at a time."""
    step = max(1, AT_ONCE // max(labels[0].size, 1)) if len(labels) else 1
    return {value for top in range(0, len(labels), step) for value in np.unique(labels[top : top + step]).tolist()}


def _shape(shape: tuple) -> str:
    return " x ".join(map(str, shape)) or "one value"


def _where(function) -> str:
    """The file of a function, and the line that it begins in."""
    code = getattr(getattr(function, "func", function), "__code__", None)
    if code is None:
        return inspect.getmodule(type(function)).__name__
    return f"{source.place(Path(code.co_filename), None)}, line {code.co_firstlineno}"
