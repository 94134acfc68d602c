"""A test part alone: what is read of the train part is remembered, pictures of other kinds become alike, in pieces."""

import cv2
import numpy as np
import pytest

from pipeline.competition import Competition, RawImage
from pipeline.competitions.demo import competition as demo
from pipeline.competitions.lgg import competition as lgg
from pipeline.errors import UserError
from pipeline.packing import opened
from pipeline.raw.asked import Asked, like
from pipeline.raw.folders import read_folders
from pipeline.raw.remembered import Mounted, Noted, train_names
from pipeline.store.bands import Bands, whole
from pipeline.store.prepared import Prepared

RANDOM = np.random.default_rng(5)
U8, U16, F32 = map(np.dtype, (np.uint8, np.uint16, np.float32))


@pytest.mark.parametrize(
    ("shape", "dtype", "channels", "wanted", "value"),
    [
        ((4, 5, 1), np.uint8, 3, U8, 200),
        ((4, 5, 4), np.uint8, 3, U8, 200),
        ((4, 5, 3), np.uint8, 1, U8, 200),
        ((4, 5, 3), np.uint8, 4, U8, 200),
        ((4, 5, 1), np.uint8, 1, U16, 200 * 257),
        ((4, 5, 1), np.uint16, 1, U8, 1),
        ((4, 5, 1), np.uint8, 1, F32, 200),
        ((4, 5, 1), np.float64, 1, F32, 200),
        ((4, 5, 1), np.int64, 1, U16, 200),
    ],
)
def test_what_is_of_another_kind_becomes_alike(shape, dtype, channels, wanted, value):
    picture = np.full(shape, 200, dtype)
    found = like(picture, channels, wanted)
    assert found.shape == (4, 5, channels) and found.dtype.kind == wanted.kind
    assert found[0, 0, 0] == value and (channels < 4 or found[0, 0, 3] == 255)
    bands = Bands(shape, np.dtype(dtype), lambda a, b: picture[a:b])
    assert np.array_equal(whole(like(bands, channels, wanted)), found)


def test_what_cannot_be_alike_is_refused_and_what_is_stays():
    picture = np.zeros((4, 5, 3), np.uint8)
    assert like(picture, 3, U8) is picture
    for odd in (np.zeros((4, 5, 5), np.uint8), np.zeros((4, 5, 3), np.float32), np.full((4, 5, 3), 1 << 20)):
        with pytest.raises(UserError):
            like(odd, 3, U8)


INFO = {
    "fingerprints": {"train": "a", "test": "b"},
    "channels": 1,
    "dtype": "uint8",
    "layers": 1,
    "range": 255.0,
    "class_pixels": [0],
    "mean": [0.5],
    "std": [0.2],
    "train": 7,
    "arrays": {},
}


def asked(competition: Competition = demo, are_slices: bool = False) -> Asked:
    return Asked(competition, None, INFO, (8, 9), None, are_slices)


def image(name: str, picture, group: str = "") -> RawImage:
    def read():
        if picture is None:
            raise UserError(f"{name} is damaged")
        return picture

    return RawImage(id=name, part="test", image=read, group=group)


def test_pieces_hold_all_pictures_in_order_and_are_gone_afterwards(tmp_path):
    pictures = {f"{i:03d}": RANDOM.integers(0, 255, (3 + i % 4, 5, 1), np.uint8) for i in range(30)}
    pictures["004"] = None
    part = asked()
    found, folders = {}, [tmp_path / f"{i}" for i in range(40)]
    images = [image(name, picture) for name, picture in pictures.items()]
    for number, folder in enumerate(part.pieces(images, folders, first=10)):
        prepared = Prepared(folder)
        assert len(prepared.test) == (10, 20)[number] and not len(prepared.train)
        found |= {name: np.array(prepared.images[row]) for row, name in enumerate(prepared.columns["id"])}
        assert prepared.info["bad"] == (["004"] if number == 0 else [])
        assert not number or not folders[number - 1].exists()
    assert list(found) == list(pictures) and not list(tmp_path.iterdir())
    assert not found.pop("004").any()
    assert all(np.array_equal(found[name], pictures[name]) for name in found)


def test_slices_of_a_volume_stay_together(tmp_path):
    images = [image(f"v{i // 7}/{i:02d}", np.zeros((4, 4, 1), np.uint8), f"v{i // 7}") for i in range(21)]
    folders = (tmp_path / f"{i}" for i in range(40))
    sizes = [len(Prepared(folder).test) for folder in asked(are_slices=True).pieces(images, folders, first=3)]
    assert sizes == [7, 14]


