"""Contrails: its layout drawn in small, its traps, its csv and its score against others' words for them."""

import io
import json

import numpy as np
import pytest

from pipeline.competitions import contrails
from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from pipeline.recipe import Recipe
from pipeline.runs.job import Job
from pipeline.stages import prepare
from pipeline.store import submission
from pipeline.store.paths import Store
from pipeline.tasks import scoring
from tests.competitions.packing import in_zip, unpacked
from tests.start import run

HEIGHT, WIDTH, TIMES = 6, 8, 8
TRAIN, VALIDATION, TEST = ("1000216489776414077", "1000603527582775543"), ("999", "77"), ("77", "55")
DAY = 86_400


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def band(number, record):
    """Another number for every band, frame and record."""
    times = np.arange(TIMES, dtype=np.float32)
    return np.full((HEIGHT, WIDTH, TIMES), 250 + number + len(record) / 16, np.float32) + times / 4


def people(record):
    """H x W x 1 x R: four people where the name is long, else three; row i is marked by i of them."""
    count = 4 if record.endswith("7") else 3
    found = np.zeros((HEIGHT, WIDTH, 1, count), np.int32)
    for row in range(HEIGHT):
        found[row, :, 0, : min(row, count)] = 1
    return found


def scored(record):
    marked = people(record)
    return (2 * marked.sum(axis=3) > marked.shape[3]).astype(np.int32)


def files():
    content = {}
    for part, records in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        for record in records:
            for number in range(8, 17):
                content[f"{part}/{record}/band_{number:02d}.npy"] = npy(band(number, record))
            if part != "test":
                content[f"{part}/{record}/human_pixel_masks.npy"] = npy(scored(record))
            if part == "train":
                content[f"{part}/{record}/human_individual_masks.npy"] = npy(people(record))
        if part != "test":
            days = [
                {"record_id": record, "timestamp": 1.5e9 + DAY * k, "row_min": 1.0} for k, record in enumerate(records)
            ]
            content[f"{part}_metadata.json"] = json.dumps(days).encode()
    rows = ["record_id,encoded_pixels", *(f"{record},1 3 10 5" for record in TEST)]
    return {**content, "sample_submission.csv": "\n".join(rows).encode() + b"\n"}


def found(folder):
    with RawFiles(folder) as raw:
        data = contrails.read(raw)
        read = [(image, image.image(), image.labels() if image.labels else None) for image in data.images]
        return {image.id: (image, pixels, labels) for image, pixels, labels in read}, data.notes


def down(mask):
    """Run lengths, counted pixel by pixel down the columns, `-` for none: written without any code of ours."""
    words, before = [], 0
    for place, value in enumerate(mask.T.reshape(-1).tolist(), 1):
        if value and not before:
            words += [place, 0]
        if value:
            words[-1] += 1
        before = value
    return " ".join(map(str, words)) or "-"


@pytest.mark.parametrize("packing", [unpacked, lambda folder, content: in_zip(folder / "contrails.zip", content)])
def test_a_network_sees_the_false_colours_of_the_frame_that_was_labelled(tmp_path, packing):
    images, _ = found(packing(tmp_path, files()))
    assert sorted(images) == sorted({*TRAIN, "999", *TEST})
    for name, (image, pixels, _) in images.items():
        assert pixels.shape == (HEIGHT, WIDTH, 3) and pixels.dtype == np.float16
        warm = band(14, name)[0, 0, 4] - 273.15
        assert np.allclose(pixels[0, 0].astype(float), [1, 3, warm], atol=0.02)
        assert image.part == ("test" if name in TEST else "train")


def test_all_bands_and_further_frames_are_a_constant_away(tmp_path, monkeypatch):
    monkeypatch.setattr(contrails, "CHANNELS", contrails.every_band)
    monkeypatch.setattr(contrails, "FRAMES", (3, 4))
    images, _ = found(unpacked(tmp_path, files()))
    name = TRAIN[0]
    wanted = [band(number, name)[0, 0, frame] - 273.15 for frame in (3, 4) for number in range(8, 17)]
    assert np.allclose(images[name][1][0, 0].astype(float), wanted, atol=0.02)


