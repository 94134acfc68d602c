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
from pipeline.imaging.objects import ObjectMetric
from pipeline.raw import images as checks
from pipeline.raw import written
from pipeline.raw.files import RawFiles, fingerprints
from pipeline.raw.folders import read_folders
from pipeline.raw.masks import class_ids, near
from pipeline.recipe import Recipe
from pipeline.runs import encoding
from pipeline.runs.job import Job
from pipeline.stages import prepare
from pipeline.stages import split as split_stage
from pipeline.store.paths import Store
from pipeline.store.prepared import Prepared
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances
from pipeline.tasks.multiclass import MultiClass
from pipeline.tasks.multilabel import MultiLabel
from pipeline.tasks.volume import Volume
from tests.competitions import test_dsb2018
from tests.drafting.mask_folders import folder_of, scene
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
        (
            {"image": lambda: IMAGE[..., None] * 1j},
            "image p: its image() gives complex128, not whole numbers or floating point",
        ),
        (
            {"image": lambda: np.full((12, 16, 1), np.nan, np.float16)},
            "image p holds 192 of 192 values that are infinite or no numbers (NaN); replace these, or name",
        ),
        ({"image": lambda: IMAGE[..., None] * 1e300}, f"image p holds {IMAGE.max() * 1e300:g}, more than 32 bits hold"),
        ({"image": lambda: IMAGE[..., None] + np.uint64(2**63)}, ", more than can be kept; scale the values"),
        ({"labels": lambda: IMAGE}, "its labels() give ndarray 12 x 16 of uint8, not whole numbers H x W x layers"),
        ({"labels": lambda: IMAGE[..., None] / 255}, "its labels() give ndarray 12 x 16 x 1 of float64"),
        ({"labels": lambda: (IMAGE > 9)[..., None] * np.uint8(255)}, "its labels() hold 255; there can be 0 and 1 in"),
        ({"labels": lambda: (IMAGE > 9)[..., None] * np.int8(-1)}, "its labels() hold -1; there can be 0 and 1 in"),
        (
            {"labels": lambda: np.zeros((12, 15, 1), np.uint8)},
            "image p is 12 x 16 x 1 (height x width x layers), its labels are 12 x 15",
        ),
        ({"labels": lambda: np.zeros((12, 16, 2), np.uint8)}, "the labels of image p have 2 layer(s), not 1"),
        ({"labels": None}, "image p: labels is None; a train image has some"),
        ({"labels": 3}, "image p: labels is int, not a function"),
        ({"image": IMAGE}, "image p: image is ndarray 12 x 16 of uint8, not a function"),
        ({"doubt": "odd"}, "image p: doubt is str, not a function"),
        ({"doubt": lambda labels: 3}, "doubt of image p gives 3; it must be a text"),
        ({"extra": "x"}, "image p: extra is 'x', not a table of numbers"),
        ({"extra": {"depth": None}}, "image p: extra is {'depth': None}, not a table of numbers"),
    ],
)
def test_what_read_gives_is_checked(tmp_path, changes, says):
    plain = RawImage("p", "train", lambda: IMAGE[..., None], lambda: (IMAGE > 9)[..., None].astype(np.uint8))
    chosen = competition(read=lambda raw: RawData([replace(plain, **changes)]))
    with pytest.raises(UserError) as caught:
        prepare.convert(chosen, None, tmp_path / "prepared", {})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (RawData(None), "read() of tiny wants to return RawData"),
        (RawData(["x"]), "read() of tiny wants to return RawData"),
        (RawData([], sample="x"), "read() of tiny gives str for sample=; it must be the bytes"),
        (RawData([], notes="x"), "read() of tiny gives notes that are no list of texts"),
        (RawData([], notes=[3]), "read() of tiny gives notes that are no list of texts"),
    ],
)
def test_what_read_gives_beside_its_images_is_checked(tmp_path, data, says):
    with pytest.raises(UserError) as caught:
        prepare.convert(competition(read=lambda raw: data), None, tmp_path / "prepared", {})
    assert str(caught.value).startswith(f"stages/test_prepare.py: {says}")


