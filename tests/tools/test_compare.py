"""Two runs on the same images: a true table, an honest sentence, the right pictures, whatever the kind of answer."""

import base64
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline import __main__ as command_line
from pipeline.competition import Competition, RawData, RawImage
from pipeline.imaging.metrics import CountMetric, dice, each_group, each_image, iou_of_present, whole_set
from pipeline.imaging.objects import ObjectMetric
from pipeline.recipe import Recipe
from pipeline.reporting.compare import facts, gallery, page
from pipeline.reporting.compare.facts import Side
from pipeline.runs import answers, decoding, trained
from pipeline.runs.every import Run
from pipeline.runs.job import Job
from pipeline.stages import prepare, tune
from pipeline.store import disk
from pipeline.store.paths import Store
from pipeline.store.predictions import PredictionWriter
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances
from pipeline.tasks.multiclass import MultiClass
from pipeline.tasks.multilabel import MultiLabel
from pipeline.tasks.volume import Volume
from pipeline.tools import compare
from tests import made_runs
from tests.start import run

SIDE, FOLDS = 32, 3
LAYERS = Format("id", "rle", class_column="class")


def competition(task, metric, groups: int = 0, form: Format | None = None) -> Competition:
    """18 images; of `groups` groups where there are any, of two kinds."""
    random = np.random.default_rng(1)

    def raw(i):
        labels = np.zeros((SIDE, SIDE, task.layers), np.uint8)
        for layer in range(task.layers):
            for number in range(1 + (len(task.classes) > 2 or task.objects)):
                top, left = random.integers(0, 10, 2) + 14 * number
                labels[top : top + 9, left : left + 9, layer] = number + 1
        labels = labels if i % 6 else np.zeros_like(labels)
        image = random.integers(0, 200, (SIDE, SIDE, 1)).astype(np.uint8)
        group = f"g{i % groups}" if groups else ""
        name = f"{group}t{i:02}"
        return RawImage(name, "train", lambda: image, lambda: labels, group=group, kind="ab"[i % 2])

    images = [raw(i) for i in range(18)]
    form = form or Format("id", "rle", several=task.objects)
    return Competition(
        name="tiny",
        title="Tiny <squares>",
        page="",
        slug="",
        task=task,
        metric=metric,
        read=lambda given: RawData(images),
        format=form,
        symmetry="none",
        recipes={"quick": {}},
        costs={},
    )


def made(root, chosen: Competition, name: str, miss: float, folds=range(FOLDS), width: int = 32) -> Side:
    job = Job(chosen, Recipe(folds=FOLDS, width=width), "quick", Store(root, "tiny", name))
    if not job.store.prepared.exists():
        prepare.convert(chosen, None, job.store.prepared, {})
        columns = job.prepared.columns
        groups = [columns["group"][row] or str(row) for row in job.prepared.train]
        numbers = {group: number % FOLDS for number, group in enumerate(dict.fromkeys(groups))}
        rows = zip(job.prepared.train_ids, (numbers[group] for group in groups), strict=True)
        disk.write_rows(job.store.folds(FOLDS), ["id", "fold"], rows)
    made_runs.save_recipe(job)
    random = np.random.default_rng(len(name))
    for fold in folds:
        rows, task = job.fold_table.held_out(fold), chosen.task
        inputs = trained.inputs_of(job, fold)
        with PredictionWriter(job.store.fold(fold), "valid", task.outputs, inputs, False, len(rows), "") as writer:
            for row in rows:
                answer = task.target(job.prepared.labels[row]).astype(int)
                answer = (answer + random.integers(-40, 40, answer.shape)).clip(0, 255)
                if random.random() < miss:
                    answer[:, : random.integers(8, 28)] = 30
                writer.add(job.prepared.columns["id"][row], answer.astype(np.uint8), answer.astype(np.uint8))
    return Side(Run(name, job, {"recipe": "quick", "width": width}), tune.cross_fitted(job))


