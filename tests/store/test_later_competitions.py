"""What competitions of Kaggle want for a csv: each is a Format, writes these very lines, and reads them again.

Two of the later ones want no csv of run lengths, which a Format cannot say: Vesuvius' Surface a zip of volumes,
HuBMAP's vasculature instances with scores, packed as COCO's programs pack them.
"""

import csv

import numpy as np
import pytest

from pipeline.store import answer_file, submission
from pipeline.store.disk import write_rows
from pipeline.store.submission import Expected, Format
from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances
from pipeline.tasks.multilabel import MultiLabel

# two rows of three each
MASK = np.array([[1, 1, 0], [1, 0, 0]], np.uint8)  # down: 1 2 3, across: 1 2 4
APART = np.array([[1, 0, 2], [1, 0, 2]], np.int32)  # two objects, down: 1 2 and 5 6
NOTHING = np.zeros((2, 3), np.uint8)
BOTH = np.stack([MASK, NOTHING], axis=-1)
NEITHER = np.zeros((2, 3, 2), np.uint8)

ONE, ORGANS, DEFECTS = Binary(("kidney",)), MultiLabel(("bowel", "stomach")), MultiLabel(("1", "2"))
OBJECTS = Instances(("ship",))
STEEL = "ImageId", "EncodedPixels"

CASES = {
    "UW-Madison": (
        Format("id", "predicted", class_column="class", order="across"),
        ORGANS,
        (BOTH, NEITHER),
        ["id,class,predicted", "a,bowel,1 2 4 1", "a,stomach,", "b,bowel,", "b,stomach,"],
    ),
    "HuBMAP kidney": (Format("id", "predicted"), ONE, (MASK, NOTHING), ["id,predicted", "a,1 3", "b,"]),
    "contrails": (
        Format("record_id", "encoded_pixels", empty="-", ordered=False),
        ONE,
        (MASK, NOTHING),
        ["record_id,encoded_pixels", "a,1 3", "b,-"],
    ),
    "Vesuvius ink": (
        Format("Id", "Predicted", order="across", empty="1 1"),
        ONE,
        (MASK, NOTHING),
        ["Id,Predicted", "a,1 2 4 1", "b,1 1"],
    ),
    "SenNet": (Format("id", "rle", empty="1 0"), ONE, (MASK, NOTHING), ["id,rle", "a,1 3", "b,1 0"]),
    "SIIM pneumothorax": (
        Format(*STEEL, first=0, relative=True, empty="-1"),
        ONE,
        ((APART > 0).astype(np.uint8), NOTHING),
        ["ImageId,EncodedPixels", "a,0 2 2 2", "b,-1"],
    ),
    "Severstal, then": (
        Format("ImageId_ClassId", "EncodedPixels", joined=True, ending=".jpg"),
        DEFECTS,
        (BOTH, NEITHER),
        ["ImageId_ClassId,EncodedPixels", "a.jpg_1,1 3", "a.jpg_2,", "b.jpg_1,", "b.jpg_2,"],
    ),
    "Severstal, later": (
        Format(*STEEL, class_column="ClassId", ending=".jpg", header=("ImageId", "EncodedPixels", "ClassId")),
        DEFECTS,
        (BOTH, NEITHER),
        ["ImageId,EncodedPixels,ClassId", "a.jpg,1 3,1", "a.jpg,,2", "b.jpg,,1", "b.jpg,,2"],
    ),
    "Airbus ships": (
        Format(*STEEL, several=True, ending=".jpg"),
        OBJECTS,
        (APART, NOTHING),
        ["ImageId,EncodedPixels", "a.jpg,1 2", "a.jpg,5 2", "b.jpg,"],
    ),
    "Recod.ai forgery": (
        Format("case_id", "annotation", between=";", brackets=True, empty="authentic"),
        OBJECTS,
        (APART, NOTHING),
        ["case_id,annotation", '"a","[1, 2];[5, 2]"', "b,authentic"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_lines_are_these_and_are_read_again(tmp_path, name):
    form, task, pictures, lines = CASES[name]
    labels = [picture.reshape(2, 3, -1) for picture in pictures]
    path = tmp_path / "submission.csv"
    rows = [
        row
        for image, truth in zip("ab", labels, strict=True)
        for row in submission.rows_of(image, task.texts(form.turned(truth)), form, task.classes)
    ]
    write_rows(path, form.columns, rows)
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == list(csv.reader(lines))
    expected = Expected(["a", "b"], np.array([2, 2]), np.array([3, 3]), task.classes)
    summary = answer_file.validate(path, form, expected)
    assert (summary.images, summary.empty) == (2, 0.5)
    found = list(submission.decoded(submission.read_csv(path, form), form, expected, task))
    assert all(np.array_equal(one, other) for one, other in zip(found, labels, strict=True))


def test_starts_of_pneumothorax_are_counted_as_its_organisers_do():
    """A start moves on from where the run before it ended; written here the slow way."""
    form = CASES["SIIM pneumothorax"][0]
    mask = np.random.default_rng(0).random((9, 7)) < 0.4
    numbers = [int(word) for word in form.encode(mask[None]).split()]
    flat, place = np.zeros(63, bool), 0
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        place += start
        flat[place : place + length] = True
        place += length
    assert np.array_equal(mask, flat.reshape(7, 9).T)
