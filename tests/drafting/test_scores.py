"""Csv files laid out as those of published competitions: `new` writes their score and their way of writing."""

import json

import numpy as np
import pytest

from pipeline.imaging.object_counts import object_f2
from pipeline.imaging.official import object_numbers
from pipeline.store import submission
from tests.drafting.test_annotations import made  # noqa: F401 (a fixture)
from tests.raw.annotations.scenes import HEIGHT, WIDTH, runs, save, scene, table

COUNT = 8


def objects_of(labels):
    """The disc and the bar, each a mask; none in every fourth picture."""
    bar = np.zeros_like(labels, bool)
    bar[1:5, WIDTH - 9 : WIDTH - 3] = True
    return [(labels > 0) & ~bar, bar]


def written_truth(competition, prepared, labels_of):
    """The rows that a submission of this truth has, checked as valid."""
    task, form = competition.task, competition.format
    wanted = submission.expected(competition, prepared)
    rows = []
    for name in wanted.ids:
        labels = labels_of[name]
        rows += submission.rows_of(name, task.texts(form.turned(labels)), form, task.classes)
    found = submission.table_from(rows, form)
    submission.validate(found, form, wanted, "here")
    back = list(submission.decoded(found, form, wanted, task))
    assert all(np.array_equal(one > 0, labels_of[name] > 0) for one, name in zip(back, wanted.ids, strict=True))
    return rows


def numbered(masks):
    found = np.zeros((HEIGHT, WIDTH, 1), np.uint16)
    for number, mask in enumerate(masks, 1):
        found[mask, 0] = number
    return found


def test_ships(made, tmp_path):  # noqa: F811
    raw, rows, tests = tmp_path / "raw", [], {}
    for i in range(COUNT):
        picture, labels = scene(i)
        save(raw / "train_v2" / f"a{i}.jpg", picture)
        rows += [f"a{i}.jpg,{runs(mask)}" for mask in objects_of(labels)] if i % 4 else [f"a{i}.jpg,"]
    for i in range(3):
        picture, labels = scene(100 + i)
        save(raw / "test_v2" / f"q{i}.jpg", picture)
        tests[f"q{i}"] = numbered(objects_of(labels) if i else [])
    table(raw / "train_ship_segmentations_v2.csv", "ImageId,EncodedPixels", rows)
    table(raw / "sample_submission_v2.csv", "ImageId,EncodedPixels", [f"q{i}.jpg,1 2" for i in range(3)])
    competition, prepared, said = made()
    assert "laid out as Airbus Ship Detection 2018" in said
    assert competition.metric.formula is object_f2 and len(competition.metric.thresholds) == 10
    rows = written_truth(competition, prepared, tests)
    assert [row[0] for row in rows] == ["q0.jpg", "q1.jpg", "q1.jpg", "q2.jpg", "q2.jpg"] and rows[0][1] == ""


def test_steel(made, tmp_path):  # noqa: F811
    raw, rows, tests = tmp_path / "raw", [], {}
    for i in range(COUNT):
        picture, labels = scene(i, 4)
        save(raw / "train_images" / f"a{i}.jpg", picture)
        rows += [f"a{i}.jpg_{k},{runs(labels == k) if i % 4 else ''}" for k in range(1, 5)]
    for i in range(3):
        picture, labels = scene(100 + i, 4)
        save(raw / "test_images" / f"q{i}.jpg", picture)
        tests[f"q{i}"] = np.stack([labels == k for k in range(1, 5)], axis=-1).astype(np.uint8)
    keys = [f"q{i}.jpg_{k}" for i in range(3) for k in range(1, 5)]
    table(raw / "train.csv", "ImageId_ClassId,EncodedPixels", rows)
    table(raw / "sample_submission.csv", "ImageId_ClassId,EncodedPixels", [f"{key},1 1" for key in keys])
    competition, prepared, said = made()
    assert "laid out as Severstal" in said and competition.task.classes == ("1", "2", "3", "4")
    assert competition.metric.name == "mean Dice over pictures and classes"
    rows = written_truth(competition, prepared, tests)
    assert [row[0] for row in rows] == keys
    assert rows[5] == ["q1.jpg_2", runs(tests["q1"][..., 1])]


def brackets(mask):
    return json.dumps([int(word) for word in runs(mask).split()])


@pytest.mark.parametrize("placeholder", [False, True])
def test_forgery(made, tmp_path, placeholder):  # noqa: F811
    raw, rows, tests = tmp_path / "raw", [], {}
    for i in range(COUNT):
        picture, labels = scene(i)
        save(raw / "train_images" / f"{10 + i}.png", picture)
        field = ";".join(map(brackets, objects_of(labels))) if i % 4 else "authentic"
        rows.append(f'{10 + i},"{field}"')
    for i in range(3):
        picture, labels = scene(100 + i)
        save(raw / "test_images" / f"{50 + i}.png", picture)
        tests[f"{50 + i}"] = numbered(objects_of(labels) if i else [])
    table(raw / "train.csv", "case_id,annotation", rows)
    sample = [] if placeholder else [f"{50 + i},authentic" for i in range(3)]
    table(raw / "sample_submission.csv", "case_id,annotation", sample)
    competition, prepared, said = made()
    assert "laid out as Recod.ai's forgery detection" in said
    assert competition.official.reads is object_numbers and competition.metric.thresholds == (0.5,)
    rows = written_truth(competition, prepared, tests)
    assert rows[0] == ["50", "authentic"]
    _, labels = scene(101)
    assert rows[1] == ["51", ";".join(map(brackets, objects_of(labels)))]
    # an object is a unit of the score alone: the truth has 1, one of two objects a half
    truth = tests["51"][None]
    half = np.where(truth == 1, truth, 0)
    scores = competition.official.scores(
        np.stack([competition.official.statistic(competition.task, found, truth) for found in (truth, half)])
    )
    assert scores == pytest.approx([1, 0.5], abs=1e-9)


def test_other_objects_keep_the_score_of_their_kind(made, tmp_path):  # noqa: F811
    raw, rows = tmp_path / "raw", []
    for i in range(COUNT):
        picture, labels = scene(i)
        save(raw / "train" / f"a{i}.png", picture)
        rows += [f"a{i},{runs(mask)}" for mask in objects_of(labels)]
    table(raw / "train.csv", "ImageId,EncodedPixels", rows)
    competition, _, said = made()
    assert "laid out as" not in said and competition.official is None
    assert competition.metric.name == "mean precision over IoU 0.5 to 0.95, objects"
