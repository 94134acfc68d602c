"""Whole volumes from answers that are for several slices at once: overlapping windows along the third axis."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from pipeline.imaging.tiles import starts
from pipeline.store.prepared import View


def predict(answer: Callable[[list[int]], Iterable], view: View, rows: list[int]) -> Iterator:
    """Yields (row, plain, averaged) for each row in order, H x W x K uint8.

    Args:
        answer: from rows to (row, plain, averaged) of `view.images[row]`, H x W x (slices K) uint8.
        rows: slices of a volume follow each other.

    Every slice is answered by about two windows; one counts the more, the deeper inside the slice lies. A slice is
    given back when no later window reaches it: memory holds a window's slices, however deep the volume is.
    """
    for run in _runs(view, rows):
        wanted = set(run)
        asked = _asked(view, run)
        # the first slice that each following window reaches
        following = [int(min(view.members(row))) for row in asked[1:]] + [run[-1] + 1]
        totals: dict[int, list] = {}
        for (row, *answers), reached in zip(answer(asked), following, strict=True):
            for place, (member, depth) in enumerate(zip(view.members(row), _depths(view.slices), strict=True)):
                if member in wanted:
                    total = totals.setdefault(int(member), [0.0, 0.0, 0.0])
                    parts = [_slice(each, place, view.slices) * np.float32(depth) for each in answers]
                    totals[int(member)] = [total[0] + parts[0], total[1] + parts[1], total[2] + depth]
            for done in range(min(totals), reached):
                plain, averaged, weight = totals.pop(done)
                yield done, _rounded(plain / weight), _rounded(averaged / weight)


def _slice(answer: np.ndarray, place: int, slices: int) -> np.ndarray:
    """H x W x K of an answer for several slices."""
    channels = answer.shape[2] // slices
    return answer[..., place * channels : (place + 1) * channels]


def _runs(view: View, rows: list[int]) -> Iterator[list[int]]:
    """The rows in parts that are slices of one volume."""
    run: list[int] = []
    for row in rows:
        if run and (row != run[-1] + 1 or view.images.first[row] != view.images.first[run[-1]]):
            yield run
            run = []
        run = [*run, int(row)]
    if run:
        yield run


def _asked(view: View, run: list[int]) -> list[int]:
    """The rows in the middle of windows that cover the run, each half a window after the one before."""
    window = min(view.slices, len(run))
    begins = starts(len(run), window, max(1, view.slices // 2))
    return [run[begin] + min(view.slices // 2, window - 1) for begin in begins]


def _depths(slices: int) -> list[int]:
    """How far inside of a window each slice lies."""
    return [min(i + 1, slices - i) for i in range(slices)]


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.floor(values + np.float32(0.5)).astype(np.uint8)
