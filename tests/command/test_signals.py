"""How a command ends that is not left to end by itself."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import __main__ as command_line
from tests.start import ROOT, environment


def as_usual():
    """A process of its own ignores what the tests themselves were told to ignore (nohup, a shell's background)."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def start(root, *words, **streams):
    command = [sys.executable, "-P", "-m", "pipeline", *words, "--root", root]
    streams |= {"text": True, "stderr": subprocess.PIPE, "preexec_fn": as_usual}
    return subprocess.Popen(command, env=environment(), cwd=ROOT, **streams)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_the_work_in_order(tmp_path, number):
    process = start(tmp_path, "demo", "download", stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.lock")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == command_line.ENDING[number]
    assert said.splitlines()[-1].startswith("interrupted; what is finished is kept") and "Traceback" not in said
    assert not [path for path in tmp_path.rglob("*") if ".part-" in path.name]


def test_a_signal_that_is_ignored_stays_so(monkeypatch):
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr(command_line, "run", lambda _: signal.raise_signal(signal.SIGHUP) or 0)
        assert command_line.main([]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_reader_that_goes_away_is_no_success(tmp_path):
    process = start(tmp_path, "--help", "fields", stdout=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    assert process.stderr.read() == ""


def test_a_full_disk_under_what_is_printed_is_a_line():
    command = [sys.executable, "-P", "-m", "pipeline", "--help"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, env=environment(), cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (2, "error: cannot print: No space left on device\n")


def test_what_a_terminal_cannot_show_is_escaped():
    command = [sys.executable, "-P", "-m", "pipeline", "--help", "losses"]
    done = subprocess.run(
        command, env=environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0"), cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0 and rb"Lov\xe1sz" in done.stdout


def test_a_bar_does_not_hide_an_error(capsys, monkeypatch):
    from tqdm import tqdm

    def work(_):
        bar = tqdm(total=10, file=sys.stderr)
        bar.update()
        raise command_line.UserError("what is wrong")

    monkeypatch.setattr(command_line, "run", work)
    assert command_line.main([]) == 2
    assert "\nerror: what is wrong\n" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_what_the_machine_refuses_is_a_line(monkeypatch, capsys, number):
    def refuse(_):
        raise OSError(number, os.strerror(number), "/some/file")

    monkeypatch.setattr(command_line, "run", refuse)
    assert command_line.main([]) == 2
    assert capsys.readouterr().err.startswith(f"error: /some/file: {os.strerror(number)};")
    with pytest.raises(FileNotFoundError):
        monkeypatch.setattr(command_line, "run", lambda _: Path("/nowhere/at/all").read_text())
        command_line.main([])
