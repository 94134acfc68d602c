"""What covers nearly everything is said: a score near 1 then says nothing."""

import numpy as np
import pytest

from pipeline.store.shares import Shares


def noted(images, names, has_background=False, known=100) -> list[str]:
    shares = Shares(len(names))
    for pixels in images:
        shares.add(np.array(pixels), known)
    return shares.notes(names, has_background)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ([[100]] * 4, "salt covers 100 % of the pixels, and all of 4 of 4 train images"),
        ([[96]] * 4, "salt covers 96.00 % of the pixels, and all of 0 of 4 train images"),
        # most are full, though half of the pixels are not
        ([[100]] * 3 + [[0]] * 2, "salt covers 60.00 % of the pixels, and all of 3 of 5 train images"),
        ([[95]] * 4, ""),
        ([[100]] * 2 + [[0]] * 2, ""),
        ([[0]] * 4, ""),
    ],
)
def test_one_class(images, says):
    lines = noted(images, ("salt",))
    assert [line.partition(":")[0] for line in lines] == ([says] if says else [])


def test_nearly_all_is_not_all():
    assert "covers 99.99 % of" in noted([[99_999]] * 3, ("salt",), known=100_000)[0]


def test_the_background_of_exclusive_classes_may_be_everywhere():
    images = [[99, 1]] * 3
    assert not noted(images, ("background", "lesion"), has_background=True)
    assert noted([[1, 99]] * 3, ("background", "lesion"), has_background=True)[0].startswith("lesion covers 99.00 %")
    # classes that overlap: each for itself
    assert [line.split()[0] for line in noted([[100, 100]] * 3, ("liver", "vessel"))] == ["liver", "vessel"]


def test_where_nothing_is_known_nothing_is_filled():
    assert not noted([[0]] * 3, ("salt",), known=0)
