"""Data Science Bowl 2018: its layout drawn in small, its errors, and its real files."""

import collections
import re
import zipfile

import cv2
import numpy as np
import pytest

from pipeline.competitions import dsb2018
from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from tests.competitions.packing import unpacked, zips_in_zip

SIZE = 64


def png(picture):
    """RGB(A) or grey to the bytes of a png file."""
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[picture.shape[2]]
    return cv2.imencode(".png", np.ascontiguousarray(picture[..., order]))[1].tobytes()


def fluorescence(height=SIZE, width=SIZE, seed=0):
    """Dim smooth structure on black, grey, H x W x 4 uint8 with an alpha channel."""
    random = np.random.default_rng(seed)
    smooth = cv2.GaussianBlur(random.normal(size=(height, width)), (0, 0), 3)
    grey = (20 + 60 * np.abs(smooth) / np.abs(smooth).max() + random.normal(0, 0.5, smooth.shape)).astype(np.uint8)
    return np.dstack([grey, grey, grey, np.full_like(grey, 255)])


def stained(ground, seed=0, height=48, width=80):
    """Purple spots on a ground of one colour, H x W x 4."""
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width, 4)) + (*ground, 255)
    for row, column in random.integers(0, (height, width), (6, 2)):
        cv2.circle(picture, (int(column), int(row)), 6, (90, 20, 150, 255), -1)
    return picture.clip(0, 255).astype(np.uint8)


def square(height, width, top, left, side=8):
    mask = np.zeros((height, width, 1), np.uint8)
    mask[top : top + side, left : left + side] = 255
    return mask


def entries(name, picture, masks=()):
    """(path, content) of the files of one image."""
    yield f"{name}/images/{name}.png", png(picture)
    for number, mask in enumerate(masks):
        yield f"{name}/masks/{number:02d}.png", png(mask)


