"""Vesuvius ink: its layout drawn in small, its traps, its csv and its score against others' words for them."""

import csv

import cv2
import numpy as np
import pytest
from sklearn.metrics import fbeta_score

from pipeline.competitions import vesuvius
from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from pipeline.recipe import Recipe
from pipeline.runs.job import Job
from pipeline.stages import prepare
from pipeline.store import submission
from pipeline.store.paths import Store
from pipeline.tasks import scoring
from tests.competitions import drawn_truth
from tests.competitions.packing import in_zip, unpacked
from tests.start import TINY, run

# height and width
SIZES = {"train/1": (9, 14), "train/2": (16, 11), "train/3": (8, 8), "test/a": (7, 12), "test/b": (12, 7)}
READ = range(24, 40)


def layer(place, number):
    """Another number in every slice; 0 in a corner of one."""
    found = np.full(SIZES[place], 1000 * len(place) + 10 * number, np.uint16)
    found[:, 3] += 1
    if number == 30:
        found[2, 2] = 0
    return found


def papyrus(place):
    found = np.ones(SIZES[place], np.uint8)
    found[0], found[:, -1] = 0, 0
    return found


def ink(place):
    """More pixels across than down, so that the orders of runs differ."""
    found = np.zeros(SIZES[place], np.uint8)
    found[2, 1:6], found[3, 2:4] = 1, 1
    return found


def across(mask):
    """Run lengths, counted pixel by pixel along the rows: written without any code of ours."""
    words, start = [], None
    for place, value in enumerate([*np.asarray(mask).reshape(-1).tolist(), 0], 1):
        if value and start is None:
            start = place
        elif not value and start is not None:
            words += [start, place - start]
            start = None
    return " ".join(map(str, words))


def encoded(kind, image):
    return cv2.imencode(kind, image)[1].tobytes()


def files(layers=READ):
    content = {"sample_submission.csv": b"Id,Predicted\na,1 1 5 1\nb,1 1 5 1\n"}
    for place in SIZES:
        for number in layers:
            content[f"{place}/surface_volume/{number:02d}.tif"] = encoded(".tif", layer(place, number))
        content[f"{place}/mask.png"] = encoded(".png", papyrus(place) * np.uint8(255))
        if place.startswith("train"):
            content[f"{place}/inklabels.png"] = encoded(".png", ink(place) * np.uint8(255))
            row = f"Id,Predicted\n{place[-1]},{across(ink(place))}\n"
            content[f"{place}/inklabels_rle.csv"] = row.encode()
            content[f"{place}/ir.png"] = encoded(".png", ink(place))
    return content


def whole(bands):
    return np.concatenate(list(bands))


def found(folder):
    with RawFiles(folder) as raw:
        data = vesuvius.read(raw)
        return {
            f"{image.part}/{image.id}": (image, whole(image.image()), image.labels() if image.labels else None)
            for image in data.images
        }, data


@pytest.mark.parametrize("packing", [unpacked, lambda folder, content: in_zip(folder / "ink.zip", content)])
def test_slices_around_the_surface_are_channels_and_pixels_beside_the_papyrus_hold_nothing(tmp_path, packing):
    images, data = found(packing(tmp_path, files()))
    assert images.keys() == SIZES.keys() and data.nodata == 0 and data.notes == []
    for place, (image, pixels, labels) in images.items():
        assert image.group == image.id and pixels.dtype == np.uint16 and pixels.shape == (*SIZES[place], 16)
        beside = papyrus(place) == 0
        assert (pixels[beside] == 0).all() and (pixels[~beside] > 0).all()
        for k, number in enumerate(READ):
            wanted = layer(place, number)
            wanted[wanted == 0] = 1
            assert np.array_equal(pixels[..., k][~beside], wanted[~beside])
        if place.startswith("train"):
            assert labels.dtype == np.uint8 and np.array_equal(labels[..., 0], ink(place))
            assert image.doubt(labels) is None
        else:
            assert labels is None


@pytest.mark.parametrize("kept", ["inklabels.png", "inklabels_rle.csv"])
def test_picture_or_run_lengths_of_the_ink_are_enough(tmp_path, kept):
    dropped = {"inklabels.png": "inklabels_rle.csv", "inklabels_rle.csv": "inklabels.png"}[kept]
    content = {path: data for path, data in files().items() if not path.endswith(dropped)}
    images, _ = found(unpacked(tmp_path, content))
    assert np.array_equal(images["train/2"][2][..., 0], ink("train/2"))


