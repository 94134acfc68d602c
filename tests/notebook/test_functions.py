"""What a notebook calls: known answers, the same as the stages give, and a line for what cannot be taken."""

import doctest
import subprocess
import sys

import numpy as np
import pandas
import pytest

import pipeline
from pipeline.command import names
from pipeline.errors import UserError
from pipeline.imaging.f_beta import f05
from pipeline.imaging.metrics import CountMetric, dice, whole_set
from pipeline.imaging.tiles import stored
from pipeline.notebook import functions, given
from pipeline.store.dialect import Format
from tests.start import ROOT, environment

RANDOM = np.random.default_rng(7)


def answers(count: int = 12, size: tuple[int, int] = (9, 13)) -> tuple[np.ndarray, np.ndarray]:
    """(probabilities, truth) that have something to do with each other; some truths are empty."""
    truth = (RANDOM.random((count, *size)) < 0.3) & (np.arange(count) % 4 > 0)[:, None, None]
    return np.clip(0.3 + 0.3 * truth + RANDOM.normal(0, 0.15, truth.shape), 0, 1), truth


def test_the_examples_of_the_functions_are_true():
    found = doctest.testmod(functions)
    assert found.failed == 0 and found.attempted > 15


def test_the_page_about_it_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "how-to" / "from-a-notebook.md").read_text(encoding="utf-8")
    probabilities, masks = answers(10, (101, 101))
    names = {"probabilities": probabilities, "masks": masks, "folds": np.arange(10) % 5}
    names |= {"test_probabilities": probabilities[:2], "test_ids": ["a", "b"]}
    exec(text.partition("```python")[2].partition("```")[0], names)
    assert (tmp_path / "submission.csv").read_text().startswith("id,rle_mask\na,")


def test_they_are_found_where_a_notebook_looks():
    assert {"encode", "decode", "score", "tune", "check"} <= set(dir(pipeline))
    assert pipeline.tune is functions.tune
    with pytest.raises(AttributeError, match="it has check, decode, encode, score, tune"):
        pipeline.encodes  # noqa: B018


def test_they_load_nothing_heavy():
    code = "import sys, pipeline; pipeline.tune; print([m for m in sys.modules if m in ('keras', 'pandas', 'scipy')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("name", ["tgs", "nerve", "vesuvius", "contrails", "uwmadison", "dsb2018", "camvid", "organs"])
def test_what_is_encoded_is_valid_and_decodes_to_the_same(name):
    competition = names.competition(name)
    task, shape = competition.task, (3, 14, 9, competition.task.layers)
    most = len(task.classes) if task.outputs == len(task.classes) > task.layers else 2
    labels = RANDOM.integers(0, most, shape) * (255 if name == "contrails" else 1)
    labels[1] = 0
    ids = ["1_2", "2_1", "3_3"] if isinstance(competition.format.id_column, tuple) else ["a", "b", "c"]
    table = pipeline.encode(name, labels, ids)
    assert pipeline.check(name, table, ids, (14, 9)).images == 3
    assert np.array_equal(np.stack(pipeline.decode(competition, table, ids, (14, 9))), labels)


def test_masks_of_yes_and_no_are_the_class_whatever_number_that_has():
    assert pipeline.encode("contrails", np.ones((1, 2, 2), bool)) == ["1 4"]
    assert pipeline.encode("tgs", np.full((1, 2, 2), 255)) == ["1 4"]


def test_a_csv_may_be_a_file_and_what_pandas_reads(tmp_path):
    masks = np.zeros((2, 4, 5), bool)
    masks[0, 1:3, 2] = True
    pipeline.encode("tgs", masks, ["a", "b"]).to_csv(tmp_path / "s.csv", index=False)
    for csv in (tmp_path / "s.csv", pandas.read_csv(tmp_path / "s.csv")):
        assert np.array_equal(np.stack(pipeline.decode("tgs", csv, ["a", "b"], (4, 5)))[..., 0], masks)


