"""What a fold is scored on must not have reached it: tests that a leak would fail.

A learner that knows everything by heart stands in for the network: it answers with the labels of the learnt image that
is most like the one it is asked for.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.competition import RawData
from pipeline.imaging.metrics import CountMetric, each_group, precision_over_iou
from pipeline.imaging.objects import ObjectMetric
from pipeline.runs import answers, trained, tuning
from pipeline.runs.job import Job
from pipeline.stages import prepare, split, train
from pipeline.tasks import scoring
from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances
from pipeline.tasks.multiclass import MultiClass
from pipeline.tasks.multilabel import MultiLabel
from pipeline.tasks.volume import Volume
from pipeline.training import trainer
from tests.runs.by_heart import FOLDS, SIDE, ByHeart, drawn, job_of, split_as


@pytest.fixture
def by_heart(monkeypatch):
    monkeypatch.setattr(trainer, "of", lambda recipe, devices=1: ByHeart)


def tally_of(job: Job) -> scoring.Tally:
    """What the held-out images of every fold got, in the order of the images."""
    train.run(job)
    folds = range(FOLDS)
    rows = np.concatenate([job.fold_table.held_out(fold) for fold in folds])
    task, metric = job.competition.task, job.competition.metric
    tally = scoring.count(metric, task, answers.items(job, list(folds), "valid"), task.plain_thresholds(), None)
    return tally.of(np.argsort(rows))


def weights_of(job: Job) -> list[bytes]:
    return [job.store.model_file(fold).read_bytes() for fold in range(FOLDS)]


def with_copies(count: int, copies: int):
    """(images, labels, groups): the last `copies` are exact copies of the first ones, each in a group with its own."""
    images, labels = drawn(count)
    groups = [f"g{i:02}" for i in range(count)]
    double = [np.concatenate([values, values[:copies]]) for values in (images, labels)]
    return *double, groups + groups[:copies]


def test_a_copy_in_another_fold_is_seen_and_a_group_keeps_it_out(by_heart, tmp_path):
    images, labels, groups = with_copies(24, 6)
    planted = split_as(job_of(tmp_path / "planted", images, labels), [i % 3 for i in range(24)] + [1, 2, 0] * 2)
    leaking = tally_of(planted).image_scores()
    # both of a pair know the other one: this is what a leak looks like
    assert (leaking[:6] == 1).all() and (leaking[24:] == 1).all()
    assert leaking[6:24].mean() < 0.3

    grouped = job_of(tmp_path / "grouped", images, labels, groups)
    split.run(grouped)
    folds = grouped.fold_table.folds
    assert (folds[:6] == folds[24:]).all()
    honest = tally_of(grouped).image_scores()
    assert honest[:6].mean() < 0.3 and honest[24:].mean() < 0.3


def patients(count: int, slices: int):
    """(images, labels, groups): slices of a patient are nearly alike, those of different ones have nothing in common.
    Their order is not by patient."""
    images, labels = drawn(count, seed=3)
    random = np.random.default_rng(4)
    order = random.permutation(np.repeat(np.arange(count), slices))
    noise = random.integers(0, 8, (len(order), SIDE, SIDE, 1))
    near = np.clip(images[order].astype(int) + noise, 0, 255).astype(np.uint8)
    return near, labels[order], [f"p{patient:02}" for patient in order]


def test_slices_of_one_patient_in_two_folds_are_warned_of_and_never_made(by_heart, tmp_path, capsys):
    images, labels, groups = patients(9, 4)
    job = job_of(tmp_path, images, labels, groups)
    apart = split_as(job, np.arange(len(images)) % FOLDS)
    split.run(apart)
    assert "warning: 9 group(s) are in several folds: p00, p01" in capsys.readouterr().out
    assert tally_of(apart).score() > 0.9

    job = job_of(tmp_path / "grouped", images, labels, groups)
    split.run(job)
    assert "warning" not in capsys.readouterr().out
    # of patients that were never seen nothing is known
    assert tally_of(job).score() < 0.3


@pytest.mark.parametrize("seed", range(12))
def test_a_grouped_split_never_parts_a_group(seed):
    import pandas

    random = np.random.default_rng(seed)
    count, folds = int(random.integers(4, 80)), int(random.integers(2, 7))
    groups = np.array([f"p{i}" for i in random.integers(0, random.integers(2, 20), count)], object)
    coverage = np.where(random.random(count) < 0.4, 0, random.random(count))
    table = pandas.DataFrame({"id": np.arange(count), "group": groups, "kind": "", "coverage": coverage})
    prepared = SimpleNamespace(table=table, train=np.arange(count))
    found = split.stratified(table, folds)
    assert split.leaks(SimpleNamespace(folds=found), prepared) == []
    largest = pandas.Series(groups).value_counts()
    if largest.iloc[0] > 1:
        # one slice that is moved is found, and its patient named
        moved = found.copy()
        moved[np.flatnonzero(groups == largest.index[0])[0]] += 1
        (line,) = split.leaks(SimpleNamespace(folds=moved), prepared)
        assert line.startswith("warning: 1 group(s) are in several folds") and f": {largest.index[0]}:" in line


@pytest.mark.parametrize("learner", ["by heart", "classical"])
def test_labels_that_a_fold_holds_out_change_nothing_of_it_and_all_of_the_others(request, tmp_path, learner):
    if learner == "by heart":
        request.getfixturevalue("by_heart")
    images, labels = drawn(24)
    # something for a filter to find
    images = np.clip(images // 2 + 80 * labels, 0, 255).astype(np.uint8)
    folds = np.arange(24) % FOLDS
    honest = split_as(job_of(tmp_path / "honest", images, labels), folds)
    inverted = np.where((folds == 0)[:, None, None, None], 1 - labels, labels)
    poisoned = split_as(job_of(tmp_path / "poisoned", images, inverted), folds)
    scores = [tally_of(job).image_scores()[folds == 0].mean() for job in (honest, poisoned)]
    (own, *others), (own_too, *others_too) = weights_of(honest), weights_of(poisoned)
    assert own == own_too
    assert all(one != other for one, other in zip(others, others_too, strict=True))
    valid = [(job.store.fold(0) / "valid.npy").read_bytes() for job in (honest, poisoned)]
    assert valid[0] == valid[1]
    # they were poisoned indeed
    assert scores[0] != scores[1]
    assert trained.inputs_of(honest, 0) != trained.inputs_of(poisoned, 0)


def of_three_classes(root, images, labels) -> Job:
    """The same images as a run of a small network that balances three classes."""
    plain = job_of(root, images, labels * 0, size=16, width=4, depth=2, model="unet", loss="ce", class_balance=1.0)
    found = [
        replace(image, labels=lambda i=i: labels[i]) for i, image in enumerate(plain.competition.read(None).images)
    ]
    form = replace(plain.competition.format, class_column="class")
    task = MultiClass(("rest", "salt", "more"))
    chosen = replace(plain.competition, task=task, format=form, read=lambda raw: RawData(found))
    prepare.convert(chosen, None, plain.store.prepared, {})
    return replace(plain, competition=chosen)


def test_classes_are_balanced_by_what_a_fold_learns_alone(tmp_path):
    """The loss of one answer, as each fold begins with it: labels that are held out must not weigh in it."""
    from pipeline.training import fit

    images, labels = drawn(24)
    folds = np.arange(24) % FOLDS
    inverted = np.where((folds == 0)[:, None, None, None], 2 - labels, labels)
    target = np.eye(3, dtype=np.float32)[np.arange(16) % 3].reshape(1, 4, 4, 3)
    found = []
    for name, given in (("honest", labels), ("poisoned", inverted)):
        job = split_as(of_three_classes(tmp_path / name, images, given), folds)
        plans = [train.plan_of(job, fold) for fold in range(FOLDS)]
        learners = [fit.learner_for(plan, job.prepared, job.competition, job.recipe)[0] for plan in plans]
        found.append([float(learner.early_loss(target[..., ::-1] * 3, target)) for learner in learners])
    honest, poisoned = found
    assert honest[0] == poisoned[0]
    assert honest[1] != poisoned[1] and honest[2] != poisoned[2], "poison that changes nothing would not be seen"


def test_labels_that_are_dealt_to_other_images_teach_nothing(by_heart, tmp_path):
    images, labels, _ = patients(12, 6)
    folds = np.arange(len(images)) % FOLDS
    learnable = tally_of(split_as(job_of(tmp_path / "right", images, labels), folds))
    assert learnable.score() > 0.9

    dealt = labels[np.random.default_rng(5).permutation(len(labels))]
    job = split_as(job_of(tmp_path / "dealt", images, dealt), folds)
    found, chance = tally_of(job), chance_of(dealt, folds)
    assert abs(found.score() - chance) < 3 * found.error()

    # the same labels, learnt together with what they are scored on: this is what a leak scores
    leaking = np.concatenate([images, images]), np.concatenate([dealt, dealt])
    twice = split_as(job_of(tmp_path / "leaking", *leaking), [*folds, *((folds + 1) % FOLDS)])
    assert tally_of(twice).score() > chance + 10 * found.error()


def chance_of(labels: np.ndarray, folds: np.ndarray) -> float:
    """The mean score of an answer that knows nothing: the labels of any image of another fold."""
    flat = labels.reshape(len(labels), -1).astype(int)
    both, area = flat @ flat.T, flat.sum(axis=1)
    scores = precision_over_iou(both, area[None, :], area[:, None])
    return float(np.mean([row[folds != fold].mean() for row, fold in zip(scores, folds, strict=True)]))


class Recording:
    """A search that keeps which rules it chose without which rows."""

    def __init__(self, search):
        self.search, self.chosen = search, []

    def choose(self, rows):
        self.chosen.append(self.search.choose(rows))
        return self.chosen[-1]

    def statistics(self, rules):
        return self.search.statistics(rules)


DICE = CountMetric("mean precision", precision_over_iou)
OF_PATIENTS = CountMetric("mean precision of a patient", precision_over_iou, unit=each_group)
TASKS = {
    "binary": (Binary(("salt",)), DICE),
    "multilabel": (MultiLabel(("a", "b")), DICE),
    "multilabel, of patients": (MultiLabel(("a", "b")), OF_PATIENTS),
    "multiclass": (MultiClass(("a", "b", "c")), DICE),
    "volume": (Volume(("a",)), OF_PATIENTS),
    "instances": (Instances(), ObjectMetric("precision")),
}


def answered(task, seed: int = 7):
    """(items, folds, groups): soft answers to 30 images of three folds, and labels that want thresholds of their own:
    low ones in folds 0 and 1, high ones in fold 2."""
    random = np.random.default_rng(seed)
    folds = np.repeat(np.arange(FOLDS), 10)
    groups = np.array([f"p{i // 2}" for i in range(len(folds))], object)
    items = []
    for fold, group in zip(folds, groups, strict=True):
        answer = random.random((24, 24, task.outputs))
        for _ in range(5):
            answer = (answer + np.roll(answer, 1, 0) + np.roll(answer, 1, 1) + np.roll(answer, -1, 0)) / 4
        answer = (answer - answer.min()) / np.ptp(answer)
        answer = (answer * 255).astype(np.uint8)
        level = 200 if fold == 2 else 70
        if task.outputs == task.layers:
            labels = (answer >= level).astype(np.uint8)
        elif task.layers == 1 and task.objects:
            labels = task.decode(answer, task.plain_thresholds())
            labels = np.where(answer[..., :1] >= level, labels, 0).astype(labels.dtype)
        else:
            # the last class is rare in the answers, and in the truth of some folds it is not
            answer[..., 2] //= 2
            factors = np.array([1.0, 1.0, 0.8 if fold == 2 else 2.0])
            labels = (answer * factors).argmax(axis=2)[..., None].astype(np.uint8)
        items.append((group, answer, labels))
    return items, folds, groups


def chosen_without(task, metric, items, folds, groups) -> list:
    """The rules that each fold is scored by."""
    search = Recording(task.search(metric, items, groups))
    coverage = np.array([(labels != 0).mean() for *_, labels in items])
    ids = [f"i{i}" for i in range(len(items))]
    tuning.cross_fitted(tuning.OutOfFold(ids, coverage, folds, search, task.plain_thresholds(), None, metric, groups))
    assert len(search.chosen) == FOLDS
    return search.chosen


@pytest.mark.parametrize("kind", TASKS)
def test_what_a_fold_is_scored_by_was_chosen_without_its_labels(kind):
    task, metric = TASKS[kind]
    items, folds, groups = answered(task)
    honest = chosen_without(task, metric, items, folds, groups)
    # fold 0 gets the labels of fold 2, upside down: poison for whatever is chosen by them
    others = [labels[::-1] for *_, labels in items[20:]]
    poisoned = [(group, answer, others[i]) for i, (group, answer, _) in enumerate(items[:10])] + items[10:]
    found = chosen_without(task, metric, poisoned, folds, groups)
    assert found[0] == honest[0]
    assert found[1] != honest[1] or found[2] != honest[2], "poison that changes nothing would not be seen"
