"""`blend` from the command line: a run of several, its weights, what it is held to, what is refused before anything."""

import json
import shutil

import numpy as np
import pytest

from pipeline.store.predictions import Predictions
from pipeline.store.prepared import Prepared
from tests.start import run


def write(folder, root, seed: int, noise: float, per_fold: bool = True) -> None:
    """Predictions of the demo's images by a network of that much noise of its own."""
    prepared, random = Prepared(root / "data" / "demo" / "prepared"), np.random.default_rng(seed)
    ids = prepared.table["id"].to_numpy(str)
    folds = dict(row.split(",") for row in (root / "folds" / "demo-3.csv").read_text().splitlines()[1:])
    folder.mkdir(exist_ok=True)

    def answers(labels) -> np.ndarray:
        mask = np.roll(labels[..., 0] != 0, 3, 0)
        return np.clip(np.where(mask, 0.65, 0.35) + random.normal(0, noise, mask.shape), 0, 1).astype(np.float32)

    test = [answers(prepared.truth[i]) for i in range(len(prepared.test))]
    found = {row: answers(prepared.labels[row]) for row in prepared.train}
    if not per_fold:
        np.savez(folder / "oof.npz", predictions=list(found.values()), ids=ids[list(found)])
        np.savez(folder / "test.npz", predictions=test, ids=ids[prepared.test])
        return
    for fold in range(3):
        rows = [row for row in found if int(folds[ids[row]]) == fold]
        np.savez(folder / f"oof_fold{fold}.npz", predictions=[found[row] for row in rows], ids=ids[rows])
        np.savez(folder / f"test_fold{fold}.npz", predictions=test, ids=ids[prepared.test])


@pytest.fixture(scope="module")
def two_root(drawn, tmp_path_factory):
    """A root with the adopted runs `sharp` and `dull`."""
    base = tmp_path_factory.mktemp("blended")
    shutil.copytree(drawn, base / "root")
    for seed, (name, noise) in enumerate((("sharp", 0.2), ("dull", 0.4))):
        write(base / name, base / "root", seed, noise)
        run("demo", "adopt", base / name, "--run", name, "--folds", "3", root=base / "root")
    return base / "root"


@pytest.fixture(scope="module")
def blended(two_root):
    """What was printed, and the blend's folder."""
    out = run("demo", "blend", "sharp", "dull", root=two_root)
    return out, two_root / "runs" / "demo" / "blend-sharp-dull"


def test_it_is_a_run_with_its_weights_and_gains(blended, two_root):
    out, folder = blended
    origin = json.loads((folder / "adopted.json").read_text())
    assert origin["weights"]["sharp"] > origin["weights"]["dull"] > 0
    # how the test predictions of each fold are mixed, for whoever packs the networks
    assert list(origin["tests"]) == ["0", "1", "2"]
    assert all(mix["sharp"] > mix["dull"] > 0 for mix in origin["tests"].values())
    assert "kept: weights; weights gain more than one paired standard error" in out
    assert "weights against the plain mean: +" in out
    scores = [json.loads((folder.parent / name / "thresholds.json").read_text()) for name in ("sharp", "dull")]
    mine = json.loads((folder / "thresholds.json").read_text())
    assert mine["n"] == 320 and mine["cross_fitted"] > max(score["cross_fitted"] for score in scores)
    assert "submissions/demo-blend-sharp-dull.csv: valid" in out
    page = (folder / "report.html").read_text()
    assert "./run.sh demo blend sharp dull --run blend-sharp-dull" in page and "runs sharp, dull" in page


def test_its_predictions_are_the_weighted_means_of_weights_that_each_fold_has_no_part_in(blended):
    _, folder = blended
    apart = json.loads((folder / "adopted.json").read_text())["apart"]
    for fold, weights in enumerate(apart):
        for part in ("valid", "test"):
            found, one, other = (
                Predictions(folder.parent / name / f"fold{fold}", part, 1) for name in (folder.name, "sharp", "dull")
            )
            assert found.ids == one.ids == other.ids
            wanted = weights["sharp"] * one[3].astype(float) + weights["dull"] * other[3]
            assert np.abs(found[3] - wanted).max() <= 0.5 + 1e-9


