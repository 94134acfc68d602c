"""Folds in processes of their own: several at a time, each with its part of the machine, and none that outlives us."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.__main__ import Ended, _signals
from pipeline.machines import bars, places, processes
from pipeline.machines.places import Place
from pipeline.machines.work import Work
from pipeline.training import history
from tests import made_runs
from tests.start import ROOT, environment, run

REAL = sys.executable
# in the place of Python, called as it is with -P -m pipeline and the words of a piece of work
PROGRAM = """#!/bin/sh
case "$4" in
  shows) echo "split: up to date"; echo "$PLACE on $SHARED" ;;
  alone) mkdir "$5" && sleep 0.2 && rmdir "$5" ;;
  fails) echo "noise" >&2; echo "error: the disk is full; mend it" >&2; exit 2 ;;
  killed) kill -9 $$ ;;
  sleeps) echo $$ > "$5"; exec sleep 60 ;;
  talks) echo $$ > "$5"; while true; do echo line; done ;;
  stays) trap '' TERM; echo $$ > "$5"; sleep 60 & wait; wait ;;
esac
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return made_runs.job_of(tmp_path, "a")


@pytest.fixture(autouse=True)
def interruptible():
    """Whoever runs the tests in the background may have SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def two_places(monkeypatch):
    found = [Place("here", {"PLACE": "here"}), Place("there", {"PLACE": "there"})]
    monkeypatch.setattr(places, "of", lambda job, folds: (found[:folds], ["one is left alone"]))


def work(job, number: int, *words, epochs=4) -> Work:
    return Work(f"fold {number}", words, job.store.root, None, job.store.fold(number), epochs)


def test_each_process_has_its_place_and_its_lines_its_title(job, two_places, capsys, monkeypatch):
    monkeypatch.setenv("SHARED", "all")
    assert processes.do(job, [work(job, 0, "shows"), work(job, 1, "shows")]) == {}
    first, second, *lines = capsys.readouterr().out.splitlines()
    assert first == "one is left alone"
    assert second == "2 fold(s), 2 at a time, a process each: here, there"
    assert sorted(lines) == ["fold 0: here on all", "fold 1: there on all"]


def test_there_are_never_more_than_places(job, monkeypatch, tmp_path):
    monkeypatch.setattr(places, "of", lambda *_: ([Place("here", {})], []))
    assert processes.do(job, [work(job, fold, "alone", str(tmp_path / "held")) for fold in range(3)]) == {}


def test_what_fails_is_named_and_ends_nothing_else(job, two_places, capsys):
    failed = processes.do(job, [work(job, 0, "fails"), work(job, 1, "killed"), work(job, 2, "shows")])
    assert failed.keys() == {"fold 0", "fold 1"}
    assert failed["fold 0"] == "the disk is full; mend it" and "memory" in failed["fold 1"]
    out, err = capsys.readouterr()
    assert "fold 0 failed: the disk is full; mend it" in out.splitlines() and "fold 2: " in out
    assert err.splitlines() == ["fold 0: noise"]


def test_an_interrupt_ends_every_process(job, two_places, capsys, tmp_path):
    pids = [tmp_path / "0", tmp_path / "1"]

    def interrupt():
        while not all(path.exists() and path.read_text().strip() for path in pids):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        processes.do(job, [work(job, fold, "sleeps", str(path)) for fold, path in enumerate([*pids, tmp_path / "2"])])
    thread.join()
    for path in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)
    assert not (tmp_path / "2").exists()
    assert capsys.readouterr().out.splitlines()[-1] == "2 process(es) with unfinished folds are being ended"


def signalled(path: Path, *numbers: int) -> threading.Thread:
    """Sends the signals to this process, one after the other, when a process has written its number into a file."""

    def send():
        while not (path.exists() and path.read_text().strip()):
            time.sleep(0.01)
        for number in numbers:
            time.sleep(0.2)
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def test_a_signal_is_not_lost_among_what_processes_print(job, two_places, tmp_path, monkeypatch):
    """Within a step of asyncio's loop it would be: there is nothing else to do than to read."""
    monkeypatch.setattr(job.__class__, "say", lambda *_: None)
    handler = signal.getsignal(signal.SIGTERM)
    with _signals():
        sending = signalled(tmp_path / "0", signal.SIGTERM)
        with pytest.raises(Ended) as caught:
            processes.do(job, [work(job, 0, "talks", str(tmp_path / "0"))])
        sending.join()
    assert caught.value.status == 143 and signal.getsignal(signal.SIGTERM) == handler
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "0").read_text()), 0)


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Ended)])
def test_who_interrupts_twice_leaves_no_process_that_stays(job, two_places, tmp_path, monkeypatch, number, raised):
    """Once is enough, and who does not end in time is killed with all that it has started."""
    monkeypatch.setattr(processes, "PATIENCE", 0.5)
    with _signals():
        sending = signalled(tmp_path / "0", number, number)
        with pytest.raises(raised):
            processes.do(job, [work(job, 0, "stays", str(tmp_path / "0"))])
        sending.join()
    group = int((tmp_path / "0").read_text())
    deadline = time.monotonic() + 5
    while running_in(group) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not running_in(group)


