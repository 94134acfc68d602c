"""`adopt` from the command line: a whole run, what it holds to, what is refused before the data is even opened."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from pipeline.runs import adopted
from pipeline.stages import tune
from pipeline.store.predictions import Predictions
from pipeline.store.prepared import Prepared
from tests.adoption.written import adopted as adopt_into
from tests.adoption.written import parts
from tests.reporting.example_runs import competition, hold_out, job_of, square
from tests.start import run


def answers(labels, error: int, rng) -> np.ndarray:
    """Probabilities of a network that finds most: the mask moved down by `error` pixels, and noise."""
    mask = np.roll(labels[..., 0] != 0, error, 0)
    return np.clip(np.where(mask, 0.8, 0.2) + rng.normal(0, 0.05, mask.shape), 0, 1).astype(np.float32)


def write(folder, root, errors=(2, 2, 2)) -> None:
    """oof.npz and test.npz of the demo's images; `errors` of the images that each fold holds out."""
    prepared, rng = Prepared(root / "data" / "demo" / "prepared"), np.random.default_rng(0)
    ids = prepared.table["id"].to_numpy(str)
    folds = dict(row.split(",") for row in (root / "folds" / "demo-3.csv").read_text().splitlines()[1:])
    folder.mkdir()
    found = [answers(prepared.labels[row], errors[int(folds[ids[row]])], rng) for row in prepared.train]
    np.savez(folder / "oof.npz", predictions=found, ids=ids[prepared.train])
    found = [answers(labels, 2, rng) for labels in (prepared.truth[i] for i in range(len(prepared.test)))]
    np.savez(folder / "test.npz", predictions=found, ids=ids[prepared.test])


@pytest.fixture(scope="module")
def adopted_root(drawn, tmp_path_factory):
    """A root with the run `theirs`, the folder it is from, and what was printed."""
    base = tmp_path_factory.mktemp("adopted")
    shutil.copytree(drawn, base / "root")
    write(base / "preds", base / "root")
    out = run("demo", "adopt", base / "preds", "--run", "theirs", "--folds", "3", root=base / "root")
    return base / "root", base / "preds", out


@pytest.fixture
def theirs(adopted_root, tmp_path):
    """A copy of it of one's own."""
    shutil.copytree(adopted_root[0], tmp_path / "root")
    return tmp_path / "root"


def test_it_is_tuned_scored_reported_and_submitted(adopted_root):
    root, folder, out = adopted_root
    assert "320 pictures H x W, 101 x 101, float32 0 to 1" in out
    assert "runs/demo/theirs: out-of-fold predictions of fold 0, 1, 2, test predictions of all" in out
    found = json.loads((root / "runs" / "demo" / "theirs" / "thresholds.json").read_text())
    assert 0.5 < found["cross_fitted"] < 0.98 and found["n"] == 320 and found["folds"] == [0, 1, 2]
    assert "submissions/demo-theirs.csv: valid, 160 rows of 160 images" in out
    assert "score on the hidden truth" in out and "warning" not in out
    origin = json.loads((root / "runs" / "demo" / "theirs" / "adopted.json").read_text())
    assert origin["from"] == str(folder) and set(origin["files"]) == {"oof.npz", "test.npz"}


def test_its_report_says_where_it_came_from_and_nothing_of_a_training(adopted_root):
    page = (adopted_root[0] / "runs" / "demo" / "theirs" / "report.html").read_text()
    assert "Where it came from" in page and f"adopt {adopted_root[1]} --run theirs --folds 3" in page
    assert "320 pictures H x W" in page and "Adopted, not trained here" in page
    for word in ("learning_rate", "How to reproduce", 'id="recipe"', 'id="learning"', 'id="flips"', "--recipe adopted"):
        assert word not in page


