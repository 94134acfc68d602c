"""A fold as work for a process of its own: its words, and how the lines of that process are read."""

import os
import pickle
import signal
from dataclasses import replace

import pytest

from pipeline.command import options
from pipeline.errors import UserError
from pipeline.machines import apart, ways
from pipeline.machines.work import of, why
from pipeline.stages import train
from pipeline.training import trainer
from pipeline.training.budget import Pace
from tests import made_runs


def test_the_words_of_a_fold_say_what_the_command_said(tmp_path):
    job = made_runs.job_of(tmp_path, "-mine")
    one = of(job, 2, epochs=36)
    assert one.words_here == ["demo", "train", "--fold", "2", "--run=-mine", "--root", str(tmp_path)]
    assert (one.title, one.folder, one.epochs) == ("fold 2", tmp_path / "runs" / "demo" / "-mine" / "fold2", 36)
    more = replace(job, again=True, wait=True, on_bad_image="empty", devices=2, data=tmp_path / "raw", jobs="auto")
    words = of(more, "all", epochs=0, of_several=True).words_here
    given = options.parse(words)
    assert (given.words, given.fold, given.run) == (["demo", "train"], ["all"], "-mine")
    assert (given.again, given.wait, given.on_bad_image, given.devices) == (True, True, "empty", 2)
    assert (given.root, given.data, given.jobs) == (tmp_path, tmp_path / "raw", None)


def test_lines_of_a_process_get_its_title_once(tmp_path):
    job = made_runs.job_of(tmp_path, "quick-width24")
    alone, beside = of(job, 2, 36), of(job, 2, 36, of_several=True)
    assert alone.titled("fold 2, epoch 3 of 9: loss 1") == "fold 2, epoch 3 of 9: loss 1"
    assert alone.titled("fold 2 took 3 minutes") == "fold 2 took 3 minutes"
    assert alone.titled("fold 21 took 3 minutes") == "fold 2: fold 21 took 3 minutes"
    assert beside.titled("fold 2: warning") == "quick-width24 fold 2: warning"
    assert alone.titled("warning: changed") == "fold 2: warning: changed"
    news = ["fold 2 took 3 minutes", "warning: train: up to date", "prepare: up to date, but old"]
    assert [line for line in [*news, "", "train:", "split: up to date", "error: no"] if alone.is_news(line)] == news
    assert alone.is_of_epoch("fold 2, epoch 3 of 9: x") and not alone.is_of_epoch("fold 2 took 3 minutes")


def test_why_a_process_failed_is_its_last_line_or_its_signal():
    assert why(0, ["noise"]) == ""
    assert why(2, ["noise", "error: the disk is full", ""]) == "the disk is full"
    assert why(1, ["Traceback", "KeyError: 3"]) == "KeyError: 3"
    assert why(3, []) == "it ended with 3 and said nothing"
    assert "memory" in why(-signal.SIGKILL, []) and "SIGTERM" in why(-signal.SIGTERM, [])


def test_what_failed_is_named_and_the_rest_is_not_forgotten():
    with pytest.raises(UserError, match=r"^fold 1 failed: disk; the others are finished; the same command .* goes on$"):
        ways.do(lambda works: {"fold 1": "disk"}, [1, 2, 3])
    ways.do(lambda works: {}, [1])
    done = []
    with pytest.raises(UserError, match=r"^fold 1 failed: disk; the other is finished"):
        ways.do(lambda works: done.append(works) or dict.fromkeys({"fold 1"} & {*works}, "disk"), ["fold 1"], [], ["b"])
    assert done == [["fold 1"], ["b"]]


def test_one_place_is_asked_for(tmp_path):
    job = made_runs.job_of(tmp_path, "a")
    assert ways.way(job) is None and ways.share(job, 3) == ({}, 3)
    with pytest.raises(UserError, match="give one of them"):
        ways.check(replace(job, jobs=2, on="ray"))


@pytest.mark.parametrize(("option", "value"), [("--jobs", "0"), ("--jobs", "many"), ("--devices", "x"), ("--on", " ")])
def test_what_is_no_number_of_them_is_refused(option, value):
    with pytest.raises(UserError, match=option):
        options.parse(["demo", "train", option, value])


def test_a_function_apart_gives_what_it_gives_here():
    assert apart.called({"OF_ITS_OWN": "7"}, os.getenv, "OF_ITS_OWN") == "7"
    assert "OF_ITS_OWN" not in os.environ
    with pytest.raises(ValueError, match="invalid literal"):
        apart.called({}, int, "x")
    with pytest.raises(UserError, match="was ended"):
        apart.called({}, os._exit, 3)


def test_a_budget_is_for_the_folds_that_one_process_trains(demo_root, monkeypatch, capsys):
    """Three folds, two at a time: as many epochs as two folds get, and test images as three predict."""
    job = replace(made_runs.job_of(demo_root, "timed", steps=2, budget="8h"), jobs=2)
    pace = Pace(start=0, step=1000, save=0, ready=0, image=0, flipped=10, count=0)
    monkeypatch.setattr(trainer, "pace_of", lambda *_: pace)
    monkeypatch.setattr(ways, "share", lambda job, folds: ({}, 2))

    def here(environment, function, *arguments):
        return function(*pickle.loads(pickle.dumps(arguments)))

    monkeypatch.setattr(apart, "called", here)
    job, folds = train.begun(job)
    assert folds == [0, 1, 2]
    # 27360 s are usable; 160 test images of three folds take 4800, an epoch of two folds 4000
    held_out = 213 * 10
    assert job.recipe.epochs == (27360 - 4800 - held_out) // 4000 == 5
    assert "3 folds of 5 epochs, 2 of them one after the other" in capsys.readouterr().out
