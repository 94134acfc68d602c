"""DICOM and NIfTI: their slices as pages, their values as the header scales them."""

import functools
import gzip
import logging
import shutil
import tempfile
import warnings
import zlib
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from pipeline.errors import UserError, not_installed
from pipeline.raw.pixels import alpha
from pipeline.raw.pixels.headers import refuse_too_large
from pipeline.raw.pixels.one_line import one_line

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# what reads them, in the versions that were tried; neither is among the packages that are always installed
PYDICOM, NIBABEL = "pydicom==3.0.2", "nibabel==5.4.2"


def opened(file: BinaryIO, kind: str):
    """The slices of a DICOM or NIfTI file. Raises UserError where it is damaged, or its reader is not installed."""
    return Dicom(file) if kind == "dicom" else Nifti(file, packed=kind == "nifti.gz")


def _unread(kind: str) -> Callable[[Exception, str], str]:
    """What the readers raise: some quote a good part of the file."""
    todo = "download it again, or save it anew"
    return lambda error, words: f"is a {kind} file that cannot be read ({words[:200] or type(error).__name__}); {todo}"


class Nifti:
    """Slices along the third axis of an opened NIfTI file; what a fourth holds are channels. Threads may share it."""

    remark = "slices along the third axis, rows along the first, as stored: orientation in space is not looked at"

    def __init__(self, file: BinaryIO, packed: bool):
        nibabel = _nibabel()
        with one_line(_unread("NIfTI")):
            # unpacked once: slices are read from any place of it
            self._file = _unpacked(file) if packed else file
            kind = nibabel.Nifti2Image if _is_second(self._file) else nibabel.Nifti1Image
            self._image = kind.from_file_map(_file_map(nibabel, kind, self._file))
            shape = self._image.shape
        if len(shape) < 2 or 0 in shape or any(size > 1 for size in shape[5:]):
            raise UserError(f"is a NIfTI file of {' x '.join(map(str, shape))} values, which are no pictures")
        self._shape = shape
        self.count = shape[2] if len(shape) > 2 else 1
        refuse_too_large(*shape[:2])
        self._refuse_cut_off()

    def _refuse_cut_off(self) -> None:
        values = self._image.dataobj
        wanted = values.offset + int(np.prod(self._shape)) * self._image.get_data_dtype().itemsize
        if self._file.seek(0, 2) < wanted:
            raise UserError("is cut off: a NIfTI file without all of its voxels; download it again")

    def shape(self, number: int) -> tuple[int, int]:
        return self._shape[:2]

    def nbytes(self, number: int) -> int:
        return int(np.prod(self._shape)) // self.count * 8

    def orientation(self, number: int) -> int:
        return 1

    def read(self, number: int) -> np.ndarray:
        """H x W x C, scaled as its header says (float64 where that is not by 1)."""
        with one_line(_unread("NIfTI")):
            values = np.asarray(self._image.dataobj[(slice(None), slice(None), *((number,) * (len(self._shape) > 2)))])
        if values.dtype.names:
            # three or four bytes for the colours of a voxel
            has_alpha = len(values.dtype.names) == 4
            values = np.stack([values[name] for name in values.dtype.names], axis=-1)
        else:
            has_alpha = False
        values = values.reshape(*self._shape[:2], -1)
        return alpha.said(np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False)), has_alpha)


@functools.cache
def _nibabel():
    try:
        import nibabel
    except ImportError as error:
        raise UserError(f"is a NIfTI file, which is read by {not_installed(NIBABEL)}") from error
    # what it mends in headers (places in space, which are not looked at) is not for the terminal
    logging.getLogger("nibabel.global").disabled = True
    return nibabel


def _is_second(file: BinaryIO) -> bool:
    """Whether its header is of the second version, by the size that it says."""
    file.seek(0)
    return file.read(4) in (b"\x1c\x02\0\0", b"\0\0\x02\x1c")


def _file_map(nibabel, kind, file: BinaryIO) -> dict:
    file.seek(0)
    found = kind.make_file_map()
    found["image"].fileobj = file
    return found


