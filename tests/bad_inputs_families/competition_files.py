"""A competition's file with one mistake in it: the line that says so names the file."""

import importlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bad_inputs_families import roots
from tests.bad_inputs_families.case import Case

GOOD = '''"""Odd."""

from pipeline.competition import Competition, RawData, RawImage
from pipeline.imaging.metrics import CountMetric, dice
from pipeline.raw.folders import read_folders
from pipeline.raw.masks import binary
from pipeline.recipe import SMOKE
from pipeline.store.submission import Format
from pipeline.tasks.binary import Binary


def labels(picture):
    return binary(picture)


def read(raw):
    return read_folders(raw, labels=labels, group=None, channels=1)


competition = Competition(
    name="NAME",
    title="Odd",
    page="",
    slug="",
    task=Binary(("object",)),
    metric=CountMetric("mean Dice", dice),
    read=read,
    format=Format(),
    symmetry="left-right",
    recipes={"smoke": SMOKE, "quick": {"folds": 2, "model": "classical"}, "default": {"folds": 2}},
    costs={"smoke": "-", "quick": "-", "default": "-"},
)
'''
_numbers = itertools.count()
# what is exchanged for what in the good file, when it shows
AT_IMPORT = {
    "nothing": None,
    "a text that does not end": ("competition = ", "x = '\ncompetition = "),
    "a bracket that does not end": ("    costs=", "    costs=("),
    "an indent": ("competition = ", "  competition = "),
    "a NUL": ("competition = ", "\0competition = "),
    "no competition": ("competition = ", "other = "),
    "competition is None": ("competition = Competition(", "competition = None and Competition("),
    "competition is a number": ("competition = Competition(", "competition = 3 or Competition("),
    "competition is the class": ("competition = Competition(", "competition = Competition or Competition("),
    "competition is a list": ("competition = Competition(", "competition = [] or [1] and [2] or Competition("),
    "an import that fails": ("from pipeline.recipe", "import nothing_like_this\nfrom pipeline.recipe"),
    "an import of ours that fails": ("from pipeline.recipe", "import pipeline.nothing\nfrom pipeline.recipe"),
    "a name that moved": ("import SMOKE", "import SMOCK"),
    "a name that is not known": ("costs={", "costs=COSTS or {"),
    "an exception": ("competition = ", "raise ValueError('odd\\nlines')\ncompetition = "),
    "sys.exit": ("competition = ", "raise SystemExit(3)\ncompetition = "),
    "an exit without a number": ("competition = ", "exit()\ncompetition = "),
    "an exception of its own": ("competition = ", "class E(BaseException): pass\nraise E\ncompetition = "),
    "an exception that cannot be shown": (
        "competition = ",
        "class E(Exception):\n    def __str__(self):\n        raise ValueError\nraise E\ncompetition = ",
    ),
    "itself imported": ("competition = ", "from pipeline.competitions.NAME import competition as c\ncompetition = "),
    "an assertion": ("competition = ", "assert 1 == 2\ncompetition = "),
    "a recursion without end": ("competition = ", "def f():\n    return f()\nf()\ncompetition = "),
    "a field that is not known": ("    title=", "    titel=3,\n    title="),
    "a field twice": ("    title=", "    title='x',\n    title="),
    "a field missing": ('    title="Odd",\n', ""),
    "two classes without their column": ('Binary(("object",))', 'Binary(("object", "other"))'),
    "no class": ('Binary(("object",))', "Binary(())"),
    "classes that are a text": ('Binary(("object",))', 'Binary("object")'),
    "a task that is None": ('Binary(("object",))', "None"),
    "a task that is a class": ('Binary(("object",))', "Binary"),
    "a metric that is None": ('CountMetric("mean Dice", dice)', "None"),
    "a metric that is a function": ('CountMetric("mean Dice", dice)', "dice"),
    "a format that is None": ("Format()", "None"),
    "a format of several": ("Format()", "Format(several=True)"),
    "a name that is another": ('name="NAME"', 'name="other"'),
    "a name that is a path": ('name="NAME"', 'name="../x"'),
    "a name that is None": ('name="NAME"', "name=None"),
    "recipes that are None": ("recipes={", "recipes=None and {"),
    "recipes that are a list": ("recipes={", "recipes=[] and {"),
    "a recipe that is None": ('"default": {"folds": 2}', '"default": None'),
    "a recipe with an unknown field": ('"default": {"folds": 2}', '"default": {"fold": 2}'),
    "a recipe with a field of another type": ('"default": {"folds": 2}', '"default": {"folds": "2"}'),
    "a recipe out of range": ('"default": {"folds": 2}', '"default": {"folds": 1}'),
    "a recipe with an unknown loss": ('"default": {"folds": 2}', '"default": {"loss": "hinge"}'),
    "a recipe with an unknown network": ('"default": {"folds": 2}', '"default": {"model": "hinge"}'),
    "no recipe called default": (', "default": {"folds": 2}', ""),
    "a symmetry that is not known": ('symmetry="left-right"', 'symmetry="upside-down"'),
    "a symmetry that is None": ('symmetry="left-right"', "symmetry=None"),
    "a symmetry that is a list": ('symmetry="left-right"', "symmetry=[]"),
    "not UTF-8": ("Odd.", "\udcff"),
}


