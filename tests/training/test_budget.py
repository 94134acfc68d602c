"""A time for the whole run: how many epochs fit into it, that they are found once, and what is refused."""

import json
import shutil
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import __main__ as command_line
from pipeline import recipe as recipes
from pipeline.errors import UserError
from pipeline.recipe import Recipe
from pipeline.reporting.run import reproduce
from pipeline.runs import identity
from pipeline.runs.job import Job
from pipeline.store.disk import file_hash, write_json
from pipeline.store.paths import Store
from pipeline.training import budget, trainer
from pipeline.training.budget import Pace, Work
from tests.start import TINY

PACE = Pace(start=10, step=0.5, save=1, ready=2, image=0.1, flipped=0.2, count=0.01)
WORK = Work(steps=4, held_out=10, test=20)
SHAPES = SimpleNamespace(name="shapes", recipes={"quick": {"epochs": 36}, "timed": {"budget": "1h"}, "default": {}})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("45m", 2700), ("2h", 7200), ("540s", 540), ("1.5h", 5400), ("0.5s", 0.5), ("007m", 420)],
)
def test_a_time_is_a_number_with_its_unit(text, wanted):
    assert recipes.seconds(text) == wanted
    assert Recipe(budget=text).budget == text


@pytest.mark.parametrize(("text", "wanted"), [("8h30m", 30600), ("0h30m", 1800), ("0h05m", 300), ("100h0m", 360000)])
def test_a_time_may_be_hours_and_minutes(text, wanted):
    assert recipes.seconds(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "0h0m",
        "h30m",
        "45",
        "m",
        "-3m",
        "0m",
        "0.0s",
        "45 m",
        "45M",
        "45m\n",
        "1e3s",
        ".5h",
        "٤m",
        "soon",
        "1234567890h",
    ],
)
def test_what_is_no_time_is_refused_saying_what_is_right(text):
    with pytest.raises(ValueError, match="is no time"):
        recipes.seconds(text)
    with pytest.raises(UserError, match=r"--budget is (.|\n)*45m, 2h or 540s$"):
        Recipe(budget=text)


@pytest.mark.parametrize(
    ("work", "epochs", "score_every", "wanted"),
    [
        # 10 + 3 (4 x .5 + 1) to learn; 2 x 2 + 10 (3 x .11 + .2 + 2 x .01) held out; 2 + 20 x .2 of the test part
        ([WORK], 3, 1, 19 + 9.5 + 6),
        ([WORK, WORK], 3, 1, 2 * 34.5),
        # scored after the second epoch and the last
        ([WORK], 3, 2, 19 + 8.4 + 6),
        ([WORK], 1, 7, 13 + 4 + 10 * 0.33 + 6),
        ([Work(steps=4, held_out=0, test=0)], 3, 1, 19),
    ],
)
def test_the_estimate_adds_up_what_a_fold_does(work, epochs, score_every, wanted):
    assert budget.estimated(epochs, work, PACE, score_every) == pytest.approx(wanted)


@pytest.mark.parametrize(("seconds", "wanted"), [(34.6, 3), (34.4, 2), (1, 0), (-5, 0), (1e9, budget.MOST)])
def test_the_epochs_are_the_most_that_fit(seconds, wanted):
    assert budget.epochs_within(seconds, [WORK], PACE, 1) == wanted


durations = st.floats(0, 1e4)
paces = st.builds(Pace, durations, st.floats(1e-4, 1e3), *[durations] * 5)
works = st.lists(st.builds(Work, st.integers(1, 5000), st.integers(0, 10**5), st.integers(0, 10**5)), min_size=1)


@given(st.floats(0, 1e8), works, paces, st.integers(1, 50))
def test_what_is_chosen_fits_and_one_epoch_more_does_not(seconds, work, pace, score_every):
    epochs = budget.epochs_within(seconds, work, pace, score_every)
    assert epochs == 0 or budget.estimated(epochs, work, pace, score_every) <= seconds
    assert epochs == budget.MOST or budget.estimated(epochs + 1, work, pace, score_every) > seconds


