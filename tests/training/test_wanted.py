"""Windows that must hold something hold each class as often as any other, and what they hold is where it is said."""

from types import SimpleNamespace

import numpy as np
import pandas
import pytest

from pipeline import recipe as recipes
from pipeline.models.frame import Frame
from pipeline.store.prepared import View
from pipeline.tasks.multiclass import MultiClass
from pipeline.tasks.multilabel import MultiLabel
from pipeline.training import wanted
from pipeline.training.batches import Batches
from pipeline.training.filled_pixels import FilledPixels
from pipeline.training.wanted import Wanted

STREET = MultiClass(("sky", "road", "pole", "never"))


def batches(task, labels: list[np.ndarray], share: float, steps: int, **fields) -> list[np.ndarray]:
    """The targets of so many batches of windows of 16 pixels."""
    table = pandas.DataFrame({"coverage": [task.coverage(picture) for picture in labels]})
    prepared, view = SimpleNamespace(labels=labels, table=table), View([picture[..., :1] for picture in labels], {})
    recipe = recipes.Recipe(**{"size": 0, **fields}, crop=16, batch_size=20, non_empty=share)
    made = Batches(prepared, view, np.arange(len(labels)), task, (16, 16), Frame(multiple=1), recipe, (1, 1))
    return [made(step)["target"] for step in range(steps)]


def street() -> list[np.ndarray]:
    """Ten pictures of a background and a large class; one has five pixels of a rare one, too."""
    pictures = [np.zeros((64, 64, 1), np.uint8) for _ in range(10)]
    for picture in pictures:
        picture[20:] = 1
    pictures[7][40, 30:35] = 2
    return pictures


@pytest.mark.parametrize("fields", [{}, {"size": 64, "fit": "resize"}], ids=["own size", "resized"])
def test_a_rare_class_is_in_as_many_windows_as_a_frequent_one(fields):
    shares = {}
    for share in (0.0, 1.0):
        found = np.concatenate(batches(STREET, street(), share, 20, **fields)).any(axis=(1, 2))
        shares[share] = found.mean(axis=0)
    assert shares[0.0][2] < 0.03
    # half of them are around the rare class, and the others hold it by chance; the first class is background
    assert 0.4 < shares[1.0][2] < 0.6 and shares[1.0][1] > 0.9 and shares[1.0][3] == 0


def test_what_is_gone_when_a_picture_is_resized_is_where_it_was():
    """A window around one pixel of 128 x 128, resized to 32 x 32, lies in the corner where that pixel is."""
    picture = np.zeros((128, 128, 2), np.uint8)
    picture[:40, :40, 0], picture[5, 6, 1] = 1, 1
    found = np.concatenate(batches(MultiLabel(("organ", "stone")), [picture] * 3, 1.0, 10, size=32, fit="resize"))
    assert found[..., 0].any(axis=(1, 2)).all()


def test_classes_that_overlap_are_wanted_each_for_itself():
    pictures = [np.zeros((64, 64, 2), np.uint8) for _ in range(6)]
    for picture in pictures:
        picture[..., 0] = 1
    pictures[3][10:12, 50, 1] = 1
    found = np.concatenate(batches(MultiLabel(("organ", "stone")), pictures, 1.0, 20)).any(axis=(1, 2))
    assert found[:, 0].all() and 0.4 < found[:, 1].mean() < 0.65


def test_where_no_picture_holds_anything_windows_are_anywhere():
    assert not np.any(batches(MultiLabel(("organ", "stone")), [np.zeros((40, 40, 2), np.uint8)] * 3, 1.0, 1))


def test_an_image_without_what_is_wanted_gives_way_to_one_of_those_with_it():
    pixels = FilledPixels(lambda row, lines: np.ones((4, 4), bool)[lines])
    found, random = Wanted([pixels], [np.array([2, 9])]), np.random.default_rng(0)
    assert {found.draw(9, random)[0], found.draw(2, random)[0]} == {9, 2}
    assert {found.draw(5, random)[0] for _ in range(40)} == {2, 9}
    assert found.draw(5, random)[1] is pixels


def test_classes_are_seen_in_bands_and_not_where_nothing_is_known(monkeypatch):
    monkeypatch.setattr(wanted, "AT_ONCE", 64)
    labels = street()[7]
    known = np.ones((64, 64, 1), np.float32)
    assert wanted.classes_in(labels, STREET).tolist() == [False, True, True, False]
    known[38:42] = 0
    assert wanted.classes_in(labels, STREET, known).tolist() == [False, True, False, False]
