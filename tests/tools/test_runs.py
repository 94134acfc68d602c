"""One table of every run: what is true of each, what differs, and why one has no score."""

import csv
import io
import json
import os
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

from pipeline import __main__ as command_line
from pipeline.runs import every
from pipeline.store import disk
from pipeline.store.paths import Store
from tests import made_runs
from tests.start import run


def table(path) -> dict[str, dict]:
    with path.open(newline="") as file:
        return {row["run"]: row for row in csv.DictReader(file)}


def thresholds(root, name) -> dict:
    return json.loads((root / "runs" / "demo" / name / "thresholds.json").read_text())


def test_runs_stand_by_score_with_what_differs_alone(desk_root):
    job = made_runs.job_of(desk_root, "good")
    made_runs.upload(job, 0.71, 0.72)
    out = run("demo", "runs", root=desk_root)
    rows = table(desk_root / "runs" / "demo" / "runs.csv")
    scored = [name for name, row in rows.items() if row["cross_fitted"]]
    scores = [thresholds(desk_root, name)["cross_fitted"] for name in scored]
    assert set(scored) == {"good", "better", "poor", "part"} and scores == sorted(scores, reverse=True)
    for name in scored:
        kept = thresholds(desk_root, name)
        assert float(rows[name]["cross_fitted"]) == kept["cross_fitted"]
        assert float(rows[name]["standard_error"]) == kept["standard_error"]
        assert f"{kept['cross_fitted']:.4f} ± {kept['standard_error']:.4f}" in out
    fields = list(rows["good"])[list(rows["good"]).index("folds") + 1 : -1]
    assert fields == ["seed", "width", "late_loss"]
    assert (rows["good"]["public"], rows["good"]["private"], rows["better"]["public"]) == ("0.71", "0.72", "")
    # three folds of two epochs of half a minute
    assert (float(rows["good"]["minutes"]), float(rows["part"]["minutes"])) == (3.0, 1.0)
    title, head, *lines = out.splitlines()
    assert "4 run(s)" in title and "width" in head and "seed" not in head
    assert [line.split()[0] for line in lines[:4]] == scored
    page = (desk_root / "runs" / "demo" / "runs.html").read_text()
    assert all(f">{name}<" in page for name in rows) and "late loss" in page


def test_of_a_run_that_was_brought_the_fields_are_not_known(desk_root):
    job = made_runs.job_of(desk_root, "brought")
    disk.write_json(job.store.recipe, {"recipe": "adopted", "folds": 3})
    disk.write_json(job.store.run_folder / "adopted.json", {"from": "elsewhere"})
    made_runs.hold_out(job, miss=0.5)
    run("demo", "tune", "--run", "brought", root=desk_root)
    out = run("demo", "runs", root=desk_root)
    (line,) = [line for line in out.splitlines() if line.startswith("brought")]
    assert line.split()[-2:] == ["?", "?"]
    row = table(desk_root / "runs" / "demo" / "runs.csv")["brought"]
    assert (row["width"], row["late_loss"], row["why"]) == ("", "", "") and row["cross_fitted"]
    assert "the recipe of one of them is not known" in run("demo", "compare", "brought", "good", root=desk_root)


def test_the_iou_is_of_the_pixels_as_they_are_decoded(desk_root):
    run("demo", "runs", root=desk_root)
    found = float(table(desk_root / "runs" / "demo" / "runs.csv")["good"]["iou"])
    job = made_runs.job_of(desk_root, "good")
    with np.load(job.store.crossed) as kept:
        rules = json.loads(str(kept["rules"]))
        parts, folds = kept["parts"].tolist(), kept["folds"].tolist()
    overlaps, place = [], {}
    for part, fold in zip(parts, folds, strict=True):
        rule, place[fold] = rules[part][0], place.get(fold, -1) + 1
        row = job.fold_table.held_out(fold)[place[fold]]
        values = np.load(job.store.fold(fold) / "valid.npy").reshape(-1, 101, 101)[place[fold]]
        empty = (values >= np.floor(255 * rule["top"] + 0.5)).sum() < rule["min_area"]
        mask = np.zeros_like(values, bool) if empty else values >= np.floor(255 * rule["bottom"] + 0.5)
        truth = job.prepared.labels[row][..., 0] != 0
        union = (mask | truth).sum()
        overlaps.append((mask & truth).sum() / union if union else 1.0)
    assert found == pytest.approx(np.mean(overlaps), abs=1e-12)


