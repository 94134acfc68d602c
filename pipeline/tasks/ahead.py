"""Work on one image after the other by all cores, with a bar where it takes long."""

import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

SHORT = 0.01  # seconds: of what takes longer nobody asks whether threads pay
TRIED = 8  # items done by threads and as many without, to find out


def in_order(work: Callable, items: Iterable, title: str = "tune", quiet: bool = False) -> Iterator:
    """The work's answers in the order of the items. Few items are read before they are needed. `quiet`: without a bar.

    By threads: what takes long here (NumPy, OpenCV, SciPy, scikit-image) lets others run meanwhile. Work on small
    pictures is of many short steps, for which threads only wait on each other (those of 101 x 101 took a third longer
    by two): it is tried in both ways, and goes on in the faster.
    """
    from tqdm import tqdm

    threads = os.cpu_count() or 1
    total = len(items) if hasattr(items, "__len__") else None
    bar = tqdm(total=total, desc=title, unit="image", disable=quiet or not sys.stderr.isatty(), delay=1)
    with ThreadPoolExecutor(threads) as pool, bar:
        for found in _answers(work, iter(items), pool, threads):
            yield found
            bar.update()


def _answers(work: Callable, items: Iterator, pool: ThreadPoolExecutor, threads: int) -> Iterator:
    # the first one may load a library
    for count in (1, threads, TRIED):
        found, by_threads = _timed(pool.map, work, itertools.islice(items, count))
        yield from found
        if count > 1 and by_threads > SHORT * len(found):
            yield from _by_threads(work, items, pool, 2 * threads)
            return
    found, alone = _timed(map, work, itertools.islice(items, TRIED))
    yield from found
    yield from map(work, items) if alone < by_threads else _by_threads(work, items, pool, 2 * threads)


def _timed(way: Callable, work: Callable, items: Iterable) -> tuple[list, float]:
    """(answers, seconds without reading the items)."""
    items = list(items)
    began = time.perf_counter()
    return list(way(work, items)), time.perf_counter() - began


def _by_threads(work: Callable, items: Iterable, pool: ThreadPoolExecutor, most: int) -> Iterator:
    """At most so many items wait."""
    waiting: deque = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
