"""What a network proposed, as a file, and on the page of a run; no network is trained."""

from types import SimpleNamespace

import numpy as np
import pandas
import pytest

from pipeline.errors import UserError
from pipeline.models.frame import Frame
from pipeline.store import disk

keras = pytest.importorskip("keras")

from pipeline.training import proposals


class Proposing:
    """Proposes a corner of each picture, likely by how bright that is, and finds nothing else in it."""

    def propose(self, image):
        self.shape = image.shape
        bright = float(image[0, :4, :4].mean())
        return np.array([[[0, 0, 4, 4], [0, 0, 0, 0]]], float), np.array([[bright, 0.0]])

    def find(self, image, training):
        return None, np.array([[[0, 0, 4, 4]]], float), np.array([[0.75]])


def written(folder, sizes, coverage):
    pictures = [np.full((*size, 1), min(51 * (i + 1), 255), np.uint8) for i, size in enumerate(sizes)]
    view = SimpleNamespace(images=pictures, info={"range": 255})
    table = pandas.DataFrame({"id": [f"p{i}" for i in range(len(sizes))], "coverage": coverage})
    network = Proposing()
    rows = np.arange(len(sizes))
    proposals.write(folder, network, view, rows, SimpleNamespace(table=table), Frame(multiple=16))
    return disk.read_arrays(folder / proposals.NAME), network


def test_windows_lie_in_the_middle_and_are_what_the_network_takes(tmp_path):
    found, network = written(tmp_path, [(300, 70)], [0.1])
    assert found["ids"].tolist() == ["p0"] and found["windows"].tolist() == [[22, 3, 256, 64]]
    assert network.shape == (1, 256, 64, 1)
    assert found["likely"][0].tolist() == pytest.approx([0.2, 0]) and found["scores"].tolist() == [[0.75]]


def test_a_picture_smaller_than_the_network_takes_is_mirrored(tmp_path):
    found, network = written(tmp_path, [(9, 40)], [0.1])
    assert found["windows"].tolist() == [[0, 4, 9, 32]] and network.shape == (1, 16, 32, 1)


@pytest.mark.parametrize(
    ("coverage", "ids"),
    [
        ([0.1] * 4, ["p0", "p1", "p2", "p3"]),
        ([0, 0.1, 0, 0.2], ["p1", "p3"]),
        ([0, 0], ["p0", "p1"]),
        ([0.1] * 11, ["p0", "p2", "p4", "p6", "p8", "p10"]),
    ],
)
def test_pictures_that_hold_something_are_shown_and_few(tmp_path, coverage, ids):
    assert written(tmp_path, [(16, 16)] * len(coverage), coverage)[0]["ids"].tolist() == ids


def content(**changes) -> dict:
    found = {
        "ids": np.array(["t00"]),
        "windows": np.array([[0, 0, 16, 16]]),
        "boxes": np.array([[[2, 2, 9, 9], [0, 0, 4, 4]]], float),
        "likely": np.array([[0.9, 0.0]]),
        "found": np.array([[[2, 2, 9, 9]]], float),
        "scores": np.array([[0.8]]),
    }
    return {**found, **changes}


def job(tmp_path):
    prepared = SimpleNamespace(
        train_ids=["t00"],
        scaling=None,
        images=[np.zeros((16, 16, 3), np.uint8)],
        labels=[np.eye(16, dtype=np.uint16)[..., None]],
    )
    store = SimpleNamespace(run="r", folds_holding=lambda name: [1], fold=lambda fold: tmp_path)
    return SimpleNamespace(prepared=prepared, store=store)


def test_the_page_shows_what_was_proposed_and_what_was_found(tmp_path):
    from pipeline.reporting.run.proposals import cards

    np.savez(tmp_path / proposals.NAME, **content())
    (card,) = cards(job(tmp_path))
    assert card["id"] == "t00" and card["fold"] == 1
    assert [words for _, words in card["panels"]] == [
        "the 1 likeliest regions of 1",
        "objects, and their scores in per cent",
    ]
    assert all(address.startswith("data:image/png;base64,") for address, _ in card["panels"])
    # of a picture that is there no more nothing is shown
    np.savez(tmp_path / proposals.NAME, **content(ids=np.array(["gone"])))
    assert cards(job(tmp_path)) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"boxes": np.zeros((1, 2), float)}, "its 'boxes' are none"),
        ({"scores": np.array([[np.nan]])}, "its 'scores' are none"),
        ({"ids": np.array([7])}, "its 'ids' are none"),
        ({"windows": np.array([[0, 0, 16, 16], [0, 0, 16, 16]])}, "its 'windows' are none"),
        ({"windows": np.array([[90, 0, 16, 16]])}, "is of other pictures"),
    ],
)
def test_a_file_that_holds_something_else_is_a_line(tmp_path, changes, says):
    from pipeline.reporting.run.proposals import cards

    np.savez(tmp_path / proposals.NAME, **content(**changes))
    with pytest.raises(UserError, match=says):
        cards(job(tmp_path))
