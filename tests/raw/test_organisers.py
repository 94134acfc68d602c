"""The organisers' own run lengths beside the labels: what agrees, what is another way of counting, what differs."""

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from pipeline.raw.organisers import Organisers
from pipeline.store.dialect import Format
from pipeline.store.submission import rows_of
from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances
from pipeline.tasks.multilabel import MultiLabel

ONE = Binary(("salt",))
IDS = [f"p{i}" for i in range(6)]


def drawn(seed, layers=1):
    """Labels that are no mirror images of themselves; the first is empty."""
    labels = np.random.default_rng(seed).integers(0, 2, (5, 7, layers)).astype(np.uint8)
    return labels * (seed > 0)


def written(tmp_path, form, task=ONE, name="train.csv", ids=IDS):
    lines = [",".join(form.columns)]
    for seed, image in enumerate(ids):
        texts = task.texts(form.turned(drawn(seed, task.layers)))
        lines += [",".join(row) for row in rows_of(image, texts, form, task.classes)]
    (tmp_path / name).write_text("\n".join(lines) + "\n")


def compared(tmp_path, form, task=ONE, ids=IDS):
    with RawFiles(tmp_path) as raw:
        found = Organisers(raw, form, task, set(ids))
    for seed, image in enumerate(ids):
        found.compare(image, drawn(seed, task.layers))
    return found


@pytest.mark.parametrize(
    ("form", "task"),
    [
        (Format(), ONE),
        (Format("id", "predicted", class_column="class", order="across"), MultiLabel(("a", "b"))),
        (Format("key", "rle", joined=True, ending=".jpg", empty="-1"), MultiLabel(("1", "2"))),
        (Format("ImageId", "rle", several=True), Instances(("ship",))),
        (Format(first=0, relative=True, empty="-"), ONE),
        (Format("id", "rle", class_column="class", header=("id", "rle", "class")), MultiLabel(("a", "b"))),
    ],
)
def test_labels_that_are_the_organisers_are_said_nothing_of(tmp_path, form, task):
    written(tmp_path, form, task)
    found = compared(tmp_path, form, task)
    assert found.compared == len(IDS) and found.notes() == []


def test_a_train_csv_may_have_its_columns_in_another_order_than_the_submission(tmp_path):
    usual, task = Format("id", "rle", class_column="class"), MultiLabel(("a", "b"))
    written(tmp_path, usual, task)
    last = Format("id", "rle", class_column="class", header=("id", "rle", "class"))
    found = compared(tmp_path, last, task)
    assert found.compared == len(IDS) and found.notes() == []


def test_an_image_is_all_its_columns_of_ids(tmp_path):
    form, ids = Format(id_column=("case", "day")), [f"p{i // 3}_{i}" for i in range(6)]
    written(tmp_path, form, ids=ids)
    found = compared(tmp_path, form, ids=ids)
    assert found.compared == 6 and found.notes() == []
    written(tmp_path, Format(id_column=("case", "day"), first=0), ids=ids)
    with pytest.raises(UserError, match="first=0"):
        compared(tmp_path, form, ids=ids).notes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"order": "across"}, 'order="across"'),
        ({"first": 0}, "first=0"),
        ({"relative": True}, "relative=True"),
        ({"empty": "-1"}, 'empty="-1"'),
    ],
)
def test_another_way_of_counting_is_named(tmp_path, change, said):
    written(tmp_path, Format(**change))
    with pytest.raises(UserError, match=said):
        compared(tmp_path, Format()).notes()


def test_labels_that_are_others_are_counted_and_named(tmp_path):
    written(tmp_path, Format())
    path = tmp_path / "train.csv"
    path.write_text(path.read_text().replace("\np3,", "\np3,1 35\nx,"))
    assert compared(tmp_path, Format()).notes() == [
        "the labels of 1 of 6 train images are not the run lengths in train.csv: p3"
    ]


def test_tables_of_other_images_or_columns_are_left_alone(tmp_path):
    written(tmp_path, Format(first=0), name="sample_submission.csv", ids=["t0", "t1"])
    written(tmp_path, Format("id", "pixels", first=0), name="other.csv")
    found = compared(tmp_path, Format())
    assert found.compared == 0 and found.notes() == []
