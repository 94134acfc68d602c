"""Ablation: what runs it makes, what is refused before anything is trained, and a table that is true."""

import csv
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from pipeline import __main__ as command_line
from pipeline.command import names, options
from pipeline.errors import UserError
from pipeline.imaging.metrics import CountMetric, each_image, iou, whole_set
from pipeline.reporting.ablation import facts
from pipeline.reporting.ablation import table as ablation_table
from pipeline.runs import trained
from pipeline.tasks.scoring import Tally
from pipeline.tools import ablate
from tests.start import ROOT, TINY, run

# one step: most of the time of such a training is spent on compiling it
SMALLER = [*TINY, "--fit", "resize", "--epochs", "1", "--steps", "1"]
CLASSICAL = ["demo", "--model", "classical", "--folds", "3", "--fold", "0"]


def refused(capsys, *arguments) -> str:
    assert command_line.main([str(word) for word in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["demo", "ablate"], "ablate wants a competition and --fields"),
        (["ablate"], "ablate wants a competition and --fields"),
        (["demo", "ablate", "width=24"], "ablate wants a competition and --fields"),
        (["demo", "tune", "--fields", "width=24"], "--fields is of the tool ablate"),
        (["demo", "--fields", "width=24"], "--fields is of the tool ablate"),
        (["new", "mine", "--fields", "width=24"], "--fields is of the tool ablate"),
        (["ablate", "--fields", "width=24"], "ablate wants a competition and --fields"),
        (["--fields", "width=24", "demo", "ablate"], "--fields takes all words after it"),
        (["demo", "ablate", "--fold", "all", "--fields", "width=24"], "--fold all holds nothing out"),
        (["demo", "ablate", "--fields", "model=unet4"], "--fields model=unet4: --model is 'unet4'"),
        (["demo", "ablate", "--fields", "loss=hinge"], "--fields loss=hinge: --loss 'hinge': 'hinge' is no loss"),
    ],
)
def test_where_it_has_no_place_it_is_refused_with_an_example(capsys, arguments, says):
    line = refused(capsys, *arguments)
    assert says in line
    assert "--fields width=24" in line or "wants" not in says


def jobs(tmp_path, *arguments) -> dict[str, str]:
    """Variant -> the name of its run."""
    given = options.parse(["demo", "ablate", "--root", str(tmp_path), *arguments])
    job = options.job_of(names.competition("demo"), given)
    return {label: one.store.run for label, one in ablate._jobs(job).items()}


def test_a_variant_is_the_run_that_its_recipe_has_by_itself(tmp_path):
    named = jobs(tmp_path, "--recipe", "quick", "--epochs", "5", "--fields", "width=24", "--fields", "epochs=36")
    # 36 are those of the recipe: nothing differs
    assert named == {"width=24": "quick-epochs-5-width-24", "epochs=36": "quick"}


def test_with_a_name_of_its_own_the_base_gives_it_to_its_variants(tmp_path):
    named = jobs(tmp_path, "--run", "mine", "--epochs", "5", "--fields", "late-loss=,seed=1", "width=24")
    assert named == {"late-loss=,seed=1": "mine-late-loss-none-seed-1", "width=24": "mine-width-24"}


def test_who_differs_in_how_it_predicts_waits_for_the_weights_of_another(tmp_path):
    """Beside each other both would learn; with --again both do."""
    given = options.parse(
        ["demo", "ablate", "--root", str(tmp_path), "--fields", "tta=off", "seed=1", "seed=1,tta=off"]
    )
    base = options.job_of(names.competition("demo"), given)
    begun = [(one, [0, 2]) for one in (base, *ablate._jobs(base).values())]
    first, after = ablate._in_order(begun)
    assert [work.title for work in first] == [f"default{run} fold {k}" for run in ("", "-seed-1") for k in (0, 2)]
    runs = ("-tta-false", "-seed-1-tta-false")
    assert [work.title for work in after] == [f"default{run} fold {k}" for run in runs for k in (0, 2)]
    # of a base that is trained already there is nothing to wait for
    first, after = ablate._in_order([(base, []), *begun[1:2]])
    assert len(first) == 2 and after == []
    assert len(ablate._in_order([(replace(one, again=True), folds) for one, folds in begun])[0]) == 8


def test_two_variants_that_would_share_a_run_are_refused(tmp_path):
    weights = [f"encoder=resnet50,weights=/{folder}/x.h5" for folder in "ab"]
    with pytest.raises(UserError, match=r"weights=/b/x\.h5 would be run 'default-.*', as .*weights=/a/x\.h5 is"):
        jobs(tmp_path, "--fields", *weights)


