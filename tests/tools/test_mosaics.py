"""./run.sh … mosaics: found, shown, and made the groups of folds; groups of the user's own in every stage."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError
from pipeline.imaging.metrics import CountMetric, dice, each_group
from pipeline.imaging.official import OfficialMetric, by_group
from pipeline.imaging.unit_measures import DICE_AND_HAUSDORFF
from pipeline.recipe import Recipe
from pipeline.runs import trained
from pipeline.runs.job import Job
from pipeline.stages import prepare, report, split, tune
from pipeline.store import disk
from pipeline.store.paths import Store
from pipeline.store.predictions import PredictionWriter
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary
from pipeline.tasks.volume import Volume
from pipeline.tools import mosaics
from tests.imaging.test_mosaics import SIDE, picture, stored, unrelated

FOLDS = 2
ROWS, COLUMNS = 3, 4
TESTS = {"t0_1", "t2_3"}  # tiles of the mosaic that are test images


def competition(images=None, **changes) -> Competition:
    """A mosaic of 3 x 4, of which two tiles are test images, among 30 other train images; bright is labelled."""
    whole = picture(1, SIDE * ROWS, SIDE * COLUMNS)
    tiles = {
        f"t{r}_{c}": whole[SIDE * r : SIDE * (r + 1), SIDE * c : SIDE * (c + 1)] for r, c in np.ndindex(ROWS, COLUMNS)
    }
    tiles |= {f"o{k:02}": image for k, image in enumerate(unrelated(30))}
    given = []
    for name, tile in tiles.items():
        part, image = "test" if name in TESTS else "train", stored(tile)
        labels = None if part == "test" else (lambda image=image: (image > 140).astype(np.uint8))
        given.append(RawImage(name, part, lambda image=image: image, labels))
    fields = {
        "name": "plan",
        "title": "Plan",
        "page": "",
        "slug": "",
        "task": Binary(("bright",)),
        "metric": CountMetric("mean Dice", dice),
        "read": lambda raw: RawData(given if images is None else images),
        "format": Format("id", "rle"),
        "symmetry": "none",
        "recipes": {"quick": {}},
        "costs": {},
    }
    return Competition(**{**fields, **changes})


def job_of(root, chosen: Competition) -> Job:
    job = Job(chosen, Recipe(folds=FOLDS), "quick", Store(root, "plan", "mine"))
    if not job.store.prepared.exists():
        prepare.convert(chosen, None, job.store.prepared, {})
    return job


@pytest.fixture
def found(tmp_path, monkeypatch, capsys):
    """The job, and what was said; the data is prepared by hand here, so nothing needs to be brought up to date."""
    monkeypatch.setattr(mosaics.order, "bring_up_to_date", lambda job, stage: None)
    job = job_of(tmp_path, competition())
    assert mosaics.run(job, [], groups=True) == 0
    return job, capsys.readouterr().out.splitlines()


def test_it_says_what_it_found_and_writes_it(found):
    job, lines = found
    assert lines[0].startswith("17 pair(s) of images have edges that continue each other; read backwards")
    assert "0 do: about 0.0% of them are wrong" in lines[0]
    assert lines[1] == "1 mosaic(s) of 12 tiles among 42 images: 1 of 12"
    # 17 edges, of which the two test tiles have 3 and 2
    assert lines[3].startswith("labels on both sides of 12 shared edges of train images agree in ")
    agree, other = (
        float(text.split("%")[0]) for text in (lines[3].split("agree in ")[1], lines[3].split("order: ")[1])
    )
    assert agree > 80 > 70 > other
    assert lines[4] == "2 test image(s) are in a mosaic, 2 of them beside a train image"
    rows = {row["id"]: row for row in disk.read_rows(job.store.data / "mosaics.csv")}
    assert rows.keys() == {f"t{r}_{c}" for r, c in np.ndindex(ROWS, COLUMNS)}
    assert all((row["row"], row["column"]) == (name[1], name[3]) for name, row in rows.items())
    assert set(rows["t2_3"]["labelled_neighbours"].split(";")) == {"t1_3", "t2_2"}
    assert set(rows["t0_0"]["labelled_neighbours"].split(";")) == {"t1_0"}
    page = (job.store.data / "mosaics.html").read_text()
    assert "Mosaic 0: 12 tiles, 2 of them test images" in page and page.count("<img") == 1
    groups = disk.read_rows(job.store.own_groups)
    assert {row["id"] for row in groups} == rows.keys() - TESTS and {row["group"] for row in groups} == {"mosaic 0"}


def held_out(job: Job) -> Job:
    random = np.random.default_rng(0)
    for fold in range(FOLDS):
        rows = job.fold_table.held_out(fold)
        inputs = trained.inputs_of(job, fold)
        with PredictionWriter(job.store.fold(fold), "valid", 1, inputs, False, len(rows), "") as writer:
            for row in rows:
                answer = np.where(job.prepared.labels[row] != 0, 170, 80) + random.normal(0, 40, (SIDE, SIDE, 1))
                answer = answer.clip(0, 255).astype(np.uint8)
                writer.add(job.prepared.columns["id"][row], answer, answer)
    return job


def test_its_groups_are_those_of_folds_errors_and_records(found, capsys):
    job, _ = found
    without = Job(job.competition, job.recipe, "quick", replace(job.store, root=job.store.root / "without"))
    prepare.convert(job.competition, None, without.store.prepared, {})
    split.run(without)
    fresh = replace(job)
    split.run(fresh)
    out = capsys.readouterr().out
    assert "groups of folds/plan-groups.csv: 10 train images in 1 groups, every other image alone" in out
    counts = [int(line.split(", ")[-1].split()[0]) for line in out.splitlines() if line.endswith(" groups")]
    assert sum(counts) == 31 and "are in several folds" not in out
    fold_of = dict(zip(fresh.fold_table.ids, fresh.fold_table.folds.tolist(), strict=True))
    assert len({fold for name, fold in fold_of.items() if name.startswith("t")}) == 1
    held_out(fresh)
    tune.run(fresh)
    kept = disk.read_json(fresh.store.thresholds)
    assert kept["units"] == 40 and kept["n"] == 40
    crossed = tune.cross_fitted(fresh)
    tally = crossed.tally(fresh.competition.metric)
    assert len(tally.deviations()) == 31 and kept["standard_error"] == pytest.approx(tally.error())
    report.run(fresh)
    assert "Groups of plan-groups.csv: 10 train images in 1 groups" in fresh.store.report.read_text()
    assert split.is_current(replace(job)) and tune.is_current(replace(job)) and report.is_current(replace(job))

    # other groups: folds, thresholds and page are no longer true, and with other folds what was trained is refused
    rows = [*disk.read_rows(job.store.own_groups), {"id": "o00", "group": "pair"}, {"id": "o01", "group": "pair"}]
    disk.write_rows(job.store.own_groups, ["id", "group"], [row.values() for row in rows])
    changed = replace(job)
    assert not split.is_current(changed) and not tune.is_current(changed) and not report.is_current(changed)
    job.store.own_groups.unlink()
    gone = replace(job)
    assert not split.is_current(gone) and not tune.is_current(gone)
    split.run(gone)
    with pytest.raises(UserError, match="was made from other folds than now"):
        trained.check(replace(job))


def test_without_such_a_file_nothing_is_recorded_of_it(tmp_path):
    job = job_of(tmp_path, competition())
    assert "groups" not in split.inputs_of(job) and job.prepared.own_groups == ""


def test_where_nothing_but_chance_is_found_it_says_so_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mosaics.order, "bring_up_to_date", lambda job, stage: None)
    images = [
        RawImage(f"o{k:02}", "train", lambda i=image: stored(i), lambda i=image: (i > 140).astype(np.uint8))
        for k, image in enumerate(unrelated(30))
    ]
    job = job_of(tmp_path, competition(images))
    assert mosaics.run(job, []) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("0 do: nothing but chance is found here")
    assert not list(job.store.data.glob("mosaics*"))
    with pytest.raises(UserError, match="no mosaics of several train images to make groups of"):
        mosaics.run(job, [], groups=True)
    assert not job.store.own_groups.exists()
    for wrong in ((None, []), (job, ["more"])):
        with pytest.raises(UserError, match="mosaics wants a competition and nothing more"):
            mosaics.run(*wrong)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,group\no00,a\no00,b\n", r"1 id\(s\) are there more than once: o00"),
        ("id,group\nnobody,a\n", r"1 id\(s\) are of no image: nobody"),
        ("id\no00\n", "has the columns id; expected id,group"),
    ],
)
def test_groups_that_do_not_fit_are_refused(tmp_path, text, told):
    job = job_of(tmp_path, competition())
    disk.write_text(job.store.own_groups, text)
    with pytest.raises(UserError, match=told):
        job.prepared  # noqa: B018


def test_groups_of_the_data_and_scores_of_groups_come_first(tmp_path, monkeypatch):
    monkeypatch.setattr(mosaics.order, "bring_up_to_date", lambda job, stage: None)
    job = job_of(tmp_path, competition())
    disk.write_rows(job.store.own_groups, ["id", "group"], [("o00", "a"), ("o01", "a")])
    metric = CountMetric("mean Dice", dice, each_group)
    for changes in (
        {"metric": metric},
        {"task": Volume(("bright",)), "metric": metric},
        {"official": OfficialMetric("theirs", DICE_AND_HAUSDORFF, unit_of=by_group)},
    ):
        with pytest.raises(UserError, match="other groups would be another score"):
            replace(job, competition=competition(**changes)).prepared  # noqa: B018
    images = [replace(image, group="g") for image in competition().read(None).images]
    grouped = job_of(tmp_path / "grouped", competition(images))
    with pytest.raises(UserError, match="plan has groups already"):
        mosaics.run(grouped, [], groups=True)
    disk.write_rows(grouped.store.own_groups, ["id", "group"], [("o00", "a")])
    with pytest.raises(UserError, match="the data has groups of its own"):
        replace(grouped).prepared  # noqa: B018