@pytest.mark.parametrize(
    ("task", "fits", "odd"),
    [
        (Binary(("x",)), [0, 1], [2, 255]),
        (Volume(("x",)), [0, 1], [2, 255]),
        (MultiClass(("x", "y", "z")), [0, 1, 2], [3, 255]),
        (MultiClass(("x", "y", "z"), void=255), [0, 1, 2, 255], [3, 254]),
        (Instances(("x",)), [0, 1, 65535], [65536]),
    ],
)
def test_labels_that_mean_nothing_to_a_task_are_refused(task, fits, odd):
    image = RawImage("p", "train", lambda: IMAGE, lambda: IMAGE)
    if task.objects:
        chosen = competition(task=task, metric=ObjectMetric("o"), format=Format(several=True))
    else:
        chosen = competition(task=task, format=Format(class_column="class"))
    for value in [*fits, *odd]:
        labels = np.full((2, 2, 1), value, np.int64)
        if value in odd:
            with pytest.raises(UserError, match=rf"image p: its labels\(\) hold {value}; there can be 0 "):
                checks.checked_labels(labels, image, chosen)
        else:
            assert checks.checked_labels(labels, image, chosen) is labels


def test_labels_of_several_types_are_refused(tmp_path):
    kinds = {"p": np.uint8, "q": np.uint16}
    images = [
        RawImage(name, "train", lambda: IMAGE[..., None], lambda kind=kind: np.zeros((12, 16, 1), kind))
        for name, kind in kinds.items()
    ]
    with pytest.raises(UserError, match="the labels of image q are uint16, the first ones uint8"):
        prepare.convert(competition(read=lambda raw: RawData(images)), None, tmp_path / "prepared", {})


# values


def of_values(tmp_path, pictures, nodata=None, **changes):
    """prepared.json and the pictures as they are stored."""

    def raw(i):
        return RawImage(
            f"{i}", "train", lambda: pictures[i], lambda: (np.arange(12).reshape(3, 4, 1) > 6).astype(np.uint8)
        )

    chosen = competition(read=lambda given: RawData([raw(i) for i in range(len(pictures))], nodata=nodata, **changes))
    info = prepare.convert(chosen, None, tmp_path, {})
    stored = Prepared(tmp_path)
    assert str(stored.images.values.dtype) == info["dtype"]
    return info, [stored.images[i] for i in range(len(pictures))], stored


def ramp(kind, low=0, high=11):
    return np.linspace(low, high, 12).reshape(3, 4, 1).astype(kind)


@pytest.mark.parametrize(
    ("pictures", "kind"),
    [
        ([ramp("u1"), ramp("u1", 0, 255)], "uint8"),
        ([ramp("u2")], "uint16"),
        ([ramp(">u2", 0, 4095)], "uint16"),
        ([ramp("i2", -1024, 3000)], "int16"),
        ([ramp("f2", 0, 1)], "float16"),
        ([ramp("f4", -25, 0)], "float32"),
        ([ramp(">f4", -25, 0)], "float32"),
        ([ramp("f8", 0, 1e-7)], "float32"),
        # of another kind only when all are known
        ([ramp("f2"), ramp("f4", 0, 1e5), ramp("f2")], "float32"),
        ([ramp("i1", -9, 9)], "int16"),
        ([ramp("i4")], "uint8"),
        ([ramp("i4"), ramp("i4", 0, 60000), ramp("i4")], "uint16"),
        ([ramp("i8"), ramp("i8", -2, 255)], "int16"),
        ([ramp("u4"), ramp("u4", 0, 70000), ramp("i8", -2, 7)], "float32"),
        ([ramp("u2"), ramp("u2", 0, 60000)], "uint16"),
    ],
)
def test_images_are_stored_as_they_are(tmp_path, pictures, kind):
    info, stored, prepared = of_values(tmp_path, pictures)
    assert info["dtype"] == kind
    for picture, kept in zip(pictures, stored, strict=True):
        assert np.array_equal(kept, picture.astype(np.float32) if picture.dtype.itemsize > 2 else picture)
    # all but those of 8 bits are scaled by what is in them
    assert (prepared.scaling is None) == (pictures[0].dtype == np.uint8)
    prepared.check_arrays()


def test_true_and_false_are_black_and_white(tmp_path):
    info, stored, _ = of_values(tmp_path, [ramp("u1") > 5])
    assert info["dtype"] == "uint8" and np.unique(stored[0]).tolist() == [0, 255]


