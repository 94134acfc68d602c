"""Why the score is what it is: mistakes, promises, kinds, groups and the test part, on the page and in numbers."""

import re
from dataclasses import replace

import numpy as np
import pytest

from pipeline.competition import RawData, RawImage
from pipeline.imaging import calibration
from pipeline.imaging.metrics import CountMetric, dice, precision_over_iou, whole_set
from pipeline.imaging.objects import ObjectMetric
from pipeline.reporting.run import facts, kinds, test_part, why
from pipeline.runs import trained
from pipeline.stages import report, submit, tune
from pipeline.store import disk
from pipeline.store.submission import Format
from pipeline.tasks.instances import Instances
from pipeline.tasks.multiclass import MultiClass
from tests.reporting.example_runs import (
    FOLDS,
    LAYERS,
    answer,
    answer_test,
    blank_columns,
    competition,
    hold_out,
    job_of,
    page_of,
    square,
)

TESTS = 24


def with_kinds(chosen, kind_of, group_of=lambda raw: "", brighter=0):
    """The same competition, each image with a kind and a group; test pictures brighter by so much."""

    def changed(raw: RawImage) -> RawImage:
        more = brighter if raw.part == "test" else 0
        return replace(raw, kind=kind_of(raw), group=group_of(raw), image=lambda: raw.image() + np.uint8(more))

    images = [changed(raw) for raw in chosen.read(None).images]
    return replace(chosen, read=lambda raw: RawData(images))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """(job, facts, page): two kinds in train, of which test has one and another; test pictures are brighter."""
    truth = [square(6)] * TESTS
    kind_of = {"t": lambda i: "ab"[i % 2], "x": lambda i: "bbbc"[i % 4]}
    chosen = competition(train=36, tests=truth)
    chosen = with_kinds(chosen, lambda raw: kind_of[raw.id[0]](int(raw.id[1:])), brighter=15)
    job = job_of(tmp_path_factory.mktemp("mixed"), chosen)
    for fold in range(FOLDS):
        hold_out(job, fold, keep_plain=False, history=False)
        answer_test(job, fold, truth)
    page = page_of(job, tune, submit)
    return job, facts.gather(job), page


def test_the_mix_of_kinds_is_that_of_the_test_part():
    """.8 x 1/4 + .4 x 3/4 = .5, and its error; kind c of half of the test images has no score."""
    found = kinds.reweighted({"a": (0.8, 0.04), "b": (0.4, 0.02), "d": (0.1, 0.0)}, {"a": 10, "b": 30, "c": 40})
    assert found.score == pytest.approx(0.5) and found.error == pytest.approx(np.hypot(0.04 / 4, 0.02 * 3 / 4))
    assert found.absent == ["c"] and found.covered == 0.5 and found.unsure == []
    assert kinds.reweighted({"a": (0.8, 0.0)}, {"a": 3}).unsure == ["a"]
    assert kinds.reweighted({"a": (0.8, 0.1)}, {"c": 3}) is None and kinds.reweighted({"a": (1, 1)}, {}) is None


def test_with_the_shares_of_train_the_mix_is_the_score(mixed):
    job, found, _ = mixed
    tally, names = found.held_out.tally, job.prepared.table["kind"].to_numpy()[found.held_out.rows]
    measured = {kind: tally.of(np.flatnonzero(names == kind)) for kind in "ab"}
    scores = {kind: (one.score(), one.error()) for kind, one in measured.items()}
    mix = kinds.reweighted(scores, {kind: len(one) for kind, one in measured.items()})
    assert mix.score == pytest.approx(tally.score())


def test_kinds_stand_on_the_page_with_what_the_test_part_lacks(mixed, capsys):
    job, found, page = mixed
    rows = kinds.by_kind(found, job.prepared.table)["rows"]
    assert [(row["name"], row["n"], row["test"]) for row in rows] == [("b", 18, 18), ("c", 0, 6), ("a", 18, None)]
    assert "25.0\N{NO-BREAK SPACE}% of the test images are of kinds that nothing was held out of (c)" in page
    assert "test part's mix of kinds" in kinds.line(found, job.prepared.table)
    report.run(job)
    out = capsys.readouterr().out
    assert "25% of them are of kinds without a score: c" in out and "warning: test images can be told" in out


def test_the_test_part_that_differs_is_shown_and_warned_of(mixed):
    _, found, page = mixed
    assert found.shift.is_large and "They are not one sample" in page and "<li>Test images can be told" in page
    order = [name for name, _ in found.shift.least_like_train()][:8]
    shown = page[page.index('id="test-part"') : page.index('id="submission"')]
    assert re.findall(r"<code>(x\d+)</code>", shown) == order
    assert shown.count("outlines of the prediction, image") == 8


