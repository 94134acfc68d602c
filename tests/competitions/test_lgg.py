"""LGG brain MRI: its layout drawn in small, its errors, and its real files."""

import collections

import cv2
import numpy as np
import pytest

from pipeline.competitions import lgg
from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from tests.competitions.packing import in_zip, unpacked

SIZE = 32
PATIENTS = {"TCGA_CS_4941_19960909": range(1, 13), "TCGA_DU_5872_19950223": range(1, 4)}


def tif(picture):
    """RGB or grey to the bytes of a tif file."""
    return cv2.imencode(".tif", picture if picture.ndim == 2 else np.ascontiguousarray(picture[..., ::-1]))[1].tobytes()


def sequences(number):
    """Three channels that differ."""
    return np.full((SIZE, SIZE, 3), (number, 100 + number, 200 + number), np.uint8)


def mask(number):
    drawn = np.zeros((SIZE, SIZE), np.uint8)
    drawn[4 : 4 + max(number - 2, 0), 4:9] = 255
    return drawn


def files():
    content = {"kaggle_3m/data.csv": b"Patient\n", "kaggle_3m/README.md": b"three sequences"}
    for patient, numbers in PATIENTS.items():
        for number in numbers:
            stem = f"kaggle_3m/{patient}/{patient}_{number}"
            content |= {f"{stem}.tif": tif(sequences(number)), f"{stem}_mask.tif": tif(mask(number))}
    return content


def zipped(folder, content):
    """As Kaggle packs it: everything twice."""
    twice = content | {f"lgg-mri-segmentation/{path}": data for path, data in content.items()}
    return in_zip(folder / "lgg-mri-segmentation.zip", twice)


def found(folder):
    """id -> (group, picture, labels), sorted, and the notes."""
    with RawFiles(folder) as raw:
        data = lgg.read(raw)
        assert len({image.id for image in data.images}) == len(data.images)
        images = {i.id: (i.group, i.image(), i.labels()) for i in sorted(data.images, key=lambda i: i.id)}
        assert {image.part for image in data.images} == {"train"}
        return images, data.notes


@pytest.mark.parametrize("packing", [unpacked, zipped])
def test_slices_are_read_once_and_sort_as_they_lie(tmp_path, packing):
    images, notes = found(packing(tmp_path, files()))
    assert list(images) == [f"{patient}_{number:03d}" for patient, numbers in PATIENTS.items() for number in numbers]
    assert notes == []
    for name, (group, picture, labels) in images.items():
        number = int(name[-3:])
        assert name == f"{group}_{number:03d}"
        wanted = lgg.scaled(sequences(number), lgg.brightness_scales([sequences(n) for n in PATIENTS[group]]))
        assert picture.dtype == np.uint8 and np.array_equal(picture, wanted)
        assert labels.dtype == np.uint8 and np.array_equal(labels[..., 0] * 255, mask(number))


def test_every_sequence_of_a_patient_gets_the_same_brightness_of_tissue():
    random = np.random.default_rng(0)
    dark = [np.zeros((16, 16, 3), np.uint8) for _ in range(3)]
    for picture in dark:
        picture[4:12, 4:12] = random.integers(10, 30, (8, 8, 3))
    bright = [picture * np.array([4, 2, 1], np.uint8) for picture in dark]
    one, other = (lgg.scaled(pictures[1], lgg.brightness_scales(pictures)) for pictures in (dark, bright))
    assert np.abs(one.astype(int) - other).max() <= 1
    assert one[4:12, 4:12].mean() == pytest.approx(80, abs=5) and one[0, 0].tolist() == [0, 0, 0]
    assert lgg.brightness_scales([np.zeros((4, 4, 3), np.uint8)]).tolist() == [1, 1, 1]


def test_a_gap_between_slices_is_said(tmp_path):
    content = {path: data for path, data in files().items() if "_4941_19960909_7" not in path}
    images, notes = found(unpacked(tmp_path, content))
    assert len(images) == 14
    assert notes == ["1 slice(s) between others are not there: TCGA_CS_4941_19960909_7"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, stem: c.pop(f"{stem}_mask.tif"), "1 of 15 files are not there: TCGA_DU_5872_19950223_2_mask.tif"),
        (lambda c, stem: c.pop(f"{stem}.tif"), "TCGA_DU_5872_19950223_2.tif"),
        (lambda c, stem: [c.pop(path) for path in list(c) if path.endswith(".tif")], "no <patient>/<patient>_<slice>"),
        (lambda c, stem: c.update({f"{stem}_mask.tif": tif(sequences(3)[..., 0] + np.eye(SIZE, dtype=np.uint8))}), ""),
        (lambda c, stem: c.update({f"{stem}.tif": b"no"}), "TCGA_DU_5872_19950223_2.tif is not a picture"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_that_names_the_file(tmp_path, change, message):
    content = files()
    change(content, "kaggle_3m/TCGA_DU_5872_19950223/TCGA_DU_5872_19950223_2")
    with pytest.raises(UserError) as caught:
        found(unpacked(tmp_path, content))
    expected = message or "TCGA_DU_5872_19950223_2_mask.tif holds 2 values beside 0"
    assert expected in str(caught.value) and str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def real(real_data):
    if not (real_data / "lgg").is_dir():
        pytest.skip("no LGG files beside the checkout (../shared/data/lgg)")
    with RawFiles(real_data / "lgg") as raw:
        yield lgg.read(raw)


def test_the_real_files_are_seven_patients_whose_slices_follow_each_other(real):
    counts = collections.Counter(image.group for image in real.images)
    assert len(counts) == 7 and counts.total() == 277
    assert real.notes == []
    for patient, count in counts.items():
        ids = sorted(image.id for image in real.images if image.group == patient)
        assert ids == [f"{patient}_{number:03d}" for number in range(1, count + 1)]


def test_a_third_of_the_real_slices_has_tumour_and_every_patient_has_some(real):
    pixels = collections.Counter()
    filled = 0
    for image in real.images:
        labels = image.labels()
        assert labels.shape == (256, 256, 1) and labels.max() <= 1
        pixels[image.group] += int(labels.sum())
        filled += bool(labels.any())
    assert min(pixels.values()) > 0 and filled == 97
    assert real.images[0].image().shape == (256, 256, 3) and real.images[0].image().dtype == np.uint8
