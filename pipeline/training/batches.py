"""Batches of stored pixels for one fold: which images, in which order, at the network's size.

Batch number i of a whole training is a function of (seed, fold, i) alone: nothing to save, nothing to restore when a
killed training goes on, and threads may make batches ahead across the end of an epoch.
"""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pipeline.imaging.sizes import resized, to_network
from pipeline.prepared import Prepared
from pipeline.recipe import Recipe

AHEAD = 8  # batches made before they are asked for


class Batches:
    """The training images of one fold.

    Args:
        images: what the network sees of row i, H x W x C (`View.images`).
        rows: row numbers of `prepared.table`, all in the train part.
        shape: height and width of a batch.
        recipe: how pictures get that shape.
        seed: numbers, as NumPy's SeedSequence takes them: (seed, fold number, …).
    """

    def __init__(self, prepared: Prepared, images, rows, task, shape: tuple[int, int], recipe: Recipe, seed: tuple):
        self.prepared, self.images, self.rows, self.task = prepared, images, np.asarray(rows), task
        self.shape, self.recipe, self.seed = shape, recipe, seed
        self.steps = recipe.steps or max(1, len(self.rows) // recipe.batch_size)

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Batch `step`, counted over all epochs: `image` and `target`, B x h x w x C as stored and uint8."""
        epoch, position = divmod(step, self.steps)
        size = self.recipe.batch_size
        chosen = self._order(epoch).take(range(position * size, (position + 1) * size), mode="wrap")
        windows = np.random.default_rng([*self.seed, step, 1])
        pairs = [self._pair(row, windows) for row in chosen]
        images, targets = zip(*pairs, strict=True)
        return {"image": np.stack(images), "target": np.stack(targets)}

    def _pair(self, row: int, windows: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Image and target of a row at the batch's shape: the whole of it, or a window at random."""
        image, labels = self.images[row], self.prepared.labels[row]
        if not self.recipe.crop:
            target = self.task.target(labels)
            return to_network(image, self.shape, self.recipe.fit), to_network(target, self.shape, self.recipe.fit)
        if self.recipe.size and self.recipe.fit == "resize":
            whole = (self.recipe.size, self.recipe.size)
            return self._window(windows, resized(image, whole), resized(self.task.target(labels), whole))
        image, labels = self._window(windows, image, labels)
        return image, self.task.target(labels)

    def _window(self, windows: np.random.Generator, *pictures: np.ndarray) -> list[np.ndarray]:
        """The same window of each picture; those smaller than it are mirrored at their borders first."""
        height, width = pictures[0].shape[:2]
        top = int(windows.integers(max(0, height - self.shape[0]) + 1))
        left = int(windows.integers(max(0, width - self.shape[1]) + 1))
        cut = [picture[top : top + self.shape[0], left : left + self.shape[1]] for picture in pictures]
        return [to_network(part, self.shape, "pad") for part in cut]

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
