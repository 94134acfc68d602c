"""Any bytes, in any file and any option, end in a right result or in a UserError, never in another exception.

FUZZ_MINUTES=60 .venv/bin/python -m pytest tests/test_fuzz.py tries as many as fit into an hour, instead of seconds.
"""

import contextlib
import csv
import io
import json
import os
import time
from dataclasses import fields

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import recipe as recipes
from pipeline.command import options
from pipeline.errors import UserError
from pipeline.imaging import rle
from pipeline.recipe import Recipe
from pipeline.runs import tuning
from pipeline.store import disk, fold_table, records, submission
from pipeline.store.flat import FlatReader
from pipeline.store.predictions import Predictions
from pipeline.store.submission import Expected, Format

MINUTES = float(os.environ.get("FUZZ_MINUTES", 0))
FUZZ = settings(
    max_examples=1000 if MINUTES else 40,
    # the suite tries the same every time; who gives it minutes is looking for what is new
    derandomize=not MINUTES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
TESTS = 14  # that share the minutes
FORMAT = Format(id_column="id", rle_column="rle")
WANTED = Expected(["a", "b"], np.array([2, 3]), np.array([3, 3]), ("salt",))

# words that formats are made of, so that noise gets past the first line
WORDS = st.sampled_from(
    [
        "id",
        "rle",
        "fold",
        "a",
        "b",
        ",",
        "\n",
        "\r",
        "\r\n",
        '"',
        "\0",
        "1",
        "0",
        "-1",
        " ",
        "9" * 25,
        "1.5",
        "é",
        "\ufeff",
    ]
    + [
        "{",
        "}",
        "[",
        "]",
        ":",
        '"top"',
        '"thresholds"',
        "null",
        "NaN",
        "1e999",
        "9" * 5000,
        "height",
        "width",
        "channels",
        "offset",
    ]
)
TEXTS = st.lists(WORDS, max_size=40).map("".join)
BYTES = st.binary(max_size=300) | TEXTS.map(str.encode) | TEXTS.map(lambda text: text.encode("utf-16"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def fuzz(*strategies):
    """Tries a test with anything of these strategies, for seconds or for its share of FUZZ_MINUTES."""

    def decorate(function):
        tried = FUZZ(given(*strategies)(function))

        def test(tmp_path):
            ends = time.monotonic() + 60 * MINUTES / TESTS
            while True:
                tried(tmp_path)
                if time.monotonic() >= ends:
                    break

        test.__name__, test.__doc__ = function.__name__, function.__doc__
        return test

    return decorate


def written(folder, name: str, content: bytes):
    path = folder / name
    path.write_bytes(content)
    return path


class Table:
    """What a fold table is read against."""

    def __init__(self):
        import pandas

        self.table = pandas.DataFrame({"id": ["a", "b"]})
        self.train = np.array([0, 1])
        self.train_ids = ["a", "b"]


@fuzz(BYTES)
def test_rows_of_a_csv(tmp_path, content):
    path = written(tmp_path, "x.csv", content)
    with contextlib.suppress(UserError):
        rows = disk.read_rows(path, "id")
        assert all("id" in row for row in rows)


@fuzz(st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=9))
def test_rows_come_back_as_they_were_written(tmp_path, rows):
    if any("\ud800" <= letter <= "\udfff" or letter == "\0" for row in rows for text in row for letter in text):
        return
    disk.write_rows(tmp_path / "x.csv", ["id", "what"], rows)
    found = [(row["id"], row["what"]) for row in disk.read_rows(tmp_path / "x.csv", "id", "what")]
    assert found == rows


@fuzz(BYTES)
def test_a_json_file(tmp_path, content):
    with contextlib.suppress(UserError):
        assert isinstance(disk.read_json(written(tmp_path, "x.json", content)), dict)


@fuzz(VALUES)
def test_a_recipe_of_any_values(tmp_path, value):
    for name in ("epochs", "loss", "budget", "tta_scales", "shift", "tta", "odd"):
        with contextlib.suppress(UserError):
            assert isinstance(recipes.from_json({name: value}, "x.json"), Recipe)


@fuzz(VALUES)
def test_thresholds_of_any_values(tmp_path, value):
    whole = [{"thresholds": value}, {"thresholds": [value]}, {"thresholds": [{"top": value}]}, {"classes": value}]
    for content in [value, *whole]:
        path = written(tmp_path, "thresholds.json", json.dumps(content).encode())
        with contextlib.suppress(UserError):
            _, rules = tuning.read_thresholds(path, ("salt",))
            assert 0 <= rules[0].top <= 1


@fuzz(
    BYTES | VALUES.map(lambda value: json.dumps({"output": "0", "size": 1, "modified_ns": 1, "inputs": value}).encode())
)
def test_a_record(tmp_path, content):
    path = written(tmp_path, "x.npy", b"x")
    written(tmp_path, "x.npy.inputs.json", content)
    with contextlib.suppress(UserError):
        assert records.state(path, {"a": 1}) in ("current", "stale", "yours")


@fuzz(BYTES)
def test_a_fold_table(tmp_path, content):
    for text in (content, b"id,fold\n" + content):
        with contextlib.suppress(UserError):
            table = fold_table.read(written(tmp_path, "folds.csv", text), Table())
            assert len(table.folds) == 2 and table.folds.max() >= 0


@fuzz(BYTES)
def test_a_submission(tmp_path, content):
    for text in (content, b"id,rle\n" + content, b"id,rle\na," + content + b"\nb,\n"):
        with contextlib.suppress(UserError):
            table = submission.table_of(text, FORMAT, "x.csv")
            assert submission.validate(table, FORMAT, WANTED, "x.csv").images == 2


@fuzz(st.lists(st.tuples(st.integers(), st.integers()), max_size=5), TEXTS)
def test_run_lengths(tmp_path, runs, text):
    for given_text in (text, " ".join(f"{start} {length}" for start, length in runs)):
        with contextlib.suppress(rle.RunError):
            mask = rle.decode(given_text, 5, 7)
            assert rle.decode(rle.encode(mask), 5, 7).tolist() == mask.tolist()


@fuzz(st.integers(1, 9), st.integers(1, 9), st.randoms(use_true_random=False))
def test_any_mask_comes_back(tmp_path, height, width, source):
    mask = np.array([[source.random() < 0.5 for _ in range(width)] for _ in range(height)])
    assert np.array_equal(rle.decode(rle.encode(mask), height, width), mask)


def _npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


CHANGES = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=6)


@fuzz(CHANGES, st.integers(0, 200))
def test_an_array_with_other_bytes(tmp_path, changes, length):
    content = bytearray(_npy(np.arange(18, dtype=np.uint8)))
    for place, value in changes:
        content[place % len(content)] = value
    for tried in (bytes(content), bytes(content[:length])):
        with contextlib.suppress(UserError):
            reader = FlatReader(written(tmp_path, "x.npy", tried), [2, 3], [3, 4], 1)
            assert reader[1].shape == (3, 4, 1)


@fuzz(BYTES)
def test_an_index_of_predictions(tmp_path, content):
    written(tmp_path, "valid.npy", _npy(np.zeros(15, np.uint8)))
    for text in (
        content,
        b"id,height,width,channels,offset\n" + content,
        b"id,height,width,channels,offset\na,3," + content,
    ):
        written(tmp_path, "valid.csv", text)
        with contextlib.suppress(UserError):
            found = Predictions(tmp_path, "valid", 1)
            assert sum(found[i].size for i in range(len(found))) == 15


@fuzz(
    st.lists(
        st.sampled_from([recipes.option(field.name) for field in fields(Recipe)]) | st.text(max_size=9), max_size=6
    )
)
def test_options(tmp_path, words):
    with contextlib.suppress(UserError):
        assert options.parse(["demo", *words]).words


@fuzz(st.sampled_from(fields(Recipe)), st.text(max_size=12) | st.integers().map(str) | st.floats().map(str))
def test_a_field_of_a_recipe(tmp_path, field, value):
    with contextlib.suppress(UserError):
        given_options = options.parse(["demo", f"{recipes.option(field.name)}={value}"])
        recipes.resolve({}, {field.name: getattr(given_options, field.name)})


def test_as_many_tests_share_the_minutes():
    names = [name for name in globals() if name.startswith("test_")]
    assert len(names) - 1 == TESTS
    assert csv.field_size_limit() >= 131072
