"""Batches of stored pixels for one fold: which images, in which order, at the network's size.

Batch number i of a whole training is a function of (seed, fold, i) alone: nothing to save, nothing to restore when a
killed training goes on, and threads may make batches ahead across the end of an epoch.
"""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pipeline.imaging.sizes import resized, to_network
from pipeline.imaging.tiles import mirrored
from pipeline.models.frame import Frame
from pipeline.recipe import Recipe
from pipeline.store.prepared import Prepared, View
from pipeline.training.pixel_weights import PixelWeights
from pipeline.training.plan import steps_of
from pipeline.training.pseudo_labels import LearntLabels

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
        self.shape, self.frame, self.recipe, self.seed = shape, frame, recipe, seed
        # how many of a window's pixels on each side the network only looks at
        self.margin = frame.margin
        self.steps = steps_of(recipe, len(self.rows))
        self.coverage = self.labels.table["coverage"].to_numpy(float)
        self.filled = self.rows[self.coverage[self.rows] > 0]
        self.pixel_weights = PixelWeights(self.labels, self.rows, task, recipe) if recipe.border_weight else None

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Batch `step`, counted over all epochs: `image` and `target`, B x h x w x C as stored and uint8; with border
        weights also `weight`, float32."""
        epoch, position = divmod(step, self.steps)
        size = self.recipe.batch_size
        chosen = self._order(epoch).take(range(position * size, (position + 1) * size), mode="wrap")
        random = np.random.default_rng([*self.seed, step, 1])
        examples = [self._example(row, random) for row in chosen]
        return {name: np.stack([example[name] for example in examples]) for name in examples[0]}

    def _example(self, row: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """What is learnt from a row, at the batch's shape: the whole of it, or a window at random."""
        if not self.recipe.crop:
            return {name: self._framed(picture) for name, picture in self._whole(row).items()}
        row, wanted = self._wanted(row, random)
        if self.recipe.size and self.recipe.fit == "resize":
            return self._resized_window(row, wanted, random)
        labels = self._labels(row)
        window = self._window(labels.shape, self.task.filled(labels) if wanted else None, random)
        weights = self._weights(row)
        cut = self._targets(window(labels), None if weights is None else window(weights))
        return {"image": window(self.view.images[row]), **cut}

    def _whole(self, row: int) -> dict[str, np.ndarray]:
        return {"image": self.view.images[row], **self._targets(self._labels(row), self._weights(row))}

    def _resized_window(self, row: int, wanted: bool, random: np.random.Generator) -> dict[str, np.ndarray]:
        # as large as it is when it is predicted
        whole = (self.frame.side(self.recipe.size),) * 2
        pictures = {name: resized(picture, whole) for name, picture in self._whole(row).items()}
        filled = self.task.filled(self._labels(row)).astype(np.uint8)[..., None] if wanted else None
        window = self._window(whole, None if filled is None else resized(filled, whole)[..., 0] != 0, random)
        return {name: window(picture) for name, picture in pictures.items()}

    def _labels(self, row: int) -> np.ndarray:
        """H x W x (slices x layers): of every image that is learnt together with this one."""
        members = self.view.members(row)
        if len(members) == 1:
            return self.labels[row]
        return np.concatenate([self.labels[member] for member in members], axis=2)

    def _weights(self, row: int) -> np.ndarray | None:
        if self.pixel_weights is None:
            return None
        return np.concatenate([self.pixel_weights[member] for member in self.view.members(row)], axis=2)

    def _targets(self, labels: np.ndarray, weights: np.ndarray | None) -> dict[str, np.ndarray]:
        parts = np.split(labels, self.view.slices, axis=2)
        target = np.concatenate([self.task.target(part) for part in parts], axis=2)
        return {"target": target} if weights is None else {"target": target, "weight": weights}

    def _framed(self, picture: np.ndarray) -> np.ndarray:
        """The whole picture at the batch's shape, its margin mirrored."""
        inner = (self.shape[0] - 2 * self.margin, self.shape[1] - 2 * self.margin)
        return to_network(picture, inner, self.recipe.fit, self.margin)

    def _wanted(self, row: int, random: np.random.Generator) -> tuple[int, bool]:
        """The row a window is cut from, and whether it must hold something: then an empty row gives way to another."""
        if not self.recipe.non_empty or random.random() >= self.recipe.non_empty or not len(self.filled):
            return row, False
        return (row if self.coverage[row] > 0 else int(random.choice(self.filled))), True

    def _window(self, shape, filled: np.ndarray | None, random: np.random.Generator):
        """The same window of every picture; what is outside of one is mirrored.

        Anywhere inside, or around one of the pixels that are `filled` (H x W bool). A network that looks at a margin
        learns the edges, too.
        """
        spots = [] if filled is None else np.flatnonzero(filled)
        if len(spots):
            centre = np.unravel_index(spots[random.integers(len(spots))], filled.shape)
            # in the middle half of what is answered: augmentation still moves the window
            reach = [max(1, (side - 2 * self.margin) // 4) for side in self.shape]
            offsets = [side // 2 + random.integers(-far, far) for side, far in zip(self.shape, reach, strict=True)]
            start = [int(middle - offset) for middle, offset in zip(centre, offsets, strict=True)]
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
