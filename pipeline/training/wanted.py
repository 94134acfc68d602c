"""Windows that must hold something: which image one is cut from, and around what.

Of several classes each is sought as often as any other, however rare: a pixel drawn from all that hold something is
nearly always of the largest. (Of classes that exclude each other not the first, which is the background of most.)
"""

from dataclasses import dataclass

import numpy as np

from pipeline.store.prepared import View
from pipeline.tasks.ahead import in_order
from pipeline.tasks.task import Task
from pipeline.training.filled_pixels import AT_ONCE, FilledPixels
from pipeline.training.pseudo_labels import LearntLabels


@dataclass(frozen=True)
class Wanted:
    """What a window may be cut around: one of several classes, or with a single one anything.

    Attributes:
        pixels: of each, where it is in an image.
        holders: of each, the numbers of the images that hold it, sorted; none where no image does.
    """

    pixels: list[FilledPixels]
    holders: list[np.ndarray]

    def draw(self, row: int, random: np.random.Generator) -> tuple[int, FilledPixels | None]:
        """An image and what of it is wanted: image `row` where it holds that, else another that does; `row` and None
        where no image holds anything."""
        occurring = [k for k, rows in enumerate(self.holders) if len(rows)]
        if not occurring:
            return row, None
        # where there is one nothing is drawn
        k = occurring[int(random.integers(len(occurring)))] if len(self.holders) > 1 else 0
        rows = self.holders[k]
        place = np.searchsorted(rows, row)
        holds = place < len(rows) and rows[place] == row
        return (row if holds else int(random.choice(rows))), self.pixels[k]


def holders(labels: LearntLabels, task: Task, view: View, rows: np.ndarray) -> list[np.ndarray]:
    """Of each class the rows, sorted, that hold it in what is learnt together. Every image is read once."""
    members = {int(row): [int(image) for image in view.members(row)] for row in np.sort(rows)}
    images = sorted({image for found in members.values() for image in found})

    def held(image: int) -> np.ndarray:
        return classes_in(labels[image], task, view.known(image) if view.has_gaps else None)

    of_image = dict(zip(images, in_order(held, images, "classes"), strict=True))
    holds = np.array([np.any([of_image[image] for image in found], axis=0) for found in members.values()])
    return [np.array(list(members))[column] for column in holds.T]


def classes_in(labels: np.ndarray, task: Task, known=None) -> np.ndarray:
    """Which classes H x W x layers labels hold, where they are known (H x W x 1, above 0): bool."""
    found = np.zeros(len(task.classes), bool)
    # bands of lines: a large picture is mapped, not read at once
    step = max(1, AT_ONCE // max(labels.shape[1], 1))
    for lines in (slice(y, y + step) for y in range(0, labels.shape[0], step)):
        band = np.asarray(labels[lines])
        filled = task.filled(band)
        if known is not None:
            filled &= known[lines, :][..., 0] > 0
        found |= [bool((mask & filled).any()) for mask in task.masks(band)]
    return found