@pytest.mark.parametrize(("one", "other"), [("u1", "u2"), ("u2", "i2"), ("u2", "f4"), ("u1", "i4"), ("i4", "f8")])
def test_images_of_different_units_are_refused(tmp_path, one, other):
    with pytest.raises(UserError, match="all must be alike"):
        of_values(tmp_path, [ramp(one), ramp(other)])


def test_what_is_kept_to_seven_digits_is_said(tmp_path):
    info, *_ = of_values(tmp_path, [ramp("i8", 0, 1 << 40)])
    assert info["notes"] == ["values up to 1099511627776 are kept as float32, to seven digits"]


@pytest.mark.parametrize(
    ("kind", "nodata", "low"),
    [("f4", -9999, -25), ("f8", -1.7976931348623157e308, -25), ("f4", np.nan, -25), ("f2", np.inf, 0), ("i2", -9999, 0),
     ("u1", 255, 0), ("i4", -(2**31), 0), ("i8", 9, 0)],
)  # fmt: skip
def test_pixels_without_data(tmp_path, kind, nodata, low):
    picture = ramp(kind, low, low + 9)
    picture[picture == nodata] = low
    gaps = np.zeros((3, 4, 1), bool)
    gaps[1, 1:] = True
    picture[gaps] = nodata
    info, (stored,), prepared = of_values(tmp_path, [picture], nodata)
    assert info["nodata"] == 0.25 and info["notes"] == []
    assert np.array_equal(prepared.scaling.known(stored) == 0, gaps)
    seen = prepared.scaling.seen(stored)
    assert np.isfinite(seen).all() and np.unique(seen[gaps]).tolist() == [np.float32(prepared.scaling.mean[0])]
    if kind != "u1":
        assert low <= prepared.scaling.low[0] < prepared.scaling.high[0] <= low + 9
    # the same pixels, all of them learnt: another data set
    if np.isfinite(nodata) and kind not in ("f4", "f8"):
        other, *_ = of_values(tmp_path / "other", [picture])
        assert other["fingerprints"]["train"] != info["fingerprints"]["train"]


@pytest.mark.parametrize(
    ("pictures", "nodata", "says"),
    [
        ([ramp("f4"), ramp("f4") * np.nan], -9999, "image 1 holds 12 of 12 values that are infinite or no numbers"),
        ([ramp("f4"), ramp("f4") * np.nan], -9999, "other than nodata=-9999"),
        ([ramp("i2") * 0], 0, "every pixel of the train images is nodata (0)"),
        ([ramp("f4") * np.nan], np.nan, "every pixel of the train images is nodata (nan)"),
        ([ramp("f4")], "0", "nodata is '0'; it must be the number"),
        ([ramp("f4")], True, "nodata is True"),
        ([ramp("f4")], [0], "nodata is [0]"),
    ],
)
def test_nodata_that_cannot_be(tmp_path, pictures, nodata, says):
    with pytest.raises(UserError) as found:
        of_values(tmp_path / "prepared", pictures, nodata)
    assert says in str(found.value) and not (tmp_path / "prepared").exists()


def test_nodata_that_is_nowhere_is_said(tmp_path):
    info, *_ = of_values(tmp_path, [ramp("u1"), ramp("u1")], -9999)
    assert info["notes"] == ["no pixel of the train images is nodata (-9999)"]


def test_what_is_seen_of_other_values_is_said(tmp_path, capsys):
    for kind, nodata, lines in (
        ("u1", None, []),
        ("f4", None, ["float32 takes twice the disk", "seen as 0 to 1 is where nearly all values of the train"]),
        ("i2", 3, ["seen as 0 to 1 is where", "nodata: 8.3% of the train pixels are not learnt"]),
    ):
        info, *_ = of_values(tmp_path / kind, [ramp(kind)], nodata)
        said = prepare._of_values(info)
        assert len(said) == len(lines) and all(map(str.startswith, said, lines)), said