def test_the_mean_of_the_people_is_learnt_and_what_most_of_them_marked_is_scored(tmp_path):
    images, _ = found(unpacked(tmp_path, files()))
    task = contrails.competition.task
    for name in TRAIN:
        labels = images[name][2]
        marked = people(name)[..., 0, :]
        assert np.abs(task.target(labels)[..., 0] / 255 - marked.mean(axis=2)).max() < 0.005
        majority = 2 * marked.sum(axis=2) > marked.shape[2]
        assert np.array_equal(next(task.masks(labels)), majority) and majority.any()
        assert np.array_equal(next(task.masks(task.decode(task.target(labels), task.plain_thresholds()))), majority)
    # two of four are no majority
    assert not next(task.masks(images[TRAIN[0]][2]))[2].any() and people(TRAIN[0])[2].sum() == 2 * WIDTH
    assert set(np.unique(images["999"][2])) == {0, 255}


def test_where_the_scored_mask_is_another_it_holds_and_that_is_said(tmp_path):
    content, name = files(), TRAIN[0]
    turned = scored(name).copy()
    turned[0, 0], turned[HEIGHT - 1, 0] = 1, 0
    content[f"train/{name}/human_pixel_masks.npy"] = npy(turned)
    images, _ = found(unpacked(tmp_path, content))
    image, _, labels = images[name]
    assert np.array_equal(next(contrails.competition.task.masks(labels)), turned[..., 0] == 1)
    assert image.doubt(labels).pixels == 2


def test_records_of_one_day_are_one_group_and_copies_of_test_are_not_learnt(tmp_path):
    images, notes = found(unpacked(tmp_path, files()))
    assert images["77"][0].part == "test"
    assert notes == ["1 record(s) of validation are those to be answered, and not learnt: 77"]
    assert images[TRAIN[0]][0].group == images["999"][0].group == "2017-07-14"
    assert images[TRAIN[1]][0].group == "2017-07-15"


def test_without_metadata_each_record_stands_alone_and_that_is_said(tmp_path):
    content = {path: data for path, data in files().items() if not path.endswith(".json")}
    images, notes = found(unpacked(tmp_path, content))
    assert all(image.group == "" for image, _, _ in images.values())
    assert any(note.startswith("of 4 record(s) no metadata says when") for note in notes)


def test_only_the_bands_that_are_seen_must_be_there(tmp_path):
    kept = {path: data for path, data in files().items() if "band" not in path or path[-6:-4] in ("11", "14", "15")}
    assert len(found(unpacked(tmp_path, kept))[0]) == 5


LAST = TRAIN[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: [c.pop(path) for path in list(c) if "/" in path], "holds no train/<record_id>"),
        (lambda c: c.pop(f"train/{LAST}/band_14.npy"), "holds no band_14.npy"),
        (lambda c: c.pop(f"train/{LAST}/human_pixel_masks.npy"), "holds no human_pixel_masks.npy"),
        (lambda c: c.update({f"train/{LAST}/band_14.npy": b"\x93NUMPY"}), "band_14.npy is cut off or no array"),
        (lambda c: c.update({f"train/{LAST}/band_14.npy": npy(band(14, LAST))[:-9]}), "band_14.npy is cut off"),
        (lambda c: c.update({f"train/{LAST}/band_14.npy": npy(np.zeros((4, 4)))}), "no array of 3 axes"),
        (lambda c: c.update({f"train/{LAST}/band_14.npy": npy(band(14, LAST)[..., :4])}), "4 frame(s), frame 4"),
        (lambda c: c.update({f"train/{LAST}/human_pixel_masks.npy": npy(2 * scored(LAST))}), "more than one mask"),
        (lambda c: c.update({"train_metadata.json": b"{"}), "train_metadata.json is no list of records"),
        (lambda c: c.update({"sample_submission.csv": b"id,pixels\n55,-\n"}), "record_id,encoded_pixels"),
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
    root = tmp_path_factory.mktemp("contrails")
    contrails.draw(root / "raw")
    job = Job(contrails.competition, Recipe(), "quick", Store(root, "contrails", "mine"))
    with RawFiles(root / "raw") as raw:
        prepare.convert(job.competition, raw, job.store.prepared, {})
    return root, job


