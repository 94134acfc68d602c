"""Ultrasound nerve: its layout drawn in small, its errors, and its real files."""

import collections
import zipfile

import cv2
import numpy as np
import pytest

from pipeline.competitions import nerve
from pipeline.errors import UserError
from pipeline.imaging import rle
from pipeline.raw.files import RawFiles
from tests.competitions.packing import unpacked, zips_in_zip

SHAPE = (42, 58)
SUBJECTS = {"1": (1, 2, 10), "12": (1, 3)}
IDS = [f"{subject}_{number}" for subject, numbers in SUBJECTS.items() for number in numbers]
TESTS = ["1", "2", "3", "10", "11"]


def tif(picture):
    return cv2.imencode(".tif", picture)[1].tobytes()


def frame(seed):
    return np.random.default_rng(seed).integers(0, 256, SHAPE, np.uint8)


def mask(number):
    """Every second one is empty."""
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[5 : 5 + 10 * (number % 2), 8:30] = 255
    return drawn


def files():
    """path -> content, with the top folders."""
    content = {}
    rows = ["subject,img,pixels"]
    for place, name in enumerate(IDS):
        content[f"train/{name}.tif"] = tif(frame(place))
        content[f"train/{name}_mask.tif"] = tif(mask(place))
        rows.append(",".join([*name.split("_"), rle.encode(mask(place))]))
    content |= {f"test/{name}.tif": tif(frame(100 + int(name))) for name in TESTS}
    content["train_masks.csv"] = "\n".join(rows).encode()
    content["train_masks_full.csv"] = "\n".join([*rows, "47,120,1 5"]).encode()
    content["sample_submission.csv"] = ("img,pixels\n" + "".join(f"{name},1 1\n" for name in TESTS)).encode()
    return content


def zipped(folder, content):
    """A zip for each top folder, in which that folder is again, beside what macOS leaves; the tables lie beside."""
    for path, data in content.items():
        top, _, rest = path.partition("/")
        if not rest:
            (folder / top).write_bytes(data)
            continue
        with zipfile.ZipFile(folder / f"{top}.zip", "a") as archive:
            archive.writestr(path, data)
            archive.writestr(f"__MACOSX/{top}/._{rest}", b"litter")
    return folder


def one_zip(folder, content):
    """Everything in one zip, its folders in zips within."""
    return zips_in_zip(folder / "ultrasound-nerve-segmentation.zip", zipped, content)


def found(folder):
    """id -> (part, group, picture, labels, doubt) and the whole answer of `read`."""
    with RawFiles(folder) as raw:
        data = nerve.read(raw)
        answers = {}
        for image in data.images:
            labels = image.labels() if image.labels else None
            doubt = image.doubt(labels) if image.doubt else None
            answers[image.part, image.id] = (image.group, image.image(), labels, doubt)
        return answers, data


@pytest.mark.parametrize("packing", [unpacked, zipped, one_zip])
def test_frames_masks_and_subjects_are_read_however_packed(tmp_path, packing):
    answers, data = found(packing(tmp_path, files()))
    assert list(answers) == [("train", name) for name in IDS] + [("test", name) for name in TESTS]
    assert data.sample == files()["sample_submission.csv"]
    for place, name in enumerate(IDS):
        group, picture, labels, doubt = answers["train", name]
        assert group == name.split("_")[0] and doubt is None
        assert picture.dtype == np.uint8 and np.array_equal(picture[..., 0], frame(place))
        assert labels.dtype == np.uint8 and np.array_equal(labels[..., 0] * 255, mask(place))
    assert answers["test", "10"][2] is None and np.array_equal(answers["test", "10"][1][..., 0], frame(110))


def test_without_tables_the_files_say_what_there_is(tmp_path):
    answers, data = found(unpacked(tmp_path, {p: c for p, c in files().items() if not p.endswith(".csv")}))
    assert [name for part, name in answers if part == "test"] == TESTS
    assert {name for part, name in answers if part == "train"} == set(IDS)
    assert data.sample is None


def test_a_mask_that_differs_from_the_table_is_said(tmp_path):
    content = files()
    content["train/1_2_mask.tif"] = tif(mask(0))
    answers, _ = found(unpacked(tmp_path, content))
    assert {name: answers["train", name][3] for name in IDS if answers["train", name][3]} == {
        "1_2": "its mask differs from train_masks.csv"
    }


def test_masks_that_a_table_cut_off_does_not_name_are_said(tmp_path):
    content = files()
    content["train_masks.csv"] = b"\n".join(content["train_masks.csv"].split(b"\n")[:-1])
    answers, data = found(unpacked(tmp_path, content))
    assert ("train", IDS[-1]) not in answers
    assert data.notes == [f"1 mask(s) are of frames that train_masks.csv does not name, and left out: {IDS[-1]}"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("train/12_3_mask.tif"), "1 of 5 files are not there: train/12_3_mask.tif"),
        (lambda c: c.pop("train/12_3.tif"), "train/12_3.tif"),
        (lambda c: c.pop("test/10.tif"), "1 of 5 files are not there: test/10.tif"),
        (lambda c: [c.pop(p) for p in list(c) if p.startswith("train/")], "no train/<subject>_<img>.tif"),
        (lambda c: c.update({"train_masks.csv": b"img,pixels\n"}), "train_masks.csv has no columns subject,img,pixels"),
        (lambda c: c.update({"sample_submission.csv": b"id,pixels\n"}), "sample_submission.csv has no columns img,pix"),
        (lambda c: c.update({"train/1_1_mask.tif": tif(frame(0))}), "train/1_1_mask.tif holds 255 values beside 0"),
        (lambda c: c.update({"train/1_1.tif": b"no"}), "train/1_1.tif is not a picture"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_that_names_the_file(tmp_path, change, message):
    content = files()
    change(content)
    with pytest.raises(UserError) as caught:
        found(unpacked(tmp_path, content))
    assert message in str(caught.value) and str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def real(real_data):
    if not (real_data / "nerve").is_dir():
        pytest.skip("no ultrasound nerve files beside the checkout (../shared/data/nerve)")
    with RawFiles(real_data / "nerve") as raw:
        yield nerve.read(raw)


def test_the_real_files_are_complete_and_their_masks_are_those_of_the_table(real):
    assert collections.Counter(image.part for image in real.images) == {"train": 55, "test": 12}
    for image in real.images:
        assert image.image().shape == (420, 580, 1) and image.image().dtype == np.uint8
        if image.part == "train":
            labels = image.labels()
            assert labels.shape == (420, 580, 1) and 0 < labels.mean() < 0.1
            assert image.doubt(labels) is None and image.id.startswith(f"{image.group}_")


def test_the_real_test_images_are_those_of_the_sample_in_its_order(real):
    named = [line.split(",")[0] for line in real.sample.decode().splitlines()[1:]]
    assert [image.id for image in real.images if image.part == "test"] == named == [str(i) for i in range(1, 13)]
