"""What is said of the folds of a run as they are trained: by other code than the ones before, or to no effect."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.stages import train
from pipeline.store import disk
from pipeline.training import backend, history, trainer
from tests.runs.by_heart import FOLDS, ByHeart, drawn, job_of, split_as
from tests.start import run

CHANGED = "pipeline/training/losses.py"


class Learning(ByHeart):
    """Also writes what code it was, and a loss for each epoch."""

    losses = (0.9, 0.8, 0.7)

    @staticmethod
    def environment(recipe):
        return {"backend": "none", "code": backend.code_fingerprints()}

    @classmethod
    def train_fold(cls, plan, prepared, competition, recipe):
        fixed = {"iou": 0.5, "accuracy": 0.9, "learning_rate": 1e-3, "score": None, "seconds": 90.0}
        history.write(plan.folder, [{"epoch": i + 1, "loss": loss, **fixed} for i, loss in enumerate(cls.losses)])
        ByHeart.train_fold(plan, prepared, competition, recipe)


class Stopping(Learning):
    @classmethod
    def train_fold(cls, plan, prepared, competition, recipe):
        raise UserError("stopped")


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "of", lambda recipe, devices=1: Learning)
    images, labels = drawn(15)
    return split_as(job_of(tmp_path, images, labels, epochs=3, steps=12, batch_size=2), np.arange(15) % FOLDS)


def learnt_with_other_code(job, *folds) -> None:
    for fold in folds:
        path = job.store.fold(fold) / backend.ENVIRONMENT
        content = json.loads(path.read_text())
        disk.write_json(path, {**content, "code": {**content["code"], CHANGED: "then"}})


def said(capsys) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]


def test_a_fold_that_is_learnt_by_other_code_than_those_before_it_is_named_before_it_is_trained(
    job, monkeypatch, capsys
):
    train.run(replace(job, folds=(0, 1)))
    train.run(replace(job, folds=(0,), again=True))
    assert said(capsys) == []
    learnt_with_other_code(job, 0, 1)
    monkeypatch.setattr(trainer, "of", lambda recipe, devices=1: Stopping)
    with pytest.raises(UserError, match="stopped"):
        train.run(replace(job, folds=(2,)))
    (line,) = said(capsys)
    assert line.startswith("warning: changed since fold 0, 1 of this run learnt, and before fold 2 does: " + CHANGED)
    # those that are trained again are not compared with
    with pytest.raises(UserError, match="stopped"):
        train.run(replace(job, folds=(0, 1, 2), again=True))
    assert said(capsys) == []


def test_where_nothing_is_trained_or_nothing_is_known_nothing_is_said(job, capsys):
    train.run(replace(job, folds=(0, 1)))
    learnt_with_other_code(job, 0)
    (job.store.fold(1) / backend.ENVIRONMENT).unlink()
    capsys.readouterr()
    train.run(replace(job, folds=(0, 1)))
    assert said(capsys) == []
    train.run(replace(job, folds=(2,)))
    (line,) = said(capsys)
    assert "since fold 0 of this run learnt" in line


def test_a_damaged_environment_of_another_fold_is_one_line(job):
    train.run(replace(job, folds=(0,)))
    (job.store.fold(0) / backend.ENVIRONMENT).write_text('{"code": [1]}')
    with pytest.raises(UserError, match=r"fold0/environment\.json is not what a training writes; delete it"):
        train.run(replace(job, folds=(1,)))


def test_a_loss_that_has_not_fallen_is_named_at_the_end_of_the_fold(job, monkeypatch, capsys):
    train.run(replace(job, folds=(0,)))
    out = capsys.readouterr().out
    assert "warning" not in out and "of which its epochs took 4.5" in out
    monkeypatch.setattr(Learning, "losses", (0.9, 0.9, 0.899))
    train.run(replace(job, folds=(1,)))
    (line,) = said(capsys)
    assert line.startswith("warning: fold 1: the loss has not fallen: 0.9000 in epoch 1, 0.8990 in epoch 3")
    # too few steps to say so
    monkeypatch.setattr(Learning, "losses", (0.9, 0.9))
    train.run(replace(job, folds=(2,)))
    assert said(capsys) == []


def test_a_history_that_is_none_is_named_before_the_work(job):
    folder = job.store.fold(0)
    folder.mkdir(parents=True)
    (folder / history.NAME).write_text("epoch,loss\n1,low\n")
    with pytest.raises(UserError, match=r"fold0/history\.csv has no column"):
        train.run(replace(job, folds=(0,)))
    assert {path.name for path in folder.iterdir()} == {history.NAME}


def test_of_a_recipe_changed_by_hand_the_recipe_is_to_be_restored(desk_root):
    path = desk_root / "runs" / "demo" / "good" / "recipe.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "width": 7}))
    line = run("demo", "tune", "--run", "good", root=desk_root, status=2)
    assert "was made from another recipe than now" in line
    assert line.strip().endswith("or restore runs/demo/good/recipe.json as it was")
