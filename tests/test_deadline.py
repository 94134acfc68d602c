"""Folds under a deadline: archives that are complete, and a later call that goes on."""

import csv
import subprocess
import sys
import tarfile

import pytest
from runs import ROOT, TINY, environment

pytestmark = pytest.mark.slow
pytest.importorskip("keras")


def call(out, *more, deadline="50m"):
    command = [sys.executable, "-m", "benchmarks.deadline", "demo", "--deadline", deadline, "--out", str(out)]
    command += ["--recipe", "smoke", *TINY, "--trained-folds", "2", *more]
    return subprocess.run(command, cwd=ROOT, env=environment(KERAS_BACKEND="jax"), capture_output=True, text=True)


def rows(out):
    with (out / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_second_call_trains_only_what_the_first_did_not_finish(tmp_path):
    pytest.importorskip("jax")
    first, second = tmp_path / "first", tmp_path / "second"
    none = call(tmp_path / "none", deadline="21s")
    assert none.returncode == 1 and "deadline is over" in none.stderr and not list((tmp_path / "none").glob("*.tar.xz"))
    done = call(first)
    assert done.returncode == 0, done.stderr
    assert [(row["recipe"], row["fold"], row["backend"]) for row in rows(first)] == [
        ("smoke", "0", "jax"),
        ("smoke", "1", "jax"),
    ]
    assert (first / "demo-smoke.csv").exists() and len(list(first.iterdir())) <= 8
    # as if the first call had been cut off after one fold
    with tarfile.open(first / "smoke.tar.xz") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
        names = archive.getnames()
    assert "smoke/fold1/valid.npy" in names and "smoke/thresholds.json" in names
    # and with a network that is too large for the archive
    (tmp_path / "unpacked" / "smoke" / "fold0" / "model.weights.h5").unlink()
    with tarfile.open(first / "smoke.tar.xz", "w:xz") as archive:
        for name in ("smoke/recipe.json", "smoke/fold0"):
            archive.add(tmp_path / "unpacked" / name, name)
    resumed = call(second, "--resume", str(first))
    assert resumed.returncode == 0, resumed.stderr
    assert "smoke fold 1" in resumed.stdout and "smoke fold 0" not in resumed.stdout
    assert (second / "demo-smoke.csv").read_bytes() == (first / "demo-smoke.csv").read_bytes()
    assert [row["fold"] for row in rows(second)] == ["0", "1"]
