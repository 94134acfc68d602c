"""Preparing: what is refused, test pictures that cannot be read, mistakes in a competition's own file."""

import json
import os
from dataclasses import replace

import cv2
import numpy as np
import pandas
import pytest

from pipeline import source
from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError
from pipeline.imaging.metrics import CountMetric, dice
from pipeline.raw.files import RawFiles, fingerprints
from pipeline.raw.folders import read_folders
from pipeline.recipe import Recipe
from pipeline.runs.job import Job
from pipeline.stages import prepare, submit
from pipeline.stages import split as split_stage
from pipeline.store.paths import Store
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances
from pipeline.tasks.multiclass import MultiClass
from pipeline.tasks.multilabel import MultiLabel
from pipeline.tasks.volume import Volume
from tests.competitions import test_dsb2018
from tests.reporting import example_runs
from tests.start import run

IMAGE = np.random.default_rng(0).integers(0, 255, (12, 16), np.uint8)


def raw_files(folder, tests=("x", "y", "z"), sample=True):
    """Two images with masks, and pictures to answer."""
    for name in ("images/a", "images/b", *(f"test/{test}" for test in tests)):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), IMAGE)
    (folder / "masks").mkdir()
    for name in "ab":
        assert cv2.imwrite(str(folder / "masks" / f"{name}.png"), (IMAGE > 99).astype(np.uint8) * 255)
    if sample:
        (folder / "sample_submission.csv").write_text("id,rle\n" + "".join(f"{test},\n" for test in tests))
    return folder


def read(raw):
    data = read_folders(raw)
    name = raw.one("sample_submission.csv")
    return replace(data, sample=raw.read(name) if name else None)


def competition(**changes) -> Competition:
    plain = Competition(
        name="tiny",
        title="Tiny",
        page="",
        slug="",
        task=Binary(("x",)),
        metric=CountMetric("mean Dice", dice),
        read=read,
        format=Format(),
        symmetry="none",
        recipes={"default": {}},
        costs={},
    )
    return replace(plain, **changes)


def prepared(folder, target, chosen=None, stands_in=False):
    with RawFiles(folder) as raw:
        return prepare.convert(chosen or competition(), raw, target, {}, stands_in)


def refusal(folder, target, *options, **more) -> str:
    with pytest.raises(UserError) as caught:
        prepared(folder, target, *options, **more)
    assert len(str(caught.value).splitlines()) == 1
    assert not target.exists(), "nothing half-written"
    return str(caught.value)


# the sample and the names


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("id,rle\n", "raw/sample_submission.csv has the names of its columns but no rows"),
        ("id,pixels\nx,\n", "raw/sample_submission.csv has no columns id,rle, but id, pixels"),
        ("id,rle,more\nx,,\n", "raw/sample_submission.csv has the columns id, rle, more, the format"),
        ("id,rle\nx,\n,\n", "raw/sample_submission.csv, row 3: the column 'id' is blank"),
        ('id,rle\n"x\n",\n', "raw/sample_submission.csv, row 2: the column 'id' holds 'x\\n'"),
        ("id,rle\nx,\nw,\n", "raw/sample_submission.csv: 1 of its ids have no test image: w"),
    ],
)
def test_a_sample_that_cannot_be_answered_is_refused_before_anything_is_decoded(tmp_path, monkeypatch, content, says):
    folder = raw_files(tmp_path / "raw")
    (folder / "sample_submission.csv").write_text(content)
    monkeypatch.setattr(RawFiles, "picture", lambda *arguments: pytest.fail("decoded"))
    assert says in refusal(folder, tmp_path / "prepared")


def test_blank_lines_in_a_sample_are_no_images(tmp_path):
    folder = raw_files(tmp_path / "raw")
    (folder / "sample_submission.csv").write_text("id,rle\n\nx,\n\ny,\nz,\n\n")
    prepared(folder, tmp_path / "prepared")
    assert (tmp_path / "prepared" / "sample_submission.csv").read_text() == "id,rle\nx,\ny,\nz,\n"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (b"caf\xe9.png", "the id 'caf\\xe9' of a test image"),
        (b"a\nb.png", "the id 'a\\nb' of a test image"),
        (b"a\rb.png", "the id 'a\\rb'"),
        (b"a\tb.png", "the id 'a\\tb'"),
        (b" .png", "the id ' ' of a test image is blank"),
    ],
)
def test_a_name_that_cannot_stand_in_a_table_is_refused(tmp_path, name, says):
    folder = raw_files(tmp_path / "raw", sample=False)
    (folder / "test" / "x.png").rename(folder / "test" / os.fsdecode(name))
    line = refusal(folder, tmp_path / "prepared")
    assert says in line and "rename the file" in line
    line.encode()