@given(st.floats(0, 1e7))
def test_a_share_is_kept_back_and_the_budget_that_is_asked_for_suffices(seconds):
    kept = budget.needed(seconds) - seconds
    assert kept >= 9.999 and kept >= 0.0499 * budget.needed(seconds)
    assert budget.usable(budget.needed(seconds)) == pytest.approx(seconds, abs=1e-6)


def resolve(root, run, recipe_name, **overrides):
    return identity.resolve_run(SHAPES, root, run, recipe_name, overrides)


def save(root, run, recipe_name, **fields):
    named = recipes.resolve(SHAPES.recipes[recipe_name], fields)
    write_json(Store(root, "shapes", run).recipe, {"recipe": recipe_name, **recipes.to_json(named)})


def test_a_run_is_named_after_its_budget_and_its_saved_epochs_are_its_own(tmp_path):
    name, _, asked = resolve(tmp_path, None, "quick", budget="45m")
    assert name == "quick-budget-45m" and asked.epochs == 36
    save(tmp_path, name, "quick", budget="45m", epochs=31)
    assert resolve(tmp_path, None, "quick", budget="45m")[2].epochs == 31
    assert resolve(tmp_path, name, None, budget="45m")[2].epochs == 31
    assert resolve(tmp_path, name, None)[2].epochs == 31
    # the report's command names the epochs that were found
    assert resolve(tmp_path, name, "quick", epochs=31)[2].budget == "45m"


@pytest.mark.parametrize(
    ("recipe_name", "overrides", "says"),
    [
        ("quick", {"budget": "30m"}, "--budget 45m, not 30m"),
        (None, {"budget": "30m"}, "--budget 45m, not 30m"),
        ("quick", {}, "--budget 45m, not ''"),
        (None, {"epochs": 30}, "--epochs 31, not 30"),
        ("quick", {"budget": "45m", "width": 8}, "--width 32, not 8"),
        ("quick", {"budget": "45m", "epochs": 31}, "leave out --epochs"),
        (None, {"budget": "45m", "epochs": 31}, "leave out --epochs"),
        ("timed", {"epochs": 31}, "leave out --epochs"),
    ],
)
def test_what_contradicts_a_budget_is_refused_in_one_line(tmp_path, recipe_name, overrides, says):
    save(tmp_path, "mine", "quick", budget="45m", epochs=31)
    with pytest.raises(UserError, match=says) as found:
        resolve(tmp_path, "mine", recipe_name, **overrides)
    assert len(str(found.value).splitlines()) == 1


def test_a_budget_is_not_added_to_a_run_without_one(tmp_path):
    save(tmp_path, "mine", "quick")
    for recipe_name in (None, "quick"):
        with pytest.raises(UserError, match="--budget '', not 45m"):
            resolve(tmp_path, "mine", recipe_name, budget="45m")


def test_a_named_budget_can_be_switched_off(tmp_path):
    assert resolve(tmp_path, None, "timed", budget="", epochs=9)[0] == "timed-budget-none-epochs-9"


def test_what_has_no_epochs_takes_no_budget(tmp_path):
    with pytest.raises(UserError, match=r"^--model classical has no epochs"):
        resolve(tmp_path, None, "quick", model="classical", budget="45m")


@pytest.mark.parametrize(
    ("name", "words"), [("quick", ["--epochs", "31"]), ("timed", ["--budget", "", "--epochs", "31"])]
)
def test_the_reports_command_gives_the_same_epochs_anywhere(name, words):
    recipe = recipes.resolve(SHAPES.recipes[name], {"budget": "45m", "epochs": 31})
    job = Job(SHAPES, recipe, name, store=None)
    assert reproduce.recipe_options(job) == ["--recipe", name, *words]


def call(root, *arguments) -> int:
    epochs = TINY.index("--epochs")
    tiny = [*TINY[:epochs], *TINY[epochs + 2 :], "--late-loss", "lovasz"]
    return command_line.main(["demo", *arguments, *tiny, "--root", str(root)])


# two steps: 10000 s an epoch and fold
SLOW = Pace(start=0, step=5000, save=0, ready=0, image=0, flipped=0, count=0)


