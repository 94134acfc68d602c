"""HuBMAP's slides of kidneys: the layout drawn in small, its traps, its csv and its score by others' words for them."""

import csv
import json

import numpy as np
import pytest
import tifffile

from pipeline.competitions import hubmap
from pipeline.errors import UserError
from pipeline.raw import large
from pipeline.raw.files import RawFiles
from pipeline.recipe import Recipe
from pipeline.runs.job import Job
from pipeline.stages import prepare, split
from pipeline.store import bands
from pipeline.store.bands import Bands, whole
from pipeline.store.paths import Store
from pipeline.tasks import scoring
from tests.competitions import drawn_truth
from tests.competitions.packing import in_zip, unpacked
from tests.start import TINY, run

# height and width
SIZES = {"train/aa": (23, 34), "train/bb": (36, 21), "train/cc": (28, 25), "test/dd": (17, 22), "test/ee": (22, 17)}


def pixels(place):
    values = np.random.default_rng(sum(SIZES[place])).integers(0, 255, (*SIZES[place], 3))
    return values.astype(np.uint8)


def glomeruli(place):
    """More pixels down than across, so that the orders of runs differ."""
    found = np.zeros(SIZES[place], np.uint8)
    found[3:11, 2:6], found[12:20, 10:20] = 1, 1
    return found


def down(mask):
    """Run lengths, counted pixel by pixel down the columns: written without any code of ours."""
    words, start = [], None
    for place, value in enumerate([*np.asarray(mask).T.reshape(-1).tolist(), 0], 1):
        if value and start is None:
            start = place
        elif not value and start is not None:
            words += [start, place - start]
            start = None
    return " ".join(map(str, words))


def feature(*rings):
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": list(rings)}, "properties": {}}


def outlined(shift=0):
    """Around `glomeruli`, through the centres of the pixels."""
    boxes = ((2, 3, 5, 10), (10, 12, 19, 19))
    return [
        feature([[x + shift, y], [right + shift, y], [right + shift, bottom], [x + shift, bottom], [x + shift, y]])
        for x, y, right, bottom in boxes
    ]


def tiff(picture, folder, **options):
    path = folder / "one.tiff"
    tifffile.imwrite(path, picture, **{"photometric": "rgb", **options})
    return path.read_bytes()


@pytest.fixture
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiff")
    content = {"sample_submission.csv": b"id,predicted\ndd,\nee,1 1\n"}
    rows, donors = ["id,encoding"], ["image_file,width_pixels,height_pixels,patient_number"]
    for i, place in enumerate(SIZES):
        planes = np.ascontiguousarray(np.moveaxis(pixels(place), 2, 0))[None, None]
        kinds = [
            tiff(pixels(place), folder, tile=(16, 16), compression="zlib"),
            tiff(planes, folder, planarconfig="separate"),
            tiff(pixels(place), folder, compression="lzw", rowsperstrip=5),
        ]
        name = place.partition("/")[2]
        content[f"{place}.tiff"] = kinds[i % 3]
        content[f"{place}-anatomical-structure.json"] = b"never read"
        donors.append(f"{name}.tiff,{SIZES[place][1]},{SIZES[place][0]},{60 + i // 2}")
        if place.startswith("train"):
            content[f"{place}.json"] = json.dumps(outlined()).encode()
            rows.append(f"{name},{down(glomeruli(place))}")
    content["train.csv"] = "\n".join(rows).encode()
    content["HuBMAP-20-dataset_information.csv"] = "\n".join(donors).encode()
    return content


def found(folder):
    with RawFiles(folder) as raw:
        data = hubmap.read(raw)
        images = {}
        for image in data.images:
            picture = whole(image.image())
            labels = image.labels() if image.labels else None
            doubt = image.doubt(labels) if labels is not None else None
            images[f"{image.part}/{image.id}"] = image, picture, None if labels is None else whole(labels), doubt
        return images, data