@pytest.mark.slow
def test_later_stages_take_it_like_any_other_run(theirs):
    out = run("demo", "--run", "theirs", root=theirs)
    assert [line for line in out.splitlines() if "up to date" not in line] == []
    out = run("demo", "tune", "submit", "report", "--run", "theirs", root=theirs)
    assert "cross-fitted" in out and "averaging fold(s) all" in out and "score on the hidden truth" in out


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--run", "theirs"),
        ("train", "--run", "theirs", "--fold", "0", "--again"),
        ("--run", "theirs", "--again"),
        ("ablate", "--run", "theirs", "--fields", "width=8"),
    ],
    ids=" ".join,
)
def test_what_would_train_it_is_refused(adopted_root, words):
    root, folder, _ = adopted_root
    before = (root / "runs" / "demo" / "theirs" / "fold0" / "valid.npy").read_bytes()
    line = run("demo", *words, root=root, status=2)
    assert f"run 'theirs' was adopted from {folder}: another program learnt it, and nothing here can train it" in line
    assert (root / "runs" / "demo" / "theirs" / "fold0" / "valid.npy").read_bytes() == before


def test_it_learns_nobody_its_mean_over_folds(adopted_root):
    """Of each test image it knows what every fold says: fold 0 of another run would learn labels that it holds out."""
    words = ("--recipe", "quick", "--fold", "0", "--pseudo", "theirs", "--run", "student")
    line = run("demo", "train", *words, root=adopted_root[0], status=2)
    assert "it knows the labels that fold 0 holds out" in line


def test_when_folds_change_it_is_refused(theirs):
    path = theirs / "folds" / "demo-3.csv"
    _, second, *rest = path.read_text().splitlines()[1:]
    fold = second.split(",")[1]
    other = next(line for line in rest if line.split(",")[1] != fold)
    swapped = {second: f"{second.split(',')[0]},{other.split(',')[1]}", other: f"{other.split(',')[0]},{fold}"}
    lines = [swapped.get(line, line) for line in path.read_text().splitlines()]
    path.write_text("\n".join([*lines, ""]))
    line = run("demo", "tune", "--run", "theirs", root=theirs, status=2)
    assert "valid.npy and 1 more fold(s) was made from other folds than now; adopt the run again (./run.sh demo" in line


@pytest.mark.slow
def test_other_predictions_do_not_take_its_place(theirs, adopted_root, tmp_path):
    _, folder, _ = adopted_root
    again = run("demo", "adopt", folder, "--run", "theirs", root=theirs)
    assert "adopted from these files already" in again and "tune: up to date" in again
    other = tmp_path / "other"
    write(other, theirs, errors=(4, 4, 4))
    line = run("demo", "adopt", other, "--run", "theirs", root=theirs, status=2)
    assert f"run 'theirs' was adopted from {folder}, other files or options" in line and "--again" in line
    before = json.loads((theirs / "runs" / "demo" / "theirs" / "thresholds.json").read_text())
    out = run("demo", "adopt", other, "--run", "theirs", "--again", root=theirs)
    after = json.loads((theirs / "runs" / "demo" / "theirs" / "thresholds.json").read_text())
    assert "tune:" in out and after["cross_fitted"] < before["cross_fitted"]


@pytest.mark.slow
def test_a_fold_that_is_far_better_than_the_others_is_asked_about(theirs, tmp_path):
    write(tmp_path / "leak", theirs, errors=(5, 5, 0))
    (tmp_path / "leak" / "test.npz").unlink()
    out = run("demo", "adopt", tmp_path / "leak", "--run", "leak", "--folds", "3", root=theirs)
    (line,) = [line for line in out.splitlines() if line.startswith("warning")]
    assert line.startswith("warning: fold 2 scores ") and line.endswith("was it trained on what it holds out?")
    assert "no test predictions: the submission is left out" in out
    assert not (theirs / "submissions" / "demo-leak.csv").exists()
    assert "was it trained on what it holds out?" in (theirs / "runs" / "demo" / "leak" / "report.html").read_text()
    line = run("demo", "submit", "--run", "leak", root=theirs, status=2)
    assert "fold0 holds predictions but no weights" in line