def test_the_longest_names_and_odd_ones_are_read(tmp_path):
    ids = ["x" * 251, "é, ü", 'quoted "so"', "=1+1"]
    folder = raw_files(tmp_path / "raw", tests=ids, sample=False)
    prepared(folder, tmp_path / "prepared")
    table = pandas.read_csv(tmp_path / "prepared" / "images.csv", dtype=str, keep_default_na=False)
    assert sorted(table["id"]) == sorted([*"ab", *ids])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"id": 7}, "the id of an image is 7; it must be text"),
        ({"id": ""}, "the id '' of a train image is blank"),
        ({"group": "a\nb"}, "the group 'a\\nb'"),
        ({"kind": None}, "the kind of an image is None"),
        ({"part": "valid"}, "part='valid'; it can be 'train' or 'test'"),
        ({"image": lambda: [1]}, "its image() gives list, not an array H x W x C"),
        ({"image": lambda: IMAGE}, "its image() gives ndarray 12 x 16 of uint8, not an array H x W x C"),
        ({"image": lambda: IMAGE[..., None] / 255}, "its image() gives float64, not uint8, uint16 or float16"),
        ({"image": lambda: np.full((12, 16, 1), np.nan, np.float16)}, "image p holds values that are infinite or no"),
        ({"labels": lambda: IMAGE}, "its labels() give ndarray 12 x 16 of uint8, not whole numbers H x W x layers"),
        ({"labels": lambda: IMAGE[..., None] / 255}, "its labels() give ndarray 12 x 16 x 1 of float64"),
    ],
)
def test_what_read_gives_is_checked(tmp_path, changes, says):
    plain = RawImage("p", "train", lambda: IMAGE[..., None], lambda: (IMAGE > 9)[..., None].astype(np.uint8))
    chosen = competition(read=lambda raw: RawData([replace(plain, **changes)]))
    with pytest.raises(UserError) as caught:
        prepare.convert(chosen, None, tmp_path / "prepared", {})
    assert says in str(caught.value)


# pictures that cannot be read


def damaged(folder, *names):
    for name in names:
        path = folder / f"{name}.png"
        path.write_bytes(path.read_bytes()[:60])


def test_a_test_picture_that_cannot_be_read_is_refused_or_stood_in_for(tmp_path, capfd):
    folder = raw_files(tmp_path / "raw")
    damaged(folder, "test/y")
    line = refusal(folder, tmp_path / "prepared")
    assert "raw/test/y.png is not a picture" in line and line.endswith("--on-bad-image empty")
    info = prepared(folder, tmp_path / "prepared", stands_in=True)
    assert info["bad"] == ["y"] == json.loads((tmp_path / "prepared" / "prepared.json").read_text())["bad"]
    (note,) = info["notes"]
    assert "1 of 3 test pictures cannot be read and get an empty answer: y; the first: " in note
    pictures = np.load(tmp_path / "prepared" / "images.npy").reshape(5, *IMAGE.shape)
    assert not pictures[3].any() and all(np.array_equal(pictures[i], IMAGE) for i in (0, 1, 2, 4))
    assert capfd.readouterr().err == ""


def test_whole_pictures_leave_no_trace_of_the_option(tmp_path):
    folder = raw_files(tmp_path / "raw")
    one, other = (prepared(folder, tmp_path / str(stands_in), stands_in=stands_in) for stands_in in (False, True))
    assert one == other and "bad" not in one


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (("images/a", "test/x"), "raw/images/a.png is not a picture"),
        (("masks/a",), "raw/masks/a.png is not a picture"),
        (("test/x", "test/y", "test/z"), "none of the 3 test pictures can be read; the first: "),
    ],
)
def test_what_is_never_stood_in_for(tmp_path, broken, says):
    folder = raw_files(tmp_path / "raw")
    damaged(folder, *broken)
    assert says in refusal(folder, tmp_path / "prepared", stands_in=True)


