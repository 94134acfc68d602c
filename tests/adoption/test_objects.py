"""Maps of objects with scores become the channels that decode to just these objects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from pipeline.errors import UserError
from pipeline.imaging.objects import ObjectMetric
from pipeline.store.predictions import Predictions
from pipeline.store.submission import Format
from pipeline.tasks import foreign
from pipeline.tasks.instances import Instances
from pipeline.tasks.multiclass import MultiClass
from pipeline.tasks.thresholds import Thresholds, level
from tests.adoption.written import adopted, held_out, parts
from tests.reporting.example_runs import SIDE, competition, job_of

TASK = Instances()


def boxes(corners, side: int = 32) -> np.ndarray:
    """Rectangles of three to nine pixels a side, later ones never over earlier ones."""
    labels = np.zeros((side, side), np.int32)
    for number, (top, left, height, width) in enumerate(corners, 1):
        place = labels[top : top + height, left : left + width]
        if place.shape == (height, width) and not place.any():
            place[:] = number
    return labels


CORNERS = some.tuples(*[some.integers(0, 28)] * 2, *[some.integers(3, 9)] * 2)


def same_objects(found: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether two maps are the same up to the numbers."""
    pairs = set(zip(found.ravel().tolist(), wanted.ravel().tolist(), strict=True))
    one_to_one = len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    return one_to_one and all((a == 0) == (b == 0) for a, b in pairs)


@settings(max_examples=25)
@given(some.lists(CORNERS, max_size=12), some.integers(0, 1000))
def test_objects_come_back_and_scores_choose_among_them(corners, seed):
    labels = boxes(corners)
    numbers = np.unique(labels[labels != 0])
    scores = np.random.default_rng(seed).random(int(labels.max(initial=0)))
    answer = foreign.of_labels(TASK, labels, scores)
    assert foreign.changed(TASK, labels, answer) == 0
    for bottom in (0.0, 0.3, 0.5, 0.7):
        kept = [n for n in numbers if np.floor(255 * scores[n - 1] + 0.5) >= level(bottom)]
        found = TASK.decode(answer, [Thresholds(bottom=bottom, top=0.5)])[..., 0]
        wanted = np.where(np.isin(labels, kept), labels, 0)
        if bottom:
            assert same_objects(found, wanted)


def test_objects_without_scores_are_certain_and_their_numbers_may_be_any():
    labels = boxes([(2, 2, 5, 5), (2, 7, 5, 6), (20, 3, 4, 8)]) * 1000
    answer = foreign.of_labels(TASK, labels)
    assert set(np.unique(answer[..., 0])) == {0, 255}
    assert same_objects(TASK.decode(answer, TASK.plain_thresholds())[..., 0], labels)


def test_what_does_not_come_back_is_counted():
    # two parts of one number, two rows of one pixel along each other, and one that is whole
    labels = np.zeros((20, 20), np.int32)
    labels[1:4, 1:4] = labels[1:4, 10:13] = 1
    labels[8, 2:15], labels[9, 2:15] = 2, 3
    labels[13:18, 3:9] = 4
    assert foreign.changed(TASK, labels, foreign.of_labels(TASK, labels)) == 3


@pytest.mark.parametrize(
    ("labels", "scores", "says"),
    [
        ([[0, -1]], None, "holds the number -1"),
        ([[0, 3]], [0.5, 0.5], "holds the object 3, and there are 2 scores"),
        ([[0, 1]], [1.5], "has scores that are not from 0 to 1"),
        ([[0, 1]], [np.nan], "has scores that are not from 0 to 1"),
    ],
)
def test_labels_and_scores_that_cannot_be(labels, scores, says):
    with pytest.raises(UserError, match=says):
        foreign.of_labels(TASK, np.array(labels), scores)


def test_maps_of_classes_are_their_targets_and_void_stays_void():
    task = MultiClass(("sky", "road"), void=9)
    labels = np.array([[0, 1], [9, 1]])
    assert foreign.of_labels(task, labels).tolist() == task.target(labels[..., None]).tolist()
    with pytest.raises(UserError, match=r"holds the numbers 2, 18; the classes are 0 to 1"):
        foreign.of_labels(task, labels * 2)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    chosen = competition(task=TASK, form=Format("id", "runs", several=True), metric=ObjectMetric("precision"))
    return job_of(tmp_path_factory.mktemp("objects"), chosen)


