"""Arrays of foreign files, opened when they are asked for: npy mapped into memory, npz and h5 by their names."""

import functools
import re
import threading
import zipfile
from pathlib import Path

import numpy as np

from pipeline.errors import UserError, not_installed
from pipeline.store.disk import BROKEN_ARRAYS

ENDINGS = (".npy", ".npz", ".h5", ".hdf5")
_BROKEN = (*BROKEN_ARRAYS, KeyError, AttributeError, zipfile.BadZipFile)


class Arrays:
    """The arrays of one file.

    Attributes: path; keys: their names, one that is blank of a npy.

    Raises UserError where it holds none.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.keys = _keys(self.path)

    def __getitem__(self, key: str) -> np.ndarray:
        """Of the last ones it is kept in memory. Raises UserError for what is no array of numbers or texts."""
        # of several threads one reads it
        with _LOCK:
            return _array(self.path, key)

    def form(self, key: str) -> tuple[tuple[int, ...], np.dtype]:
        """Its shape and type; nothing more of it is read."""
        return _form(self.path, key)

    def is_unnamed_text(self, key: str) -> bool:
        """Whether it holds texts, and nobody gave it a name (`arr_1`)."""
        if not re.fullmatch(r"arr_\d+", key):
            return False
        shape, dtype = self.form(key)
        return len(shape) == 1 and dtype.kind in "US"

    def where(self, key: str) -> str:
        return f"{self.path}:{key}" if key else str(self.path)


def _keys(path: Path) -> list[str]:
    """Of an npz or h5 its arrays; nothing of them is read."""
    if path.suffix.lower() == ".npy":
        return [""]
    if path.suffix.lower() in (".h5", ".hdf5"):
        return _in_h5(path, _names_in_h5)
    with _readable(path), np.load(path, allow_pickle=False) as file:
        # one that is called .npz and is none
        keys = list(file.files) if hasattr(file, "files") else []
    if not keys:
        raise UserError(f"{path} holds no arrays; write it with numpy.savez(path, predictions=…, ids=…)")
    return keys


def _form(path: Path, key: str) -> tuple[tuple[int, ...], np.dtype]:
    if path.suffix.lower() in (".h5", ".hdf5"):
        return _in_h5(path, lambda file: (file[key].shape, file[key].dtype))
    with _readable(path), np.load(path, allow_pickle=False) as file:
        if f"{key}.npy" not in file.zip.namelist():
            # what is no array comes as bytes
            return (), np.dtype(bytes)
        with file.zip.open(f"{key}.npy") as member:
            is_first = np.lib.format.read_magic(member) == (1, 0)
            read = np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(member)
    return shape, dtype


_LOCK = threading.Lock()


# of five folds of many pictures the memory holds two; or pictures and the scores of their objects
@functools.lru_cache(maxsize=2)
def _array(path: Path, key: str) -> np.ndarray:
    if path.suffix.lower() in (".h5", ".hdf5"):
        return _in_h5(path, lambda file: _texts(file[key][()]))
    with _readable(path):
        if not key:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        with np.load(path, allow_pickle=False) as file:
            return file[key]


class _readable:
    """What reading raises, as a UserError that names the file."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, MemoryError):
            raise UserError(f"{self.path} is larger than the memory; write one file per fold, or a .npy") from error
        if isinstance(error, _BROKEN):
            if "pickle" in str(error) or "object" in str(error).lower():
                raise UserError(
                    f"{self.path} holds Python objects, which are not read: save ids as texts, np.array(ids, str), and "
                    "predictions as numbers"
                ) from error
            raise UserError(f"{self.path} is cut off or holds no arrays ({error}); write it again") from error


def _in_h5(path: Path, look):
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise UserError(f"{path} needs {not_installed('h5py')}; or save it as npz") from error
    with _readable(path), h5py.File(path, "r") as file:
        return look(file)


def _names_in_h5(file) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if hasattr(item, "shape") else None)
    if not found:
        raise UserError(f"{file.filename} holds no arrays; write its predictions and ids as datasets")
    return found


def _texts(values: np.ndarray) -> np.ndarray:
    """Texts are bytes in h5, and objects to NumPy."""
    if values.dtype.kind in "OS":
        return np.array([v.decode() if isinstance(v, bytes) else str(v) for v in values.ravel()], str)
    return values