def test_a_stand_in_is_as_large_as_its_truth_or_its_volume(tmp_path):
    def picture(height):
        return lambda: np.ones((height, 9, 1), np.uint8)

    def no_picture():
        raise UserError("x is damaged")

    train = [RawImage(f"t{i}", "train", picture(8), picture(8), group="t") for i in range(3)]
    tests = [RawImage("u_1", "test", no_picture, group="u"), RawImage("u_2", "test", picture(5), group="u")]
    for images, sizes in (
        (tests, [(5, 9), (5, 9)]),
        ([replace(tests[0], labels=picture(7)), replace(tests[1], labels=picture(5))], [(7, 9), (5, 9)]),
        ([replace(tests[0], labels=no_picture), replace(tests[1], labels=picture(5))], [(5, 9), (5, 9)]),
    ):
        chosen = competition(read=lambda raw, images=images: RawData([*train, *images]))
        prepare.convert(chosen, None, tmp_path / "prepared", {}, True)
        table = pandas.read_csv(tmp_path / "prepared" / "images.csv")
        assert list(zip(table["height"], table["width"], strict=True))[3:] == sizes


def test_a_reader_that_looks_at_every_picture_leaves_test_pictures_to_prepare(tmp_path):
    content = test_dsb2018.files()
    content["stage1_test/z_grey/images/z_grey.png"] = b"no"
    folder = tmp_path / "raw"
    test_dsb2018.unpacked(folder, content)
    chosen = replace(test_dsb2018.dsb2018.competition)
    assert "z_grey.png is not a picture" in refusal(folder, tmp_path / "prepared", chosen)
    assert prepared(folder, tmp_path / "prepared", chosen, stands_in=True)["bad"] == ["z_grey"]


def test_the_option_says_what_is_done_and_the_machine_where_it_does_not(tmp_path, monkeypatch):
    job = Job(competition(), Recipe(), "default", Store(tmp_path, "tiny", "mine"))
    assert not job.stands_in and replace(job, on_bad_image="empty").stands_in
    monkeypatch.setattr(Store, "kaggle_output", tmp_path / "submission.csv")
    assert job.stands_in and not replace(job, on_bad_image="refuse").stands_in


def test_what_was_stood_in_for_is_kept_until_it_is_refused_by_name(tmp_path):
    folder = raw_files(tmp_path / "raw")
    damaged(folder, "test/y")
    job = Job(competition(), Recipe(), "default", Store(tmp_path, "tiny", "mine"), data=folder)
    with pytest.raises(UserError, match="on-bad-image empty"):
        prepare.run(job)
    prepare.run(replace(job, on_bad_image="empty"))
    assert prepare.is_current(job) and not prepare.is_current(replace(job, on_bad_image="refuse"))


@pytest.mark.parametrize(
    ("task", "rows"),
    [
        (Binary(("x",)), 1),
        (MultiLabel(("x", "y", "z")), 3),
        (MultiClass(("x", "y", "z"), void=9), 3),
        (Volume(("x",)), 1),
        (Instances(("x",)), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_empty_answer_is_blank_rows_of_every_task(task, rows):
    labels = submit._nothing(task, IMAGE.shape)
    assert labels.shape == (*IMAGE.shape, task.layers)
    assert task.texts(labels) == [""] * rows


def test_a_whole_run_answers_a_bad_picture_with_a_blank_row(demo_root):
    raw = demo_root / "data" / "demo" / "raw"
    with RawFiles(raw) as files:
        content = {name: files.read(name) for name in files.names if name.startswith("test.zip/")}
    (raw / "test.zip").unlink()
    bad = sorted(content)[3]
    for name, data in content.items():
        path = raw / name.removeprefix("test.zip/")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data[:99] if name == bad else data)
    quick = ("--model", "classical", "--folds", "3", "--run", "mine")
    assert "--on-bad-image empty" in run("demo", "prepare", root=demo_root, status=2)
    assert "'none' " in run("demo", "prepare", "--on-bad-image", "none", root=demo_root, status=2)
    out = run("demo", "--on-bad-image", "empty", *quick, root=demo_root)
    name = bad.rpartition("/")[2].removesuffix(".png")
    assert f"1 of 160 test pictures cannot be read and get an empty answer: {name}" in out
    table = pandas.read_csv(demo_root / "submissions" / "demo-mine.csv", dtype=str, keep_default_na=False)
    assert dict(zip(table["id"], table["rle_mask"], strict=True))[name] == ""
    assert "prepare: up to date" in run("demo", *quick, root=demo_root)


# mistakes in the competition's file


def own(tmp_path, monkeypatch, text):
    """A file of competitions/ of one's own, and the competition that is made with its functions."""
    path = tmp_path / "pipeline" / "competitions" / "mine.py"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    monkeypatch.setattr(source, "PACKAGE", tmp_path / "pipeline")
    defined = {}
    exec(compile(text, str(path), "exec"), defined)
    return defined


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            "def read(raw):\n    return raw.nothing\n",
            "line 2: AttributeError: 'RawFiles' object has no attribute 'nothing'",
        ),
        (
            "def read(raw):\n    import sys\n    sys.exit('enough')\n",
            "line 3: SystemExit: enough (in read()); mend the file",
        ),
        ("def read(raw):\n    return plain(raw, labels=lambda mask: mask[9, 99])\n", "line 2: IndexError: "),
        ("def read(raw):\n    return plain(raw, group=lambda name: name[7])\n", "line 2: IndexError: string index"),
        (
            "def read(raw):\n    return doubting(raw, lambda labels: 1 / 0)\n",
            "line 2: ZeroDivisionError: division by zero",
        ),
        (
            "def read(raw):\n    return pictures(raw, lambda: {}['x'])\n",
            "line 2: KeyError: 'x' (in image() of image a)",
        ),
        ("def read(raw):\n    return None\n", "read() of tiny wants to return RawData"),
    ],
)
def test_a_mistake_in_a_file_of_ones_own_is_a_line(tmp_path, monkeypatch, body, says):
    def changed(raw, **changes):
        return replace(read(raw), images=[replace(image, **changes) for image in read(raw).images])

    folder = raw_files(tmp_path / "raw")
    defined = own(tmp_path, monkeypatch, body)
    defined["plain"] = read_folders
    defined["doubting"] = lambda raw, function: changed(raw, doubt=function)
    defined["pictures"] = lambda raw, function: changed(raw, image=function)
    line = refusal(folder, tmp_path / "prepared", competition(read=defined["read"]))
    assert says in line
    assert line.startswith("pipeline/competitions/mine.py, line ") or "read() of tiny" in line


