"""From stored images to probabilities at the images' own size, averaged over flips and scales."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np

from pipeline.imaging.flips import IDENTITY, Flip
from pipeline.imaging.sizes import resized
from pipeline.store.prepared import View
from pipeline.training import memory, volumes
from pipeline.training.one_scale import OneScale, size_of


class Predictor:
    """Answers to pictures, averaged over flips and scales.

    Args:
        as_it_is: what answers to a picture as it is.
        own_scale: how many times as large a picture is seen, by its plain answer (`own_scale.of`); None: as it is.
    """

    def __init__(self, as_it_is: OneScale, own_scale: Callable[[np.ndarray], float] | None = None):
        self.as_it_is, self.own_scale = as_it_is, own_scale

    def predict(self, view: View, rows: Iterable[int], flips: tuple[Flip, ...], scales=()) -> Iterator:
        """Yields (row, plain, averaged) for each row in order: H x W x K uint8 probabilities at the image's own size,
        as it is, and averaged over flips and, beside 1, over these scales: times the picture's own, where it has one.

        Held are, for each scale, a batch and what is answered ahead; of a large picture a row of tiles and its own two
        answers; where slices are answered together, a volume.

        Raises UserError where memory is exhausted, or an answer is NaN or infinite.
        """
        return _whole(view.images, self.predict_in_bands(view, rows, flips, scales))

    def plain(self, view: View, rows: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """`predict` as it is alone: (row, plain)."""
        for row, bands in self._in_bands(view, rows, self._plainly):
            yield row, *_joined(((plain,) for plain, _ in bands), size_of(view.images, row))

    def predict_in_bands(self, view: View, rows: Iterable[int], flips: tuple[Flip, ...], scales=()) -> Iterator:
        """`predict` of pictures too large for the memory: (row, bands), where `bands` are (plain, averaged) of lines
        from top to bottom, to be asked for once and before the next row. Of a picture in tiles, at its own size and
        one scale, a row of tiles is held, and no answer."""
        return self._in_bands(view, rows, lambda *asked: self._pictures(*asked, flips, scales))

    def _in_bands(self, view: View, rows: Iterable[int], answering: Callable) -> Iterator:
        """(row, bands), nothing where nothing is known, by what answers (images, rows) of single pictures."""
        with self._enough():
            for row, bands in self._all_answered(view, rows, answering):
                yield row, self._blanked(view, row, bands)

    def _enough(self) -> AbstractContextManager:
        elsewhere = "close other programs, or predict on a machine with more"
        return memory.enough(lambda: f"the images that {self.as_it_is.name} answers", lambda: elsewhere)

    def _blanked(self, view: View, row: int, bands: Iterable) -> Iterator:
        """Where nothing is known of a pixel, nothing is answered."""
        first = 0
        # asked for by somebody else than the rows are
        with self._enough():
            for band in bands:
                yield tuple(view.blanked(row, part, first) for part in band)
                first += len(band[0])

    def _all_answered(self, view: View, rows: Iterable[int], answering: Callable) -> Iterator:
        """The same, whatever is known of the pixels."""
        if view.slices == 1:
            return answering(view.images, list(rows))
        found = volumes.predict(lambda asked: _whole(view.images, answering(view.images, asked)), view, list(rows))
        return ((row, [answer]) for row, *answer in found)

    def pictures(self, images, rows: Iterable[int], flips: tuple[Flip, ...], scales=()) -> Iterator:
        """`predict` of single pictures.

        Args: images: a reader of H x W x C pictures with `heights` and `widths` (`View.images`).
        """
        return _whole(images, self._pictures(images, list(rows), flips, scales))

    def _plainly(self, images, rows: list[int]) -> Iterator:
        return self.as_it_is.answered(images, rows, (IDENTITY,))

    def _pictures(self, images, rows: list[int], flips, scales) -> Iterator:
        """(row, bands) of single pictures."""
        if self.own_scale is not None:
            return self._at_own_scales(images, rows, flips, scales)
        answers = self.as_it_is.answered(images, rows, flips)
        return self._and_at_others(images, rows, flips, scales, answers) if scales else answers

    def _and_at_others(self, images, rows: list[int], flips, scales, answers: Iterable) -> Iterator:
        """These answers averaged with those at other scales."""
        others = [self._scaled(images, rows, flips, dict.fromkeys(rows, scale)) for scale in scales]
        for (row, plain, averaged), *more in zip(_whole(images, answers), *others, strict=True):
            yield row, [(plain, _mean([averaged, *more]))]

    def _at_own_scales(self, images, rows: list[int], flips, scales) -> Iterator:
        """Averaged around the scale that each picture's plain answer asks for."""
        for few in self.as_it_is.ahead(images, rows):
            plain = {row: answer for row, answer, _ in _whole(images, self._plainly(images, few))}
            own = {row: self.own_scale(answer) for row, answer in plain.items()}
            seen = [
                self._scaled(images, few, flips, {row: scale * own[row] for row in few}) for scale in (1.0, *scales)
            ]
            for row, *answers in zip(few, *seen, strict=True):
                yield row, [(plain[row], _mean(answers))]

    def _scaled(self, images, rows: list[int], flips, scales: dict[int, float]) -> Iterator[np.ndarray]:
        """Averaged over flips, at the pictures' own size: what is seen of each as many times as large."""
        recipe = self.as_it_is.recipe
        # how large a picture is seen is settled: what is left of `size` is how far it is mirrored
        other = self.as_it_is.seeing(replace(recipe, fit="pad", size=0 if recipe.fit == "resize" else recipe.size))
        sizes = {row: [max(1, round(scales[row] * side)) for side in self.as_it_is.seen(images, row)] for row in rows}
        larger = _Rescaled(images, sizes)
        for row, _, averaged in _whole(larger, other.answered(larger, rows, flips)):
            yield resized(averaged, size_of(images, row))


class _Rescaled:
    """Reads pictures of another reader at other sizes: row -> height and width."""

    def __init__(self, images, sizes: dict[int, list[int]]):
        self.images = images
        self.heights, self.widths = ({row: size[axis] for row, size in sizes.items()} for axis in (0, 1))

    def __getitem__(self, row: int) -> np.ndarray:
        return resized(self.images[row], (self.heights[row], self.widths[row]))


def _whole(images, answers: Iterable) -> Iterator:
    """(row, plain, averaged) of answers in bands."""
    for row, bands in answers:
        yield row, *_joined(bands, size_of(images, row))


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


def _mean(answers: list[np.ndarray]) -> np.ndarray:
    """Of several H x W x K uint8 answers to a picture, rounded."""
    return np.floor(np.mean(answers, axis=0, dtype=np.float32) + np.float32(0.5)).astype(np.uint8)