def test_slices_that_are_not_read_are_said(tmp_path):
    content = files()
    for place in SIZES:
        for number in (0, 23, 40, 64):
            content[f"{place}/surface_volume/{number:02d}.tif"] = b"never read"
    _, data = found(unpacked(tmp_path, content))
    assert len(data.notes) == 1
    assert data.notes[0].startswith("16 slices of each fragment are read, 24 to 39; 4 others are not: 0, 23, 40, 64")


def test_labels_that_differ_and_ink_beside_the_papyrus_are_doubts_with_their_pixels(tmp_path):
    content = files()
    content["train/1/inklabels_rle.csv"] = b"Id,Predicted\n1,1 1\n"
    mask = papyrus("train/3")
    mask[2, 1:4] = 0
    content["train/3/mask.png"] = encoded(".png", mask * np.uint8(255))
    images, _ = found(unpacked(tmp_path, content))
    said = {place: image.doubt(labels) for place, (image, _, labels) in images.items()}
    assert (said["train/1"].pixels, said["train/3"].pixels) == (7, 3) and said["train/2"] is None
    assert "differ" in said["train/1"].text and "beside the papyrus" in said["train/3"].text
    assert images["train/3"][2].sum() == 7


def _drop(*endings):
    def change(content):
        for path in [path for path in content if path.endswith(endings)]:
            content.pop(path)

    return change


