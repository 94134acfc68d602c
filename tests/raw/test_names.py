"""What names say: forms of the names of masks, what tells names apart, parts of a split, which folder is meant."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.raw.places.names import Where, core, forms, normal, part_of, place_of, stem, unpadded, way


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a/b.png", "b"),
        ("b.1.x.png", "b.1.x"),
        ("b.nii.gz", "b"),
        ("B.NII.GZ", "B"),
        ("b", "b"),
        (".png", ".png"),
        ("a.zip/b.tif", "b"),
    ],
)
def test_the_name_without_its_ending(name, found):
    assert stem(name) == found


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("x", ["x"]),
        ("x_mask", ["x_mask", "x"]),
        ("x_mask_2", ["x_mask_2", "x_2", "x"]),
        ("x.mask", ["x.mask", "x"]),
        ("mask_x", ["mask_x", "x"]),
        ("x_gt_mask", ["x_gt_mask", "x_gt", "x"]),
        ("x (1)_mask", ["x (1)_mask", "x (1)"]),
        ("unmask", ["unmask"]),
        ("mask", ["mask"]),
        ("x_masked", ["x_masked"]),
    ],
)
def test_what_the_image_of_a_mask_may_be_called(name, keys):
    assert [form.key for form in forms(name)] == keys


@given(st.lists(st.text("ab12_-. ", min_size=1, max_size=8), max_size=8, unique=True))
def test_what_tells_names_apart_still_does(stems):
    found = core(stems)
    assert len(set(found)) == len(stems) and all(short in name for short, name in zip(found, stems, strict=True))


@pytest.mark.parametrize(
    ("stems", "cores"),
    [
        (["img_10", "img_11"], ["10", "11"]),
        (["21_training", "22_training"], ["21", "22"]),
        (["cat", "car"], ["cat", "car"]),
        (["img1", "img2"], ["1", "2"]),
        (["x_1_l", "x_2_l"], ["1", "2"]),
        (["a"], ["a"]),
        (["a", "a_1"], ["a", "a_1"]),
    ],
)
def test_what_all_names_share_is_left_out(stems, cores):
    assert core(stems) == cores


@given(st.text(max_size=12))
def test_every_form_of_unicode_is_one(text):
    assert normal(unicodedata.normalize("NFD", text)) == normal(unicodedata.normalize("NFC", text))
    assert normal(normal(text)) == normal(text)


@given(st.integers(0, 9999), st.integers(1, 8))
def test_zeros_before_a_number_say_nothing(number, width):
    assert unpadded(f"a_{number:0{width}}_b0") == f"a_{number}_b0"


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("imagesTr", "train"),
        ("images_prepped_test", "test"),
        ("stage1_test", "test"),
        ("test_v2", "test"),
        ("a. Training Set", "train"),
        ("val_images", "valid"),
        ("dev-7", ""),
        ("tr_01", ""),
        ("contest", ""),
        ("train_test", ""),
        ("patient7", ""),
    ],
)
def test_the_part_of_a_split(word, part):
    assert part_of(word) == part


@pytest.mark.parametrize(
    ("where", "name", "place"),
    [
        ("images", "a/Images/1.png", ("a",)),
        ("images", "Images.ZIP/b/1.png", ("b",)),
        ("", "a/b/1.png", ("a", "b")),
        ("train/images", "x/train/images/1.png", ("x",)),
        ("train/images", "x/images/train/1.png", None),
        ("*_images", "train_images/1.png", ("train",)),
        ("images*", "imagesTr/1.png", ("tr",)),
        ("*.bmp", "a/1.BMP", ("a",)),
        ("*.bmp", "a/1.png", None),
        ("all/*_gt.png", "b/all/1_gt.png", ("b",)),
        ("all/*_gt.png", "b/1_gt.png", None),
        ("i(m", "i(m/1.png", ()),
        ("im?ges", "images/1.png", None),
    ],
)
def test_which_files_are_meant(where, name, place):
    assert Where(where).holds(name) == (place is not None)
    if place is not None:
        assert Where(where).place(name) == place


@given(st.text(max_size=10), st.text("ab/*.", max_size=10))
def test_any_text_can_be_a_folder(text, name):
    Where(text).holds(name)
    Where(name).holds(text)


def test_folders_are_compared_whatever_their_spelling():
    assert way("Train.tar.gz/Bä/1.png") == ("train", "bä")
    assert place_of(("Training", "P7")) == place_of(("train", "p7")) == ("train", "p7")
