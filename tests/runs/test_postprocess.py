"""A competition's `postprocess`: measured apart, kept where it gains, and then in all that is scored and submitted."""

import ast
from dataclasses import replace

import numpy as np
import pytest

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError
from pipeline.imaging.metrics import CountMetric, dice, each_group
from pipeline.imaging.objects import ObjectMetric
from pipeline.imaging.official import OfficialMetric, by_group
from pipeline.imaging.unit_measures import DICE_AND_HAUSDORFF
from pipeline.recipe import Recipe
from pipeline.reporting.compare import gallery
from pipeline.reporting.compare.facts import Side
from pipeline.reporting.run import facts
from pipeline.runs import decoding, postprocessing, scored_by, trained, tuning
from pipeline.runs.every import Run
from pipeline.runs.job import Job
from pipeline.stages import predict, prepare, report, submit, train, tune
from pipeline.store import disk, records
from pipeline.store.paths import Store
from pipeline.store.predictions import Predictions, PredictionWriter
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances
from pipeline.tasks.multiclass import MultiClass
from pipeline.tasks.multilabel import MultiLabel
from pipeline.tasks.scoring import Tally, gain
from pipeline.tasks.shares import Shares
from pipeline.tasks.volume import Volume
from tests.start import ROOT

FOLDS, SIDE, TRAIN, TEST = 3, 12, 36, 6
BLOT = slice(0, 4), slice(0, 4)  # what the network answers wherever `stained` is 1, and truth never holds


def without_blot(labels, row):
    """Helps, and only by what is known of the image."""
    if row["stained"]:
        labels[BLOT] = 0
    return labels


def unchanged(labels, row):
    return labels


def nothing(labels, row):
    return np.zeros_like(labels)


def in_wide_numbers(labels, row):
    return without_blot(labels, row).astype(np.int64)


def competition(postprocess=without_blot, task=None, groups=0, **changes) -> Competition:
    """Squares; every second image is stained. `groups`: how many the train images fall into, slices of volumes."""
    task = task or Binary(("square",))
    images = []
    for part, count in (("train", TRAIN), ("test", TEST)):
        for number in range(count):
            labels = np.zeros((SIDE, SIDE, 1), np.uint8)
            if number % 5:
                labels[5 : 7 + number % 5, 5 : 8 + number % 4] = 1
            group = f"{part}{number * groups // count}" if groups else ""
            name = f"{part}{number:02}"
            image = np.full((SIDE, SIDE, 1), 5 * number, np.uint8)
            extra = {"stained": number % 2}
            images.append(RawImage(name, part, lambda i=image: i, lambda x=labels: x, group, "k", extra))
    metric = CountMetric("mean Dice", dice, each_group) if task.needs_groups else CountMetric("mean Dice", dice)
    fields = {
        "name": "stains",
        "title": "Stains",
        "page": "",
        "slug": "",
        "task": task,
        "metric": metric,
        "read": lambda raw: RawData(images),
        "format": Format("id", "rle"),
        "symmetry": "none",
        "recipes": {"quick": {}},
        "costs": {},
        "postprocess": postprocess,
    }
    return Competition(**{**fields, **changes})


def answered(job: Job, fold, name: str, rows, truth, inputs: dict) -> None:
    """Truth with noise and another contrast in each fold, so that folds choose other thresholds, and the blots."""
    with PredictionWriter(job.store.fold(fold), name, 1, inputs, name == "valid", len(rows), "") as writer:
        for row, labels in zip(rows, truth, strict=True):
            random = np.random.default_rng(int(row))
            low = 70 + 30 * (int(fold) % 3)
            found = np.where(labels != 0, low + 60, low - 50) + random.normal(0, 25, labels.shape)
            if int(job.prepared.columns["id"][row][-2:]) % 2:
                found[BLOT] = 250
            found = found.clip(0, 255).astype(np.uint8)
            writer.add(job.prepared.columns["id"][row], found, found)


def job_of(root, chosen: Competition, run: str = "mine") -> Job:
    job = Job(chosen, Recipe(folds=FOLDS), "quick", Store(root, "stains", run))
    if not job.store.prepared.exists():
        prepare.convert(chosen, None, job.store.prepared, {})
        columns = job.prepared.columns
        groups = sorted({columns["group"][row] or columns["id"][row] for row in job.prepared.train})
        fold_of = {group: number % FOLDS for number, group in enumerate(groups)}
        names = [(columns["id"][row], columns["group"][row] or columns["id"][row]) for row in job.prepared.train]
        rows = [(name, fold_of[group]) for name, group in names]
        disk.write_rows(job.store.folds(FOLDS), ["id", "fold"], rows)
    for fold in range(FOLDS):
        rows = job.fold_table.held_out(fold)
        answered(job, fold, "valid", rows, [job.prepared.labels[row] for row in rows], trained.inputs_of(job, fold))
        truth = [job.prepared.truth[i] for i in range(TEST)]
        answered(job, fold, "test", job.prepared.test, truth, predict.inputs_of(job, fold))
    return job


