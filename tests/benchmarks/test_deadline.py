"""Folds under a deadline: archives that are complete, and a later call that goes on."""

import ast
import csv
import subprocess
import sys
import time

import pytest

from benchmarks import archive
from benchmarks.deadline import Experiment
from pipeline import recipe as recipes
from pipeline.command.names import competition
from pipeline.runs import variants
from tests.start import ROOT, TINY, environment

pytestmark = pytest.mark.slow


def call(out, *more, deadline="50m", folds=2):
    command = [sys.executable, "-m", "benchmarks.deadline", "demo", "--deadline", deadline, "--out", str(out)]
    command += ["--recipe", "smoke", *TINY, "--trained-folds", str(folds), *more]
    return subprocess.run(command, cwd=ROOT, env=environment(KERAS_BACKEND="jax"), capture_output=True, text=True)


def rows(out):
    with (out / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def unpacked(path, folder):
    archive.unpack(path, folder)
    return {found.relative_to(folder).as_posix() for found in folder.rglob("*") if found.is_file()}


def cut_off_after_one_fold(out, folds, *more):
    """What a call leaves that is killed when fold 0 is finished."""
    out.mkdir()
    root = out.with_name(f"{out.name}-root")
    options = ["--trained-folds", str(folds), *TINY, *more]
    experiment = Experiment("demo", ["smoke"], [], None, out, root, time.monotonic() + 3000, options)
    experiment.pipeline("split", *experiment.named("smoke"), limit=600)
    assert experiment.train("smoke", experiment.named("smoke"), 0)
    assert [(row["run"], row["fold"]) for row in rows(out)] == [("smoke", "0")]


def test_a_second_call_trains_only_what_the_first_did_not_finish(tmp_path):
    first, second, classical = tmp_path / "first", tmp_path / "second", ["--model", "classical"]
    none = call(tmp_path / "none", *classical, deadline="20.5s")
    assert none.returncode == 1 and "deadline is over" in none.stderr and not list((tmp_path / "none").glob("*.tar.xz"))
    cut_off_after_one_fold(first, 2, *classical)
    # when the recipes are finished, the variants' turn comes
    done = call(second, *classical, "--resume", str(first), "--variant", "seed=1")
    assert done.returncode == 0, done.stderr
    assert "smoke fold 1" in done.stdout and "smoke fold 0" not in done.stdout
    assert [(row["run"], row["fold"]) for row in rows(second)] == [("smoke", "0"), ("smoke", "1"), ("smoke", "all")]
    assert (second / "demo-smoke.csv").exists() and len(list(second.iterdir())) <= 8
    names = unpacked(second / "smoke.tar.xz", tmp_path / "unpacked")
    assert {"smoke/fold0/valid.npy", "smoke/fold1/valid.npy", "smoke/thresholds.json"} <= names
    with (second / "ablation.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    # nothing is left to chance in this model
    assert [(row["variant"], float(row["gain"] or 0)) for row in table] == [("base", 0), ("seed=1", 0)]
    assert "smoke-seed-1/fold0/valid.npy" in unpacked(second / "variants.tar.xz", tmp_path / "variants")


def test_networks_that_are_too_large_for_an_archive_need_not_come_back(tmp_path, monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setattr(archive, "LARGE", 0)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    first, second = tmp_path / "first", tmp_path / "second"
    cut_off_after_one_fold(first, 1)
    names = unpacked(first / "smoke.tar.xz", tmp_path / "unpacked")
    assert "smoke/fold0/valid.npy" in names and "smoke/fold0/model.weights.h5" not in names
    resumed = call(second, "--resume", str(first), folds=1)
    assert resumed.returncode == 0 and "smoke fold 0:" not in resumed.stdout, resumed.stderr
    assert [(row["fold"], row["backend"]) for row in rows(second)] == [("0", "jax"), ("all", "jax")]
    assert (second / "demo-smoke.csv").exists()


def test_variants_that_cannot_be_are_refused_before_anything_is_trained(tmp_path):
    for words in (["--variant", "attention=on"], ["--variant", "seed=0"], ["--loss", "hinge"]):
        refused = call(tmp_path / "out", *words)
        assert refused.returncode == 1 and refused.stderr.startswith("error: "), refused.stderr


def test_the_variants_of_tgs_are_some(monkeypatch):
    source = (ROOT / "benchmarks" / "tgs" / "__main__.py").read_text(encoding="utf-8")
    words = ast.literal_eval(source[source.index("VARIANTS = ") + 11 : source.index("\n]") + 2])
    tgs = competition("tgs")
    found = variants.parse(tuple(words), recipes.resolve(tgs.recipes["default"], {}))
    assert len(found) == len(words) >= 3


def table(*rows):
    return [dict(zip(("variant", "run", "gain", "verdict"), row, strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (table(("base", "b", "", ""), ("width=48", "w", "0.01", "gains"), ("fit=resize", "f", "0.02", "gains")), "f"),
        # another seed gained as much: chance
        (table(("base", "b", "", ""), ("seed=1", "s", "-0.015", "loses"), ("width=48", "w", "0.01", "gains")), None),
        (table(("base", "b", "", ""), ("seed=1", "s", "0.03", "gains")), None),
        (table(("base", "b", "", ""), ("width=48", "w", "", "unknown")), None),
        ([], None),
    ],
)
def test_the_winner_gained_more_than_chance(tmp_path, monkeypatch, found, wanted):
    monkeypatch.setattr(Experiment, "compared", lambda self: found)
    assert Experiment("demo", ["smoke"], [], None, tmp_path, tmp_path, 0, []).winner() == wanted
