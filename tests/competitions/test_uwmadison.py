"""UW-Madison GI tract: its layout drawn in small, its traps, its csv and its score against others' words for them."""

import csv
import re

import cv2
import numpy as np
import pytest
from scipy.spatial import KDTree

from pipeline.competitions import uwmadison
from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from pipeline.recipe import Recipe
from pipeline.runs import official
from pipeline.runs.job import Job
from pipeline.stages import prepare
from pipeline.store import submission
from pipeline.store.paths import Store
from pipeline.store.prepared import Prepared
from pipeline.tasks import scoring
from tests.competitions.packing import in_zip, unpacked
from tests.start import TINY, run

ORGANS = ("large_bowel", "small_bowel", "stomach")
# width and height, as the names of files have them
SCANS = {"case2_day1": (12, 12), "case2_day10": (9, 14), "case30_day5": (16, 10)}
SLICES = 4


def picture(scan, number):
    width, height = SCANS[scan]
    return np.full((height, width), 3000 + 100 * number, np.uint16)


def masks(scan, number):
    """H x W x 3: the last two overlap, the first slice is empty."""
    width, height = SCANS[scan]
    found = np.zeros((height, width, 3), np.uint8)
    if number > 1:
        found[1:3, 2 : 4 + number, 0] = 1
        found[4:8, 1:6, 1] = 1
        found[6:9, 3:8, 2] = number == 3
    return found


def across(mask):
    """Run lengths, counted pixel by pixel along the rows: written without any code of ours."""
    words, start = [], None
    pixels = [*mask.reshape(-1).tolist(), 0]
    for place, value in enumerate(pixels, 1):
        if value and start is None:
            start = place
        elif not value and start is not None:
            words += [start, place - start]
            start = None
    return " ".join(map(str, words))


def png(image):
    return cv2.imencode(".png", image)[1].tobytes()


def files(part="train"):
    rows, content = ["id,class,segmentation"], {}
    for scan, (width, height) in SCANS.items():
        for number in range(1, SLICES + 1):
            case = scan.split("_")[0]
            path = f"{part}/{case}/{scan}/scans/slice_{number:04d}_{width}_{height}_1.50_1.50.png"
            content[path] = png(picture(scan, number))
            for k, organ in enumerate(ORGANS):
                rows.append(f"{scan}_slice_{number:04d},{organ},{across(masks(scan, number)[..., k])}")
    return {**content, "train.csv": "\n".join(rows).encode() + b"\n", "sample_submission.csv": b"id,class,predicted\n"}


def found(folder):
    with RawFiles(folder) as raw:
        data = uwmadison.read(raw)
        return {image.id: (image, image.image(), image.labels()) for image in data.images}, data.notes


@pytest.mark.parametrize("packing", [unpacked, lambda folder, content: in_zip(folder / "uw.zip", content)])
def test_slices_have_their_own_size_sixteen_bits_and_three_organs_that_overlap(tmp_path, packing):
    images, notes = found(packing(tmp_path, files()))
    assert len(images) == len(SCANS) * SLICES
    for name, (image, pixels, labels) in images.items():
        scan, number = name.split("_slice_")
        assert (image.group, image.volume) == (scan.split("_")[0], scan)
        assert pixels.dtype == np.uint16 and np.array_equal(pixels[..., 0], picture(scan, int(number)))
        assert labels.dtype == np.uint8 and np.array_equal(labels, masks(scan, int(number)))
        assert image.doubt(labels) is None
    assert any((labels.sum(axis=2) > 1).any() for _, _, labels in images.values())
    assert len(notes) == 1 and "placeholder" in notes[0]


