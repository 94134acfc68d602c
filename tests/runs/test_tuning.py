"""From out-of-fold predictions to thresholds.json: what is chosen on what, and what is said of it."""

import numpy as np
import pytest

from pipeline.imaging.metrics import CountMetric, dice, each_group
from pipeline.runs import tuned, tuning
from pipeline.tasks.candidates import Candidates
from pipeline.tasks.multilabel import MultiLabel
from pipeline.tasks.thresholds import Thresholds
from tests import made_runs
from tests.start import run

RULES = [[Thresholds()], [Thresholds(top=0.3, bottom=0.3)], [Thresholds(top=0.7, bottom=0.7)]]


def statistics(hits) -> np.ndarray:
    """Dice of each image under each rule, in tenths: rules x images."""
    hits = np.asarray(hits)
    return np.stack([hits, np.full_like(hits, 10), np.full_like(hits, 10)], axis=-1)[:, :, None]


def out_of_fold(hits, folds, groups=None, metric=None, **more) -> tuning.OutOfFold:
    metric = metric or CountMetric("Dice", dice)
    groups = None if groups is None else np.array(groups, dtype=object)
    found = Candidates(RULES, statistics(hits), metric, groups)
    count = len(folds)
    return tuning.OutOfFold(
        [f"i{i}" for i in range(count)],
        np.full(count, 0.5),
        np.array(folds),
        found,
        [Thresholds()],
        None,
        metric,
        groups,
        **more,
    )


# rule 1 is best on fold 0, rule 2 on fold 1
APART = [[5] * 8, [9] * 4 + [4] * 4, [3] * 4 + [8] * 4]


def test_what_scores_a_fold_was_chosen_on_the_others():
    data = out_of_fold(APART, [0] * 4 + [1] * 4)
    crossed = tuning.cross_fitted(data)
    # on fold 0 the rule of fold 1 is used, and the other way round
    assert crossed.image_scores().tolist() == [0.3] * 4 + [0.4] * 4
    assert data.tally(data.search.choose(np.arange(8))).score() > crossed.score()


def test_a_single_fold_is_cut_into_parts_of_whole_groups():
    data = out_of_fold(APART, [0] * 8, groups=["a", "a", "a", "a", "b", "b", "b", "b"])
    assert tuning.cross_fitted(data).image_scores().tolist() == [0.5] * 8
    alone = out_of_fold(APART, [0] * 8, groups=["a"] * 8)
    assert tuning.cross_fitted(alone) is None


def test_a_gain_smaller_than_its_standard_error_is_not_taken():
    lucky = out_of_fold([[5] * 8, [9, 4] + [5] * 6, [1] * 8], [0, 1] * 4)
    assert lucky.search.choose(np.arange(8)) == [Thresholds()]
    sure = out_of_fold([[5] * 8, [7, 6] * 4, [1] * 8], [0, 1] * 4)
    assert sure.search.choose(np.arange(8)) == RULES[1]
    one_group = out_of_fold([[5] * 8, [9] * 8, [1] * 8], [0, 1] * 4, groups=["a"] * 8)
    assert one_group.search.choose(np.arange(8)) == [Thresholds()]


def test_the_content_names_units_classes_and_further_scores():
    metric = CountMetric("Dice of a patient", dice, unit=each_group)
    groups = ["p1", "p1", "p2", "p2", "p3", "p3", "p4", "p4"]
    also = {"soft": np.arange(8) / 10}
    data = out_of_fold(APART, [0, 0, 0, 0, 1, 1, 1, 1], groups, metric, also=also)
    content, tally = tuning.tuned(data, MultiLabel(("tumour",)))
    assert content["units"] == 4 and content["n"] == 8 and content["oof"] == tally.score()
    assert [entry["name"] for entry in content["by_unit"]] == ["p1", "p2", "p3", "p4"]
    assert content["by_fold"][0]["also"] == {"soft": pytest.approx(0.15)}
    assert content["by_class"] == []
    lines = "\n".join(tuning.table(content))
    assert "p3" in lines and "soft 0.5500" in lines and "8 images of fold(s) 0, 1" in lines


def test_a_network_that_finds_nothing_is_said_to_have_collapsed():
    coverage = np.array([0, 0, 0, 0.1, 0.2, 0.3])
    said = tuning.collapsed(np.ones(6, bool), coverage)
    assert "nothing is found in 100.0%" in said and "50.0% are empty" in said
    assert tuning.collapsed(np.array([True, True, True, True, False, True]), coverage) is None
    # nothing is there to be found
    assert tuning.collapsed(np.ones(6, bool), np.zeros(6)) is None


@pytest.mark.parametrize(("parts", "chosen"), [(1, 0), (3, 0), (4, 0), (5, 1), (8, 1)])
def test_of_few_independent_parts_nothing_is_chosen_and_that_is_said(parts, chosen):
    """Three drives agree by chance as one toss of three coins in four does."""
    hits = [[5] * 40, [7, 6] * 20, [1] * 40]
    data = out_of_fold(hits, np.arange(40) % parts % 3, groups=[f"drive {i % parts}" for i in range(40)])
    assert data.parts == parts and data.choose(np.arange(40)) == RULES[chosen]
    assert all(rules == RULES[chosen] for _, rules in tuning.chosen_apart(data))
    content, tally = tuning.tuned(data, MultiLabel(("tumour",)))
    assert tally.score() == pytest.approx((0.5, 0.65)[chosen])
    assert content.get("few_parts") == (parts if parts < 5 else None)
    said = [line for line in tuning.table(content) if "too few to tell a gain from chance" in line]
    assert len(said) == (parts < 5) and all(line.startswith(f"{parts} independent part(s)") for line in said)


def test_only_where_parts_are_few_does_an_earlier_run_depend_on_how_many_are_wanted(demo_root, monkeypatch):
    job = made_runs.hold_out(made_runs.job_of(demo_root, "some"))
    made_runs.save_recipe(job)
    assert "fewest parts" not in tuned.inputs_of(job)
    assert "too few" not in run("demo", "tune", "--run", "some", root=demo_root)
    monkeypatch.setattr(tuning, "FEWEST", 10**6)
    assert tuned.standing(job)[1].startswith("stale")
    said = run("demo", "tune", "--run", "some", root=demo_root)
    assert "are too few to tell a gain from chance" in said and "plain threshold: top 0.500" in said
    assert tuned.standing(job)[1] == ""