def test_neither_another_blend_nor_a_trained_run_is_replaced(two_root, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(two_root, root)
    other, trained = (root / "runs" / "demo" / name for name in ("blend-sharp-dull", "mine"))
    shutil.rmtree(other, ignore_errors=True)
    for folder in (other, trained):
        folder.mkdir()
        (folder / "recipe.json").write_text('{"recipe": "quick", "folds": 3}')
    (other / "adopted.json").write_text(
        '{"from": "runs sharp-dull, wide", "weights": {"sharp-dull": 0.5, "wide": 0.5}}'
    )
    line = run("demo", "blend", "sharp", "dull", root=root, status=2)
    assert "run 'blend-sharp-dull' was made from runs sharp-dull, wide; give another --run NAME, or --again" in line
    line = run("demo", "blend", "sharp", "dull", "--run", "mine", "--again", root=root, status=2)
    assert "run 'mine' is there and no blend; give another --run NAME" in line
    assert (trained / "recipe.json").exists()


def test_the_same_command_makes_it_anew_and_a_stage_finds_it_current(blended, two_root):
    before = (blended[1] / "fold0" / "valid.npy").read_bytes()
    out = run("demo", "--run", "blend-sharp-dull", root=two_root)
    assert [line for line in out.splitlines() if "up to date" not in line] == []
    run("demo", "blend", "sharp", "dull", root=two_root)
    assert (blended[1] / "fold0" / "valid.npy").read_bytes() == before


def test_other_folds_afterwards_are_refused(blended, two_root, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(two_root, root)
    path = root / "folds" / "demo-3.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join([rows[0], *(f"{row[:-1]}{(int(row[-1]) + 1) % 3}" for row in rows[1:])]) + "\n")
    out = run("demo", "blend", "sharp", "dull", root=root, status=2)
    assert "sharp" in out and "other folds" in out


def test_runs_of_one_test_answer_for_all_folds_are_blended_into_one(two_root, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(two_root, root)
    write(tmp_path / "whole", root, 7, 0.2, per_fold=False)
    run("demo", "adopt", tmp_path / "whole", "--run", "whole", "--folds", "3", root=root)
    run("demo", "blend", "sharp", "whole", "--run", "both", root=root)
    folder = root / "runs" / "demo" / "both"
    assert (folder / "foldall" / "test.npy").exists() and not (folder / "fold0" / "test.npy").exists()
    found = Predictions(folder / "foldall", "test", 1)
    parts = [Predictions(root / "runs" / "demo" / "sharp" / f"fold{fold}", "test", 1)[5] for fold in range(3)]
    whole = Predictions(root / "runs" / "demo" / "whole" / "foldall", "test", 1)[5]
    weights = json.loads((folder / "adopted.json").read_text())["weights"]
    wanted = weights["sharp"] * np.mean(parts, axis=0) + weights["whole"] * whole.astype(float)
    assert np.abs(found[5] - wanted).max() <= 0.5 + 1e-9


def test_runs_of_other_folds_are_joined_where_each_held_the_image_out(two_root, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(two_root, root)
    run("demo", "split", "--folds", "4", root=root)
    write(tmp_path / "four", root, 9, 0.2, per_fold=False)
    run("demo", "adopt", tmp_path / "four", "--run", "four", "--folds", "4", root=root)
    run("demo", "blend", "sharp", "four", "--run", "joined", root=root)
    folder = root / "runs" / "demo" / "joined"
    assert json.loads((folder / "thresholds.json").read_text())["n"] == 320
    found, one = (Predictions(root / "runs" / "demo" / name / "fold1", "valid", 1) for name in ("joined", "sharp"))
    other = [Predictions(root / "runs" / "demo" / "four" / f"fold{fold}", "valid", 1) for fold in range(4)]
    (theirs,) = [part[part.ids.index(found.ids[4])] for part in other if found.ids[4] in part.ids]
    weights = json.loads((folder / "adopted.json").read_text())["weights"]
    wanted = weights["sharp"] * one[4].astype(float) + weights["four"] * theirs
    assert np.abs(found[4] - wanted).max() <= 0.5 + 1e-9


def test_runs_that_hold_out_no_fold_alike_are_refused(two_root, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(two_root, root)
    for name, folds in (("sharp", (1, 2)), ("dull", (0,))):
        for fold in folds:
            shutil.rmtree(root / "runs" / "demo" / name / f"fold{fold}")
    out = run("demo", "blend", "sharp", "dull", "--run", "never", root=root, status=2)
    assert "no fold of run 'sharp' holds only images that the others held out" in out
    assert not (root / "runs" / "demo" / "never").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sharp"], "blend wants a competition and two different runs or more"),
        (["sharp", "sharp"], "blend wants a competition and two different runs or more"),
        (["sharp", "dull", "dull"], "run 'dull' is named twice"),
        (["sharp", "other"], "'other' is no run of demo"),
        (["sharp", "dull", "--fold", "0"], "--fold means nothing to blend, which has the recipe and the folds of the"),
        (["sharp", "dull", "--width", "7"], "--width means nothing to blend"),
        (["sharp", "dull", "--run", "dull"], "is one of those that are blended"),
    ],
)
def test_what_cannot_be_blended_is_a_line_and_nothing_is_written(two_root, words, said):
    before = sorted(path.name for path in (two_root / "runs" / "demo").iterdir())
    assert said in run("demo", "blend", *words, root=two_root, status=2)
    assert sorted(path.name for path in (two_root / "runs" / "demo").iterdir()) == before
