"""What a report is made from: the thresholds, what the held-out images got with them, and the submission."""

import functools
from dataclasses import dataclass, field

import numpy as np

from pipeline.errors import UserError
from pipeline.reporting.run import held_out, submitted
from pipeline.runs import dataset_shift, decoding, every, trained, tuned, tuning
from pipeline.runs.decoding import Decoder
from pipeline.runs.job import Job
from pipeline.store import disk, records


@dataclass(frozen=True)
class Headline:
    """The score to expect: of n images, with its standard error; `kind` says in words what it is."""

    score: float
    error: float
    n: int
    kind: str


@dataclass(frozen=True)
class Facts:
    """Attributes:
    content: thresholds.json; rules: its thresholds; ours: whether it is as `tune` wrote it, so that its scores belong
        to its thresholds.
    held_out: None when no fold held anything out; submitted: None without a submission.
    decoder: how the answers became labels.
    histories: trained fold -> the rows of its history.csv, one dict of numbers per epoch; empty without the file.
    pictures: the arrays of tuning.npz; empty when there is none of these images.
    shift: whether test pictures look as train pictures do; None where that cannot be told.
    beside: run -> (its thresholds.json, why it has none that is true today), of runs of the same recipe whose folds are
        made in another way.
    """

    content: dict
    rules: list
    decoder: Decoder
    ours: bool
    held_out: held_out.HeldOut | None
    submitted: submitted.Submitted | None
    histories: dict
    pictures: dict
    shift: dataset_shift.Shift | None = None
    beside: dict[str, tuple[dict, str]] = field(default_factory=dict)

    @functools.cached_property
    def headline(self) -> Headline | None:
        """Cross-fitted where `tune` chose the thresholds, otherwise what the thresholds given get; None without
        held-out images."""
        if self.held_out is None:
            return None
        n = len(self.held_out.scores)
        if self.ours and self.content.get("cross_fitted") is not None:
            return Headline(self.content["cross_fitted"], self.content["standard_error"], n, "cross-fitted")
        tally, kind = self.held_out.tally, "not cross-fitted" if self.ours else "thresholds made by hand"
        return Headline(tally.score(), tally.error(), n, f"out-of-fold, {kind}")

    @property
    def hidden(self) -> submitted.Hidden | None:
        return self.submitted.hidden if self.submitted else None


def gather(job: Job) -> Facts:
    """Reads the files of the run. Raises UserError when they do not fit each other."""
    content, rules = tuning.read_thresholds(job.store.thresholds, job.competition.task.classes)
    decoder = decoding.as_submitted(job, content)
    measured = held_out.measure(decoder, rules)
    return Facts(
        content=content,
        rules=rules,
        decoder=decoder,
        ours=records.read_record(job.store.thresholds) is not None,
        held_out=measured,
        submitted=submitted.read(job),
        histories={fold: _history(job.store.fold(fold) / "history.csv") for fold in trained.folds(job)},
        pictures=_pictures(job, measured),
        shift=dataset_shift.of(job),
        beside={one.name: tuned.standing(one.job) for one in every.split_otherwise(job)},
    )


def hidden_line(facts: Facts) -> str:
    """The score on the hidden truth, beside the one that was expected."""
    hidden, expected = facts.hidden, facts.headline
    line = f"score on the hidden truth {_with_error(hidden)} ({hidden.n} test images)"
    line += f"; {expected.kind} {_with_error(expected)}" if expected else ""
    by_unit = facts.submitted.official
    if by_unit is None:
        return line
    score = submitted.Hidden(by_unit.score(), by_unit.error(), len(by_unit))
    return f"{line}; {by_unit.metric.name} {_with_error(score)} ({score.n} units)"


def _with_error(found: Headline | submitted.Hidden) -> str:
    """Of a single independent part (one drive) no standard error is known."""
    return f"{found.score:.4f}" + (f" ± {found.error:.4f}" if found.error else "")


def agreement(expected: Headline, hidden: submitted.Hidden) -> str:
    """Whether the two differ by more than chance, in one sentence."""
    if not hidden.error or not expected.error:
        return ""
    error = float(np.hypot(expected.error, hidden.error))
    apart = abs(hidden.score - expected.score)
    many = apart / error if error else 0.0
    if many <= 2:
        return f"They are {apart:.4f} apart, {many:.1f} standard errors of that: they agree."
    if hidden.score < expected.score:
        why = "the test images differ from the train images, or the held-out images were not really held out"
    else:
        why = "a submission averages its folds, where a held-out image has the answer of one, or its images are easier"
    side = "lower" if hidden.score < expected.score else "higher"
    line = f"The hidden truth is {apart:.4f} {side}, {many:.1f} standard errors: more than chance"
    return f"{line}, likely because {why}."


def _history(path) -> list[dict]:
    """The rows of a history.csv as numbers; blank fields are None, words are left out."""
    if not path.exists():
        return []
    return [{name: _number(value) for name, value in row.items()} for row in disk.read_rows(path)]


def _number(value) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _pictures(job: Job, measured) -> dict:
    if measured is None or not job.store.tuning.exists():
        return {}
    try:
        arrays = disk.read_arrays(job.store.tuning)
    except UserError:
        # the page can do without it
        return {}
    ids = job.prepared.table["id"].to_numpy()[measured.rows]
    return arrays if np.array_equal(arrays.get("ids", []), ids.astype(str)) else {}
