"""Folds: alike in coverage, groups never split, and tables made by hand read or refused."""

from types import SimpleNamespace

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.competition import coverage_class
from pipeline.errors import UserError
from pipeline.stages.split import stratified
from pipeline.store import fold_table
from pipeline.store.fold_table import FoldTable


def images(coverage, groups=None):
    ids = [f"{i:05d}" for i in range(len(coverage))]
    return pandas.DataFrame({"id": ids, "group": groups or [""] * len(ids), "kind": "", "coverage": list(coverage)})


def random_images(count, empties=0.39, seed=0):
    random = np.random.default_rng(seed)
    return images(np.where(random.random(count) < empties, 0, random.random(count)))


def test_known_coverage_classes():
    coverage = [0, 1e-9, 0.1, 0.100001, 0.5, 0.95, 1]
    assert coverage_class(np.array(coverage)).tolist() == [0, 1, 1, 2, 5, 10, 10]


@pytest.mark.parametrize("count", [2, 3, 5, 10])
@pytest.mark.parametrize("size", [97, 400])
def test_every_fold_has_its_share_of_images_empties_and_coverage(size, count):
    table = random_images(size)
    folds = stratified(table, count)
    assert sorted(set(folds.tolist())) == list(range(count))
    coverage = table["coverage"].to_numpy()
    empties = [np.sum(coverage[folds == fold] == 0) for fold in range(count)]
    # dealt out one by one; of few images the smallest bodies count as empty ones
    assert max(empties) - min(empties) <= (1 if size >= 40 * count else 2)
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= 1
    means = [coverage[folds == fold].mean() for fold in range(count)]
    # random folds would be much farther apart
    assert max(means) - min(means) < 0.6 * (count / size) ** 0.5


def test_rare_kinds_of_images_are_spread_as_far_as_they_go():
    # two nearly full images among a hundred empty ones
    folds = stratified(images([0] * 100 + [0.95, 0.97]), 5)
    assert sorted(np.bincount(folds).tolist()) == [20, 20, 20, 21, 21]


def test_the_same_images_get_the_same_folds_twice():
    table = random_images(200)
    assert np.array_equal(stratified(table, 5), stratified(table.copy(), 5))
    grouped = images(table["coverage"], [f"patient {i % 23}" for i in range(200)])
    assert np.array_equal(stratified(grouped, 5), stratified(grouped.copy(), 5))


def test_images_of_one_group_are_in_one_fold():
    random = np.random.default_rng(3)
    groups = [f"patient {number}" for number in random.integers(0, 30, 400)]
    table = images(np.where(random.random(400) < 0.4, 0, random.random(400)), groups)
    folds = stratified(table, 5)
    assert set(folds.tolist()) == set(range(5))
    assert all(len(set(folds[table["group"] == group])) == 1 for group in set(groups))
    shares = [(table["coverage"][folds == fold] == 0).mean() for fold in range(5)]
    assert max(shares) - min(shares) < 0.15


def test_fewer_groups_than_folds_are_fewer_folds():
    table = images([0, 0.1, 0.2, 0.9] * 25, ["a", "b", "c", "c"] * 25)
    folds = stratified(table, 5)
    assert set(folds.tolist()) == {0, 1, 2}
    assert all(len(set(folds[table["group"] == group])) == 1 for group in "abc")


def test_one_group_is_one_fold():
    assert stratified(images([0, 0.1, 0.2], ["a"] * 3), 5).tolist() == [0, 0, 0]


@pytest.mark.parametrize("coverage", [[0], [0.5], [0, 0], [0, 0.5], [0.5, 0.5], [0, 0, 0], [0, 0.5, 1], [0.2, 0.2, 0]])
def test_one_two_or_three_images_get_a_fold_each(coverage):
    folds = stratified(images(coverage), 5)
    assert sorted(folds.tolist()) == list(range(len(coverage)))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([0, 0.05, 0.3, 0.31, 0.77, 1]), min_size=1, max_size=40), st.integers(2, 12))
def test_any_images_get_as_many_folds_as_there_can_be_of_about_the_same_size(coverage, count):
    folds = stratified(images(coverage), count)
    assert set(folds.tolist()) == set(range(min(count, len(coverage))))
    sizes = np.bincount(folds)
    # one image more for every kind of coverage at most
    assert sizes.max() - sizes.min() <= 6


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.tuples(st.sampled_from([0, 0.05, 0.3, 0.31, 0.77, 1]), st.integers(0, 9)), min_size=1, max_size=40),
    st.integers(2, 6),
)
def test_any_groups_stay_whole_and_no_fold_is_left_out(rows, count):
    table = images([coverage for coverage, _ in rows], [f"g{number}" for _, number in rows])
    folds = stratified(table, count)
    groups = table["group"].to_numpy()
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
    assert set(folds.tolist()) == set(range(min(count, len(set(groups)))))


IDS = ["0a", "1b", "2c", "3d", "4e"]
# the test part comes after the train part
PREPARED = SimpleNamespace(table=pandas.DataFrame({"id": [*IDS, "t1", "t2"]}), train=np.arange(5))


def table_of(text, tmp_path) -> FoldTable:
    path = tmp_path / "tgs.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return fold_table.read(path, PREPARED)


def csv_of(folds, ids=IDS):
    return "id,fold\n" + "".join(f"{name},{fold}\n" for name, fold in zip(ids, folds, strict=True))