SLIDE = fluorescence(2 * SIZE, SIZE, seed=5)
TRAIN = {
    "a_upper": (SLIDE[:SIZE], [square(SIZE, SIZE, 4, 4)]),
    "b_other": (fluorescence(seed=1), [square(SIZE, SIZE, 4, 4), square(SIZE, SIZE, 30, 40)]),
    "c_lower": (SLIDE[SIZE:], [square(SIZE, SIZE, 20, 20), square(SIZE, SIZE, 24, 24)]),
    "d_copy": (fluorescence(seed=1), [square(SIZE, SIZE, 8, 8)]),
    "e_white": (stained((225, 228, 226)), [square(48, 80, 3, 50)]),
    "f_lilac": (stained((180, 160, 205), seed=1), [square(48, 80, 3, 50), np.zeros((48, 80, 1), np.uint8)]),
}
TEST = {
    "z_grey": fluorescence(40, 70)[..., :1],
    "y_bright": np.repeat(230 - fluorescence(50, 50)[..., :1] // 4, 3, axis=2),
}
SAMPLE = "ImageId,EncodedPixels\n" + "".join(f"{name},1 1\n" for name in TEST)


def files():
    """path -> content of the competition, with its top folders."""
    train = (file for name, (picture, masks) in TRAIN.items() for file in entries(name, picture, masks))
    test = (file for name, picture in TEST.items() for file in entries(name, picture))
    content = {f"stage1_train/{path}": data for path, data in train}
    content |= {f"stage1_test/{path}": data for path, data in test}
    return content | {"stage1_sample_submission.csv": SAMPLE.encode()}


def zipped(folder, content):
    """As Kaggle packs it: a zip for each top folder, without that folder inside."""
    for path, data in content.items():
        top, _, rest = path.partition("/")
        if not rest:
            (folder / top).write_bytes(data)
            continue
        with zipfile.ZipFile(folder / f"{top}.zip", "a") as archive:
            archive.writestr(rest, data)
    return folder


def one_zip(folder, content):
    """Everything in one zip, its folders in zips within."""
    return zips_in_zip(folder / "data-science-bowl-2018.zip", zipped, content)


def flattened(folder, content):
    """Both zips unpacked on the spot: nothing but the ids."""
    return unpacked(folder, {path.split("/", 1)[-1]: data for path, data in content.items()})


def without(content, *patterns):
    return {path: data for path, data in content.items() if not any(re.search(p, path) for p in patterns)}


def found(folder):
    """id -> (image record, its picture, its labels) and the whole answer of `read`."""
    with RawFiles(folder) as raw:
        data = dsb2018.read(raw)
        return {i.id: (i, i.image(), i.labels() if i.labels else None) for i in data.images}, data


@pytest.mark.parametrize("packing", [zipped, unpacked, one_zip, flattened])
def test_images_labels_kinds_and_groups_are_read_however_packed(tmp_path, packing):
    images, data = found(packing(tmp_path, files()))
    parts = {name: image.part for name, (image, _, _) in images.items()}
    assert parts == {**dict.fromkeys(TRAIN, "train"), **dict.fromkeys(TEST, "test")}
    assert data.sample == SAMPLE.encode()
    for name, (image, picture, labels) in images.items():
        assert picture.dtype == np.uint8 and picture.shape[2] == 3
        if image.part == "test":
            assert labels is None
            assert np.array_equal(picture, np.broadcast_to(TEST[name], picture.shape))
            continue
        drawn, masks = TRAIN[name]
        assert np.array_equal(picture, drawn[..., :3])
        assert labels.dtype == np.uint16 and labels.shape == (*drawn.shape[:2], 1)
        assert np.array_equal(labels == len(masks), masks[-1] > 0) or name == "f_lilac"
        assert np.array_equal(labels > 0, np.any([mask > 0 for mask in masks], axis=0))
    assert {name: image.group for name, (image, _, _) in images.items()} == {
        "a_upper": "a_upper",
        "b_other": "b_other",
        "c_lower": "a_upper",
        "d_copy": "b_other",
        "e_white": "e_white",
        "f_lilac": "f_lilac",
        "z_grey": "",
        "y_bright": "",
    }
    assert {name: image.kind for name, (image, _, _) in images.items()} == {
        **dict.fromkeys(["a_upper", "b_other", "c_lower", "d_copy", "z_grey"], "fluorescence"),
        "e_white": "stained on white",
        "f_lilac": "stained on violet",
        "y_bright": "brightfield",
    }


@pytest.mark.parametrize(
    ("ground", "stain", "share", "kind"),
    [
        ((10, 10, 12), (90, 90, 90), 0.2, "fluorescence"),
        ((200, 200, 200), (120, 120, 120), 0.2, "brightfield"),
        ((210, 208, 212), (120, 40, 130), 0.3, "stained on white"),
        ((238, 239, 222), (40, 40, 110), 0.3, "stained on yellow"),
        ((190, 160, 205), (80, 20, 180), 0.3, "stained on violet"),
        ((226, 190, 221), (120, 60, 140), 0.3, "stained on pink"),
        # tissue with a gap through which the slide is seen
        ((228, 229, 225), (190, 120, 170), 0.7, "stained on pink"),
    ],
)
def test_the_ground_and_its_colour_are_the_kind(ground, stain, share, kind):
    picture = np.empty((20, 20, 3), np.uint8)
    picture[:] = ground
    picture[: round(20 * share)] = stain
    assert dsb2018.kind_of(picture) == kind


def test_where_masks_overlap_the_later_one_wins_and_it_is_said(tmp_path):
    images, _ = found(zipped(tmp_path, files()))
    labels = images["c_lower"][2][..., 0]
    assert labels[23, 23] == 1 and labels[24, 24] == 2 and labels[27, 27] == 2 and labels[31, 31] == 2
    doubts = {name: image.doubt(labels) for name, (image, _, labels) in images.items() if image.doubt}
    assert doubts.pop("c_lower") == "masks overlap (the later one wins)"
    assert doubts.pop("f_lilac") == "a mask is empty"
    assert set(doubts.values()) == {None}


def test_a_picture_of_16_bits_is_brought_to_8(tmp_path):
    content = files()
    grey = np.array([[0, 257, 65535]], np.uint16)[..., None]
    content["stage1_test/z_grey/images/z_grey.png"] = png(grey)
    images, _ = found(unpacked(tmp_path, content))
    assert images["z_grey"][1].tolist() == [[[0] * 3, [1] * 3, [255] * 3]]


def test_what_is_there_both_zipped_and_unpacked_counts_once(tmp_path):
    images, data = found(unpacked(zipped(tmp_path, files()), files()))
    assert len(data.images) == len(images) == len(TRAIN) + len(TEST)
    assert [image.doubt(labels) for image, _, labels in images.values() if image.id == "b_other"] == [None]


def test_pictures_of_stage_two_are_left_alone(tmp_path):
    content = files()
    content |= {f"stage2_test_final/{path}": data for path, data in entries("later", fluorescence(seed=8))}
    assert "later" not in found(zipped(tmp_path, content))[0]


def test_without_a_sample_the_test_images_are_those_of_their_folder(tmp_path):
    images, data = found(zipped(tmp_path, without(files(), "sample")))
    assert data.sample is None
    assert {name for name, (image, _, _) in images.items() if image.part == "test"} == set(TEST)


def test_masks_of_test_images_are_kept_as_their_truth(tmp_path):
    content = files()
    for name, picture in TEST.items():
        mask = square(*picture.shape[:2], 5, 5)
        content |= {f"stage1_test/{path}": data for path, data in entries(name, picture, [mask])}
    images, _ = found(zipped(tmp_path, content))
    assert images["z_grey"][0].part == "test" and images["z_grey"][2].sum() == 64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: without(c, "stage1_train"), "no stage1_train"),
        (lambda c: without(c, "stage1_train") | {"stage1_test/z_grey/masks/a.png": b""}, "no stage1_train"),
        (lambda c: without(c, "b_other/masks"), "b_other/masks/"),
        (lambda c: without(c, "b_other/images"), "b_other/images/b_other.png"),
        (lambda c: without(c, "stage1_test/y_bright"), "1 of 2 test images have no file images/<id>.png: y_bright"),
        (lambda c: c | {dsb2018.SAMPLE: b"id,mask\n"}, "stage1_sample_submission.csv has no columns ImageId,Encoded"),
        (lambda c: c | {"stage1_train/b_other/images/b_other.png": b"no"}, "b_other.png is not a picture"),
        (
            lambda c: c | {"stage1_train/b_other/masks/01.png": png(square(SIZE, 32, 1, 1))},
            f"b_other/masks/01.png is 32 x {SIZE} pixels, its image {SIZE} x {SIZE}",
        ),
    ],
)
@pytest.mark.parametrize("packing", [zipped, unpacked])
def test_what_is_wrong_is_said_in_one_line_that_names_the_file(tmp_path, packing, change, message):
    folder = packing(tmp_path, change(files()))
    with pytest.raises(UserError) as caught:
        found(folder)
    assert message in str(caught.value) and str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def real(real_data):
    if not (real_data / "dsb2018").is_dir():
        pytest.skip("no files of the Data Science Bowl 2018 beside the checkout (../shared/data/dsb2018)")
    with RawFiles(real_data / "dsb2018") as raw:
        yield dsb2018.read(raw)


