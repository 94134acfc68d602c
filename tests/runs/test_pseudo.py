"""Pseudo-labels: which images are chosen, what is refused, and that no held-out label reaches the fold it scores."""

import importlib.util
import json
import shutil
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.models import catalogue
from pipeline.models.frame import Frame
from pipeline.recipe import Recipe
from pipeline.runs import pseudo, trained
from pipeline.stages import train
from pipeline.store import disk, records
from pipeline.store.paths import Store
from pipeline.store.predictions import Predictions, PredictionWriter
from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances
from pipeline.tasks.multiclass import MultiClass
from pipeline.training.batches import Batches
from pipeline.training.pixel_weights import PixelWeights, class_weights
from pipeline.training.pseudo_labels import LearntLabels, choose, confidence
from tests.reporting.example_runs import SIDE, answer, answer_test, competition, hold_out, job_of, square
from tests.start import TINY, run

SALT = Binary(("salt",))


def picture(*values: tuple[int, int]) -> np.ndarray:
    """10 x 10 x 1 uint8: so many pixels of each value, the rest 0."""
    flat = np.zeros(100, np.uint8)
    flat[: sum(count for count, _ in values)] = np.repeat([v for _, v in values], [count for count, _ in values])
    return flat.reshape(10, 10, 1)


def self_agreement(probabilities, task=SALT) -> float:
    return confidence(probabilities, task.decode(probabilities, task.plain_thresholds()), task)


@pytest.mark.parametrize(
    ("probabilities", "wanted"),
    [
        (picture(), 1),
        (picture((100, 255)), 1),
        (picture((30, 255)), 1),
        # half of it with .8 each: 50 x .8 of 50 expected, and ten pixels that are not doubted
        (picture((50, 204)), (40 + 10) / (50 + 10)),
        # nothing found, though 20 pixels have .2 each
        (picture((20, 51)), 10 / (4 + 10)),
        (picture((50, 204), (25, 51)), (40 + 10) / (50 + 5 + 10)),
    ],
)
def test_confidence_is_the_expected_overlap(probabilities, wanted):
    assert self_agreement(probabilities) == pytest.approx(wanted)


