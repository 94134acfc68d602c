"""`new`: which names it takes, what it finds in a folder, and that the file it writes is one that runs.

A file written by it belongs into the package, so these tests write it into a copy of the package.
"""

import importlib.util
import json
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from pipeline import recipe as recipes
from pipeline.command import help, names
from pipeline.drafting import folders as draft_folders
from pipeline.drafting import page
from pipeline.errors import UserError
from pipeline.raw import folders as image_folders
from pipeline.raw import masks as mask_labels
from pipeline.raw.files import RawFiles
from pipeline.raw.places.survey import survey
from pipeline.tools import new
from tests.raw import palette_example
from tests.start import ROOT, TINY, environment

SIZE = (8, 10)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Where files are written: a folder with the competitions of the package."""
    copy = tmp_path / "pipeline"
    shutil.copytree(ROOT / "pipeline" / "competitions", copy / "competitions")
    monkeypatch.setattr(new, "COMPETITIONS", copy / "competitions")
    return copy


def folder_of(path, masks, names=None, images=None, ending=".png"):
    """Writes images/ and masks/ from masks as OpenCV takes them."""
    (path / "images").mkdir(parents=True, exist_ok=True)
    (path / "masks").mkdir(exist_ok=True)
    for i, mask in enumerate(masks):
        name = names[i] if names else f"picture{i}"
        image = images[i] if images else np.random.default_rng(i).integers(0, 255, (*mask.shape[:2], 3), np.uint8)
        assert cv2.imwrite(str(path / "images" / f"{name}.png"), image)
        assert cv2.imwrite(str(path / "masks" / f"{name}{ending}"), mask)
    return path


def ids(*values):
    """A mask of SIZE with these values in stripes."""
    return np.array(values, np.uint8)[np.arange(SIZE[1]) * len(values) // SIZE[1]] * np.ones((SIZE[0], 1), np.uint8)


def colours(*values):
    """The same of (red, green, blue), as OpenCV takes it."""
    return np.array(values, np.uint8)[ids(*range(len(values)))][..., ::-1]


def loaded(path):
    """The competition of a file, as the command line loads it."""
    spec = importlib.util.spec_from_file_location(f"written_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.competition


def made(package, folder=None, name="mine"):
    """The competition written for a folder."""
    assert new.run(None, [name, *([str(folder)] if folder else [])]) == 0
    return loaded(package / "competitions" / f"{name}.py")


def labels_of(competition, folder):
    with RawFiles(folder) as raw:
        return {image.id: image.labels()[..., 0] for image in competition.read(raw).images if image.labels}


# names


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Cells", "small letters"),
        ("cells-2", "small letters"),
        ("2cells", "a letter first"),
        ("_cells", "a letter first"),
        ("../cells", "small letters"),
        ("zellkörper", "small letters"),
        ("", "small letters"),
        ("class", "no word of Python"),
        ("c" * 31, "at most 30"),
        ("train", "means something else"),
        ("check", "means something else"),
        ("new", "means something else"),
        ("test", "means something else"),
        ("tgs", "is there already: pipeline/competitions/tgs.py"),
        ("demo", "is there already"),
    ],
)
def test_names_that_cannot_be(package, name, says):
    before = (package / "competitions" / "tgs.py").read_bytes()
    with pytest.raises(UserError) as found:
        new.run(None, [name])
    assert says in str(found.value) and len(str(found.value).splitlines()) == 1
    assert (package / "competitions" / "tgs.py").read_bytes() == before


def test_a_file_is_written_again_unless_somebody_has_edited_it(package, tmp_path):
    path = package / "competitions" / "mine.py"
    new.run(None, ["mine"])
    first = path.read_text()
    new.run(None, ["mine", str(folder_of(tmp_path / "data", [np.eye(8, 10, dtype=np.uint8)] * 2))])
    second = path.read_text()
    assert first != second
    path.write_text(second.replace("epochs", "epochs "))
    with pytest.raises(UserError, match="was edited since `new` wrote it; give another name, or --overwrite"):
        new.run(None, ["mine"])
    assert path.read_text() != second
    new.run(None, ["mine"], overwrite=True)
    assert path.read_text() == first


def test_a_file_that_it_did_not_write_is_never_overwritten(package):
    path = package / "competitions" / "mine.py"
    path.write_text("changed")
    for overwrite in (False, True):
        with pytest.raises(UserError, match="give another name, or delete that file first"):
            new.run(None, ["mine"], overwrite=overwrite)
    assert path.read_text() == "changed"


@pytest.mark.parametrize("words", [[], ["a", "b", "c"], list("abcdef")])
def test_what_it_wants_to_be_told(package, words):
    with pytest.raises(UserError, match="wants a name and perhaps a folder"):
        new.run(None, words)


def test_the_names_of_stages_are_those_the_command_line_knows():
    for name in (*names.stages(), *names.tools(), *help.TOPICS):
        with pytest.raises(UserError):
            new.check_name(name)


def test_a_folder_that_is_not_there_writes_nothing(package, tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        new.run(None, ["mine", str(tmp_path / "nowhere")])
    assert not (package / "competitions" / "mine.py").exists()


def test_the_next_command_is_said(package, tmp_path, capsys):
    new.run(None, ["plain"])
    assert "./run.sh plain --data FOLDER --recipe smoke" in capsys.readouterr().out
    folder = folder_of(tmp_path / "raw", [ids(0, 255), ids(0)])
    new.run(None, ["found", str(folder)])
    out = capsys.readouterr().out
    assert f"./run.sh found --data {folder} --recipe smoke" in out
    assert "2 images with a mask and 0 to answer, 8 x 10 pixels (height x width), in colours, uint8" in out
    assert "masks of one class" in out


# what the file says


def test_without_a_folder_it_is_for_masks_of_one_class(package, tmp_path):
    competition = made(package)
    assert competition.name == "mine" and competition.task.outputs == 1
    folder = folder_of(tmp_path / "raw", [ids(0, 255), ids(0)])
    assert labels_of(competition, folder)["picture0"].tolist() == ids(0, 1).tolist()


@pytest.mark.parametrize("value", [1, 255])
def test_masks_of_one_class(package, tmp_path, value):
    folder = folder_of(tmp_path / "raw", [ids(0, value), ids(0)])
    competition = made(package, folder)
    assert competition.task.outputs == 1 and competition.task.activation == "sigmoid"
    assert labels_of(competition, folder)["picture0"].max() == 1


def test_masks_of_0_and_1_here_and_0_and_255_there_are_one_class(package, tmp_path):
    folder = folder_of(tmp_path / "raw", [ids(0, 255), ids(0, 1)])
    assert made(package, folder).task.outputs == 1


def test_masks_with_soft_edges(package, tmp_path):
    disc = cv2.circle(np.zeros((64, 64), np.uint8), (30, 30), 17, 255, -1)
    folder = folder_of(tmp_path / "raw", [disc, disc.T], ending=".jpg")
    competition = made(package, folder)
    assert competition.task.outputs == 1
    assert np.mean(labels_of(competition, folder)["picture0"] != (disc > 0)) < 0.01


def test_numbers_of_classes(package, tmp_path):
    folder = folder_of(tmp_path / "raw", [ids(0, 1), ids(3, 2, 0), ids(1, 1)])
    task = made(package, folder).task
    assert task.classes == ("class_0", "class_1", "class_2", "class_3") and task.void is None
    assert task.activation == "softmax"


def test_numbers_of_classes_and_what_is_to_be_ignored(package, tmp_path):
    folder = folder_of(tmp_path / "raw", [ids(0, 1, 255), ids(2, 0)])
    competition = made(package, folder)
    assert competition.task.outputs == 3 and competition.task.void == 255
    assert labels_of(competition, folder)["picture0"].max() == 255


def test_greys_that_stand_for_classes(package, tmp_path):
    folder = folder_of(tmp_path / "raw", [ids(0, 128), ids(255, 128)])
    competition = made(package, folder)
    assert competition.task.colours == ((0, 0, 0), (128, 128, 128), (255, 255, 255))
    assert set(np.unique(labels_of(competition, folder)["picture1"])) == {1, 2}


def test_colours_black_first_then_what_covers_most(package, tmp_path):
    red, green, black = (255, 0, 0), (0, 255, 0), (0, 0, 0)
    folder = folder_of(tmp_path / "raw", [colours(red, green, green, black), colours(red, green, green, green)])
    competition = made(package, folder)
    assert competition.task.colours == (black, green, red)
    assert labels_of(competition, folder)["picture0"][0, 0] == 2


def test_black_and_one_colour_is_one_class(package, tmp_path):
    folder = folder_of(tmp_path / "raw", [colours((0, 0, 0), (255, 0, 0))])
    assert made(package, folder).task.outputs == 1


def test_the_order_of_a_palette_is_that_of_the_classes(package, tmp_path):
    palette_example.write(tmp_path / "raw")
    competition = made(package, tmp_path / "raw")
    assert competition.task.colours == tuple(palette_example.COLOURS.values())
    assert np.array_equal(labels_of(competition, tmp_path / "raw")["drive1_02"], palette_example.draw((1, 2))[1])


def test_the_colour_of_void_in_pascal_voc(package, tmp_path):
    folder = folder_of(tmp_path / "raw", [colours((0, 0, 0), (128, 0, 0), (224, 224, 192))])
    competition = made(package, folder)
    assert competition.task.outputs == 2 and competition.task.void == 255
    assert labels_of(competition, folder)["picture0"].max() == 255


@pytest.mark.parametrize(
    ("masks", "says"),
    [
        ([ids(0), ids(0)], "hold only 0"),
        ([np.arange(4800, dtype=np.uint8).reshape(60, 80)], "different values"),
    ],
)
def test_masks_that_cannot_be_told(package, tmp_path, masks, says):
    folder = folder_of(tmp_path / "raw", masks)
    with pytest.raises(UserError, match=says):
        new.run(None, ["mine", str(folder)])
    assert not (package / "competitions" / "mine.py").exists()


def test_folders_by_other_names_and_a_test_folder(package, tmp_path, capsys):
    folder = folder_of(tmp_path / "raw", [ids(0, 1), ids(1)])
    (folder / "images").rename(folder / "Imgs")
    (folder / "masks").rename(folder / "annotations")
    (folder / "test").mkdir()
    cv2.imwrite(str(folder / "test" / "x.png"), np.zeros((*SIZE, 3), np.uint8))
    competition = made(package, folder)
    assert "2 images with a mask and 1 to answer" in capsys.readouterr().out
    with RawFiles(folder) as raw:
        assert [image.part for image in competition.read(raw).images] == ["train", "train", "test"]


def test_folders_by_any_names_are_said(package, tmp_path):
    folder = folder_of(tmp_path / "raw", [ids(0, 1), ids(1)])
    (folder / "images").rename(folder / 'x "train"')
    (folder / "masks").rename(folder / "y")
    (folder / "z").mkdir()
    cv2.imwrite(str(folder / "z" / "other.png"), np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(UserError, match="new NAME FOLDER 'x \"train\"' y"):
        new.run(None, ["mine", str(folder)])
    new.run(None, ["mine", str(folder), 'x "train"', "y", "z"])
    with RawFiles(folder) as raw:
        images = loaded(package / "competitions" / "mine.py").read(raw).images
    assert [image.part for image in images] == ["train", "train", "test"]


def test_images_and_masks_in_one_folder(package, tmp_path):
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((*SIZE, 3), np.uint8))
        cv2.imwrite(str(tmp_path / f"{name}_mask.png"), ids(0, 255))
    assert set(labels_of(made(package, tmp_path), tmp_path)) == {"a", "b"}


def test_images_without_a_mask_are_to_be_answered(package, tmp_path, capsys):
    folder = folder_of(tmp_path / "raw", [ids(0, 1), ids(1, 0), ids(0, 1)])
    (folder / "masks" / "picture2.png").unlink()
    competition = made(package, folder)
    assert "1 image(s) without a mask are taken as to be answered" in capsys.readouterr().out
    assert set(labels_of(competition, folder)) == {"picture0", "picture1"}


def test_grey_images_get_one_channel_and_colours_three(package, tmp_path):
    grey = [np.full((*SIZE, 3), 7, np.uint8), np.full((*SIZE, 1), 9, np.uint8)]
    for name, images, channels in (("grey", grey, 1), ("colours", None, 3)):
        folder = folder_of(tmp_path / name, [ids(0, 1), ids(1, 0)], images=images)
        with RawFiles(folder) as raw:
            shapes = {image.image().shape[2] for image in made(package, folder, name).read(raw).images}
        assert shapes == {channels}


def test_small_images_of_one_size_are_learnt_as_they_are(package, tmp_path):
    same = made(package, folder_of(tmp_path / "same", [ids(0, 1)]), "same")
    assert same.recipes["default"]["size"] == 0 and same.recipes["quick"]["size"] == 0
    other = made(package, folder_of(tmp_path / "other", [ids(0, 1), ids(1, 0)[:7]]), "other")
    assert other.recipes["default"]["size"] == 256 and other.recipes["default"]["fit"] == "resize"
    with RawFiles(tmp_path / "other") as raw:
        found = survey(raw)
    assert (found.smallest, found.largest) == ((7, 10), (8, 10))


def test_of_long_images_windows_are_learnt(package, tmp_path):
    strips = [np.zeros((8, 10), np.uint8), np.zeros((20, 300), np.uint8), np.zeros((40, 60), np.uint8)]
    for mask in strips:
        mask[:4] = 255
    long = made(package, folder_of(tmp_path / "long", strips), "long")
    assert long.recipes["quick"]["size"] == 0 and long.recipes["quick"]["crop"] == 32
    with RawFiles(tmp_path / "long") as raw:
        assert survey(raw).longest == (20, 300)
    assert long.copies == "together"


def test_names_that_look_like_groups_are_pointed_out(package, tmp_path, capsys):
    palette_example.write(tmp_path / "raw")
    made(package, tmp_path / "raw")
    assert "set group=" in capsys.readouterr().out
    assert r'group=r"^(.+)[_-][^_-]+$"' in (package / "competitions" / "mine.py").read_text(encoding="utf-8")


# the file itself


@pytest.fixture
def every_kind(package, tmp_path):
    """The files written for each kind of masks."""
    longest = "n" * 30
    folders = {
        "plain": None,
        longest: folder_of(tmp_path / "a", [colours((0, 0, 0), (128, 0, 0), (224, 224, 192))]),
        "numbers": folder_of(tmp_path / "b", [ids(0, 1, 255), ids(*range(10))]),
        "greys": folder_of(tmp_path / "c", [ids(0, 128, 255)], names=["x_1"]),
    }
    for name, folder in folders.items():
        made(package, folder, name)
    return {name: package / "competitions" / f"{name}.py" for name in folders}


def test_every_file_compiles_and_keeps_the_style_of_the_code(every_kind, tmp_path):
    pytest.importorskip("ruff", reason="ruff is not installed (requirements-dev.txt)")
    for path in every_kind.values():
        compile(path.read_text(encoding="utf-8"), str(path), "exec")
    ruff = [sys.executable, "-m", "ruff"]
    for words in (["check", "--no-cache"], ["format", "--check", "--diff", "--no-cache"]):
        # the line length and rules of this project
        settings = ["--config", str(ROOT / "pyproject.toml")]
        # which names are ours is seen from the folder it would lie in
        done = subprocess.run(
            [*ruff, *words, *settings, *map(str, every_kind.values())], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_recipe_fits_the_task(every_kind):
    for path in every_kind.values():
        competition = loaded(path)
        assert set(competition.recipes) == {"smoke", "quick", "default"} == set(competition.costs)
        for named in competition.recipes.values():
            recipe = recipes.resolve(named, {})
            for part in f"{recipe.loss}+{recipe.late_loss}".strip("+").split("+"):
                assert part in competition.task.losses


def test_the_metric_of_every_file_takes_the_counts_of_its_task(every_kind):
    for path in every_kind.values():
        competition = loaded(path)
        labels = np.zeros((4, 6, 1), np.uint8)
        labels[1:] = 1
        statistic = competition.metric.statistic(competition.task, labels, labels)
        assert competition.metric.scores(statistic[None])[0] == 1


def test_what_its_comments_tell_to_import_is_there():
    text = page.TEMPLATE.read_text(encoding="utf-8")
    told = re.findall(r"from (pipeline[\w.]+) import (\w+)", text)
    assert len(told) > 7
    for module, name in told:
        code = (ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
        assert re.search(rf"^(class|def) {name}\b|^{name} =", code, re.M), (module, name)


def test_what_its_comments_say_of_labels_is_there():
    text = page.TEMPLATE.read_text(encoding="utf-8") + draft_folders.READ.template
    for name in ("binary", "above", "class_ids", "palette", "objects", "parts"):
        assert f"labels={name}" in text and hasattr(mask_labels, name)
    named = re.findall(r"^        (\w+)=", text, flags=re.M)
    assert named and set(named) <= set(image_folders.read_folders.__annotations__) | {"group"}


# the whole way


def _copied_package(tmp_path):
    """A checkout of one's own: the package alone."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "pipeline", tmp_path / "checkout" / "pipeline", ignore=ignore)
    return tmp_path / "checkout"


