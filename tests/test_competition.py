"""What fits together in a competition is checked when it is made, and in its files when they are prepared."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError
from pipeline.imaging.metrics import CountMetric, dice, each_group
from pipeline.imaging.objects import ObjectMetric
from pipeline.runs import trained
from pipeline.stages import predict, prepare, submit, tune
from pipeline.store import disk
from pipeline.store.submission import Format
from pipeline.tasks.instances import Instances
from pipeline.tasks.multilabel import MultiLabel
from pipeline.tasks.volume import Volume
from tests.reporting.example_runs import competition, hold_out, job_of

PIXELS, OBJECTS = CountMetric("Dice", dice), ObjectMetric("objects")


def changed(**changes) -> Competition:
    return replace(competition(), **changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"metric": OBJECTS}, "a metric of pixels"),
        ({"task": Instances(("cell",)), "format": Format(several=True)}, "a metric of objects"),
        ({"task": Instances(("cell",)), "metric": OBJECTS}, "several=True"),
        ({"format": Format(several=True)}, "several=False"),
        ({"task": MultiLabel(("a", "b"))}, "class_column"),
        ({"task": MultiLabel(("a", "b")), "format": Format(class_column="class", pictures=True)}, "pictures=False"),
    ],
)
def test_what_does_not_fit_is_said_before_any_training(changes, says):
    with pytest.raises(UserError, match=says):
        changed(**changes)


def volumes(names: dict[str, str], shape=(24, 24)) -> Competition:
    """Slices by id -> patient, each with one square, at another place in each second slice of a patient."""

    def labels(number):
        found = np.zeros((*shape, 1), np.uint8)
        found[2:8, 2:8] = 1
        return found

    images = [
        RawImage(name, "train", lambda: np.zeros((*shape, 1), np.uint8), lambda i=i: labels(i), group=patient)
        for i, (name, patient) in enumerate(names.items())
    ]
    metric = CountMetric("Dice of a patient", dice, unit=each_group)
    return changed(task=Volume(("tumour",)), metric=metric, read=lambda raw: RawData(images))


def test_slices_that_do_not_lie_on_each_other_are_refused(tmp_path):
    torn = volumes({"1_a": "a", "1_b": "b", "2_a": "a", "2_b": "b"})
    with pytest.raises(UserError, match="do not follow each other when sorted by id: a, b"):
        prepare.convert(torn, None, tmp_path, {})
    assert not (tmp_path / "prepared.json").exists()


def test_slices_of_several_sizes_are_refused(tmp_path):
    one, other = volumes({"a_1": "a"}), volumes({"a_2": "a"}, (24, 20))
    images = [*one.read(None).images, *other.read(None).images]
    with pytest.raises(UserError, match="slices a_1 and a_2 of one volume are 24 x 24 and 24 x 20"):
        prepare.convert(replace(one, read=lambda raw: RawData(images)), None, tmp_path, {})


def test_where_some_images_have_a_group_every_image_has_one(tmp_path):
    images = [replace(image, group="p" if image.id < "t02" else "") for image in competition().read(None).images]
    job = job_of(tmp_path, changed(read=lambda raw: RawData(images)))
    assert job.prepared.table["group"].tolist()[:4] == ["p", "p", "t02", "t03"]


def test_a_fold_learnt_with_other_flips_is_refused(tmp_path):
    job = job_of(tmp_path, competition())
    hold_out(job, 0)
    trained.check(job)
    with pytest.raises(UserError, match=r"other flips \(symmetry\)"):
        trained.check(replace(job, competition=changed(symmetry="turns")))
    assert predict.inputs_of(job, 0) != predict.inputs_of(replace(job, competition=changed(symmetry="turns")), 0)


def test_another_format_is_another_submission(tmp_path):
    job = job_of(tmp_path, competition())
    for fold in range(3):
        hold_out(job, fold)
    tune.run(job), submit.run(job)
    assert submit.is_current(job)
    other = replace(job, competition=changed(format=Format("image", "runs", pictures=True)))
    assert not submit.is_current(other)
    submit.run(other)
    folder = job.store.submission.with_suffix("")
    assert len(list(folder.glob("*.png"))) == 18 and not list(folder.parent.glob("*.part*"))
    assert submit.is_current(other)
    (folder / "t00.png").unlink(), [path.unlink() for path in folder.glob("*.png")], folder.rmdir()
    assert not submit.is_current(other)


def test_what_scores_is_part_of_the_record(tmp_path):
    job = job_of(tmp_path, competition())

    def fbeta(beta):
        return lambda both, found, truth: dice(both, found, truth) * beta

    rules = [trained.rules(replace(job.competition, metric=CountMetric("F", fbeta(beta)))) for beta in (1, 1, 2)]
    assert rules[0] == rules[1] != rules[2]
    assert disk.text_hash("a") != trained.rules(job.competition)
