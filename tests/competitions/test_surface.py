"""Vesuvius surface: its layout drawn in small, its traps, its zip of volumes and its score against others' words."""

import io
import zipfile

import numpy as np
import pytest
import tifffile

from pipeline.competitions import surface
from pipeline.errors import UserError
from pipeline.raw.files import RawFiles
from pipeline.recipe import Recipe
from pipeline.runs import official
from pipeline.runs.job import Job
from pipeline.stages import prepare
from pipeline.store import answer_file, submission, zipped
from pipeline.store.paths import Store
from pipeline.tasks import scoring
from tests.competitions.packing import in_zip, unpacked
from tests.imaging.test_surface_dice import literal as surface_literal
from tests.imaging.test_variation_of_information import components
from tests.imaging.test_variation_of_information import literal as information
from tests.start import TINY, run

# pages, height, width
VOLUMES = {"11": (3, 5, 7), "9": (2, 6, 4), "123": (4, 5, 5)}
SCROLLS = {"11": "34117", "9": "35360", "123": "34117"}


def image(name):
    return np.random.default_rng(int(name)).integers(0, 256, VOLUMES[name]).astype(np.uint8)


def labels(name):
    return np.random.default_rng(int(name) + 1).integers(0, 3, VOLUMES[name]).astype(np.uint8)


def tif(volume, **options):
    content = io.BytesIO()
    tifffile.imwrite(content, volume, photometric="minisblack", **options)
    return content.getvalue()


def files(scrolls=SCROLLS, **options):
    content = {}
    for name in VOLUMES:
        content[f"train_images/{name}.tif"] = tif(image(name), **options)
        content[f"train_labels/{name}.tif"] = tif(labels(name), **options)
    content["test_images/77.tif"] = tif(image("9"), **options)
    content["train.csv"] = "\n".join(["id,scroll_id", *(f"{a},{b}" for a, b in scrolls.items())]).encode()
    content["test.csv"] = b"id,scroll_id\n77,34117\n"
    return content


def found(folder):
    with RawFiles(folder) as raw:
        data = surface.read(raw)
        return {one.id: (one, one.image(), one.labels and one.labels()) for one in data.images}, data.notes


@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"compression": "zlib", "metadata": None}], ids=str)
@pytest.mark.parametrize("packing", [unpacked, lambda folder, content: in_zip(folder / "surface.zip", content)])
def test_pages_of_volumes_are_images_with_their_labels(tmp_path, packing, options):
    images, notes = found(packing(tmp_path, files(**options)))
    assert len(images) == 3 + 2 + 4 + 2
    for name, (one, pixels, truth) in images.items():
        volume, page = name.split("/")
        number = int(page) - 1
        if one.part == "test":
            assert volume == "77" and truth is None and np.array_equal(pixels[..., 0], image("9")[number])
            continue
        assert np.array_equal(pixels[..., 0], image(volume)[number]) and pixels.dtype == np.uint8
        assert np.array_equal(truth[..., 0], labels(volume)[number]) and truth.dtype == np.uint8
        # two scrolls are too few to be folds
        assert (one.group, one.volume) == (volume, "")
    assert notes == ["the train volumes are of 2 scroll(s): too few for folds, which hold out volumes instead"]


def test_where_there_are_enough_scrolls_they_are_the_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(surface, "SCROLLS", 2)
    images, notes = found(unpacked(tmp_path, files()))
    for name, (one, _, _) in images.items():
        volume = name.split("/")[0]
        assert (one.group, one.volume) == (SCROLLS.get(volume, "34117"), volume)
    assert notes == []


def _takes_back(content):
    for kind in ("images", "labels"):
        content[f"deprecated_train_{kind}/123.tif"] = content.pop(f"train_{kind}/123.tif")


def test_volumes_that_were_taken_back_are_left_out_and_said(tmp_path):
    content = files()
    _takes_back(content)
    images, notes = found(unpacked(tmp_path, content))
    assert not any(name.startswith("123/") for name in images)
    assert notes[0] == "1 volume(s) of train.csv are left out, which were taken back: 123"


def test_few_missing_volumes_are_said_where_nothing_tells_which_were_taken_back(tmp_path):
    content = files({**SCROLLS, **{f"5{i}": "1" for i in range(1)}})
    with pytest.raises(UserError, match=r"1 of 4 volumes of train\.csv have no picture: 50"):
        found(unpacked(tmp_path / "a", content))
    patch = pytest.MonkeyPatch()
    with patch.context() as changed:
        changed.setattr(surface, "MOST_MISSING", 0.3)
        _, notes = found(unpacked(tmp_path / "b", content))
    assert notes[0] == "1 volume(s) of train.csv are not there, and taken for taken back: 50"


