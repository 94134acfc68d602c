"""From stored images to probabilities at the images' own size, averaged over flips: all seen in one way."""

import copy
import math
from collections.abc import Iterable, Iterator

import keras
import numpy as np

from pipeline.errors import UserError
from pipeline.imaging.flips import Flip
from pipeline.imaging.sizes import from_network, margins, network_shape, scaled, scaled_size, to_network
from pipeline.imaging.tiles import BLIND, blended, blended_lines, mirrored, stored
from pipeline.models.frame import Frame
from pipeline.recipe import Recipe
from pipeline.training import hardware, memory, parallel
from pipeline.training.drawn import Drawn

AHEAD = 64  # images answered before the first of them is given back, so that those of one shape go together
AHEAD_BYTES = 1 << 27  # of these answers
MOST_PIXELS = 1 << 20  # of a batch: a network at full resolution needs about a kilobyte for each
# this part of a tile is also in the next one where nobody knows how far a network looks
OVERLAP = 4


class OneScale:
    """A network with everything between stored pixels and stored probabilities. Every picture is seen as the recipe
    says.

    Args:
        network: B x H x W x C (0..1) to logits.
        info: `prepared.json`'s content: the value range.
        activation: `sigmoid` or `softmax`, over the channels of one image's answer.
        frame: the sizes that the network takes.
        name: of what answers, for a message; remedy: what to try where it answers with what is no number.
        drawn: what makes probabilities of an answer that is no logits (`drawn.Drawn`), or None.
    """

    def __init__(
        self,
        network,
        recipe: Recipe,
        info: dict,
        activation: str,
        frame: Frame,
        name="the network",
        remedy="",
        drawn: Drawn | None = None,
    ):
        self.recipe, self.frame, self.name, self.remedy, self.drawn = recipe, frame, name, remedy, drawn
        image = keras.Input((None, None, info["channels"]), dtype=info["dtype"])
        scaled = keras.layers.Rescaling(1 / info["range"], dtype="float32")(image)
        answer = network(scaled)
        answer = _probabilities(answer, activation, recipe.slices) if drawn is None else answer
        self.model = keras.Model(image, answer)
        self.channels = answer.shape[-1] if drawn is None else drawn.channels
        self.model.compile(jit_compile=hardware.xla(recipe.xla, keras.backend.backend()))

    def seeing(self, recipe: Recipe) -> "OneScale":
        """The same network, for pictures seen as this recipe says."""
        other = copy.copy(self)
        other.recipe = recipe
        return other

    def seen(self, images, row: int) -> tuple[int, int]:
        """Height and width of a picture as the network sees it, without what is mirrored around it."""
        return scaled_size(size_of(images, row), self._shape(images, row), self.recipe.fit)

    def answered(self, images, rows: list[int], flips: tuple[Flip, ...]) -> Iterator:
        """(row, bands) for each row in order; `bands` are (plain, averaged) of lines from top to bottom, h x W x K
        uint8 probabilities at the picture's own size.

        Args: images: a reader of H x W x C pictures with `heights` and `widths`.

        Raises UserError where memory is exhausted, or an answer is NaN or infinite.
        """
        for few in self.ahead(images, rows):
            large = [row for row in few if self._is_large(self._shape(images, row))]
            answers: dict = {}
            for chosen, shape in self._batches(images, [row for row in few if row not in large]):
                answers |= self._answers(images, chosen, shape, flips)
            for row in few:
                yield row, [answers.pop(row)] if row in answers else self._tiled(images, row, flips)

    def ahead(self, images, rows: Iterable[int]) -> Iterator[list[int]]:
        """Rows in parts of at most AHEAD, and of few enough bytes, so that those of one shape can go together."""
        few, held = [], 0
        for row in rows:
            # plain and averaged, a byte each
            size = 2 * self.channels * int(images.heights[row]) * int(images.widths[row])
            if few and (len(few) == AHEAD or held + size > AHEAD_BYTES):
                yield few
                few, held = [], 0
            few, held = [*few, row], held + size
        if few:
            yield few

    def _shape(self, images, row: int) -> tuple[int, int]:
        """Of the answer to a whole picture, at the network."""
        return network_shape(*size_of(images, row), self.recipe.size, self.recipe.fit, self.frame.side)

    def _is_large(self, shape: tuple[int, int]) -> bool:
        return bool(self.recipe.tile) and max(shape) > self._tile()

    def _tile(self) -> int:
        """The side of what is answered at once: two multiples at least, so that tiles can overlap."""
        return self.frame.side(max(self.recipe.tile, 2 * self.frame.multiple))

    def _answers(self, images, chosen: list[int], shape, flips) -> dict:
        """row -> (plain, averaged) of images that have one shape at the network."""
        batch = np.stack([to_network(images[row], shape, self.recipe.fit, self.frame.margin) for row in chosen])
        plain, averaged = self._flipped(batch, flips)
        found = {}
        for i, row in enumerate(chosen):
            size = size_of(images, row)
            found[row] = self._own(plain[i], size), self._own(averaged[i], size)
        return found

    def _tiled(self, images, row: int, flips) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(plain, averaged) of a picture that is too large for the network, tile by tile: in bands of lines, but as a
        whole where it is seen larger or smaller than it is.

        The tiles lie on the grid on which the network would halve the whole picture.
        """
        picture, shape = images[row], self._shape(images, row)
        size, margin, channels = picture.shape[:2], self.frame.margin, self.channels
        picture = scaled(picture, shape, self.recipe.fit)
        above, _, before, _ = margins(*picture.shape[:2], shape)
        tile = tuple(min(length, self._tile()) for length in shape)

        def answer(places):
            most = self._full(tuple(side + 2 * margin for side in tile))
            for start in range(0, len(places), most):
                corners = [(top - above - margin, left - before - margin) for top, left in places[start:][:most]]
                sides = [side + 2 * margin for side in tile]
                batch = np.stack([mirrored(picture, *corner, *sides) for corner in corners])
                yield from np.concatenate(self._flipped(batch, flips), axis=-1)

        blending = shape, tile, tuple(self._stride(side) for side in tile), 2 * channels, answer
        if picture.shape[:2] != size:
            both = from_network(blended(*blending), size, self.recipe.fit)
            yield both[..., :channels], both[..., channels:]
            return
        for both in _cut(blended_lines(*blending), slice(above, above + size[0]), slice(before, before + size[1])):
            yield both[..., :channels], both[..., channels:]

    def _stride(self, tile: int) -> int:
        """From one tile to the next.

        What sees its whole margin need not overlap. Where a network pads, its answers are wrong as far from a tile's
        edge as it looks: that much of an overlap does not count (`tiles.shares`), if half a tile is enough for it.
        """
        if self.frame.margin:
            overlap = 0
        elif self.frame.reach is None:
            overlap = tile // OVERLAP
        else:
            overlap = min(tile // 2, math.ceil(self.frame.reach / BLIND))
        return max(self.frame.multiple, (tile - overlap) // self.frame.multiple * self.frame.multiple)

    def _batches(self, images, rows: list[int]):
        """(rows, shape): those that have one shape at the network, at most a batch, and not too many pixels."""
        by_shape: dict[tuple[int, int], list[int]] = {}
        for row in rows:
            by_shape.setdefault(self._shape(images, row), []).append(row)
        for shape, same in by_shape.items():
            most = max(1, min(self._full(tuple(side + 2 * self.frame.margin for side in shape)), len(same)))
            for start in range(0, len(same), most):
                yield same[start : start + most], shape

    def _full(self, seen: tuple[int, int]) -> int:
        """Pictures of a full batch of what the network sees: large ones go through it few at a time."""
        fitting = max(1, MOST_PIXELS // (seen[0] * seen[1] * self.recipe.slices))
        return min(self.recipe.batch_size, 1 << (fitting.bit_length() - 1))

    def _flipped(self, batch: np.ndarray, flips) -> tuple[np.ndarray, np.ndarray]:
        """(plain, averaged), float32, of a batch as the network sees it."""
        plain = self._probabilities(batch, flips[0])
        total = plain
        for flip in flips[1:]:
            total = total + self._probabilities(batch, flip)
        return plain, total / len(flips)

    def _probabilities(self, batch: np.ndarray, flip: Flip) -> np.ndarray:
        """Of a batch as the network sees it, seen through a flip. Raises UserError as `answered`."""
        # few batch sizes, because each compiles once: full ones, and powers of two for what is left
        full_size = self._full(batch.shape[1:3])
        missing = parallel.shared(min(full_size, 1 << (len(batch) - 1).bit_length())) - len(batch)
        full = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)]) if missing else batch
        count, *seen = full.shape[:3]
        doing = f"{self.name} to answer {count} times {seen[0]} x {seen[1]} pixels at once"
        with memory.enough(lambda: doing, lambda: self._smaller(count, *seen)):
            answer = np.asarray(self.model.predict_on_batch(np.ascontiguousarray(flip.forward(full))))
        # of numbers in 0..1 the sum is finite, and it makes no copy
        if not np.isfinite(answer.sum()):
            raise UserError(
                f"{self.name} answers with NaN or infinite probabilities; {self.remedy or 'train it again'}"
            )
        answer = answer[: len(batch)]
        return flip.inverse(answer if self.drawn is None else self.drawn(answer))

    def _smaller(self, count: int, height: int, width: int) -> str:
        """What to try where a batch of so many pictures of this size needs too much: a tile with which the largest
        batch has at most half as many pixels (of smaller tiles more go together)."""
        least, margin = 2 * self.frame.multiple, self.frame.margin
        side = max(height, width) - 2 * margin
        while side > least:
            side = max(side // 2, least)
            seen = self.frame.side(side) + 2 * margin
            if 2 * self._full((seen, seen)) * seen * seen <= count * height * width:
                return f"give --tile {side}"
        return "give a smaller --batch-size or --width"

    def _own(self, probabilities: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        own = from_network(np.ascontiguousarray(probabilities, dtype=np.float32), size, self.recipe.fit)
        return stored(own)


def size_of(images, row: int) -> tuple[int, int]:
    """Height and width of a picture."""
    return int(images.heights[row]), int(images.widths[row])


def _cut(bands: Iterable[np.ndarray], rows: slice, columns: slice) -> Iterator[np.ndarray]:
    """These rows and columns of a picture in bands from top to bottom; bands that hold none of them are left out."""
    top = 0
    for band in bands:
        first, last = max(rows.start, top), min(rows.stop, top + len(band))
        if first < last:
            yield band[first - top : last - top, columns]
        top += len(band)


def _probabilities(logits, activation: str, slices: int):
    """The activation over the channels of each slice's answer."""
    activated = keras.layers.Activation(activation, dtype="float32")
    if slices == 1:
        return activated(logits)
    each = logits.shape[-1] // slices
    answers = [activated(logits[..., i * each : (i + 1) * each]) for i in range(slices)]
    return keras.layers.Concatenate(dtype="float32")(answers)
