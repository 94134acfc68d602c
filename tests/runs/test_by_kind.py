"""Folds by kind of picture: whole kinds held out, clusters in their place, refusals, and two scores side by side."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.competition import RawData
from pipeline.errors import UserError
from pipeline.recipe import Recipe
from pipeline.reporting.run import facts, kinds
from pipeline.runs import adopted, by_kind, clusters, every, paired, variants
from pipeline.runs.job import Job
from pipeline.stages import prepare, report, tune
from pipeline.stages import split as split_stage
from pipeline.store import disk
from pipeline.store.paths import Store
from pipeline.tools import ledger, runs
from tests.reporting import example_runs
from tests.reporting.example_runs import square

KINDS = ["dark"] * 9 + ["bright"] * 6 + ["violet"] * 3


def rows(kinds, groups=None, always=()):
    table = {"id": [f"{i:03d}" for i in range(len(kinds))], "kind": kinds, "group": groups or [""] * len(kinds)}
    return pandas.DataFrame(table | {"always_learnt": [i in always for i in range(len(kinds))]})


def test_the_two_smallest_kinds_are_joined_until_there_are_as_many_as_folds():
    kinds = ["a"] * 10 + ["b"] * 6 + ["c"] * 3 + ["d"] + ["e"]
    of = dict(zip(kinds, by_kind.folds(rows(kinds), 3).tolist(), strict=True))
    assert of == {"a": 0, "b": 1, "c": 2, "d": 2, "e": 2}
    # d and e come to two, which with c are fewer than b
    assert dict(zip(kinds, by_kind.folds(rows(kinds), 4).tolist(), strict=True))["c"] == 2


def slow_parts(sizes: dict[str, int], count: int) -> list[int]:
    parts = sorted(sizes.values())
    while len(parts) > count:
        parts = sorted([parts[0] + parts[1], *parts[2:]])
    return sorted(parts, reverse=True)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from("abcdefg"), min_size=2, max_size=60), st.integers(2, 7))
def test_any_kinds_stay_whole_and_folds_are_as_large_as_joining_by_hand_makes_them(kinds, count):
    if len(set(kinds)) < max(count, 2):
        with pytest.raises(UserError, match=f"--folds {len(set(kinds))}" if len(set(kinds)) > 1 else "of one kind"):
            by_kind.folds(rows(kinds), count)
        return
    found = by_kind.folds(rows(kinds), count)
    assert all(len(set(found[np.array(kinds) == kind].tolist())) == 1 for kind in set(kinds))
    assert np.bincount(found).tolist() == slow_parts(Counter(kinds), count)


@pytest.mark.parametrize(
    ("kinds", "groups", "says"),
    [
        (["a"] * 4, None, r"all 4 images are of one kind \(a\)"),
        (["a", "a", "b"], None, r"there are 2 kinds of pictures \(a, b\), fewer than the 3 folds: --folds 2"),
        (["a", "b", ""], ["g", "g", "h"], r"1 group\(s\) have images of several kinds.*: g \(the first: a, b\)"),
        (["a", "b", "b"], None, "--folds 2"),
    ],
)
def test_what_cannot_be_held_out_by_kind_is_refused_with_the_reason(kinds, groups, says):
    with pytest.raises(UserError, match=says) as caught:
        by_kind.folds(rows(kinds, groups), 3)
    assert "\n" not in str(caught.value)


def test_images_that_are_always_learnt_may_not_be_of_a_kind_that_is_held_out():
    with pytest.raises(UserError, match=r"2 image\(s\) that are always learnt .* held out: a; with"):
        by_kind.refuse_always_learnt(rows(["a", "a", "a", "b", "c"], always=(0, 1, 4)))
    by_kind.refuse_always_learnt(rows(["a", "a", "b", "c"], always=(3,)))


# clusters


def families(counts, seed=0) -> np.ndarray:
    """Features of well separated families, so many of each, in order."""
    random = np.random.default_rng(seed)
    centres = 20 * np.eye(len(counts), 6)
    return np.concatenate([centres[k] + random.normal(0, 1, (count, 6)) for k, count in enumerate(counts)])


def alone(count: int) -> np.ndarray:
    return np.array([f"g{i}" for i in range(count)])


def clustered(train, test, groups, count):
    return clusters.clustered(train, test, groups, count, [f"f{i}" for i in range(6)])


def test_well_separated_families_are_clusters_the_largest_first_and_found_alike_twice():
    train, order = families([10, 40, 20]), np.random.default_rng(1).permutation(70)
    found = clustered(train[order], np.zeros((0, 6)), alone(70), 3)
    truth = np.repeat([2, 0, 1], [10, 40, 20])[order]
    assert found.of_train.tolist() == truth.tolist() and found.of_test.shape == (0,)
    again = clustered(train[order], np.zeros((0, 6)), alone(70), 3)
    assert again.of_train.tolist() == truth.tolist() and again.limit == found.limit
    # the family of ten lies apart in the first feature
    assert found.telling[2][0][0] == "f0" and found.telling[2][0][1] > 1


def test_a_group_goes_as_a_whole_where_its_mean_lies():
    groups = alone(60)
    groups[[0, 1, 2, 59]] = "patient"
    found = clustered(families([30, 30]), np.zeros((0, 6)), groups, 2)
    assert len(set(found.of_train[[0, 1, 2, 59]].tolist())) == 1
    assert found.of_train[59] == found.of_train[0] != found.of_train[58]


def test_test_pictures_are_near_a_cluster_or_far_from_all_of_them():
    train, odd = families([200, 200]), families([0, 0, 0, 8], seed=5)
    like = families([300, 300], seed=7)
    found = clustered(train, np.concatenate([like, odd]), alone(400), 2)
    assert (found.of_test[600:] == -1).all()
    # as many as the limit leaves out of train, more or less
    assert (found.of_test[:600] == -1).mean() < 0.05
    assert len(set(found.of_test[:300].tolist()) - {-1}) == len(set(found.of_test[300:600].tolist()) - {-1}) == 1


def test_fewer_pictures_that_differ_than_folds_are_refused():
    with pytest.raises(UserError, match=r"2 group\(s\) of images that differ, fewer than the 3 folds: --folds 2"):
        clustered(np.repeat(np.eye(2, 6), 4, axis=0), np.zeros((0, 6)), alone(8), 3)
    with pytest.raises(UserError, match="leave it out"):
        clustered(np.ones((8, 6)), np.zeros((0, 6)), alone(8), 3)


# runs


def noise(low: int) -> np.ndarray:
    """A picture of 50 grey levels from `low` on."""
    return np.random.default_rng(low).integers(low, low + 50, (24, 24, 1)).astype(np.uint8)


def job_of(root, of=KINDS, tests=(), run="mine", split="kind", grey=None) -> Job:
    """`of`: the kind of each train image; `tests`: the kinds of test images; grey: of each the darkest value."""
    base = example_runs.competition(len(of), [square(6)] * len(tests))
    images = base.read(None).images
    named = [replace(image, kind=kind) for image, kind in zip(images, [*of, *tests], strict=True)]
    if grey is not None:
        named = [replace(image, image=lambda low=low: noise(low)) for image, low in zip(named, grey, strict=True)]
    chosen = replace(base, read=lambda raw: RawData(named), recipes={"quick": {"epochs": 7}, "default": {}})
    job = Job(chosen, Recipe(epochs=7, folds=3, split=split), "quick", Store(root, "tiny", run))
    if not job.store.prepared.exists():
        prepare.convert(chosen, None, job.store.prepared, {})
    return job


def test_folds_by_kind_lie_in_a_table_of_their_own_beside_the_usual(tmp_path, capsys):
    usual, job = job_of(tmp_path, split=""), job_of(tmp_path)
    for one in (usual, job):
        split_stage.run(one)
        assert split_stage.is_current(one)
    assert job.folds_file == tmp_path / "folds" / "tiny-kind-3.csv" and usual.folds_file.name == "tiny-3.csv"
    assert job.fold_table.folds.tolist() == [0] * 9 + [1] * 6 + [2] * 3
    assert Counter(usual.fold_table.folds.tolist()) == {0: 6, 1: 6, 2: 6}
    out = capsys.readouterr().out
    assert "by the 3 kinds that the data names" in out and "kinds never seen" in out
    assert "dark: 9 image(s), held out by fold 0" in out and "violet: 3 image(s), held out by fold 2" in out


def test_other_kinds_of_the_same_pictures_make_the_folds_stale(tmp_path):
    job = job_of(tmp_path)
    split_stage.run(job)
    other = [*KINDS[:-1], "dark"]
    job.prepared.columns["kind"][: len(other)] = other
    assert not split_stage.is_current(job)


def test_a_table_of_ones_own_is_of_its_own_way_to_split(tmp_path, capsys):
    job = job_of(tmp_path)
    ids, folds = job.prepared.train_ids, [i % 2 for i in range(len(KINDS))]
    disk.write_rows(job.store.own_folds(), ["id", "fold"], zip(ids, folds, strict=True))
    split_stage.run(job)
    assert job.fold_table.folds.tolist()[0] == 0 and set(job.fold_table.folds.tolist()) == {0, 1, 2}
    assert "folds/tiny.csv is yours, and not --split kind: not used here" in capsys.readouterr().out
    disk.write_rows(job.store.own_folds("kind"), ["id", "fold"], zip(ids, folds, strict=True))
    job = job_of(tmp_path)
    split_stage.run(job)
    assert job.folds_file.name == "tiny-kind.csv" and job.fold_table.folds.tolist() == folds
    out = capsys.readouterr().out
    assert "warning: 3 kind(s) are in several folds: bright, dark, violet" in out and "held out by" not in out


def test_clusters_stand_for_kinds_where_the_data_names_none(tmp_path, capsys):
    grey = [0] * 8 + [90] * 6 + [180] * 4 + [90] + [0]
    job = job_of(tmp_path, [""] * 18, ["", ""], grey=grey)
    split_stage.run(job)
    assert job.fold_table.folds.tolist() == [0] * 8 + [1] * 6 + [2] * 4
    out = capsys.readouterr().out
    assert "the data names no kinds; 3 clusters of simple features" in out and "cluster 2: 4 image(s)" in out
    path = job.store.clusters(3)
    kept = path.read_bytes()
    assert split_stage.is_current(job) and clusters.of(job).of_train.tolist() == job.fold_table.folds.tolist()
    path.unlink()
    clusters.of(job)
    assert path.read_bytes() == kept
    content = disk.read_json(path)
    for spoilt in ({**content, "of_train": [0]}, {**content, "limit": "far"}, {}):
        disk.write_json(path, spoilt)
        with pytest.raises(UserError, match="delete it"):
            clusters.of(job)


def test_which_kinds_of_the_test_part_train_lacks(tmp_path):
    job = job_of(tmp_path, tests=["green", "dark", "green", "red"])
    assert by_kind.lacking(by_kind.table(job)) == {"green": 2, "red": 1}
    assert by_kind.lacking(by_kind.table(job_of(tmp_path / "all", tests=["dark"]))) == {}
    # where train has no kinds none is known to be another
    assert by_kind.lacking(by_kind.table(job_of(tmp_path / "none", [""] * 6, ["red"], split=""))) == {}


def test_a_single_fold_by_kind_has_chosen_its_thresholds_on_the_kinds_it_holds_out(tmp_path, capsys):
    said = {}
    for split in ("", "kind"):
        job = job_of(tmp_path, run=f"run{split}", split=split)
        split_stage.run(job)
        for fold in range(2):
            example_runs.hold_out(job, fold)
            tune.run(job)
            said[split, fold] = "warning: only fold 0 is trained" in capsys.readouterr().out
    assert said == {("", 0): False, ("", 1): False, ("kind", 0): True, ("kind", 1): False}


@pytest.fixture
def both(tmp_path):
    """A run with every kind in each fold, and one by kind, of the same recipe."""
    ways = {"mine": "", "other": "kind"}
    jobs = [job_of(tmp_path, tests=["green", "dark"], run=run, split=split) for run, split in ways.items()]
    for job in jobs:
        split_stage.run(job)
        recipe = {"recipe": "quick", **{name: getattr(job.recipe, name) for name in ("epochs", "folds", "split")}}
        disk.write_json(job.store.recipe, recipe)
        for fold in range(3):
            example_runs.hold_out(job, fold)
        tune.run(job)
    return jobs


def test_a_report_shows_both_ways_to_split_side_by_side(both, capsys):
    usual, other = both
    scores = [disk.read_json(job.store.thresholds)["cross_fitted"] for job in both]
    report.run(other)
    out, page = capsys.readouterr().out, other.store.report.read_text(encoding="utf-8")
    assert f"beside it run 'mine', kinds in every fold: {scores[0]:.4f}" in out
    assert "warning: 1 of 2 test images are of kinds that no train image is of: green (1)" in out
    assert "green (1)" in page and ">other<" in page and ">mine<" in page and "each counted once" in page
    # what is shown beside it belongs to the page
    assert report.is_current(other)
    disk.write_json(usual.store.thresholds, disk.read_json(usual.store.thresholds) | {"more": 1})
    assert not report.is_current(other)


def test_what_stands_beside_the_usual_run(both):
    usual, other = both
    found = facts.gather(usual)
    found = replace(found, beside=found.beside | {"more": ({}, "not tuned")})
    score = disk.read_json(other.store.thresholds)["cross_fitted"]
    first, second = kinds.beside_lines(usual, found)
    assert first.startswith(f"beside it run 'other', kinds never seen: {score:.4f}") and second.endswith(": not tuned")
    about = kinds.about(usual, found, by_kind.table(usual))
    assert about["once"] is None and not about["by_kind"] and about["lacking"].endswith("green (1)")
    once = kinds.about(other, facts.gather(other), by_kind.table(other))["once"]
    means = [row["score"] for row in kinds.by_kind(facts.gather(other), by_kind.table(other))["rows"] if row["n"]]
    assert once == {"score": np.mean(means), "error": np.std(means, ddof=1) / 3**0.5, "n": 3}


def test_runs_of_other_folds_are_never_compared_image_by_image(both):
    with pytest.raises(UserError, match="no fold in common"):
        paired.common(["mine", "other"], [tune.cross_fitted(job) for job in both])
    with pytest.raises(UserError, match="with other split other images are held out"):
        variants.parse(("split=kind",), both[0].recipe)
    assert [run.name for run in every.split_otherwise(both[0])] == ["other"]
    changed = replace(both[0], recipe=replace(both[0].recipe, width=8))
    assert every.split_otherwise(changed) == []


def test_tables_of_all_runs_keep_those_by_kind_apart(both, capsys):
    runs.run(both[0], [])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["mine", "other"]
    assert lines[4].startswith("1 run(s) of --split kind stand below the others")
    ledger.run(both[0], [])
    out = capsys.readouterr().out
    assert out.startswith("1 run(s) of --split kind are left out") and "other" not in out.partition("\n")[2]


def test_adopted_predictions_may_be_of_folds_by_kind(tmp_path):
    assert adopted.job_of(job_of(tmp_path), "").folds_file.name == "tiny-kind-3.csv"
    assert adopted.recipe_of(job_of(tmp_path))["split"] == "kind"
    assert "split" not in adopted.recipe_of(job_of(tmp_path, split=""))
