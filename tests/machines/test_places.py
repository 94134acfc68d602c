"""Where processes compute: GPUs that are free, one for each; else shares of the cores. nvidia-smi is a script here."""

import os
import sys
from dataclasses import replace

import pytest

from pipeline.errors import UserError
from pipeline.machines import places
from pipeline.training import hardware
from tests import made_runs

SMI = """#!{python}
import sys
gpus = {gpus!r}
asked = dict(word[2:].partition("=")[::2] for word in sys.argv[1:])
chosen = asked.get("id")
for index, (uuid, used, total) in enumerate(gpus):
    if chosen is None or str(index) in chosen.split(",") or uuid in chosen.split(","):
        values = {{"uuid": uuid, "memory.used": used, "memory.total": total, "name": "Tesla T4", "compute_cap": "7.5"}}
        print(", ".join(values[field] for field in asked["query-gpu"].split(",")))
"""
FREE, SCREEN, BUSY = ("GPU-a", "3", "15360"), ("GPU-b", "900", "15360"), ("GPU-c", "14000", "15360")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes a machine with these GPUs, which the backend computes on or not, and so many cores."""

    def make(*gpus, computes=True, cores=8):
        script = tmp_path / "nvidia-smi"
        script.write_text(SMI.format(python=sys.executable, gpus=gpus))
        script.chmod(0o755)
        if gpus:
            monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(places, "computes_on_gpus", lambda: computes)
        monkeypatch.setattr(places.os, "sched_getaffinity", lambda _: set(range(cores)))
        hardware.gpus.cache_clear()

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in places.THREADS:
        monkeypatch.delenv(name, raising=False)
    yield make
    hardware.gpus.cache_clear()


@pytest.fixture
def job(tmp_path):
    return replace(made_runs.job_of(tmp_path, "a"), jobs="auto")


def visible(found) -> list[str]:
    return [place.environment["CUDA_VISIBLE_DEVICES"] for place in found[0]]


def test_each_free_gpu_is_a_place(machine, job):
    machine(FREE, SCREEN, BUSY)
    found = places.of(job, 5)
    assert visible(found) == ["GPU-a", "GPU-b"]
    assert found[1] == ["left alone, for others compute there: GPU GPU-c (91% of its memory)"]
    assert found[0][0].environment["OMP_NUM_THREADS"] == "4"
    assert visible(places.of(job, 1)) == ["GPU-a"] and visible(places.of(replace(job, jobs=1))) == ["GPU-a"]


def test_gpus_have_the_names_that_the_user_gave_them(machine, job, monkeypatch):
    machine(FREE, BUSY, SCREEN)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    assert visible(places.of(job, 5)) == ["0", "2"] and len(hardware.gpus()) == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(UserError, match=r"no GPU is free, others compute on 1 \(91% of its memory\)"):
        places.of(job)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1,MIG-2")
    assert visible(places.of(job, 5)) == ["MIG-1", "MIG-2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES" not in places.of(job)[0][0].environment


def test_more_than_are_free_are_refused(machine, job):
    machine(FREE, SCREEN, BUSY)
    with pytest.raises(UserError, match="--jobs 3: 2 of 3 GPUs are free; give --jobs 2, or auto"):
        places.of(replace(job, jobs=3))
    with pytest.raises(UserError, match="--devices 3: 2 of 3 GPUs are free; give --devices 2"):
        places.of(replace(job, devices=3))


def test_a_fold_that_is_spread_has_several(machine, job):
    machine(FREE, SCREEN, ("GPU-d", "[N/A]", "[N/A]"), ("GPU-e", "0", "15360"), ("GPU-f", "0", "15360"))
    assert visible(places.of(replace(job, devices=2), 5)) == ["GPU-a,GPU-b", "GPU-d,GPU-e"]


def test_places_are_no_more_than_folds_and_share_all_cores(machine, job):
    machine(FREE, SCREEN, cores=8)
    (place,) = places.of(replace(job, jobs=2), 1)[0]
    assert (place.name, place.environment["OMP_NUM_THREADS"]) == ("GPU GPU-a", "8")


def test_gpus_that_the_backend_does_not_compute_on_are_left_alone(machine, job):
    machine(FREE, SCREEN, computes=False, cores=4)
    found, lines = places.of(job, 2)
    assert [place.name for place in found] == ["2 cores", "2 cores"] and "left alone" in lines[0]
    classical = replace(job, recipe=replace(job.recipe, model="classical"))
    assert places.of(classical, 2)[1] == []


def test_without_gpus_cores_are_shared(machine, job, monkeypatch):
    machine(cores=9)
    monkeypatch.setattr(places, "_free_gb", lambda: 64.0)
    found, lines = places.of(job, 4)
    assert (len(found), found[0].environment, lines) == (4, dict.fromkeys(places.THREADS, "2"), [])
    assert [place.name for place in places.of(replace(job, jobs=9))[0]] == ["1 core"] * 9
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "OMP_NUM_THREADS" not in places.of(job, 4)[0][0].environment
    monkeypatch.setattr(places, "_free_gb", lambda: 5.0)
    assert len(places.of(job, 4)[0]) == 2
    with pytest.raises(UserError, match=r"--jobs 10: this process may use 9 core\(s\); give --jobs 9"):
        places.of(replace(job, jobs=10))


@pytest.mark.parametrize(("status", "wanted"), [(0, True), (3, False)])
def test_the_backend_is_asked_in_a_process_of_its_own(monkeypatch, status, wanted):
    monkeypatch.setattr(places, "_ASK", f"raise SystemExit({status})")
    places.computes_on_gpus.cache_clear()
    assert places.computes_on_gpus() is wanted
    places.computes_on_gpus.cache_clear()


def test_a_backend_that_cannot_be_asked_is_a_line(monkeypatch):
    monkeypatch.setattr(places, "_ASK", "raise OSError('libcudnn is missing')")
    places.computes_on_gpus.cache_clear()
    with pytest.raises(UserError, match="libcudnn is missing"):
        places.computes_on_gpus()