def test_a_format_of_ones_own_is_a_dialect():
    form = Format("image", "runs", order="across", first=0, empty="-")
    masks = np.zeros((2, 2, 3), int)
    masks[0, 0, 1:] = 1
    assert pipeline.encode(form, masks) == ["1 2", "-"]


@pytest.mark.parametrize(
    ("form", "ids", "keys"),
    [
        (Format(id_column=("case", "day")), ["a_1", "a_2"], [("a", "1"), ("a", "2")]),
        (Format(id_column=("case", "day"), glue="/", header=("rle", "day", "case")), ["a_b/1", "c/1"], None),
        (Format(id_column=("case", "day"), ending=".png"), ["a_1", "b_1"], [("a", "1.png"), ("b", "1.png")]),
        (Format(id_column=("image",)), ["a_1", "b_1"], [("a_1",), ("b_1",)]),
        (Format(id_column=("case", "day"), class_column="class"), ["a_1", "b_1"], None),
        (Format(id_column=("case", "day"), several=True), ["a_1", "b_1"], None),
        (Format(id_column=("image", "class"), joined=True), ["a_1", "b_1"], [("a_1", "object"), ("b_1", "object")]),
        (Format(class_column="class", between=";"), ["a", "b"], [("a", "object"), ("b", "object")]),
        (Format(class_column="class", several=True), ["a", "b"], None),
    ],
)
def test_columns_of_ids_objects_and_classes_come_back(form, ids, keys):
    labels = np.zeros((2, 3, 4), int)
    labels[0, 0, 1:3], labels[1, 1, 1], labels[1, 2] = 1, 1, 1
    if form.several or form.between:
        labels[1, 2] = 2
    table = pipeline.encode(form, labels, ids)
    assert list(table.columns) == form.columns
    assert keys is None or list(table[form.key_columns].itertuples(index=False, name=None)) == keys
    assert pipeline.check(form, table, ids, (3, 4)).images == 2
    assert np.array_equal(np.stack(pipeline.decode(form, table, ids, (3, 4)))[..., 0], labels)


@pytest.mark.parametrize("form", [Format(class_column="class"), Format(joined=True), Format(("a", "b"), joined=True)])
def test_classes_keep_their_names(form):
    _, truth = answers(2)
    for layers in ([0 * truth[1], truth[1]], [truth[1], truth[1]]):
        labels = np.stack(layers, axis=-1)[None]
        table = pipeline.encode(form, labels, ["a"], classes=("x", "y"))
        assert np.array_equal(pipeline.decode(form, table, ["a"], (9, 13), classes=["x", "y"])[0], labels[0])


def test_tuning_is_that_of_the_stages_and_decodes_by_its_rule():
    probabilities, truth = answers()
    found = pipeline.tune("tgs", probabilities, truth, folds=np.arange(12) % 3)
    stored = np.rint(255 * probabilities).astype(np.uint8)
    rule = found.thresholds[0]
    masks = np.stack(found.decode(stored))
    assert np.array_equal(masks[..., 0], [rule.mask(one) for one in stored])
    assert found.oof == pytest.approx(float(pipeline.score("tgs", truth, masks)), abs=1e-12)
    assert found.content["folds"] == [0, 1, 2] and found.cross_fitted <= found.oof
    literal = []
    for fold in range(3):
        inside, outside = np.arange(12) % 3 == fold, np.arange(12) % 3 != fold
        apart = pipeline.tune("tgs", stored[outside], truth[outside])
        literal += pipeline.score("tgs", truth[inside], np.stack(apart.decode(stored[inside]))).of_images.tolist()
    assert found.cross_fitted == pytest.approx(np.mean(literal), abs=1e-12)


def test_probabilities_are_stored_as_everywhere_else():
    halves = (np.arange(255, dtype=np.float64) + 0.5) / 255
    for values in (halves, np.arange(0, 0x3C01, dtype=np.uint16).view(np.float16)):
        (found,) = given.probabilities(values[None, None], 1)
        # in single precision a half is the same number; 255 times it is not
        exact = values.astype(np.float32) if values.dtype == np.float16 else values
        assert np.array_equal(found[0, :, 0], stored(exact))


