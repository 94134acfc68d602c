"""Packages that Kaggle's image may lack: which of them the test pictures need, and how they get into a pack."""

import importlib.metadata
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import UserError, shown
from pipeline.raw.files import RawFiles
from pipeline.raw.pixels.formats import HEAD, format_of

# the Python of Kaggle's image, and what it runs on, in the words of packages
PYTHON = "3.11"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64")
# kinds of pictures -> what reads them, of what is not always in that image
READERS = {
    "jp2": ("imagecodecs",),
    "dicom": ("pydicom",),
    "nifti": ("nibabel",),
    "nifti.gz": ("nibabel",),
}
UNPACKED = (1, 8, 32946)  # none, Deflate by two numbers: of a TIFF's tag Compression
LOOKED_AT = 50  # files


def needed(raw: RawFiles, names: Sequence[str]) -> list[str]:
    """What reads these picture files."""
    return sorted({package for name in names for package in _reading(raw, name)})


def _reading(raw: RawFiles, name: str) -> tuple[str, ...]:
    try:
        kind = format_of(raw.head(name, HEAD))
    except UserError:
        # no picture: an array, which the competition's own code reads
        return ()
    return (("imagecodecs",) if _is_packed(raw, name) else ()) if kind == "tiff" else READERS.get(kind, ())


def _is_packed(raw: RawFiles, name: str) -> bool:
    """Whether a TIFF is packed in a way that tifffile, which scikit-image brings, cannot undo alone."""
    import tifffile

    with raw.open(name) as file:
        try:
            return tifffile.TiffFile(file).pages[0].compression not in UNPACKED
        except (tifffile.TiffFileError, ValueError, IndexError):
            # damaged: others of its kind may not be
            return False


def put_into(folder: Path, packages: list[str]) -> list[str]:
    """Puts these packages, in the versions that are installed here, unpacked into a folder, for Kaggle's Python.
    Returns them with their versions. Raises UserError where they cannot be downloaded, or are not installed here."""
    try:
        wanted = [f"{name}=={importlib.metadata.version(name)}" for name in packages]
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError(f"the pictures need '{error.name}', which is not installed here: pip install it") from error
    if not wanted:
        return []
    options = ["--target", str(folder), "--no-deps", "--only-binary=:all:", "--no-compile"]
    options += ["--python-version", PYTHON, "--implementation", "cp"]
    options += [word for platform in PLATFORMS for word in ("--platform", platform)]
    done = _pip(["install", "-q", "--disable-pip-version-check", *options, *wanted])
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(
            f"the pictures need {shown(wanted)}, which Kaggle's image may lack, and pip cannot get them ({said}); pack "
            "where there is a network, or read pictures of another kind"
        )
    return wanted


def _pip(words: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False)
