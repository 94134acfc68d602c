"""What an earlier version wrote is still true: `earlier_version.zip` holds a whole run of version 14de002, three folds
of two steps, and the competition's file that `new` wrote then."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.start import ROOT, environment

ARCHIVE = Path(__file__).with_name("earlier_version.zip")
STAGES = ("download", "prepare", "split", "train", "tune", "predict", "submit", "report")
AGAIN = ("tune", "submit")
RECORDS = {"runs/mine/before/thresholds.json.inputs.json", "submissions/mine-before.csv.inputs.json"}


@pytest.fixture
def checkout(tmp_path):
    """A copy of the package with the competition's file, and beside it the files of the run (in `root`)."""
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path / "root")
    shutil.move(tmp_path / "root" / "mine.py", tmp_path / "pipeline" / "competitions" / "mine.py")
    return tmp_path


def call(checkout, *words, status=0) -> str:
    """What the copy prints."""
    command = [sys.executable, "-P", "-m", "pipeline", "mine", *words, "--run", "before", "--root", checkout / "root"]
    surroundings = environment(PYTHONPATH=str(checkout))
    done = subprocess.run(command, cwd=checkout, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def mend(checkout) -> Path:
    """Does what the messages say, until there is none."""
    path = checkout / "pipeline" / "competitions" / "mine.py"
    for _ in range(4):
        said = call(checkout, status=2)
        found = re.search(
            r"competitions/mine.py, line (\d+) was written .*: import from (\S+) instead of (\S+)\n", said
        )
        assert found, said
        lines = path.read_text().split("\n")
        assert f"from {found[3]} import" in lines[int(found[1]) - 1]
        path.write_text(path.read_text().replace(f"from {found[3]} import", f"from {found[2]} import"))
    return path


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_of_what_it_took_long_to_make_nothing_is_stale(checkout):
    """Thresholds are searched again once, for the code that decodes is another since then; they are the same, and so is
    the submission."""
    mend(checkout)
    before = contents(checkout / "root")
    out = call(checkout)
    for stage in STAGES:
        assert (f"{stage}: up to date" in out) == (stage not in AGAIN), stage
    assert "data/mine/prepared is of an earlier version: whether its read() was edited is not known" in out
    once = contents(checkout / "root")
    assert once.keys() >= before.keys()
    assert {name for name in before if once[name] != before[name]} == RECORDS
    out = call(checkout)
    for stage in STAGES:
        assert f"{stage}: up to date" in out
    assert contents(checkout / "root") == once


@pytest.mark.slow
def test_the_command_line_still_trains_it_further(checkout):
    """The recipe that was saved then, the folds and the weights fit what is asked for now."""
    mend(checkout)
    assert "fold 1 is trained already" in call(checkout, "train", "--fold", "1")
    assert "out-of-fold (thresholds chosen on all)" in call(checkout, "tune")
    call(checkout, "submit")
    assert "submit: up to date" in call(checkout)