def test_damage_in_the_middle_of_a_large_picture_costs_that_picture_alone(tmp_path):
    def read(top, bottom):
        raise UserError("a strip is damaged")

    images = [image("a", Bands((6, 5, 1), U8, read)), image("b", np.ones((6, 5, 1), np.uint8))]
    part = asked()
    for folder in part.pieces(images, [tmp_path / "0", tmp_path / "1"]):
        prepared = Prepared(folder)
        assert [int(np.sum(prepared.images[row])) for row in (0, 1)] == [0, 30]
    assert "a strip is damaged" in part.bad["a"]
    assert "1 of 2 test pictures cannot be read" in part.notes()[0]


@pytest.fixture
def raw(tmp_path):
    """Images and masks in folders, tables, and a stack of pages."""
    for place, count in (("train/images", 6), ("train/masks", 6), ("test", 4)):
        (tmp_path / "raw" / place).mkdir(parents=True)
        for i in range(count):
            name = f"{'t' if place == 'test' else 'a'}{i}.png"
            cv2.imwrite(str(tmp_path / "raw" / place / name), RANDOM.integers(0, 2, (8, 8), np.uint8) * 255)
    return tmp_path / "raw"


def test_read_finds_the_test_part_by_what_is_remembered(raw, tmp_path):
    with Noted(raw) as files:
        data = read_folders(files)
        memory, names = files.memory, train_names(files, data, None)
    assert names == [f"train/{place}/a{i}.png" for place in ("images", "masks") for i in range(6)]
    names, memory = opened.unpacked(opened.packed(names, memory.only(names)), "there")
    (tmp_path / "hidden" / "test").mkdir(parents=True)
    for i in range(9):
        cv2.imwrite(str(tmp_path / "hidden" / "test" / f"new{i}.png"), np.full((8, 8), i, np.uint8))
    with Mounted(tmp_path / "hidden", names, memory) as files:
        data = read_folders(files)
        found = {one.id: one for one in data.images}
        assert sorted(name for name, one in found.items() if one.part == "test") == [f"new{i}" for i in range(9)]
        assert found["new7"].image()[0, 0, 0] == 7
        with pytest.raises(UserError, match="is of the train part, which is not here"):
            found["a1"].image()
    with pytest.raises(UserError, match="is damaged"):
        opened.unpacked(b"something else", "there")


def test_a_train_part_that_is_mounted_counts_as_it_is(raw):
    with Noted(raw) as files:
        data = read_folders(files)
        names, memory = train_names(files, data, None), files.memory
    with Mounted(raw, names, memory) as files:
        assert files.names == sorted(files.names) and max(map(files.depth, files.names)) == 0
        (one,) = [one for one in read_folders(files).images if one.id == "a1"]
        assert one.image().shape == (8, 8, 1)


def test_bytes_that_were_read_are_given_back_and_no_others(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "table.csv").write_bytes(bytes(range(200)))
    with Noted(tmp_path / "raw") as files:
        assert files.head("table.csv", 10) == bytes(range(10))
        with files.open("table.csv") as file:
            file.seek(100)
            assert file.read(5) == bytes(range(100, 105))
            file.seek(-3, 2)
            assert file.read() == b"\xc5\xc6\xc7"
        memory = files.memory
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "x").write_bytes(b"x")
    with Mounted(tmp_path / "hidden", ["table.csv"], memory) as files:
        assert files.head("table.csv", 10) == bytes(range(10))
        with files.open("table.csv") as file:
            file.seek(101)
            assert file.read(3) == bytes(range(101, 104))
            file.seek(-3, 2)
            assert file.read() == b"\xc5\xc6\xc7" and file.read(4) == b""
        with pytest.raises(UserError, match="is of the train part"):
            files.read("table.csv")


def test_a_competition_of_volumes_takes_no_slice_of_another_size(tmp_path):
    images = [image(f"v/{i}", np.ones((4, 4 + (i == 1), 1), np.uint8), "v") for i in range(3)]
    part = asked(lgg, are_slices=True)
    for folder in part.pieces(images, [tmp_path / "0", tmp_path / "1"]):
        prepared = Prepared(folder)
        assert prepared.columns["width"].tolist() == [4, 4, 4]
    assert list(part.bad) == ["v/1"]