def _unpacked(file: BinaryIO) -> BinaryIO:
    try:
        found = tempfile.TemporaryFile(prefix="nifti-")  # noqa: SIM115
        with gzip.GzipFile(fileobj=file) as packed:
            shutil.copyfileobj(packed, found, 1 << 20)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"is cut off or damaged ({error}); download it again") from error
    except OSError as error:
        raise UserError(f"cannot be unpacked ({error.strerror}); make room in {tempfile.gettempdir()}") from error
    return found


class Dicom:
    """The frames of an opened DICOM file. Threads may share it: the header is read once, and pixels from the file."""

    def __init__(self, file: BinaryIO):
        self._pydicom = _pydicom()
        with one_line(_unread("DICOM")):
            self._header = self._pydicom.dcmread(file, force=True)
            if "Rows" not in self._header or not any(name in self._header for name in PIXELS):
                raise UserError("is a DICOM file without a picture (a report, a list) or cut off; leave it out")
            self.count = max(int(self._header.get("NumberOfFrames", 1) or 1), 1)
            self._size = int(self._header.Rows), int(self._header.Columns)
        refuse_too_large(*self._size)

    def shape(self, number: int) -> tuple[int, int]:
        return self._size

    def nbytes(self, number: int) -> int:
        return self._size[0] * self._size[1] * int(self._header.get("SamplesPerPixel", 1)) * 4

    def orientation(self, number: int) -> int:
        return 1

    def read(self, number: int) -> np.ndarray:
        """H x W x C: grey values with slope and intercept, white as the largest; colours as red, green, blue."""
        from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array

        header = self._header
        with one_line(_unread("DICOM")):
            values = pixel_array(header, index=number if self.count > 1 else None)
            if header.PhotometricInterpretation == "PALETTE COLOR":
                values = apply_color_lut(values, header)
            elif header.get("SamplesPerPixel", 1) == 1:
                if header.PhotometricInterpretation == "MONOCHROME1":
                    values = self._white_last(values)
                if "ModalityLUTSequence" in header:
                    values = apply_modality_lut(values, header)
                else:
                    values = self._scaled(values, *self._slope(number))
        values = values[..., None] if values.ndim == 2 else values
        return np.ascontiguousarray(values)

    def _range(self) -> tuple[int, int]:
        """The least and largest value that fit into its bits."""
        bits = int(self._header.BitsStored)
        return (-(1 << bits - 1), (1 << bits - 1) - 1) if self._header.PixelRepresentation else (0, (1 << bits) - 1)

    def _white_last(self, values: np.ndarray) -> np.ndarray:
        """Of MONOCHROME1, whose smallest value is white."""
        if values.dtype.kind == "f":
            return -values
        return (sum(self._range()) - values.astype(np.int64)).astype(values.dtype)

    def _slope(self, number: int) -> tuple[float, float]:
        """Slope and intercept: of the file, or of the frame (PS3.3, C.7.6.16.2.9)."""
        found = self._header
        for name in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
            groups = self._header.get(name)
            if groups and "PixelValueTransformationSequence" in groups[number if name[0] == "P" else 0]:
                found = groups[number if name[0] == "P" else 0].PixelValueTransformationSequence[0]
                break
        return float(found.get("RescaleSlope", 1) or 1), float(found.get("RescaleIntercept", 0) or 0)

    def _scaled(self, values: np.ndarray, slope: float, intercept: float) -> np.ndarray:
        """Whole numbers where slope and intercept are: of the least dtype that holds all that its bits can mean."""
        if (slope, intercept) == (1, 0):
            return values
        if not (slope.is_integer() and intercept.is_integer()) or values.dtype.kind == "f":
            return values.astype(np.float64) * slope + intercept
        ends = [end * int(slope) + int(intercept) for end in self._range()]
        kinds = (np.uint8, np.uint16, np.int16, np.int32, np.int64)
        kind = next(kind for kind in kinds if np.iinfo(kind).min <= min(ends) and max(ends) <= np.iinfo(kind).max)
        return (values.astype(np.int64) * int(slope) + int(intercept)).astype(kind)


@functools.cache
def _pydicom():
    try:
        import pydicom
    except ImportError as error:
        raise UserError(f"is a DICOM file, which is read by {not_installed(PYDICOM)}") from error
    # what it doubts of texts in headers is not for the terminal
    warnings.filterwarnings("ignore", module="pydicom")
    return pydicom
