"""A run of the demo that learns nothing but a filter, packed; and hidden test parts as they may be mounted."""

import json
import shutil
import zipfile
from pathlib import Path
from unittest import mock

from pipeline.store import disk
from pipeline.training import fit_classical
from tests.start import run

RUN = "plain"
# so that something is found
THRESHOLDS = {"thresholds": [{"top": 0.5, "min_area": 0, "bottom": 0.5}]}


def make(root: Path, name: str = RUN, *options: str) -> None:
    """A trained run with thresholds made by hand."""
    words = ["--run", name, "--model", "classical", "--folds", "3", "--trained-folds", "2", *options]
    with mock.patch.object(fit_classical, "MOST", 10):
        run("demo", "train", "--recipe", "quick", *words, root=root)
    (root / "runs" / "demo" / name / "thresholds.json").write_text(json.dumps(THRESHOLDS))


def mount(root: Path, folder: Path, packed: bool = False) -> dict[str, Path]:
    """The test part alone: id -> file; or the zip."""
    source = root / "data" / "demo" / "raw" / "test.zip"
    folder.mkdir(parents=True)
    if packed:
        shutil.copyfile(source, folder / "test.zip")
        return {}
    with zipfile.ZipFile(source) as archive:
        archive.extractall(folder / "test")
    return {path.stem: path for path in (folder / "test" / "images").iterdir()}


def sample(folder: Path, ids) -> None:
    disk.write_rows(folder / "sample_submission.csv", ["id", "rle_mask"], [(name, "1 1") for name in ids])


def rows(path: Path) -> dict[str, str]:
    """id -> run lengths, in the order of the file."""
    return {row["id"]: row["rle_mask"] for row in disk.read_rows(path)}


def everything_below(*folders: Path) -> set:
    return {(path, path.stat().st_mtime_ns) for folder in folders for path in folder.rglob("*")}