def test_what_is_drawn_has_people_who_differ_and_records_without_contrails(drawn):
    root, job = drawn
    assert job.prepared.info["dtype"] == "float16" and job.prepared.info["notes"] == []
    labels = np.concatenate([job.prepared.labels[row].ravel() for row in job.prepared.train])
    assert len(np.unique(labels)) > 6
    assert 0.2 < job.prepared.info["empty"] < 0.7
    assert len(set(job.prepared.table["group"].iloc[job.prepared.train])) > 5
    first = sorted((root / "raw" / "train").iterdir())[0]
    assert len(list(first.glob("band_*.npy"))) == 9
    assert np.load(first / "band_08.npy").shape == (64, 64, 8)
    assert np.load(first / "human_individual_masks.npy").shape[:3] == (64, 64, 1)


def test_the_truth_as_predictions_scores_1_and_its_csv_is_that_of_another_encoder(drawn):
    root, job = drawn
    task, form, rows = job.competition.task, job.competition.format, job.prepared.test
    names = job.prepared.table["id"].iloc[rows].tolist()
    items = [("", task.target(job.prepared.truth[i]), job.prepared.truth[i]) for i in range(len(rows))]
    assert scoring.count(job.competition.metric, task, items, task.plain_thresholds()).score() == 1
    written = []
    for name, (_, probabilities, _) in zip(names, items, strict=True):
        labels = task.decode(probabilities, task.plain_thresholds())
        written += submission.rows_of(name, task.texts(form.turned(labels)), form, task.classes)
        mask = np.load(root / "raw" / "test" / name / "human_pixel_masks.npy")[..., 0]
        assert written[-1] == [name, down(mask)]
    assert any(field == "-" for _, field in written) and any(field != "-" for _, field in written)
    submission.validate(
        submission.table_from(written, form), form, submission.expected(job.competition, job.prepared), ""
    )


def test_a_blank_field_is_refused_and_the_order_of_rows_does_not_count(drawn):
    _, job = drawn
    form, wanted = job.competition.format, submission.expected(job.competition, job.prepared)
    rows = [[name, "-"] for name in reversed(wanted.ids)]
    submission.validate(submission.table_from(rows, form), form, wanted, "here")
    rows[1][1] = ""
    with pytest.raises(UserError, match="row 3"):
        submission.validate(submission.table_from(rows, form), form, wanted, "here")


def test_a_wrong_answer_gets_the_dice_of_all_pixels_of_the_set(drawn):
    _, job = drawn
    task, count = job.competition.task, len(job.prepared.test)
    truth = [np.asarray(job.prepared.truth[i]) for i in range(count)]
    wrong = [np.roll(labels, 1 + i % 2, axis=i % 2) for i, labels in enumerate(truth)]
    items = [("", task.target(found), true) for found, true in zip(wrong, truth, strict=True)]
    tally = scoring.count(job.competition.metric, task, items, task.plain_thresholds())
    found, true = (np.concatenate([a.ravel() > 127 for a in arrays]) for arrays in (wrong, truth))
    literal = 2 * np.sum(found & true) / (found.sum() + true.sum())
    assert tally.score() == pytest.approx(literal, abs=1e-9) and 0 < literal < 1


@pytest.mark.slow
def test_from_nothing_to_a_valid_submission_that_says_that_its_data_is_drawn(tmp_path, nobody):
    smallest = ["--model", "classical", "--trained-folds", "1", "--recipe", "smoke", "--run", "tiny"]
    out = run("contrails", *smallest, root=tmp_path)
    assert "THE DATA IS DRAWN" in out and "submissions/contrails-tiny.csv: valid" in out
    assert "score on the hidden truth" in out
    assert "THE DATA IS DRAWN" in (tmp_path / "runs" / "contrails" / "tiny" / "report.html").read_text()
