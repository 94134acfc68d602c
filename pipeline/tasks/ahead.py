"""Work on one image after the other, by all cores where that is faster, with a bar where it takes long."""

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

SHORT = 0.002  # seconds: work that takes less is done by one thread
JUDGED = 32  # items whose mean counts
LOADING = 3.0  # seconds that the first item may take for libraries that are loaded with it


def in_order(work: Callable, items: Iterable, title: str = "tune", quiet: bool = False) -> Iterator:
    """The work's answers in the order of the items. Few items are read before they are needed. `quiet`: without a bar.

    By threads: what takes long here (NumPy, OpenCV, SciPy, scikit-image) lets others run meanwhile. Work on small
    pictures is of many short steps, for which threads wait on each other (a report on 4000 of 101 x 101 took a third
    longer by two): one does it, until it takes longer.
    """
    from tqdm import tqdm

    threads = os.cpu_count() or 1
    total = len(items) if hasattr(items, "__len__") else None
    bar = tqdm(total=total, desc=title, unit="image", disable=quiet or not sys.stderr.isatty(), delay=1)
    left = iter(items)
    with ThreadPoolExecutor(threads) as pool, bar:
        for way in (_alone(work, left), _by_threads(work, left, pool, 2 * threads)):
            for answer in way:
                yield answer
                bar.update()


def _alone(work: Callable, items: Iterator) -> Iterator:
    """Ends where the items turn out to take longer than SHORT in the mean of JUDGED: those that are left are left."""
    spent = 0.0
    for number, item in enumerate(items):
        began = time.perf_counter()
        answer = work(item)
        seconds = time.perf_counter() - began
        yield answer
        spent += seconds if number or seconds > LOADING else 0.0
        if spent > JUDGED * SHORT:
            return
        if number % JUDGED == 0:
            spent = 0.0


def _by_threads(work: Callable, items: Iterable, pool: ThreadPoolExecutor, most: int) -> Iterator:
    """At most so many items wait."""
    waiting: deque = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
