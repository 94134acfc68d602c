"""What the demo draws: repeatable, laid out as TGS is, and not to be had by a threshold on grey."""

import csv

import cv2
import numpy as np
import pytest

from pipeline.competitions import demo, tgs
from pipeline.errors import UserError
from pipeline.imaging import rle, seismic
from pipeline.imaging.metrics import precision_over_iou
from pipeline.raw import images
from pipeline.raw.files import RawFiles

FILES = ["depths.csv", "sample_submission.csv", "test.zip", "test_masks.zip", "train.csv", "train.zip"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The whole demo, drawn once."""
    path = tmp_path_factory.mktemp("demo")
    demo.draw(path)
    return path


@pytest.fixture(scope="module")
def raw(folder):
    with RawFiles(folder) as files:
        yield files


@pytest.fixture(scope="module")
def parts(raw):
    """part -> (images N x 101 x 101, masks N x 101 x 101) as the pipeline reads them."""
    found = tgs.read(raw).images
    return {
        part: tuple(
            np.stack([getattr(image, kind)()[..., 0] for image in found if image.part == part])
            for kind in ("image", "labels")
        )
        for part in ("train", "test")
    }


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(demo, "TRAIN", 5)
    monkeypatch.setattr(demo, "TEST", 3)


def _column(path, name):
    with path.open(newline="", encoding="utf-8") as file:
        return [row[name] for row in csv.DictReader(file)]


def _scores(predicted, truth):
    predicted, truth = predicted.astype(bool), truth.astype(bool)
    both = (predicted & truth).sum((1, 2))
    return precision_over_iou(both, predicted.sum((1, 2)), truth.sum((1, 2)))


def test_a_tile_is_two_uint8_arrays_and_a_depth():
    tile = seismic.draw((1, 2))
    assert tile.image.shape == tile.mask.shape == (101, 101)
    assert tile.image.dtype == tile.mask.dtype == np.uint8
    assert set(np.unique(tile.mask)) <= {0, 1}
    assert 50 <= tile.depth < 960


def test_a_seed_gives_the_same_tile_with_one_thread_and_with_many():
    threads = cv2.getNumThreads()
    drawn = []
    try:
        for count in (1, 4):
            cv2.setNumThreads(count)
            drawn.append([seismic.draw((7, number)) for number in range(6)])
    finally:
        cv2.setNumThreads(threads)
    for one, many in zip(*drawn, strict=True):
        assert np.array_equal(one.image, many.image)
        assert np.array_equal(one.mask, many.mask)
        assert one.depth == many.depth


def test_another_seed_gives_another_tile():
    assert not np.array_equal(seismic.draw((7, 0)).image, seismic.draw((8, 0)).image)


def test_a_body_is_one_connected_part():
    masks = [seismic.draw((3, number)).mask for number in range(20)]
    assert any(mask.any() for mask in masks)
    for mask in masks:
        assert cv2.connectedComponents(mask, connectivity=4)[0] == 1 + mask.any()


def test_drawing_twice_gives_the_same_bytes(small, tmp_path):
    for name in ("one", "two"):
        demo.draw(tmp_path / name)
    for file in FILES:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_train_csv_is_written_last(small, tmp_path, monkeypatch):
    order = []
    for name in ("write_rows", "_write_zip"):
        real = getattr(demo, name)
        monkeypatch.setattr(
            demo, name, lambda path, *content, real=real: (order.append(path.name), real(path, *content))
        )
    demo.draw(tmp_path)
    assert sorted(order) == FILES
    assert order[-1] == "train.csv"


def test_a_full_disk_leaves_no_half_written_file(small, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(demo.zipfile.ZipFile, "writestr", full)
    with pytest.raises(UserError, match="No space left"):
        demo.draw(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_files_are_those_of_tgs_and_the_truth(folder):
    assert sorted(path.name for path in folder.iterdir()) == FILES
    train, test = _column(folder / "train.csv", "id"), _column(folder / "sample_submission.csv", "id")
    assert (len(train), len(test)) == (demo.TRAIN, demo.TEST)
    assert len(set(train) | set(test)) == demo.TRAIN + demo.TEST
    assert set(_column(folder / "depths.csv", "id")) == set(train) | set(test)
    assert set(_column(folder / "sample_submission.csv", "rle_mask")) == {"1 1"}


def test_the_reader_of_tgs_finds_every_image(folder, raw):
    data = tgs.read(raw)
    ids = {part: [image.id for image in data.images if image.part == part] for part in ("train", "test")}
    assert ids["train"] == _column(folder / "train.csv", "id")
    assert ids["test"] == _column(folder / "sample_submission.csv", "id")
    assert data.sample == (folder / "sample_submission.csv").read_bytes()
    assert not [image.id for image in data.images if image.doubt and image.doubt(image.labels())]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("train.csv", "1 mask(s) are of images that train.csv does not name"),
        (
            "sample_submission.csv",
            "1 image(s) are named by neither train.csv nor sample_submission.csv, and left out: ",
        ),
    ],
)
def test_what_a_table_cut_off_does_not_name_is_said(small, tmp_path, file, said):
    demo.draw(tmp_path)
    lines = (tmp_path / file).read_text().splitlines(keepends=True)
    (tmp_path / file).write_text("".join(lines[:-1]))
    with RawFiles(tmp_path) as files:
        (note,) = tgs.read(files).notes
    assert note.startswith(said) and lines[-1].split(",")[0] in note


def test_a_sample_that_names_a_train_image_is_refused(small, tmp_path):
    demo.draw(tmp_path)
    table, (name, *_) = tmp_path / "sample_submission.csv", _column(tmp_path / "train.csv", "id")
    table.write_text(f"{table.read_text()}{name},1 1\n")
    with RawFiles(tmp_path) as files, pytest.raises(UserError) as caught:
        images.in_order(tgs.read(files), tgs.competition, files)
    assert f"sample_submission.csv: 1 of its ids are of train images: {name}; download both again" in str(caught.value)


def test_images_are_grey_in_three_equal_channels(raw):
    for name in list(raw.by_stem(r"(?:^|/)(images/[^/]+\.png)$").values())[:40]:
        picture = raw.picture(name)
        assert picture.shape == (101, 101, 3) and picture.dtype == np.uint8
        assert (picture == picture[..., :1]).all()


def test_masks_have_16_bits_unless_they_are_empty(raw):
    names = raw.by_stem(r"(?:^|/)((?:test_)?masks/[^/]+\.png)$").values()
    assert len(names) == demo.TRAIN + demo.TEST
    for name in names:
        mask = raw.picture(name)
        assert mask.shape == (101, 101, 1)
        assert mask.dtype == (np.uint16 if mask.any() else np.uint8)
        assert set(np.unique(mask)) <= {0, 65535}


def test_train_csv_says_what_the_masks_say(folder, raw):
    masks = {image.id: image.labels()[..., 0] for image in tgs.read(raw).images if image.part == "train"}
    with (folder / "train.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            assert np.array_equal(rle.decode(row["rle_mask"], 101, 101), masks[row["id"]])


def test_the_truth_of_the_test_images_is_kept_apart(folder, raw):
    test = set(_column(folder / "sample_submission.csv", "id"))
    assert set(raw.by_stem(r"^test_masks\.zip/test_masks/([^/]+)\.png$")) == test
    for elsewhere in (r"(?:^|/)masks/([^/]+)\.png$", r"^train\.zip/.*?([^/]+)\.png$"):
        assert not test & set(raw.by_stem(elsewhere))
    assert not test & set(_column(folder / "train.csv", "id"))


@pytest.mark.parametrize("part", ["train", "test"])
def test_about_four_in_ten_tiles_are_empty(parts, part):
    _, masks = parts[part]
    assert 0.33 <= np.mean(~masks.any((1, 2))) <= 0.47


def test_bodies_cover_little_to_much_of_a_tile_and_never_all(parts):
    coverage = np.concatenate([masks.mean((1, 2)) for _, masks in parts.values()])
    coverage = coverage[coverage > 0]
    assert coverage.min() >= seismic.SMALL_COVERAGE[0]
    assert coverage.max() <= seismic.COVERAGE[1]
    assert 0.2 <= np.median(coverage) <= 0.4


def test_salt_is_brighter_than_its_surroundings_about_as_often_as_darker(parts):
    images, masks = (np.concatenate(arrays) for arrays in zip(*parts.values(), strict=True))
    brighter = [
        image[mask > 0].mean() > image[mask == 0].mean()
        for image, mask in zip(images, masks, strict=True)
        if mask.any()
    ]
    assert 0.35 <= np.mean(brighter) <= 0.65


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_threshold_on_grey_does_not_find_the_salt(parts, part):
    images, masks = parts[part]
    bright = np.stack([image > cv2.threshold(image, 0, 1, cv2.THRESH_OTSU)[0] for image in images])
    best = max(_scores(bright, masks).mean(), _scores(~bright, masks).mean())
    assert best < 0.60
    # nor does a friend who says which tiles are empty
    salty = masks.any((1, 2))
    for predicted in (bright, ~bright):
        assert _scores(predicted & salty[:, None, None], masks).mean() < 0.60


def test_the_score_above_is_1_for_the_truth_itself(parts):
    _, masks = parts["test"]
    assert _scores(masks, masks).mean() == 1
