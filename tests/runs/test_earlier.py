"""A run that goes on from an earlier output: what is copied, what stays, what is refused."""

import os
import shlex
import shutil
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.runs import earlier
from pipeline.store import records
from tests import made_runs
from tests.start import run


@pytest.fixture
def output(desk_root):
    """What a session left of `part`: fold 0, and a checkpoint of fold 1; nobody may write to it."""
    fold = desk_root / "runs" / "demo" / "part" / "fold1"
    fold.mkdir()
    (fold / "checkpoint.npz").write_bytes(b"c")
    (fold / "model.part-1-0a0b0c.weights.h5").write_bytes(b"half")
    (fold / ".lock").write_text("{}")
    for folder, _, names in os.walk(desk_root / "runs"):
        for name in names:
            Path(folder, name).chmod(0o444)
        Path(folder).chmod(0o555)
    yield desk_root
    for folder, _, _ in os.walk(desk_root / "runs"):
        Path(folder).chmod(0o755)


@pytest.fixture
def job(drawn, tmp_path):
    shutil.copytree(drawn, tmp_path / "here")
    return made_runs.job_of(tmp_path / "here", "part")


def test_folds_and_checkpoints_are_taken_and_may_be_written_to(output, job, capsys):
    earlier.take(job, output)
    assert capsys.readouterr().out == f"from {output}: fold 0 (finished), fold 1 (to be gone on with)\n"
    assert [path.name for path in job.store.fold(1).iterdir()] == ["checkpoint.npz"]
    with job.store.fold(1).joinpath("checkpoint.npz").open("ab"):
        pass
    # a record knows its file by its time, without reading it
    valid = job.store.fold(0) / "valid.npy"
    assert records.read_record(valid)["modified_ns"] == valid.stat().st_mtime_ns
    assert job.store.recipe.exists()


def test_what_cannot_be_copied_is_a_line_and_no_fold_is_half_here(output, job):
    folder = output / "runs" / "demo" / "part" / "fold1"
    folder.chmod(0o755)
    (folder / "history.csv").symlink_to("gone")
    with pytest.raises(UserError, match=r"^cannot copy .*history.csv: .*No such file") as caught:
        earlier.take(job, output)
    assert "\n" not in str(caught.value)
    assert not job.store.fold(1).exists()


def test_what_is_here_stays(output, job, capsys):
    (job.store.fold(0)).mkdir(parents=True)
    (job.store.fold(0) / "checkpoint.npz").write_bytes(b"mine")
    earlier.take(job, output)
    assert (job.store.fold(0) / "checkpoint.npz").read_bytes() == b"mine"
    assert "1 fold(s) of " in capsys.readouterr().out


def test_an_output_of_another_run_is_refused(output, tmp_path, drawn):
    shutil.copytree(drawn, tmp_path / "here")
    with pytest.raises(UserError, match=r"holds nothing of run 'new' \(it has .*part") as caught:
        earlier.take(made_runs.job_of(tmp_path / "here", "new"), output)
    assert "\n" not in str(caught.value)


def test_on_the_command_line(output, job):
    words = ["demo", "tune", "--run", "part", "--continue-from", output]
    err = run(*words, root=job.store.root, status=2)
    asked = shlex.split(err[err.index("--recipe") : err.index(";")])
    assert f"run 'part' of {output} was made with --recipe quick --width 32" in err
    assert not job.store.run_folder.exists()
    out = run(*words, *asked, root=job.store.root)
    assert "fold 0 (finished)" in out and "tuned on the trained folds 0 of 3" in out
    err = run("demo", "check", "x.csv", "--continue-from", output, root=job.store.root, status=2)
    assert "--continue-from means nothing to check" in err
