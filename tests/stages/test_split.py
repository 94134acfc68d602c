"""Folds: alike in coverage, groups never split, and tables made by hand read or refused."""

from types import SimpleNamespace

import cv2
import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.competition import Competition, RawData, RawImage, coverage_class
from pipeline.errors import UserError
from pipeline.imaging.metrics import CountMetric, dice
from pipeline.recipe import Recipe
from pipeline.runs import copies
from pipeline.runs.job import Job
from pipeline.stages import prepare
from pipeline.stages import split as split_stage
from pipeline.stages.split import stratified
from pipeline.store import fold_table
from pipeline.store.fold_table import FoldTable
from pipeline.store.paths import Store
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary


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
PREPARED = SimpleNamespace(train_ids=IDS)


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
        (csv_of([0, 1, 0, 1, "0_1"]), "not a whole number"),
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


# copies


def scene(seed: int, shape=(40, 48)) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 200, (6, 6)).astype(np.uint8)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)[..., None]


def as_jpeg(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_GRAYSCALE)[..., None]


def brighter(image: np.ndarray) -> np.ndarray:
    return np.minimum(image.astype(int) + 30, 255).astype(np.uint8)


def halved(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (24, 20), interpolation=cv2.INTER_AREA)[..., None]


def labels_of(image: np.ndarray) -> np.ndarray:
    return (image > 120).astype(np.uint8)


def job_with(root, train, test=(), groups=None, **more) -> Job:
    """Of (id, picture, labels)."""
    groups = groups or {}
    found = [
        RawImage(name, "train", lambda p=picture: p, lambda m=mask: m, group=groups.get(name, ""))
        for name, picture, mask in train
    ]
    found += [RawImage(name, "test", lambda p=picture: p) for name, picture in test]
    chosen = Competition(
        name="tiny",
        title="Tiny",
        page="",
        slug="",
        task=Binary(("salt",)),
        metric=CountMetric("mean Dice", dice),
        read=lambda raw: RawData(found),
        format=Format("id", "rle"),
        symmetry="none",
        recipes={"default": {}},
        costs={},
        **more,
    )
    job = Job(chosen, Recipe(), "default", Store(root, "tiny", "mine"))
    prepare.convert(chosen, None, job.store.prepared, {})
    return job


def pairs_of(change, count=20) -> list:
    """Pictures, and a changed copy of each of the first five."""
    originals = [(f"p{i:02d}", scene(i), labels_of(scene(i))) for i in range(count)]
    changed = [(f"q{i:02d}", change(scene(i)), labels_of(change(scene(i)))) for i in range(5)]
    return originals + changed


def folds_of(job: Job) -> dict[str, int]:
    table = fold_table.read(job.folds_file, job.prepared)
    return dict(zip(job.prepared.table["id"].to_numpy()[job.prepared.train], table.folds.tolist(), strict=True))


@pytest.mark.parametrize("change", [np.copy, as_jpeg, brighter, halved])
def test_copies_are_in_one_fold_where_the_competition_asks_for_it(tmp_path, change, capsys):
    job = job_with(tmp_path / "kept", pairs_of(change), copies="together")
    split_stage.run(job)
    out, found = capsys.readouterr().out, folds_of(job)
    assert all(found[f"p{i:02d}"] == found[f"q{i:02d}"] for i in range(5))
    sizes = np.bincount(list(found.values()))
    assert len(sizes) == 5 and sizes.max() - sizes.min() <= 2
    assert "10 images are copies of each other" in out and "of 5 pictures" in out and "p00, p01" in out
    assert "different folds" not in out
    assert split_stage.is_current(job)


def test_by_themselves_copies_are_dealt_out_as_ever_and_those_apart_are_said(tmp_path, capsys):
    job = job_with(tmp_path, pairs_of(as_jpeg))
    split_stage.run(job)
    found = folds_of(job)
    table = job.prepared.table.iloc[job.prepared.train]
    assert list(found.values()) == stratified(table, 5).tolist()
    apart = [f"p{i:02d} and q{i:02d}" for i in range(5) if found[f"p{i:02d}"] != found[f"q{i:02d}"]]
    assert apart
    said = f"warning: {len(apart)} pair(s) of copies are in different folds: {apart[0]}"
    assert said in capsys.readouterr().out
    assert "copies" not in split_stage.inputs_of(job)