def test_a_metric_may_be_a_name_a_formula_or_an_object():
    _, truth = answers()
    other = np.roll(truth, 1, axis=2)
    of_all = 2 * (truth & other).sum() / (truth.sum() + other.sum())
    each = [1.0 if not (a | b).any() else 2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in zip(truth, other)]  # noqa: B905
    for of in ("dice", dice, CountMetric("Dice", dice)):
        assert float(pipeline.score(of, truth, other)) == pytest.approx(np.mean(each), abs=1e-12)
    whole = pipeline.score(CountMetric("Dice of all", dice, whole_set), truth, other)
    assert whole.mean == pytest.approx(of_all, abs=1e-12) and whole.error > 0
    assert float(pipeline.score("f05", truth, truth)) == float(pipeline.score(f05, truth, truth)) == 1


def test_several_classes_have_their_names_and_groups_their_error():
    _, truth = answers()
    labels = np.stack([truth, np.roll(truth, 1, axis=0)], axis=-1)
    found = pipeline.score("dice", labels, labels * [1, 0], groups=np.arange(12) // 4, classes=("big", "small"))
    assert found.by_class["big"] == 1 and found.by_class["small"] < 1
    assert found.error != pipeline.score("dice", labels, labels * [1, 0], classes=("big", "small")).error


@pytest.mark.parametrize("missing", ["", " ", np.nan, None, pandas.NA, pandas.NaT, "nan"])
def test_a_picture_whose_group_is_missing_is_alone(missing):
    probabilities, truth = answers()
    other, alone = np.roll(truth, 1, axis=2), pandas.Series([missing] * 12, dtype=object)
    assert pipeline.score("dice", truth, other, groups=alone).error == pipeline.score("dice", truth, other).error > 0
    assert pipeline.tune("dice", probabilities, truth, groups=alone).cross_fitted is not None
    some = pandas.Series(["p", "p", *[missing] * 9, "picture 3"], dtype=object)
    apart = ["p", "p", *range(10)]
    wanted = pipeline.score("dice", truth, other, groups=apart)
    assert pipeline.score("dice", truth, other, groups=some).error == pytest.approx(wanted.error)
    assert pipeline.score("dice", truth, other, groups=some.to_numpy()[:, None]).error == pytest.approx(wanted.error)


def test_a_column_is_a_vector():
    probabilities, truth = answers()
    folds = np.arange(12) % 3
    wanted = pipeline.tune("tgs", probabilities, truth, folds=folds)
    for column in (
        folds[:, None],
        folds[:, None].tolist(),
        pandas.DataFrame({"fold": folds}),
        list(map(np.array, folds)),
    ):
        assert pipeline.tune("tgs", probabilities, truth, folds=column).content == wanted.content
    assert pipeline.encode("tgs", truth[:2], np.array([["a"], ["b"]]))["id"].tolist() == ["a", "b"]


def test_what_float32_leaves_of_a_mean_is_rounding():
    most = np.float32(1) + np.finfo(np.float32).eps
    (found,) = given.probabilities(np.array([[[most, -1e-7, 0.5]]], np.float32), 1)
    assert found[0, :, 0].tolist() == [255, 0, 128]


def test_numbers_of_dtype_object_and_of_a_frame_are_numbers():
    _, truth = answers(2)
    assert pipeline.encode("tgs", pandas.DataFrame(truth[1])) == pipeline.encode("tgs", truth[1])
    assert pipeline.encode("tgs", truth.astype(object)) == pipeline.encode("tgs", truth)
    assert pipeline.encode("tgs", truth.astype(int).astype(object)) == pipeline.encode("tgs", truth)


def test_the_organisers_metric_is_counted_where_it_is_another():
    labels = np.zeros((4, 6, 6, 3), int)
    labels[:, 1:4, 1:4] = 1
    ids = [f"case1_day{day}_slice_000{k}" for day in (1, 2) for k in (1, 2)]
    found = pipeline.score("uwmadison", labels, labels, ids=ids, groups=["case1"] * 4)
    assert found.mean == 1 and "Hausdorff" in found.metric and found.also.metric.startswith("mean Dice")
    with pytest.raises(UserError, match=r"give ids="):
        pipeline.score("uwmadison", labels, labels)
    with pytest.raises(UserError, match=r"gives '' for the name of a unit .image 'a'"):
        pipeline.score("uwmadison", labels, labels, ids=list("abcd"))
    sizes = [labels[0], labels[1, :5], *labels[2:]]
    with pytest.raises(UserError, match=r"unit 'case1_day1' are not of one size"):
        pipeline.score("uwmadison", sizes, sizes, ids=ids)
    assert pipeline.score("uwmadison", sizes, sizes, ids=[f"case1_day{day}_slice_0001" for day in range(4)]).mean == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: pipeline.score("salt", m, m), "no competition and no formula"),
        (lambda m: pipeline.score(3, m, m), "no competition, metric or Format"),
        (lambda m: pipeline.score("tgs", m, m[:1]), "labels holds 2 pictures, found 1"),
        (lambda m: pipeline.score("tgs", m, m[:, :2]), "picture 0 is"),
        (lambda m: pipeline.score("tgs", m, m * 0.5), "probabilities go into tune"),
        (lambda m: pipeline.score("tgs", m, -m), "holds -1; there can be 0 and 1"),
        (lambda m: pipeline.score("camvid", m * 99, m), "holds 99; there can be 0 to 10"),
        (lambda m: pipeline.encode("contrails", m), "masks.astype(bool)"),
        (lambda m: pipeline.score("organs", m, m), "wanted is H x W x 3"),
        (lambda m: pipeline.score("dice", m, m, groups=["a"]), "groups: 1 for 2 pictures"),
        (lambda m: pipeline.tune("dice", m * 0.5, m, [0, 1], ["p", "p"]), "the group p is in several of them"),
        (lambda m: pipeline.score(Format(), m, m), "not how it is scored"),
        (lambda m: pipeline.encode("dice", m), "does not say how a csv is written"),
        (lambda m: pipeline.encode("surface", m), "a zip of .tif files"),
        (lambda m: pipeline.encode("tgs", m, ["a", "a"]), "a is there twice"),
        (lambda m: pipeline.encode("tgs", []), "labels holds no picture"),
        (lambda m: pipeline.tune("tgs", m * 7.0, m), "0..1 (logits"),
        (lambda m: pipeline.tune("tgs", m * np.nan, m), "not finite"),
        (lambda m: pipeline.tune("tgs", m, m), "floating point 0..1"),
        *[
            (lambda m, folds=folds: pipeline.tune("tgs", m * 0.5, m, folds=folds), words)
            for folds, words in [
                ([0, -1], "1 picture(s) are of fold -1, which every network"),
                (np.array([[0], [-1.0]]), "1 picture(s) are of fold -1"),
                (["0", "-1 "], "1 picture(s) are of fold -1"),
                ([0, np.nan], "1 picture(s) have none, first picture 1"),
                (np.array(["0", np.nan]), "1 picture(s) have none"),
                (pandas.DataFrame({"fold": [None, 1]}), "1 picture(s) have none"),
                (pandas.Series([pandas.NA, 1], dtype="Int64"), "1 picture(s) have none"),
            ]
        ],
        (lambda m: pipeline.check("tgs", pipeline.encode("tgs", m, ["a", "b"]), ["b", "a"], (3, 4)), "row 2"),
        (lambda m: pipeline.check("tgs", pipeline.encode("tgs", m, ["a", "b"]), ["a", "b"], (2, 2)), "row 2"),
        (lambda m: pipeline.check("tgs", pandas.DataFrame({"id": ["a"]}), ["a"], (2, 2)), "has the columns id"),
        (lambda m: pipeline.check("tgs", "nothing.csv", ["a"], (2, 2)), "nothing.csv"),
        (lambda m: pipeline.check("tgs", [["a", "1 1"]], ["a"], (2, 2)), "csv: one list was given"),
        (lambda m: pipeline.check("tgs", {"a": "1 1"}, ["a"], (2, 2)), "csv: one dict was given"),
        (lambda m: pipeline.check("tgs", pandas.Series(["1 1"]), ["a"], (2, 2)), "csv: one Series was given"),
        (lambda m: pipeline.decode("tgs", b"id,rle_mask", ["a"], (2, 2)), "csv: one bytes was given"),
        (lambda m: pipeline.check("tgs", None, ["a"], (2, 2)), "csv: None was given"),
        (lambda m: pipeline.check("tgs", "nothing.csv", (i for i in "ab"), [(4, 5), (4, 5, 1)]), "each of the 2"),
        (lambda m: pipeline.check("tgs", "nothing.csv", None, (4, 5)), "ids: None was given"),
        (lambda m: pipeline.check("tgs", "nothing.csv", ["a"], ("4", "5")), "sizes: wanted is (height, width)"),
        (lambda m: pipeline.encode("tgs", None), "labels: None was given"),
        (lambda m: pipeline.encode("tgs", np.array(3)), "labels: one ndarray was given"),
        (lambda m: pipeline.encode("tgs", {"a": m[0]}), "labels: one dict was given"),
        (lambda m: pipeline.encode("tgs", [[[1], [1, 0]]]), "labels, picture 0: no numpy array"),
        (lambda m: pipeline.encode("tgs", m.astype(str)), "labels, picture 0: its dtype is <U"),
        (lambda m: pipeline.encode("tgs", np.where(m, None, m)), "labels, picture 0: its dtype is object"),
        (lambda m: pipeline.encode("tgs", m, ids=5), "ids: one int was given"),
        (lambda m: pipeline.encode("tgs", m, ids=["a", None]), "ids: picture 1 has none"),
        (lambda m: pipeline.tune("tgs", m * 0.5, m, folds=5), "folds: one int was given"),
        (lambda m: pipeline.score("dice", m, m, groups={0: "a", 1: "b"}), "groups: one dict was given"),
        (lambda m: pipeline.encode(Format, m), "Format is a class"),
        (lambda m: pipeline.score(lambda truth: truth, m, m), "a function of (intersection, predicted, truth)"),
        (lambda m: pipeline.score(m, m, m), "no competition, metric or Format"),
        (lambda m: pipeline.score("dice", m, m, classes="car"), "classes: 'car' is one text"),
        (lambda m: pipeline.score("dice", m, m, classes=5), "classes: one int was given"),
        (lambda m: pipeline.encode(Format(), np.stack([m, m], -1), classes=("x", "y")), "class_column, or joined=True"),
        (lambda m: pipeline.decode(Format(), "s.csv", ["a"], (3, 4), classes=("x", "y")), "class_column, or joined"),
        (lambda m: pipeline.encode(Format("id", "rle", "c", True), m, classes=("x", "y")), "one class at a time"),
        (lambda m: pipeline.encode(Format(("case", "day")), m, ["a_1", "a_b_1"]), "id 'a_b_1' has 3 word(s)"),
        (lambda m: pipeline.encode(Format(("case", "day"), glue=""), m, ["a_1", "b_1"]), "id 'a_1' has 1 word(s)"),
        (lambda m: pipeline.tune("tgs", m * 1.000002, m), "1.000002 to 1.000002; wanted is 0..1"),
        (lambda m: pipeline.check("tgs", pipeline.encode("tgs", m, ["a", "b"]), ["a", "b"], (2, 2, 1)), "sizes"),
    ],
)
def test_what_cannot_be_taken_is_a_line(call, words):
    masks = np.ones((2, 3, 4), int)
    with pytest.raises(UserError) as error:
        call(masks)
    assert words in str(error.value) and "\n" not in str(error.value)