def test_a_table_is_read_in_the_order_of_the_data(tmp_path):
    table = table_of(csv_of([1, 0, 2, 1, 0], ["4e", "3d", "2c", "1b", "0a"]), tmp_path)
    assert table.ids == IDS
    assert table.folds.tolist() == [0, 1, 2, 0, 1]
    assert table.count == 3


def test_a_table_from_windows_reads_the_same(tmp_path):
    text = "\ufeff" + csv_of([0, 1, 0, 1, 0]).replace("\n", "\r\n")
    assert table_of(text, tmp_path).folds.tolist() == [0, 1, 0, 1, 0]


def test_minus_one_is_always_learnt_and_never_held_out(tmp_path):
    table = table_of(csv_of([-1, 0, 1, -1, 0]), tmp_path)
    assert table.count == 2
    assert table.held_out(0).tolist() == [1, 4]
    assert table.learnt(0).tolist() == [0, 2, 3]
    assert table.learnt(1).tolist() == [0, 1, 3, 4]


def test_all_holds_nothing_out(tmp_path):
    table = table_of(csv_of([-1, 0, 1, 1, 0]), tmp_path)
    assert table.held_out("all").tolist() == []
    assert table.learnt("all").tolist() == [0, 1, 2, 3, 4]


def test_every_fold_learns_exactly_what_it_does_not_hold_out(tmp_path):
    table = table_of(csv_of([0, 1, 2, 1, 0]), tmp_path)
    for fold in range(3):
        both = [*table.held_out(fold), *table.learnt(fold)]
        assert sorted(both) == list(range(5))
    assert sorted(np.concatenate([table.held_out(fold) for fold in range(3)])) == list(range(5))


def test_the_fingerprint_of_a_fold_changes_with_what_it_holds_out_and_with_nothing_else(tmp_path):
    before = table_of(csv_of([0, 1, 2, 1, 0]), tmp_path)
    after = table_of(csv_of([0, 2, 1, 1, 0]), tmp_path)
    assert before.fingerprint(0) == after.fingerprint(0)
    assert before.fingerprint(1) != after.fingerprint(1)
    assert before.fingerprint(2) != after.fingerprint(2)
    assert before.fingerprint() != after.fingerprint()
    prints = [before.fingerprint(fold) for fold in (0, 1, 2, "all")]
    assert len(set(prints)) == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (csv_of([0, 1, 0, 1], IDS[:4]), "1 of the data not in it: 4e"),
        (csv_of([0, 1, 0, 1, 0, 1], [*IDS, "x"]), "1 not in the data: x"),
        (csv_of([0, 1, 0, 1, 0, 1, 0], [*IDS, "t1", "t2"]), "2 not in the data: t1, t2"),
        (csv_of([0, 1, 0, 1, 0], [*IDS[:3], "x", "y"]), "2 not in the data: x, y; 2 of the data not in it: 3d, 4e"),
        (csv_of([0, 1, 0, 1, 0, 1], [*IDS, "0a"]), r"1 id\(s\) are there more than once"),
        ("id,fold\n", "5 of the data not in it"),
        ("fold,id\n0,0a\n", "has the columns fold,id; expected id,fold"),
        ("id,fold,x\n0a,0,1\n", "has the columns id,fold,x; expected id,fold"),
        ("id;fold\n0a;0\n", "has the columns id;fold; expected id,fold"),
        ("", "is not a csv"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe\x00", "is not a csv"),
        (csv_of([0, 1, 0, 1, "x"]), "not a whole number"),
        (csv_of([0, 1, 0, 1, 0.5]), "not a whole number"),
        (csv_of([0, 1, 0, 1, "1.0"]), "not a whole number"),
        (csv_of([0, 1, 0, 1, ""]), "not a whole number"),
        (csv_of([0, 1, 0, 1, "nan"]), "not a whole number"),
        (csv_of([0, 1, 0, 1, "9" * 30]), "not a whole number|no image is in fold"),
        ("id,fold\n0a,0\n1b,1\n2c,0\n3d,1\n4e\n", r"row 6: 1 field\(s\) under 2 names"),
        (csv_of([0, 1, 0, 1, -2]), "fold -2; folds are 0, 1, …, and -1"),
        (csv_of([0, 1, 3, 1, 0]), "no image is in fold 2"),
        (csv_of([1, 2, 1, 2, 1]), "no image is in fold 0"),
        (csv_of([-1] * 5), "no image is in fold 0"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_one_line_naming_the_file(text, says, tmp_path):
    with pytest.raises(UserError, match=says) as found:
        table_of(text, tmp_path)
    assert "tgs.csv" in str(found.value)
    assert len(str(found.value).splitlines()) == 1


def test_a_fold_number_out_of_all_proportion_is_refused_without_counting_up_to_it(tmp_path):
    import tracemalloc

    table_of(csv_of([0, 1, 0, 1, 2]), tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="no image is in fold 2"):
            table_of(csv_of([0, 1, 0, 1, 200_000]), tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_table_that_is_not_there_is_asked_for(tmp_path):
    with pytest.raises(UserError, match=r"tgs\.csv does not exist; run the stage 'split'"):
        fold_table.read(tmp_path / "tgs.csv", PREPARED)


def test_every_kind_of_picture_is_spread_over_the_folds():
    table = images(np.tile([0.0, 0.1, 0.5], 40))
    table["kind"] = ["dark"] * 90 + ["bright"] * 30
    folds = stratified(table, 5)
    for kind in ("dark", "bright"):
        counts = np.bincount(folds[table["kind"] == kind], minlength=5)
        assert counts.max() - counts.min() <= 3 and counts.min() > 0
