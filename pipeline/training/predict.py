"""From stored images to probabilities at the images' own size, averaged over flips."""

from collections.abc import Iterable, Iterator

import keras
import numpy as np

from pipeline.flat import FlatReader
from pipeline.imaging.flips import Flip
from pipeline.imaging.sizes import from_network, network_shape, to_network
from pipeline.recipe import Recipe
from pipeline.training import hardware


class Predictor:
    """A network with everything between stored pixels and stored probabilities.

    Args:
        network: B x H x W x C (0..1) to logits.
        info: `prepared.json`'s content: the value range.
        activation: `sigmoid` or `softmax`.
        multiple: of which the network wants both sides.
    """

    def __init__(self, network, recipe: Recipe, info: dict, activation: str, multiple: int):
        self.recipe, self.multiple = recipe, multiple
        image = keras.Input((None, None, info["channels"]), dtype=info["dtype"])
        scaled = keras.layers.Rescaling(1 / info["range"], dtype="float32")(image)
        probabilities = keras.layers.Activation(activation, dtype="float32")(network(scaled))
        self.model = keras.Model(image, probabilities)
        self.model.compile(jit_compile=hardware.xla(recipe.xla, keras.backend.backend()))

    def predict(self, images: FlatReader, rows: Iterable[int], flips: tuple[Flip, ...]) -> Iterator:
        """Yields (row, plain, averaged) for each row in order: H x W x K uint8 probabilities at the image's own size,
        without flips and averaged over them. Memory is bounded by one batch."""
        for chosen, shape in self._batches(images, rows):
            batch = np.stack([to_network(images[row], shape, self.recipe.fit) for row in chosen])
            plain = self._probabilities(batch, flips[0])
            total = plain
            for flip in flips[1:]:
                total = total + self._probabilities(batch, flip)
            for i, row in enumerate(chosen):
                size = int(images.heights[row]), int(images.widths[row])
                yield row, self._stored(plain[i], size), self._stored(total[i] / len(flips), size)

    def _batches(self, images: FlatReader, rows):
        """Runs of rows that have one shape at the network, at most a batch long."""
        chosen, current = [], None
        for row in rows:
            shape = network_shape(
                int(images.heights[row]), int(images.widths[row]), self.recipe.size, self.recipe.fit, self.multiple
            )
            if chosen and (shape != current or len(chosen) == self.recipe.batch_size):
                yield chosen, current
                chosen = []
            chosen, current = [*chosen, row], shape
        if chosen:
            yield chosen, current

    def _probabilities(self, batch: np.ndarray, flip: Flip) -> np.ndarray:
        # few batch sizes, because each compiles once: full ones, and powers of two for what is left
        missing = min(self.recipe.batch_size, 1 << (len(batch) - 1).bit_length()) - len(batch)
        full = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)]) if missing else batch
        answer = self.model.predict_on_batch(np.ascontiguousarray(flip.forward(full)))
        return flip.inverse(np.asarray(answer))[: len(batch)]

    def _stored(self, probabilities: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        own = from_network(np.ascontiguousarray(probabilities, dtype=np.float32), size, self.recipe.fit)
        return np.floor(np.clip(own, 0, 1) * 255 + 0.5).astype(np.uint8)
