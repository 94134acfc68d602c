"""What a competition's file says, before it is written."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Kind:
    """A kind of answer: what it is called, and what the file says of it.

    Attributes:
        said: for people.
        task_import: what follows `from pipeline.tasks.`.
        labels_import, labels: what of `pipeline.raw.masks` says what a pixel of a mask means; blank where no masks are
            read.
        task, constants, metric, loss, format: as they stand in the file; official, too, blank where there is none.
        metric_import: what follows `from pipeline.imaging.`.
        names, values: of the classes, where masks are read, and what these hold.
        reads: what `labels` says, the function itself.
    """

    said: str
    task_import: str
    labels_import: str
    task: str
    labels: str
    constants: str = ""
    metric_import: str = "metrics import CountMetric, iou_of_present, whole_set"
    metric: str = 'CountMetric("mean IoU of the classes, whole set", iou_of_present, whole_set)'
    loss: str = '{"loss": "ce+dice", "late_loss": ""}'
    format: str = 'class_column="class", pictures=True'
    official: str = ""
    names: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    reads: Callable[[np.ndarray], np.ndarray] | None = None


@dataclass(frozen=True)
class Draft:
    """What was found, in the words of the file.

    Attributes:
        kind: of answer.
        imports: lines of Python, of what `read` uses.
        read: the function `read`, its text.
        said: what was found and what is assumed, lines for people.
        smallest, largest: (height, width) of the images with the fewest and the most pixels; None where none were seen.
        longest: (height, width) of the image whose sides differ most, by their ratio.
    """

    kind: Kind
    imports: tuple[str, ...]
    read: str
    said: tuple[str, ...] = ()
    smallest: tuple[int, int] | None = None
    largest: tuple[int, int] | None = None
    longest: tuple[int, int] | None = None
