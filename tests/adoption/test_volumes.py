"""A file of a whole volume is dealt out to its slices, in the order of their ids."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.adoption.parts import Part
from pipeline.adoption.volumes import in_slices
from pipeline.competition import RawData
from pipeline.errors import UserError
from pipeline.store import disk
from pipeline.tasks.volume import Volume
from tests.adoption.written import adopted, drawn, expect, held_out, parts, stack
from tests.reporting.example_runs import SIDE, competition, job_of, square


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    chosen = competition(task=Volume(("salt",)))
    images = [replace(image, group=f"case {i // 6}") for i, image in enumerate(chosen.read(None).images)]
    job = job_of(tmp_path_factory.mktemp("volumes"), replace(chosen, read=lambda raw: RawData(images)))
    # each patient is a fold
    disk.write_rows(job.store.folds(3), ["id", "fold"], [(image.id, i // 6) for i, image in enumerate(images)])
    return job


@pytest.mark.parametrize("layout", ["C x Z x H x W", "Z x H x W"])
def test_a_volume_is_dealt_out(job, tmp_path, layout, capsys):
    values = drawn(job)
    for fold in range(3):
        folder = tmp_path / f"fold_{fold}" / "validation"
        folder.mkdir(parents=True)
        volume = np.stack([values[name][..., 0] for name in held_out(job, fold)]) / np.float32(255)
        found = np.stack([1 - volume, volume]) if layout.startswith("C") else volume
        np.savez(folder / f"case {fold}.npz", probabilities=found)
    expect(adopted(job, tmp_path, layout), values, tests=())
    assert "1 volumes, dealt out to 6 slices" in capsys.readouterr().out


def test_the_objects_of_a_volume_have_one_score_in_all_its_slices(job):
    scores = [np.array([0.2, 0.8]), np.array([0.5]), np.array([0.1, 0.2, 0.3])]
    volumes = [np.zeros((6, SIDE, SIDE), np.int32)] * 3
    names = ["case 0", "case 1", "case 2"]
    part = Part("oof", "oof", None, names, volumes.__getitem__, [], scores=scores.__getitem__)
    sliced = in_slices(part, job.prepared, {})
    assert [len(sliced.scores(place)) for place in range(18)] == [2] * 6 + [1] * 6 + [3] * 6


def test_test_images_that_are_called_as_groups_are_images(tmp_path):
    chosen = competition(tests=[square(4), square(0)])
    images = [
        replace(image, group=f"case {int(image.id[1:]) // 6}")
        if image.part == "train"
        else replace(image, id=f"case {int(image.id[1:])}")
        for image in chosen.read(None).images
    ]
    job = job_of(tmp_path / "root", replace(chosen, read=lambda raw: RawData(images)))
    disk.write_rows(job.store.folds(3), ["id", "fold"], [(f"t{i:02}", i // 6) for i in range(18)])
    values = drawn(job)
    for role, ids in parts(job).items():
        np.savez(tmp_path / f"{role}.npz", predictions=stack(values, ids), ids=ids)
    expect(adopted(job, tmp_path, "called alike"), values)


def test_a_volume_of_another_number_of_slices_is_refused(job, tmp_path):
    (tmp_path / "oof").mkdir()
    for fold in range(3):
        np.savez(tmp_path / "oof" / f"case {fold}.npz", probabilities=np.zeros((2, 5, SIDE, SIDE), np.float16))
    with pytest.raises(UserError, match=r"case 0 is 2 x 5 x 24 x 24, and there are 6 images of case 0"):
        adopted(job, tmp_path, "refused")
