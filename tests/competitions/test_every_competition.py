"""Every competition, drawn in small in its own layout, through every stage: ends in a valid submission and a report."""

import cv2
import numpy as np
import pandas
import pytest

from pipeline import __main__ as command_line
from pipeline import source
from pipeline.command import names
from pipeline.errors import UserError
from tests.competitions import test_camvid, test_dsb2018, test_isbi2012, test_lgg, test_nerve
from tests.start import TINY, run

pytestmark = pytest.mark.slow

DRAWN = {"camvid": test_camvid, "dsb2018": test_dsb2018, "isbi2012": test_isbi2012, "lgg": test_lgg}
DRAWN |= {"nerve": test_nerve}
# what one call of `./run.sh` does to each: as a beginner would, with the smallest network, or with none: the networks'
# own tests train them, and what is a competition's own lies before and behind them
SMALLEST = [*TINY, "--trained-folds", "1", "--recipe", "smoke", "--run", "tiny"]
WITHOUT = ["--model", "classical", "--folds", "3", "--trained-folds", "2", "--recipe", "smoke", "--run", "tiny"]


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_from_raw_files_to_a_valid_submission(name, tmp_path):
    raw, root = tmp_path / "raw", tmp_path / "root"
    raw.mkdir(), root.mkdir()
    DRAWN[name].zipped(raw, DRAWN[name].files())
    options = SMALLEST if name == "camvid" else WITHOUT
    out = run(name, "--data", raw, *options, root=root)
    assert f"submissions/{name}-tiny.csv: valid" in out
    page = (root / "runs" / name / "tiny" / "report.html").read_text()
    assert page.count("data:image/png") >= 2
    again = run(name, "--data", raw, *options, root=root)
    assert "submit: up to date" in again and "report: up to date" in again


def test_classes_that_overlap_are_tuned_and_written_one_by_one(tmp_path):
    out = run("organs", *SMALLEST, root=tmp_path)
    table = pandas.read_csv(tmp_path / "submissions" / "organs-tiny.csv", dtype=str, keep_default_na=False)
    assert list(table.columns) == ["id", "class", "rle"]
    assert table["class"].tolist() == ["stomach", "small_bowel", "large_bowel"] * 60
    truth = pandas.read_csv(tmp_path / "data" / "organs" / "raw" / "train.csv", dtype=str, keep_default_na=False)
    assert 0.55 < (truth["rle"] == "").mean() < 0.65
    page = (tmp_path / "runs" / "organs" / "tiny" / "report.html").read_text()
    assert "By class" in page and "large_bowel" in page
    assert "score on the hidden truth" in out.splitlines()[-1]


def test_label_pictures_are_those_of_the_csv(tmp_path):
    raw, root = tmp_path / "raw", tmp_path / "root"
    raw.mkdir(), root.mkdir()
    test_camvid.zipped(raw, test_camvid.files())
    # nothing held out: the report shows the test frames, whose truth is known
    out = run("camvid", "--data", raw, *SMALLEST, "--fold", "all", root=root)
    assert "score on the hidden truth" in out.splitlines()[-1]
    page = (root / "runs" / "camvid" / "tiny" / "report.html").read_text()
    assert "Test images with known truth" in page and "pedestrian" in page
    table = pandas.read_csv(root / "submissions" / "camvid-tiny.csv", dtype=str, keep_default_na=False)
    for name in test_camvid.TEST:
        picture = cv2.imread(str(root / "submissions" / "camvid-tiny" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert picture.shape == test_camvid.SHAPE and picture.max() < 11
        rows = table[table["id"] == name]
        filled = {label for label, text in zip(rows["class"], rows["rle"], strict=True) if text}
        assert len(filled) == len(np.unique(picture))


def test_the_slices_around_one_become_channels(tmp_path):
    raw, root = tmp_path / "raw", tmp_path / "root"
    raw.mkdir(), root.mkdir()
    test_lgg.zipped(raw, test_lgg.files())
    run("lgg", "train", "--fold", "0", "--data", raw, *SMALLEST, "--neighbours", "1", root=root)
    test_isbi = tmp_path / "slices"
    test_isbi.mkdir()
    test_isbi2012.zipped(test_isbi, test_isbi2012.files())
    error = run("isbi2012", "train", "--data", test_isbi, *SMALLEST, "--neighbours", "1", root=root, status=2)
    assert "--neighbours wants images that are slices of volumes" in error


def test_a_loss_of_another_kind_of_answer_is_refused(demo_root):
    pytest.importorskip("keras")
    from pipeline.competitions.demo import competition
    from pipeline.errors import UserError
    from pipeline.recipe import Recipe
    from pipeline.training import fit

    assert "--loss ce: demo cannot learn by ce" in run("demo", "train", *TINY, "--loss", "ce", root=demo_root, status=2)
    with pytest.raises(UserError, match="--class-balance"):
        fit.check_loss(Recipe(class_balance=1.0), competition)


def test_the_published_small_unet_has_34_5_million_parameters():
    pytest.importorskip("keras")
    from pipeline import recipe as recipes
    from pipeline.competitions.camvid import competition
    from pipeline.models import unet

    recipe = recipes.resolve(competition.recipes["small-unet"], {})
    network = unet.build(recipe, 3, competition.task.outputs, [0.0] * 3, [1.0] * 3)
    assert round(sum(np.prod(weight.shape) for weight in network.trainable_weights) / 1e6, 1) == 34.5
    assert (recipe.size, recipe.fit, recipe.epochs, recipe.loss) == (128, "resize", 20, "ce")


def test_a_mistake_in_a_file_of_ones_own_is_a_line_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "PACKAGE", tmp_path)
    for text, wanted in (("x = 1\ny = z\n", "line 2"), ("def f(:\n", "line 1")):
        path = tmp_path / "competitions" / "broken.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        try:
            exec(compile(text, str(path), "exec"), {})
        except Exception as error:
            assert names.where("broken", error) == f"{tmp_path.name}/competitions/broken.py, {wanted}"
        else:
            pytest.fail("no mistake")


def test_an_option_that_a_tool_does_not_know_is_refused():
    with pytest.raises(UserError, match="--fold means nothing to new"):
        command_line.run(["new", "x", "--fold", "1"])