def test_an_edited_scaling_is_a_line(tmp_path):
    of_values(tmp_path, [ramp("f4")])
    info = json.loads((tmp_path / "prepared.json").read_text())
    (tmp_path / "prepared.json").write_text(json.dumps({**info, "scaling": {"low": [1]}}))
    with pytest.raises(UserError, match=r"prepared\.json: its scaling is none .*--data DIR"):
        Prepared(tmp_path)


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
    labels = encoding.nothing(task, IMAGE.shape)
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
            "line 3: SystemExit: enough (in read()); mend the competition's file",
        ),
        (
            "class Own(BaseException):\n    pass\n\n\ndef read(raw):\n    raise Own('so')\n",
            "line 6: Own: so (in read()); mend",
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
    monkeypatch.setattr(written.Written, "_measure", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepared(folder, tmp_path / "prepared")
    assert not (tmp_path / "prepared").exists()


def test_ctrl_c_in_a_file_of_ones_own_stays_one(tmp_path, monkeypatch):
    defined = own(tmp_path, monkeypatch, "def read(raw):\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        prepared(raw_files(tmp_path / "raw"), tmp_path / "prepared", competition(read=defined["read"]))


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
        (lambda table, count: table["nothing"], "KeyError: 'nothing' (in split=); mend the competition's file"),
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


# images that no fold holds out


def parts_of_a_split(folder, valid_as):
    """The competition of train/ and valid/ with the same names, four images each."""
    for part in ("train", "valid"):
        for i in range(4):
            for kind, values in (("images", IMAGE + 3 * i), ("masks", (60 * i < IMAGE).astype(np.uint8) * 255)):
                path = folder / part / kind / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                assert cv2.imwrite(str(path), values)
    return competition(read=lambda raw: read_folders(raw, valid="valid", valid_as=valid_as))


def folds_of(tmp_path, valid_as) -> tuple[dict, Job]:
    """id -> fold, as the stage split makes them."""
    root = tmp_path / valid_as
    chosen = parts_of_a_split(root / "raw", valid_as)
    job = Job(chosen, Recipe(folds=2), "default", Store(root, "tiny", "mine"))
    prepared(root / "raw", job.store.prepared, chosen)
    split_stage.run(job)
    rows = (root / "folds" / "tiny-2.csv").read_text().split()[1:]
    return {name: int(fold) for name, fold in (row.split(",") for row in rows)}, job


def test_a_published_validation_part_is_pooled_always_learnt_or_kept_apart(tmp_path):
    pooled, _ = folds_of(tmp_path, "folds")
    assert len(pooled) == 8 and set(pooled.values()) == {0, 1}
    learnt, job = folds_of(tmp_path, "learnt")
    assert {name for name, fold in learnt.items() if fold == -1} == {f"valid/{i}" for i in range(4)}
    assert {fold for name, fold in learnt.items() if name.startswith("train/")} == {0, 1}
    assert job.prepared.table["always_learnt"].sum() == 4
    kept, job = folds_of(tmp_path, "truth")
    assert sorted(kept) == [f"train/{i}" for i in range(4)]
    assert job.prepared.truth is not None and len(job.prepared.test) == 4


def test_what_is_always_learnt_is_part_of_the_fingerprint(tmp_path):
    marks = {}
    for valid_as in ("folds", "learnt"):
        chosen = parts_of_a_split(tmp_path / "raw", valid_as)
        marks[valid_as] = prepared(tmp_path / "raw", tmp_path / valid_as, chosen)["fingerprints"]
    assert marks["folds"]["train"] != marks["learnt"]["train"]
    # and no other data has the column
    assert "always_learnt" not in (tmp_path / "folds" / "images.csv").read_text()


def test_hidden_truth_of_some_is_refused_where_it_is_asked_for_and_else_left_out(tmp_path):
    chosen = parts_of_a_split(tmp_path / "raw", "truth")
    (tmp_path / "raw" / "test").mkdir()
    assert cv2.imwrite(str(tmp_path / "raw" / "test" / "q.png"), IMAGE)
    line = refusal(tmp_path / "raw", tmp_path / "prepared", chosen)
    assert "1 images to answer have no mask: q" in line
    (tmp_path / "raw" / "valid").rename(tmp_path / "raw" / "test" / "valid")
    (tmp_path / "raw" / "test" / "q.png").rename(tmp_path / "raw" / "test" / "valid" / "images" / "q.png")
    plain = competition(read=lambda raw: read_folders(raw))
    info = prepared(tmp_path / "raw", tmp_path / "prepared", plain)
    assert any("masks of 4 images to answer are not used" in note for note in info["notes"])
    assert not (tmp_path / "prepared" / "truth.npy").exists()


def test_an_id_that_holds_a_folder_is_a_picture_in_it(tmp_path):
    encoding.write_picture(tmp_path / "valid/0.png", np.ones((3, 4), np.uint8))
    assert (tmp_path / "valid" / "0.png").exists()


@pytest.mark.parametrize("name", ["a/../../b", "/a", "a//b", "a/", "../a"])
def test_an_id_that_leaves_the_folder_of_pictures_is_refused(tmp_path, name):
    folder = raw_files(tmp_path / "raw", sample=False)

    def renamed(raw):
        data = read_folders(raw)
        return replace(data, images=[replace(i, id=name) if i.id == "x" else i for i in data.images])

    line = refusal(folder, tmp_path / "prepared", competition(read=renamed, format=Format(pictures=True)))
    assert "cannot name a label picture" in line


# classes that are everywhere


def labelled(values, task) -> Competition:
    """Images of noise, each with labels of one value but for the first two rows, which hold another."""

    def labels(value, rows):
        found = np.full((*IMAGE.shape, task.layers), value, np.uint8)
        found[:2] = rows
        return found

    images = [
        RawImage(f"i{n}", "train", lambda: IMAGE[..., None], lambda v=value, r=rows: labels(v, r))
        for n, (value, rows) in enumerate(values)
    ]
    many = len(task.classes) > 1
    return competition(task=task, read=lambda raw: RawData(images), format=Format(class_column="class" if many else ""))


@pytest.mark.parametrize(
    ("values", "task", "says"),
    [
        ([(1, 1)] * 3, Binary(("x",)), "x covers 100 % of the pixels, and all of 3 of 3 train images"),
        ([(1, 0)] * 3, Binary(("x",)), ""),
        ([(0, 1)] * 3, Binary(("x",)), ""),
        ([(1, 255)] * 3, MultiClass(("back", "x"), void=255), "x covers 100 % of the pixels, and all of 3 of 3"),
        ([(0, 0)] * 3, MultiClass(("back", "x"), void=255), ""),
        ([(1, 1)] * 3, MultiLabel(("x", "y")), "x covers 100 % of the pixels, and all of 3 of 3 train images"),
    ],
    ids=str,
)
def test_a_class_that_is_everywhere_is_said(tmp_path, values, task, says):
    info = prepare.convert(labelled(values, task), None, tmp_path / "prepared", {})
    said = [line for line in info["notes"] if "covers" in line]
    assert bool(said) == bool(says) and (not says or says in said[0])


def test_forgiven_pixels_are_counted_over_all_images(tmp_path):
    masks = [scene(seed) * np.uint8(255) for seed in range(4)]
    masks[1][60, 80] = masks[1][61, 80] = masks[3][0, 0] = 7
    chosen = competition(read=lambda raw: read_folders(raw, labels=near({"background": 0, "object": 255})))
    info = prepared(folder_of(tmp_path / "raw", masks), tmp_path / "out", chosen)
    assert "2 image(s), 3 pixel(s): the value is no class's, the nearest is taken: p01, p03" in info["notes"]


@pytest.mark.parametrize("classes", [1, 2])
def test_masks_of_which_some_may_be_inverted_are_said(tmp_path, classes):
    """Of one class: of several each may lie along the frame in some pictures."""
    masks = [1 - scene(seed) if seed % 2 else scene(seed) for seed in range(8)]
    task = Binary(("x",)) if classes == 1 else MultiClass(("back", "x"))
    form = Format(class_column="class" if classes > 1 else "")
    chosen = competition(task=task, format=form, read=lambda raw: read_folders(raw, labels=class_ids(2)))
    info = prepared(folder_of(tmp_path / "raw", masks), tmp_path / "out", chosen)
    said = [line for line in info["notes"] if "exchanged" in line]
    assert len(said) == (classes == 1)
    assert all("along the frame of 4 masks (p01, p03, p05" in line and "within that of 4 (p00" in line for line in said)
