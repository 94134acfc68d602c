"""`rehearse`: the demo's pack passes, and each fault that is planted in its notebook gets Kaggle's words for it."""

import errno
import json
import shutil
import tempfile

import pytest

from pipeline.rehearsal import hidden, sandbox
from pipeline.tools import rehearse
from tests import packed_runs
from tests.start import run

isolated = pytest.mark.skipif(not sandbox.has_namespaces(), reason="this system has no namespaces for this user")


@pytest.fixture(scope="module")
def root(packed_root, tmp_path_factory):
    found = tmp_path_factory.mktemp("rehearsed") / "root"
    shutil.copytree(packed_root, found)
    return found


def rehearsed(root, *cells, status=2, options=("--times", "1")):
    """What is said of a notebook of these cells; without any, of the pack's own."""
    path = root / "runs" / "demo" / packed_runs.RUN / "pack" / "notebook.ipynb"
    own = path.read_text()
    try:
        if cells:
            written = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
            path.write_text(json.dumps({"cells": written}))
        return run("demo", "rehearse", "--run", packed_runs.RUN, *options, root=root, status=status)
    finally:
        path.write_text(own)


@isolated
def test_the_demo_passes_on_a_larger_test_part_with_odd_pictures(root):
    said = rehearsed(root, status=0, options=("--times", "2"))
    assert "pack: up to date" in said
    assert (
        "a hidden test part of 324 pictures, among them an odd size, one channel, one value everywhere, damage" in said
    )
    assert "1 of 324 test pictures cannot be read and get an empty answer" in said
    assert "PASS: 324 rows of 324 images" in said


@isolated
@pytest.mark.parametrize(
    ("cell", "words", "why"),
    [
        ("pass", "Submission CSV Not Found", "without submission.csv"),
        ("import time; time.sleep(60)", "Notebook Timeout", "not done after 2 s"),
        ("raise KeyError('image_7')", "Notebook Threw Exception", "KeyError: 'image_7'"),
        ("x = bytearray(1 << 30); x[::4096] = b'1' * (1 << 18)", "Notebook Exceeded Memory", ""),
        (
            "import socket; socket.create_connection(('1.1.1.1', 80), 5)",
            "Notebook Threw Exception",
            "wants the internet",
        ),
        (
            "from pathlib import Path; Path('/kaggle/input/demo/x').write_text('')",
            "Notebook Threw Exception",
            "writes into /kaggle/input",
        ),
        (
            "from pathlib import Path; Path('submission.csv').write_text('id,rle_mask\\nnobody,1 1\\n')",
            "Submission Scoring Error",
            "not in the sample submission: nobody",
        ),
        (
            "from pathlib import Path; Path('submission.csv').write_text('image,mask\\na,1 1\\n')",
            "Submission Format Error",
            "columns image,mask, not id,rle_mask",
        ),
        ("!python -c 'raise SystemExit(1)'\n%matplotlib inline", "Submission CSV Not Found", ""),
    ],
)
def test_each_fault_has_the_words_that_kaggle_has_for_it(root, monkeypatch, cell, words, why):
    monkeypatch.setattr(rehearse, "MEMORY", 256 << 20)
    error = rehearsed(root, cell, options=("--times", "1", "--time-limit", "2s" if "sleep" in cell else "60s"))
    assert error.startswith(f"error: {words}: ") and why in error


def test_where_there_are_no_control_groups_memory_is_bounded_all_the_same(root, monkeypatch, tmp_path):
    monkeypatch.setattr(rehearse, "MEMORY", 256 << 20)
    monkeypatch.setattr(sandbox, "CGROUPS", tmp_path)
    error = rehearsed(root, "x = bytearray(1 << 30)")
    assert error == "error: Notebook Exceeded Memory: MemoryError\n"


def test_where_there_are_no_namespaces_it_says_what_is_not_checked(root, monkeypatch):
    monkeypatch.setattr(sandbox, "has_namespaces", lambda: False)
    said = rehearsed(root, status=0)
    assert "not checked is that it needs no network and does not write into /kaggle/input" in said
    assert "not rehearsed: no new ids, no odd pictures" in said and "PASS: 160 rows" in said


@pytest.mark.parametrize("content", ["[]", '{"cells": [3]}', '{"cells": [{"cell_type": "code", "source": [5]}]}'])
def test_what_is_no_notebook_is_refused(root, content):
    path = root / "runs" / "demo" / packed_runs.RUN / "pack" / "notebook.ipynb"
    own = path.read_text()
    path.write_text(content)
    try:
        assert "is no notebook" in run("demo", "rehearse", "--run", packed_runs.RUN, root=root, status=2)
    finally:
        path.write_text(own)


def test_a_cell_that_is_no_python_is_refused_for_that(root):
    error = rehearsed(root, "pass", "%%bash\nls /kaggle/input")
    assert "cell 2: %%bash is a command of Jupyter that the rehearsal cannot run" in error


def test_what_a_notebook_leaves_when_its_time_is_over_is_gone(root, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    cell = "import tempfile, time; tempfile.mkdtemp(prefix='left-'); time.sleep(60)"
    assert "Notebook Timeout" in rehearsed(root, cell, options=("--times", "1", "--time-limit", "2s"))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_said(root, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hidden, "_put", full)
    error = rehearsed(root)
    assert "No space left on device; make room there, ask for fewer --times" in error


def test_what_was_changed_by_hand_stays_when_it_is_packed_again(root):
    pack = root / "runs" / "demo" / packed_runs.RUN / "pack"
    content, notebook = json.loads((pack / "pack.json").read_text()), (pack / "notebook.ipynb").read_text()
    metadata = (pack / "dataset-metadata.json").read_text()
    try:
        (pack / "dataset-metadata.json").write_text(metadata.replace("INSERT_USERNAME_HERE", "somebody"))
        for _ in range(2):
            said = run("demo", "pack", "--run", packed_runs.RUN, root=root)
            assert "pack/dataset-metadata.json is yours: kept as it is" in said and "notebook.ipynb is" not in said
        assert "somebody/demo-plain-pack" in (pack / "dataset-metadata.json").read_text()
        # what is gone or cannot be read is made again
        (pack / "notebook.ipynb").unlink()
        (pack / "pack.json").write_text("{")
        rehearsed_again = run("demo", "rehearse", "--run", packed_runs.RUN, "--times", "1", root=root)
        assert "PASS" in rehearsed_again and (pack / "notebook.ipynb").read_text() == notebook
        assert json.loads((pack / "pack.json").read_text())["files"] == content["files"]
    finally:
        (pack / "dataset-metadata.json").write_text(metadata)
