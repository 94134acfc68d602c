"""Masks of which some have class and background exchanged: when it is said, and when it would be a false alarm."""

import numpy as np
import pytest

from pipeline.store.exchanged import Frames


def disc(seed, radius=6):
    """A disc within a frame of 40 x 50."""
    draw = np.random.default_rng(seed)
    y, x = draw.integers(8, 32), draw.integers(8, 42)
    rows, columns = np.ogrid[:40, :50]
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def covering(share):
    """The left part of the frame."""
    return np.broadcast_to(np.arange(50) < share * 50, (40, 50))


def notes(masks):
    frames = Frames()
    for i, mask in enumerate(masks):
        frames.add(f"p{i}", [mask[:15], mask[15:]])
    return frames.notes()


@pytest.mark.parametrize("others", [3, 10, 17])
def test_two_kinds_that_are_far_apart_are_said_with_examples(others):
    (line,) = notes([~disc(i) if i < others else disc(i) for i in range(20)])
    assert f"along the frame of {others} masks (p0, p1, p2" in line
    assert f"within that of {20 - others} (p{others}, " in line and "0 between" in line


@pytest.mark.parametrize(
    "masks",
    [
        [disc(i) for i in range(20)],
        [~disc(i) for i in range(20)],
        # what is empty or full says nothing of the others
        [*map(disc, range(10)), *[np.ones((40, 50), bool)] * 10, *[np.zeros((40, 50), bool)] * 10],
        # any share of the frame, and few or many between
        [covering(i / 40) for i in range(40)],
        [*[covering(0.1)] * 10, *[covering(0.5)] * 6, *[covering(0.9)] * 10],
        [*map(disc, range(30)), *[covering(0.5)] * 4, *[covering(0.9)] * 4],
        # one or two are no kind
        [*map(disc, range(20)), ~disc(0), ~disc(1)],
        [*map(disc, range(200)), *[~disc(i) for i in range(9)]],
        [],
    ],
    ids=["within", "around", "empty and full", "degrees", "many between", "some between", "two", "nine of 209", "none"],
)
def test_masks_that_agree_or_differ_by_degrees_are_no_alarm(masks):
    assert notes(masks) == []


def test_bands_say_what_the_whole_says():
    mask = covering(0.3) | disc(3)
    whole, bands = Frames(), Frames()
    whole.add("a", [mask])
    bands.add("a", [mask[top : top + 7] for top in range(0, 40, 7)])
    rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert whole.shares == bands.shares == {"a": pytest.approx(rim.mean())}