def running_in(group: int) -> bool:
    """Whether a process of a group is there that is not just waiting to be read."""
    stats = [
        _read(path).decode(errors="replace").rpartition(")")[2].split() for path in Path("/proc").glob("[0-9]*/stat")
    ]
    return any(fields[2] == str(group) and fields[0] != "Z" for fields in stats if fields)


def test_what_lies_in_the_folder_is_not_taken_for_a_module_of_ours(job, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", REAL)
    monkeypatch.setattr(places, "of", lambda *_: ([Place("here", {})], []))
    (tmp_path / "pipeline.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    (line,) = processes.do(job, [Work("fold 0", ("--jobs", "0"), tmp_path, None, tmp_path, 0)]).values()
    assert line.startswith("argument --jobs: '0' is no number")


def test_a_bar_shows_what_is_in_history_csv(job, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    rows = [dict.fromkeys(history.COLUMNS, 0.5) | {"epoch": epoch, "score": None} for epoch in (1, 2, 3)]
    old, new = work(job, 0, "train", "--again"), work(job, 1, "train")
    for one in (old, new):
        history.write(one.folder, rows)
    os.utime(old.folder / history.NAME, (1, 1))
    with bars.Bars([old, new], job.say) as shown:
        shown.begin(old)
        shown.begin(new)
        for one in (old, new):
            shown._look(one)
        assert [bar.n for bar, _ in shown.at_it.values()] == [0, 3]
        (new.folder / history.NAME).write_text("damaged")
        shown.end(new)
        shown.pass_on(old, "fold 0, epoch 1 of 4: loss 1")
        shown.pass_on(old, "warning: odd")
    out, err = capsys.readouterr()
    assert out.splitlines() == ["fold 0: warning: odd"]
    assert "3/4" in err and "loss 0.5000, IoU 0.500" in err


CLASSICAL = ["demo", "train", "--model", "classical", "--folds", "3"]


@pytest.mark.slow
def test_folds_are_the_same_to_the_byte_and_one_that_fails_leaves_the_others(demo_root):
    """As one after the other; the broken fold is named at the end, and the same command makes it when it is mended."""
    broken = demo_root / "runs" / "demo" / "beside" / "fold1" / "history.csv"
    broken.parent.mkdir(parents=True)
    broken.write_text("what is this")
    run(*CLASSICAL, "--run", "plain", "--fold", "0", "--fold", "1", root=demo_root)
    both = [*CLASSICAL, "--run", "beside", "--fold", "0", "--fold", "1", "--jobs", "2"]
    (line,) = [line for line in run(*both, root=demo_root, status=2).splitlines() if line.startswith("error: ")]
    assert line.startswith("error: fold 1 failed: ") and "history.csv" in line and "the other is finished" in line
    broken.unlink()
    out = run(*both, root=demo_root)
    assert "fold 0 is trained already" in out and "1 fold(s), 1 at a time" in out
    for fold in (0, 1):
        plain, beside = (demo_root / "runs" / "demo" / name / f"fold{fold}" for name in ("plain", "beside"))
        for name in ("model.json", "valid.npy", "valid.csv"):
            assert (plain / name).read_bytes() == (beside / name).read_bytes()


@pytest.mark.slow
def test_variants_are_one_list_of_work(demo_root):
    words = ["demo", "ablate", "--model", "classical", "--folds", "3", "--fold", "0", "--fields", "seed=1"]
    out = run(*words, "--jobs", "2", root=demo_root)
    assert "2 fold(s), 2 at a time" in out
    assert len(re.findall(r"^default-model-classical(-\S+)? fold 0 took", out, re.MULTILINE)) == 2
    assert out.count("trained already") == 2


@pytest.mark.slow
def test_a_signal_to_the_command_ends_all_of_it(demo_root):
    words = [*CLASSICAL, "--jobs", "2", "--root", str(demo_root)]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "pipeline", *words],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(demo_root.glob("runs/demo/*/.fold0.lock")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 143, err
    assert "are being ended" in out and err.splitlines()[-1].startswith("interrupted; what is finished is kept")
    of_ours = f"--root\0{demo_root}".encode()
    running = [path for path in Path("/proc").glob("[0-9]*/cmdline") if of_ours in _read(path)]
    assert running == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended meanwhile
        return b""
