"""A picture read in bands is prepared to the bytes, fingerprints and numbers of the same picture read whole."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.competition import RawData, RawImage
from pipeline.competitions import demo
from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from pipeline.raw.images import WrongKind
from pipeline.stages import prepare
from pipeline.store import bands, measuring
from pipeline.store.bands import Bands, in_steps

SIZES = {"a": (37, 23), "b": (5, 64), "c": (1, 9), "d": (64, 1)}


def picture(name, dtype):
    values = np.random.default_rng(len(name) + ord(name)).integers(0, 250, (*SIZES[name], 3))
    values[0, 0] = 7
    return values.astype(dtype)


def in_bands(array, **changes):
    return replace(Bands(array.shape, array.dtype, lambda top, bottom: array[top:bottom]), **changes)


def prepared(folder, shape_of, dtype, nodata=None, labels_of=lambda array: array):
    def image(name):
        labels = (picture(name, dtype)[..., :1] > 100).astype(np.uint8)
        part = "test" if name == "d" else "train"
        # of the test part there is a truth, or none
        is_known = part == "train" or dtype == "uint8"
        return RawImage(
            name, part, lambda: shape_of(picture(name, dtype)), (lambda: labels_of(labels)) if is_known else None
        )

    data = RawData([image(name) for name in SIZES], nodata=nodata)
    raw = folder / "raw"
    raw.mkdir(parents=True)
    (raw / "x").write_text("x")
    with RawFiles(raw) as opened:
        prepare.convert(replace(demo.competition, read=lambda raw: data), opened, folder / "prepared", {})
    written = {
        path.name: path.read_bytes() for path in (folder / "prepared").iterdir() if path.suffix in (".npy", ".csv")
    }
    return written, json.loads((folder / "prepared" / "prepared.json").read_text())


@pytest.mark.parametrize("at_once", [1, 40, 1000, 1 << 24])
@pytest.mark.parametrize(("dtype", "nodata"), [("uint8", None), ("uint16", 7), ("float32", None), ("float16", None)])
def test_bands_are_prepared_like_the_whole(tmp_path, monkeypatch, at_once, dtype, nodata):
    monkeypatch.setattr(measuring, "AT_ONCE", 90)
    wanted = prepared(tmp_path / "whole", lambda array: array, dtype, nodata)
    monkeypatch.setattr(bands, "AT_ONCE", at_once)
    found = prepared(tmp_path / "bands", in_bands, dtype, nodata, in_bands)
    assert found == wanted and set(wanted[0]) >= {"images.npy", "labels.npy", "images.csv"}
    most = max(len(band) for band in in_bands(picture("a", dtype)))
    assert most == max(1, min(37, at_once // 69))


@pytest.mark.parametrize("step", [1, 7, 100])
@pytest.mark.parametrize("height", [1, 3, 50])
def test_steps_do_not_depend_on_the_height_of_bands(step, height):
    array = np.arange(50 * 4 * 2).reshape(50, 4, 2)
    parts = list(in_steps((array[top : top + height] for top in range(0, 50, height)), step))
    assert [len(part) for part in parts[:-1]] == [step] * (len(parts) - 1) and len(parts[-1]) <= step
    assert np.array_equal(np.concatenate(parts), array.reshape(-1, 2))


@pytest.mark.parametrize(
    ("shape_of", "kind", "message"),
    [
        (lambda array: in_bands(array, dtype=np.dtype(np.float64)), WrongKind, "bands of 37 x 23 x 3 float64"),
        (lambda array: in_bands(array, shape=array.shape[:2]), WrongKind, "bands of 37 x 23 uint8"),
        (lambda array: in_bands(array, read=lambda top, bottom: array[:1]), WrongKind, "lines 0 to 37 of its image()"),
        (lambda array: in_bands(array, read=lambda top, bottom: None), WrongKind, "lines 0 to 37 of its image()"),
        (lambda array: in_bands(array, read=lambda top, bottom: array[9 / 0]), UserError, "image() of image a"),
    ],
)
def test_bands_that_are_none_are_refused_in_one_line_and_nothing_is_written(tmp_path, shape_of, kind, message):
    with pytest.raises(UserError) as caught:
        prepared(tmp_path, shape_of, "uint8")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "prepared").exists()


@pytest.mark.parametrize(
    ("labels_of", "message"),
    [
        (lambda array: in_bands(array, dtype=np.dtype(np.float32)), "its labels() give Bands, not whole numbers"),
        (lambda array: in_bands(array, read=lambda top, bottom: array[:1]), "lines 0 to 37 of its labels()"),
        (lambda array: in_bands(array + np.uint8(1)), "its labels() hold 2"),
        (lambda array: in_bands(array[:3]), "its labels are 3 x 23 x 1"),
        (lambda array: in_bands(array, read=lambda top, bottom: array[9 / 0]), "labels() of image a"),
    ],
)
def test_labels_in_bands_are_checked_as_the_whole_is(tmp_path, labels_of, message):
    with pytest.raises(UserError) as caught:
        prepared(tmp_path, in_bands, "uint8", labels_of=labels_of)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "prepared").exists()


def test_numbers_that_are_none_are_refused_within_a_band(tmp_path):
    def broken(array):
        array[-1, -1] = np.nan
        return in_bands(array)

    with pytest.raises(UserError, match="image a holds 3 of"):
        prepared(tmp_path, broken, "float32")
