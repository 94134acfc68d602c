"""Whole runs on the demo, as a user starts them: what is done, done again, kept, refused."""

import json
import shutil
import stat

import numpy as np
import pandas
import pytest

from tests.start import TINY, run

pytestmark = pytest.mark.slow

# a model that is chosen in a second: what is tested here lies around it
CHOSEN = [*TINY, "--model", "classical"]


@pytest.fixture(scope="module")
def finished(drawn, tmp_path_factory):
    """A root with a tiny run of all three folds, every stage done."""
    root = tmp_path_factory.mktemp("finished") / "root"
    shutil.copytree(drawn, root)
    out = run("demo", *TINY, "--run", "tiny", root=root)
    return root, out


@pytest.fixture
def copy(finished, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(finished[0], root)
    # the raw files are others now, with the same content: that is noted once
    run("demo", "split", "--folds", "3", root=root)
    return root


def thresholds(root, name="tiny") -> dict:
    return json.loads((root / "runs" / "demo" / name / "thresholds.json").read_text())


def modified(root) -> dict[str, int]:
    folders = ("data", "folds", "runs", "submissions")
    files = (path for folder in folders for path in (root / folder).rglob("*") if path.is_file())
    # of a lock the file is written each time it is taken
    return {str(path): path.stat().st_mtime_ns for path in files if not path.name.endswith(".lock")}


def test_every_stage_leaves_its_file(finished):
    root, out = finished
    run_folder = root / "runs" / "demo" / "tiny"
    for fold in range(3):
        for name in ("model.weights.h5", "history.csv", "valid.npy", "valid.csv", "test.npy", "test.csv"):
            assert (run_folder / f"fold{fold}" / name).exists(), name
    table = pandas.read_csv(root / "submissions" / "demo-tiny.csv", dtype=str, keep_default_na=False)
    sample = pandas.read_csv(root / "data" / "demo" / "raw" / "sample_submission.csv", dtype=str)
    assert table["id"].tolist() == sample["id"].tolist()
    assert (run_folder / "report.html").exists()
    assert not list(root.rglob("*.part*"))
    assert out.strip().splitlines()[-1].count("hidden truth") == 1


def test_thresholds_json_keeps_the_contract(finished):
    content = thresholds(finished[0])
    assert content["classes"] == ["salt"]
    assert set(content["thresholds"][0]) >= {"top", "min_area", "bottom"}
    assert content["n"] == 320 and content["folds"] == [0, 1, 2]
    assert all(isinstance(content[key], float) for key in ("oof", "cross_fitted", "standard_error", "oof_no_tta"))


def test_valid_npy_keeps_the_contract(finished):
    folder = finished[0] / "runs" / "demo" / "tiny" / "fold1"
    index = pandas.read_csv(folder / "valid.csv", dtype={"id": str})
    assert list(index.columns) == ["id", "height", "width", "channels", "offset"]
    values = np.load(folder / "valid.npy", mmap_mode="r")
    assert values.dtype == np.uint8 and values.ndim == 1
    assert len(values) == (index["height"] * index["width"] * index["channels"]).sum()
    folds = pandas.read_csv(finished[0] / "folds" / "demo-3.csv", dtype={"id": str})
    assert set(index["id"]) == set(folds.loc[folds["fold"] == 1, "id"])


def test_what_is_finished_is_not_done_again(copy):
    before = modified(copy)
    out = run("demo", *TINY, "--run", "tiny", root=copy)
    assert modified(copy) == before
    assert out.count("up to date") >= 7


def test_a_stage_that_is_named_always_runs_but_a_trained_fold_stays(copy):
    before = modified(copy)
    out = run("demo", "train", "tune", "--run", "tiny", root=copy)
    changed = {name.rsplit("/", 1)[-1] for name, when in modified(copy).items() if before.get(name) != when}
    assert "fold 0 is trained already" in out
    assert changed == {"thresholds.json", "thresholds.json.inputs.json", "tuning.npz", "cross_fitted.npz"}


def test_thresholds_follow_the_folds_that_are_trained(demo_root):
    """Train two folds, tune, train the third, submit: the thresholds are those of three folds."""
    run("demo", "train", "--fold", "0", "--fold", "1", *CHOSEN, "--run", "tiny", root=demo_root)
    out = run("demo", "tune", "--run", "tiny", root=demo_root)
    assert "folds 0, 1 of 3" in out
    assert thresholds(demo_root)["folds"] == [0, 1]
    run("demo", "train", "--fold", "2", "--run", "tiny", root=demo_root)
    run("demo", "submit", "--run", "tiny", root=demo_root)
    assert thresholds(demo_root)["folds"] == [0, 1, 2]
    assert thresholds(demo_root)["n"] == 320


def test_a_changed_field_starts_a_run_of_its_own(copy):
    before = modified(copy)
    run("demo", "train", "--fold", "0", *CHOSEN, "--seed", "5", root=copy)
    assert {name: when for name, when in modified(copy).items() if name in before} == before
    names = {path.name for path in (copy / "runs" / "demo").iterdir()}
    assert any("seed-5" in name for name in names - {"tiny"})


def test_hand_made_files_are_used_and_kept(copy):
    path = copy / "runs" / "demo" / "tiny" / "thresholds.json"
    path.write_text('{"classes": ["salt"], "thresholds": [{"top": 1.0, "min_area": 100000, "bottom": 0.5}]}')
    out = run("demo", "tune", "submit", "--run", "tiny", root=copy)
    assert "is yours: kept" in out
    table = pandas.read_csv(copy / "submissions" / "demo-tiny.csv", dtype=str, keep_default_na=False)
    assert (table["rle_mask"] == "").all()
    submission = copy / "submissions" / "demo-tiny.csv"
    table.loc[0, "rle_mask"] = "1 3"
    table.to_csv(submission, index=False)
    out = run("demo", "submit", "report", "--run", "tiny", root=copy)
    assert "is yours: kept" in out and "1 3" in submission.read_text()
    assert "is yours" not in run("demo", "tune", "submit", "--again", "--run", "tiny", root=copy)
    assert thresholds(copy)["n"] == 320


def test_a_hand_made_fold_file_is_used_and_a_wrong_one_refused(demo_root):
    path = demo_root / "folds" / "demo-3.csv"
    table = pandas.read_csv(path, dtype=str)
    table["fold"] = ["-1"] * 100 + ["0"] * 110 + ["1"] * 110
    table.to_csv(path, index=False)
    out = run("demo", "train", "--fold", "1", *CHOSEN, "--run", "tiny", root=demo_root)
    assert "is yours" in out
    index = pandas.read_csv(demo_root / "runs" / "demo" / "tiny" / "fold1" / "valid.csv", dtype=str)
    assert index["id"].tolist() == table.loc[table["fold"] == "1", "id"].tolist()
    table.iloc[5:].to_csv(path, index=False)
    error = run("demo", "split", "train", *CHOSEN, root=demo_root, status=2)
    assert table["id"].iloc[0] in error


def test_everything_can_be_trained_on(copy):
    out = run("demo", "train", "predict", "submit", "report", "--fold", "all", "--run", "tiny", root=copy)
    assert "foldall" in out
    assert not (copy / "runs" / "demo" / "tiny" / "foldall" / "valid.npy").exists()
    assert thresholds(copy)["n"] == 320
    out = run("demo", "--fold", "all", *CHOSEN, "--run", "alone", root=copy)
    assert thresholds(copy, "alone")["oof"] is None
    assert (copy / "submissions" / "demo-alone.csv").exists()


def test_weights_of_another_shape_are_refused_in_one_line(copy):
    folder = copy / "runs" / "demo" / "tiny" / "fold0"
    (folder / "model.weights.h5").write_bytes(b"not weights")
    assert "holds no weights" in run("demo", "predict", "--run", "tiny", root=copy, status=2)


def test_predictions_of_other_images_are_refused(copy):
    for a, b in (("fold0", "fold1"), ("fold1", "fold0")):
        shutil.copytree(copy / "runs" / "demo" / "tiny" / a, copy / f"was-{b}")
    for name in ("fold0", "fold1"):
        shutil.rmtree(copy / "runs" / "demo" / "tiny" / name)
        shutil.copytree(copy / f"was-{name}", copy / "runs" / "demo" / "tiny" / name)
    assert "other folds" in run("demo", "tune", "--run", "tiny", root=copy, status=2)
    # without their records they pass for hand-made: then their ids tell
    for record in (copy / "runs").rglob("*.inputs.json"):
        record.unlink()
    assert "other images" in run("demo", "tune", "--again", "--run", "tiny", root=copy, status=2)


def test_a_read_only_data_folder_is_enough(drawn, tmp_path):
    raw = tmp_path / "given"
    shutil.copytree(drawn / "data" / "demo" / "raw", raw)
    for path in [raw, *raw.rglob("*")]:
        path.chmod(stat.S_IREAD | (stat.S_IEXEC if path.is_dir() else 0))
    root = tmp_path / "root"
    root.mkdir()
    run("tgs", "split", "--data", raw, root=root)
    assert len(pandas.read_csv(root / "folds" / "tgs.csv")) == 320
    raw.chmod(stat.S_IRWXU)


def test_the_submission_can_be_checked_from_anywhere(copy, tmp_path):
    out = run("demo", "check", copy / "submissions" / "demo-tiny.csv", root=copy)
    assert "valid, 160 rows" in out
    broken = tmp_path / "x.csv"
    broken.write_text("id,rle_mask\nnobody,1 1\n")
    assert "nobody" in run("demo", "check", broken, root=copy, status=2)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["nothing"], "no competition"),
        (["demo", "fly"], "no stage"),
        (["demo", "--epoch", "3"], "unrecognized arguments: --epoch"),
        (["demo", "--epochs", "many"], "--epochs"),
        (["demo", "--recipe", "best-of-all"], "no recipe"),
        (["demo", "--loss", "hinge"], "--loss 'hinge': 'hinge' is no loss; known are: bce, ce"),
        (["demo", "--learning-rate", "nan"], "--learning-rate"),
        (["demo", "--fold", "7", "train", *TINY], "--fold 7"),
        (["demo", "--fold", "-1", "train"], "fold"),
        (["demo", "--data", "nowhere"], "not a folder"),
        (["tgs", "--data", "."], "empty"),
        (["demo", "tune", "--run", "unknown"], "no fold of run"),
        (["demo", "upload"], "takes no submissions"),
        (["demo", "--run", "a/b"], "--run"),
        (["demo", "check", "gone.csv"], "gone.csv is no file"),
    ],
)
def test_what_the_user_can_fix_is_one_line_and_status_2(demo_root, arguments, wanted):
    if arguments[-1] == ".":
        (demo_root / "empty").mkdir()
        arguments = [*arguments[:-1], demo_root / "empty"]
    error = run(*arguments, root=demo_root, status=2)
    lines = [line for line in error.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and wanted in lines[0], error
