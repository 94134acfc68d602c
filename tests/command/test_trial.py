"""What is wrong in a competition's file is a line that names it, before anything is drawn, read or trained."""

import shutil
import subprocess
import sys

import pytest

from pipeline.command import names, options, trial
from tests.start import ROOT, environment

FILE = """from dataclasses import replace

from pipeline.competitions import demo
from pipeline.imaging.metrics import CountMetric


def formula(intersection, predicted, truth):
    return {formula}


competition = replace(demo.competition, name="odd", {changes})
"""
GOOD = {"formula": "intersection + 1.0", "changes": 'title="Odd"'}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def call(package, *words) -> tuple[int, str]:
    command = [sys.executable, "-P", "-m", "pipeline", *words, "--root", package / "root"]
    surroundings = environment(PYTHONPATH=str(package))
    done = subprocess.run(command, cwd=package, env=surroundings, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("name", names.competitions())
def test_every_competition_passes(name):
    for recipe in names.competition(name).recipes:
        trial.check(options.job_of(names.competition(name), options.parse([name, "--recipe", recipe])))


def test_a_loss_that_a_task_cannot_learn_by_is_refused_before_anything_is_drawn(package):
    status, said = call(package, "demo", "--loss", "ce")
    assert status == 2 and "demo cannot learn by ce" in said and not (package / "root").exists()


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"changes": 'symmetry="left-rigth"'}, "symmetry is 'left-rigth'; known are: none, left-right"),
        (
            {"changes": 'recipes={"smoke": {}, "quick": {"widht": 3}}, costs={}'},
            "recipe 'quick': 'widht' is no recipe field",
        ),
        (
            {"changes": 'recipes={"smoke": {}, "quick": {"width": "3"}}, costs={}'},
            "recipe 'quick': --width is '3'; it must be of type",
        ),
        (
            {"changes": 'recipes={"smoke": {}, "quick": {"loss": "bse"}}, costs={}'},
            "recipe 'quick': --loss 'bse': 'bse' is no loss",
        ),
        (
            {"changes": 'recipes={"smoke": {}, "quick": {"model": "vnet"}}, costs={}'},
            "recipe 'quick': --model is 'vnet'",
        ),
        ({"changes": 'costs={"fast": "an hour"}'}, "costs of what is no recipe: fast"),
        (
            {"formula": "intersection / none", "changes": 'metric=CountMetric("mine", formula)'},
            "competitions/odd.py, line 8: the metric 'mine' fails on two drawn images: NameError",
        ),
        (
            {"formula": "intersection * float('inf')", "changes": 'metric=CountMetric("mine", formula)'},
            "the metric 'mine' is",
        ),
        (
            {"formula": "3.0", "changes": 'metric=CountMetric("mine", formula)'},
            "the metric 'mine': it gives one value for counts of the shape 2 x 3 x 1: use NumPy on arrays",
        ),
        (
            {"formula": "(intersection + 1.0).sum(axis=0)", "changes": 'metric=CountMetric("mine", formula)'},
            "the metric 'mine': it gives 3 x 1 for counts of the shape 2 x 3 x 1",
        ),
        (
            {"formula": "exit(3)", "changes": 'metric=CountMetric("mine", formula)'},
            "competitions/odd.py, line 8: the metric 'mine' fails on two drawn images: SystemExit: 3",
        ),
        ({"changes": 'also=["x"]'}, "also is ['x']; it must be a table"),
        (
            {"changes": 'also={"mine": lambda found, labels: found[99]}'},
            "also['mine'] fails on two drawn images",
        ),
    ],
)
def test_a_mistake_is_said_before_the_work(package, parts, says):
    (package / "pipeline" / "competitions" / "odd.py").write_text(FILE.format(**{**GOOD, **parts}))
    status, said = call(package, "odd", "download", "--recipe", "smoke")
    assert status == 2 and says in said and len(said.splitlines()) == 1
    assert "pipeline/competitions/odd.py" in said or "odd, recipe" in said
    assert not (package / "root").exists()


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        ("lambda folder: 1 / 0", "ZeroDivisionError: division by zero"),
        ("lambda folder: exit(3)", "SystemExit: 3"),
        ("lambda folder: open('/nowhere')", "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere'"),
    ],
)
def test_a_mistake_that_shows_in_the_middle_of_the_work_is_a_line(package, draw, says):
    changes = {**GOOD, "changes": f"draw={draw}"}
    (package / "pipeline" / "competitions" / "odd.py").write_text(FILE.format(**changes))
    status, said = call(package, "odd", "download", "--recipe", "smoke")
    line = f"error: pipeline/competitions/odd.py, line 11: {says}; mend the competition's file\n"
    assert (status, said) == (2, line)


def test_a_good_one_is_not_refused(package):
    (package / "pipeline" / "competitions" / "odd.py").write_text(FILE.format(**GOOD))
    assert call(package, "odd", "--help") == (0, "")
