"""The line through cross-fitted and public scores: least squares, and a band that holds what it says."""

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.runs import expected
from pipeline.store import ledger
from pipeline.store.ledger import Upload

RNG = np.random.default_rng(2)


def uploads(pairs) -> list[Upload]:
    return [Upload("", "demo", f"run{i}", str(i), None, x, y) for i, (x, y) in enumerate(pairs)]


def test_three_points_and_more_have_a_line_of_least_squares():
    x = np.array([0.70, 0.74, 0.75, 0.79, 0.80])
    y = 0.1 + 0.9 * x + np.array([0.004, -0.003, 0.002, 0.001, -0.004])
    found = expected.line(uploads(zip(x, y, strict=True)))
    slope, intercept = np.polyfit(x, y, 1)
    assert (found.slope, found.intercept) == (pytest.approx(slope), pytest.approx(intercept))
    residuals = y - intercept - slope * x
    spread = np.sqrt((residuals**2).sum() / 3)
    assert found.spread == pytest.approx(spread)
    # the literal formula, by the matrix of the design
    design = np.stack([np.ones(5), x], axis=1)
    at = np.array([1, 0.85])
    band = spread * np.sqrt(1 + at @ np.linalg.inv(design.T @ design) @ at)
    assert (found.at(0.85), found.band(0.85)) == (pytest.approx(intercept + slope * 0.85), pytest.approx(band))
    assert "few" in expected.caution(found)


def test_with_one_or_two_points_the_slope_is_one():
    one = expected.line(uploads([(0.80, 0.81)]))
    assert (one.slope, one.at(0.7), one.spread, one.band(0.7)) == (1, pytest.approx(0.71), None, None)
    two = expected.line(uploads([(0.80, 0.81), (0.70, 0.73)]))
    assert two.at(0.75) == pytest.approx(0.77) and two.spread == pytest.approx(np.std([0.01, 0.03], ddof=1))
    assert two.band(0.75) == pytest.approx(two.spread * np.sqrt(1.5))
    assert expected.line([]) is None
    assert [expected.caution(found)[:3] for found in (None, one, two)] == ["no ", "one", "two"]


def test_points_of_one_score_have_no_slope():
    found = expected.line(uploads([(0.8, 0.81), (0.8, 0.82), (0.80001, 0.83)]))
    assert found.slope == 1 and found.at(0.8) == pytest.approx(0.82, abs=1e-5)
    assert found.spread == pytest.approx(np.std([0.01, 0.02, 0.03], ddof=1), rel=1e-2)


def test_the_band_holds_two_of_three_new_scores():
    hits = []
    for _ in range(600):
        x = RNG.uniform(0.7, 0.85, 21)
        y = 0.05 + 0.95 * x + RNG.normal(0, 0.004, 21)
        found = expected.line(uploads(zip(x[:20], y[:20], strict=True)))
        hits.append(abs(y[20] - found.at(x[20])) <= found.band(x[20]))
    # of Student's t with 18 degrees of freedom .670 lies within one
    assert np.mean(hits) == pytest.approx(0.67, abs=0.05)
    assert expected.caution(found) == ""


def test_of_a_file_that_was_sent_twice_the_last_score_counts():
    twice = [Upload("", "demo", "a", "x", None, 0.8, public) for public in (0.7, 0.71)]
    others = [Upload("", "demo", "b", "y", None, 0.8), Upload("", "demo", "c", "z", None, None, 0.6)]
    assert expected.points([*twice, *others]) == [twice[1]]


def test_a_score_in_the_ledger_that_is_none_is_refused(tmp_path):
    path = tmp_path / "ledger.csv"
    for text in ("high", "nan", "inf"):
        path.write_text(f"{','.join(ledger.COLUMNS)}\n,demo,a,x,,.8,{text},\n")
        with pytest.raises(UserError, match=rf"row 2: public is '{text}', not a number"):
            ledger.uploads(path, "demo")
    assert ledger.uploads(path, "tgs") == []
