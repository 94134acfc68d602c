"""Files of the user's own: used, checked, said, and never in need of what would be made instead of them."""

import importlib.util
import sys

import pytest

from pipeline.errors import UserError
from pipeline.recipe import Recipe
from pipeline.runs.job import Job
from pipeline.stages import prepare, report, submit, tune
from pipeline.store import disk
from pipeline.store.paths import Store
from pipeline.store.records import recorded
from tests.reporting.example_runs import competition, hold_out, job_of, square
from tests.start import run


def said(job, capsys, stage, *more) -> str:
    stage.run(job, *more)
    return capsys.readouterr().out


@pytest.fixture
def job(tmp_path):
    found = job_of(tmp_path, competition(tests=[square(4), square(0)]))
    for fold in range(3):
        hold_out(found, fold)
    return found


# folds


def test_a_fold_table_of_ones_own_counts_for_every_recipe(demo_root, capsys):
    ids = [line.split(",")[0] for line in (demo_root / "folds" / "demo-3.csv").read_text().splitlines()[1:]]
    own = demo_root / "folds" / "demo.csv"
    disk.write_rows(own, ["id", "fold"], [(name, i % 4) for i, name in enumerate(ids)])
    out = run("demo", "train", "--folds", "3", "--fold", "3", "--model", "classical", root=demo_root)
    assert "folds/demo.csv is yours: used as it is, 4 fold(s), though the recipe names 3" in out
    assert "fold 3 took" in out
    # what was made earlier for that number of folds is no more than that
    assert "replaces" not in out
    refusal = run("demo", "split", "--folds", "3", "--again", root=demo_root, status=2)
    assert "folds/demo.csv is yours and holds for every recipe: move it away to have 3 folds made" in refusal


def test_of_two_tables_of_ones_own_the_one_for_that_number_counts(demo_root):
    table = (demo_root / "folds" / "demo-3.csv").read_text()
    (demo_root / "folds" / "demo.csv").write_text(table.replace(",2\n", ",1\n"))
    (demo_root / "folds" / "demo-3.csv").write_text(table.replace(",0\n", ",9\n").replace(",1\n", ",0\n"))
    assert "no image is in fold 1" in run("demo", "split", "--folds", "3", root=demo_root, status=2)


def test_an_edited_table_of_ours_counts_for_its_own_number_alone(demo_root):
    run("demo", "split", "--folds", "5", root=demo_root)
    own = demo_root / "folds" / "demo.csv"
    own.write_text(own.read_text().replace(",4\n", ",3\n"))
    assert "folds/demo.csv is yours" in run("demo", "split", "--folds", "5", root=demo_root)
    assert "yours" not in run("demo", "split", "--folds", "3", root=demo_root)


# thresholds


def test_thresholds_by_hand_need_no_more_than_themselves_and_are_scored(job, capsys):
    rule = {"top": 0.9, "min_area": 3, "bottom": 0.6}
    disk.write_json(job.store.thresholds, {"thresholds": [rule]})
    written = job.store.thresholds.read_bytes()
    out = said(job, capsys, tune)
    assert "is yours: kept (--again replaces it); its scores are not cross-fitted" in out
    assert "top 0.900, min area 3 px, bottom 0.600" in out
    assert "out-of-fold (with these thresholds)           1.0000" in out
    assert tune.is_current(job) and job.store.thresholds.read_bytes() == written


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"thresholds": []}, "0 thresholds for 1 classes"),
        ({"thresholds": [{"top": 2}]}, "top is 2, not a number from 0 to 1"),
        ({"thresholds": [{"upper": 0.5}]}, "known are top, min_area, bottom"),
        ({"threshold": 0.5}, "has no list 'thresholds'"),
        ({"classes": ["pepper"], "thresholds": [{}]}, "for the classes ['pepper']"),
        ([], "is not an object {…}"),
    ],
)
def test_what_is_wrong_with_them_is_said_by_every_stage_and_sends_nobody_in_a_circle(job, content, says):
    disk.write_json(job.store.thresholds, content)
    for ask in (tune.run, tune.is_current, submit.run, report.run):
        with pytest.raises(UserError) as found:
            ask(job)
        assert says in str(found.value) and "run the stage" not in str(found.value)


# submissions


def test_a_csv_of_ones_own_needs_nothing_trained(demo_root):
    sample = (demo_root / "data" / "demo" / "prepared" / "sample_submission.csv").read_text()
    path = demo_root / "submissions" / "demo-brought.csv"
    path.parent.mkdir()
    path.write_text(sample)
    out = run("demo", "submit", "--run", "brought", root=demo_root)
    assert "submissions/demo-brought.csv is yours: kept, and valid" in out and "split" not in out
    path.write_text(sample.replace("1 1", "0 1", 1))
    assert "row 2" in run("demo", "submit", "--run", "brought", root=demo_root, status=2)
    assert "no fold of run 'brought' is trained" in run("demo", "report", "--run", "brought", root=demo_root, status=2)
    assert not (demo_root / "runs").exists()


# the competition's own file

READER = '''"""Two images, read by a function that is edited."""

from dataclasses import replace

from pipeline.competitions import demo
from pipeline.competitions.tgs import read as read_tgs

LEAST = 0


def read(raw):
    # a comment
    return shortened(read_tgs(raw))


def shortened(data):
    return replace(data, images=data.images[LEAST:])


competition = replace(demo.competition, name="edited", read=read, title="Edited")
'''


@pytest.mark.parametrize(
    ("old", "new", "noticed"),
    [
        ("LEAST = 0", "LEAST = 1", True),
        ("data.images[LEAST:]", "data.images[LEAST + 2 :]", True),
        ("# a comment", "# another comment", False),
        ('title="Edited"', 'title="Something else"', False),
    ],
)
def test_an_edited_reader_is_noticed_without_its_data(tmp_path, monkeypatch, old, new, noticed):
    def job_with(text):
        path = tmp_path / "competitions" / "edited.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        spec = importlib.util.spec_from_file_location("edited", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "edited", module)
        spec.loader.exec_module(module)
        return job_of_demo(tmp_path, module.competition)

    job = job_with(READER)
    done = job.store.prepared / "prepared.json"
    with recorded(done, prepare.inputs_of(job.competition, tmp_path)) as part:
        disk.write_json(part, {})
    assert prepare.is_current(job)
    changed = job_with(READER.replace(old, new))
    if noticed:
        with pytest.raises(UserError, match=r"competitions/edited\.py has now; name the raw files with --data DIR"):
            prepare.is_current(changed)
    else:
        assert prepare.is_current(changed)


def job_of_demo(root, chosen):
    return Job(chosen, Recipe(), "default", Store(root, chosen.name, "mine"))


def test_what_is_asked_before_the_work_is_forgotten_when_it_begins(demo_root):
    """Raw files that changed are prepared again, and what follows sees the new ones."""
    tiny = ("--model", "classical", "--folds", "3", "--fold", "0", "--run", "mine")
    table = demo_root / "data" / "demo" / "raw" / "train.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-1]))
    (demo_root / "folds" / "demo-3.csv.inputs.json").unlink()
    line = run("demo", "train", *tiny, root=demo_root, status=2)
    assert f"1 not in the data: {lines[-1].split(',')[0]}" in line
