"""A sample of what `tests.bad_inputs` and `tests.faults` try in full: some hundred bad inputs, kills, full disks."""

import re
import subprocess
import sys

import pytest

from pipeline.errors import UserError
from tests.bad_inputs_families import case
from tests.bad_inputs_families.case import Case, Outcome
from tests.faults_parts import results
from tests.start import ROOT, environment


def call(*words: str) -> str:
    """Runs one of the commands to a good end; what it printed is shown where it is not."""
    command = [sys.executable, "-m", *words]
    process = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=600)
    assert process.returncode == 0, process.stdout[-6000:] + process.stderr[-2000:]
    return process.stdout


@pytest.mark.slow
def test_bad_inputs_are_answered():
    last = call("tests.bad_inputs", "--fast").splitlines()[-1]
    tried, answered = map(int, re.fullmatch(r"tried (\d+), answered (\d+)", last).groups())
    assert tried == answered and tried >= 250


@pytest.mark.slow
@pytest.mark.parametrize("what", ["--every-write", "--full-disk"])
def test_what_is_disturbed_goes_on_to_the_same_files(what):
    lines = call("tests.faults", what, "--step", "40").splitlines()
    counts = [re.search(r"points (\d+), resumed (\d+), differing (\d+)$", line) for line in lines]
    assert len([count for count in counts if count]) == 3, lines
    assert all(count[1] == count[2] and count[3] == "0" for count in counts if count)


def judged(outcome: Outcome, tmp_path, **more) -> str:
    return case.fault(Case("x", (), **more), outcome, {}, tmp_path)


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (Outcome(2, "", "error: x is no y\n"), ""),
        (Outcome(2, "", "error: x\nerror: y\n"), "status 2, but said"),
        (Outcome(2, "", "libpng error\nerror: y\n"), "status 2, but said"),
        (Outcome(2, "", "error: \x1b[31m\n"), "its line holds"),
        (Outcome(2, "", "error: " + "x" * 5000), "letters"),
        (Outcome(2, "", ""), "status 2, but said"),
        (Outcome(0, "done", ""), "status 0: done"),
        (Outcome(1, "", "Traceback"), "status 1: Traceback"),
        (Outcome(None, "", "", "KeyError: 'x' (nowhere)"), "KeyError"),
    ],
)
def test_only_one_line_and_status_2_is_an_answer(outcome, says, tmp_path):
    found = judged(outcome, tmp_path)
    assert says in found and bool(says) == bool(found)


def test_half_written_and_changed_files_are_no_answer(tmp_path):
    refused = Outcome(2, "", "error: no\n")
    assert "changed a.csv" in case.fault(Case("x", ()), refused, {"a.csv": "0"}, tmp_path)
    assert case.fault(Case("x", (), allowed=("a.csv",)), refused, {"a.csv": "0"}, tmp_path) == ""
    (tmp_path / "a.part-1-abcdef.csv").touch()
    assert "half-written" in judged(refused, tmp_path)


def test_what_is_fine_must_also_be_right(tmp_path):
    done = Outcome(0, "", "")
    assert judged(done, tmp_path, fine=True) == ""
    assert judged(done, tmp_path, fine=True, right=lambda root: "another") == "another"


def test_a_command_is_caught_with_all_that_it_prints_and_raises(tmp_path):
    def main(arguments):
        print("é\udcff")
        subprocess.run(["sh", "-c", "echo from elsewhere >&2"], check=True)
        raise UserError(f"{arguments[0]} got out")

    case.keep_streams_in(tmp_path)
    found = case.outcome(Case("x", ("word",), with_root=False), tmp_path, main)
    assert "é\\udcff" in found.printed and found.errors == "from elsewhere\n"
    assert found.escaped.startswith("UserError: word got out")


def test_results_are_compared_without_the_clock(tmp_path):
    for name, seconds in (("one", "1.5"), ("other", "2.5")):
        folder = tmp_path / name / "runs" / "fold0"
        folder.mkdir(parents=True)
        (folder / "history.csv").write_text(f"epoch,loss,seconds\n1,0.5,{seconds}\n")
        (folder / "environment.json").write_text(seconds)
    found = [results.results(tmp_path / name) for name in ("one", "other")]
    assert results.differing(*found) == []
    (tmp_path / "one" / "runs" / "x.part-1-abcdef.npy").touch()
    (tmp_path / "other" / "runs" / "fold0" / "history.csv").write_text("epoch,loss,seconds\n1,0.6,1\n")
    found = [results.results(tmp_path / name) for name in ("one", "other")]
    assert results.differing(*found) == ["runs/fold0/history.csv", "runs/x.part-1-abcdef.npy"]