def _put(path, data):
    return lambda content: content.update({path: data})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop(".tif", ".png", "rle.csv"), "holds no train/1/surface_volume"),
        (_drop("train/2/surface_volume/31.tif"), "train/2 holds no surface_volume/31.tif"),
        (_drop("test/b/mask.png"), "test/b holds no mask.png"),
        (_drop("train/1/inklabels.png", "train/1/inklabels_rle.csv"), "train/1 holds neither inklabels.png nor"),
        (_put("train/2/surface_volume/24.tif", encoded(".tif", np.zeros((4, 5), np.uint16))), "has 5 x 4 (width"),
        (_put("train/2/surface_volume/24.tif", encoded(".tif", np.zeros((16, 11), np.uint8))), "of uint8"),
        (_put("train/2/surface_volume/24.tif", b"II*\0"), "train/2/surface_volume/24.tif"),
        (_put("train/1/mask.png", encoded(".png", np.arange(126, dtype=np.uint8).reshape(9, 14))), "train/1/mask.png"),
        (_put("train/1/inklabels_rle.csv", b"Id,Predicted\n1,126 2\n"), "14 x 9 pixels"),
        (_put("train/1/inklabels_rle.csv", b"Id,Predicted\n1,5\n"), "train/1/inklabels_rle.csv"),
        (_put("train/1/inklabels_rle.csv", b"Id,Predicted\n1,5 1\n2,5 1\n"), "has 2 rows"),
        (_put("train/1/inklabels_rle.csv", b"id,rle\n1,5 1\n"), "has no columns Id,Predicted"),
        (_put("sample_submission.csv", b"id,predicted\na,1 1\n"), "Id,Predicted"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, change, message):
    content = files()
    change(content)
    with pytest.raises(UserError) as caught:
        found(unpacked(tmp_path, content))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_labels_of_another_size_than_their_slices_are_refused(tmp_path):
    content = files()
    content["train/1/inklabels.png"] = encoded(".png", ink("train/1").T * np.uint8(255))
    with RawFiles(unpacked(tmp_path, content)) as raw, pytest.raises(UserError, match="image 1 is 9 x 14 x 1"):
        prepare.convert(vesuvius.competition, raw, tmp_path / "prepared", {})


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A job on what the competition draws, prepared."""
    root = tmp_path_factory.mktemp("vesuvius")
    vesuvius.draw(root / "raw")
    job = Job(vesuvius.competition, Recipe(), "quick", Store(root, "vesuvius", "mine"))
    with RawFiles(root / "raw") as raw:
        prepare.convert(job.competition, raw, job.store.prepared, {})
    return root, job


def test_what_is_drawn_has_65_slices_of_16_bits_and_fragments_that_are_no_squares(drawn):
    root, job = drawn
    assert len(list((root / "raw" / "train" / "1" / "surface_volume").iterdir())) == 65
    assert sorted(path.name for path in (root / "raw" / "train" / "2").iterdir()) == [
        "inklabels.png",
        "inklabels_rle.csv",
        "ir.png",
        "mask.png",
        "surface_volume",
    ]
    table, info = job.prepared.table, job.prepared.info
    assert table["id"].tolist() == ["1", "2", "3", "a", "b"] and table["group"].tolist() == table["id"].tolist()
    assert all(table["height"] != table["width"]) and (info["dtype"], info["channels"]) == ("uint16", 16)
    assert 0.15 < info["nodata"] < 0.5 and info["empty"] == 0 and job.prepared.truth is not None
    assert len(job.prepared.notes) == 1 and "49 others are not" in job.prepared.notes[0]
    with (root / "raw" / "train" / "2" / "inklabels_rle.csv").open(newline="") as file:
        assert [row["Predicted"] for row in csv.DictReader(file)] == [across(job.prepared.labels[1][..., 0])]


def test_runs_down_the_columns_would_be_found_out(drawn):
    root, _ = drawn
    with RawFiles(root / "raw") as raw:
        image = next(image for image in vesuvius.read(raw).images if image.id == "2")
        # the run lengths alone, of a picture of 200 x 260
        one = image.labels.__self__
        one.files.pop("inklabels.png")
        labels = image.labels()[..., 0]
    wanted = cv2.imread(str(root / "raw" / "train" / "2" / "inklabels.png"), cv2.IMREAD_UNCHANGED) > 0
    assert np.array_equal(labels, wanted) and labels.shape == (200, 260)


def test_nothing_is_known_beside_the_papyrus(drawn):
    root, job = drawn
    view = job.prepared.view(scaling=job.prepared.scaling)
    assert view.has_gaps
    for row, name in ((0, "train/1"), (3, "test/a")):
        mask = cv2.imread(str(root / "raw" / name / "mask.png"), cv2.IMREAD_UNCHANGED) > 0
        known = np.asarray(view.known(row))[..., 0] > 0
        assert np.array_equal(known, mask)
        assert np.array_equal(view.blanked(row, np.full((*mask.shape, 1), 9, np.uint8))[..., 0] == 9, mask)


def test_the_truth_as_predictions_scores_1_and_its_csv_is_that_of_another_encoder(drawn):
    drawn_truth.is_found_and_written(drawn[1], across, ["Id", "Predicted"], ["a", "b"])


def test_nothing_found_is_written_as_the_first_pixel_and_a_blank_field_is_refused(drawn):
    _, job = drawn
    task, form = job.competition.task, job.competition.format
    wanted = submission.expected(job.competition, job.prepared)
    rows = []
    for name, height, width in zip(wanted.ids, wanted.heights, wanted.widths, strict=True):
        nothing = np.zeros((height, width, 1), np.uint8)
        rows += submission.rows_of(name, task.texts(form.turned(nothing)), form, task.classes)
    assert rows == [["a", "1 1"], ["b", "1 1"]]
    submission.validate(submission.table_from(rows, form), form, wanted, "here")
    for wrong in ([["a", "1 1"], ["b", ""]], rows[::-1]):
        with pytest.raises(UserError, match="row"):
            submission.validate(submission.table_from(wrong, form), form, wanted, "here")


@pytest.mark.parametrize("kind", ["moved", "far too much", "one fragment missing"])
def test_a_wrong_answer_gets_the_f05_of_all_pixels_of_the_set(drawn, kind):
    _, job = drawn
    task = job.competition.task
    truth = [np.asarray(job.prepared.truth[i]) for i in range(len(job.prepared.test))]
    wrong = [np.roll(labels, (2 + i, -1, 0), axis=(0, 1, 2)) for i, labels in enumerate(truth)]
    if kind == "far too much":
        wrong[0] = np.ones_like(wrong[0])
    if kind == "one fragment missing":
        wrong[1] = np.zeros_like(wrong[1])
    items = [("", task.target(found), labels) for found, labels in zip(wrong, truth, strict=True)]
    score = scoring.count(job.competition.metric, task, items, task.plain_thresholds()).score()
    flat = [np.concatenate([labels.ravel() for labels in many]) for many in (truth, wrong)]
    assert score == pytest.approx(fbeta_score(*flat, beta=0.5), abs=1e-9) and 0 < score < 1
    # by the words of the evaluation page
    hits, precision, recall = np.sum(flat[0] & flat[1]), flat[1].sum(), flat[0].sum()
    p, r = hits / precision, hits / recall
    assert score == pytest.approx(1.25 * p * r / (0.25 * p + r), abs=1e-9)


@pytest.mark.slow
def test_from_nothing_to_a_valid_submission_that_says_that_its_data_is_drawn(tmp_path, nobody):
    smallest = [*TINY, "--trained-folds", "1", "--recipe", "smoke", "--run", "tiny"]
    out = run("vesuvius", *smallest, root=tmp_path)
    assert "THE DATA IS DRAWN" in out and "submissions/vesuvius-tiny.csv: valid" in out
    assert "score on the hidden truth" in out and "only" not in out.split("train:")[0].split("split:")[1]
    assert "THE DATA IS DRAWN" in (tmp_path / "runs" / "vesuvius" / "tiny" / "report.html").read_text()
    refused = run("vesuvius", "upload", *smallest, root=tmp_path, status=2)
    assert "its data here is drawn" in refused
