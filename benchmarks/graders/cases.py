"""Which of their competitions are compared with which of ours, on what is drawn, and what is known to differ."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipeline.command.names import competition
from pipeline.imaging.metrics import CountMetric, dice, each_image
from pipeline.imaging.official import OfficialMetric
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary
from pipeline.tasks.task import Task


@dataclass(frozen=True)
class Rules:
    """How a csv is read and scored.

    Attributes: taken_for: (found, truth) of an image, H x W x layers each -> what is scored for what was found.
    """

    form: Format
    task: Task
    metric: CountMetric
    official: OfficialMetric | None = None
    taken_for: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda found, truth: found


@dataclass(frozen=True)
class Case:
    """A comparison.

    Attributes:
        name: for tables. folder: theirs.
        ours: as the pipeline reads and scores. sizes: of the images drawn, by their ids.
        columns: of their answers: of the run lengths, the height and the width; blank where there is none.
        theirs: rules under which both must agree where ours and theirs differ; reason: what is different in them.
        empty: whether there may be images with nothing in them.
    """

    name: str
    folder: str
    ours: Rules
    sizes: dict[str, tuple[int, int]]
    columns: tuple[str, str, str]
    theirs: Rules | None = None
    reason: str = ""
    empty: bool = True


def cases() -> list[Case]:
    salt, scans, contrails, ink = (_rules(name) for name in ("tgs", "uwmadison", "contrails", "vesuvius"))
    kidney = Rules(Format("id", "predicted"), Binary(("glomerulus",)), CountMetric("mean Dice", dice))
    down = replace(scans, form=replace(scans.form, order="down"))
    uw_madison = "uw-madison-gi-tract-image-segmentation", ("predicted", "image_height", "image_width")
    return [
        Case(
            "tgs",
            "tgs-salt-identification-challenge",
            salt,
            {f"image{i:02}": (101, 101) for i in range(12)},
            ("rle_mask", "", ""),
            replace(salt, taken_for=_full_where_nothing_was_found),
            "an empty answer is taken for a full one where there is salt",
        ),
        Case(
            "uwmadison, scans that are squares",
            uw_madison[0],
            scans,
            _slices({"case2_day0": (40, 40), "case2_day16": (32, 32), "case30_day1": (36, 36)}),
            uw_madison[1],
        ),
        Case(
            "uwmadison, other scans",
            uw_madison[0],
            scans,
            _slices({"case2_day0": (31, 36), "case2_day16": (40, 26), "case30_day1": (27, 36)}),
            uw_madison[1],
            down,
            "runs, which go across the rows, are decoded down the columns: pixels are counted right, but lie elsewhere",
        ),
        Case(
            "contrails",
            "google-research-identify-contrails-reduce-global-warming",
            contrails,
            {str(1_000_000_000_000_000_000 + 7_919 * i): (48, 64) for i in range(12)},
            ("encoded_pixels", "height", "width"),
        ),
        Case(
            "hubmap kidney (our format and Dice)",
            "hubmap-kidney-segmentation",
            kidney,
            {f"{i:x}f6ecfcdf": (40 + 9 * i, 90 - 7 * i) for i in range(9)},
            ("encoding", "height_pixels", "width_pixels"),
            empty=False,
        ),
        Case(
            "vesuvius, one fragment, as there",
            "vesuvius-challenge-ink-detection",
            ink,
            {"a": (60, 84)},
            ("Predicted", "height", "width"),
        ),
        Case(
            "vesuvius, four fragments",
            "vesuvius-challenge-ink-detection",
            ink,
            {name: (50 + 7 * i, 70 - 5 * i) for i, name in enumerate("abcd")},
            ("Predicted", "height", "width"),
            _ink_as_theirs(ink),
            "the mean of the fragments' F0.5 instead of F0.5 of all pixels, and that `1 1`",
        ),
    ]


def _rules(name: str) -> Rules:
    found = competition(name)
    return Rules(found.format, found.task, found.metric, found.official)


def _slices(scans: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {f"{scan}_slice_{number:04}": size for scan, size in scans.items() for number in range(1, 5)}


def _full_where_nothing_was_found(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """NumPy's two automatic bins of an array that is all zero have it in the upper one."""
    return np.ones_like(found) if truth.any() and not found.any() else found


def _ink_as_theirs(ink: Rules) -> Rules:
    return replace(ink, form=replace(ink.form, empty=""), metric=replace(ink.metric, unit=each_image))