def test_without_a_sample_of_any_row_test_slices_are_answered_in_the_order_of_their_names(tmp_path):
    content = files() | {path: data for path, data in files("test").items() if path.startswith("test/")}
    content = {path.replace("case", "case9") if "test/" in path else path: data for path, data in content.items()}
    unpacked(tmp_path / "raw", content)
    with RawFiles(tmp_path / "raw") as raw:
        prepare.convert(uwmadison.competition, raw, tmp_path / "prepared", {})
    prepared = Prepared(tmp_path / "prepared")
    assert prepared.sample is None and prepared.truth is None
    ids = submission.expected(uwmadison.competition, prepared).ids
    assert len(ids) == len(SCANS) * SLICES and ids == sorted(ids)


def test_a_damaged_slice_stands_in_at_the_size_of_its_scan_and_not_of_another_day(tmp_path):
    content = files() | {path.replace("case", "case9"): data for path, data in files("test").items() if "test/" in path}
    for path in content:
        if "case92_day10/" in path or "case92_day1/" in path:
            content[path] = b"no picture" if "slice_0001" in path else content[path]
    unpacked(tmp_path / "raw", content)
    with RawFiles(tmp_path / "raw") as raw:
        prepare.convert(uwmadison.competition, raw, tmp_path / "prepared", {}, stands_in=True)
    prepared = Prepared(tmp_path / "prepared")
    table = prepared.table.set_index("id")
    assert sorted(prepared.info["bad"]) == ["case92_day10_slice_0001", "case92_day1_slice_0001"]
    for name in prepared.info["bad"]:
        width, height = SCANS[uwmadison.scan_of(name).replace("case9", "case")]
        assert (table["height"][name], table["width"][name]) == (height, width)


def test_runs_go_across_the_rows_of_a_picture_that_is_no_square(tmp_path):
    images, _ = found(unpacked(tmp_path, files()))
    _, pixels, labels = images["case30_day5_slice_0003"]
    assert pixels.shape == (10, 16, 1)
    # 2 + 16 is one row further down
    assert labels[1, 2, 0] and not labels[2, 1, 0]


def test_a_name_with_another_size_is_a_doubt_and_the_picture_holds(tmp_path):
    content = files()
    path = next(path for path in content if "case30_day5" in path)
    content[path.replace("_16_10_", "_16_11_")] = content.pop(path)
    images, _ = found(unpacked(tmp_path, content))
    image, pixels, labels = images["case30_day5_slice_0001"]
    assert pixels.shape[:2] == labels.shape[:2] == (10, 16)
    assert image.doubt(labels) == "the size in its name is not that of the picture"


def test_scans_that_are_known_to_be_wrong_are_left_out_and_said(tmp_path):
    content = files()
    for path in [path for path in content if "case2_day10" in path]:
        content[path.replace("case2_day10", "case81_day30").replace("case2/", "case81/")] = content.pop(path)
    content["train.csv"] = content["train.csv"].replace(b"case2_day10", b"case81_day30")
    images, notes = found(unpacked(tmp_path, content))
    assert not any("case81" in name for name in images) and len(images) == 2 * SLICES
    assert notes[0].startswith(f"{SLICES} slice(s) of case7_day0, case81_day30 are left out")


def test_a_slice_that_the_table_does_not_name_is_said(tmp_path):
    content = files()
    content["train.csv"] = re.sub(rb"case2_day1_slice_0002,.*\n", b"", content["train.csv"])
    images, notes = found(unpacked(tmp_path, content))
    assert len(images) == len(SCANS) * SLICES - 1
    assert "1 slice(s) are not in train.csv, and left out: case2_day1_slice_0002" in notes


def _drop_pictures(content):
    for path in [path for path in content if "/" in path]:
        content.pop(path)


