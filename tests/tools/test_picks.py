"""The command picks: which runs it takes, what it says, and what it refuses."""

import re

import pytest

from pipeline import __main__ as command_line
from tests import made_runs
from tests.start import run


def test_it_chooses_two_and_says_how_sure_that_is(desk_root):
    out = run("demo", "picks", root=desk_root)
    assert "1 run(s) hold out other images than better and are left out: part" in out
    assert "53 public and 107 private images, a third and two thirds of the 160 test images" in out
    assert re.search(r"^\* +better ", out, re.M) and re.search(r"^Choose better and \w+: the better of", out, re.M)
    assert re.search(r"A lead of 0.003 or more on the public part holds on the private one in \d+ % of \d+ leads", out)
    page = (desk_root / "runs" / "demo" / "picks.html").read_text()
    assert "<svg" in page and all(f">{name}<" in page for name in ("good", "better", "poor"))
    assert run("demo", "picks", root=desk_root) == out


def test_named_runs_have_the_sizes_that_are_given(desk_root):
    out = run("demo", "picks", "good", "poor", "--public", "10", "--private", "20", root=desk_root)
    assert "10 public and 20 private images, as given" in out and "Choose good and poor: " in out
    assert not re.search("^. +better ", out, re.M)


def test_folds_in_common_are_enough_for_named_runs(desk_root):
    out = run("demo", "picks", "good", "part", root=desk_root)
    assert "107 images of fold(s) 0" in out and "on fold(s) 0 alone" in out


def test_runs_that_are_alike_are_called_so(desk_root):
    for name in ("one", "two"):
        job = made_runs.job_of(desk_root, name)
        made_runs.save_recipe(job)
        made_runs.hold_out(job, miss=0.3, seed=4)
    out = run("demo", "picks", "one", "two", root=desk_root)
    assert "one and two themselves are too alike to tell which is better" in out
    assert "No run led another by 0.003 on any public part" in out and "50.0 %" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["good"], "picks wants two runs at least, or no name for all"),
        (["good", "good"], "a run is named twice: good"),
        (["good", "worse"], "'worse' is no run of demo"),
        (["good", "bare"], "run 'bare' holds nothing out"),
        (["--public", "none"], "'none' is no number of images"),
        (["--public", "0"], "'0' is no number of images"),
        (
            ["--public", "160"],
            "--public 160 leaves none of the 160 test images for the private part; give both numbers",
        ),
        (["--private", "5000"], "--private 5000 leaves none of the 160 test images for the public part"),
        (["--run", "good"], "--run means nothing to picks"),
    ],
)
def test_what_cannot_be_picked_is_refused_in_a_line(desk, capsys, words, says):
    assert command_line.main(["demo", "picks", *words, "--root", str(desk)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_with_one_tuned_run_there_is_nothing_to_pick(drawn, capsys):
    assert command_line.main(["demo", "picks", "--root", str(drawn)]) == 2
    assert "two runs at least that are tuned, there is 0: ./run.sh demo runs" in capsys.readouterr().err