def tuned(job: Job) -> dict:
    tune.run(job, named=True)
    return disk.read_json(job.store.thresholds)


def by_hand(job: Job, rules_of, function) -> Tally:
    """Every held-out image decoded by the rules of its place, processed and counted; one after the other."""
    statistics, place = [], 0
    for fold in range(FOLDS):
        found = Predictions(job.store.fold(fold), "valid", 1, index="valid")
        for i, row in enumerate(job.fold_table.held_out(fold)):
            labels = job.competition.task.decode(found[i], rules_of(place))
            labels = function(labels, {"stained": int(job.prepared.columns["id"][row][-2:]) % 2})
            statistics.append(job.competition.metric.statistic(job.competition.task, labels, job.prepared.labels[row]))
            place += 1
    return Tally(job.competition.metric, np.stack(statistics))


def test_its_gain_is_measured_by_thresholds_chosen_apart(tmp_path):
    job = job_of(tmp_path, competition())
    data = tune.out_of_fold(job, [0, 1, 2])
    chosen = data.search.choose(np.arange(TRAIN))
    apart = [data.search.choose(np.flatnonzero(data.folds != fold)) for fold in range(FOLDS)]
    assert all(rules != chosen for rules in apart)
    kept = tuned(job)

    def honest(place):
        return apart[data.folds[place]]

    pair = by_hand(job, honest, without_blot), by_hand(job, honest, unchanged)
    said = kept["postprocess"]
    assert (said["gain"], said["error"]) == pytest.approx(gain(*pair), abs=1e-12)
    leaky = [by_hand(job, lambda place: chosen, function) for function in (without_blot, unchanged)]
    assert said["gain"] != pytest.approx(gain(*leaky)[0], abs=1e-4)
    assert said["kept"] and (said["changed"], said["n"]) == (TRAIN // 2, TRAIN)

    # where it is kept every score is with it
    assert kept["cross_fitted"] == said["with"] == pytest.approx(pair[0].score(), abs=1e-12)
    assert kept["standard_error"] == pytest.approx(pair[0].error(), abs=1e-12)
    assert kept["oof"] == kept["oof_no_tta"] == pytest.approx(leaky[0].score(), abs=1e-12)
    assert np.average([one["score"] for one in kept["by_fold"]]) == pytest.approx(kept["oof"])
    crossed = tune.cross_fitted(job)
    assert crossed.processed and np.array_equal(crossed.statistics, pair[0].statistics)
    # counted anew the same
    job.store.crossed.unlink()
    assert np.array_equal(tune.cross_fitted(job).statistics, crossed.statistics)


@pytest.mark.parametrize("function", [unchanged, nothing], ids=["does nothing", "harms"])
def test_what_gains_nothing_is_not_kept_and_all_is_as_without(tmp_path, function, capsys):
    without = tuned(job_of(tmp_path / "without", competition(None)))
    job = job_of(tmp_path / "with", competition(function))
    kept = tuned(job)
    said = kept.pop("postprocess")
    assert not said["kept"] and said["gain"] <= 0 and kept == without
    assert not tune.cross_fitted(job).processed
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("postprocess: ") and f"{said['gain']:+.4f} ± {said['error']:.4f}" in line
    assert "not kept" in line
    submit.run(job)
    assert "postprocess: not applied, as thresholds.json says" in capsys.readouterr().out
    same = job_of(tmp_path / "without", competition(None))
    submit.run(same)
    assert job.store.submission.read_bytes() == same.store.submission.read_bytes()


def blots_submitted(job: Job) -> int:
    """Of how many stained test images."""
    rows = disk.read_rows(job.store.submission)
    found = {row["id"]: job.competition.format.decode(row["rle"], SIDE, SIDE).any(axis=0) for row in rows}
    assert len(found) == TEST
    return sum(bool(mask[BLOT].any()) for mask in found.values())


def test_the_submission_the_report_and_the_galleries_hold_its_effect(tmp_path, capsys):
    job = job_of(tmp_path, competition())
    kept = tuned(job)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("postprocess: +") and line.endswith("18 of 36 images changed), kept")
    submit.run(job)
    assert "postprocess: applied, as thresholds.json says" in capsys.readouterr().out and blots_submitted(job) == 0
    report.run(job)
    page = job.store.report.read_text()
    assert f"Postprocess: {kept['postprocess']['gain']:+.4f}" in page
    found = facts.gather(job)
    assert found.held_out.tally.score() == pytest.approx(kept["oof"], abs=1e-12)
    assert found.held_out.unflipped.score() == pytest.approx(kept["oof_no_tta"], abs=1e-12)
    assert found.hidden.score > 0.9

    # the pictures: of the run's page, and of two runs beside each other
    stained = next(i for i in range(TRAIN) if int(job.prepared.columns["id"][found.held_out.rows[i]][-2:]) % 2)
    from pipeline.reporting.run.gallery import _decoded

    ((_, _, labels),) = _decoded(found.decoder, found.held_out, found.rules, np.array([stained]))
    assert not labels[BLOT].any()
    crossed = tune.cross_fitted(job)
    ((_, labels),) = gallery._answers(Side(Run("mine", job, {}), crossed), np.array([stained]))
    assert not labels[BLOT].any()
    plain = Side(Run("mine", job, {}), replace(crossed, processed=False))
    assert gallery._answers(plain, np.array([stained]))[0][1][BLOT].any()

    # by hand: applied unless the file says otherwise, and its gain is said
    for said, blots in (({}, 0), ({"postprocess": False}, 3), ({"postprocess": {"kept": False}}, 3)):
        disk.write_json(job.store.thresholds, {"thresholds": kept["thresholds"], **said})
        assert tune.is_current(job)
        tune.run(job)
        out = capsys.readouterr().out.splitlines()[-1]
        assert "with these thresholds" in out and ("not applied" in out) == bool(blots)
        submit.run(job)
        assert blots_submitted(job) == blots
        assert facts.gather(job).decoder.applies == (not blots)
    for said, told in (("yes", r"\"postprocess\" is 'yes'; write true or false"), (True, "the competition has none")):
        disk.write_json(job.store.thresholds, {"thresholds": kept["thresholds"], "postprocess": said})
        with pytest.raises(UserError, match=told):
            submit.run(replace(job, competition=competition(None)))


def wrong_shape(labels, row):
    return labels[..., 0]


def wrong_type(labels, row):
    return labels > 0


def wrong_label(labels, row):
    return labels * 2


def negative(labels, row):
    return labels.astype(int) - 1


def forgotten(labels, row):
    labels[:] = 0


def unknown_number(labels, row):
    return labels * int(row["depth"])


def looks_at_the_truth(labels, row):
    return labels * (row["coverage"] > 0)


def changes_what_is_known(labels, row):
    row["id"] = "other"
    return labels


def one_argument(labels):
    return labels


WRONG = {
    wrong_shape: r"returns labels of the shape 12 x 12, not 12 x 12 x 1 \(image train\d\d\)",
    wrong_type: r"returns labels of bool, not whole numbers; return them \.astype\(labels\.dtype\)",
    wrong_label: r"returns the label 2; known are 0, 1 ",
    negative: r"returns the label -1; known are 0, 1 ",
    forgotten: r"returns NoneType, not the labels; return an array",
    unknown_number: r"KeyError: 'depth'",
    looks_at_the_truth: r"KeyError: 'coverage'",
    changes_what_is_known: r"TypeError: .*does not support item assignment",
    one_argument: r"TypeError: one_argument\(\) takes 1 positional argument",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return job_of(tmp_path_factory.mktemp("finished"), competition())


@pytest.mark.parametrize("function", WRONG, ids=lambda function: function.__name__)
def test_what_it_does_wrong_is_one_line_before_the_work(finished, function):
    job = replace(finished, competition=competition(function))
    for stage in (tune.run, train.check):
        with pytest.raises(UserError, match=WRONG[function]) as caught:
            stage(job)
        line = str(caught.value)
        assert "\n" not in line and "postprocess=" in line
        assert "test_postprocess.py, line" in line or function is one_argument
    assert not job.store.thresholds.exists()


def test_a_competition_with_what_is_no_function_is_refused():
    with pytest.raises(UserError, match="postprocess is 'clean'; it must be a function"):
        competition("clean")
    with pytest.raises(UserError, match="postprocess is <built-in function len>; it must be a function of a file"):
        scored_by.fingerprint(competition(len))


@pytest.mark.parametrize(
    ("task", "right", "wrong"),
    [
        (MultiClass(("sky", "road", "car")), [0, 1, 2], [3, 255]),
        (MultiClass(("sky", "road"), void=11), [0, 1, 11], [2, 10]),
        (MultiLabel(("liver", "lung")), [0, 1], [2, 255]),
        (Shares(("contrail",)), [0, 255], [1, 254]),
        (Instances(("cell",)), [0, 1, 65535], [-1, 65536]),
    ],
    ids=["classes", "void", "layers", "shares", "objects"],
)
def test_which_labels_an_answer_can_hold_is_the_task_s(finished, task, right, wrong):
    labels = np.zeros((SIDE, SIDE, task.layers), np.uint16 if task.objects else np.uint8)
    metric = ObjectMetric("precision") if task.objects else CountMetric("mean Dice", dice)
    form = Format("id", "rle", several=task.objects, class_column="class" if len(task.classes) > 1 else "")
    for value in right + wrong:

        def constant(labels, row, value=value):
            return np.full(labels.shape, value, np.int64)

        chosen = competition(constant, task=task, metric=metric, format=form)
        decoder = decoding.Decoder(replace(finished, competition=chosen), True)
        if value in right:
            assert (decoder._processed(0, labels) == value).all()
        else:
            with pytest.raises(UserError, match=f"returns the label {value}; known are"):
                decoder._processed(0, labels)


def test_volumes_are_decoded_whole_and_processed_slice_by_slice(tmp_path):
    seen = []

    def noted(labels, row):
        seen.append((labels.shape, row["id"], row["group"]))
        return without_blot(labels, row)

    job = job_of(tmp_path, competition(noted, Volume(("square",)), groups=6))
    row = job.fold_table.held_out(0)
    found = Predictions(job.store.fold(0), "valid", 1, index="valid")
    decoder, rules = decoding.Decoder(job, True), job.competition.task.plain_thresholds()
    seen.clear()
    labels = list(decoder.labels(row, (found[i] for i in range(len(row))), rules))
    assert [shape for shape, _, _ in seen] == [(SIDE, SIDE, 1)] * len(row)
    assert [(name, group) for _, name, group in seen] == [
        (job.prepared.columns["id"][i], job.prepared.columns["group"][i]) for i in row
    ]
    items = [(job.prepared.columns["group"][i], found[k]) for k, i in enumerate(row)]
    whole = list(job.competition.task.decoded(items, rules))
    for one, other, i in zip(labels, whole, row, strict=True):
        assert np.array_equal(one, without_blot(other.copy(), {"stained": int(job.prepared.columns["id"][i][-2:]) % 2}))


def test_it_is_judged_by_the_organisers_metric_where_there_is_one(tmp_path):
    metric = OfficialMetric("theirs", DICE_AND_HAUSDORFF, unit_of=by_group)
    job = job_of(tmp_path, competition(groups=6, official=metric))
    kept = tuned(job)
    said = kept["postprocess"]
    assert said["metric"] == "theirs" and said["kept"] and said["with"] == kept["official"]["cross_fitted"]
    data = tune.out_of_fold(job, [0, 1, 2])
    apart = tuning.chosen_apart(data)
    other = postprocessing.processed(decoding.Decoder(job, True), [0, 1, 2], data)
    assert (said["gain"], said["error"]) == pytest.approx(gain(other.official(apart), data.official(apart)))


def test_another_function_or_other_numbers_make_its_thresholds_stale(tmp_path):
    job = job_of(tmp_path, competition())
    tuned(job)
    submit.run(job)
    assert tune.is_current(job) and submit.is_current(job)
    for other in (competition(nothing), competition(None), competition(in_wide_numbers)):
        changed = replace(job, competition=other)
        assert not tune.is_current(changed) and not submit.is_current(changed)
    path = job.store.prepared / "extra.csv"
    path.write_text(path.read_text().replace("train01,1", "train01,0"))
    assert not tune.is_current(job)


def test_without_one_no_record_says_anything_of_it(tmp_path):
    job = job_of(tmp_path, competition(None))
    assert "postprocess" not in tuned(job)
    for inputs in (tune.inputs_of(job), submit.inputs_of(job), report.inputs_of(job)):
        assert "known" not in inputs
    assert "processed" not in disk.read_arrays(job.store.crossed)
    assert records.read_record(job.store.thresholds)["inputs"] == tune.inputs_of(job)


def test_one_group_alone_is_no_evidence(tmp_path, capsys):
    job = job_of(tmp_path, competition(groups=1))
    kept = tuned(job)
    assert kept["postprocess"] == {"kept": False, "gain": None, "error": None}
    assert "not kept, because what it gains cannot be cross-fitted" in capsys.readouterr().out.splitlines()[-1]


def test_whole_numbers_of_any_width_are_taken(tmp_path):
    narrow = tuned(job_of(tmp_path / "narrow", competition()))
    wide = tuned(job_of(tmp_path / "wide", competition(in_wide_numbers)))
    assert wide == narrow


def test_nothing_above_the_tasks_decodes_by_itself():
    """What scores, shows or writes answers asks a `Decoder`, so that none forgets the competition's function."""
    own = []
    for room in ("stages", "reporting", "runs", "tools"):
        for path in (ROOT / "pipeline" / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                if called.endswith(("task.decode", "task.decoded")):
                    own.append(path.relative_to(ROOT / "pipeline").as_posix())
    assert own == ["runs/decoding.py"]