def outcome(label, scores, groups=None, unit=each_image, crossed=True) -> facts.Outcome:
    """Images of 10 pixels of truth, all found, and as many too many as give these IoUs."""
    counts = np.array([[[10, round(10 / score), 10]] for score in scores])
    tally = Tally(CountMetric("IoU", iou, unit), counts, None if groups is None else np.array(groups))
    return facts.Outcome(label, f"run-{label}", [0, 2], tally if crossed else None, tally, 1.5)


def test_a_gain_is_of_pairs_and_its_error_that_of_their_differences():
    base, better = outcome("base", [0.5, 0.25, 1.0]), outcome("better", [1.0, 0.5, 1.0])
    first, second = facts.rows([base, better])
    assert (first["gain"], first["verdict"], first["folds"], first["n"]) == (None, None, "0 2", 3)
    differences = np.array([0.5, 0.25, 0.0])
    assert second["gain"] == pytest.approx(differences.mean())
    assert second["gain_error"] == pytest.approx(differences.std(ddof=1) / np.sqrt(3))
    assert second["gain_at_half"] == second["gain"] and second["verdict"] == "gains"
    assert second["standard_error"] == pytest.approx(np.std([1, 0.5, 1], ddof=1) / np.sqrt(3))
    assert facts.rows([better, base])[1]["verdict"] == "loses"
    assert facts.rows([better, better])[1]["verdict"] == "no difference"
    mixed = [outcome("base", [0.5, 0.5]), outcome("mixed", [1.0, 0.25])]
    assert facts.rows(mixed)[1]["verdict"] == "no difference"


def test_of_one_patient_or_drive_no_error_is_known():
    alone = [
        outcome(name, scores, ["a", "a"], whole_set, False) for name, scores in (("base", [0.5, 0.5]), ("b", [1, 1]))
    ]
    row = facts.rows(alone)[1]
    assert (row["score"], row["gain"], row["gain_error"], row["verdict"]) == (None, None, None, "unknown")
    assert row["gain_at_half"] == 0.5 and row["gain_at_half_error"] is None
    assert "unknown" in ablation_table.lines(alone)[-1] and ablation_table.picture(facts.rows(alone))[:4] == b"\x89PNG"


def test_the_table_on_the_terminal_is_aligned():
    title, *table = ablation_table.lines([outcome("base", [0.5, 0.5]), outcome("x=" + "y" * 60, [1.0, 0.5])])
    assert title == "IoU, 2 images of fold(s) 0, 2"
    assert len({len(line) for line in table}) == 1 and "…" in table[-1]
    assert "+0.2500 ± 0.2500" in table[-1]


def test_minutes_are_those_of_all_folds_or_not_known(tmp_path):
    paths = [tmp_path / f"{name}.csv" for name in "ab"]
    paths[0].write_text("epoch,seconds\n1,30\n2,45\n")
    assert trained.minutes(paths[:1]) == 1.25
    assert trained.minutes(paths) is None
    paths[1].write_text("epoch,seconds\n1,15\n")
    assert trained.minutes(paths) == 1.5


def table(root, name) -> list[dict]:
    with (root / "runs" / "demo" / name / "ablation.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_what_stops_in_the_middle_leaves_what_is_finished(demo_root, monkeypatch, capsys):
    from pipeline.stages import train

    def fails(job, named=False, real=train.run):
        if job.recipe.seed == 2:
            raise UserError("no luck")
        real(job, named)

    monkeypatch.setattr(train, "run", fails)
    arguments = [*CLASSICAL, "ablate", "--run", "floor", "--root", demo_root, "--fields", "seed=1", "seed=2", "seed=3"]
    assert refused(capsys, *arguments) == "error: --fields seed=2: no luck"
    rows = table(demo_root, "floor")
    assert [row["variant"] for row in rows] == ["base", "seed=1"]
    # the classical model has no chance in it, and no history
    assert (rows[1]["gain"], rows[1]["verdict"], rows[1]["minutes"]) == ("0.0", "no difference", "")
    assert not list((demo_root / "runs").rglob("*.part*"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["width=6", "loss=ce"], "--fields loss=ce: --loss ce: demo cannot learn by ce"),
        (["width=6", "slices=4,model=unet3d"], "--slices wants images that are slices of volumes"),
        (["width=6", "encoder=resnet50,weights=/nowhere/x.h5"], "--weights /nowhere/x.h5 is no file"),
        (["width=6", "--fold", "7"], "--fold 7: there are only the folds 0 to 2"),
    ],
)
def test_what_can_be_seen_without_keras_is_refused_before_anything_is_trained(demo_root, capsys, words, says):
    assert says in refused(capsys, "demo", "ablate", *TINY, "--root", demo_root, "--fields", *words)
    assert not (demo_root / "runs").exists()


