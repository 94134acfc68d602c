"""The stage download: once, again only when asked, never over what is there."""

import os
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.runs import drawn
from pipeline.stages import download, upload
from pipeline.store.disk import write_json
from pipeline.store.paths import Store
from tests.kaggle.server import zip_of

pytest_plugins = ["tests.kaggle.fixtures"]

ZIP = zip_of(train=bytes(99))


def test_the_stage_downloads_once_and_again_only_when_asked(kaggle, job_of, capsys):
    kaggle.offers(ZIP)
    job = job_of()
    assert not download.is_current(job)
    download.run(job)
    assert download.is_current(job)
    download.run(job, named=True)
    assert "not fetched again" in capsys.readouterr().out
    assert len(kaggle.asked("archive.zip")) == 1
    download.run(job_of(again=True), named=True)
    assert len(kaggle.asked("archive.zip")) == 2


def test_given_data_or_prepared_data_needs_no_download(tmp_path, job_of, capsys):
    with pytest.raises(UserError, match="is not a folder; name the one"):
        download.is_current(job_of(data=tmp_path / "nowhere"))
    write_json(tmp_path / "mine" / "a.json", 1)
    job = job_of(data=tmp_path / "mine")
    assert download.is_current(job)
    download.run(job, named=True)
    assert "nothing to download" in capsys.readouterr().out
    write_json(job.store.prepared / "prepared.json", {})
    assert download.is_current(job_of())


def test_a_competition_may_draw_its_data_and_is_done_when_train_csv_is_there(job_of):
    def draw(folder: Path) -> None:
        assert not (folder / "train.csv").exists()
        (folder / "picture.png").write_text("")
        (folder / "train.csv").write_text("id")

    def stop(folder: Path) -> None:
        (folder / "picture.png").write_text("")
        raise KeyboardInterrupt

    job = job_of(slug="", draw=stop)
    with pytest.raises(KeyboardInterrupt):
        download.run(job)
    assert not download.is_current(job)
    job = job_of(slug="", draw=draw)
    download.run(job)
    assert download.is_current(job)
    download.run(job_of(slug="", draw=draw, again=True), named=True)


def _draw(folder: Path) -> None:
    (folder / "picture.png").write_text("")


def test_nobody_logged_in_gets_drawn_files_apart_from_raw_and_is_told_each_time(logged_out, job_of, capsys):
    job = job_of(draw=_draw)
    assert not download.is_current(job)
    download.run(job)
    said = capsys.readouterr().out
    assert "no Kaggle credentials" in said and "THE DATA IS DRAWN" in said
    assert job.raw_folder() == job.store.drawn and not job.store.raw.exists()
    assert sorted(path.name for path in job.store.drawn.iterdir()) == [drawn.MARK, "picture.png"]
    assert download.is_current(job)
    assert "THE DATA IS DRAWN" in capsys.readouterr().out
    with pytest.raises(UserError, match="its data here is drawn"):
        upload.refuse(job)


def test_real_files_come_before_drawn_ones(logged_out, job_of, capsys):
    job = job_of(draw=_draw)
    download.run(job)
    write_json(job.store.raw / "a.json", 1)
    capsys.readouterr()
    assert job.raw_folder() == job.store.raw and download.is_current(job)
    assert "DRAWN" not in capsys.readouterr().out
    upload.refuse(job)
    # asked for again: what is there is not taken for less than it is
    with pytest.raises(UserError, match="no Kaggle credentials"):
        download.run(job_of(draw=_draw, again=True), named=True)
    assert (job.store.raw / "a.json").exists()


def test_with_credentials_the_competition_is_downloaded_and_nothing_drawn(kaggle, job_of):
    kaggle.offers(ZIP)
    job = job_of(draw=_draw)
    download.run(job)
    assert job.raw_folder() == job.store.raw and not job.store.drawn.exists()


def test_credentials_later_replace_what_was_drawn_when_asked(kaggle, job_of, monkeypatch):
    kaggle.offers(ZIP)
    token = os.environ["KAGGLE_API_TOKEN"]
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    job = job_of(draw=_draw)
    download.run(job)
    assert drawn.is_taken(job)
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    download.run(job_of(draw=_draw, again=True), named=True)
    assert not drawn.is_taken(job) and job.raw_folder() == job.store.raw


def test_a_bad_token_or_a_competition_that_cannot_draw_is_refused(logged_out, job_of, monkeypatch):
    with pytest.raises(UserError, match="no Kaggle credentials"):
        download.run(job_of())
    monkeypatch.setenv("KAGGLE_API_TOKEN", "x")
    job = job_of(draw=_draw)
    with pytest.raises(UserError):
        download.run(job)
    assert not job.store.drawn.exists()


def test_drawing_that_is_stopped_leaves_nothing(logged_out, job_of):
    def stop(folder: Path) -> None:
        _draw(folder)
        raise KeyboardInterrupt

    job = job_of(draw=stop)
    with pytest.raises(KeyboardInterrupt):
        download.run(job)
    assert not download.is_current(job) and not list(job.store.data.iterdir())


def test_in_a_notebook_whose_answer_is_submitted_nothing_is_drawn(logged_out, job_of, monkeypatch, tmp_path):
    monkeypatch.setattr(Store, "kaggle_output", property(lambda store: tmp_path / "submission.csv"))
    with pytest.raises(UserError, match="no Kaggle credentials"):
        download.run(job_of(draw=_draw))


def test_a_competition_that_is_not_on_kaggle_asks_for_data(job_of):
    with pytest.raises(UserError, match="--data DIR"):
        download.run(job_of(slug=""))