def maps(job) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    draw = [rng.integers((0, 0, 3, 3), (18, 18, 8, 8), (5, 4)) for _ in parts(job)["oof"]]
    return {name: boxes(corners.tolist(), SIDE) for name, corners in zip(parts(job)["oof"], draw, strict=True)}


def found(run, fold) -> Predictions:
    return Predictions(run.store.fold(fold), "valid", TASK.outputs)


@pytest.mark.parametrize("layout", ["stack", "files"])
def test_maps_with_scores_in_files_become_a_run(job, tmp_path, layout, capsys):
    labels = maps(job)
    scores = {name: np.linspace(0.55, 0.95, 5) for name in labels}
    ids = list(labels)
    if layout == "stack":
        stacked = {"labels": np.stack(list(labels.values())), "scores": np.stack(list(scores.values()))}
        np.savez(tmp_path / "oof.npz", **stacked, ids=ids)
    else:
        (tmp_path / "oof").mkdir()
        for name in ids:
            np.savez(tmp_path / "oof" / f"{name}.npz", labels=labels[name], scores=scores[name])
    run = adopted(job, tmp_path, layout)
    assert "maps of labels, with scores of objects" in capsys.readouterr().out
    for fold in range(3):
        answers = found(run, fold)
        for i, name in enumerate(held_out(job, fold)):
            np.testing.assert_array_equal(answers[i], foreign.of_labels(TASK, labels[name], scores[name]))
            assert same_objects(TASK.decode(answers[i], TASK.plain_thresholds())[..., 0], labels[name])


def test_scores_of_something_else_are_refused_or_left_out(job, tmp_path, capsys):
    labels = maps(job)
    ids, stacked = list(labels), np.stack(list(labels.values()))
    for number, scores in enumerate((np.ones(18), np.ones((3, 5)), 0.5)):
        np.savez(tmp_path / "oof.npz", labels=stacked, ids=ids, scores=scores)
        adopted(job, tmp_path / "oof.npz", f"odd {number}")
        assert "left out: the array(s) scores beside" in capsys.readouterr().out
    (tmp_path / "files" / "oof").mkdir(parents=True)
    for name in ids:
        np.savez(tmp_path / "files" / "oof" / f"{name}.npz", labels=labels[name], scores=0.5)
    with pytest.raises(UserError, match=r"has scores of float64, one number; wanted is a number for each"):
        adopted(job, tmp_path / "files", "no scores")


def test_objects_that_are_lost_are_said(job, tmp_path, capsys):
    labels = maps(job)
    first = next(iter(labels))
    labels[first][:] = 0
    labels[first][3, 2:15], labels[first][4, 2:15] = 1, 2
    np.savez(tmp_path / "oof.npz", labels=np.stack(list(labels.values())), ids=list(labels))
    adopted(job, tmp_path, "lost")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "do not come back" in line]
    assert " 2 of " in line and line.endswith(f"the first in {first}")


def test_a_mask_of_yes_and_no_is_of_all_objects_together(job, tmp_path):
    masks = {name: array != 0 for name, array in maps(job).items()}
    np.savez(tmp_path / "oof.npz", p=np.stack(list(masks.values())), ids=list(masks))
    answer = found(adopted(job, tmp_path, "yes and no"), 1)[0]
    wanted = TASK.of_one(np.where(masks[held_out(job, 1)[0]], 255, 0).astype(np.uint8))
    np.testing.assert_array_equal(answer, wanted)


def test_one_channel_of_all_objects_together_is_told_apart_by_shape(job, tmp_path, capsys):
    together = {name: (array != 0) * np.float32(0.8) for name, array in maps(job).items()}
    np.savez(tmp_path / "oof.npz", p=np.stack(list(together.values())), ids=list(together))
    run = adopted(job, tmp_path, "together")
    assert "all objects together: they are told apart by their shape" in capsys.readouterr().out
    name, answer = held_out(job, 1)[0], found(run, 1)[0]
    np.testing.assert_array_equal(answer, TASK.of_one(np.where(together[name] > 0, 204, 0).astype(np.uint8)))
