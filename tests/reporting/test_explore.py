"""The look at the data before training: what is counted, which copies are found, and the page."""

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline.competition import Competition, RawData, RawImage
from pipeline.errors import UserError
from pipeline.imaging.metrics import CountMetric, dice
from pipeline.imaging.objects import ObjectMetric
from pipeline.recipe import Recipe
from pipeline.reporting.explore import facts, sections
from pipeline.reporting.explore import gallery as explore_gallery
from pipeline.reporting.explore import page as explore_page
from pipeline.reporting.shared import charts, pictures
from pipeline.reporting.shared import page as shared
from pipeline.runs import copies
from pipeline.runs.job import Job
from pipeline.stages import prepare
from pipeline.store.paths import Store
from pipeline.store.prepared import Prepared
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary
from pipeline.tasks.instances import Instances
from pipeline.tasks.multiclass import MultiClass
from pipeline.tasks.multilabel import MultiLabel
from pipeline.tools import explore
from tests.reporting.example_runs import blank_columns
from tests.start import run

SALT, NUCLEI = Binary(("salt",)), Instances(("nucleus",))
ROADS = MultiClass(("sky", "road", "car"), void=255, colours=((0, 0, 255), (90, 90, 90), (255, 0, 0)))


def noise(seed: int, shape=(24, 20, 1), dtype=np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


def mask(rows: int, shape=(24, 20), layers: int = 1) -> np.ndarray:
    labels = np.zeros((*shape, layers), np.uint8)
    labels[:rows] = 1
    return labels


def labelled(name: str, image: np.ndarray, labels: np.ndarray, **more) -> RawImage:
    return RawImage(name, "train", lambda: image, lambda: labels, **more)


def unlabelled(name: str, image: np.ndarray, **more) -> RawImage:
    return RawImage(name, "test", lambda: image, **more)


def job_of(root, images: list[RawImage], task=SALT, notes=()) -> Job:
    chosen = Competition(
        name="tiny",
        title="Tiny <squares>",
        page="",
        slug="",
        task=task,
        metric=ObjectMetric("objects") if task.objects else CountMetric("mean Dice", dice),
        read=lambda raw: RawData(images, notes=list(notes)),
        format=Format("id", "rle", class_column="class" if len(task.classes) > 1 else "", several=task.objects),
        symmetry="none",
        recipes={"default": {}},
        costs={},
    )
    job = Job(chosen, Recipe(), "default", Store(root, "tiny", "mine"))
    prepare.convert(chosen, None, job.store.prepared, {})
    return job


def content_of(job: Job) -> tuple[facts.Explored, dict]:
    found = facts.explore(job.prepared, job.competition.task)
    return found, explore_page.collect(job, found)


def test_a_look_at_one_image():
    image = np.zeros((4, 5, 2), np.uint16)
    image[..., 1] = 7
    image[0, 0] = (1000, 0)
    labels = mask(2, (4, 5))
    found = facts.look(image, labels, SALT)
    assert found.values.tolist() == [[0, 0], [1000, 7], [50, 19 * 7 / 20], [1e6 / 20, 19 * 49 / 20]]
    assert found.pixels.tolist() == [10] and found.known == 20 and found.objects.tolist() == [10]
    assert not found.constant and found.finite == 1
    assert facts.look(image, None, SALT).pixels is None


def test_what_is_void_is_no_pixel_of_any_class():
    labels = np.array([[0, 1, 255], [2, 2, 255]], np.uint8)[..., None]
    found = facts.look(noise(0, (2, 3, 3)), labels, ROADS)
    assert found.pixels.tolist() == [1, 1, 2] and found.known == 4 and found.objects is None


def test_pixels_in_several_classes_are_counted_once():
    labels = np.array([[[1, 1, 1], [1, 1, 0]], [[0, 0, 1], [0, 0, 0]]], np.uint8)
    found = facts.look(noise(0, (2, 2, 1)), labels, MultiLabel(("a", "b", "c")))
    assert found.pixels.tolist() == [2, 2, 2] and found.several == 2 and found.known == 4


def test_values_that_are_no_numbers_are_left_out_and_counted():
    image = noise(0).astype(np.float16)
    image[0, 0], image[0, 1] = np.nan, np.inf
    found = facts.look(image, None, SALT)
    assert np.isfinite(found.values).all() and found.finite == 1 - 2 / 480
    assert np.isfinite(found.thumbnail).all()


def test_what_is_no_data_is_in_no_number_and_shown_as_the_mean(tmp_path):
    def height(seed):
        image = noise(seed).astype(np.float32) / 10 + 2000
        image[:4] = -9999
        image[9, 9] = 1e6
        return image

    images = [labelled(f"t{i}", height(i), mask(5)) for i in range(4)]
    job = job_of(tmp_path, images)
    job = replace(job, competition=replace(job.competition, read=lambda raw: RawData(images, nodata=-9999)))
    prepare.convert(job.competition, None, job.store.prepared, {})
    found, content = content_of(job)
    assert (found.finite == 1).all() and found.values[:, 0].min() >= 2000 and found.values[:, 2].max() < 1e5
    assert not [line for line in content["warnings"] if "finite" in line]
    shown = pictures.rgb(job.prepared.images[0], job.prepared.scaling)
    # one pixel far away makes nothing else dark, and what is unknown is grey
    assert len(np.unique(shown[:4])) == 1 and 60 < shown[0, 0, 0] < 200 and shown[5:].std() > 40


def test_thumbnails_of_many_channels_are_no_larger():
    assert facts.look(noise(0, (30, 30, 40)), None, SALT).thumbnail.size == 4 * 16 * 16


def test_sizes_of_objects_leave_out_nothing_and_void():
    numbers = np.array([[0, 3, 3], [9, 1, 3]], np.uint16)
    assert facts.object_sizes(numbers).tolist() == [1, 3, 1]
    assert facts.object_sizes(numbers, void=9).tolist() == [1, 3]
    assert facts.object_sizes(np.zeros((2, 2), np.uint8)).tolist() == []


def test_exact_copies_are_not_near_ones_too_and_constant_images_are_neither():
    flat, image = np.full((24, 20, 1), 9, np.uint8), noise(1)
    images = [flat, image, noise(2), image, (image // 2 + 50), flat, image]
    looks = [facts.look(one, None, SALT) for one in images]
    constant = np.array([one.constant for one in looks])
    found = copies.find_copies([one.content for one in looks], np.stack([one.thumbnail for one in looks]), constant)
    assert constant.tolist() == [True, False, False, False, False, True, False]
    assert found.exact.tolist() == [[1, 3], [3, 6]] and found.near.tolist() == [[1, 4]] and found.alike == 0.99


def test_without_two_different_images_there_are_no_copies():
    found = copies.find_copies(["a", "a"], np.zeros((2, 256), np.float32), np.array([True, True]))
    assert len(found.exact) == len(found.near) == 0


def test_where_all_images_resemble_each_other_more_is_asked_of_copies():
    base = np.zeros((40, 8), np.float32)
    base[:, 0] = 1
    assert copies.alike_enough(base, most=1000) == 0.99
    assert copies.alike_enough(base, most=100) is None
    base[:20, 1], base[:20, 0] = 0.1, np.sqrt(1 - 0.01)
    assert copies.alike_enough(base, most=400) == 0.995
    # what a sample shows holds for all
    assert copies.alike_enough(base, most=400, sample=20) == 0.995


def test_bands_of_coverage():
    assert explore_gallery.bands(np.array([0, 0.0001, 0.01, 0.011, 0.5, 0.76, 1])).tolist() == [0, 1, 1, 2, 4, 6, 6]
    names = [explore_gallery.band_name(band) for band in range(3)]
    assert names == ["empty", "up to 1 %", "1 to 10 %"]


def test_examples_are_spread_over_each_band_and_constant_images_come_last():
    coverage = np.array([0, 0, 0, *np.linspace(0.3, 0.5, 21), 0.9])
    constant = np.zeros(25, bool)
    constant[[0, 2, 24]] = True
    found = explore_gallery.choose(coverage, constant, count=12, row=3)
    assert found[0].tolist() == [1] and found[6].tolist() == [24]
    assert found[4].tolist() == [3, 13, 23]
    assert len(explore_gallery.choose(coverage, constant, count=42, row=3)[4]) == 6


def test_classes_with_colours_are_painted_and_void_is_left_alone():
    picture = np.full((1, 4, 3), 100, np.uint8)
    labels = np.array([[0, 1, 2, 255]], np.uint8)[..., None]
    tinted = explore_gallery.tinted(picture, labels, ROADS)
    assert tinted[0].tolist() == [[50, 50, 178], [95, 95, 95], [178, 50, 50], [100, 100, 100]]


def test_colours_are_found_for_classes_without():
    assert explore_gallery.legend(SALT) == []
    layers = explore_gallery.legend(MultiLabel(tuple("abcdefgh")))
    assert [name for _, name, _ in layers] == list("abcdefgh")
    assert len({colour for _, _, colour in layers}) == 8
    assert [name for _, name, _ in explore_gallery.legend(MultiClass(("ground", "a", "b")))] == ["ground", "a", "b"]


def test_shares_and_numbers_for_people():
    assert [shared.percent(x) for x in (0, 1, 0.5, 0.00012, None)] == ["0 %", "100 %", "50.0 %", "0.012 %", "–"]
    assert [shared.number(x) for x in (255.0, 0.12345, 12345.6, None)] == ["255", "0.1235", "12346", "–"]


def test_classes_and_coverage_of_small_arrays(tmp_path):
    far = np.full((2, 2, 1), 1, np.uint8)
    far[0, 0] = 255
    images = [
        labelled("a", noise(0, (2, 2, 3)), np.array([[0, 0], [0, 2]], np.uint8)[..., None]),
        labelled("b", noise(1, (2, 2, 3)), far),
    ]
    found, content = content_of(job_of(tmp_path, images, ROADS))
    rows = {row["name"]: row for row in content["classes"]["rows"]}
    assert [rows[name]["share"] for name in ("sky", "road", "car")] == [3 / 7, 3 / 7, 1 / 7]
    assert [rows[name]["held"] for name in ("sky", "road", "car")] == [0.5, 0.5, 0.5]
    assert rows["road"]["where"] == 1 and rows["road"]["median"] == 3
    assert content["classes"]["void"] == 1 / 8 and content["background"] == "sky"
    assert found.coverage.tolist() == [0.25, 0.75]
    assert content["legend"][2] == ("car", "#ff0000")


def test_objects_are_told_from_a_class_that_has_a_number(tmp_path):
    numbers = np.zeros((24, 20, 1), np.uint16)
    numbers[:2], numbers[5:6] = 1, 2
    images = [labelled("a", noise(0), numbers), labelled("b", noise(1), numbers * 0)]
    _, content = content_of(job_of(tmp_path, images, NUCLEI))
    assert content["objects"]["total"] == 2 and content["objects"]["median"] == 1
    assert content["objects"]["rows"][-1] == {"name": "largest", "count": 2, "area": 40}
    alone = [labelled("a", noise(0), mask(3)), labelled("b", noise(1), mask(0))]
    assert content_of(job_of(tmp_path / "alone", alone))[1]["objects"] == {}


def test_images_of_different_sizes_are_counted(tmp_path):
    shapes = [(24, 20), (16, 30), (24, 20), (24, 20)]
    images = [labelled(f"t{i}", noise(i, (*shape, 1)), mask(i, shape)) for i, shape in enumerate(shapes)]
    _, content = content_of(job_of(tmp_path, [*images, unlabelled("x", noise(9, (16, 30, 1)))]))
    assert content["sizes"] == [
        {"name": "24 × 20", "train": 3, "test": 0},
        {"name": "16 × 30", "train": 1, "test": 1},
    ]


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory):
    """A data set with all that is warned of: (what was found, the content of the page, the page)."""
    image, other = noise(1, dtype=np.float16), noise(8, dtype=np.float16)
    flat = np.full((24, 20, 1), 3, np.float16)
    images = [
        labelled("a", image, mask(5), group="one", kind="day"),
        labelled("b", image, mask(6), group="two", kind="day"),
        labelled("c", image * 0.5 + 1, mask(0), group="one", kind="day", doubt=lambda labels: "its mask differs"),
        labelled("d", flat, mask(4), group="two", kind="day"),
        labelled("e", other, mask(4), kind="day", extra={"depth": 5.0}),
        unlabelled("x", image, group="one", kind="night"),
    ]
    job = job_of(tmp_path_factory.mktemp("doubtful"), images, notes=["a file is odd"])
    # prepare refuses it; what was prepared by hand may hold it
    values = np.lib.format.open_memmap(job.store.prepared / "images.npy", mode="r+")
    values[4 * image.size] = np.nan
    found, content = content_of(job)
    return found, content, explore_page.render(content)


def test_what_is_doubtful_is_said(doubtful):
    _, content, page = doubtful
    said = "\n".join(content["warnings"])
    for words in (
        "a file is odd",
        "1 image(s): its mask differs: c",
        "1 image(s) hold values that are no finite numbers: e.",
        "1 constant image(s) in train have labels, with nothing to see: d.",
        "1 pair(s) of exact copies in train have different labels: a and b.",
        "1 pair(s) of near copies in train differ much in coverage: a and c.",
        "1 pair(s) of copies in train are in no common group, so folds may split them: a and b.",
        "1 pair(s) of copies have one image in train and one in test: b and x.",
        "Kinds that are in the test part alone: night.",
        "1 group(s) have images in train and in test.",
    ):
        assert words in said and words in page, words
    assert content["constant"] == {"train": 1, "test": 0}
    assert [len(pair) for pair in content["pairs"]] == [2, 2, 2]
    lines = explore_page.summary(content)
    assert f"{len(content['warnings']) - 6} more warnings" in lines[-1]


def test_groups_and_kinds_are_counted(doubtful):
    _, content, _ = doubtful
    assert content["groups"]["count"] == 3 and content["groups"]["alone"] == 1
    assert content["groups"]["rows"][0]["name"] == "one" and content["groups"]["rows"][0]["test"] == 1
    assert {row["name"]: row["train"] for row in content["kinds"]["rows"]} == {"day": 5, "night": 0}


def test_a_page_says_nothing_of_what_there_is_not(tmp_path):
    """Sixteen bits, many channels, no test part, no groups, kinds or numbers; every image empty."""
    images = [labelled(f"t{i}", noise(i, (24, 20, 9), np.uint16), mask(0, layers=2)) for i in range(3)]
    found, content = content_of(job_of(tmp_path, images, MultiLabel(("a", "b"))))
    page = explore_page.render(content)
    assert found.is_train.all() and content["warnings"] == ["In no train image: a, b."]
    assert "9 channels of uint16" in page and "Tiny &lt;squares&gt;" in page
    assert 'id="kinds"' not in page and 'id="numbers"' not in page and 'id="objects"' not in page
    assert "test images" not in page and "There are none" in page
    assert "Some pairs" not in page


def test_a_number_of_the_images_is_drawn_against_coverage(tmp_path):
    images = [labelled(f"t{i:02}", noise(i), mask(i), extra={"depth": 100.0 + i} if i else {}) for i in range(20)]
    _, content = content_of(job_of(tmp_path, images))
    (entry,) = content["extra"]
    assert entry["name"] == "depth" and entry["n"] == 19
    assert entry["r"] == pytest.approx(1) and entry["ranks"] == pytest.approx(1)
    assert entry["means"] == {"train": pytest.approx(110)}
    assert "<svg" in entry["chart"]


def test_a_number_that_never_varies_is_left_out(tmp_path):
    images = [labelled(f"t{i}", noise(i), mask(i), extra={"depth": 7.0}) for i in range(5)]
    assert content_of(job_of(tmp_path, images))[1]["extra"] == []


@pytest.mark.parametrize("values", [[3], [3, 3, 3], [0, 1000]])
def test_bins_hold_every_value(values):
    for kind in (int, float):
        numbers = np.array(values, kind)
        edges = sections._edges(numbers, 8)
        assert np.histogram(numbers, edges)[0].sum() == len(numbers) and (np.diff(edges) > 0).all()


def test_charts_say_what_they_are():
    edges = np.linspace(1, 100, 5)
    drawn = [
        charts.columns("images by coverage", ["0", "10"], [3, 0], "coverage"),
        charts.steps("areas", edges, [("train", np.array([2, 30])), ("test", np.array([]))], "pixels", log=True),
        charts.scatter("depth", np.arange(3.0), np.arange(3.0), ("depth", "coverage")),
    ]
    for title, chart in zip(("images by coverage", "areas", "depth"), drawn, strict=True):
        assert f'aria-label="{title}"' in chart and "#0a0" not in chart


def test_void_is_spoken_of_where_there_is_some(tmp_path):
    labels = np.array([[0, 1], [2, 2]], np.uint8)[..., None]
    for name, first in (("without", 0), ("with", 255)):
        labels[0, 0] = first
        images = [labelled("a", noise(0, (2, 2, 3)), labels), labelled("b", noise(1, (2, 2, 3)), labels)]
        page = explore_page.render(content_of(job_of(tmp_path / name, images, ROADS))[1])
        assert ("void" in page) == (name == "with")


def test_classes_that_are_black_or_white_are_seen_over_the_image(tmp_path):
    task = replace(ROADS, colours=((0, 0, 0), (255, 255, 255), (255, 0, 0)))
    legend = explore_gallery.legend(task)
    assert [colour for _, _, colour in legend] == list(pictures.palette(task))
    for grey in (0, 128, 255):
        tinted = explore_gallery.tinted(np.full((1, 2, 3), grey, np.uint8), np.array([[[0], [1]]], np.uint8), task)
        # coloured, not a shade of grey
        assert (np.ptp(tinted[0].astype(int), axis=1) > 60).all()
    images = [labelled("a", noise(0, (24, 20, 3)), mask(5)), labelled("b", noise(1, (24, 20, 3)), mask(9))]
    page = explore_page.render(content_of(job_of(tmp_path, images, task))[1])
    for _, name, colour in legend:
        assert page.count(f'style="background: {shared.css(colour)}"></i>{name}') == 2


def test_no_column_of_the_page_is_blank(tmp_path):
    """The groups that are shown are of the train part alone, all kinds of the test part; the classes are nowhere."""
    images = [labelled(f"t{i}", noise(i), mask(0, layers=2), group=f"g{i // 2}") for i in range(26)]
    images += [unlabelled(f"x{i}", noise(100 + i), kind="night") for i in range(2)]
    page = explore_page.render(content_of(job_of(tmp_path, images, MultiLabel(("a", "b"))))[1])
    assert blank_columns(page) == []
    assert "median pixels" not in page and "<th>group</th><th>train</th><th>empty</th>" in page
    assert "<th>kind</th><th>test</th></tr>" in page


def test_images_with_as_many_objects_each_are_not_drawn(tmp_path):
    numbers = np.zeros((24, 20, 1), np.uint16)
    numbers[:2], numbers[5:7] = 1, 2
    _, content = content_of(job_of(tmp_path, [labelled(f"t{i}", noise(i), numbers) for i in range(2)], NUCLEI))
    assert content["objects"]["charts"] == [] and content["objects"]["total"] == 4
    numbers[8:11] = 3
    images = [labelled(f"t{i}", noise(i), numbers) for i in range(2)]
    _, content = content_of(job_of(tmp_path / "areas", images, NUCLEI))
    assert [title for title, _ in content["objects"]["charts"]] == ["Their areas"]


def test_an_address_that_is_none_of_the_web_is_text(tmp_path):
    job = job_of(tmp_path, [labelled(f"t{i}", noise(i), mask(i)) for i in range(3)])
    _, content = content_of(replace(job, competition=replace(job.competition, page="javascript:alert(1)")))
    page = explore_page.render(content)
    assert "Tiny &lt;squares&gt; (javascript:alert(1))" in page
    assert all(link.startswith("#") for link in re.findall(r'<a [^>]*href="([^"]*)"', page))


def test_the_page_of_the_demo(demo_root):
    out = run("demo", "explore", root=demo_root)
    page = (demo_root / "data" / "demo" / "explore.html").read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    prepared = Prepared(demo_root / "data" / "demo" / "prepared")
    empty = shared.percent(prepared.info["empty"])
    salt = shared.percent(prepared.info["class_pixels"][0] / (320 * 101 * 101))
    for number in ("320", "160", empty):
        assert f'<div class="number">{number}</div>' in page
    assert f"<td>{salt}</td>" in page and "101 × 101" in page
    assert 'aria-label="depth and coverage"' in page
    assert "320 train, 160 test" in out and f"{salt} of the pixels" in out
    assert out.splitlines()[-1].startswith("data/demo/explore.html: ")
    assert not (demo_root / "runs").exists()


def test_the_page_stands_alone(demo_root):
    run("demo", "explore", root=demo_root)
    page = (demo_root / "data" / "demo" / "explore.html").read_text(encoding="utf-8")
    targets = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert targets and all(target.startswith(("data:", "#")) for target in targets)
    anchors = re.findall(r'<a href="#(\w+)"', page)
    assert anchors and all(f'<section id="{anchor}"' in page for anchor in anchors)
    assert "<script" not in page and "@import" not in page and "url(http" not in page


@pytest.mark.slow
def test_the_demo_is_drawn_first_where_it_is_not(tmp_path):
    out = run("demo", "explore", root=tmp_path)
    assert "drew the images" in out and (tmp_path / "data" / "demo" / "explore.html").exists()


def test_words_are_refused_in_one_line(demo_root):
    err = run("demo", "explore", "now", root=demo_root, status=2)
    assert err == "error: explore wants a competition and nothing more: ./run.sh tgs explore\n"
    with pytest.raises(UserError, match="explore wants a competition"):
        explore.run(None, [])


def test_what_is_not_prepared_is_prepared_first(tmp_path, capsys):
    images = [labelled(f"t{i}", noise(i), mask(i)) for i in range(4)]
    job = job_of(tmp_path, images)
    (tmp_path / "data" / "tiny" / "raw").mkdir()
    cv2.imwrite(str(tmp_path / "data" / "tiny" / "raw" / "a.png"), noise(0))
    job = replace(job, again=True)
    assert explore.run(job, []) == 0
    assert "4 train and 0 test images" in capsys.readouterr().out
    assert (job.store.data / "explore.html").exists()


def test_a_class_that_is_everywhere_is_said_by_explore(tmp_path):
    images = [labelled(f"i{seed}", noise(seed), mask(24)) for seed in range(3)]
    job = job_of(tmp_path, images)
    _, content = content_of(job)
    said = "salt covers 100 % of the pixels, and all of 3 of 3 train images"
    assert any(said in line for line in content["warnings"])
    assert any(said in line for line in explore_page.summary(content))
    assert said in explore_page.render(content)