def test_a_mistake_of_ours_stays_a_traceback(tmp_path, monkeypatch):
    folder = raw_files(tmp_path / "raw")
    monkeypatch.setattr(prepare._Writer, "_measure", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepared(folder, tmp_path / "prepared")
    assert not (tmp_path / "prepared").exists()


def test_another_folder_of_the_same_listing_is_noticed(tmp_path):
    """The same names, sizes and times: what is in the files is another."""
    for folder, text in (("one", "abc"), ("other", "xyz")):
        path = tmp_path / folder / "a.csv"
        path.parent.mkdir()
        path.write_text(text)
        os.utime(path, ns=(10**18, 10**18))
    one, other = (fingerprints(tmp_path / folder) for folder in ("one", "other"))
    assert one["raw"] == other["raw"] and one["identity"] != other["identity"]
    assert fingerprints(tmp_path / "one") == one


def test_a_file_written_again_with_its_size_and_time_is_noticed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("abc")
    os.utime(path, ns=(10**18, 10**18))
    before = fingerprints(tmp_path)
    path.write_text("xyz")
    os.utime(path, ns=(10**18, 10**18))
    assert fingerprints(tmp_path)["raw"] == before["raw"] and fingerprints(tmp_path)["identity"] != before["identity"]


@pytest.mark.parametrize(
    ("split", "says"),
    [
        (lambda table, count: None, "split= must give a whole number from -1 for each of the 18 train images"),
        (lambda table, count: np.zeros(3, int), "split= must give a whole number"),
        (lambda table, count: np.full(len(table), -1), "and hold some out"),
        (lambda table, count: np.zeros(len(table)), "split= must give a whole number"),
        (lambda table, count: table["nothing"], "KeyError: 'nothing' (in split=); mend the file"),
    ],
)
def test_a_split_of_ones_own_is_checked(tmp_path, split, says):
    job = example_runs.job_of(tmp_path, replace(example_runs.competition(), split=split), folds=5)
    with pytest.raises(UserError) as found:
        split_stage.run(job)
    assert says in str(found.value)


def test_a_copied_root_is_up_to_date_and_a_changed_one_is_not(demo_root):
    """Its raw files are others, with the same content; with another content of the same size and time they are not."""
    assert "prepare: up to date" in run("demo", "split", "--folds", "3", root=demo_root)
    path = demo_root / "data" / "demo" / "raw" / "depths.csv"
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-2] = ord("1") if content[-2] != ord("1") else ord("2")
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "prepare:\n320 train" in run("demo", "split", "--folds", "3", root=demo_root)
    assert "prepare: up to date" in run("demo", "split", "--folds", "3", root=demo_root)