@pytest.mark.slow
def test_what_keras_keeps_of_a_training_is_let_go():
    keras = pytest.importorskip("keras")
    import gc

    from pipeline.training import trainer

    def graphs() -> int:
        gc.collect()
        return sum(type(thing).__name__ == "FuncGraph" for thing in gc.get_objects())

    if keras.backend.backend() != "tensorflow":
        pytest.skip("the graphs are TensorFlow's")
    before = graphs()
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.AdamW(), "mse")
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    assert graphs() > before
    del model
    trainer.release()
    assert graphs() <= before


def precision(found, truth) -> float:
    """The share of the thresholds .5, .55 … .95 below the IoU of two masks; of two empty ones 1."""
    union = int((found | truth).sum())
    if union == 0:
        return 1.0
    return sum(100 * int((found & truth).sum()) > (50 + 5 * step) * union for step in range(10)) / 10


def scores_at_half(root, name, folds) -> np.ndarray:
    """Of the images that folds held out, from the raw masks and the stored probabilities."""
    import cv2

    found = []
    with zipfile.ZipFile(root / "data" / "demo" / "raw" / "train.zip") as archive:
        for fold in folds:
            folder = root / "runs" / "demo" / name / f"fold{fold}"
            values = np.load(folder / "valid.npy")
            for row in csv.DictReader(io.StringIO((folder / "valid.csv").read_text())):
                height, width, start = int(row["height"]), int(row["width"]), int(row["offset"])
                mask = values[start : start + height * width].reshape(height, width) >= 128
                packed = np.frombuffer(archive.read(f"masks/{row['id']}.png"), np.uint8)
                found.append(precision(mask, cv2.imdecode(packed, cv2.IMREAD_UNCHANGED) > 0))
    return np.array(found)


@pytest.mark.slow
def test_an_ablation_is_ordinary_runs_and_a_true_table_and_trains_nothing_twice(demo_root):
    arguments = ["demo", "ablate", *SMALLER, "--fold", "0", "--fold", "2", "--run", "tiny"]
    out = run(*arguments, "--fields", "seed=1", "tta=off,width=6", root=demo_root)
    names = {"base": "tiny", "seed=1": "tiny-seed-1", "tta=off,width=6": "tiny-tta-false-width-6"}
    rows = table(demo_root, "tiny")
    assert {row["variant"]: row["run"] for row in rows} == names
    assert (demo_root / "runs" / "demo" / "tiny" / "ablation.png").read_bytes()[:4] == b"\x89PNG"
    base = scores_at_half(demo_root, "tiny", [0, 2])
    for row in rows[1:]:
        differences = scores_at_half(demo_root, row["run"], [0, 2]) - base
        assert int(row["n"]) == len(differences) and row["folds"] == "0 2"
        assert float(row["gain_at_half"]) == pytest.approx(differences.mean())
        error = differences.std(ddof=1) / np.sqrt(len(differences))
        assert float(row["gain_at_half_error"]) == pytest.approx(error) and float(row["minutes"]) > 0
        assert f"{float(row['gain']):+.4f}" in out and row["verdict"] in out
    assert any(float(row["gain_at_half"]) for row in rows[1:])

    before = {path: path.stat().st_mtime_ns for path in demo_root.rglob("fold*/*")}
    # a Keras that cannot be imported
    (demo_root / "keras.py").write_text("raise RuntimeError('Keras was loaded')\n")
    again = run(*arguments, "--fields", "tta=off,width=6", root=demo_root, PYTHONPATH=f"{demo_root}:{ROOT}")
    assert {path: path.stat().st_mtime_ns for path in demo_root.rglob("fold*/*")} == before
    assert table(demo_root, "tiny") == [rows[0], rows[2]] and again.count("trained already") == 2
    (demo_root / "keras.py").unlink()

    # the score is the one of the stage tune, and a variant is what it is when it is trained alone
    run("demo", "tune", "--run", "tiny-seed-1", root=demo_root)
    tuned = json.loads((demo_root / "runs" / "demo" / "tiny-seed-1" / "thresholds.json").read_text())
    assert float(rows[1]["score"]) == tuned["cross_fitted"]
    assert float(rows[1]["standard_error"]) == tuned["standard_error"]
    # --again: otherwise the weights of the other run would be taken
    alone = ["train", *SMALLER, "--fold", "2", "--seed", "1", "--run", "alone", "--again"]
    run("demo", *alone, root=demo_root)
    pair = [demo_root / "runs" / "demo" / name / "fold2" / "valid.npy" for name in ("alone", "tiny-seed-1")]
    assert pair[0].read_bytes() == pair[1].read_bytes()
