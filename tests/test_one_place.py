"""One place for each change: what is added as one file or function is an option, in the help and in the docs at once.

Each addition is made in a copy of the package, and nothing else there is touched.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.start import ROOT, TINY, environment


@dataclass(frozen=True)
class Addition:
    """Attributes:
    path: the file that is written, or that gets a function at its end; text: what.
    topic: the words after --help that show it; page: of docs/reference; shown: what both then hold.
    """

    path: str
    text: str
    topic: str
    page: str
    shown: str


ADDITIONS = {
    "loss": Addition(
        "pipeline/training/losses.py",
        '''

def tversky(logits, target, probabilities):
    """Tversky: misses count more than false alarms (Salehi et al. 2017, arXiv:1706.05721)."""
    both = ops.sum(probabilities * target)
    missed, alarms = ops.sum((1 - probabilities) * target), ops.sum(probabilities * (1 - target))
    return 1 - (both + 1) / (both + 0.7 * missed + 0.3 * alarms + 1)
''',
        "losses",
        "parts.md",
        "tversky",
    ),
    "augmentation": Addition(
        "pipeline/training/augmentations.py",
        '''

def cutout(image, amount, draw):
    """The share of the images that lose their left half."""
    half = ops.cast(ops.arange(image.shape[2]) < image.shape[2] // 2, "float32")[None, None, :, None]
    return image * (1 - half * draw.chance(image.shape[0], amount))
''',
        "augmentations",
        "parts.md",
        "cutout=AMOUNT",
    ),
    "metric": Addition(
        "pipeline/imaging/metrics.py",
        '''

def recall(intersection: Counts, predicted: Counts, truth: Counts) -> np.ndarray:
    """The share of the truth that is found; 1 where there is none."""
    return np.where(truth == 0, 1.0, intersection / np.maximum(truth, 1))
''',
        "metrics",
        "parts.md",
        "recall",
    ),
    "network": Addition(
        "pipeline/models/plain.py",
        '''"""Three convolutions, one after the other."""

import keras
from keras import layers

from pipeline.models.frame import Frame


def frame(recipe):
    return Frame(multiple=1, reach=3)


def build(recipe, channels, outputs, mean, std):
    image = keras.Input((None, None, channels))
    x = layers.Conv2D(recipe.width, 3, padding="same", activation="relu")(image)
    x = layers.Conv2D(recipe.width, 3, padding="same", activation="relu")(x)
    return keras.Model(image, layers.Conv2D(outputs, 3, padding="same", dtype="float32")(x))
''',
        "models",
        "parts.md",
        "plain",
    ),
    "encoder": Addition(
        "pipeline/models/encoders/smallest.py",
        '''"""Five strided convolutions: the smallest way down."""

from keras import layers


def features(image, recipe, strides):
    found, x = {}, image
    for level, stride in enumerate((2, 4, 8, 16, 32)):
        x = layers.Conv2D(4 * (level + 1), 3, strides=2, padding="same", activation="relu")(x)
        found[stride] = x
    return {stride: found[stride] for stride in strides}
''',
        "models",
        "parts.md",
        "smallest",
    ),
    "competition": Addition(
        "pipeline/competitions/other.py",
        '''"""The demo under another name."""

from dataclasses import replace

from pipeline.competitions import demo

competition = replace(demo.competition, name="other", title="Another one")
''',
        "other",
        "competitions.md",
        "Another one",
    ),
    "stage": Addition(
        "pipeline/stages/count.py",
        '''"""submissions/<c>-<run>.csv -> nothing: says how many bytes it has."""

READS = ("submit",)
ONLY_NAMED = True


def is_current(job):
    return False


def run(job, named=False):
    job.say(f"{job.store.submission.stat().st_size} bytes")
''',
        "",
        "command-line.md",
        "says how many bytes it has",
    ),
    "tool": Addition(
        "pipeline/tools/where.py",
        '''"""-> where the files of a competition are."""


def run(job, words):
    job.say(str(job.store.data))
    return 0
''',
        "",
        "command-line.md",
        "where the files of a competition are",
    ),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The package and the docs, with every addition made."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("pipeline", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for addition in ADDITIONS.values():
        path = folder / addition.path
        path.write_text((path.read_text() if path.exists() else "") + addition.text)
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
    assert addition.shown in pages[addition.page]
    assert addition.shown not in (ROOT / "docs" / "reference" / addition.page).read_text()


def test_a_stage_is_in_its_place_and_a_tool_works(copy):
    out = call(copy, "-m", "pipeline")
    assert out.index("\n  submit") < out.index("\n  count") < out.index("\n  report")
    assert str(copy / "data" / "demo") in call(copy, "-m", "pipeline", "demo", "where")


def test_a_task_says_what_it_cannot_learn_by(copy):
    """Probabilities there are in every task: by the new loss each can learn. By another's it cannot."""
    code = "from pipeline.command.names import competition; from pipeline.training import catalogue;"
    code += "print([catalogue.losses()['tversky'].like in competition(n).task.losses for n in ('camvid', 'dsb2018')])"
    assert "[True, True]" in call(copy, "-c", code)


@pytest.mark.slow
@pytest.mark.parametrize(
    "chosen", [("--loss", "bce+tversky", "--augment", "cutout=0.5", "--encoder", "smallest"), ("--model", "plain")]
)
def test_they_learn(copy, demo_root, chosen):
    tiny = [*TINY, "--late-loss", "", "--fit", "resize", "--epochs", "1", "--steps", "1", "--fold", "0"]
    out = call(copy, "-m", "pipeline", "demo", "train", "tune", *chosen, *tiny, "--root", demo_root)
    assert "fold 0 took" in out and "cross-fitted" in out


def test_what_is_not_there_is_refused_with_what_is(copy):
    for option, says in (
        (("--loss", "bce+tverski"), "'tverski' is no loss; known are: bce, ce, dice, lovasz, tversky"),
        (("--loss", "bce+bce"), "names a loss twice"),
        (("--augment", "cutout"), "write cutout=AMOUNT"),
        (("--augment", "cutout=-1"), "write cutout=AMOUNT"),
        (("--augment", "cut=1"), "'cut' is no augmentation; known are: cutout"),
        (("--augment", "noise=1"), "'noise' has an option of its own: --noise 1"),
        (("--encoder", "smallest", "--weights", "imagenet"), "smallest begins with no weights from elsewhere"),
        (("--model", "plane"), "known are: deeplabv3plus, plain, unet"),
    ):
        assert says in call(copy, "-m", "pipeline", "demo", "train", *option, status=2)
