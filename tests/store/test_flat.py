"""Pictures of every size in one flat file: what is written comes back, what does not fit is refused."""

import io
import os
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.store.disk import atomic
from pipeline.store.flat import FlatReader, FlatWriter, offsets_of

sizes_of_pictures = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=8)


def pictures_of(sizes, channels, dtype, seed=0):
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (*size, channels)).astype(dtype) for size in sizes]


def write(path, pictures, dtype=np.uint8):
    with FlatWriter(path, dtype) as writer:
        for picture in pictures:
            writer.append(picture)


def read(path, pictures, channels):
    return FlatReader(path, [len(p) for p in pictures], [p.shape[1] for p in pictures], channels)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes_of_pictures, st.integers(1, 5), st.sampled_from([np.uint8, np.uint16, np.float16]))
def test_every_picture_comes_back_from_its_place(tmp_path, sizes, channels, dtype):
    pictures = pictures_of(sizes, channels, dtype)
    path = tmp_path / "a.npy"
    write(path, pictures, dtype)
    reader = read(path, pictures, channels)
    assert len(reader) == len(pictures)
    for i, picture in enumerate(pictures):
        assert reader[i].dtype == dtype
        assert np.array_equal(reader[i], picture)
        assert reader.offsets[i] == sum(other.size for other in pictures[:i])
    everything = np.load(path, allow_pickle=False)
    assert everything.dtype == dtype and everything.ndim == 1
    assert np.array_equal(everything, np.concatenate([p.ravel() for p in pictures] or [np.zeros(0, dtype)]))


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.float32])
def test_a_file_that_grows_wider_is_as_if_it_had_been_from_the_start(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("pipeline.store.flat._PART", 7)
    pictures = pictures_of([(3, 4), (5, 2), (1, 1)], 2, np.uint8)
    with FlatWriter(tmp_path / "a.npy", np.uint8) as writer:
        writer.append(pictures[0])
        writer.append(pictures[1])
        writer.widen(kind)
        writer.append(pictures[2].astype(kind))
    with FlatWriter(tmp_path / "b.npy", kind) as other:
        for picture in pictures:
            other.append(picture.astype(kind))
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert writer.digest.hexdigest() == other.digest.hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "b.npy"]


def test_the_file_is_byte_for_byte_what_numpy_saves(tmp_path):
    pictures = pictures_of([(3, 4), (5, 2)], 2, np.uint16)
    write(tmp_path / "a.npy", pictures, np.uint16)
    saved = io.BytesIO()
    np.save(saved, np.concatenate([picture.ravel() for picture in pictures]))
    assert (tmp_path / "a.npy").read_bytes() == saved.getvalue()


def test_a_picture_that_is_a_flipped_view_is_written_as_it_looks(tmp_path):
    picture = pictures_of([(4, 6)], 3, np.uint8)[0]
    views = [picture[:, ::-1], picture[::2], picture.transpose(1, 0, 2), np.asfortranarray(picture)]
    write(tmp_path / "a.npy", views)
    reader = read(tmp_path / "a.npy", views, 3)
    assert all(np.array_equal(reader[i], view) for i, view in enumerate(views))


def test_reading_maps_the_file_and_cannot_change_it(tmp_path):
    write(tmp_path / "a.npy", pictures_of([(3, 4)], 1, np.uint8))
    reader = FlatReader(tmp_path / "a.npy", [3], [4], 1)
    assert isinstance(reader.values.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        reader[0][0, 0, 0] = 1


def test_known_offsets():
    assert offsets_of(np.array([2, 3, 1]), np.array([5, 1, 1]), 3).tolist() == [0, 30, 39]
    assert offsets_of(np.array([], int), np.array([], int), 3).tolist() == []


def test_offsets_do_not_overflow_32_bits():
    heights, widths = np.full(3, 40000), np.full(3, 40000)
    assert offsets_of(heights, widths, 3).tolist() == [0, 4_800_000_000, 9_600_000_000]


def test_a_picture_of_another_dtype_is_not_written(tmp_path):
    with FlatWriter(tmp_path / "a.npy", np.uint8) as writer, pytest.raises(TypeError, match=r"a\.npy holds uint8"):
        writer.append(np.zeros((2, 2, 1), np.uint16))


@pytest.mark.parametrize("heights", [[3, 3], [3], [2, 3, 3], []])
def test_an_index_that_asks_for_another_length_is_refused(tmp_path, heights):
    write(tmp_path / "a.npy", pictures_of([(2, 4), (3, 4)], 1, np.uint8))
    with pytest.raises(UserError, match=r"a\.npy holds 20 values"):
        FlatReader(tmp_path / "a.npy", heights, [4] * len(heights), 1)


def test_an_array_of_more_dimensions_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4), np.uint8))
    with pytest.raises(UserError, match=r"in 2 dimension"):
        FlatReader(tmp_path / "a.npy", [3], [4], 1)


@pytest.mark.parametrize("kept", [0, 3, 6, 9, 60, 127, 128, 129, 147])
def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path, kept):
    path = tmp_path / "a.npy"
    write(path, pictures_of([(4, 5)], 1, np.uint8))
    assert len(path.read_bytes()) == 148
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"a\.npy"):
        FlatReader(path, [4], [5], 1)


def _zip() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.npy", "1")
    return target.getvalue()


@pytest.mark.parametrize(
    "content", [b"id,height\na,3\n", b"PK\x03\x04 cut off", _zip(), b"\x93NUMPY\x01\x00\x05\x00{'a'}"]
)
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.npy"):
        FlatReader(tmp_path / "a.npy", [4], [5], 1)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(UserError, match=r"a\.npy is no file; move it away"):
        FlatReader(tmp_path / "a.npy", [4], [5], 1)


def test_a_shape_that_overflows_is_refused_without_a_warning(tmp_path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4), }".ljust(117) + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with warnings.catch_warnings(), pytest.raises(UserError, match=r"a\.npy is not a NumPy file"):
        warnings.simplefilter("error")
        FlatReader(tmp_path / "a.npy", [4], [5], 1)


def test_nothing_is_left_behind_when_writing_fails(tmp_path):
    with (
        pytest.raises(KeyboardInterrupt),
        atomic(tmp_path / "a.npy") as part,
        FlatWriter(part, np.uint8) as writer,
    ):
        writer.append(np.zeros((2, 2, 1), np.uint8))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_could_not_be_finished_does_not_look_finished(tmp_path):
    with pytest.raises(KeyboardInterrupt), FlatWriter(tmp_path / "a.npy", np.uint8) as writer:
        writer.append(np.zeros((2, 2, 1), np.uint8))
        raise KeyboardInterrupt
    with pytest.raises(UserError):
        FlatReader(tmp_path / "a.npy", [2], [2], 1)
