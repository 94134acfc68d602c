"""Work on one image after the other: in order, whichever way it goes on."""

import threading

import pytest

from pipeline.tasks import ahead

WAYS = {"long, by threads": (9.0, 9.0), "short, by threads": (1e-6, 2e-6), "short, alone": (2e-6, 1e-6)}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def by_threads(request, monkeypatch) -> bool:
    """As if work took so many seconds by threads, and alone."""
    real = ahead._timed

    def timed(way, work, items):
        found, _ = real(way, work, items)
        return found, request.param[way is map]

    monkeypatch.setattr(ahead, "_timed", timed)
    return request.param[0] == 9 or request.param[0] < request.param[1]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 11, 12, 30, 100])
def test_answers_come_in_order_and_each_once(by_threads, count):
    assert list(ahead.in_order(lambda item: 2 * item, iter(range(count)))) == [2 * item for item in range(count)]


def test_it_goes_on_in_the_faster_way(by_threads):
    workers = list(ahead.in_order(lambda _: threading.current_thread(), range(60)))
    assert all((worker is not threading.main_thread()) == by_threads for worker in workers[-30:])


def test_what_takes_long_is_never_done_alone(monkeypatch):
    monkeypatch.setattr(ahead, "SHORT", 0.0)
    workers = list(ahead.in_order(lambda _: threading.current_thread(), range(60)))
    assert threading.main_thread() not in workers


@pytest.mark.parametrize("bad", [0, 2, 7, 20, 59])
def test_an_error_comes_where_its_item_was(by_threads, bad):
    seen = []
    with pytest.raises(ZeroDivisionError):
        for answer in ahead.in_order(lambda item: 1 // (item - bad), range(60)):
            seen.append(answer)
    assert seen == [1 // (item - bad) for item in range(bad)][: len(seen)]


def test_few_items_are_read_ahead(by_threads):
    read = []

    def items():
        for item in range(1000):
            read.append(item)
            yield item

    for answer in ahead.in_order(lambda item: item, items()):
        assert len(read) <= answer + 100
