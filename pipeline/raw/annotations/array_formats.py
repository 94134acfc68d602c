"""Files of arrays: NumPy's, HDF5 and MATLAB's, from their bytes."""

import io
import zipfile

import numpy as np

from pipeline.errors import UserError, not_installed

# arrays by their names in one file
PACKED = (".npz", ".h5", ".hdf5", ".mat")
ARRAYS = (".npy", *PACKED)
_MATLAB_7_3 = b"MATLAB 7.3"  # is HDF5, in which the axes are in reverse
_HDF5 = b"\x89HDF\r\n\x1a\n"


def arrays_of(content: bytes, name: str, where: str) -> dict[str, np.ndarray]:
    """key -> array; the key of a .npy is blank, groups and fields of structures are parts of it: `cjdata/image`. Of
    HDF5 and MATLAB those alone that hold numbers. `where` names the file in errors.

    Raises UserError for what is damaged, or holds no arrays of numbers.
    """
    if not name.lower().endswith((".h5", ".hdf5", ".mat")):
        return _of_numpy(content, where)
    is_hdf5 = content.startswith((_HDF5, _MATLAB_7_3))
    if not is_hdf5 and not name.lower().endswith(".mat"):
        raise UserError(f"{where} is no HDF5 file (it begins with {content[:8]!r}); download it again")
    try:
        found = _of_hdf5(content) if is_hdf5 else _of_matlab(content)
    except ModuleNotFoundError as error:
        raise UserError(f"{where} needs {not_installed(error.name)}; or save it with numpy.savez") from error
    except MemoryError:
        raise
    # what these two raise for bytes of any kind is of every type
    except Exception as error:
        raise UserError(f"{where} is cut off or damaged; download it again") from error
    if not found:
        raise UserError(f"{where} holds no arrays of numbers (lists and cells are not read); save it with numpy.savez")
    return found


def is_plane(array: np.ndarray) -> bool:
    """Whether it may be a picture or several: no number, and no list of numbers."""
    return array.ndim > 1 and sum(side > 1 for side in array.shape) > 1


def _of_numpy(content: bytes, where: str) -> dict[str, np.ndarray]:
    try:
        found = np.load(io.BytesIO(content), allow_pickle=False)
        return {key: found[key] for key in found.files} if hasattr(found, "files") else {"": found}
    except (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile) as error:
        # of bytes of any kind NumPy says that they may be objects
        has_objects = "pickle" in str(error) and content.startswith((b"\x93NUMPY", b"PK\x03\x04", b"\x80"))
        said = "holds Python objects, not numbers" if has_objects else "is cut off or no array"
        raise UserError(f"{where} {said}; save it with numpy.save as numbers") from error


def _of_hdf5(content: bytes) -> dict[str, np.ndarray]:
    import h5py

    found: dict[str, np.ndarray] = {}
    is_reversed = content.startswith(_MATLAB_7_3)

    def visit(key: str, item) -> None:
        # what begins so are MATLAB's own references
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "biuf" and not key.startswith("#"):
            array = np.asarray(item[()])
            found[key] = array.T if is_reversed else array

    with h5py.File(io.BytesIO(content), "r") as file:
        file.visititems(visit)
    return found


def _of_matlab(content: bytes) -> dict[str, np.ndarray]:
    from scipy.io import loadmat

    found: dict[str, np.ndarray] = {}
    for key, array in loadmat(io.BytesIO(content)).items():
        if not key.startswith("__"):
            found |= _fields(key, array)
    return found


def _fields(key: str, array) -> dict[str, np.ndarray]:
    """The arrays in a variable of MATLAB's: itself, or those of the fields of a structure."""
    if not isinstance(array, np.ndarray):
        return {}
    if array.dtype.names and array.size == 1:
        return {k: v for name in array.dtype.names for k, v in _fields(f"{key}/{name}", array.ravel()[0][name]).items()}
    return {key: array} if array.dtype.kind in "biuf" else {}