def test_a_volume_that_no_table_names_is_said(tmp_path):
    _, notes = found(unpacked(tmp_path, files({"11": "1", "9": "2"})))
    assert notes[0] == "1 volume(s) are not in train.csv, each is taken for a scroll: 123"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: [c.pop(path) for path in list(c) if "train_images" in path], "holds no train_images/….tif"),
        (lambda c: c.pop("train_labels/9.tif"), "1 of 3 volumes have no train_labels/….tif: 9"),
        (lambda c: c.pop("test_images/77.tif"), "1 of 1 volumes of test.csv have no picture: 77"),
        (lambda c: (_takes_back(c), c.pop("train_images/9.tif")), "1 of 3 volumes of train.csv have no picture: 9"),
        (lambda c: c.update({"train_labels/9.tif": tif(labels("9")[:1])}), "9.tif has 2 page(s)"),
        (lambda c: c.update({"train_images/9.tif": b"II*\0"}), "9.tif is damaged"),
        (lambda c: c.update({"train.csv": b"id,scroll\n1,2\n"}), "has no columns id,scroll_id"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, change, message):
    content = files()
    change(content)
    with pytest.raises(UserError) as caught:
        found(unpacked(tmp_path, content))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_labels_of_other_values_are_refused_by_what_they_may_be(tmp_path):
    content = files() | {"train_labels/9.tif": tif(labels("9") + np.uint8(2))}
    with RawFiles(unpacked(tmp_path / "raw", content)) as raw, pytest.raises(UserError) as caught:
        prepare.convert(surface.competition, raw, tmp_path / "prepared", {})
    assert "image 9/0001: its labels() hold 3" in str(caught.value)
    assert "0 and 1, and 2 where a pixel is not labelled" in str(caught.value)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A job on what the competition draws, prepared."""
    root = tmp_path_factory.mktemp("surface")
    surface.draw(root / "raw")
    job = Job(surface.competition, Recipe(), "quick", Store(root, "surface", "mine", ".zip"))
    with RawFiles(root / "raw") as raw:
        prepare.convert(job.competition, raw, job.store.prepared, {})
    return root, job


def test_what_is_drawn_is_read_with_its_scrolls_as_groups(drawn):
    root, job = drawn
    table = job.prepared.table
    train = table[table["part"] == "train"]
    assert train["group"].nunique() == 5 and train["volume"].nunique() == 6
    assert job.prepared.info["dtype"] == "uint8" and job.prepared.truth is not None
    assert any("taken back: 9909" in note for note in job.prepared.notes)
    number = surface.DRAWN["train"][0][0]
    rows = np.flatnonzero(table["volume"] == str(number))
    for kind, prepared in (("images", job.prepared.images), ("labels", job.prepared.labels)):
        volume = tifffile.imread(root / "raw" / f"train_{kind}" / f"{number}.tif")
        assert np.array_equal(np.stack([prepared[row][..., 0] for row in rows]), volume)
    assert set(np.unique(volume)) == {0, 1, 2} and len(set(volume.shape)) == 3
    assert 0.08 < np.mean(volume == 2) < 0.2 and 0.05 < np.mean(volume == 1) < 0.3


def test_drawing_twice_gives_the_same_volumes():
    for one, other in zip(surface.drawn_volume(7, 1), surface.drawn_volume(7, 1), strict=True):
        assert np.array_equal(one, other)


def answered(job, path, change=lambda labels: labels):
    """A zip of the test truth, as it would be decoded: nothing is said of void."""
    rows = job.prepared.test
    names = job.prepared.table["id"].iloc[rows].tolist()
    task = job.competition.task
    decoded = [
        task.decode(task.target(change(np.asarray(job.prepared.truth[i]))), task.plain_thresholds())
        for i in range(len(rows))
    ]
    zipped.write(path, job.competition.format, zip(names, decoded, strict=True))
    return decoded


def test_the_truth_as_predictions_scores_1_and_its_zip_holds_exactly_the_truth(drawn, tmp_path):
    root, job = drawn
    decoded = answered(job, tmp_path / "x.zip")
    wanted = submission.expected(job.competition, job.prepared)
    summary = answer_file.validate(tmp_path / "x.zip", job.competition.format, wanted)
    assert (summary.rows, summary.images) == (2, len(job.prepared.test))
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert sorted(archive.namelist()) == sorted(f"{number}.tif" for number, _ in surface.DRAWN["test"])
        for name in archive.namelist():
            truth = tifffile.imread(root / "raw" / "test_labels" / name)
            volume = tifffile.imread(io.BytesIO(archive.read(name)))
            assert volume.dtype == np.uint8 and np.array_equal(volume, truth == 1)
    rows, truth = job.prepared.test, job.prepared.truth
    tally = official.tally(job, rows, enumerate(decoded), truth, first=rows[0])
    assert tally.score() == 1 and len(tally) == 2
    items = [("", job.competition.task.target(one), true) for one, true in zip(decoded, truth, strict=True)]
    task = job.competition.task
    assert scoring.count(job.competition.metric, task, items, task.plain_thresholds()).score() == 1


def literal_score(answer, truth) -> float:
    """Of one volume, Z x H x W: what is labelled 2 is background in both, then .35 and .35 of .7."""
    answer, truth = (np.where(truth == 2, 0, volume) == 1 for volume in (answer, truth))
    near, total = surface_literal(answer, truth, 2.0)
    pairs = [(a, b) for a, b in zip(components(answer).ravel(), components(truth).ravel(), strict=True) if a or b]
    split = information(*map(list, zip(*pairs, strict=True))) if pairs else 0.0
    return 0.5 * (near / total if total else 1.0) + 0.5 / (1 + 0.3 * split)


def small(number):
    """A corner of a drawn volume: the literal score loops over voxels."""
    _, truth = surface.drawn_volume(number, 34117)
    return truth[5:12, 8:20, 4:14]


@pytest.mark.parametrize("kind", ["moved", "nothing", "everything", "only where nothing is labelled"])
def test_a_wrong_answer_gets_what_the_evaluation_page_says(kind):
    metric, task, each = surface.competition.official, surface.competition.task, []
    statistics = []
    for number in (7, 8, 10):
        truth = small(number)
        answer = {
            "moved": np.roll((truth == 1).astype(np.uint8), (1, 3, 2), axis=(0, 1, 2)),
            "nothing": np.zeros_like(truth),
            "everything": np.ones_like(truth),
            "only where nothing is labelled": (truth == 2).astype(np.uint8),
        }[kind]
        each.append(literal_score(answer, truth))
        statistics.append(metric.statistic(task, answer[..., None], truth[..., None]))
    assert (small(7) == 2).any() and (small(7) == 1).any()
    assert float(metric.scores(np.sum(statistics, axis=0))) == pytest.approx(np.mean(each), abs=1e-9)
    assert 0 <= np.mean(each) < 1


def test_topology_is_named_as_not_computed():
    assert surface.competition.official.left_out == {"topology (Betti matching)": 0.3}
    assert any("without its topology" in remark for remark in surface.competition.remarks)


@pytest.mark.slow
def test_from_nothing_to_a_valid_zip_that_check_mends_and_report_scores(tmp_path, nobody):
    tiny = [*TINY, "--size", "0", "--slices", "4", "--crop", "8", "--tile", "24", "--no-tta", "--run", "tiny"]
    smallest = [*tiny, "--trained-folds", "1", "--recipe", "smoke"]
    out = run("surface", *smallest, root=tmp_path)
    assert "THE DATA IS DRAWN" in out and "submissions/surface-tiny.zip: valid, 2 files of" in out
    assert "topology (Betti matching), weight 0.3: not computed" in out and "score on the hidden truth" in out
    path = tmp_path / "submissions" / "surface-tiny.zip"
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    assert "surface-tiny.zip: valid, 2 files" in run("surface", "check", path, "--run", "tiny", root=tmp_path)
    nested = in_zip(tmp_path / "nested.zip", {f"sub/{name}": data for name, data in content.items()}) / "nested.zip"
    error = run("surface", "check", nested, "--run", "tiny", root=tmp_path, status=2)
    assert "lie in the folder sub" in error and f"check {nested} --write FIXED.zip would mend it" in error
    fixed = tmp_path / "fixed.zip"
    run("surface", "check", nested, "--write", fixed, "--run", "tiny", root=tmp_path)
    assert fixed.read_bytes() == path.read_bytes()
