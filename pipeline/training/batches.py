"""Batches of stored pixels for one fold: which images, in which order, at the network's size.

Batch number i of a whole training is a function of (seed, fold, i) alone: nothing to save, nothing to restore when a
killed training goes on, and threads may make batches ahead across the end of an epoch.
"""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pipeline.imaging.sizes import to_network
from pipeline.prepared import Prepared

AHEAD = 8  # batches made before they are asked for


class Batches:
    """The training images of one fold.

    Args:
        rows: row numbers of `prepared.table`, all in the train part.
        shape: height and width of the network's input.
        seed: three numbers in one: (seed, fold number, …) as NumPy's SeedSequence takes them.
    """

    def __init__(self, prepared: Prepared, rows, task, shape, fit: str, batch_size: int, steps: int, seed: tuple):
        self.prepared, self.rows, self.task = prepared, np.asarray(rows), task
        self.shape, self.fit, self.batch_size, self.seed = shape, fit, batch_size, seed
        self.steps = steps or max(1, len(self.rows) // batch_size)

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Batch `step`, counted over all epochs: `image` and `target`, B x h x w x C as stored and uint8."""
        epoch, position = divmod(step, self.steps)
        chosen = self._order(epoch).take(
            range(position * self.batch_size, (position + 1) * self.batch_size), mode="wrap"
        )
        images = [to_network(self.prepared.images[row], self.shape, self.fit) for row in chosen]
        targets = [to_network(self.task.target(self.prepared.labels[row]), self.shape, self.fit) for row in chosen]
        return {"image": np.stack(images), "target": np.stack(targets)}

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