def _instead(line: str) -> tuple[str, str]:
    """`read` does something else."""
    return "    return read_folders", f"    {line}\n    return read_folders"


def _image(arguments: str) -> tuple[str, str]:
    """`read` finds one image."""
    return _instead(f"return RawData([RawImage({arguments})])")


def _each(change: str) -> tuple[str, str]:
    """`read` finds images that are changed."""
    found = "found = read_folders(raw, channels=1)"
    changed = f"return RawData([dataclasses.replace(image, {change}) for image in found.images])"
    return _instead(f"import dataclasses\n    {found}\n    {changed}")


# shown when the raw files are read
AT_READ = {
    "read raises": _instead("raise ValueError('odd\\nlines')"),
    "read raises a KeyError": _instead("{}['x']"),
    "read ends the process": _instead("raise SystemExit(1)"),
    "read returns None": _instead("return"),
    "read returns a list": _instead("return []"),
    "read returns no images": _instead("return RawData([])"),
    "read returns images that are texts": _instead("return RawData(['x'])"),
    "read returns images that are None": _instead("return RawData(None)"),
    "read takes nothing": ("def read(raw):", "def read(raw=None, /, *, more):"),
    "read is None": ("    read=read,", "    read=None,"),
    "read is a text": ("    read=read,", "    read='x',"),
    "read is a builtin": ("    read=read,", "    read=len,"),
    "read is a lambda": ("    read=read,", "    read=lambda raw: read(raw),"),
    "read opens what is not there": _instead("open('/nowhere')"),
    "labels raise": ("    return binary", "    raise ValueError('odd')\n    return binary"),
    "labels divide by nought": ("    return binary", "    1 / 0\n    return binary"),
    "labels end the process": ("    return binary", "    raise SystemExit(1)\n    return binary"),
    "labels are None": ("    return binary", "    return\n    return binary"),
    "labels are a text": ("    return binary", "    return 'x'\n    return binary"),
    "labels of two dimensions": ("binary(picture)", "binary(picture)[..., 0]"),
    "labels of two layers": ("binary(picture)", "binary(picture).repeat(2, axis=2)"),
    "labels of another size": ("binary(picture)", "binary(picture)[:-1]"),
    "labels of another type": ("binary(picture)", "binary(picture).astype('float64')"),
    "labels that are texts": ("binary(picture)", "binary(picture).astype(str)"),
    "labels of objects": ("binary(picture)", "binary(picture).astype(object)"),
    "labels of 255": ("binary(picture)", "binary(picture) * 255"),
    "labels is a number": ("labels=labels", "labels=3"),
    "group raises": ("group=None", "group=lambda name: {}['x']"),
    "group is a number": ("group=None", "group=lambda name: 3"),
    "group is None": ("group=None", "group=lambda name: None"),
    "group is no expression": ("group=None", "group='('"),
    "group has no group": ("group=None", "group='x'"),
    "group has two groups": ("group=None", "group='(.)(.)'"),
    "group that matches nothing": ("group=None", "group='^(never)$'"),
    "group is a list": ("group=None", "group=[]"),
    "channels are a text": ("channels=1", "channels='grey'"),
    "channels are two": ("channels=1", "channels=2"),
    "channels are minus one": ("channels=1", "channels=-1"),
    "unmasked is not known": ("channels=1", "unmasked='maybe'"),
    "a folder that is not there": ("channels=1", "images='photos'"),
    "a folder that is a number": ("channels=1", "images=3"),
    "a folder that is None": ("channels=1", "masks=None"),
    "an argument that is not known": ("channels=1", "colour=3"),
    "an image that raises": _image("'a', 'train', lambda: 1 / 0, lambda: 1"),
    "an image that is None": _image("'a', 'train', lambda: None, lambda: None"),
    "an image of a part that there is not": _image("'a', 'valid', lambda: 1, lambda: 1"),
    "an id that is a number": _image("3, 'train', lambda: 1, lambda: 1"),
    "ids that are there twice": _instead(
        "found = read_folders(raw, channels=1)\n    return RawData([*found.images, *found.images])"
    ),
    "a doubt that raises": _each("doubt=lambda labels: 1 / 0"),
    "extra that is a text": _each("extra='x'"),
    "a sample that is a text": _instead("return RawData(read_folders(raw, channels=1).images, sample='x')"),
    "a sample that is no csv": _instead("return RawData(read_folders(raw, channels=1).images, sample=b'x')"),
}
# shown in the stages behind
LATER = {
    "split raises": ("    costs=", "    split=lambda table, count: 1 / 0,\n    costs="),
    "split returns None": ("    costs=", "    split=lambda table, count: None,\n    costs="),
    "split returns texts": ("    costs=", "    split=lambda table, count: ['x'] * len(table),\n    costs="),
    "split returns too few": (
        "    costs=",
        "    split=lambda table, count: __import__('numpy').zeros(1, int),\n    costs=",
    ),
    "split returns fractions": (
        "    costs=",
        "    split=lambda table, count: __import__('numpy').zeros(len(table)) + .5,\n    costs=",
    ),
    "split returns what is below": (
        "    costs=",
        "    split=lambda table, count: __import__('numpy').zeros(len(table), int) - 2,\n    costs=",
    ),
    "split is a number": ("    costs=", "    split=3,\n    costs="),
    "a metric that raises": ("dice)", "lambda intersection, predicted, truth: 1 / 0)"),
    "a metric that takes one": ("dice)", "lambda one: one)"),
    "a metric that returns None": ("dice)", "lambda intersection, predicted, truth: None)"),
    "a metric that returns one number": ("dice)", "lambda intersection, predicted, truth: 3.0)"),
    "a metric that is None": ("dice)", "None)"),
    "also that raises": ("    costs=", "    also={'x': lambda probabilities, labels: 1 / 0},\n    costs="),
    "also that returns a text": ("    costs=", "    also={'x': lambda probabilities, labels: 'x'},\n    costs="),
    "also that returns None": ("    costs=", "    also={'x': lambda probabilities, labels: None},\n    costs="),
    "also that is a list": ("    costs=", "    also=['x'],\n    costs="),
    "also that raises on real pictures alone": (
        "    costs=",
        "    also={'x': lambda probabilities, labels: 1 / (len(labels) == 8)},\n    costs=",
    ),
    "a metric that raises on many images alone": (
        "dice)",
        "lambda both, found, truth: dice(both, found, truth) / (1 if len(both) < 4 else [][1]))",
    ),
    "a draw that raises": ("    costs=", "    draw=lambda folder: 1 / 0,\n    costs="),
}


