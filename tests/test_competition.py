"""What fits together in a competition is checked when it is made, and in its files when they are prepared."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError
from pipeline.imaging.metrics import CountMetric, dice, each_group
from pipeline.imaging.objects import ObjectMetric
from pipeline.runs import scored_by, trained
from pipeline.stages import predict, prepare, submit, tune
from pipeline.store import disk
from pipeline.store.prepared import Prepared
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
        ({"task": None}, "task is None; it must be one of pipeline/tasks/"),
        ({"task": Volume}, "task is <class"),
        ({"metric": dice}, "metric is <function dice"),
        ({"read": None}, "read is None; it must be a function"),
        ({"read": "x"}, "read is 'x'; it must be a function"),
        ({"format": None}, "format is None"),
        ({"split": 3}, "split is 3; it must be a function, or None"),
        ({"also": ["x"]}, "also is \\['x'\\]; it must be a table"),
        ({"also": {"x": 3}}, "also\\['x'\\] is no function"),
    ],
)
def test_what_does_not_fit_is_said_before_any_training(changes, says):
    with pytest.raises(UserError, match=says):
        changed(**changes)


def test_a_read_that_is_of_no_file_is_refused():
    with pytest.raises(UserError, match=r"competitions/tiny\.py: read is <built-in function len>; it must be"):
        prepare.inputs_of(changed(read=len), None)


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


FILES = Format(files=".tif")


@pytest.mark.parametrize("kind", ["needs_groups", "volume", "files"])
def test_slices_of_which_the_tenth_comes_before_the_second_are_refused(tmp_path, kind):
    made = volumes({f"a/{number}": "a" for number in range(1, 12)})
    images = made.read(None).images
    if kind != "needs_groups":
        images = [replace(image, volume="a" if kind == "volume" else "", group="") for image in images]
        made = changed(read=lambda raw: RawData(images), **({"format": FILES} if kind == "files" else {}))
    with pytest.raises(
        UserError, match=r"volume 'a(\.tif)?' do not lie as their ids sort: a/11 comes before a/2; write"
    ):
        prepare.convert(made, None, tmp_path, {})


@pytest.mark.parametrize("seen", [{"neighbours": 1}, {"slices": 3}])
def test_groups_are_refused_as_volumes_where_their_images_do_not_sort_as_they_lie(tmp_path, seen):
    images = volumes({f"a/{number}": "a" for number in range(1, 12)}).read(None).images
    prepare.convert(changed(read=lambda raw: RawData(images)), None, tmp_path, {})
    assert Prepared(tmp_path).view().slices == 1
    with pytest.raises(UserError, match="volume 'a' do not lie as their ids sort: a/11 comes before a/2; write"):
        Prepared(tmp_path).view(**seen)


@pytest.mark.parametrize("names", ["a/01 a/02 a/10", "a_9/1 a_10/1", "a/1b3 a/1c2 a/2", "a/1 a/01"])
def test_slices_that_sort_as_they_lie_are_taken(tmp_path, names):
    prepare.convert(volumes({name: name.split("/")[0] for name in names.split()}), None, tmp_path, {})


def test_several_volumes_of_a_group_are_refused_where_it_is_decoded_as_one(tmp_path):
    made = volumes({"7_day1_01": "7", "7_day1_02": "7", "7_day2_01": "7"})
    images = [replace(image, volume=image.id[:6]) for image in made.read(None).images]
    with pytest.raises(UserError, match=r"1 group\(s\) hold several volumes \(volume=\): 7; this task decodes"):
        prepare.convert(replace(made, read=lambda raw: RawData(images)), None, tmp_path, {})


def test_a_sample_of_what_is_no_csv_is_refused(tmp_path):
    images = volumes({"a/1": ""}).read(None).images
    made = changed(read=lambda raw: RawData(images, sample=b"id,rle\na,\n"), format=FILES)
    with pytest.raises(
        UserError, match=r"a zip of files \(files='\.tif'\), of which a csv is no sample: leave sample="
    ):
        prepare.convert(made, None, tmp_path, {})


def test_a_volume_that_would_be_two_files_is_refused(tmp_path):
    images = volumes({"a/b": "", "a/c/1": "", "a/d": ""}).read(None).images
    with pytest.raises(UserError, match=r"do not follow each other when sorted by id: a\.tif"):
        prepare.convert(changed(read=lambda raw: RawData(images), format=FILES), None, tmp_path, {})


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

    rules = [
        scored_by.fingerprint(replace(job.competition, metric=CountMetric("F", fbeta(beta)))) for beta in (1, 1, 2)
    ]
    assert rules[0] == rules[1] != rules[2]
    assert disk.text_hash("a") != scored_by.fingerprint(job.competition)