def test_how_its_pictures_came_to_their_size_is_no_field_of_our_recipe(tmp_path):
    """Whose own networks see windows (`--size 0`), such a recipe could not be resized by."""
    line = run("camvid", "adopt", "nowhere", "--run", "theirs", "--fit", "resize", root=tmp_path, status=2)
    assert "nowhere is not there; name the folder or the file of predictions" in line


def doubts(*scores, half=0.7, error=0.01) -> list[str]:
    folds = [
        {"name": i, "n": 100, "score": score, "standard_error": error, "cross_fitted": None}
        for i, score in enumerate(scores)
    ]
    return adopted.doubts({"by_fold": folds, "oof_at_half": half})


def test_what_makes_one_doubt():
    (line,) = doubts(0.79, 0.81, 0.98, 0.8)
    assert line.startswith("fold 2 scores 0.980, the others 0.800 ± 0.0")
    assert doubts(0.79, 0.81, 0.83, 0.8) == [] and doubts(0.8) == [] and adopted.doubts({}) == []
    # few images say little
    assert doubts(0.79, 0.81, 0.98, 0.8, error=0.06) == []
    (line,) = doubts(0.99, 0.99, half=0.99)
    assert line.startswith("out-of-fold 0.990 at .5 is nearly perfect")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("adopt",), "adopt wants a competition, a folder (or file) and a name for the run"),
        (("adopt", "a", "b", "--run", "x"), "adopt wants a competition"),
        (("adopt", "nowhere"), "adopt wants a name for the run that is no recipe's: ./run.sh tgs adopt DIR --run NAME"),
        (("adopt", "nowhere", "--run", "default"), "adopt wants a name for the run"),
        (("adopt", "nowhere", "--run", "x"), "nowhere is not there; name the folder or the file of predictions"),
        (("adopt", "nowhere", "--run", "x", "--epochs", "3"), "--epochs is of training"),
        (("adopt", "nowhere", "--run", "x", "--fold", "0"), "--fold is of train and predict"),
        (("adopt", ".", "--run", "x", "--channels", "middle"), "invalid choice"),
        (("tune", "--logits"), "--logits is of the tool adopt: ./run.sh tgs adopt"),
        (("--names", "x.csv"), "--names is of the tool adopt"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_command_is_refused_before_anything_is_opened(tmp_path, words, says):
    assert says in run("demo", *words, root=tmp_path, status=2)
    assert list(tmp_path.iterdir()) == []


def test_without_a_competition_it_is_refused(tmp_path, capsys):
    from pipeline.__main__ import main

    assert main(["adopt", "x"]) == 2
    assert "adopt wants a competition" in capsys.readouterr().err


def test_a_run_that_was_trained_here_is_not_replaced(theirs, adopted_root):
    recipe = theirs / "runs" / "demo" / "mine" / "recipe.json"
    recipe.parent.mkdir()
    recipe.write_text('{"recipe": "quick"}')
    line = run("demo", "adopt", adopted_root[1], "--run", "mine", "--again", root=theirs, status=2)
    assert "run 'mine' is there, and was not adopted; give another --run NAME" in line


def test_predictions_of_a_run_of_ours_come_back_with_the_same_scores(tmp_path):
    job = job_of(tmp_path, competition(tests=[square(4)]))
    for fold in range(3):
        hold_out(job, fold, keep_plain=False)
    tune.run(job)
    wanted = json.loads(job.store.thresholds.read_text())
    values = {}
    for fold in range(3):
        found = Predictions(job.store.fold(fold), "valid", 1)
        values |= {name: found[i][..., 0] for i, name in enumerate(found.ids)}
    folder, ids = tmp_path / "theirs", parts(job)["oof"]
    folder.mkdir()
    np.savez(folder / "oof.npz", p=np.stack([values[name] / 255 for name in ids]).astype(np.float16), ids=ids)
    theirs = adopt_into(job, folder, "theirs")
    theirs = adopted.job_of(replace(theirs), "")
    tune.run(theirs)
    assert json.loads(theirs.store.thresholds.read_text()) == wanted
