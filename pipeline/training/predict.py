"""From stored images to probabilities at the images' own size, averaged over flips and scales."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import keras
import numpy as np

from pipeline.errors import UserError
from pipeline.imaging.flips import IDENTITY, Flip
from pipeline.imaging.sizes import from_network, margins, network_shape, resized, scaled, scaled_size, to_network
from pipeline.imaging.tiles import BLIND, blended, blended_lines, mirrored, stored
from pipeline.models.frame import Frame
from pipeline.recipe import Recipe
from pipeline.store.prepared import View
from pipeline.training import hardware, memory, parallel, volumes
from pipeline.training.drawn import Drawn

AHEAD = 64  # images answered before the first of them is given back, so that those of one shape go together
AHEAD_BYTES = 1 << 27  # of these answers
MOST_PIXELS = 1 << 20  # of a batch: a network at full resolution needs about a kilobyte for each
# this part of a tile is also in the next one where nobody knows how far a network looks
OVERLAP = 4


class Predictor:
    """A network with everything between stored pixels and stored probabilities.

    Args:
        network: B x H x W x C (0..1) to logits.
        info: `prepared.json`'s content: the value range.
        activation: `sigmoid` or `softmax`, over the channels of one image's answer.
        frame: the sizes that the network takes.
        name: of what answers, for a message; remedy: what to try where it answers with what is no number.
        drawn: what makes probabilities of an answer that is no logits (`drawn.Drawn`), or None.
        own_scale: how many times as large a picture is seen, by its plain answer (`own_scale.of`); None: as it is.
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
        own_scale: Callable[[np.ndarray], float] | None = None,
    ):
        self.recipe, self.frame, self.name, self.remedy = recipe, frame, name, remedy
        self.own_scale = own_scale
        image = keras.Input((None, None, info["channels"]), dtype=info["dtype"])
        scaled = keras.layers.Rescaling(1 / info["range"], dtype="float32")(image)
        self.drawn, answer = drawn, network(scaled)
        answer = _probabilities(answer, activation, recipe.slices) if drawn is None else answer
        self.model = keras.Model(image, answer)
        self.channels = answer.shape[-1] if drawn is None else drawn.channels
        self.model.compile(jit_compile=hardware.xla(recipe.xla, keras.backend.backend()))

    def predict(self, view: View, rows: Iterable[int], flips: tuple[Flip, ...], scales=()) -> Iterator:
        """Yields (row, plain, averaged) for each row in order: H x W x K uint8 probabilities at the image's own size,
        as it is, and averaged over flips and, beside 1, over these scales: times the picture's own, where it has one.

        Held are, for each scale, a batch and what is answered ahead; of a large picture a row of tiles and its own two
        answers; where slices are answered together, a volume.

        Raises UserError where memory is exhausted, or an answer is NaN or infinite.
        """
        for row, bands in self.predict_in_bands(view, rows, flips, scales):
            yield row, *_joined(bands, self._size(view.images, row))

    def plain(self, view: View, rows: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """`predict` as it is alone: (row, plain)."""
        as_it_is = copy.copy(self)
        as_it_is.own_scale = None
        for row, bands in as_it_is.predict_in_bands(view, rows, (IDENTITY,)):
            (found,) = _joined(((plain,) for plain, _ in bands), self._size(view.images, row))
            yield row, found

    def predict_in_bands(self, view: View, rows: Iterable[int], flips: tuple[Flip, ...], scales=()) -> Iterator:
        """`predict` of pictures too large for the memory: (row, bands), where `bands` are (plain, averaged) of lines
        from top to bottom, to be asked for once and before the next row. Of a picture in tiles, at its own size and
        one scale, a row of tiles is held, and no answer."""
        with self._enough():
            for row, bands in self._all_answered(view, rows, flips, scales):
                yield row, self._blanked(view, row, bands)

    def _enough(self) -> AbstractContextManager:
        elsewhere = "close other programs, or predict on a machine with more"
        return memory.enough(lambda: f"the images that {self.name} answers", lambda: elsewhere)

    def _blanked(self, view: View, row: int, bands: Iterable) -> Iterator:
        """Where nothing is known of a pixel, nothing is answered."""
        first = 0
        # asked for by somebody else than the rows are
        with self._enough():
            for band in bands:
                yield tuple(view.blanked(row, part, first) for part in band)
                first += len(band[0])

    def _all_answered(self, view: View, rows: Iterable[int], flips, scales) -> Iterator:
        """(row, bands), whatever is known of the pixels."""
        if view.slices == 1:
            return self._pictures(view.images, rows, flips, scales)
        found = volumes.predict(lambda asked: self.pictures(view.images, asked, flips, scales), view, list(rows))
        return ((row, [answer]) for row, *answer in found)

    def pictures(self, images, rows: Iterable[int], flips: tuple[Flip, ...], scales=()) -> Iterator:
        """`predict` of single pictures.

        Args: images: a reader of H x W x C pictures with `heights` and `widths` (`View.images`).
        """
        for row, bands in self._pictures(images, rows, flips, scales):
            yield row, *_joined(bands, self._size(images, row))

    def _pictures(self, images, rows: Iterable[int], flips, scales) -> Iterator:
        """(row, bands) of single pictures."""
        rows = list(rows)
        if self.own_scale is not None:
            for few in self._ahead(images, rows):
                yield from self._at_own_scales(images, few, flips, scales)
            return
        if not scales:
            yield from self._at_one_scale(images, rows, flips)
            return
        others = [self._scaled(images, rows, flips, dict.fromkeys(rows, scale)) for scale in scales]
        for (row, bands), *more in zip(self._at_one_scale(images, rows, flips), *others, strict=True):
            plain, averaged = _joined(bands, self._size(images, row))
            yield row, [(plain, _mean([averaged, *more]))]

    def _at_own_scales(self, images, rows: list[int], flips, scales) -> Iterator:
        """The same, seen around the scale that each picture's plain answer asks for."""
        plain = {}
        for row, bands in self._at_one_scale(images, rows, (IDENTITY,)):
            plain[row], _ = _joined(bands, self._size(images, row))
        own = {row: self.own_scale(answer) for row, answer in plain.items()}
        seen = [self._scaled(images, rows, flips, {row: scale * own[row] for row in rows}) for scale in (1.0, *scales)]
        for row, *answers in zip(rows, *seen, strict=True):
            yield row, [(plain[row], _mean(answers))]

    def _scaled(self, images, rows: list[int], flips, scales: dict[int, float]) -> Iterator[np.ndarray]:
        """Averaged over flips, at the pictures' own size: what is seen of each as many times as large."""
        other = copy.copy(self)
        # how large a picture is seen is settled: what is left of `size` is how far it is mirrored
        size = 0 if self.recipe.fit == "resize" else self.recipe.size
        other.recipe = replace(self.recipe, fit="pad", size=size)
        sizes = {row: [max(1, round(scales[row] * side)) for side in self._seen(images, row)] for row in rows}
        larger = _Rescaled(images, sizes)
        for row, bands in other._at_one_scale(larger, rows, flips):
            _, averaged = _joined(bands, self._size(larger, row))
            yield resized(averaged, self._size(images, row))

    def _seen(self, images, row: int) -> tuple[int, int]:
        """Height and width of a picture as the network sees it, without what is mirrored around it."""
        return scaled_size(self._size(images, row), self._shape(images, row), self.recipe.fit)

    def _at_one_scale(self, images, rows: list[int], flips: tuple[Flip, ...]) -> Iterator:
        for few in self._ahead(images, rows):
            large = [row for row in few if self._is_large(self._shape(images, row))]
            answers: dict = {}
            for chosen, shape in self._batches(images, [row for row in few if row not in large]):
                answers |= self._answers(images, chosen, shape, flips)
            for row in few:
                yield row, [answers.pop(row)] if row in answers else self._tiled(images, row, flips)

    def _ahead(self, images, rows: Iterable[int]) -> Iterator[list[int]]:
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

    @staticmethod
    def _size(images, row: int) -> tuple[int, int]:
        """Height and width of a picture."""
        return int(images.heights[row]), int(images.widths[row])

    def _shape(self, images, row: int) -> tuple[int, int]:
        """Of the answer to a whole picture, at the network."""
        return network_shape(*self._size(images, row), self.recipe.size, self.recipe.fit, self.frame.side)

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
            size = self._size(images, row)
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
        """Of a batch as the network sees it, seen through a flip. Raises UserError as `predict`."""
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


class _Rescaled:
    """Reads pictures of another reader at other sizes: row -> height and width."""

    def __init__(self, images, sizes: dict[int, list[int]]):
        self.images = images
        self.heights, self.widths = ({row: size[axis] for row, size in sizes.items()} for axis in (0, 1))

    def __getitem__(self, row: int) -> np.ndarray:
        return resized(self.images[row], (self.heights[row], self.widths[row]))


def _joined(bands: Iterable[tuple[np.ndarray, ...]], size: tuple[int, int]) -> list[np.ndarray]:
    """H x W x K of every part of bands (plain, averaged) from top to bottom."""
    whole: list[np.ndarray] = []
    top = 0
    for band in bands:
        if not top and len(band[0]) == size[0]:
            return list(band)
        whole = whole or [np.empty((*size, part.shape[2]), part.dtype) for part in band]
        for found, part in zip(whole, band, strict=True):
            found[top : top + len(part)] = part
        top += len(band[0])
    return whole


def _cut(bands: Iterable[np.ndarray], rows: slice, columns: slice) -> Iterator[np.ndarray]:
    """These rows and columns of a picture in bands from top to bottom; bands that hold none of them are left out."""
    top = 0
    for band in bands:
        first, last = max(rows.start, top), min(rows.stop, top + len(band))
        if first < last:
            yield band[first - top : last - top, columns]
        top += len(band)


def _mean(answers: list[np.ndarray]) -> np.ndarray:
    """Of several H x W x K uint8 answers to a picture, rounded."""
    return np.floor(np.mean(answers, axis=0, dtype=np.float32) + np.float32(0.5)).astype(np.uint8)


def _probabilities(logits, activation: str, slices: int):
    """The activation over the channels of each slice's answer."""
    activated = keras.layers.Activation(activation, dtype="float32")
    if slices == 1:
        return activated(logits)
    each = logits.shape[-1] // slices
    answers = [activated(logits[..., i * each : (i + 1) * each]) for i in range(slices)]
    return keras.layers.Concatenate(dtype="float32")(answers)
