"""Batches of stored pixels for one fold: which images, in which order, at the network's size.

Batch number i of a whole training is a function of (seed, fold, i) alone: nothing to save, nothing to restore when a
killed training goes on, and threads may make batches ahead across the end of an epoch.
"""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

import numpy as np

from pipeline.imaging.tiles import mirrored
from pipeline.models.frame import Frame
from pipeline.recipe import Recipe
from pipeline.store.prepared import Prepared, View
from pipeline.store.seen import Together
from pipeline.training import targets
from pipeline.training.filled_pixels import FilledPixels
from pipeline.training.pixel_weights import PixelWeights
from pipeline.training.plan import steps_of
from pipeline.training.pseudo_labels import LearntLabels
from pipeline.training.wanted import Wanted, holders

AHEAD = 8  # batches made before they are asked for


class Batches:
    """The training images of one fold.

    Args:
        view: what the network sees of a row.
        rows: row numbers of `prepared.table`: train images, and test images with pseudo-labels.
        shape: height and width of a batch.
        frame: the sizes that the network takes.
        recipe: how pictures get that shape.
        seed: numbers, as NumPy's SeedSequence takes them: (seed, fold number, …).
        labels: of these rows; None is the truth.
    """

    def __init__(
        self, prepared: Prepared, view: View, rows, task, shape, frame: Frame, recipe: Recipe, seed: tuple, labels=None
    ):
        self.labels = labels or LearntLabels(prepared)
        self.view, self.rows, self.task = view, np.asarray(rows), task
        self.targets, self.pixels = targets.of(recipe, task), targets.Channels(task)
        self.shape, self.frame, self.recipe, self.seed = shape, frame, recipe, seed
        # how many of a window's pixels on each side the network only looks at
        self.margin = frame.margin
        self.steps = steps_of(recipe, len(self.rows))
        known = view.known if view.has_gaps else None
        # of a task whose labels leave pixels open
        self.labelled = getattr(task, "known", None)
        self.sought = self._sought() if recipe.non_empty else None
        self.pixel_weights = PixelWeights(self.labels, self.rows, task, recipe, known) if recipe.border_weight else None

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Batch `step`, counted over all epochs: `image` and `target`, B x h x w x C as stored, and uint8 (of numbers
        uint16); with border weights also `weight`, and where pixels may be unknown `known`, float32."""
        epoch, position = divmod(step, self.steps)
        size = self.recipe.batch_size
        chosen = self._order(epoch).take(range(position * size, (position + 1) * size), mode="wrap")
        random = np.random.default_rng([*self.seed, step, 1])
        examples = [self._finished(self._example(row, random), row) for row in chosen]
        return {name: np.stack([example[name] for example in examples]) for name in examples[0]}

    def _example(self, row: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """What is learnt from a row, at the batch's shape: the whole of it, or a window at random."""
        if not self.recipe.crop:
            return {name: self._framed(name, picture) for name, picture in self._whole(row).items()}
        row, around = self._chosen(row, random)
        if self.recipe.size and self.recipe.fit == "resize":
            return self._resized_window(row, around, random)
        labels = self._labels(row)
        spot = around.one(row, *labels.shape[:2], random) if around else None
        window = self._window(labels.shape, spot, random)
        cut = {name: window(values) for name, values in self._beside(row).items()}
        return self._learnt(window(self.view.images[row]), window(labels), cut)

    def _whole(self, row: int) -> dict[str, np.ndarray]:
        return self._learnt(self.view.images[row], self._labels(row), self._beside(row))

    def _learnt(self, image, labels: np.ndarray, beside: dict) -> dict[str, np.ndarray]:
        """What is learnt of a picture, its labels and what is known beside them, of one size; with nothing to learn
        where nothing is known: what moves over it later brings nothing with it."""
        labels = np.asarray(labels)
        pictures = {"image": image, "target": self._target(labels), **beside}
        if self.labelled is not None:
            known = self._each_slice(self.labelled, labels).astype(np.float32)
            pictures["known"] = np.minimum(known, pictures["known"]) if "known" in pictures else known
        if "known" not in pictures:
            return pictures
        target, known = pictures["target"], np.asarray(pictures["known"])
        known = np.repeat(known, target.shape[2] // known.shape[2], axis=2)
        return {**pictures, "target": np.where(known > 0, target, np.uint8(0))}

    def _resized_window(
        self, row: int, around: FilledPixels | None, random: np.random.Generator
    ) -> dict[str, np.ndarray]:
        # as large as it is when it is predicted
        whole = (self.frame.side(self.recipe.size),) * 2
        pictures = {name: self._form(name).resized(picture, whole) for name, picture in self._whole(row).items()}
        sides = self.view.images[row].shape[:2]
        spot = around.one(row, *sides, random) if around else None
        if spot is not None:
            # found at the picture's own size: what is small may be gone when it is resized, and its place is not
            spot = tuple(place * now // before for place, now, before in zip(spot, whole, sides, strict=True))
        window = self._window(whole, spot, random)
        return {name: window(picture) for name, picture in pictures.items()}

    def _filled(self, row: int, lines: slice = slice(None), which: int | None = None) -> np.ndarray:
        """h x W bool: where something is that can be learnt, in these lines; of one class, or of any."""
        labels = self._labels(row)[lines]
        filled = self.task.filled(labels)
        if which is not None:
            filled &= self._is_class(labels, which)
        return filled & (self.view.known(row)[lines, :][..., 0] > 0) if self.view.has_gaps else filled

    def _is_class(self, labels: np.ndarray, which: int) -> np.ndarray:
        """h x W bool: in any of the slices that are learnt together."""
        parts = np.split(np.asarray(labels), self.view.slices, axis=2)
        return np.any([next(islice(self.task.masks(part), which, None)) for part in parts], axis=0)

    def _labels(self, row: int) -> np.ndarray | Together:
        """H x W x (slices x layers): of every image that is learnt together with this one."""
        members = self.view.members(row)
        if len(members) == 1:
            return self.labels[row]
        return Together([self.labels[member] for member in members])

    def _beside(self, row: int) -> dict[str, np.ndarray]:
        """What else is known of the pixels, H x W x slices each: how much they count, and whether they do."""
        members, found = self.view.members(row), {}
        if self.pixel_weights is not None:
            found["weight"] = np.concatenate([self.pixel_weights[member] for member in members], axis=2)
        if self.view.has_gaps:
            known = [self.view.known(member) for member in members]
            found["known"] = known[0] if len(known) == 1 else np.concatenate(known, axis=2)
        return found

    def _target(self, labels: np.ndarray) -> np.ndarray:
        return self._each_slice(self.targets.target, labels)

    def _each_slice(self, change, labels: np.ndarray) -> np.ndarray:
        """h x w x (slices layers), changed slice by slice and put together again."""
        parts = np.split(labels, self.view.slices, axis=2)
        return np.concatenate([change(part) for part in parts], axis=2)

    def _form(self, name: str):
        """How a picture of this name changes its size."""
        return self.targets if name == "target" else self.pixels

    def _framed(self, name: str, picture: np.ndarray) -> np.ndarray:
        """The whole picture at the batch's shape, its margin mirrored."""
        inner = (self.shape[0] - 2 * self.margin, self.shape[1] - 2 * self.margin)
        return self._form(name).framed(picture, inner, self.recipe.fit, self.margin)

    def _finished(self, example: dict[str, np.ndarray], row: int) -> dict[str, np.ndarray]:
        """Ready to be learnt, now that it is known what of the picture is in it."""
        height, width = self.view.images[row].shape[:2]
        is_mirrored = self.recipe.fit != "resize" and (height < self.shape[0] or width < self.shape[1])
        return {**example, "target": self.targets.finished(example["target"], is_mirrored)}

    def _sought(self) -> Wanted:
        """What windows must hold. With several classes every image's labels are read once."""
        classes = len(self.task.classes)
        if classes == 1:
            coverage = self.labels.table["coverage"].to_numpy(float)[self.rows]
            return Wanted([FilledPixels(self._filled)], [np.sort(self.rows[coverage > 0])])
        pixels = [FilledPixels(partial(self._filled, which=k)) for k in range(classes)]
        return Wanted(pixels, holders(self.labels, self.task, self.view, self.rows))

    def _chosen(self, row: int, random: np.random.Generator) -> tuple[int, FilledPixels | None]:
        """The row a window is cut from, and what it must hold: then a row without that gives way to another."""
        if self.sought is None or random.random() >= self.recipe.non_empty:
            return row, None
        return self.sought.draw(row, random)

    def _window(self, shape, spot: tuple[int, int] | None, random: np.random.Generator):
        """The same window of every picture; what is outside of one is mirrored.

        Anywhere inside, or around a `spot` (y, x). A network that looks at a margin learns the edges, too.
        """
        if spot is not None:
            # in the middle half of what is answered: augmentation still moves the window
            reach = [max(1, (side - 2 * self.margin) // 4) for side in self.shape]
            offsets = [side // 2 + random.integers(-far, far) for side, far in zip(self.shape, reach, strict=True)]
            start = [int(middle - offset) for middle, offset in zip(spot, offsets, strict=True)]
        else:
            start = [None, None]
        place = [
            self._start(length, side, begin, random)
            for length, side, begin in zip(shape[:2], self.shape, start, strict=True)
        ]
        return lambda picture: mirrored(picture, *place, *self.shape)

    def _start(self, length: int, side: int, begin: int | None, random: np.random.Generator) -> int:
        """Where a window of `side` begins in `length` pixels: near `begin`, anywhere with None."""
        room = length + 2 * self.margin - side
        if room <= 0:
            # smaller than the window: in its middle
            return -((side - length) // 2)
        if begin is None:
            return int(random.integers(room + 1)) - self.margin
        return min(max(begin, -self.margin), room - self.margin)

    def stream(self, first_step: int):
        """Endless batches from `first_step` on, in the form `fit` takes, made ahead by threads."""
        with ThreadPoolExecutor(min(4, os.cpu_count())) as pool:
            waiting = deque(pool.submit(self, first_step + i) for i in range(AHEAD))
            following = first_step + AHEAD
            while True:
                batch = waiting.popleft().result()
                waiting.append(pool.submit(self, following))
                following += 1
                yield (batch,)

    def _order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([*self.seed, epoch]).permutation(self.rows)
