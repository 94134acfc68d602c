"""One process at a time makes a thing; the others say who is at it, and leave or wait."""

import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from pipeline.errors import UserError
from pipeline.store import locks
from pipeline.store.disk import part_of
from tests.start import ROOT, environment

HOLD = """
import sys, time
from pathlib import Path
from pipeline.store import disk, locks
with locks.making(Path(sys.argv[1])):
    with disk.atomic(Path(sys.argv[1])) as part:
        part.write_text("half")
        print("held", flush=True)
        sys.stdin.readline()
        part.write_text("whole")
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that makes `thing`, until it is told to finish or is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "thing.npy"],
        env=environment(PYTHONPATH=str(ROOT)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_says_who_is_at_it_and_leaves(holder, tmp_path):
    says = rf"thing\.npy is being made by process {holder.pid} on .*, since .*--wait"
    with pytest.raises(UserError, match=says), locks.making(tmp_path / "thing.npy"):
        pytest.fail("two at once")
    # another thing in the same folder is nobody's
    with locks.making(tmp_path / "other.npy") as waited:
        assert not waited


def test_or_waits_for_it(holder, tmp_path):
    said = []

    def say(line):
        said.append(line)
        holder.stdin.write("\n")
        holder.stdin.flush()

    with locks.making(tmp_path / "thing.npy", wait=True, say=say) as waited:
        assert waited and (tmp_path / "thing.npy").read_text() == "whole"
    assert len(said) == 1 and "waiting for it" in said[0]


def test_what_a_killed_process_held_is_taken_over_and_its_halves_are_removed(holder, tmp_path):
    (half,) = tmp_path.glob("thing.part-*.npy")
    mine = part_of(tmp_path / "thing.npy")
    mine.write_text("of a living process")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locks.making(tmp_path / "thing.npy") as waited:
        assert not waited and not half.exists() and mine.exists()


def test_a_folder_that_a_killed_process_took_away_comes_back_with_the_lock(tmp_path):
    (tmp_path / "folder.before").mkdir()
    with locks.making(tmp_path / "folder"):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".folder.lock", "folder"]


def test_a_lock_that_was_given_back_names_nobody(tmp_path):
    for _ in range(2):
        with locks.making(tmp_path / "thing.npy"):
            assert str(os.getpid()) in (tmp_path / ".thing.npy.lock").read_text()
        assert (tmp_path / ".thing.npy.lock").read_text() == "{}"


def test_where_there_are_no_locks_that_is_said(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locks.making(tmp_path / "thing.npy") as waited:
        assert not waited
    assert "knows no locks" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "[]", "{", '{"process": 1'])
def test_what_stands_in_a_lock_may_be_anything(tmp_path, content):
    (tmp_path / ".thing.npy.lock").write_text(content)
    with locks.making(tmp_path / "thing.npy"):
        pass


@pytest.mark.slow
def test_two_whole_runs_at_once_end_in_one_result(demo_root):
    """The second waits for the first, and finds everything done."""
    words = [sys.executable, "-P", "-m", "pipeline", "demo", "--model", "classical", "--folds", "3", "--run", "both"]
    words += ["--wait", "--root", demo_root]
    both = [
        subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outs = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], outs
    assert all("submissions/demo-both.csv" in out or "submit: up to date" in out for out, _ in outs)
    left = [path for path in demo_root.rglob("*") if ".part-" in path.name]
    assert left == []


@pytest.mark.slow
def test_two_whole_runs_at_once_without_wait_are_one_and_a_line(demo_root):
    words = [sys.executable, "-P", "-m", "pipeline", "demo", "--model", "classical", "--folds", "3", "--run", "one"]
    both = [
        subprocess.Popen([*words, "--root", demo_root], env=environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=300)[1] for process in both]
    statuses = sorted(process.returncode for process in both)
    # where they never met, both came to their end
    assert statuses in ([0, 0], [0, 2]) and not any("Traceback" in error for error in errors)
    for process, error in zip(both, errors, strict=True):
        assert process.returncode == 0 or "is being made by process" in error