def test_asking_for_copies_to_be_together_changes_nothing_where_there_are_none_or_groups(tmp_path):
    alone = [(f"p{i:02d}", scene(i), labels_of(scene(i))) for i in range(20)]
    for name, train, groups in (
        ("none", alone, None),
        ("groups", pairs_of(np.copy), {f"p{i:02d}": "a" for i in range(9)}),
    ):
        jobs = [job_with(tmp_path / name / word, train, groups=groups, copies=word) for word in ("", "together")]
        for job in jobs:
            split_stage.run(job)
        assert folds_of(jobs[0]) == folds_of(jobs[1])


def test_copies_with_other_labels_and_in_the_test_part_are_said(tmp_path, capsys):
    train = [(f"p{i:02d}", scene(i), labels_of(scene(i))) for i in range(12)]
    train.append(("q00", scene(0), np.zeros_like(scene(0))))
    train.append(("q01", as_jpeg(scene(1)), np.zeros_like(scene(1))))
    job = job_with(tmp_path, train, [("t1", brighter(scene(7))), ("t2", scene(99))], copies="together")
    split_stage.run(job)
    out = capsys.readouterr().out
    assert "warning: 1 pair(s) of exact copies in train have different labels: p00 and q00\n" in out
    assert "warning: 1 pair(s) of near copies in train differ much in coverage: p01 and q01\n" in out
    assert "warning: 1 pair(s) of copies have one image in train and one in test: p07 and t1\n" in out


def test_a_chain_of_frames_does_not_become_one_fold(tmp_path, capsys):
    # each is nearly the one before, and the last is another picture than the first
    first, last = scene(1).astype(float), scene(2).astype(float)
    frames = [(first + (last - first) * i / 23).astype(np.uint8) for i in range(24)]
    train = [(f"f{i:02d}", frame, labels_of(frame)) for i, frame in enumerate(frames)]
    job = job_with(tmp_path, train, copies="together")
    split_stage.run(job)
    assert set(folds_of(job).values()) == set(range(5))
    assert "of copies are in different folds: f" in capsys.readouterr().out


def test_one_picture_many_times_is_dealt_out_and_said(tmp_path, capsys):
    train = [(f"p{i:02d}", scene(0), labels_of(scene(0))) for i in range(9)] + [("q", scene(5), labels_of(scene(5)))]
    job = job_with(tmp_path, train, copies="together")
    split_stage.run(job)
    assert len(set(folds_of(job).values())) == 5
    assert "copies are not kept in one fold: there are too many of one picture" in capsys.readouterr().out


def test_what_is_not_looked_at_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(copies, "MOST_IMAGES", 20)
    train = pairs_of(as_jpeg)
    job = job_with(tmp_path / "said", train, [("t", scene(50))])
    split_stage.run(job)
    assert "6 image(s) were not looked at for copies" in capsys.readouterr().out
    # to keep them together the train part is looked at all the same
    job = job_with(tmp_path / "kept", train, [("t", scene(50))], copies="together")
    split_stage.run(job)
    assert "1 image(s) were not looked at for copies" in capsys.readouterr().out
    found = folds_of(job)
    assert all(found[f"p{i:02d}"] == found[f"q{i:02d}"] for i in range(5))
    monkeypatch.setattr(copies, "MOST_COMPARED", 3)
    split_stage.run(job)
    assert "exact copies alone were looked for" in capsys.readouterr().out


def test_copies_is_one_of_two_words(tmp_path):
    with pytest.raises(UserError, match="tiny: copies is 'apart'; known are: together, or blank"):
        job_with(tmp_path, pairs_of(np.copy), copies="apart")
