"""Small DICOM and NIfTI files, as bytes."""

import io

import numpy as np


def nifti(values: np.ndarray, slope: float | None = None, intercept: float = 0, second: bool = False) -> bytes:
    """The axes as they are: X, Y, Z (and what each voxel holds)."""
    import nibabel

    kind = nibabel.Nifti2Image if second else nibabel.Nifti1Image
    image = kind(values, np.eye(4))
    if slope is not None:
        # said in the header after the values were written as they are
        content = bytearray(image.to_bytes())
        place = 176 if second else 112
        form = "<f8" if second else "<f4"
        content[place : place + 2 * np.dtype(form).itemsize] = np.array([slope, intercept], form).tobytes()
        return bytes(content)
    return image.to_bytes()


def dicom(
    values: np.ndarray, kind: str = "MONOCHROME2", stored: int | None = None, preamble: bool = True, **more
) -> bytes:
    """H x W, frames x H x W (with NumberOfFrames=), or H x W x 3 with kind RGB."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    header.Rows, header.Columns = values.shape[1:3] if "NumberOfFrames" in more else values.shape[:2]
    header.PhotometricInterpretation, header.SamplesPerPixel = kind, 3 if kind == "RGB" else 1
    if kind == "RGB":
        header.PlanarConfiguration = 0
    bits = 8 * values.dtype.itemsize
    header.BitsAllocated, header.BitsStored = bits, stored or bits
    header.HighBit, header.PixelRepresentation = (stored or bits) - 1, int(values.dtype.kind == "i")
    for name, value in more.items():
        setattr(header, name, value)
    header.PixelData = values.tobytes()
    file = io.BytesIO()
    header.save_as(file, enforce_file_format=preamble, implicit_vr=False, little_endian=True)
    return file.getvalue()