@pytest.mark.parametrize("packing", [unpacked, lambda folder, content: in_zip(folder / "kidney.zip", content)])
@pytest.mark.parametrize("at_once", [1 << 24, 100])
def test_slides_however_they_are_stored_with_their_donors_and_labels(tmp_path, files, packing, at_once, monkeypatch):
    monkeypatch.setattr(large, "AT_ONCE", at_once)
    monkeypatch.setattr(bands, "AT_ONCE", at_once)
    images, data = found(packing(tmp_path, files))
    assert images.keys() == SIZES.keys() and data.sample == files["sample_submission.csv"]
    assert data.notes == ["5 file(s) of anatomical structures (cortex, medulla) are not read"]
    assert [images[place][0].group for place in SIZES] == ["60", "60", "61", "61", "62"]
    for place, (_, picture, labels, doubt) in images.items():
        assert np.array_equal(picture, pixels(place)) and picture.dtype == np.uint8
        assert (labels is None) == place.startswith("test") and doubt is None
        if labels is not None:
            assert labels.dtype == np.uint8 and np.array_equal(labels[..., 0], glomeruli(place))


def test_bands_and_the_whole_are_prepared_alike(tmp_path, files, monkeypatch):
    folder, written = unpacked(tmp_path / "raw", files), []
    for at_once in (1 << 24, 100):
        monkeypatch.setattr(large, "AT_ONCE", at_once)
        monkeypatch.setattr(bands, "AT_ONCE", at_once)
        with RawFiles(folder) as raw:
            is_large = [isinstance(image.image(), Bands) for image in hubmap.read(raw).images]
            assert all(is_large) == any(is_large) == (at_once == 100)
            prepare.convert(hubmap.competition, raw, tmp_path / "prepared", {})
        paths = (path for path in (tmp_path / "prepared").iterdir() if not path.name.endswith(".inputs.json"))
        written.append({path.name: path.read_bytes() for path in paths})
    assert written[0] == written[1] and {"images.npy", "labels.npy", "prepared.json"} <= written[0].keys()


@pytest.mark.parametrize("kept", ["train.csv", ".json"])
def test_run_lengths_or_outlines_are_enough(tmp_path, files, kept):
    dropped = {"train.csv": ".json", ".json": "train.csv"}[kept]
    images, _ = found(unpacked(tmp_path, {path: data for path, data in files.items() if not path.endswith(dropped)}))
    assert all(np.array_equal(images[place][2][..., 0], glomeruli(place)) for place in SIZES if place[1] == "r")


def test_outlines_have_holes_and_points_between_pixels(tmp_path, files):
    ring = [[1.25, 2.25], [9.25, 2.25], [9.25, 12.25], [1.25, 12.25], [1.25, 2.25]]
    hole = [[3.25, 4.25], [5.25, 4.25], [5.25, 8.25], [3.25, 8.25], [3.25, 4.25]]
    other = {"geometry": {"type": "MultiPolygon", "coordinates": [[[[12, 20], [15.2, 20], [15.2, 22], [12, 22]]]]}}
    features = {"type": "FeatureCollection", "features": [feature(ring, hole), other]}
    files["train/bb.json"] = json.dumps(features).encode()
    del files["train.csv"]
    images, _ = found(unpacked(tmp_path, files))
    # by the words: the centre of a pixel is inside
    y, x = np.mgrid[:36, :21] + 0.5
    wanted = (x > 1.25) & (x < 9.25) & (y > 2.25) & (y < 12.25)
    wanted &= ~((x > 3.25) & (x < 5.25) & (y > 4.25) & (y < 8.25))
    wanted |= (x > 12) & (x < 15.2) & (y > 20) & (y < 22)
    assert np.array_equal(images["train/bb"][2][..., 0], wanted)


@pytest.mark.parametrize("at_once", [1 << 24, 100])
def test_labels_that_differ_by_more_than_an_edge_are_a_doubt_with_their_pixels(tmp_path, files, monkeypatch, at_once):
    monkeypatch.setattr(bands, "AT_ONCE", at_once)
    files["train/aa.json"] = json.dumps(outlined(shift=1)).encode()
    # an 8 x 10 glomerulus is not there
    files["train/bb.json"] = json.dumps(outlined()[:1]).encode()
    images, _ = found(unpacked(tmp_path, files))
    assert images["train/aa"][3] is None and images["train/cc"][3] is None
    doubt = images["train/bb"][3]
    assert doubt.pixels == 80 and "differ" in doubt.text and "train.csv is learnt" in doubt.text
    assert images["train/bb"][2].sum() == glomeruli("train/bb").sum()


