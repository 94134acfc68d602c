"""Folds of runs as archives that come back from a machine that is lent for minutes: few, small, and complete.

An archive is one compressed tar after the other, each written once: adding a fold does not compress the others again.
What answers the held-out images and what answers the test part lie in two archives, for together they may be larger
than 16 MiB; once there is a submission the second is not needed any more.
"""

import io
import shutil
import tarfile
from pathlib import Path

LARGE = 6 << 20  # bytes: weights of more stay where they are
TEST = "-test"
ENDING = ".tar.xz"
# of a fold's files
OF_TEST = ("test.npy", "test.npy.inputs.json", "test.csv")
LEFT_OUT = ("valid_no_tta.npy", "checkpoint.npz")


def add_fold(out: Path, name: str, folder: Path) -> None:
    """Adds a finished fold, `folder` = <run>/fold<k>, to `<name>.tar.xz`, its test part to `<name>-test.tar.xz`."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name not in LEFT_OUT]
    files = [path for path in files if path.suffix != ".h5" or path.stat().st_size <= LARGE]
    run = folder.parent
    _append(out / f"{name}{ENDING}", [run / "recipe.json", *(p for p in files if p.name not in OF_TEST)], run.parent)
    of_test = [path for path in files if path.name in OF_TEST]
    if of_test:
        _append(out / f"{name}{TEST}{ENDING}", of_test, run.parent)


def conclude(out: Path, name: str, run: Path) -> None:
    """Adds what belongs to all folds; the answers to the test part are in the submission now."""
    _append(out / f"{name}{ENDING}", [path for path in sorted(run.iterdir()) if path.is_file()], run.parent)
    (out / f"{name}{TEST}{ENDING}").unlink(missing_ok=True)


def unpack(path: Path, folder: Path) -> None:
    # each part ends as if it were the last one
    with tarfile.open(path, ignore_zeros=True) as archive:
        archive.extractall(folder, filter="data")


def _append(path: Path, files: list[Path], above: Path) -> None:
    """The archive with these files at its end, complete before it gets its name."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz", preset=1) as archive:
        for file in files:
            archive.add(file, file.relative_to(above))
    part = path.with_name(f"{path.name}.part")
    if path.exists():
        shutil.copy(path, part)
    with part.open("ab") as file:
        file.write(packed.getvalue())
    part.rename(path)