def test_an_answer_that_is_its_own_target_is_sure_whatever_the_task():
    numbers = np.zeros((30, 30, 1), np.uint16)
    numbers[2:12, 2:12], numbers[2:12, 12:25], numbers[20:28, 5:25] = 1, 2, 3
    for task, labels in ((Instances(), numbers), (MultiClass(("a", "b", "c", "d")), numbers.astype(np.uint8))):
        target = task.target(labels)
        assert self_agreement(target, task) == 1
        assert self_agreement(target // 2 + 60, task) < 0.9


def predictions_of(folder, pictures) -> Predictions:
    with PredictionWriter(folder, "test", 1, {}, False, len(pictures), "") as writer:
        for i, values in enumerate(pictures):
            writer.add(f"x{i:02}", values, values)
    return Predictions(folder, "test", 1)


def test_the_most_confident_images_are_chosen_and_of_equal_ones_the_first(tmp_path):
    pictures = [picture((50, v)) for v in (204, 255, 150, 230, 255)] + [picture((20, 51)), picture()]
    found = predictions_of(tmp_path, pictures)
    rows = np.arange(40, 47)
    for share, wanted in [(0, []), (0.14, [41]), (0.3, [41, 44]), (0.43, [41, 44, 46]), (0.7, [40, 41, 43, 44, 46])]:
        chosen = choose(found, SALT, rows, share)
        assert chosen.rows.tolist() == wanted
    assert chosen.lowest == pytest.approx(50 / 60) and chosen.coverage.tolist() == [0.5, 0.5, 0.5, 0.5, 0]
    assert choose(found, SALT, rows, 1).rows.tolist() == rows.tolist()
    assert np.array_equal(chosen[43], pictures[3] >= 128) and chosen[46].sum() == 0
    with pytest.raises(KeyError):
        chosen[42]
    three = predictions_of(tmp_path, [pictures[0]] * 3)
    assert choose(three, SALT, rows, 0.5).rows.tolist() == [40, 41]


# the truth of the test images, which the runs below answer nearly rightly
TRUTH = [square(rows) for rows in (0, 6, 12, 3, 0, 9)]


def two_runs(tmp_path, **changes):
    """(job, first): `first` has answered with folds 0 and 1, `job` is to learn from that."""
    job = job_of(tmp_path, competition(tests=TRUTH), pseudo="first", **changes)
    first = replace(job, store=Store(tmp_path, "tiny", "first"), recipe=replace(job.recipe, pseudo=""))
    for fold in (0, 1):
        hold_out(first, fold)
        answer_test(first, fold, TRUTH)
    return job, first


def test_what_is_chosen_is_learnt_like_any_other_image(tmp_path, capsys):
    job, first = two_runs(tmp_path, pseudo_share=0.6, batch_size=4)
    plan = train.whole_plan(job, 0)
    assert "fold 0 also learns 4 of 6 test images from run 'first' (confidence 0." in capsys.readouterr().out
    assert plan.inputs["pseudo"] == records.fingerprint(first.store.fold(0) / "test.npy")
    assert set(plan.learnt) == {*job.fold_table.learnt(0), *plan.pseudo.rows} and len(plan.pseudo.rows) == 4
    labels, prepared = LearntLabels(job.prepared, plan.pseudo), job.prepared
    for row in plan.pseudo.rows:
        assert np.array_equal(labels[row], TRUTH[row - 18])
        assert labels.table["coverage"].iat[row] == TRUTH[row - 18].mean()
    assert np.array_equal(labels[7], prepared.labels[7]) and prepared.table["coverage"].isna().sum() == 6
    recipe = replace(job.recipe, size=SIDE, fit="resize", border_weight=5.0, class_balance=1.0)
    learnt = Batches(prepared, prepared.view(), plan.learnt, SALT, (24, 24), Frame(multiple=1), recipe, (1, 1), labels)
    assert learnt.steps == 16 // 4 and sorted(learnt._order(0)) == sorted(plan.learnt)
    seen = {int(row): learnt._example(row, None) for row in plan.learnt}
    for row in plan.pseudo.rows:
        assert np.array_equal(seen[row]["target"], TRUTH[row - 18] * 255)
        assert np.array_equal(seen[row]["image"], prepared.images[row])
    assert all(np.isfinite(example["weight"]).all() for example in seen.values())
    share = np.mean([labels[row].mean() for row in plan.learnt])
    assert class_weights(labels, plan.learnt, 1.0)[1] == pytest.approx(0.5 / share)
    assert np.isfinite(PixelWeights(labels, plan.learnt, SALT, recipe)[plan.pseudo.rows[0]]).all()


def test_windows_that_must_hold_something_are_cut_from_pseudo_labels_too(tmp_path):
    job, _ = two_runs(tmp_path, pseudo_share=1.0)
    plan = train.whole_plan(job, 0)
    recipe = replace(job.recipe, size=0, crop=8, non_empty=1.0, batch_size=6)
    labels, frame = LearntLabels(job.prepared, plan.pseudo), Frame(multiple=1)
    rows = plan.pseudo.rows
    learnt = Batches(job.prepared, job.prepared.view(), rows, SALT, (8, 8), frame, recipe, (1, 1), labels)
    assert learnt.sought.holders[0].tolist() == [row for row in rows if TRUTH[row - 18].any()]
    assert learnt(0)["target"].any(axis=(1, 2, 3)).all()


def test_without_pseudo_a_fold_is_what_it_was(tmp_path):
    _, first = two_runs(tmp_path)
    plan = train.whole_plan(first, 0)
    assert plan.pseudo is None and plan.inputs == trained.inputs_of(first, 0) and "pseudo" not in plan.inputs


def test_a_fold_that_has_learnt_stays_what_it_is_when_the_other_run_changes_or_goes(tmp_path):
    job, first = two_runs(tmp_path)
    weights = job.store.fold(0) / "model.weights.h5"
    inputs = train.whole_plan(job, 0).inputs
    with records.recorded(weights, inputs) as part:
        part.write_bytes(b"weights")
    answer(first, 0, "test", first.prepared.test, TRUTH[::-1], {}, keep_plain=False)
    assert records.fingerprint(first.store.fold(0) / "test.npy") != inputs["pseudo"]
    assert train.whole_plan(job, 0).inputs == inputs
    shutil.rmtree(first.store.run_folder)
    trained.check(job)
    assert train.whole_plan(job, 0).inputs == inputs
    with pytest.raises(UserError, match="no such run"):
        train.run(replace(job, folds=(0,), again=True))
    assert weights.read_bytes() == b"weights"


def set_fingerprint(job, kind):
    path = job.store.prepared / "prepared.json"
    info = disk.read_json(path)
    info["fingerprints"][kind] = "of something else"
    disk.write_json(path, info)


def swap_folds(job):
    path = job.store.folds(job.recipe.folds)
    header, *lines = path.read_text().splitlines()
    swapped = [line[:-1] + {"0": "2", "2": "0"}.get(line[-1], line[-1]) for line in lines]
    path.write_text("\n".join([header, *swapped]) + "\n")


def without_records(first):
    for path in first.store.fold(0).glob("*.inputs.json"):
        path.unlink()


WRONG = {
    "no such run": (lambda job, first: shutil.rmtree(first.store.run_folder), "no such run in runs/tiny; "),
    "not trained": (
        lambda job, first: shutil.rmtree(first.store.fold(0)),
        "fold0/test.npy is missing; run ./run.sh tiny train predict --fold 0 --run first",
    ),
    "not predicted": (
        lambda job, first: (first.store.fold(0) / "test.npy").unlink(),
        "fold0/test.npy is missing; run ./run.sh tiny predict --run first",
    ),
    "other folds": (lambda job, first: swap_folds(job), "fold0/valid.npy was made from other folds than this run"),
    "other data": (lambda job, first: set_fingerprint(job, "train"), "made from other train images or labels than"),
    "other test images": (
        lambda job, first: set_fingerprint(job, "test"),
        "is of other test images than are there now; run ./run.sh tiny predict --run first",
    ),
    "other weights": (
        lambda job, first: (first.store.fold(0) / "model.weights.h5").write_bytes(b"others"),
        "fold0/test.npy is of other weights than are there now",
    ),
    "other ids": (
        lambda job, first: answer(first, 0, "test", [0, 1], TRUTH[:2], {"test": job.prepared.fingerprint("test")}),
        "test.npy is of other images: t00, t01",
    ),
    "brought, of another fold": (
        lambda job, first: (without_records(first), swap_folds(job)),
        "valid.npy is of other images",
    ),
    "brought, of no fold": (
        lambda job, first: (without_records(first), (first.store.fold(0) / "valid.csv").unlink()),
        "valid.csv is missing",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_could_leak_or_does_not_fit_is_refused_before_anything_is_trained(tmp_path, case):
    job, first = two_runs(tmp_path)
    spoil, words = WRONG[case]
    spoil(job, first)
    job = replace(job, folds=(1, 0))
    with pytest.raises(UserError, match=words) as found:
        train.run(job)
    assert len(str(found.value).splitlines()) == 1
    assert not job.store.run_folder.exists()


def test_what_is_right_is_not_refused_and_all_learns_from_all(tmp_path):
    job, first = two_runs(tmp_path)
    pseudo.check(job, [0, 1])
    pseudo.check(replace(job, recipe=replace(job.recipe, pseudo="")), [0, 1, 2])
    with pytest.raises(UserError, match=r"foldall/test\.npy is missing"):
        pseudo.check(job, ["all"])
    answer(first, "all", "test", first.prepared.test, TRUTH, {"test": job.prepared.fingerprint("test")})
    pseudo.check(job, ["all"])
    assert len(train.whole_plan(job, "all").learnt) == 18 + 3


def test_predictions_brought_by_hand_are_learnt_from_and_that_is_said(tmp_path, capsys):
    job, first = two_runs(tmp_path)
    train.whole_plan(job, 0)
    assert "yours" not in capsys.readouterr().out
    records.record_path(first.store.fold(0) / "test.npy").unlink()
    train.whole_plan(job, 0)
    assert "fold0/test.npy, or the weights that made it, are yours" in capsys.readouterr().out
    without_records(first)
    train.whole_plan(job, 0)
    assert "are yours" in capsys.readouterr().out


def test_weights_brought_by_hand_are_not_vouched_for_by_what_lies_beside_them(tmp_path, capsys):
    job, first = two_runs(tmp_path)
    folder = first.store.fold(0)
    assert records.read_record(folder / "valid.npy")
    (folder / "model.weights.h5").write_bytes(b"of a network that has learnt everything")
    answer_test(first, 0, TRUTH)
    train.whole_plan(job, 0)
    assert "are yours" in capsys.readouterr().out


def test_a_run_cannot_learn_from_itself_nor_where_there_is_no_test_part(tmp_path):
    job, _ = two_runs(tmp_path)
    with pytest.raises(UserError, match="is this run itself"):
        pseudo.check(replace(job, recipe=replace(job.recipe, pseudo="mine")), [0])
    with pytest.raises(UserError, match="no such run in runs/tiny; there are: first"):
        pseudo.check(replace(job, recipe=replace(job.recipe, pseudo="../tiny/first")), [0])
    whole = job_of(tmp_path / "other", competition(), pseudo="first")
    hold_out(replace(whole, store=Store(tmp_path / "other", "tiny", "first")), 0)
    with pytest.raises(UserError, match="no test part"):
        pseudo.check(whole, [0])


def test_the_classical_model_is_refused():
    with pytest.raises(UserError, match="leave out --pseudo"):
        catalogue.check(Recipe(model="classical", pseudo="first"))


def test_a_run_that_is_not_there_is_one_line_and_leaves_nothing(demo_root):
    error = run("demo", "train", "--fold", "0", *TINY, "--pseudo", "nothing", root=demo_root, status=2)
    assert "--pseudo nothing: there is no such run" in error and len(error.strip().splitlines()) == 1
    assert not (demo_root / "runs").exists()


@pytest.mark.slow
def test_half_a_training_does_not_go_on_with_other_predictions(tmp_path):
    keras = pytest.importorskip("keras")
    from types import SimpleNamespace

    from pipeline.training import checkpoint

    def learner():
        return SimpleNamespace(network=SimpleNamespace(variables=[keras.Variable([1.0])]), optimizer=network)

    network = SimpleNamespace(variables=[])
    path, inputs = tmp_path / "checkpoint.npz", {"prepared": "p", "recipe": {"pseudo": "first"}, "pseudo": "then"}
    checkpoint.save(path, checkpoint.arrays_of(learner()), 3, inputs)
    assert checkpoint.load(path, learner(), inputs) == 3
    # what has its default now need not have been there then
    assert checkpoint.load(path, learner(), {**inputs, "recipe": {"pseudo": "first", "tta": True}}) == 3
    assert checkpoint.load(path, learner(), {**inputs, "recipe": {"pseudo": "first", "tta": False}}) == 0
    assert checkpoint.load(path, learner(), {**inputs, "prepared": "q"}) == 0
    with pytest.raises(UserError, match="--again"):
        checkpoint.load(path, learner(), {**inputs, "pseudo": "now"})


# learns enough in a few steps for its answers to say what it has seen
QUICKLY = [*TINY, "--fit", "resize", "--ema", "0", "--learning-rate", "0.02", "--steps", "6", "--no-tta"]


def learn(root) -> str:
    """Trains the run `first` in two folds, and with its pseudo-labels `honest` and `leaking`; what was printed."""
    out = run("demo", "train", "predict", "--fold", "0", "--fold", "1", "--run", "first", *QUICKLY, root=root)
    out += run("demo", "train", "--fold", "0", "--run", "honest", "--pseudo", "first", *QUICKLY, root=root)
    folds = root / "runs" / "demo" / "first"
    # what fold 1 answers, which has learnt the labels that fold 0 holds out
    shutil.copyfile(folds / "fold1" / "test.npy", folds / "fold0" / "test.npy")
    return out + run("demo", "train", "--fold", "0", "--run", "leaking", "--pseudo", "first", *QUICKLY, root=root)


def invert_masks(root, ids) -> None:
    """What is salt is not, in the raw files of these train images."""
    path = root / "data" / "demo" / "raw" / "train.zip"
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    for name in (f"masks/{one}.png" for one in ids):
        mask = cv2.imdecode(np.frombuffer(content[name], np.uint8), cv2.IMREAD_UNCHANGED)
        content[name] = cv2.imencode(".png", (mask == 0).astype(np.uint8) * 255)[1].tobytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def weights_of(root, name, fold=0) -> dict[str, bytes]:
    import h5py

    found = {}
    with h5py.File(root / "runs" / "demo" / name / f"fold{fold}" / "model.weights.h5") as file:
        file.visititems(lambda path, item: found.update({path: item[()].tobytes()} if hasattr(item, "dtype") else {}))
    return found


@pytest.mark.slow
def test_no_label_that_fold_0_holds_out_reaches_it(demo_root, tmp_path):
    if importlib.util.find_spec("keras") is None:
        pytest.skip("keras is not installed")
    folds = demo_root / "folds" / "demo-3.csv"
    # by hand from here on: other labels would be split otherwise
    records.record_path(folds).unlink()
    other = tmp_path / "other"
    shutil.copytree(demo_root, other)
    invert_masks(other, [line.split(",")[0] for line in folds.read_text().splitlines() if line.endswith(",0")])
    roots = demo_root, other
    for root in roots:
        assert learn(root).count("fold 0 also learns 80 of 160 test images from run 'first'") == 2
    infos = [json.loads((r / "data" / "demo" / "prepared" / "prepared.json").read_text()) for r in roots]
    assert infos[0]["class_pixels"] != infos[1]["class_pixels"] and infos[0]["mean"] == infos[1]["mean"]
    assert folds.read_text() == (other / "folds" / "demo-3.csv").read_text()
    first, honest, leaking = ([weights_of(r, name) for r in roots] for name in ("first", "honest", "leaking"))
    assert len(honest[0]) > 10 and first[0] == first[1] and honest[0] == honest[1]
    assert weights_of(demo_root, "first", fold=1) != weights_of(other, "first", fold=1), (
        "inverted labels teach the same"
    )
    assert honest[0] != first[0], "pseudo-labels have changed nothing"
    assert leaking[0] != leaking[1], "the leak that this test looks for would not be seen"