def test_what_is_left_out_or_not_known_is_said(tmp_path, files):
    files["train.csv"] += b"\nzz,1 1"
    files["sample_submission.csv"] = b"id,predicted\nplaceholder,\n"
    del files["HuBMAP-20-dataset_information.csv"]
    images, data = found(unpacked(tmp_path, files))
    assert data.sample is None and len(data.notes) == 4 and images["train/aa"][0].group == ""
    said = "\n".join(data.notes)
    assert "1 row(s) of train.csv have no slide below train/, and are left out: zz" in said
    assert "is not there, which says the donors of 3 train slide(s)" in said
    assert "names other slides than those below test/, which are answered" in said


@pytest.mark.parametrize(
    ("ids", "kept"),
    [("dd ee", True), ("ee dd", True), ("dd", False), ("zz", False), ("dd ee zz", True), ("dd zz", True)],
)
def test_a_placeholder_is_no_sample_and_one_whose_slides_are_missing_is(tmp_path, files, ids, kept):
    files["sample_submission.csv"] = "\n".join(["id,predicted", *(f"{name}," for name in ids.split())]).encode()
    folder = unpacked(tmp_path / "raw", files)
    with RawFiles(folder) as raw:
        assert (hubmap.read(raw).sample == files["sample_submission.csv"]) == kept
        if "zz" in ids and kept:
            with pytest.raises(UserError, match="1 of its ids have no test image: zz"):
                prepare.convert(hubmap.competition, raw, tmp_path / "prepared", {})


def _drop(*endings):
    def change(content):
        for path in [path for path in content if path.endswith(endings)]:
            content.pop(path)

    return change


def _put(path, data):
    return lambda content: content.update({path: data if isinstance(data, bytes) else json.dumps(data).encode()})