def test_the_real_files_are_complete(real):
    parts = collections.Counter(image.part for image in real.images)
    named = [line.split(",")[0] for line in real.sample.decode().splitlines()[1:]]
    assert parts["train"] >= 260 and parts["test"] == len(set(named)) == 65
    assert [image.id for image in real.images if image.part == "test"] == named


def test_the_real_pictures_are_of_four_kinds_and_the_rare_ones_are_rare(real):
    kinds = collections.Counter(image.kind for image in real.images if image.part == "train")
    assert set(kinds) == {"fluorescence", "brightfield", "stained on white", "stained on violet"}
    assert 0.7 < kinds["fluorescence"] / kinds.total() < 0.9
    assert 0 < kinds["brightfield"] / kinds.total() < 0.05


def test_the_real_crops_of_one_slide_are_of_one_kind_and_few(real):
    groups = collections.defaultdict(list)
    for image in real.images:
        if image.part == "train":
            groups[image.group].append(image)
    sizes = collections.Counter(len(members) for members in groups.values())
    together = sum(size * count for size, count in sizes.items() if size > 1)
    # most were cut into 2 x 2 or 3 x 3, of which not all are in train
    assert max(sizes) <= 9
    assert 0.4 < together / sum(size * count for size, count in sizes.items()) < 0.95
    for members in groups.values():
        assert len({image.kind for image in members}) == 1
        assert len({image.image().shape for image in members}) == 1


def test_real_labels_hold_every_nucleus_and_none_overlap(real):
    train = [image for image in real.images if image.part == "train"]
    for image in train[::8]:
        labels = image.labels()
        assert labels.shape == (*image.image().shape[:2], 1) and labels.dtype == np.uint16
        assert image.doubt(labels) is None
        assert set(np.unique(labels)) - {0} == set(range(1, int(labels.max()) + 1))
