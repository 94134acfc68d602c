"""The page of a run: what it shows, that it stands alone, and the score on hidden truth. No network is trained."""

import base64
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline import recipe as recipes
from pipeline.competition import RawData
from pipeline.reporting.run import facts, gallery, reproduce, sections, submitted
from pipeline.reporting.shared import charts, pictures
from pipeline.reporting.shared import page as shared
from pipeline.runs import trained
from pipeline.stages import report, submit, tune
from pipeline.store import disk
from pipeline.store.submission import Format
from pipeline.tasks.multiclass import MultiClass
from tests.reporting.example_runs import (
    FOLDS,
    HISTORY,
    LAYERS,
    SIDE,
    answer,
    answer_test,
    blank_columns,
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


def test_what_prepare_warned_of_stands_on_the_page(tmp_path):
    chosen = competition()
    images = chosen.read(None).images
    job = job_of(tmp_path, replace(chosen, read=lambda raw: RawData(images, notes=["3 mask(s) are left out: a, b, c"])))
    for fold in range(FOLDS):
        hold_out(job, fold)
    assert "<li>3 mask(s) are left out: a, b, c</li>" in page_of(job, tune, submit)


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


STREET = MultiClass(("sky", "road", "car"), void=255, colours=((255, 255, 255), (200, 0, 0), (0, 0, 0)))
STREET_FORM = Format("id", "rle", class_column="class")


def street(tmp_path, void: bool):
    """A run of several classes, one white and one black; with void in its labels or without."""
    chosen = competition(task=STREET, form=STREET_FORM)
    job = job_of(tmp_path, chosen)
    if void:
        labels = job.prepared.labels
        flat = np.lib.format.open_memmap(job.store.prepared / "labels.npy", mode="r+")
        flat[: labels[0].size : 7] = 255
        flat.flush()
    for fold in range(FOLDS):
        rows = job.fold_table.held_out(fold)
        targets = [STREET.target(job.prepared.labels[row]) for row in rows]
        answer(job, fold, "valid", rows, targets, trained.inputs_of(job, fold))
    return job, page_of(job, tune)


def test_void_is_spoken_of_where_there_is_some(tmp_path):
    assert "Black is left out" not in street(tmp_path / "without", void=False)[1]
    assert "Black is left out" in street(tmp_path / "with", void=True)[1]


def test_classes_that_are_black_or_white_are_shown_in_another_colour(tmp_path):
    shown = pictures.palette(STREET)
    assert shown[1] == (200, 0, 0) and len(set(shown)) == 3
    assert all(max(colour) >= 30 and min(colour) <= 225 for colour in shown)
    assert min(np.abs(np.subtract(a, b)).max() for a in shown for b in shown if a != b) > 60
    labels = np.array([[[0], [1], [2], [255]]], np.uint8)
    assert pictures.painted(labels, STREET)[0].tolist() == [*map(list, shown), [0, 0, 0]]
    page = street(tmp_path, void=False)[1]
    for name, colour in zip(STREET.classes, shown, strict=True):
        assert f'style="background: {shared.css(colour)}"></i>{name}' in page
    assert "#ffffff" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)


def test_every_class_of_a_dark_or_light_palette_has_a_colour_of_its_own():
    greys = tuple((k, k, k) for k in (0, 5, 10, 230, 240, 250, 255))
    assert len(set(pictures.palette(replace(STREET, classes=tuple("abcdefg"), colours=greys)))) == 7


def test_no_column_of_the_page_is_blank(tmp_path, whole):
    job = job_of(tmp_path, competition())
    hold_out(job, 1, keep_plain=False, history=False)
    disk.write_json(job.store.thresholds, {"classes": ["salt"], "thresholds": [{"top": 0.7, "bottom": 0.7}]})
    page = page_of(job)
    assert blank_columns(page) == [] and "last loss" not in page and "<th>epochs</th>" not in page
    assert blank_columns(whole[1]) == [] and "last loss" in whole[1]
    by_class = street(tmp_path / "street", void=False)[1]
    assert blank_columns(by_class) == [] and "<th>hidden truth</th>" not in by_class


def test_a_page_of_fold_all_has_no_blank_column(tmp_path):
    truth = [square(16), square(0)]
    job = job_of(tmp_path, competition(tests=truth))
    (job.store.fold("all")).mkdir(parents=True)
    (job.store.fold("all") / "model.weights.h5").write_bytes(b"weights")
    answer_test(job, "all", truth)
    assert blank_columns(page_of(job, tune, submit)) == []


def test_a_single_value_is_said_and_not_drawn(tmp_path):
    job = job_of(tmp_path, competition())
    for fold in range(2):
        hold_out(job, fold)
        rows = [[epoch, 1 / epoch, 0.5, 1e-3, 0.7 if epoch == 2 else None, 2.0] for epoch in (1, 2)]
        disk.write_rows(job.store.fold(fold) / "history.csv", HISTORY, rows)
    page = page_of(job, tune)
    assert "Held-out score: 0.7000 (fold 0, epoch 2), 0.7000 (fold 1, epoch 2)." in page
    assert "<h3>Held-out score</h3>" not in page and "<h3>Loss</h3>" in page
    for fold in range(2):
        disk.write_rows(job.store.fold(fold) / "history.csv", HISTORY, [[1, 0.5, 0.5, 1e-3, None, 2.0]])
    page = page_of(replace(job, again=True))
    assert "Loss: 0.5000 (fold 0, epoch 1)" in page and "<h3>Loss</h3>" not in page
    assert 'aria-label="Loss"' not in page and "Held-out score" not in page


def test_scores_of_one_class_of_coverage_are_not_drawn(tmp_path):
    images = competition(train=9).read(None).images
    chosen = replace(competition(), read=lambda raw: RawData(images[::3]))
    job = job_of(tmp_path, chosen)
    for fold in range(FOLDS):
        hold_out(job, fold)
    page = page_of(job, tune)
    assert len(sections.coverage(facts.gather(job))["rows"]) == 1
    assert 'aria-label="score by coverage of the truth"' not in page and "<th>coverage</th>" in page


def test_minutes_are_those_of_the_epochs_and_called_so(whole):
    _, page = whole
    # seven epochs of two seconds
    assert "<th>minutes learning</th>" in page and "<td>7</td><td>0.2</td>" in page
    assert "<th>minutes</th>" not in page


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "//example.org", "/a", " https://a"]
)
def test_an_address_that_is_none_of_the_web_is_text(tmp_path, address):
    job = job_of(tmp_path, replace(competition(), page=address))
    hold_out(job, 0)
    page = page_of(job, tune)
    links = re.findall(r'<a [^>]*href="([^"]*)"', page)
    assert links and all(link.startswith("#") for link in links)
    assert f"Tiny &lt;squares&gt; ({address})" in page


def test_an_address_of_the_web_is_a_link():
    assert shared.link("a <b>", 'https://a/"x') == '<a href="https://a/&#34;x">a &lt;b&gt;</a>'
    assert shared.link("a", "HTTP://a").startswith("<a ") and shared.link("a", "") == "a"
