"""DICOM and NIfTI: slices as pages, values as the header scales them; what reads them may be missing."""

import gzip
import subprocess
import sys

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.raw import pictures
from pipeline.raw.files import RawFiles
from pipeline.raw.pixels.alpha import Bands
from tests.raw.volume_examples import dicom, nifti
from tests.start import environment

RANDOM = np.random.default_rng(4)
STORED = RANDOM.integers(0, 4096, (6, 8)).astype(np.uint16)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8", ">i2", ">f4"])
@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_slices_of_a_nifti_lie_along_its_third_axis(dtype, second, packed):
    pytest.importorskip("nibabel")
    values = RANDOM.integers(0, 100, (5, 7, 3)).astype(dtype)
    content = nifti(values, second=second)
    found = pictures.pages(gzip.compress(content) if packed else content)
    assert len(found) == 3 and found[0].shape == (5, 7, 1)
    assert all(np.array_equal(page[..., 0], values[..., k]) for k, page in enumerate(found))
    assert found[0].dtype == np.dtype(dtype).newbyteorder("=")


def test_what_a_voxel_holds_are_channels_and_scales_are_applied():
    pytest.importorskip("nibabel")
    values = RANDOM.integers(-100, 100, (5, 7, 3, 4)).astype(np.int16)
    found = pictures.pages(nifti(values))
    assert np.array_equal(found[1], values[:, :, 1]) and isinstance(found[1], Bands)
    flat = values[:, :, 0, 0]
    assert np.array_equal(pictures.decoded(nifti(flat))[..., 0], flat)
    scaled = pictures.decoded(nifti(flat, 0.5, -3))
    assert scaled.dtype == np.float64 and np.array_equal(scaled[..., 0], flat * 0.5 - 3)
    with pytest.raises(UserError, match=r"^holds 3 pages of 5 x 7 pixels"):
        pictures.decoded(nifti(values))


@pytest.mark.parametrize(
    ("more", "dtype", "wanted"),
    [
        ({}, np.uint16, STORED),
        ({"kind": "MONOCHROME1"}, np.uint16, 4095 - STORED),
        ({"RescaleSlope": 1, "RescaleIntercept": -1024}, np.int16, STORED.astype(int) - 1024),
        ({"RescaleSlope": 20, "RescaleIntercept": 0}, np.int32, STORED.astype(int) * 20),
        ({"RescaleSlope": 0.5, "RescaleIntercept": 3}, np.float64, STORED * 0.5 + 3),
        # 0 is white: 4095 - v is what it shows, then as the scale says
        (
            {"kind": "MONOCHROME1", "RescaleSlope": 2, "RescaleIntercept": -1},
            np.int16,
            8189 - 2 * STORED.astype(int),
        ),
    ],
)
def test_grey_values_of_dicom(more, dtype, wanted):
    pytest.importorskip("pydicom")
    for preamble in (True, False):
        found = pictures.decoded(dicom(STORED, stored=12, preamble=preamble, **more))
        assert found.dtype == dtype and np.array_equal(found[..., 0], wanted)


def test_values_below_zero_frames_and_colours_of_dicom():
    pytest.importorskip("pydicom")
    below = RANDOM.integers(-2048, 2048, (6, 8)).astype(np.int16)
    assert np.array_equal(pictures.decoded(dicom(below, stored=12))[..., 0], below)
    assert np.array_equal(pictures.decoded(dicom(below, "MONOCHROME1", 12))[..., 0], -1 - below)
    frames = np.stack([STORED, STORED[::-1]])
    content = dicom(frames, stored=12, NumberOfFrames=2)
    assert np.array_equal(np.stack(pictures.pages(content))[..., 0], frames)
    with pytest.raises(UserError, match=r"^holds 2 pages of 6 x 8 pixels"):
        pictures.decoded(content)
    colours = RANDOM.integers(0, 256, (6, 8, 3), np.uint8)
    assert np.array_equal(pictures.decoded(dicom(colours, "RGB")), colours)


def test_what_is_assumed_of_a_nifti_is_said(tmp_path):
    pytest.importorskip("nibabel")
    for name in ("a.nii", "b.nii.gz"):
        content = nifti(np.zeros((5, 7, 3), np.uint8))
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with RawFiles(tmp_path) as raw:
        assert [raw.page_count(name) for name in raw.names] == [3, 3]
        assert raw.pictures.notes() == []
        assert all(raw.page(name, 2).shape == (5, 7, 1) for name in raw.names)
        (note,) = raw.pictures.notes()
    assert (
        note.startswith("2 file(s): slices along the third axis, rows along the first, as stored") and "a.nii" in note
    )


WITHOUT = """
import sys
for name in ("pydicom", "nibabel"):
    sys.modules[name] = None
from pathlib import Path
from pipeline.errors import UserError
from pipeline.raw import pictures
for name in sys.argv[1:]:
    try:
        pictures.decoded(Path(name).read_bytes())
    except UserError as error:
        print(error)
"""


def test_without_their_readers_the_command_is_said(tmp_path):
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + bytes(20))
    (tmp_path / "a.nii").write_bytes(b"\x5c\x01\0\0" + bytes(340) + b"n+1\0" + bytes(20))
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()))
    command = [sys.executable, "-c", WITHOUT, "a.dcm", "a.nii", "b.nii.gz"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and not done.stderr
    assert lines[0].startswith("is a DICOM file, which is read by") and "-m pip install pydicom==" in lines[0]
    assert all(line.startswith("is a NIfTI file") and "-m pip install nibabel==" in line for line in lines[1:])


def test_damaged_headers_are_a_line():
    pytest.importorskip("pydicom"), pytest.importorskip("nibabel")
    for content in (
        bytes(128) + b"DICM" + b"\xff" * 50,
        b"\x5c\x01\0\0" + bytes(340) + b"n+1\0" + bytes(20),
        gzip.compress(b"\x5c\x01\0\0" + bytes(340) + b"n+1\0" + bytes(20)),
    ):
        with pytest.raises(UserError) as caught:
            pictures.decoded(content)
        assert len(str(caught.value).splitlines()) == 1
