"""How much of what is decoded ahead may be in the memory at a time: threads wait for their turn."""

import contextlib
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

WINDOW = 1024  # items ahead at most, however small they are


class Budget:
    """Work that is numbered and used in that order. What the lowest number needs it always gets, so that nobody waits
    for ever; all others together get `most` bytes.

    `doing` is around the work of a number; within it `claim` waits until that many bytes are free.
    """

    def __init__(self, most: int):
        self.most = most
        self._changed = threading.Condition()
        self._held: dict[int, int] = {}  # number -> bytes that are finished and kept
        self._wanted: dict[int, int] = {}  # number -> bytes that are being decoded
        self._next, self._is_over = 0, False
        self._here = threading.local()

    @contextlib.contextmanager
    def doing(self, number: int) -> Iterator[None]:
        """In one thread at a time for each number. Waits while more is held than there is room for."""
        self._wait(number, 0)
        self._here.number = number
        try:
            yield
        finally:
            self._here.number = None
            with self._changed:
                self._wanted.pop(number, None)
                self._changed.notify_all()

    def claim(self, size: int) -> None:
        """Waits until the work that this thread does may have so many bytes more than it holds; instead of what it
        claimed before. Does nothing outside of `doing`."""
        number = getattr(self._here, "number", None)
        if number is not None:
            self._wait(number, size)

    def hold(self, size: int) -> None:
        """What the work of this thread keeps, until it is released."""
        with self._changed:
            self._held[self._here.number] = size
            self._wanted.pop(self._here.number, None)
            self._changed.notify_all()

    def expect(self, number: int) -> None:
        """This number is waited for: it and those below it get what they need."""
        with self._changed:
            self._next = max(self._next, number)
            self._changed.notify_all()

    def release(self, number: int) -> None:
        """What it held is used, and gone."""
        with self._changed:
            self._held.pop(number, None)
            self._changed.notify_all()

    def end(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _wait(self, number: int, size: int) -> None:
        with self._changed:
            self._wanted.pop(number, None)
            self._changed.wait_for(lambda: self._is_over or number <= self._next or self._taken() + size <= self.most)
            self._wanted[number] = size

    def _taken(self) -> int:
        return sum(self._held.values()) + sum(self._wanted.values())


def ahead(items: Iterable, work: Callable, budget: Budget) -> Iterator[tuple[object, object, Iterator]]:
    """What `work` makes of each item, in their order, ahead by all cores as far as the budget goes.

    Returns: (item, what was made of it, an iterator of (item, what was made of it) over those that follow soon). Raises
        what `work` raises, at its place in the order.
    """
    waiting: deque[tuple[int, object, Future]] = deque()
    numbered = enumerate(items)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            while True:
                for number, item in itertools.islice(numbered, WINDOW - len(waiting)):
                    waiting.append((number, item, pool.submit(_done, budget, number, work, item)))
                if not waiting:
                    return
                number, item, future = waiting.popleft()
                budget.expect(number)
                made = future.result()
                # the one before was in use until this one was asked for
                budget.release(number - 1)
                yield item, made, _following(waiting, budget)
                del made, future
        finally:
            budget.end()
            for _, _, future in waiting:
                future.cancel()


def _done(budget: Budget, number: int, work: Callable, item):
    with budget.doing(number):
        return work(item)


def _following(waiting: deque, budget: Budget) -> Iterator[tuple[object, object]]:
    for number, item, future in list(waiting):
        budget.expect(number)
        yield item, future.result()