def test_what_a_killed_exchange_left_is_no_run(tmp_path):
    store = Store(tmp_path, "tiny")
    for name in ("kept", "kept.before", "lost.before"):
        disk.write_json(store.runs / name / "adopted.json", {})
    job = SimpleNamespace(store=store)
    with mock.patch.object(every, "_read", lambda job, folder: folder.name):
        assert every.found(job) == ["kept", "lost.before"]


def test_what_has_no_score_says_why(desk_root):
    disk_of = desk_root / "runs" / "demo"
    hand = disk_of / "poor" / "thresholds.json"
    hand.write_text('{"thresholds": [{"top": 0.5, "min_area": 0, "bottom": 0.5}]}')
    (disk_of / "brought").mkdir()
    (disk_of / "brought" / "adopted.json").write_text("{}")
    # predicted anew, after it was tuned
    made_runs.hold_out(made_runs.job_of(desk_root, "better", width=24), miss=0.5, seed=3)
    # learnt from other data
    record = disk_of / "part" / "fold0" / "valid.npy.inputs.json"
    record.write_text(record.read_text().replace('"prepared": "', '"prepared": "x'))
    out = run("demo", "runs", root=desk_root)
    why = {line.split()[0]: line.split(None, 1)[1] for line in out.splitlines()[3:-1]}
    assert why["untuned"] == "not tuned: ./run.sh demo tune --run untuned"
    assert why["bare"] == "not trained: ./run.sh demo train --run bare"
    assert why["better"] == "stale: ./run.sh demo tune --run better"
    assert why["poor"] == "thresholds made by hand: not cross-fitted"
    assert "recipe.json is not valid json" in why["odd"]
    assert "other train images or labels" in why["part"]
    assert why["brought"].startswith("not trained")
    assert set(table(disk_of / "runs.csv")) == {*why, "good"}


def test_what_was_tuned_before_scores_were_kept_is_counted_once(desk_root):
    path = desk_root / "runs" / "demo" / "good" / "cross_fitted.npz"
    before = path.read_bytes()
    place = before.rindex(b"PK\x01\x02") + 6
    of_another_version = before[:place] + b"\x4f" + before[place + 1 :]
    for spoilt in (None, of_another_version, _with_other_shapes(path)):
        path.unlink() if spoilt is None else path.write_bytes(spoilt)
        run("demo", "runs", root=desk_root)
        assert path.read_bytes() == before
    stamp = path.stat().st_mtime_ns
    run("demo", "runs", root=desk_root)
    assert path.stat().st_mtime_ns == stamp


def _with_other_shapes(path) -> bytes:
    with np.load(path) as kept:
        arrays = dict(kept)
    buffer = io.BytesIO()
    np.savez(buffer, **{**arrays, "overlap": arrays["overlap"][:-1]})
    return buffer.getvalue()


def test_a_table_changed_by_hand_is_kept(desk_root, tmp_path):
    run("demo", "runs", root=desk_root)
    path, further = desk_root / "runs" / "demo" / "runs.csv", tmp_path / "table.csv"
    path.write_text("mine\n")
    assert "runs.csv is yours: kept" in run("demo", "runs", "--csv", further, root=desk_root)
    assert path.read_text() == "mine\n" and "good" in table(further)
    run("demo", "runs", "--again", root=desk_root)
    assert "good" in table(path)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["demo", "runs", "good"], "runs wants a competition and nothing more"),
        (["runs"], "runs wants a competition and nothing more"),
        (["demo", "runs", "--run", "good"], "--run means nothing to runs"),
        (["demo", "runs", "--epochs", "3"], "--epochs means nothing to runs"),
        (["demo", "runs", "--csv", "there.csv"], "there.csv is there; give another name"),
        (["demo", "tune", "--csv", "x.csv"], "--csv is of the tool runs: ./run.sh tgs runs --csv"),
        (["tgs", "runs"], "there is no run of tgs yet"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_line(desk, tmp_path, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("mine\n")
    root = [] if arguments == ["runs"] else ["--root", str(desk)]
    assert command_line.main([*arguments, *root]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert (tmp_path / "there.csv").read_text() == "mine\n"


def test_a_pipe_is_not_replaced_by_the_table(desk_root, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    line = run("demo", "runs", "--csv", tmp_path / "pipe", "--again", root=desk_root, status=2)
    assert "pipe is no file; move it away" in line and (tmp_path / "pipe").is_fifo()
