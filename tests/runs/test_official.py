"""The organisers' score beside the one that is searched: in thresholds.json, in what `tune` says and in the report."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.command import trial
from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError
from pipeline.imaging.metrics import CountMetric, dice
from pipeline.imaging.official import OfficialMetric, Part, by_group, by_image
from pipeline.imaging.unit_measures import DICE_AND_HAUSDORFF, SURFACE_AND_COMPONENTS
from pipeline.recipe import Recipe
from pipeline.runs import official, trained, tuning
from pipeline.runs.job import Job
from pipeline.stages import predict, prepare, report, submit, train, tune
from pipeline.store import disk
from pipeline.store.paths import Store
from pipeline.store.predictions import PredictionWriter
from pipeline.store.submission import Format
from pipeline.tasks.multilabel import MultiLabel
from tests.imaging.test_unit_measures import gi_tract

FOLDS, SIDE = 3, 9
CLASSES = ("bowel", "stomach")


def case_day(name: str, group: str) -> str:
    return name.split("_slice_")[0]


METRIC = OfficialMetric(".4 Dice + .6 (1 - Hausdorff)", DICE_AND_HAUSDORFF, unit_of=case_day)


def labels_of(case: int, day: int, number: int) -> np.ndarray:
    labels = np.zeros((SIDE, SIDE, 2), np.uint8)
    if (case + day) % 4 != 3:
        labels[1 : 4 + number, case : case + 3, 0] = 1
        labels[3 : 3 + day * 2, 2 : 5 + number, 1] = number > 0
    return labels


def competition(metric=METRIC, test=False, size=lambda name: (SIDE, SIDE)) -> Competition:
    """Six cases of two days of three slices; organs that overlap, absent on some days."""
    images = []
    for part, cases in (("train", range(6)), ("test", range(6, 9) if test else ())):
        for case in cases:
            for day, number in np.ndindex(2, 3):
                name = f"case{case}_day{day}_slice_{number:04}"
                height, width = size(name)
                labels = labels_of(case % 6, day, number)[:height, :width]
                image = np.full((height, width, 1), 7 * case + number, np.uint8)
                images.append(
                    RawImage(name, part, lambda image=image: image, lambda labels=labels: labels, group=f"case{case}")
                )
    return Competition(
        name="tract",
        title="Tract",
        page="",
        slug="",
        task=MultiLabel(CLASSES),
        metric=CountMetric("mean Dice", dice),
        read=lambda raw: RawData(images),
        format=Format("id", "rle", class_column="class"),
        symmetry="none",
        recipes={"quick": {}},
        costs={},
        official=metric,
    )


def job_of(root, chosen: Competition, fold_of=lambda name: int(name[4]) % FOLDS, **changes) -> Job:
    job = Job(chosen, replace(Recipe(folds=FOLDS), **changes), "quick", Store(root, "tract", "mine"))
    prepare.convert(chosen, None, job.store.prepared, {})
    ids = job.prepared.table["id"].iloc[job.prepared.train]
    disk.write_rows(job.store.folds(FOLDS), ["id", "fold"], [(name, fold_of(name)) for name in ids])
    return job


def answered(job: Job, fold, name: str, rows, truth, inputs: dict) -> None:
    """Probabilities with noise that differs from case to case, so that folds choose other thresholds."""
    with PredictionWriter(job.store.fold(fold), name, 2, inputs, False, len(rows), "") as writer:
        for row, labels in zip(rows, truth, strict=True):
            random = np.random.default_rng(int(row))
            level = 90 + 50 * (int(job.prepared.table["id"].iat[row][4]) % 3)
            found = np.where(labels != 0, level + 40, level - 60) + random.normal(0, 30, labels.shape)
            found = found.clip(0, 255).astype(np.uint8)
            writer.add(job.prepared.table["id"].iat[row], found, found)


def hold_out(job: Job, *folds: int) -> Job:
    for fold in folds:
        rows = job.fold_table.held_out(fold)
        answered(job, fold, "valid", rows, [job.prepared.labels[row] for row in rows], trained.inputs_of(job, fold))
    return job


def by_hand(job: Job, folds, rules_of) -> float:
    """Every image decoded by the rules of its place; days put together by their ids, and scored as the grader does."""
    from pipeline.store.predictions import Predictions

    days, place = {}, 0
    for fold in folds:
        found = Predictions(job.store.fold(fold), "valid", 2, index="valid")
        for i, row in enumerate(job.fold_table.held_out(fold)):
            decoded = job.competition.task.decode(found[i], rules_of(place))
            slice_of = (job.prepared.table["id"].iat[row], decoded != 0, job.prepared.labels[row] != 0)
            days.setdefault(slice_of[0].split("_slice_")[0], []).append(slice_of)
            place += 1
    pairs = []
    for slices in days.values():
        slices.sort(key=lambda one: one[0])
        pairs.append((np.stack([found for _, found, _ in slices]), np.stack([true for *_, true in slices])))
    return gi_tract(pairs)


def tuned(job: Job) -> dict:
    tune.run(job)
    return disk.read_json(job.store.thresholds)


def test_out_of_fold_and_cross_fitted_are_those_of_the_grader(tmp_path):
    job = hold_out(job_of(tmp_path, competition()), 0, 1, 2)
    kept = tuned(job)["official"]
    data = tune.out_of_fold(job, [0, 1, 2])
    chosen = data.search.choose(np.arange(36))
    apart = [data.search.choose(np.flatnonzero(data.folds != fold)) for fold in range(3)]
    assert any(rules != chosen for rules in apart)
    assert kept["oof"] == pytest.approx(by_hand(job, [0, 1, 2], lambda place: chosen), abs=1e-9)
    crossed = by_hand(job, [0, 1, 2], lambda place: apart[data.folds[place]])
    assert kept["cross_fitted"] == pytest.approx(crossed, abs=1e-9)
    assert kept["name"] == METRIC.name and kept["units"] == 12 and kept["incomplete"] == 0
    whole = sum(part["weight"] * part["oof"] for part in kept["parts"])
    assert whole == pytest.approx(kept["oof"]) and [part["weight"] for part in kept["parts"]] == [0.4, 0.6]


def test_its_error_is_over_groups_by_leaving_each_out(tmp_path):
    job = hold_out(job_of(tmp_path, competition()), 0, 1, 2)
    data = tune.out_of_fold(job, [0, 1, 2])
    tally = data.official(tuning.chosen_apart(data))
    assert sorted(set(tally.groups)) == [f"case{case}" for case in range(6)] and len(tally) == 12
    left = []
    for case in sorted(set(tally.groups)):
        left.append(float(METRIC.scores(tally.statistics[tally.groups != case].sum(axis=0))))
    wanted = np.sqrt((len(left) - 1) / len(left) * ((np.array(left) - np.mean(left)) ** 2).sum())
    assert tally.error() == pytest.approx(wanted) and tuned(job)["official"]["standard_error"] == pytest.approx(wanted)


@pytest.mark.parametrize("folds", [[0, 1, 2], [1]], ids=["several folds", "one fold in parts"])
def test_slices_of_a_day_may_lie_in_several_folds(tmp_path, folds):
    """Folds by slices, as somebody may have made them: what is together is measured together, in the order of ids."""
    job = hold_out(job_of(tmp_path, competition(), lambda name: int(name[-1])), *folds)
    kept = tuned(job)["official"]
    chosen = tune.out_of_fold(job, folds).search.choose(np.arange(12 * len(folds)))
    assert kept["oof"] == pytest.approx(by_hand(job, folds, lambda place: chosen), abs=1e-9)
    assert kept["incomplete"] == (0 if len(folds) == 3 else 12)


def test_the_truth_scores_one(tmp_path):
    job = job_of(tmp_path, competition())
    for fold in range(3):
        rows = job.fold_table.held_out(fold)
        with PredictionWriter(job.store.fold(fold), "valid", 2, {}, False, len(rows), "") as writer:
            for row in rows:
                found = job.competition.task.target(job.prepared.labels[row])
                writer.add(job.prepared.table["id"].iat[row], found, found)
    kept = tuned(job)["official"]
    assert kept["oof"] == kept["cross_fitted"] == 1 and kept["standard_error"] == 0


def test_what_is_not_computed_is_said(tmp_path, capsys):
    metric = OfficialMetric("surface", SURFACE_AND_COMPONENTS, unit_of=by_group)
    job = hold_out(job_of(tmp_path, competition(metric)), 0, 1, 2)
    kept = tuned(job)["official"]
    assert kept["units"] == 6 and kept["left_out"] == {"topology (Betti matching)": 0.3}
    scores = [part["oof"] for part in kept["parts"]]
    assert kept["oof"] == pytest.approx(np.mean(scores)) and len(scores) == 2
    out = capsys.readouterr().out
    assert "topology (Betti matching), weight 0.3: not computed; the score is of the other parts" in out
    report.run(job)
    page = job.store.report.read_text()
    assert "topology (Betti matching), weight 0.3: not computed" in page and "surface Dice at 2, weight 0.35" in page


def test_the_page_and_the_terminal_show_it(tmp_path, capsys):
    job = hold_out(job_of(tmp_path, competition(test=True)), 0, 1, 2)
    for fold in range(3):
        inputs = predict.inputs_of(job, fold)
        answered(job, fold, "test", job.prepared.test, [job.prepared.truth[i] for i in range(18)], inputs)
    kept = tuned(job)["official"]
    out = capsys.readouterr().out
    assert f"{METRIC.name}, 12 units" in out and f"{kept['cross_fitted']:.4f} ± {kept['standard_error']:.4f}" in out
    submit.run(job)
    report.run(job)
    line = capsys.readouterr().out.splitlines()[-1]
    assert "mean Dice" not in line and f"; {METRIC.name} 0." in line and line.endswith("(6 units)")
    page = job.store.report.read_text()
    assert "As the organisers score" in page and "Thresholds are searched by mean Dice" in page
    assert f"{kept['cross_fitted']:.4f}" in page and "Dice of slices, weight 0.4" in page
    assert line.split(METRIC.name)[1].split()[0] in page
    assert tune.is_current(job) and report.is_current(job)


def test_thresholds_by_hand_are_scored_by_it_too(tmp_path, capsys):
    job = hold_out(job_of(tmp_path, competition()), 0, 1, 2)
    disk.write_json(job.store.thresholds, {"thresholds": [{"top": 0.5, "min_area": 0, "bottom": 0.5}] * 2})
    tune.run(job)
    out = capsys.readouterr().out
    wanted = by_hand(job, [0, 1, 2], lambda place: job.competition.task.plain_thresholds())
    assert f"{wanted:.4f}" in out.partition(METRIC.name)[2]


def test_without_one_nothing_is_written(tmp_path):
    job = hold_out(job_of(tmp_path, competition(metric=None)), 0, 1, 2)
    assert "official" not in tuned(job)
    report.run(job)
    assert "As the organisers score" not in job.store.report.read_text()


def test_another_official_metric_is_another_answer(tmp_path):
    job = hold_out(job_of(tmp_path, competition()), 0, 1, 2)
    tuned(job)
    assert tune.is_current(job)
    other = OfficialMetric(METRIC.name, METRIC.parts, unit_of=by_image)
    assert not tune.is_current(replace(job, competition=replace(job.competition, official=other)))


def test_memory_holds_one_unit_at_a_time(tmp_path):
    """Where the slices of a unit follow each other, it is measured before the next one is decoded."""
    seen = []

    def measure(volume, truth):
        seen.append(len(volume))
        return 1.0, 1.0

    metric = OfficialMetric("m", [Part("p", 1, measure)], unit_of=case_day)
    job = job_of(tmp_path, competition(metric))

    def decoded():
        for place in range(36):
            assert sum(seen) == place // 3 * 3
            yield place, job.prepared.labels[place]

    assert official.tally(job, job.prepared.train, decoded(), job.prepared.labels).score() == 1
    assert seen == [3] * 12


@pytest.mark.parametrize(
    ("metric", "size", "says"),
    [
        (METRIC, lambda name: (SIDE, 6 if name.endswith("1") else SIDE), "unit 'case0_day0' are not of one size"),
        (replace(METRIC, unit_of=lambda name, group: name.split("+")[1]), None, "IndexError"),
        (replace(METRIC, unit_of=lambda name, group: 7), None, "gives 7 for the name of a unit"),
        (replace(METRIC, unit_of=lambda name: name), None, "unit_of= of the official metric"),
    ],
    ids=["sizes", "failing", "number", "arguments"],
)
def test_units_that_cannot_be_are_a_line_before_the_training(tmp_path, metric, size, says):
    job = job_of(tmp_path, competition(metric, size=size or (lambda name: (SIDE, SIDE))))
    with pytest.raises(UserError, match=says.replace("(", r"\(")):
        train.check(job)


def test_classes_there_are_none_of_are_refused():
    with pytest.raises(UserError, match="its official metric is of liver; classes are bowel, stomach"):
        competition(replace(METRIC, classes=("liver",)))


@pytest.mark.parametrize(
    ("measure", "says"),
    [
        (lambda volume, truth: volume.sum() / nothing, "fails on two drawn images: NameError"),  # noqa: F821
        (lambda volume, truth: (float("nan"), 1.0), "is nan for two images"),
        (lambda volume, truth: 3, "fails on two drawn images"),
    ],
)
def test_a_mistake_in_a_measure_is_said_before_the_work(tmp_path, measure, says):
    job = job_of(tmp_path, competition(OfficialMetric("mine", [Part("p", 1, measure)])))
    with pytest.raises(UserError, match=f"the official metric 'mine' {says}"):
        trial.check(job)
    trial.check(replace(job, competition=competition()))
