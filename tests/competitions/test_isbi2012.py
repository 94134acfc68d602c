"""ISBI 2012: its layouts drawn in small, its errors, its real files; and the soft Dice beside its score."""

import collections

import cv2
import numpy as np
import pytest

from pipeline.competitions import isbi2012
from pipeline.errors import UserError
from pipeline.imaging import soft_dice
from pipeline.raw.files import RawFiles
from tests.competitions.packing import in_zip, unpacked

SIZE, COUNT = 40, 12


def encoded(picture, ext=".png"):
    return cv2.imencode(ext, picture)[1].tobytes()


def slice_of(seed):
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE), np.uint8)


def label(seed):
    """White cells between black membranes."""
    drawn = np.full((SIZE, SIZE), 255, np.uint8)
    drawn[:, seed :: SIZE // 2] = 0
    drawn[seed % 7] = 0
    return drawn


def files():
    content = {}
    for n in range(COUNT):
        content[f"train/image/{n}.png"] = encoded(slice_of(n))
        content[f"train/label/{n}.png"] = encoded(label(n))
        content[f"test/image/{n}.png"] = encoded(slice_of(100 + n))
    return content


def zipped(folder, content):
    return in_zip(folder / "isbi2012.zip", content)


def flat_test(folder, content):
    """Test slices without a folder `image`, in a folder of some other name, beside answers someone wrote there."""
    content = {f"membrane/{path}".replace("test/image/", "test/"): data for path, data in content.items()}
    content["membrane/test/0_predict.png"] = encoded(label(0))
    content["membrane/train/aug/image_0_1.png"] = encoded(label(0))
    return unpacked(folder, content)


def stacked(folder, content):
    """As the challenge gives them."""
    for stack, make in (
        ("train-volume.tif", slice_of),
        ("train-labels.tif", label),
        ("test-volume.tif", lambda n: slice_of(100 + n)),
    ):
        assert cv2.imwritemulti(str(folder / stack), [make(n) for n in range(COUNT)])
    return folder


def found(folder):
    """id -> (part, picture, labels, doubt)."""
    with RawFiles(folder) as raw:
        answers = {}
        for image in isbi2012.read(raw).images:
            assert image.id not in answers
            labels = image.labels() if image.labels else None
            answers[image.id] = image.part, image.image(), labels, image.doubt(labels) if image.doubt else None
        return answers


@pytest.mark.parametrize("packing", [unpacked, zipped, flat_test, stacked])
def test_slices_and_membranes_are_read_however_packed(tmp_path, packing):
    answers = found(packing(tmp_path, files()))
    train, test = [f"{n:02d}" for n in range(COUNT)], [f"test-{n:02d}" for n in range(COUNT)]
    assert sorted(answers) == train + test
    for n in range(COUNT):
        part, picture, labels, doubt = answers[train[n]]
        assert part == "train" and doubt is None
        assert picture.shape == (SIZE, SIZE, 1) and np.array_equal(picture[..., 0], slice_of(n))
        assert labels.dtype == np.uint8 and np.array_equal(labels[..., 0] == 1, label(n) == 0)
        assert answers[test[n]][0] == "test" and answers[test[n]][2] is None
        assert np.array_equal(answers[test[n]][1][..., 0], slice_of(100 + n))


def test_labels_the_wrong_way_round_are_doubted(tmp_path):
    content = files()
    content["train/label/3.png"] = encoded(255 - label(3))
    answers = found(unpacked(tmp_path, content))
    assert [name for name in answers if answers[name][3]] == ["03"]
    assert answers["03"][3].startswith("more than half is membrane")


def test_there_may_be_no_test_slices(tmp_path):
    answers = found(unpacked(tmp_path, {path: data for path, data in files().items() if "test/" not in path}))
    assert len(answers) == COUNT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("train/label/7.png"), "1 of 12 slices have no file train/label/<n>.png: 7"),
        (lambda c: c.pop("train/image/7.png"), "1 of 12 slices have no file train/image/<n>.png: 7"),
        (lambda c: [c.pop(path) for path in list(c) if "image/" in path], "neither train/image/<n>.png nor"),
        (lambda c: c.update({"train/label/7.png": encoded(label(7) // 2)}), "train/label/7.png holds the value 127"),
        (lambda c: c.update({"train/image/7.png": b"no"}), "train/image/7.png is not a picture"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_that_names_the_file(tmp_path, change, message):
    content = files()
    change(content)
    with pytest.raises(UserError) as caught:
        found(unpacked(tmp_path, content))
    assert message in str(caught.value) and str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"no", b"II*\x00", b""])
def test_a_broken_stack_is_said(tmp_path, content):
    stacked(tmp_path, {})
    (tmp_path / "train-labels.tif").write_bytes(content)
    with pytest.raises(UserError, match=r"train-labels\.tif is (not a picture|damaged)"):
        found(tmp_path)


def test_a_wrong_page_of_a_stack_is_named(tmp_path):
    stacked(tmp_path, {})
    pages = [label(n) if n != 5 else label(n) // 2 for n in range(COUNT)]
    assert cv2.imwritemulti(str(tmp_path / "train-labels.tif"), pages)
    with pytest.raises(UserError, match=r"train-labels\.tif, page 5 holds the value 127"):
        found(tmp_path)


def slow_soft_dice(predicted, truth):
    """Pixel by pixel."""
    both = squares = 0.0
    for p, t in zip(predicted.ravel().tolist(), truth.ravel().tolist(), strict=True):
        both += p * t
        squares += p * p + t * t
    return (2 * both + 1e-6) / (squares + 1e-6)


def slow_resized(plane, side):
    """Bilinear, pixel by pixel: the value between the centres of the four neighbours, the border repeated."""
    height, width = plane.shape
    found = np.zeros((side, side))
    for i in range(side):
        for j in range(side):
            y = np.clip((i + 0.5) * height / side - 0.5, 0, height - 1)
            x = np.clip((j + 0.5) * width / side - 0.5, 0, width - 1)
            top, left = int(y), int(x)
            down, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = plane[top, left] * (1 - (x - left)) + plane[top, right] * (x - left)
            lower = plane[down, left] * (1 - (x - left)) + plane[down, right] * (x - left)
            found[i, j] = upper * (1 - (y - top)) + lower * (y - top)
    return found


def test_soft_dice_has_its_known_values():
    truth = np.zeros((8, 8), bool)
    truth[2:5, 3:7] = True
    assert soft_dice.soft_dice(truth, truth) == pytest.approx(1)
    assert soft_dice.soft_dice(~truth, truth) == pytest.approx(0, abs=1e-6)
    assert soft_dice.soft_dice(np.zeros(9), np.zeros(9)) == 1
    # half a probability everywhere in what is right: 2 n/2 / (n/4 + n)
    assert soft_dice.soft_dice(truth * 0.5, truth) == pytest.approx(0.8)
    assert soft_dice.of_both_classes(truth, truth, 8) == pytest.approx(1)
    assert soft_dice.of_both_classes(~truth, truth, 8) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("side", [13, 20, 27])
def test_soft_dice_of_both_classes_is_that_of_a_slow_one(seed, side):
    random = np.random.default_rng(seed)
    probability, truth = random.random((20, 20)), random.random((20, 20)) < 0.3
    opposite = slow_resized(1.0 - truth, side) >= 0.5
    resized = slow_resized(probability, side)
    slow = (slow_soft_dice(resized, ~opposite) + slow_soft_dice(1 - resized, opposite)) / 2
    assert soft_dice.of_both_classes(probability, truth, side) == pytest.approx(slow, abs=1e-5)


def test_the_further_score_of_a_slice_is_of_388_pixels_a_side():
    (score,) = isbi2012.competition.also.values()
    truth = np.zeros((512, 512, 1), np.uint8)
    truth[:, 256:] = 1
    assert score(truth * 255, truth) == pytest.approx(1)
    assert score((1 - truth) * 255, truth) == pytest.approx(0, abs=1e-6)
    # all undecided: .5 in both classes, each half of the pixels
    expected = soft_dice.of_both_classes(np.full((512, 512), 128 / 255), truth[..., 0] != 0, 388)
    assert score(np.full_like(truth, 128), truth) == pytest.approx(expected)
    assert expected == pytest.approx(2 * 0.25 / (0.25 + 0.5), abs=0.01)


@pytest.fixture(scope="module")
def real(real_data):
    if not (real_data / "isbi2012").is_dir():
        pytest.skip("no ISBI 2012 files beside the checkout (../shared/data/isbi2012)")
    with RawFiles(real_data / "isbi2012") as raw:
        yield isbi2012.read(raw).images


def test_the_real_files_are_thirty_slices_to_train_on_and_thirty_to_test(real):
    assert collections.Counter(image.part for image in real) == {"train": 30, "test": 30}
    for image in real:
        assert image.image().shape == (512, 512, 1) and image.image().dtype == np.uint8


def test_a_fifth_of_the_real_slices_is_membrane(real):
    labels = [image.labels() for image in real if image.part == "train"]
    assert not [found for image, found in zip(real, labels, strict=False) if image.doubt(found)]
    assert 0.15 < np.mean(labels) < 0.3


def test_the_real_membranes_score_nearly_one_against_themselves(real):
    labels = next(image for image in real if image.part == "train").labels()
    assert 0.85 < isbi2012.soft_dice_388(labels * 255, labels) < 1
