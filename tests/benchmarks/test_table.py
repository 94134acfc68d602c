"""The table of `python -m benchmarks`: ratios, limits, what is missing, and rows that are cheap to measure."""

import json

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.rows import objects, run_lengths, search, setting_up, stages
from benchmarks.table import LEAST, Missing, Row, in_turns, version


def test_a_ratio_says_how_many_times_as_fast_ours_is_as_the_fastest_peer():
    peers = {"slow": [9.0] * 5, "fast": [4.0] * 5}
    row = Row("rows", "s", 10, [1.0, 2.0, 2.0, 2.0, 9.0], peers, (0.5, "a read"))
    assert row.best_peer == "fast" and row.ratio == 2 and row.share == 0.25
    found = row.to_json()
    assert {name: found[name] for name in ("ours", "peer", "ratio", "unit", "n")} == {
        "ours": 2.0,
        "peer": 4.0,
        "ratio": 2.0,
        "unit": "s",
        "n": 10,
    }
    lines = row.lines("encode")
    assert len(lines) == 4 and "slow: 4.50 x" in lines[1] and "limit, a read: 25% of it" in lines[3]


def test_of_a_rate_more_is_better():
    row = Row("pictures", "pictures/s", 10, [30.0] * 5, {"slow": [10.0] * 5, "fast": [40.0] * 5}, (60.0, "a step"))
    assert row.best_peer == "fast" and row.ratio == 0.75 and row.share == 0.5


def test_without_a_peer_there_is_no_ratio():
    row = Row("seconds", "s", 1, [3.0] * 5, note="once")
    assert row.ratio is None and row.to_json()["peer"] is None and row.lines("idea")[-1].strip() == "once"


def test_sides_take_turns_and_neither_is_always_first():
    order = []
    times = in_turns(1, ours=lambda: order.append("ours"), peer=lambda: order.append("peer"))
    assert {name: len(taken) for name, taken in times.items()} == {"ours": LEAST, "peer": LEAST}
    assert order[:4] == ["ours", "peer", "peer", "ours"]


def test_what_is_not_installed_is_named():
    assert version("numpy") == f"numpy {np.__version__}"
    with pytest.raises(Missing, match="pip install no-such-package"):
        version("no-such-package")


def test_what_pip_downloads_is_added_up():
    log = (
        "  Downloading some/tensorflow-2.whl (600.5 MB)\n"
        "  Downloading six-1.whl (11 kB)\n  Using cached x-1.whl (5.0 MB)\n"
        "  Downloading large-2.whl (1.1 GB)\n"
    )
    assert setting_up.downloaded(log) == pytest.approx(600.5 + 0.011 + 1100)


def test_every_row_is_a_function():
    import importlib

    for name, module in command.ROWS.items():
        assert callable(getattr(importlib.import_module(f"benchmarks.rows.{module}"), name))


def test_an_unknown_row_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(["--rows", "search,speed"])
    assert caught.value.code == 2 and "there is no row 'speed'" in capsys.readouterr().err


def test_rows_are_measured_and_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(search, "COUNT", 30)
    monkeypatch.setattr(objects, "COUNT", 2)
    for name, value in (("COUNT", 300), ("IDS", run_lengths.IDS[:300]), ("SIZES", run_lengths.SIZES[:300])):
        monkeypatch.setattr(run_lengths, name, value)
    sizes = run_lengths.SIZES
    monkeypatch.setattr(
        run_lengths, "EXPECTED", run_lengths.submission.Expected(run_lengths.IDS, sizes, sizes, ("salt",))
    )
    path = tmp_path / "rows.json"
    assert command.main(["--rows", "search,rle_encode,rle_decode,instances", "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert list(found) == ["search", "rle_encode", "rle_decode", "instances"]
    assert all(row["ours"] > 0 and row["ratio"] > 0 and row["turns"] >= LEAST for row in found.values())
    assert "limit, one read of the data" in capsys.readouterr().out


def test_a_row_that_cannot_be_measured_says_why(monkeypatch, capsys):
    def missing(repeats):
        raise Missing("there is no GPU here")

    monkeypatch.setattr(search, "search", missing)
    assert command.main(["--rows", "search"]) == 0
    assert "search      not measured: there is no GPU here" in capsys.readouterr().out


def test_what_no_recipe_can_be_is_refused(capsys):
    for fields in ("widht=64", "width=many"):
        with pytest.raises(SystemExit) as caught:
            command.main(["--rows", "train_cpu", "--fields", fields])
        assert caught.value.code == 2 and "--fields" in capsys.readouterr().err


@pytest.mark.slow
def test_every_stage_that_is_no_networks_is_timed(monkeypatch):
    monkeypatch.setattr(stages, "TRAIN", 20)
    monkeypatch.setattr(stages, "TEST", 30)
    monkeypatch.setattr(stages, "LEAST", 1)
    row = stages.dataset(1)
    assert row.n == 50 and len(row.ours) == 1 and row.ours[0] > row.limit[0] > 0
    assert "20 train and 30 test pictures" in row.what and "submit" in row.what and "report" in row.what