def test_without_a_submission_test_pictures_are_shown_as_they_are(mixed):
    job, found, _ = mixed
    tiles = test_part.tiles(job, replace(found, submitted=None))
    assert len(tiles) == 8 and all(tile["coverage"] is None for tile in tiles)
    assert [words for tile in tiles for _, words in tile["panels"]] == ["the image"] * 8


def test_pictures_are_enlarged_without_a_script_and_each_by_a_box_of_its_own(mixed):
    _, _, page = mixed
    assert "<script" not in page and "onclick" not in page
    zooms = re.findall(r'<label class="zoom"><input type="checkbox" aria-label="enlarge image [^"]+"><span', page)
    assert len(zooms) == len(re.findall(r'<span class="pair', page)) >= 20
    assert page.count('<span class="view"><img') == page.count("<img ")
    assert re.search(r"\.zoom input:checked \+ \.pair \{\s*position: fixed", page)


def test_no_column_is_blank(mixed):
    assert blank_columns(mixed[2]) == []


def test_what_is_not_there_is_not_spoken_of(tmp_path):
    job = job_of(tmp_path, competition())
    hold_out(job, 0, keep_plain=False, history=False)
    page = page_of(job, tune)
    assert 'id="kinds"' not in page and 'id="test-part"' not in page and 'href="#kinds"' not in page
    assert 'id="mistakes"' in page and 'id="reliability"' in page


def test_with_few_test_images_the_reason_is_said(tmp_path):
    job = job_of(tmp_path, competition(tests=[square(16)] * 3))
    hold_out(job, 0)
    page = page_of(job, tune)
    assert "That cannot be told: the train part has 18 images, fewer than 20." in page


def test_with_nothing_held_out_there_is_nothing_to_say(mixed):
    job, found, _ = mixed
    found = replace(found, held_out=None)
    task, table = job.competition.task, job.prepared.table
    assert why.reliability(found, task) == why.expected(found) == kinds.by_kind(found, table) == {}
    assert why.pixels(found, task) == why.objects(found, task) == [] and not why.confusion(found, task)
    assert kinds.by_group(found) == {} and kinds.line(found, table) == ""


STREET = MultiClass(("sky", "road", "car"), void=255)


def street_job(tmp_path, wrong: np.ndarray):
    """Sky and road in squares; what is answered is `wrong` of the truth's classes, with certainty."""
    job = job_of(tmp_path, competition(task=STREET, form=Format("id", "rle", class_column="class")))
    for fold in range(FOLDS):
        rows = job.fold_table.held_out(fold)
        answers = [STREET.target(wrong[job.prepared.labels[row]]) for row in rows]
        answer(job, fold, "valid", rows, answers, trained.inputs_of(job, fold), keep_plain=False)
    return job


def test_classes_that_are_taken_for_each_other(tmp_path):
    job = street_job(tmp_path, wrong=np.array([0, 2, 2]))
    tune.run(job)
    table = why.confusion(facts.gather(job), STREET)
    road = int(sum((job.prepared.labels[row] == 1).sum() for row in job.prepared.train))
    assert [row["cells"] for row in table["rows"]] == [[1, 0, 0], [0, 0, 1], [None] * 3]
    assert [row["precision"] for row in table["rows"]] == [1, None, 0]
    assert table["pairs"] == [{"true": "road", "found": "car", "of_true": 1.0, "of_wrong": 1.0}]
    assert table["wrong"] == pytest.approx(road / (18 * 24 * 24)) and table["names"] == ["sky", "road", "car"]


def test_void_answers_are_a_column_of_their_own(tmp_path):
    job = street_job(tmp_path, wrong=np.array([0, 255, 2]))
    for fold in range(FOLDS):
        flat = np.lib.format.open_memmap(job.store.fold(fold) / "valid.npy", mode="r+")
        channels = flat.reshape(-1, 3)
        channels[channels.max(axis=1) < 128] = 0
        flat.flush()
    disk.write_json(job.store.thresholds, {"thresholds": [{"top": 0.5, "bottom": 0.5}] * 3})
    table = why.confusion(facts.gather(job), STREET)
    assert table["names"][-1] == "nothing" and table["rows"][1]["cells"] == [0, 0, 0, 1]


def test_layers_have_pixels_and_parts_of_their_own(tmp_path):
    job = job_of(tmp_path, competition(task=LAYERS, form=Format("id", "rle", class_column="class")))
    for fold in range(FOLDS):
        hold_out(job, fold)
    tune.run(job)
    found = facts.gather(job)
    assert why.confusion(found, LAYERS) == {}
    assert [row["recall"] for row in why.pixels(found, LAYERS)] == [1, 1]
    parts = why.objects(found, LAYERS)
    assert [entry["rows"][-1]["n"] for entry in parts] == [12, 12]
    assert [entry["recall"] for entry in parts] == [1, 1]


