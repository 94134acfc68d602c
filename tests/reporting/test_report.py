"""The page of a run: what it shows, that it stands alone, and the score on hidden truth. No network is trained."""

import base64
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline import recipe as recipes
from pipeline.reporting.run import facts, gallery, reproduce, submitted
from pipeline.reporting.shared import charts, pictures
from pipeline.stages import report, submit, tune
from pipeline.store import disk
from pipeline.store.submission import Format
from pipeline.tasks.multiclass import MultiClass
from tests.reporting.example_runs import (
    FOLDS,
    LAYERS,
    SIDE,
    answer_test,
    competition,
    hold_out,
    job_of,
    page_of,
    square,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of three folds with hidden truth: (job, page)."""
    truth = [square(16), square(0), square(12)]
    job = job_of(tmp_path_factory.mktemp("whole"), competition(tests=truth))
    for fold in range(FOLDS):
        hold_out(job, fold)
        answer_test(job, fold, truth)
    return job, page_of(job, tune, submit)


def test_the_page_stands_alone(whole):
    job, page = whole
    targets = re.findall(r'(?:src|href)="([^"]*)"', page)
    outside = [target for target in targets if not target.startswith(("data:", "#"))]
    assert outside == [job.competition.page]
    assert "<script" not in page and "@import" not in page
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))
    assert "Tiny &lt;squares&gt;" in page


def test_the_page_shows_the_scores_of_thresholds_json(whole):
    job, page = whole
    content = disk.read_json(job.store.thresholds)
    for key in ("oof", "cross_fitted", "standard_error", "oof_no_tta", "oof_at_half", "mean_iou_at_half"):
        assert f"{content[key]:.4f}" in page, key
    found = facts.gather(job)
    assert found.held_out.scores.mean() == pytest.approx(content["oof"], abs=1e-12)
    assert found.held_out.unflipped.score() == pytest.approx(content["oof_no_tta"], abs=1e-12)
    assert len(found.pictures) > 0 and "minimum area, pixels" in page


def test_charts_take_their_colours_from_the_page(whole):
    page = whole[1]
    drawn = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawn) >= 7
    for chart in drawn:
        assert "viewBox" in chart and not re.search(r"<svg[^>]* (width|height)=", chart)
        assert "var(--ink)" in chart or "var(--muted)" in chart
        assert "#0a0" not in chart


def test_pictures_of_the_gallery_decode(whole):
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', whole[1])
    assert len(pictures) >= 2 * 6
    for text in pictures:
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_UNCHANGED)
        assert picture.shape == (SIDE * 12, SIDE * 12, 3)


def test_the_same_run_is_the_same_page_and_is_not_made_again(whole):
    job, page = whole
    assert report.is_current(job)
    report.run(job)
    assert job.store.report.read_text(encoding="utf-8") == page


def test_a_changed_page_is_kept(whole):
    job, page = whole
    job.store.report.write_text("my own notes")
    assert report.is_current(job)
    report.run(job)
    assert job.store.report.read_text() == "my own notes"
    report.run(replace(job, again=True))
    assert job.store.report.read_text(encoding="utf-8") == page


def test_hidden_truth_is_scored_and_said_last(tmp_path, capsys):
    """IoU 1, both empty, IoU 48/64 = .75 (5 of 10 thresholds), one missed: (1 + 1 + .5 + 0) / 4."""
    truth = [square(16), square(0), square(8, 8), square(4)]
    job = job_of(tmp_path, competition(tests=truth))
    hold_out(job, 0)
    answer_test(job, 0, [truth[0], truth[1], square(6, 8), square(0)])
    disk.write_json(job.store.thresholds, {"classes": ["salt"], "thresholds": [{"top": 0.5, "bottom": 0.5}]})
    page = page_of(job, submit)
    scores = np.array([1, 1, 0.5, 0])
    error = scores.std(ddof=1) / 2
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"score on the hidden truth 0.6250 ± {error:.4f} (4 test images); out-of-fold")
    assert f"<b>0.6250 ± {error:.4f}</b>" in page and '<div class="number">0.625 ' in page


def test_thresholds_made_by_hand_are_scored_anew(tmp_path):
    job = job_of(tmp_path, competition())
    hold_out(job, 1, keep_plain=False, history=False)
    content = {"classes": ["salt"], "thresholds": [{"top": 0.7, "bottom": 0.7}]}
    disk.write_json(job.store.thresholds, content)
    page = page_of(job)
    assert "made or edited by hand" in page and '<div class="number">1.000<' in page
    assert "has a history.csv" in page and "without environment.json" in page
    assert "tuning.npz" in page and "valid_no_tta.npy" in page
    assert "There is no submissions/tiny-mine.csv" in page


def test_with_fold_all_there_is_no_score_and_the_page_says_so(tmp_path):
    truth = [square(16), square(0)]
    job = job_of(tmp_path, competition(tests=truth))
    (job.store.fold("all")).mkdir(parents=True)
    (job.store.fold("all") / "model.weights.h5").write_bytes(b"weights")
    answer_test(job, "all", truth)
    page = page_of(job, tune, submit)
    assert "Nothing was held out" in page and "no score" in page
    assert "score on the hidden truth" in page


def test_without_a_test_part_the_submission_is_out_of_fold(tmp_path):
    job = job_of(tmp_path, competition())
    for fold in range(2):
        hold_out(job, fold)
    page = page_of(job, tune, submit)
    assert "There is no test part" in page and "2 of 3 folds are trained" in page
    assert "hidden truth" not in page


def test_several_classes_of_sixteen_bit_colour(tmp_path):
    truth = [square(16, layers=2), square(0, layers=2)]
    form = Format("id", "rle", class_column="class")
    chosen = competition(tests=truth, task=LAYERS, channels=5, dtype=np.uint16, form=form)
    job = job_of(tmp_path, chosen)
    hold_out(job, 0)
    answer_test(job, 0, truth)
    page = page_of(job, tune, submit)
    assert page.count("score by top threshold and minimum area") == 2
    assert '<div class="small">a</div>' in page and '<div class="small">b</div>' in page
    assert facts.gather(job).hidden.score == 1


def test_a_search_that_is_not_there_or_of_other_images_is_left_out(tmp_path):
    job = job_of(tmp_path, competition())
    hold_out(job, 0)
    page_of(job, tune, submit)
    hold_out(job, 1)
    assert facts.gather(job).pictures == {}
    job.store.tuning.write_bytes(b"cut off")
    assert facts.gather(job).pictures == {}


def test_the_gallery_shows_no_image_twice():
    rng = np.random.default_rng(1)
    for count in (1, 2, 7, 40):
        coverage = rng.random(count) * (rng.random(count) > 0.4)
        chosen = gallery.choose(rng.integers(0, 3, count) / 2, rng.random(count), coverage, 6)
        picked = np.concatenate(list(chosen.values()))
        assert len(set(picked.tolist())) == len(picked) and len(chosen["worst"]) == min(6, count)


def test_pictures_of_any_kind_can_be_shown():
    for shape, dtype in (((9, 5, 1), np.uint8), ((9, 5, 2), np.uint16), ((9, 5, 9), np.float16)):
        shown = pictures.rgb(np.arange(np.prod(shape)).reshape(shape).astype(dtype))
        assert shown.shape == (9, 5, 3) and shown.dtype == np.uint8
    large = np.zeros((40, 900, 3), np.uint8)
    assert pictures.outlined(large, np.zeros((40, 900), np.uint16)).startswith("data:image/png;base64,")


def test_outlines_run_between_things_that_touch():
    things = np.zeros((9, 9), np.uint16)
    things[2:7, 2:5], things[2:7, 5:7] = 700, 3
    edges = pictures._edges(things, 3)
    assert edges[4, 4] and edges[4, 5] and not edges[4, 3] and not edges[0, 0]


def test_classes_are_painted_in_their_colours_and_void_black():
    task = MultiClass(("sky", "road"), void=255, colours=((10, 20, 30), (200, 0, 0)))
    labels = np.array([[[0], [1], [255]]], np.uint8)
    assert pictures.painted(labels, task).tolist() == [[[10, 20, 30], [200, 0, 0], [0, 0, 0]]]


def test_the_command_names_what_differs_from_the_named_recipe(tmp_path):
    job = job_of(tmp_path, competition(), flip=False, late_loss="dice")
    for fold in range(FOLDS):
        hold_out(job, fold, history=False)
    command = "./run.sh tiny --run mine --recipe quick --folds 3 --late-loss dice --no-flip"
    assert reproduce.commands(job) == [command]
    for path in (job.store.fold(1)).iterdir():
        path.unlink()
    assert reproduce.commands(job)[0].startswith("./run.sh tiny train --fold 0 --fold 2 --run mine")


def test_the_commands_begin_with_the_run_that_was_learnt_from(tmp_path):
    job = job_of(tmp_path, competition(), pseudo="first")
    for fold in range(FOLDS):
        hold_out(job, fold, history=False)
    second = "./run.sh tiny --run mine --recipe quick --folds 3 --pseudo first"
    # gone: what is known of this run is all that can be said
    assert reproduce.commands(job) == [second]
    first = replace(job, recipe=replace(job.recipe, pseudo=""), store=replace(job.store, run="first"))
    disk.write_json(first.store.recipe, {"recipe": "quick", **recipes.to_json(first.recipe)})
    hold_out(first, 1, history=False)
    train, rest = reproduce.commands(first)
    assert "train --fold 1 --run first" in train and "predict" in rest
    assert reproduce.commands(job) == [train, rest, second]
    # trained again from the run that had learnt from it
    disk.write_json(first.store.recipe, {"recipe": "quick", **recipes.to_json(replace(first.recipe, pseudo="mine"))})
    disk.write_json(job.store.recipe, {"recipe": "quick", **recipes.to_json(job.recipe)})
    assert len(reproduce.commands(job)) == 3


def test_agreement_is_judged_by_the_error_of_the_difference():
    expected = facts.Headline(0.8, 0.03, 100, "cross-fitted")
    near, far = submitted.Hidden(0.85, 0.04, 50), submitted.Hidden(0.6, 0.04, 50)
    assert "1.0 standard errors" in facts.agreement(expected, near) and "agree" in facts.agreement(expected, near)
    assert "4.0 standard errors" in facts.agreement(expected, far) and "lower" in facts.agreement(expected, far)


def test_a_chart_with_blank_values_and_odd_names():
    chart = charts.curves("loss & more", [("a $ <b>", [1, 2, 3], [None, 0.5, None]), ("c", [1], [1.0])])
    assert "&lt;b&gt;" in chart and 'aria-label="loss &amp; more"' in chart
