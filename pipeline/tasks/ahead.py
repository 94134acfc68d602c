"""Work on one image after the other by all cores, with a bar where it takes long."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor


def in_order(work: Callable, items: Iterable, title: str = "tune", quiet: bool = False) -> Iterator:
    """The work's answers in the order of the items. Few items are read before they are needed. `quiet`: without a bar.

    By threads: what takes long here (NumPy, OpenCV, SciPy, scikit-image) lets others run meanwhile.
    """
    from tqdm import tqdm

    threads = os.cpu_count() or 1
    total = len(items) if hasattr(items, "__len__") else None
    bar = tqdm(total=total, desc=title, unit="image", disable=quiet or not sys.stderr.isatty(), delay=1)
    waiting: deque = deque()
    with ThreadPoolExecutor(threads) as pool, bar:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
                bar.update()
        while waiting:
            yield waiting.popleft().result()
            bar.update()