KINDS = {
    "binary": (Binary(("salt",)), CountMetric("Dice", dice, each_image), 0, None),
    "groups": (Binary(("salt",)), CountMetric("Dice", dice, each_image), 6, None),
    "overlapping": (MultiLabel(("liver", "lung")), CountMetric("Dice", dice, each_image), 0, LAYERS),
    "classes": (MultiClass(("sky", "road", "car")), CountMetric("IoU", iou_of_present, whole_set), 6, LAYERS),
    "objects": (Instances(("nucleus",)), ObjectMetric("precision"), 0, None),
    "volumes": (Volume(("tumour",)), CountMetric("Dice", dice, each_group), 6, None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_answer_is_compared_and_shown_as_it_is_decoded(tmp_path, kind):
    task, metric, groups, form = KINDS[kind]
    chosen = competition(task, metric, groups, form)
    first, second = made(tmp_path, chosen, "a", 0.2), made(tmp_path, chosen, "better", 0.8, width=24)
    found = facts.compare(chosen, first, second)
    rows = facts.parts(found, chosen, first.job.prepared.columns)
    whole = rows[0]

    # each image decoded anew by the rules that are kept, and counted
    counted = []
    for side in (first, second):
        crossed, job, statistics = side.crossed, side.job, {}
        for part, rules in enumerate(side.crossed.rules):
            places = np.flatnonzero(crossed.parts == part)
            for place, labels in answers.decoded(decoding.plain(job), [0, 1, 2], [(places, rules)]):
                row = job.prepared.train_ids.index(crossed.ids[place])
                statistics[place] = metric.statistic(task, labels, job.prepared.labels[row])
        counted.append(np.stack([statistics[place] for place in range(len(crossed))]))
    assert np.array_equal(counted[0], first.crossed.statistics)
    assert np.array_equal(counted[1], second.crossed.statistics)
    scores = [metric.scores(one) for one in counted]
    assert (whole["wins"], whole["losses"]) == ((scores[0] > scores[1]).sum(), (scores[0] < scores[1]).sum())
    assert whole["difference"] == pytest.approx(whole["first"] - whole["second"])
    assert whole["n"] == 18 and whole["error"] > 0
    by_kind = [row for row in rows if row["part"] == "kind"]
    assert [(row["name"], row["n"]) for row in by_kind] == [("a", 9), ("b", 9)]
    assert len([row for row in rows if row["part"] == "group"]) == groups
    classes = [row["name"] for row in rows if row["part"] == "class"]
    assert classes == (list(task.classes) if len(task.classes) > 1 else [])

    # the pictures are of the answers that were counted
    chosen_images = facts.most(found, 3)
    for sign, places in zip((1, -1), chosen_images, strict=True):
        wins = sign * found.wins
        assert (wins[places] > 0).all() and len(places) == min(3, (wins > 0).sum())
        assert wins[places].tolist() == sorted(wins[wins > 0], reverse=True)[:3]
    place = chosen_images[0][0]
    (shown,) = gallery._answers(first, found.places[0][[place]])
    decoded = metric.statistic(task, shown[1], first.job.prepared.labels[int(found.rows[place])])
    assert np.array_equal(decoded, first.crossed.statistics[found.places[0][place]])
    html = page.render(page.collect(first.job, found, rows))
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert len(pictures) >= 6 * len(chosen_images[0]) and "Tiny &lt;squares&gt;" in html
    assert all(cv2.imdecode(np.frombuffer(base64.b64decode(one), np.uint8), 1) is not None for one in pictures[:6])


def test_a_class_alone_is_scored_over_the_images_that_have_it(tmp_path):
    task, metric, groups, form = KINDS["overlapping"]
    chosen = competition(task, metric, groups, form)
    first, second = made(tmp_path, chosen, "a", 0.2), made(tmp_path, chosen, "better", 0.8)
    found = facts.compare(chosen, first, second)
    rows = [row for row in facts.parts(found, chosen, first.job.prepared.columns) if row["part"] == "class"]
    for k, row in enumerate(rows):
        both = [dice(*np.moveaxis(side.crossed.statistics[:, k], -1, 0)) for side in (first, second)]
        difference = both[0] - both[1]
        assert row["difference"] == pytest.approx(difference.mean())
        assert row["error"] == pytest.approx(difference.std(ddof=1) / np.sqrt(18))


def test_a_run_against_itself_is_nothing_by_nothing(tmp_path):
    side = made(tmp_path, competition(*KINDS["groups"]), "a", 0.5)
    found = facts.compare(side.job.competition, side, side)
    assert found.gain == (0.0, 0.0) and found.fields == {} and found.notes == []
    for row in facts.parts(found, side.job.competition, side.job.prepared.columns):
        assert (row["difference"], row["wins"], row["losses"]) == (0, 0, 0)
        assert row["error"] in (0, None)
    assert "No difference that 6 groups (18 images) can show: +0.0000 ± 0.0000" in facts.sentence(found)
    assert all(len(places) == 0 for places in facts.most(found, 3))


def test_what_is_better_everywhere_is_better_in_words(tmp_path):
    chosen = competition(*KINDS["binary"])
    good, poor = made(tmp_path, chosen, "good", 0.0), made(tmp_path, chosen, "poor", 1.0)
    found = facts.compare(chosen, poor, good)
    assert found.gain[0] < -0.1 and facts.sentence(found).startswith("good is better than poor on 18 images: -0.")
    errors = facts.compare(chosen, good, poor).gain
    assert errors == (pytest.approx(-found.gain[0]), pytest.approx(found.gain[1]))
    difference = found.scores[0] - found.scores[1]
    assert found.gain[1] == pytest.approx(difference.std(ddof=1) / np.sqrt(18))


def test_of_one_group_no_error_is_known(tmp_path):
    chosen = competition(Binary(("salt",)), CountMetric("Dice", dice, each_image), 3)
    sides = [made(tmp_path, chosen, name, miss) for name, miss in (("a", 0.2), ("bb", 0.8))]
    # of three groups one is held out by each fold
    rows = facts.parts(facts.compare(chosen, *sides), chosen, sides[0].job.prepared.columns)
    assert [row["error"] for row in rows if row["part"] == "fold"] == [None] * 3


def test_folds_that_one_of_them_lacks_are_left_out_and_it_is_said(tmp_path):
    chosen = competition(*KINDS["binary"])
    sides = [made(tmp_path, chosen, "all", 0.2), made(tmp_path, chosen, "some", 0.3, folds=[0, 2])]
    found = facts.compare(chosen, *sides)
    assert (found.folds, len(found)) == ([0, 2], 12)
    assert found.notes == ["on fold(s) 0, 2 alone: 1 hold(s) out other images in one of them, or none"]
    ids = [side.crossed.ids[places].tolist() for side, places in zip(sides, found.places, strict=True)]
    assert ids[0] == ids[1]


def test_runs_of_other_folds_are_refused(tmp_path):
    chosen = competition(*KINDS["binary"])
    first = made(tmp_path, chosen, "a", 0.2)
    crossed = first.crossed
    other = replace(first, crossed=replace(crossed, folds=(crossed.folds + 1) % 3))
    with pytest.raises(Exception, match="no fold in common that holds out the same images"):
        facts.compare(chosen, first, other)


def test_no_run_chooses_its_thresholds_on_folds_that_another_lacks(desk_root):
    """`part` answers fold 0 as `good` does, which has two folds more to choose thresholds on."""
    hold = {name: made_runs.job_of(desk_root, name).store.fold(0) / "valid.npy" for name in ("good", "part")}
    assert hold["good"].read_bytes() == hold["part"].read_bytes()
    own = tune.cross_fitted(made_runs.job_of(desk_root, "good"))
    alone = tune.cross_fitted(made_runs.job_of(desk_root, "part"))
    assert not np.array_equal(own.statistics[own.folds == 0], alone.statistics), "chance: thresholds are the same"
    out = run("demo", "compare", "good", "part", root=desk_root)
    assert "on fold(s) 0 alone" in out and "thresholds are chosen within these, for all runs" in out
    assert re.search(r"^all +107 .*\+0\.0000 ± 0\.0000 +0 +0$", out, re.M), out
    assert "chosen within these" in (desk_root / "runs" / "demo" / "compare-good-part.html").read_text()


def test_the_command_says_and_writes_it(desk_root):
    out = run("demo", "compare", "better", "good", root=desk_root)
    assert "of the recipes: width 24 | 32" in out and "better is better than good on 320 images" in out
    text = (desk_root / "runs" / "demo" / "compare-better-good.html").read_text()
    assert "better against good" in text and "chosen on other folds" in text
    alone = run("demo", "compare", "good", "good", root=desk_root)
    assert "No difference that 320 images can show: +0.0000 ± 0.0000" in alone and "it is one run" in alone
    # one that is not tuned yet is counted now
    assert "seed 0 | 1" in run("demo", "compare", "good", "untuned", root=desk_root)
    assert (desk_root / "runs" / "demo" / "untuned" / "cross_fitted.npz").exists()
    assert not (desk_root / "runs" / "demo" / "untuned" / "thresholds.json").exists()


def test_pages_of_runs_whose_names_join_alike_have_names_of_their_own():
    known = {"a", "b", "a-b", "b-c", "c"}
    assert compare._name(["a", "b"], known) == "compare-a-b"
    names = [compare._name(words, known) for words in (["a-b", "c"], ["a", "b-c"])]
    assert len(set(names)) == 2 and all(name.startswith("compare-a-b-c-") for name in names)
    # nobody else is called so
    assert compare._name(["a-b", "c"], known - {"b-c"}) == "compare-a-b-c"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["good"], "compare wants a competition and two runs"),
        (["good", "better", "poor"], "compare wants a competition and two runs"),
        (["good", "worse"], "'worse' is no run of demo; there are bare, better, good"),
        (["good", "odd"], "run 'odd': "),
        (["good", "bare"], "run 'bare' holds nothing out: ./run.sh demo train --run bare"),
        (["good", "poor", "--recipe", "quick"], "--recipe means nothing to compare"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_line(desk, capsys, words, says):
    assert command_line.main(["demo", "compare", *words, "--root", str(desk)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
