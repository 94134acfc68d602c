"""Work on one image after the other: in order, by one thread or by all."""

import threading
from types import SimpleNamespace

import pytest

from pipeline.tasks import ahead


class Clock:
    """Each item takes as many seconds as it is told."""

    now = 0.0

    def work(self, seconds: float) -> str:
        self.now += seconds
        return threading.current_thread().name


@pytest.fixture
def clock(monkeypatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(ahead, "time", SimpleNamespace(perf_counter=lambda: found.now))
    monkeypatch.setattr(ahead.os, "cpu_count", lambda: 2)
    return found


MAIN = threading.main_thread().name


def test_what_is_short_is_done_by_one_thread(clock):
    # the first one loads a library, and now and then one is disturbed
    seconds = [1.0, *[0.001] * 40, 0.02, *[0.001] * 40, 0.02, *[0.001] * 100]
    assert set(ahead.in_order(clock.work, seconds)) == {MAIN}


@pytest.mark.parametrize("short", [0, 1, 5, 40, 333])
def test_what_takes_long_is_done_by_all_wherever_it_begins(clock, short):
    workers = list(ahead.in_order(clock.work, [0.001] * short + [0.05] * 60))
    assert workers[:short] == [MAIN] * short
    # two of them tell, and the first may have loaded something
    assert MAIN not in workers[short + 3 :]


def test_a_first_one_that_no_library_explains_is_the_only_one_alone(clock):
    workers = list(ahead.in_order(clock.work, [10.0] * 20))
    assert workers[0] == MAIN and MAIN not in workers[1:]


WAYS = pytest.mark.parametrize("short", [-1.0, 1e9], ids=["by threads", "alone"])


@WAYS
@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 6, 100])
def test_answers_come_in_order_and_each_once(monkeypatch, short, count):
    monkeypatch.setattr(ahead, "SHORT", short)
    assert list(ahead.in_order(lambda item: 2 * item, iter(range(count)))) == [2 * item for item in range(count)]


@WAYS
@pytest.mark.parametrize("error", [ZeroDivisionError, StopIteration])
@pytest.mark.parametrize("bad", [0, 2, 7, 40])
def test_an_error_comes_where_its_item_was(monkeypatch, short, error, bad):
    def work(item):
        if item == bad:
            raise error
        return item

    monkeypatch.setattr(ahead, "SHORT", short)
    seen = []
    # a generator cannot raise the error that ends it: Python makes another one of it
    with pytest.raises(RuntimeError if error is StopIteration else error):
        for answer in ahead.in_order(work, range(60)):
            seen.append(answer)
    assert seen == list(range(bad))


@WAYS
def test_few_items_are_read_ahead(monkeypatch, short):
    monkeypatch.setattr(ahead, "SHORT", short)
    monkeypatch.setattr(ahead.os, "cpu_count", lambda: 2)
    read = []

    def items():
        for item in range(1000):
            read.append(item)
            yield item

    for answer in ahead.in_order(lambda item: item, items()):
        assert len(read) <= answer + 6
