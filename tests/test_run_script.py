"""run.sh: what it may remove, and what it says where it cannot set itself up."""

import os
import shutil
import subprocess

import pytest

from tests.start import ROOT, environment


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("run.sh", "requirements.txt"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def line_of(checkout, **changes) -> str:
    """The one line with which it refuses."""
    surroundings = {name: value for name, value in environment(**changes).items() if name != "PYTHON"}
    done = subprocess.run([checkout / "run.sh", "demo"], env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def test_an_environment_of_somebody_else_is_left_alone(checkout):
    kept = checkout / ".venv" / "bin" / "python"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    line = line_of(checkout)
    assert ".venv was not made by run.sh: move it away" in line and f"PYTHON={kept} ./run.sh" in line
    assert kept.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_checkout_that_cannot_be_written_is_said(checkout):
    checkout.chmod(0o555)
    try:
        assert f"cannot write in {checkout}; copy the checkout" in line_of(checkout)
    finally:
        checkout.chmod(0o755)


@pytest.mark.parametrize("begun", [".made", ".begun", None])
def test_its_own_environment_is_made_again_where_it_is_broken(checkout, tmp_path, begun):
    """Also one that was interrupted, or an empty folder: a Python that cannot make one is all that fails here."""
    folder = checkout / ".venv"
    folder.mkdir()
    if begun:
        (folder / begun).touch()
        (folder / "half").touch()
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python3"
    python.write_text('#!/bin/sh\n[ "$1" = -m ] && exit 1\nexit 0\n')
    python.chmod(0o755)
    surroundings = environment(PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    done = subprocess.run([checkout / "run.sh", "demo"], env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "python3 cannot make a virtual environment" in done.stderr
    assert not (folder / "half").exists()