def _outline(data):
    """Of a slide without run lengths."""
    return lambda content: (_drop("train.csv")(content), _put("train/bb.json", data)(content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop(".tiff"), "holds no train/"),
        (_drop("train.csv", "train/bb.json"), "train/bb.tiff has neither a row in train.csv nor a json"),
        (_put("train/bb.tiff", b"II*\0"), "train/bb.tiff"),
        (lambda content: _put("train/bb.tiff", content["train/bb.tiff"][:-40])(content), "train/bb.tiff is cut off"),
        (_put("train.csv", b"id,encoding\naa,781 3\n"), "34 x 23 pixels"),
        (_put("train.csv", b"id,encoding\naa,5\n"), "train.csv"),
        (_put("train.csv", b"id,encoding\naa,5 3 6 1\n"), "overlaps"),
        (_put("train.csv", b"id,encoding\naa,1 1\naa,1 1\n"), "row 3: aa is in row 2, too"),
        (_put("train.csv", b"id,rle\naa,1 1\n"), "has no columns id,encoding"),
        (_put("sample_submission.csv", b"id,rle\ndd,1 1\n"), "has no columns id,predicted"),
        (_outline(b'[{"geometry"'), "train/bb.json is cut off"),
        (_outline({"a": 1}), "train/bb.json is no list of features"),
        (
            _outline([{"geometry": {"type": "Point", "coordinates": [1, 2]}}]),
            "feature 1: is a Point; known are Polygon",
        ),
        (_outline([feature([[1, 2], [3, 4]])]), "feature 1: is a polygon of 2 point(s)"),
        (_outline([feature([[1, 2], [3]])]), "feature 1: is no polygon of points"),
        (_outline([feature([[1, "a"], [3, 4], [5, 6]])]), "feature 1: is a polygon whose points are no numbers"),
        (_outline([feature([[1, 2], [3, 4], [5, None]])]), "feature 1: is a"),
        (_outline([feature()]), "feature 1: is a polygon without points"),
        (_outline([{"geometry": None}]), "feature 1: is no polygon of points"),
        (_outline([feature([[1, 2], [90, 2], [3, 9]])]), "polygon 1: leaves its picture of 21 x 36 pixels"),
        (
            _outline([feature([[1, 2], [9, 2], [9, 9]], [[15, 15], [18, 15], [18, 18]])]),
            "feature 1: is a polygon with a hole beside it",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, files, change, message):
    change(files)
    with pytest.raises(UserError) as caught:
        found(unpacked(tmp_path, files))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_pictures_of_other_channels_are_refused(tmp_path, files):
    files["train/bb.tiff"] = tiff(pixels("train/bb")[..., 0].astype(np.uint16), tmp_path, photometric="minisblack")
    with pytest.raises(UserError, match=r"bb\.tiff has 1 channel\(s\) of uint16; wanted are three of 8 bits"):
        found(unpacked(tmp_path / "raw", files))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A job on what the competition draws, prepared and split."""
    root = tmp_path_factory.mktemp("hubmap")
    hubmap.draw(root / "raw")
    job = Job(hubmap.competition, Recipe(folds=3), "quick", Store(root, "hubmap", "mine"))
    with RawFiles(root / "raw") as raw:
        prepare.convert(job.competition, raw, job.store.prepared, {})
    split.run(job)
    return root, job


def test_what_is_drawn_is_stored_in_several_ways_and_folds_never_split_a_donor(drawn):
    root, job = drawn
    kinds = set()
    for path in sorted((root / "raw").rglob("*.tiff")):
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            kinds.add((page.is_tiled, int(page.compression), int(page.planarconfig), bool(page.subifds)))
            axes = file.series[0].get_axes(squeeze=False), file.series[0].get_shape(squeeze=False)
            assert page.planarconfig == 1 or (len(axes[0]) == 5 and axes[1][:3] == (1, 1, 3))
    assert kinds == {(True, 8, 1, False), (True, 8, 1, True), (False, 8, 1, False), (False, 1, 2, False)}
    table, train = job.prepared.table, job.prepared.train
    assert all(table["height"] != table["width"]) and job.prepared.truth is not None
    folds, donors = job.fold_table.folds, table["group"].to_numpy()[train]
    assert len(set(folds.tolist())) == 3 and len(set(donors)) < len(train)
    for donor in set(donors):
        assert len(set(folds[donors == donor].tolist())) == 1
    assert len(job.prepared.notes) == 1 and "not read" in job.prepared.notes[0]
    with (root / "raw" / "train.csv").open(newline="") as file:
        for row, labels in zip(csv.DictReader(file), job.prepared.labels, strict=False):
            assert row["encoding"] == down(labels[..., 0])


def test_the_truth_as_predictions_scores_1_and_its_csv_is_that_of_another_encoder(drawn):
    drawn_truth.is_found_and_written(drawn[1], down, ["id", "predicted"], ["a6d5c4b3e", "b8f7e6d5c"])


@pytest.mark.parametrize("kind", ["moved", "all of one", "none of one"])
def test_a_wrong_answer_gets_the_mean_of_the_dice_of_each_slide(drawn, kind):
    _, job = drawn
    task = job.competition.task
    truth = [np.asarray(job.prepared.truth[i]) for i in range(len(job.prepared.test))]
    wrong = [np.roll(labels, (2 + i, -1, 0), axis=(0, 1, 2)) for i, labels in enumerate(truth)]
    if kind == "all of one":
        wrong[0] = np.ones_like(wrong[0])
    if kind == "none of one":
        wrong[1] = np.zeros_like(wrong[1])
    items = [("", task.target(guess), labels) for guess, labels in zip(wrong, truth, strict=True)]
    score = scoring.count(job.competition.metric, task, items, task.plain_thresholds()).score()
    each = []
    for guess, labels in zip(wrong, truth, strict=True):
        a, b = set(np.flatnonzero(guess).tolist()), set(np.flatnonzero(labels).tolist())
        each.append(2 * len(a & b) / (len(a) + len(b)))
    assert score == pytest.approx(sum(each) / 2, abs=1e-9) and 0 < score < 1


@pytest.mark.slow
def test_from_nothing_to_a_valid_submission_that_says_that_its_data_is_drawn(tmp_path, nobody):
    smallest = [*TINY, "--size", "0", "--crop", "32", "--tile", "96", "--no-tta", "--trained-folds", "1"]
    smallest += ["--recipe", "smoke", "--run", "tiny"]
    out = run("hubmap", *smallest, root=tmp_path)
    assert "THE DATA IS DRAWN" in out and "submissions/hubmap-tiny.csv: valid, 2 rows of 2 images" in out
    assert "score on the hidden truth" in out
    assert "THE DATA IS DRAWN" in (tmp_path / "runs" / "hubmap" / "tiny" / "report.html").read_text()