def write(name: str, text: str) -> None:
    """Puts a file into the competitions of the package that is imported: the copy."""
    path = _path(name)
    path.write_bytes(text.replace("NAME", name).encode(errors="surrogateescape"))
    sys.modules.pop(f"pipeline.competitions.{name}", None)
    importlib.invalidate_caches()


def remove(name: str) -> None:
    _path(name).unlink(missing_ok=True)


def _path(name: str) -> Path:
    import pipeline

    package = Path(pipeline.__file__).parent
    if package.parent == Path(__file__).parents[2]:
        raise RuntimeError("files are written into the package: it must be a copy, as tests.bad_inputs makes one")
    return package / "competitions" / f"{name}.py"


def cases() -> list[Case]:
    found = []
    for what, change in AT_IMPORT.items():
        found += _cases(what, change, ("--help",), ("split", "--data", "{root}/given"))
    for what, change in AT_READ.items():
        found += _cases(what, change, ("split", "--data", "{root}/given"))
    for what, change in LATER.items():
        words = ("train", "tune", "--recipe", "quick", "--data", "{root}/given")
        found += _cases(what, change, ("split", "--data", "{root}/given"), words)
    return [*found, *_costs()]


def _costs() -> Iterator[Case]:
    yield from _cases("drawing raises", LATER["a draw that raises"], ("download",))
    yield from _cases(
        "a recipe without its cost", ('"quick": "-", ', ""), ("--help",), ("split", "--data", "{root}/given")
    )
    yield from _cases("costs that are None", ("costs={", "costs=None and {"), ("--help",))
    yield from _cases("a title that is None", ('title="Odd"', "title=None"), ("--help",))
    yield from _cases("a page that is None", ('page=""', "page=None"), ("--help",))


# what may be well all the same: nothing uses it there, or it is no mistake
FINE = (
    *("nothing", "no class", "a name that is another", "a title", "a page", "a recipe without its cost"),
    *("read is a lambda", "group is None", "a draw"),
)


def _cases(what: str, change: tuple[str, str] | None, *commands: tuple[str, ...]) -> Iterator[Case]:
    for words in commands:
        name = f"odd_{next(_numbers)}"
        text = GOOD if change is None else GOOD.replace(*change, 1)
        if change is not None and text == GOOD:
            raise ValueError(f"{what}: {change[0]!r} is not in the file")
        later = what in LATER and words[0] == "split"
        fine = words[0] == "--help" or later or what.startswith(FINE)
        yield Case(f"{what}, {words[0]}", (name, *words), _spoil(name, text), "empty", fine)


def _spoil(name: str, text: str):
    def spoil(root: Path) -> None:
        write(name, text)
        roots.put(root / "given", roots.folder_files())

    return spoil
