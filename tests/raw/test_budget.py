"""What is decoded ahead: in order, as much as fits, and nobody waits for ever."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.raw import budget
from pipeline.raw.budget import Budget, ahead


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 30), max_size=40), most=st.integers(1, 40), threads=st.integers(1, 6))
def test_never_more_than_the_budget_and_the_one_that_is_waited_for(sizes, most, threads):
    """With sizes that are asked for in two steps, as an image and its mask are."""
    lock, held, peaks = threading.Lock(), {}, []
    purse = Budget(most)

    def keep(number: int, size: int) -> None:
        with lock:
            held[number] = size
            # those that were used stay until the next is asked for
            peaks.append((sum(held.values()), max(held.values())))

    def work(item):
        number, size = item
        purse.claim(size)
        keep(number, size)
        purse.hold(size)
        purse.claim(size)
        keep(number, 2 * size)
        purse.hold(2 * size)
        return 2 * size

    items = list(enumerate(sizes))
    old, budget.os.cpu_count = budget.os.cpu_count, lambda: threads
    try:
        seen = []
        for item, made, _ in ahead(items, work, purse):
            assert made == 2 * item[1]
            seen.append(item)
            with lock:
                held.pop(item[0])
    finally:
        budget.os.cpu_count = old
    assert seen == items
    assert all(total <= most + most_of_one for total, most_of_one in peaks)


def test_work_that_never_says_what_it_needs_is_bound_by_what_is_finished():
    begun, purse = [], Budget(10)

    def work(item):
        begun.append(item)
        purse.hold(100)
        return item

    for number, (item, made, _) in enumerate(ahead(range(50), work, purse)):
        time.sleep(0.002)
        assert item == made == number
        # no more ahead than there are threads
        assert len(begun) <= number + 2 + (budget.os.cpu_count() or 1)


def test_what_work_raises_is_raised_at_its_place_and_ends_all():
    purse = Budget(10)

    def work(item):
        purse.claim(9)
        purse.hold(9)
        if item == 3:
            raise ZeroDivisionError
        return item

    found = []
    with pytest.raises(ZeroDivisionError):
        for item, _, _ in ahead(range(100), work, purse):
            found.append(item)
    assert found == [0, 1, 2]


def test_who_stops_in_the_middle_waits_for_nobody():
    purse = Budget(10)

    def work(item):
        purse.claim(9)
        purse.hold(9)
        return item

    decoded = ahead(range(100), work, purse)
    next(decoded)
    # would never come back
    decoded.close()


def test_what_follows_may_be_looked_at_though_the_budget_is_spent():
    purse = Budget(1)

    def work(item):
        purse.claim(100)
        purse.hold(100)
        return item

    decoded = ahead(range(5), work, purse)
    item, _, following = next(decoded)
    assert (item, [made for _, made in following]) == (0, [1, 2, 3, 4])
    assert [item for item, _, _ in decoded] == [1, 2, 3, 4]


def test_outside_of_work_nothing_is_claimed():
    Budget(0).claim(1 << 40)
    assert list(ahead([], np.zeros, Budget(1))) == []
