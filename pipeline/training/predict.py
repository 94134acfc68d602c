"""From stored images to probabilities at the images' own size, averaged over flips."""

from collections.abc import Iterable, Iterator

import keras
import numpy as np

from pipeline.imaging.flips import Flip
from pipeline.imaging.sizes import from_network, network_shape, to_network
from pipeline.recipe import Recipe
from pipeline.training import hardware

AHEAD = 64  # images answered before the first of them is given back, so that those of one shape go together
AHEAD_BYTES = 1 << 27  # of these answers
MOST_PIXELS = 1 << 20  # of a batch: a network at full resolution needs about a kilobyte for each


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

    def predict(self, images, rows: Iterable[int], flips: tuple[Flip, ...]) -> Iterator:
        """Yields (row, plain, averaged) for each row in order: H x W x K uint8 probabilities at the image's own size,
        without flips and averaged over them. Memory is bounded by a batch and by what is answered ahead.

        Args: images: a reader of H x W x C pictures with `heights` and `widths` (`View.images`).
        """
        for few in self._ahead(images, rows):
            answers: dict = {}
            for chosen, shape in self._batches(images, few):
                answers |= self._answers(images, chosen, shape, flips)
            for row in few:
                yield row, *answers[row]

    def _ahead(self, images, rows: Iterable[int]) -> Iterator[list[int]]:
        """Rows in parts of at most AHEAD, and of few enough bytes, so that those of one shape can go together."""
        channels, few, held = self.model.output_shape[-1], [], 0
        for row in rows:
            # plain and averaged, a byte each
            size = 2 * channels * int(images.heights[row]) * int(images.widths[row])
            if few and (len(few) == AHEAD or held + size > AHEAD_BYTES):
                yield few
                few, held = [], 0
            few, held = [*few, row], held + size
        if few:
            yield few

    def _answers(self, images, chosen: list[int], shape, flips) -> dict:
        """row -> (plain, averaged) of images that have one shape at the network."""
        batch = np.stack([to_network(images[row], shape, self.recipe.fit) for row in chosen])
        plain = self._probabilities(batch, flips[0])
        total = plain
        for flip in flips[1:]:
            total = total + self._probabilities(batch, flip)
        found = {}
        for i, row in enumerate(chosen):
            size = int(images.heights[row]), int(images.widths[row])
            found[row] = self._stored(plain[i], size), self._stored(total[i] / len(flips), size)
        return found

    def _batches(self, images, rows: list[int]):
        """(rows, shape): those that have one shape at the network, at most a batch, and not too many pixels."""
        by_shape: dict[tuple[int, int], list[int]] = {}
        for row in rows:
            size = int(images.heights[row]), int(images.widths[row])
            shape = network_shape(*size, self.recipe.size, self.recipe.fit, self.multiple)
            by_shape.setdefault(shape, []).append(row)
        for shape, same in by_shape.items():
            most = max(1, min(self._full(shape), len(same)))
            for start in range(0, len(same), most):
                yield same[start : start + most], shape

    def _full(self, shape: tuple[int, int]) -> int:
        """Images of a full batch of this shape: large images go through the network few at a time."""
        fitting = max(1, MOST_PIXELS // (shape[0] * shape[1]))
        return min(self.recipe.batch_size, 1 << (fitting.bit_length() - 1))

    def _probabilities(self, batch: np.ndarray, flip: Flip) -> np.ndarray:
        # few batch sizes, because each compiles once: full ones, and powers of two for what is left
        full_size = self._full(batch.shape[1:3])
        missing = min(full_size, 1 << (len(batch) - 1).bit_length()) - len(batch)
        full = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)]) if missing else batch
        answer = self.model.predict_on_batch(np.ascontiguousarray(flip.forward(full)))
        return flip.inverse(np.asarray(answer))[: len(batch)]

    def _stored(self, probabilities: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        own = from_network(np.ascontiguousarray(probabilities, dtype=np.float32), size, self.recipe.fit)
        return np.floor(np.clip(own, 0, 1) * 255 + 0.5).astype(np.uint8)
