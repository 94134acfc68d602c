"""One place for each change: what is added as one file or function is an option, in the help and in the docs at once.

The additions are the examples of docs/how-to/, made in a copy of the package; nothing else there is touched.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.docs.markdown import Page
from tests.start import ROOT, TINY, environment


@dataclass(frozen=True)
class Addition:
    """Attributes:
    page: of docs/how-to/, whose first block of Python is added; path: the file that it is, or that it ends.
    topic: the words after --help that show it; reference: the page of docs/reference/ that does; shown: what both hold.
    """

    page: str
    path: str
    topic: str
    reference: str
    shown: str

    @property
    def text(self) -> str:
        found = Page(ROOT / "docs" / "how-to" / f"{self.page}.md")
        return found.adds().get(self.path) or found.blocks("python")[0]


PARTS, COMMANDS = "parts.md", "command-line.md"
ADDITIONS = {
    "loss": Addition("add-a-loss", "pipeline/training/losses.py", "losses", PARTS, "tversky"),
    "augmentation": Addition(
        "add-an-augmentation", "pipeline/training/augmentations.py", "augmentations", PARTS, "cutout=AMOUNT"
    ),
    "metric": Addition("add-a-metric", "pipeline/imaging/volumetric.py", "metrics", PARTS, "whatever they share"),
    "network": Addition("add-a-network", "pipeline/models/tiny.py", "models", PARTS, "the least that learns"),
    "encoder": Addition("add-an-encoder", "pipeline/models/encoders/strided.py", "models", PARTS, "strided"),
    "competition": Addition(
        "add-a-competition", "pipeline/competitions/wells.py", "wells", "competitions.md", "Wells in aerial pictures"
    ),
    "stage": Addition("add-a-stage-or-tool", "pipeline/stages/summary.py", "", COMMANDS, "the run and its score"),
    "tool": Addition("add-a-stage-or-tool", "pipeline/tools/sizes.py", "", COMMANDS, "images there are of each size"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The package and the docs, with every addition made."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("pipeline", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for addition in ADDITIONS.values():
        path = folder / addition.path
        before = f"{path.read_text()}\n\n" if path.exists() else ""
        path.write_text(before + addition.text)
    return folder


def call(copy, *command, status=0) -> str:
    words = [sys.executable, "-P", *map(str, command)]
    done = subprocess.run(
        words, cwd=copy, env=environment(PYTHONPATH=str(copy)), capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def pages(copy):
    """The pages of docs/reference, written anew."""
    call(copy, "docs/generate.py")
    return {path.name: path.read_text() for path in (copy / "docs" / "reference").glob("*.md")}


@pytest.mark.parametrize("kind", ADDITIONS)
def test_it_is_in_the_help_and_in_the_docs(copy, pages, kind):
    addition = ADDITIONS[kind]
    assert addition.shown in call(copy, "-m", "pipeline", "--help", *addition.topic.split())
    assert addition.shown in pages[addition.reference]
    assert addition.shown not in (ROOT / "docs" / "reference" / addition.reference).read_text()


@pytest.mark.slow
def test_a_stage_is_in_its_place_and_a_tool_works(copy, demo_root):
    out = call(copy, "-m", "pipeline")
    assert out.index("\n  tune") < out.index("\n  summary") < out.index("\n  upload")
    assert "160 images of 101 x 101" not in out
    assert "480 images of 101 x 101 pixels" in call(copy, "-m", "pipeline", "demo", "sizes", "--root", demo_root)
    quick = ("--model", "classical", "--folds", "3", "--fold", "0", "--run", "mine", "--root", demo_root)
    call(copy, "-m", "pipeline", "demo", "train", *quick)
    assert "runs/demo/mine/summary.txt: mine: 0." in call(copy, "-m", "pipeline", "demo", "summary", *quick)


def test_a_task_says_what_it_cannot_learn_by(copy):
    """Probabilities there are in every task: by the new loss each can learn. By another's it cannot."""
    code = "from pipeline.command.names import competition; from pipeline.training import catalogue;"
    code += "print([catalogue.losses()['tversky'].like in competition(n).task.losses for n in ('camvid', 'dsb2018')])"
    assert "[True, True]" in call(copy, "-c", code)


TOGETHER = ("--loss", "bce+tversky", "--augment", "cutout=0.5+blur=0.3", "--encoder", "strided")


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [TOGETHER, ("--model", "tiny")], ids=["together", "network"])
def test_they_learn(copy, demo_root, chosen):
    tiny = [*TINY, "--fit", "resize", "--epochs", "1", "--steps", "1", "--fold", "0"]
    out = call(copy, "-m", "pipeline", "demo", "train", "tune", *chosen, *tiny, "--root", demo_root)
    assert "fold 0 took" in out and "cross-fitted" in out


@pytest.mark.slow
def test_what_is_not_there_is_refused_with_what_is(copy):
    for option, says in (
        (("--loss", "bce+tverski"), "'tverski' is no loss; known are: bce, ce, dice, lovasz, tversky"),
        (("--loss", "bce+bce"), "names a loss twice"),
        (("--augment", "cutout"), "write cutout=AMOUNT"),
        (("--augment", "cutout=-1"), "write cutout=AMOUNT"),
        (("--augment", "cut=1"), "'cut' is no augmentation; known are: cutout, blur"),
        (("--augment", "noise=1"), "'noise' has an option of its own: --noise 1"),
        (("--encoder", "strided", "--weights", "imagenet"), "strided begins with no weights from elsewhere"),
        (("--model", "plane"), "known are: deeplabv3plus, maskrcnn, tiny, unet"),
    ):
        assert says in call(copy, "-m", "pipeline", "demo", "train", *option, status=2)


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("stages/odd.py", '"""-> x."""\n', "pipeline/stages/odd.py wants READS"),
        ("stages/odd.py", '"""-> x."""\n\nREADS = ("trian",)\n', "pipeline/stages/odd.py wants READS"),
        ("stages/odd.py", '"""-> x."""\n\nREADS = ("odd",)\n', "odd.py reads itself"),
        ("tools/odd.py", '"""-> x."""\n', "pipeline/tools/odd.py has no function run"),
        (
            "training/losses.py",
            '\n\ndef odd(logits, target, probs):\n    """Odd."""\n',
            "odd takes 'probs'; beside logits and target there are probabilities, pixel_weights, class_weights",
        ),
    ],
)
def test_a_mistake_in_an_addition_is_a_line_that_names_its_file(copy, path, text, says):
    file = copy / "pipeline" / path
    before = file.read_text() if file.exists() else None
    file.write_text((before or "") + text)
    try:
        assert says in call(copy, "-m", "pipeline", "demo", "odd", status=2)
    finally:
        file.write_text(before) if before else file.unlink()
