"""Which of many are looked at."""

import numpy as np
import pytest

from pipeline.imaging import evenly


@pytest.mark.parametrize(
    ("count", "most", "chosen"),
    [(0, 3, []), (1, 3, [0]), (3, 3, [0, 1, 2]), (7, 3, [0, 3, 6]), (5, 4, [0, 1, 3, 4]), (5, 1, [0])],
)
def test_all_or_as_many_as_may_be_from_the_first_to_the_last(count, most, chosen):
    assert evenly.places(count, most).tolist() == chosen
    assert evenly.some([f"p{place}" for place in range(count)], most) == [f"p{place}" for place in chosen]


def test_none_is_chosen_twice():
    for count in range(1, 300):
        places = evenly.places(count, 100)
        assert places.dtype == np.int64 and len(places) == min(count, 100) and (np.diff(places) > 0).all()
