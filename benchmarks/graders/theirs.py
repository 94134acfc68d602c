"""Graders of a checkout of MLE-bench, imported from there."""

import contextlib
import importlib
import importlib.util
import io
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

PACKAGE = "mlebench"
UNUSED = ("py7zr",)  # imported there to unpack downloads; no grader needs it


def path_of(checkout: Path, competition: str) -> Path:
    return checkout / PACKAGE / "competitions" / competition / "grade.py"


@contextlib.contextmanager
def importable(checkout: Path) -> Iterator[list[str]]:
    """Their package can be imported within; gives what had to be put in for what is not installed, a line each."""
    import pandas

    said = []
    sys.path.insert(0, str(checkout))
    missing = [name for name in UNUSED if importlib.util.find_spec(name) is None]
    for name in missing:
        sys.modules[name] = types.ModuleType(name)
        said.append(f"{name} is not installed; an empty module stands in, no grader uses it")
    renamed = not hasattr(pandas.DataFrame, "applymap")
    if renamed:
        pandas.DataFrame.applymap = pandas.DataFrame.map
        said.append(f"pandas {pandas.__version__} has DataFrame.map alone; it stands in under its old name applymap")
    try:
        yield said
    finally:
        sys.path.remove(str(checkout))
        if renamed:
            del pandas.DataFrame.applymap
        for name in [*missing, *(name for name in sys.modules if name.split(".")[0] == PACKAGE)]:
            del sys.modules[name]


def grader(competition: str) -> Callable:
    """Their `grade`, a function of two tables. To be called within `importable`."""
    return importlib.import_module(f"{PACKAGE}.competitions.{competition}.grade").grade


def score(grade: Callable, submission: Path, answers: Path) -> float | str:
    """What `grade` says of two csv files, unrounded, read as they read them; a text where it refuses or fails."""
    import pandas

    tables = [pandas.read_csv(path, float_precision="round_trip") for path in (submission, answers)]
    # their bars and warnings are of no interest; what they raise is the answer, whatever it is
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(grade(*tables))
        except Exception as error:
            return f"{type(error).__name__}: {error}".splitlines()[0]