def test_a_budget_for_less_than_an_epoch_is_refused_and_leaves_nothing(demo_root, monkeypatch, capsys):
    monkeypatch.setattr(trainer, "pace_of", lambda *_: SLOW)
    assert call(demo_root, "train", "--budget", "8h") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--budget 8h is too short: one epoch of 3 folds, with predictions, takes about 30000 s" in line
    # 30000 / .95 in minutes, upwards
    assert "--budget 526.4m" in line
    assert line.endswith("or less to do: 1 fold (--trained-folds 1) would get 2 epochs")
    assert not (demo_root / "runs").exists()


@pytest.mark.parametrize(("epochs", "wanted"), [(1, 3), (2, 2), (3, 1), (5, 0)])
def test_how_many_folds_can_have_so_many_epochs(epochs, wanted):
    work = [Work(steps=2, held_out=0, test=0)] * 3
    assert budget.folds_within(42000, epochs, work, SLOW, 1) == wanted


def test_where_each_fold_gets_too_little_it_is_said_how_many_would_get_enough(demo_root, monkeypatch, capsys):
    monkeypatch.setattr(trainer, "pace_of", lambda *_: SLOW)
    monkeypatch.setattr("pipeline.stages.train._train", lambda job, fold: None)
    assert call(demo_root, "train", "--budget", "10h") == 0
    assert "more than twice as many; 1 fold (--trained-folds 1) would get 3 epochs" in capsys.readouterr().out


@pytest.fixture(scope="module")
def timed(drawn, tmp_path_factory):
    """A root with a run of one fold, every stage done in one call, that was measured as ever and then took another pace
    for its epochs; and what was measured."""
    pytest.importorskip("keras")
    root = tmp_path_factory.mktemp("timed") / "root"
    shutil.copytree(drawn, root)
    found, measure = [], trainer.pace_of

    def pace_of(*arguments):
        before = sorted(root.rglob("*"))
        found.append(measure(*arguments))
        assert sorted(root.rglob("*")) == before
        return SLOW

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "pace_of", pace_of)
        assert call(root, "--budget", "10h", "--run", "timed", "--fold", "0") == 0
    return root, found


def saved(root) -> dict:
    return json.loads((root / "runs" / "demo" / "timed" / "recipe.json").read_text())


@pytest.mark.slow
def test_every_stage_sees_the_epochs_that_were_found(timed):
    root, found = timed
    folder = root / "runs" / "demo" / "timed"
    assert (saved(root)["budget"], saved(root)["epochs"]) == ("10h", 3)
    assert len((folder / "fold0" / "history.csv").read_text().splitlines()) == 1 + 3
    assert (root / "submissions" / "demo-timed.csv").exists() and (folder / "thresholds.json").exists()
    assert "--epochs 3" in (folder / "report.html").read_text()
    assert len(found) == 1


@pytest.mark.slow
def test_what_is_measured_are_times(timed):
    (pace,) = timed[1]
    assert 0 < pace.step < pace.start < 300
    assert 0 < pace.image < 10 and 0 < pace.flipped < 10 and 0 < pace.count < 10 and 0 < pace.save < 60
    assert 0 <= pace.ready < 300


@pytest.mark.slow
def test_measuring_changes_nothing_that_is_learnt(timed):
    root = timed[0]
    assert call(root, "train", "--epochs", "3", "--run", "plain", "--fold", "0", "--again") == 0
    weights = [root / "runs" / "demo" / run / "fold0" / "model.weights.h5" for run in ("timed", "plain")]
    assert file_hash(weights[0]) == file_hash(weights[1])


@pytest.mark.slow
def test_it_is_measured_once_and_another_budget_is_another_run(timed, monkeypatch, capsys):
    root = timed[0]
    monkeypatch.setattr(trainer, "pace_of", lambda *_: pytest.fail("measured again"))
    assert call(root, "--budget", "10h", "--run", "timed", "--fold", "0") == 0
    assert capsys.readouterr().out.count("up to date") == 8
    assert call(root, "--budget", "9h", "--run", "timed") == 2
    assert "--budget 10h, not 9h" in capsys.readouterr().err
    assert call(root, "train", "--budget", "10h", "--run", "timed", "--fold", "1") == 0
    history = root / "runs" / "demo" / "timed" / "fold1" / "history.csv"
    assert len(history.read_text().splitlines()) == 1 + 3 and saved(root)["epochs"] == 3