def test_objects_are_counted_and_their_probabilities_looked_at(tmp_path):
    task = Instances(("nucleus",))
    form = Format("id", "rle", several=True)
    chosen = replace(competition(), task=task, format=form, metric=ObjectMetric("objects"))
    job = job_of(tmp_path, chosen)
    for fold in range(FOLDS):
        rows = job.fold_table.held_out(fold)
        targets = [task.target(job.prepared.labels[row]) for row in rows]
        answer(job, fold, "valid", rows, targets, trained.inputs_of(job, fold), keep_plain=False)
    disk.write_json(job.store.thresholds, {"thresholds": [{"top": 0.5, "bottom": 0.5}]})
    page = page_of(job)
    (entry,) = why.objects(facts.gather(job), task)
    assert entry["rows"][-1]["n"] == 12 and "<h3>Objects</h3>" in page and "there, but not matched" in page
    assert why.pixels(facts.gather(job), task) == [] and "promised" not in why.expected(facts.gather(job))
    # everything is found as it is, and nothing else
    found = why.average_precisions(facts.gather(job))
    assert [(row["half"], row["mean"]) for row in found] == [(1, 1), (1, 1)] and "as COCO counts it" in page


def certain(tmp_path, share: float, metric):
    """Probabilities of `share` where the truth is, 0 elsewhere, of six images with truth: (job, facts)."""
    job = job_of(tmp_path, replace(competition(), metric=metric))
    rows = job.fold_table.held_out(1)
    answer(
        job, 1, "valid", rows, [job.prepared.labels[row] for row in rows], trained.inputs_of(job, 1), keep_plain=False
    )
    # without the noise
    flat = np.lib.format.open_memmap(job.store.fold(1) / "valid.npy", mode="r+")
    flat[:] = np.where(flat > 127, round(255 * share), 0)
    flat.flush()
    disk.write_json(job.store.thresholds, {"thresholds": [{"top": 0.5, "bottom": 0.5}]})
    return job, facts.gather(job)


def test_a_promise_of_three_fifths_is_known_by_heart(tmp_path):
    """.6 where the truth is: the masks are right, the probabilities promise 58 of 96 pixels: above .5, .55 and .6."""
    job, found = certain(tmp_path, 0.6, CountMetric("mean precision", precision_over_iou))
    said = why.expected(found)
    covered = found.held_out.coverage.mean()
    assert said["expected_wrong"] == pytest.approx(0.4 * covered) and said["wrong"] == 0
    assert said["seen"] == 1 and said["promised"] == 0.3 and said["n"] == 6
    assert said["apart"] == pytest.approx(0.3 - 1) and said["ranks"] is None
    row = why.reliability(found, job.competition.task)["rows"][0]
    assert row["error"] == pytest.approx(0.4 * covered) and row["upper_seen"] == 1
    assert row["upper_said"] == pytest.approx(0.6)


def test_of_a_whole_set_every_image_is_promised(tmp_path):
    _, found = certain(tmp_path, 0.6, CountMetric("Dice", dice, whole_set))
    said = why.expected(found)
    assert said["n"] == 6 and said["promised"] == pytest.approx(2 * 58 / (96 + 58)) and not said["alone"]


def test_the_error_of_a_share_is_that_of_a_ratio():
    """Against the jackknife: each image, or group, left out in turn."""
    rng = np.random.default_rng(0)
    counts = np.zeros((40, calibration.BINS, 3), np.int64)
    counts[:, 3, 0] = rng.integers(50, 100, 40)
    counts[:, 3, 1] = (counts[:, 3, 0] * rng.random(40)).astype(int)
    groups = np.repeat([f"g{i}" for i in range(20)], 2)
    for names in (None, groups):
        members = counts if names is None else counts.reshape(20, 2, calibration.BINS, 3).sum(axis=1)
        left = members.sum(axis=0) - members
        ratios = left[:, 3, 1] / left[:, 3, 0]
        jackknife = np.sqrt((len(ratios) - 1) * np.square(ratios - ratios.mean()).mean())
        assert why._errors(counts, names)[3] == pytest.approx(jackknife, rel=0.1)
    assert why._errors(counts, None)[0] == 0


def test_groups_of_several_images_are_listed_the_lowest_first(tmp_path):
    chosen = with_kinds(competition(), lambda raw: "", group_of=lambda raw: f"g{int(raw.id[1:]) % 5}")
    job = job_of(tmp_path, chosen)
    rows = [(name, int(name[1:]) % 5 % 2) for name in job.prepared.table["id"]]
    disk.write_rows(job.store.folds(FOLDS), ["id", "fold"], rows)
    hold_out(job, 0)
    tune.run(job)
    found = kinds.by_group(facts.gather(job))
    assert found["count"] == 3 and [row["n"] for row in found["rows"]] == [4, 4, 3]
    scores = [row["score"] for row in found["rows"]]
    assert scores == sorted(scores)
