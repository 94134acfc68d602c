"""What a person sees while a fold learns: a bar with the time left on a terminal, a line per epoch elsewhere."""

import sys
import time

import keras
from tqdm import tqdm

from pipeline.training import history


class Progress(keras.callbacks.Callback):
    """Shows loss, overlap and score.

    Args:
        title: `fold 2`. epochs, first_epoch: of the whole training. steps: batches an epoch.
        history: the list of finished epochs, each a dict; its last entry is shown.
    """

    def __init__(self, title: str, epochs: int, first_epoch: int, steps: int, history: list[dict]):
        super().__init__()
        self.title, self.epochs, self.first_epoch, self.steps = title, epochs, first_epoch, steps
        self.history = history
        self.terminal = sys.stderr.isatty()

    def on_train_begin(self, logs=None):
        self.started = time.monotonic()
        self.bar = tqdm(
            total=self.epochs * self.steps,
            initial=self.first_epoch * self.steps,
            desc=self.title,
            unit="step",
            disable=not self.terminal,
        )

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()

    def on_epoch_end(self, epoch, logs=None):
        text = history.in_words(self.history[-1])
        if self.terminal:
            self.bar.set_postfix_str(text)
            return
        finished = epoch + 1 - self.first_epoch
        left = (time.monotonic() - self.started) / finished * (self.epochs - epoch - 1)
        print(f"{self.title}, epoch {epoch + 1} of {self.epochs}: {text}; {left / 60:.1f} min left", flush=True)

    def on_train_end(self, logs=None):
        self.bar.close()
