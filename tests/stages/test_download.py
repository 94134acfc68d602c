"""The stage download: once, again only when asked, never over what is there."""

from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.stages import download
from pipeline.store.disk import write_json
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


def test_a_competition_that_is_not_on_kaggle_asks_for_data(job_of):
    with pytest.raises(UserError, match="--data DIR"):
        download.run(job_of(slug=""))
