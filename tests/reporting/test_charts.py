"""Charts: what is written at their axes can be read, and counts are whole numbers."""

import re
from itertools import pairwise

import numpy as np
import pytest

from pipeline.reporting.shared import charts
from tests.reporting.example_runs import written_in

WIDE = 0.64  # of its size: about how wide a digit is


def numbers_of(chart: str) -> list[float]:
    return [float(text) for text in written_in(chart) if re.fullmatch(r"[\d.]+", text)]


def beside_each_other(chart: str) -> list[tuple[float, float]]:
    """(start, end) of the centred labels of the lowest line but its title, from left to right."""
    found = re.findall(
        r'<text style="font-size: ([\d.]+)px; text-anchor: middle[^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)<', chart
    )
    lines = [(float(y), float(x), WIDE * float(size) * len(text)) for size, x, y, text in found]
    lowest = max(y for y, _, _ in lines)
    return sorted((x - width / 2, x + width / 2) for y, x, width in lines if y == lowest)


@pytest.mark.parametrize("ends", [(30, 95), (3, 4), (20, 7000), (1, 10**7)])
def test_a_logarithmic_axis_has_plain_numbers(ends):
    edges = np.geomspace(*ends, 12)
    chart = charts.steps("areas", edges, [("train", np.array(ends))], "pixels", log=True)
    assert "$" not in chart and "mathdefault" not in chart
    assert all(re.fullmatch(r"\d+(\.\d+)?( %)?|pixels", text) for text in written_in(chart))


def test_small_numbers_at_an_axis_do_not_run_together():
    chart = charts.dots([("cross-fitted", 0.0, 0.0), ("out-of-fold", 0.0004, 0.0002), ("at .5", 0.0, None)])
    places = beside_each_other(chart)
    assert len(places) >= 2
    assert all(after[0] > before[1] for before, after in pairwise(places))


def test_large_numbers_at_an_axis_do_not_run_together():
    edges = np.geomspace(1, 10**12, 20)
    chart = charts.steps("areas", edges, [("train", np.array([1, 10**12]))], "", log=True)
    places = beside_each_other(chart)
    assert len(places) >= 2
    assert all(after[0] > before[1] for before, after in pairwise(places))


def test_numbers_are_written_out():
    chart = charts.curves("score", [("fold 0", [1, 2], [0.0, 6e-6])])
    assert "0.000006" in written_in(chart) and not any("e" in text for text in written_in(chart) if text != "epoch")


@pytest.mark.parametrize("most", [1, 2, 3, 7])
def test_counts_of_images_are_whole(most):
    assert all(number == round(number) for number in numbers_of(charts.columns("images", ["0"], [most], "coverage")))


@pytest.mark.parametrize("counts", [[1, 1, 2], [1, 2, 3], [0, 0, 1]])
def test_counts_of_objects_are_whole(counts):
    edges = np.arange(min(counts), max(counts) + 2) - 0.5
    chart = charts.steps("objects", edges, [("train", np.array(counts))], "objects in an image")
    assert all(number == round(number) for number in numbers_of(chart))


def test_epochs_are_whole_and_nothing_that_is_never_negative_is_drawn_below_0():
    chart = charts.curves("", [("fold 0", [1, 2], [0.0, 0.0]), ("fold 1", [2], [0.0])])
    assert {"1", "2"} <= set(written_in(chart)) and "1.5" not in written_in(chart)
    assert not any(text.startswith(("-", "−")) for text in written_in(chart))


def test_low_scores_fill_their_chart():
    assert max(numbers_of(charts.bars(["10", "20"], [0.01, 0.02], [0.0, 0.001], ""))[2:]) < 0.03
    assert "1.0" in written_in(charts.bars(["10", "20"], [0.2, 0.9], [0.0, 0.1], ""))


def test_a_title_from_the_data_is_cut_where_it_is_longer_than_the_chart():
    name = "a number " * 20
    chart = charts.scatter("", np.array([1.0, 2, 3]), np.arange(3.0), (name, "coverage"))
    assert name not in chart and "…" in chart
