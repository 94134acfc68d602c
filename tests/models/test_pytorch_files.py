"""Files of PyTorch: what PyTorch 2.13 wrote is read, and nothing that any file asks for is done."""

import collections
import os
import pickle
import shutil
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.models.pretrained import pytorch, tensors
from pipeline.models.pretrained.stored import NotTensors
from tests.models.torch_files_written import FILES, write_safetensors

FORMS = ("zip.pth", "legacy.pth", "training.pth", "names.safetensors")


def some(*shape):
    return (np.arange(np.prod(shape), dtype="float32") / 8 - 1).reshape(shape)


# as they were made, with tensors that are turned, a part of another, or of other numbers
WANTED = {
    "stem.weight": some(4, 3, 3, 3),
    "stem.half": some(5),
    "stem.upper": some(5),
    "stem.double": some(2, 3),
    "stem.num_batches_tracked": np.float32(7),
    "part.weight": some(6, 4)[2:4].T,
    "part.parameter": some(3),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_same_tensors(form):
    path = FILES / form
    found = tensors.read(path)
    assert set(found) == set(WANTED)
    for name, wanted in WANTED.items():
        numbers = tensors.numbers(path, found[name])
        assert numbers.dtype == np.float32 and numbers.flags.c_contiguous and np.array_equal(numbers, wanted), name


def refusal(path) -> str:
    with pytest.raises(UserError) as caught:
        tensors.read(path)
    line = str(caught.value)
    assert str(path) in line and "\n" not in line and len(line) < 500
    return line


def test_a_whole_network_is_refused_for_the_class_that_it_wants():
    assert "torch.nn.modules.container.Sequential" in refusal(FILES / "whole_network.pth")


class Harm:
    """What pickle would run as it loads it."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def in_a_zip(path, content: bytes, packing=zipfile.ZIP_STORED, **more):
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("archive/data.pkl", content)
        for name, entry in {"data/0": bytes(64), **more}.items():
            archive.writestr(f"archive/{name}", entry)
    return path


def in_an_old_file(path, content: bytes):
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    before = [pickle.dumps(value, 2) for value in (pytorch.MAGIC, pytorch.FORM, machine)]
    path.write_bytes(b"".join(before) + content + pickle.dumps([], 2))
    return path


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
@pytest.mark.parametrize("form", [in_a_zip, in_an_old_file])
def test_nothing_that_a_pickle_asks_for_is_run(form, protocol, tmp_path):
    mark = tmp_path / "it ran"
    harms = [
        Harm(os.system, f"touch '{mark}'"),
        Harm(exec, f"open({str(mark)!r}, 'w')"),
        Harm(shutil.copy, str(FILES / "zip.pth"), str(mark)),
        Harm(pickle.loads, pickle.dumps(Harm(os.mkdir, str(mark)))),
    ]
    for harm in harms:
        for held in (harm, {"conv1.weight": harm}, collections.OrderedDict(a=[harm]), (harm, {})):
            line = refusal(form(tmp_path / "weights.pth", pickle.dumps(held, protocol)))
            assert not mark.exists()
            # pickles of text are not even taken apart
            assert "call" in line or "no need" in line
    pickle.loads(pickle.dumps(harms[1], protocol))
    assert mark.exists(), "what this test refuses is no harm"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x80\x02cos\nsystem\nq\x00(X\x04\x00\x00\x00true\x81.", "no need"),
        (b"\x80\x02ccollections\nOrderedDict\n(cos\nsystem\no.", "no need"),
        (b"\x80\x02(ios\nsystem\n.", "no need"),
        # 2^31 places to remember in, of which one is used
        (b"\x80\x02}r\xff\xff\xff\x7f.", "no table of tensors"),
        (b"\x80\x02\x8a\xff" + b"\x01" * 20 + b".", "damaged"),
        (b"\x80\x02X\xff\xff\xff\x7fabc.", "damaged"),
        (b"\x80\x02h\x07.", "damaged"),
        (b"\x80\x02(t(t.", "no table"),
        (b"\x80\x02}(}}u.", "damaged"),
        (b"\x80\x02" + b"(" * 1000, "damaged"),
        (b"\x80\x02N" + b"\x85" * 100_000 + b".", "no table"),
        (b"", "damaged"),
    ],
    ids=range(12),
)
def test_other_pickles_are_refused(content, words, tmp_path):
    assert words in refusal(in_a_zip(tmp_path / "a.pth", content))


def pickled_tensor(shape, strides, offset=0, count=16, kind="FloatStorage", key="0") -> bytes:
    """As PyTorch writes {"conv1.weight": tensor}."""

    def tuple_of(numbers):
        return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", number) for number in numbers) + b"t"

    storage = b"(X\x07\x00\x00\x00storagectorch\n" + kind.encode() + b"\nX\x01\x00\x00\x00" + key.encode()
    storage += b"X\x03\x00\x00\x00cpu" + b"\x8a\x08" + struct.pack("<q", count) + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"\x8a\x08" + struct.pack("<q", offset)
    tensor += tuple_of(shape) + tuple_of(strides) + b"\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02}X\x0c\x00\x00\x00conv1.weight" + tensor + b"s."


def test_a_tensor_may_be_no_larger_than_what_is_stored_of_it(tmp_path):
    path = tmp_path / "a.pth"
    assert tensors.read(in_a_zip(path, pickled_tensor((4, 4), (4, 1))))["conv1.weight"].shape == (4, 4)
    bad = [
        {"shape": (1 << 40,), "strides": (0,)},
        {"shape": (1 << 30, 1 << 30), "strides": (1, 1)},
        {"shape": (17,), "strides": (1,)},
        {"shape": (4,), "strides": (1,), "offset": 13},
        {"shape": (4,), "strides": (1,), "offset": -4},
        {"shape": (-4,), "strides": (1,)},
        {"shape": (4,), "strides": (1, 1)},
        {"shape": (64,), "strides": (1,), "count": 64},
        {"shape": (4,), "strides": (1,), "key": "1"},
        {"shape": (4,), "strides": (1,), "kind": "QInt8Storage"},
    ]
    for fields in bad:
        refusal(in_a_zip(path, pickled_tensor(**fields)))


def test_zips_that_torch_does_not_write_are_refused(tmp_path):
    good, path = pickled_tensor((4, 4), (4, 1)), tmp_path / "a.pth"
    assert "compressed" in refusal(in_a_zip(path, good, zipfile.ZIP_DEFLATED))
    assert "little" in refusal(in_a_zip(path, good, byteorder=b"big"))
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    assert "damaged zip" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights.txt", "none")
    assert "none of torch.save" in refusal(path)


def test_numbers_that_are_none_and_files_cut_off_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    write_safetensors(path, {"a": np.array([1, np.nan], "float32")})
    with pytest.raises(UserError, match="NaN"):
        tensors.numbers(path, tensors.read(path)["a"])
    for form in FORMS:
        path = tmp_path / form
        path.write_bytes((FILES / form).read_bytes()[:-40])
        refusal(path)
        path.write_bytes(b"")
        refusal(path)
    refusal(tmp_path / "missing.pth")


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 20_000,
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}',
        b'{"a": {"dtype": "F8", "shape": [1], "data_offsets": [0, 1]}}',
        b'{"a": {"dtype": "F32", "shape": [-1, -2], "data_offsets": [0, 8]}}',
        b'{"a": {"dtype": ["F32"], "shape": [2], "data_offsets": [0, 8]}}',
        b'{"a": {"dtype": "F32", "shape": 2, "data_offsets": [0, 8]}}',
        b'{"a": 3}',
    ],
    ids=range(11),
)
def test_headers_that_are_none_are_refused(header, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    refusal(path)
    path.write_bytes(struct.pack("<Q", 1 << 60) + header)
    refusal(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


@given(data=st.data())
def test_of_damaged_files_nothing_is_read_but_tensors(folder, data):
    form = data.draw(st.sampled_from(FORMS))
    content = bytearray((FILES / form).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = folder / form
    path.write_bytes(content)
    try:
        found = tensors.read(path)
        for tensor in found.values():
            assert tensors.numbers(path, tensor).nbytes <= 4 * len(content)
    except UserError as error:
        assert str(path) in str(error)


def test_what_a_file_holds_is_told_without_reading_its_numbers():
    found = pytorch.read(FILES / "zip.pth")["stem.weight"]
    assert (found.kind, found.shape, found.strides) == ("<f4", (4, 3, 3, 3), (27, 1, 9, 3))
    with pytest.raises(NotTensors):
        pytorch.read(FILES / "names.safetensors")
