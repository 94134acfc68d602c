"""What a training wrote is read again: where it is damaged, or something else lies in its place, that is one line."""

import json
import os
import shutil

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.training import backend, fit_classical, weights

CODE = {"code": {"pipeline/training/fit.py": "1"}, "backend": "jax"}


def refused(call, *words: str) -> None:
    with pytest.raises(UserError) as found:
        call()
    line = str(found.value)
    assert len(line.splitlines()) == 1 and all(word in line for word in words), line


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"code": "abc"},
        {"code": [1]},
        {"code": {"a": 1}},
        {**CODE, "changed_meanwhile": "pipeline"},
        {**CODE, "changed_meanwhile": [1]},
        {**CODE, "pretrained": {}},
        {**CODE, "precision": 16},
    ],
    ids=str,
)
def test_an_environment_of_another_form_is_one_line(tmp_path, content):
    (tmp_path / "environment.json").write_text(json.dumps(content))
    refused(lambda: backend.changed_code(tmp_path), "environment.json", "delete it")


def test_an_environment_of_its_form_is_read(tmp_path):
    assert backend.recorded(tmp_path) == {} and backend.changed_code(tmp_path) == []
    for content in ({}, {"code": {}}, {**CODE, "changed_meanwhile": ["a"], "taken_from": "other", "python": "3"}):
        (tmp_path / "environment.json").write_text(json.dumps(content))
        assert backend.recorded(tmp_path) == content
    assert backend.changed_code(tmp_path) == ["pipeline/training/fit.py"]


def file_of(path, **arrays):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[f"layers/{name}/vars/0"] = values
    return path


def test_a_file_of_weights_is_read_to_its_end(tmp_path):
    numbers = np.arange(3000, dtype=np.float32)
    path = file_of(tmp_path / weights.NAME, one=numbers, two=np.int32(7), three=numbers.astype(np.float16))
    weights.check_file(path)
    whole = path.read_bytes()
    for length in (0, 1, 7, 100, 700, 3000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(lambda: weights.check_file(path), weights.NAME, "--again")
    for other in (b"not weights", b"\x93NUMPY" + whole, whole[8:]):
        path.write_bytes(other)
        refused(lambda: weights.check_file(path), weights.NAME, "holds no weights, or is damaged")
    path.unlink()
    path.mkdir()
    refused(lambda: weights.check_file(path), weights.NAME)


def test_a_pipe_in_the_place_of_weights_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / weights.NAME)
    with pytest.raises(UserError, match="is no file; move it away"):
        weights.check_file(tmp_path / weights.NAME)


def test_weights_of_complex_numbers_are_none(tmp_path):
    path = file_of(tmp_path / weights.NAME, one=np.ones(4, np.float32), two=np.ones(4, np.complex64))
    refused(lambda: weights.check_file(path), weights.NAME, "holds no weights", "two/vars/0 is of complex numbers")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    numbers = np.zeros(50, np.float16)
    numbers[17] = value
    path = file_of(tmp_path / weights.NAME, one=np.ones(4, np.float32), two=numbers)
    refused(lambda: weights.check_file(path), weights.NAME, "NaN or infinite", "--again", "--learning-rate")


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "no json",
        '{"filter": ["a"], "channel": 0, "level": null, "scale": null}',
        '{"filter": "bright 1", "channel": 0.5, "level": null, "scale": null}',
        '{"filter": "bright 1", "channel": 0, "level": "high", "scale": 1}',
        '{"filter": "bright 1", "channel": 0, "level": 0.5}',
        '{"filter": "bright 1", "channel": 0, "level": 0.5, "scale": NaN}',
        '{"filter": "bright 1", "channel": 0, "level": 0.5, "scale": Infinity}',
        '{"filter": "bright 1", "channel": 0, "level": 0.5, "scale": [1]}',
    ],
)
def test_a_choice_of_a_filter_of_another_form_is_one_line(tmp_path, text):
    path = tmp_path / fit_classical.CHOICE
    path.write_text(text)
    refused(lambda: fit_classical._read(path), "model.json")


@pytest.fixture
def saved(tmp_path):
    """(path of a checkpoint, a function that loads it)."""
    keras = pytest.importorskip("keras")
    from types import SimpleNamespace

    from pipeline.training import checkpoint

    variables = [keras.Variable(np.arange(6.0).reshape(2, 3)), keras.Variable([7, 8], dtype="int32")]
    optimizer = SimpleNamespace(variables=[keras.Variable([1.0], name="dynamic_scale")])
    learner = SimpleNamespace(network=SimpleNamespace(variables=variables), optimizer=optimizer)
    path, inputs = tmp_path / "checkpoint.npz", {"prepared": "p", "recipe": {"epochs": 5}}
    checkpoint.save(path, checkpoint.arrays_of(learner), 3, inputs)
    return path, lambda: checkpoint.load(path, learner, inputs)


def changed(path, **changes) -> None:
    with np.load(path) as file:
        content = {name: file[name] for name in file.files}
    content = {name: value for name, value in {**content, **changes}.items() if value is not None}
    with path.open("wb") as file:
        np.savez(file, **content)


@pytest.mark.slow
def test_a_checkpoint_is_read_and_what_lies_in_its_place_is_one_line(saved):
    path, load = saved
    assert load() == 3
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        refused(load, "checkpoint.npz", "delete it")
    # a byte that is another: found, or of no consequence
    for place in range(0, len(whole), 13):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            assert load() in (0, 3)
        except UserError as error:
            assert "delete it" in str(error) and len(str(error).splitlines()) == 1
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    refused(load, "checkpoint.npz", "delete it")
    path.unlink()
    path.mkdir()
    refused(load, "checkpoint.npz", "no file", "delete it")
    shutil.rmtree(path)
    assert load() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epoch": -1}, "epoch -1 of 5"),
        ({"epoch": 0}, "epoch 0 of 5"),
        ({"epoch": 6}, "epoch 6 of 5"),
        ({"epoch": 2.5}, "no whole number"),
        ({"epoch": [3, 3]}, "no whole number"),
        ({"epoch": "three"}, "no whole number"),
        ({"epoch": None}, "delete it"),
        ({"inputs": None}, "delete it"),
        ({"inputs": "{"}, "delete it"),
        ({"inputs": "[]"}, "made from"),
        ({"inputs": '{"recipe": []}'}, "made from"),
        ({"v1": None}, "delete it"),
        ({"other": np.zeros(2)}, "delete it"),
        ({"v0": np.array([["a", "b", "c"]] * 2)}, "no number"),
        ({"v0": np.array([[1, 2, None]] * 2, object)}, "delete it"),
        ({"v0": np.full((2, 3), np.nan)}, "NaN or infinite"),
        ({"v0": np.full((2, 3), -np.inf, np.float32)}, "NaN or infinite"),
    ],
    ids=str,
)
def test_a_checkpoint_of_another_form_is_one_line(saved, changes, words):
    path, load = saved
    changed(path, **changes)
    refused(load, "checkpoint.npz", words)


@pytest.mark.slow
def test_a_checkpoint_of_another_network_is_none_and_a_scale_that_overflowed_is_no_fault(saved):
    path, load = saved
    changed(path, v2=np.array([np.inf], np.float32))
    assert load() == 3
    changed(path, v0=np.zeros((2, 4)))
    assert load() == 0
