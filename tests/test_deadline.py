"""Folds under a deadline: archives that are complete, and a later call that goes on."""

import csv
import subprocess
import sys
import tarfile

import pytest
from runs import ROOT, TINY, environment

pytestmark = pytest.mark.slow


def call(out, *more, deadline="50m", folds=2):
    command = [sys.executable, "-m", "benchmarks.deadline", "demo", "--deadline", deadline, "--out", str(out)]
    command += ["--recipe", "smoke", *TINY, "--trained-folds", str(folds), *more]
    return subprocess.run(command, cwd=ROOT, env=environment(KERAS_BACKEND="jax"), capture_output=True, text=True)


def rows(out):
    with (out / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def unpacked(archive_path, folder):
    with tarfile.open(archive_path) as archive:
        archive.extractall(folder, filter="data")
        return archive.getnames()


def test_a_second_call_trains_only_what_the_first_did_not_finish(tmp_path):
    first, second, classical = tmp_path / "first", tmp_path / "second", ["--model", "classical"]
    none = call(tmp_path / "none", *classical, deadline="20.5s")
    assert none.returncode == 1 and "deadline is over" in none.stderr and not list((tmp_path / "none").glob("*.tar.xz"))
    done = call(first, *classical)
    assert done.returncode == 0, done.stderr
    assert [(row["run"], row["fold"]) for row in rows(first)] == [("smoke", "0"), ("smoke", "1"), ("smoke", "all")]
    assert (first / "demo-smoke.csv").exists() and len(list(first.iterdir())) <= 8
    # as if the first call had been cut off after one fold
    names = unpacked(first / "smoke.tar.xz", tmp_path / "unpacked")
    assert "smoke/fold1/valid.npy" in names and "smoke/thresholds.json" in names
    with tarfile.open(first / "smoke.tar.xz", "w:xz") as archive:
        for name in ("smoke/recipe.json", "smoke/fold0"):
            archive.add(tmp_path / "unpacked" / name, name)
    resumed = call(second, *classical, "--resume", str(first))
    assert resumed.returncode == 0, resumed.stderr
    assert "smoke fold 1" in resumed.stdout and "smoke fold 0" not in resumed.stdout
    assert (second / "demo-smoke.csv").read_bytes() == (first / "demo-smoke.csv").read_bytes()
    assert [row["fold"] for row in rows(second)] == ["0", "1", "all"]
    # when the recipes are finished, the variants' turn comes
    third = call(tmp_path / "third", *classical, "--resume", str(second), "--variant", "seed=1", "--variant", "seed=2")
    assert third.returncode == 0, third.stderr
    assert "smoke fold" not in third.stdout and len(list((tmp_path / "third").iterdir())) <= 8
    with (tmp_path / "third" / "ablation.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    # nothing is left to chance in this model
    assert [(row["variant"], float(row["gain"] or 0)) for row in table] == [("base", 0), ("seed=1", 0), ("seed=2", 0)]
    names = unpacked(tmp_path / "third" / "variants.tar.xz", tmp_path / "variants")
    assert {name.split("/")[0] for name in names} == {"smoke-seed-1", "smoke-seed-2"}


def test_networks_that_are_too_large_for_an_archive_need_not_come_back(tmp_path):
    pytest.importorskip("jax")
    first, second = tmp_path / "first", tmp_path / "second"
    done = call(first, folds=1)
    assert done.returncode == 0, done.stderr
    assert [(row["fold"], row["backend"]) for row in rows(first)] == [("0", "jax"), ("all", "jax")]
    unpacked(first / "smoke.tar.xz", tmp_path / "unpacked")
    (tmp_path / "unpacked" / "smoke" / "fold0" / "model.weights.h5").unlink()
    with tarfile.open(first / "smoke.tar.xz", "w:xz") as archive:
        for name in ("smoke/recipe.json", "smoke/fold0"):
            archive.add(tmp_path / "unpacked" / name, name)
    resumed = call(second, "--resume", str(first), folds=1)
    assert resumed.returncode == 0 and "smoke fold 0:" not in resumed.stdout, resumed.stderr
    assert (second / "demo-smoke.csv").read_bytes() == (first / "demo-smoke.csv").read_bytes()