def _row(content, old, new):
    content["train.csv"] = re.sub(old, new, content["train.csv"], count=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop_pictures, "holds no train/case"),
        (lambda c: c.pop("train.csv"), "holds no train.csv"),
        (lambda c: c.pop(next(path for path in c if "slice_0002" in path)), "1 of 12 slices of train.csv have no"),
        (
            lambda c: _row(c, rb"case2_day1_slice_0002,stomach,.*\n", b""),
            "1 slice(s) have no row for each of large_bowel",
        ),
        (lambda c: _row(c, rb",stomach,", b",liver,"), "'liver' of case2_day1_slice_0001 is none of"),
        (lambda c: _row(c, rb"slice_0001,stomach,", b"slice_0001,stomach,140 20"), "case2_day1_slice_0001"),
        (lambda c: _row(c, rb"slice_0001,stomach,", b"slice_0001,stomach,7"), "case2_day1_slice_0001"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, change, message):
    content = files()
    change(content)
    with pytest.raises(UserError) as caught:
        found(unpacked(tmp_path, content))
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A job on what the competition draws, prepared."""
    root = tmp_path_factory.mktemp("uwmadison")
    uwmadison.draw(root / "raw")
    job = Job(uwmadison.competition, Recipe(), "quick", Store(root, "uwmadison", "mine"))
    with RawFiles(root / "raw") as raw:
        prepare.convert(job.competition, raw, job.store.prepared, {})
    return root, job


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [list(row.values()) for row in csv.DictReader(file)]


def test_what_is_drawn_is_read_in_the_sizes_of_the_competition(drawn):
    _, job = drawn
    table = job.prepared.table
    sizes = set(zip(table["height"], table["width"], strict=True))
    assert {(310, 360), (266, 266)} <= sizes and (360, 310) not in sizes
    assert job.prepared.info["dtype"] == "uint16" and job.prepared.truth is not None
    assert 0.1 < job.prepared.info["empty"] < 0.6
    assert any("known to be wrong" in note for note in job.prepared.notes)
    assert not any("size in its name" in note for note in job.prepared.notes)


def test_neighbours_are_slices_of_one_scan_and_groups_are_cases(drawn):
    _, job = drawn
    table, images = job.prepared.table, job.prepared.view(neighbours=1).images
    scans = table["id"].map(uwmadison.scan_of)
    for row in range(len(table)):
        around = images.around(row)
        assert set(scans.iloc[around]) == {scans.iloc[row]} and len(around) == 3
    assert sorted(set(table["group"])) == sorted({scan.split("_")[0] for scan in scans})
    # two scans of one case and of one size lie side by side: nothing but the scan keeps them apart
    assert table.groupby("group")["volume"].nunique().max() >= 2


def test_drawing_twice_gives_the_same_slices():
    for (one, truth), (other, again) in zip(uwmadison._scan(3, 16), uwmadison._scan(3, 16), strict=True):
        assert np.array_equal(one, other) and np.array_equal(truth, again)


def test_the_truth_as_predictions_scores_1_and_its_csv_is_that_of_another_encoder(drawn):
    root, job = drawn
    competition, rows = job.competition, job.prepared.test
    task, form = competition.task, competition.format
    written = []
    for row in rows:
        name = job.prepared.table["id"].iloc[row]
        decoded = task.decode(task.target(job.prepared.truth[row - rows[0]]), task.plain_thresholds())
        written += submission.rows_of(name, task.texts(form.turned(decoded)), form, task.classes)
    truth = {(name, organ): field for name, organ, field in rows_of(root / "raw" / "test_truth.csv")}
    wanted = submission.expected(competition, job.prepared)
    submission.validate(submission.table_from(written, form), form, wanted, "here")
    assert form.columns == ["id", "class", "predicted"] and len(written) == 3 * len(rows)
    for name, organ, field in written:
        place = job.prepared.table["id"].tolist().index(name)
        assert field == across(job.prepared.truth[place - rows[0]][..., ORGANS.index(organ)]) == truth[name, organ]
    labels = [job.prepared.truth[row - rows[0]] for row in rows]
    tally = official.tally(job, rows, enumerate(labels), job.prepared.truth, first=rows[0])
    assert tally.score() == 1
    again = submission.decoded(submission.table_from(written, form), form, wanted, task)
    assert all(np.array_equal(one, other) for one, other in zip(again, labels, strict=True))


def literal_score(answers, truth):
    """As the evaluation page says it: {slice: H x W x 3}, twice."""
    dice, days = [], {}
    for name in truth:
        for k in range(3):
            found, true = answers[name][..., k].astype(bool), truth[name][..., k].astype(bool)
            if found.any() or true.any():
                dice.append(2 * (found & true).sum() / (found.sum() + true.sum()))
        days.setdefault(name.split("_slice_")[0], []).append(name)
    distances = []
    for names in days.values():
        found, true = (np.stack([m[name].any(axis=2) for name in sorted(names)]) for m in (answers, truth))
        if not found.any() and not true.any():
            continue
        if not found.any() or not true.any() or found.sum() > 10 * true.sum():
            distances.append(1.0)
            continue
        one, other = (np.argwhere(volume) / volume.shape for volume in (found, true))
        farthest = max(KDTree(other).query(one)[0].max(), KDTree(one).query(other)[0].max())
        distances.append(farthest / np.sqrt(3))
    return 0.4 * np.mean(dice) + 0.6 * (1 - np.mean(distances))


@pytest.mark.parametrize("kind", ["moved", "one organ missing", "nothing", "far too much"])
def test_a_wrong_answer_gets_what_the_evaluation_page_says(drawn, kind):
    _, job = drawn
    rows = job.prepared.test
    names = job.prepared.table["id"].iloc[rows].tolist()
    truth = {name: np.asarray(job.prepared.truth[i]) for i, name in enumerate(names)}
    answers = {}
    for i, name in enumerate(names):
        wrong = np.roll(truth[name], (4 + i % 3, -3, 0), axis=(0, 1, 2)) if kind == "moved" else truth[name].copy()
        if kind == "one organ missing":
            wrong[..., i % 3] = 0
        if kind == "nothing" and "case30" in name:
            wrong[:] = 0
        if kind == "far too much" and "day22" in name:
            wrong[:] = 1
        answers[name] = wrong
    decoded = enumerate(answers[name] for name in names)
    found = official.tally(job, rows, decoded, job.prepared.truth, first=rows[0]).score()
    assert found == pytest.approx(literal_score(answers, truth), abs=1e-9) and 0 < found < 1


def test_the_metric_that_is_searched_is_dice_of_slices_and_organs(drawn):
    _, job = drawn
    truth = [np.asarray(job.prepared.truth[i]) for i in range(len(job.prepared.test))]
    wrong = [np.roll(labels, 5, axis=0) for labels in truth]
    items = [("", job.competition.task.target(labels), true) for labels, true in zip(wrong, truth, strict=True)]
    task = job.competition.task
    tally = scoring.count(job.competition.metric, task, items, task.plain_thresholds())
    each = [
        1.0 if not (a.any() or b.any()) else 2 * (a & b).sum() / (a.sum() + b.sum())
        for found, true in zip(wrong, truth, strict=True)
        for a, b in zip(np.moveaxis(found, 2, 0), np.moveaxis(true, 2, 0), strict=True)
    ]
    assert tally.score() == pytest.approx(np.mean(each), abs=1e-9)


@pytest.mark.slow
def test_from_nothing_to_a_valid_submission_that_says_that_its_data_is_drawn(tmp_path, nobody):
    smallest = [*TINY, "--trained-folds", "1", "--recipe", "smoke", "--run", "tiny"]
    out = run("uwmadison", *smallest, root=tmp_path)
    assert "THE DATA IS DRAWN" in out and "submissions/uwmadison-tiny.csv: valid" in out
    assert ".4 Dice + .6 (1 - Hausdorff) of scans" in out
    assert "THE DATA IS DRAWN" in (tmp_path / "runs" / "uwmadison" / "tiny" / "report.html").read_text()
    refused = run("uwmadison", "upload", *smallest, root=tmp_path, status=2)
    assert "its data here is drawn" in refused