def _run(checkout, *words, status=0):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pipeline", *map(str, words)],
        cwd=checkout.parent,
        env=environment(PYTHONPATH=str(checkout)),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stderr if status else done.stdout


def test_the_command_line_writes_the_file_and_knows_it(tmp_path):
    checkout = _copied_package(tmp_path)
    assert "wrote pipeline/competitions/mine.py" in _run(checkout, "new", "mine")
    assert "mine: Mine" in _run(checkout, "mine", "--help")
    with (checkout / "pipeline" / "competitions" / "mine.py").open("a") as file:
        file.write("# edited\n")
    error = _run(checkout, "new", "mine", status=2)
    assert error.startswith("error: ") and len(error.splitlines()) == 1


@pytest.mark.slow
def test_from_a_folder_to_a_submission(tmp_path):
    """Multi-class, from masks with a palette, folds by drive."""
    checkout, raw = _copied_package(tmp_path), tmp_path / "raw"
    palette_example.write(raw)
    assert "3 classes" in _run(checkout, "new", "drives", raw)
    path = checkout / "pipeline" / "competitions" / "drives.py"
    text = path.read_text(encoding="utf-8").replace("group=None", 'group=r"^(drive\\d+)_"')
    path.write_text(text, encoding="utf-8")
    fields = ["--size", "48", "--fit", "resize", "--folds", "4", "--trained-folds", "1"]
    _run(checkout, "drives", "--data", raw, *TINY, "--run", "tiny", *fields)
    folds = dict(line.split(",") for line in (checkout / "folds" / "drives-4.csv").read_text().split()[1:])
    assert len({(name.split("_")[0], fold) for name, fold in folds.items()}) == 4
    content = json.loads((checkout / "runs" / "drives" / "tiny" / "thresholds.json").read_text())
    assert content["classes"] == ["class_0", "class_1", "class_2"] and content["n"] == 6
    rows = (checkout / "submissions" / "drives-tiny.csv").read_text().splitlines()
    assert rows[0] == "id,class,rle" and len(rows) == 1 + 6 * 3
    assert (checkout / "runs" / "drives" / "tiny" / "report.html").exists()


@pytest.mark.slow
def test_masks_of_one_class_need_no_editing(tmp_path):
    checkout, raw = _copied_package(tmp_path), tmp_path / "raw"
    masks = [cv2.circle(np.zeros((40, 56), np.uint8), (10 + i, 20), 8, 255, -1) for i in range(12)]
    folder_of(raw, masks)
    (raw / "test").mkdir()
    (raw / "images" / "picture0.png").rename(raw / "test" / "picture0.png")
    (raw / "masks" / "picture0.png").unlink()
    _run(checkout, "new", "discs")
    _run(checkout, "discs", "--data", raw, "--recipe", "smoke", *TINY, "--model", "classical", "--run", "tiny")
    rows = (checkout / "submissions" / "discs-tiny.csv").read_text().splitlines()
    assert len(rows) == 2 and rows[1].startswith("picture0,")


@pytest.mark.slow
def test_numbered_objects_need_no_editing(tmp_path):
    checkout, raw = _copied_package(tmp_path), tmp_path / "raw"
    masks = []
    for i in range(12):
        drawn = np.zeros((40, 56), np.uint8)
        for j in range(1 + i % 4):
            cv2.circle(drawn, (7 + 13 * j, 9 + 5 * j), 5, 1, -1)
        masks.append(cv2.connectedComponents(drawn)[1].astype(np.uint16))
    folder_of(raw, masks)
    assert "every value but 0 is an object: 1 to 4 in a mask" in _run(checkout, "new", "counted", raw)
    _run(checkout, "counted", "--data", raw, "--recipe", "smoke", *TINY, "--trained-folds", "1", "--run", "tiny")
    rows = (checkout / "submissions" / "counted-tiny.csv").read_text().splitlines()
    # of the fold of three that is trained
    answered = {row.partition(",")[0] for row in rows[1:]}
    assert rows[0] == "id,rle" and len(answered) == 4 and answered < {f"picture{i}" for i in range(12)}
