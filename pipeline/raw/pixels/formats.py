"""Which kind of file it is, told by its first bytes: names are often wrong. What is no picture that is read here is
called by its name, with what makes one of it."""

import gzip
import re
import struct
import zlib

from pipeline.errors import UserError

# what the names of pictures end with, and what is looked for in folders
ENDINGS = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".btf", ".bmp", ".dib", ".webp", ".gif"),
    *(".jp2", ".j2k", ".jpx", ".pnm", ".pbm", ".pgm", ".ppm", ".avif", ".dcm", ".dicom", ".nii", ".nii.gz"),
)
# of pictures that must be converted first
OTHER_ENDINGS = (
    *(".heic", ".heif", ".psd", ".psb", ".xcf", ".svg", ".pdf", ".eps", ".ai", ".ico", ".exr", ".hdr", ".jxl", ".tga"),
    *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".arw", ".orf", ".raf", ".rw2", ".svs", ".ndpi", ".scn", ".mrxs", ".czi"),
    *(".lif", ".nd2", ".oib", ".mha", ".mhd", ".nrrd", ".nhdr", ".mnc", ".img", ".h5", ".hdf5", ".mat", ".npy", ".npz"),
    *(".vsi", ".zarr", ".dds", ".pcx", ".pam", ".pfm"),
)
HEAD = 1 << 12  # bytes that tell

TO_PNG = "convert it to PNG (ImageMagick: magick NAME NAME.png)"
RAW_CAMERA = "develop it to TIFF or PNG (darktable-cli NAME NAME.tif)"
SLIDE = "export the level that is meant as TIFF (QuPath, or vips)"
MICROSCOPE = "export it as OME-TIFF (Fiji, or bfconvert NAME NAME.ome.tif)"
VOLUME = "save it as NIfTI (SimpleITK: WriteImage(ReadImage(NAME), NAME.nii.gz)), or its slices as PNG or TIFF"
ARRAY = "save its pictures as PNG or TIFF (tifffile.imwrite)"

# what begins so is read here
READ = (
    ("png", rb"\x89PNG\r\n\x1a\n"),
    ("jpeg", rb"\xff\xd8\xff"),
    ("tiff", rb"II\*\0|MM\0\*|II\+\0|MM\0\+"),
    ("gif", rb"GIF8[79]a"),
    ("webp", rb"RIFF.{4}WEBP"),
    ("jp2", rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
    ("pnm", rb"P[1-6](?:\s|#)"),
    ("avif", rb".{4}ftypavi[fs]|.{4}ftyp(?:mif1|msf1).{0,64}?avi[fs]"),
    ("dicom", rb".{128}DICM|(?:\x02\0|\x08\0)[\0-\x20]\0(?:UL|UI|CS|DA|OB)"),
    ("nifti", rb"(?:\x5c\x01\0\0|\0\0\x01\x5c).{340}n\+1\0|(?:\x1c\x02\0\0|\0\0\x02\x1c)n\+2\0"),
    ("bmp", rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0"),
)
# what begins so is not: its name, and what to do
OTHERS = (
    ("a HEIC picture", rb".{4}ftyp(?:hei[cfmsx]|hev[cmsx]|mif1|msf1)", "convert it to PNG or JPEG (heif-convert)"),
    ("a raw camera picture (CR3)", rb".{4}ftypcrx", RAW_CAMERA),
    ("a raw camera picture (CR2)", rb"II\*\0.{4}CR", RAW_CAMERA),
    ("a raw camera picture (RAF)", rb"FUJIFILMCCD-RAW", RAW_CAMERA),
    ("a raw camera picture (ORF, RW2)", rb"IIRO|IIRS|MMOR|IIU\0", RAW_CAMERA),
    ("a video", rb".{4}ftyp|\x1aE\xdf\xa3|RIFF.{4}AVI ", "save its frames as pictures (ffmpeg -i NAME %06d.png)"),
    ("a Photoshop document", rb"8BPS", "save it as PNG or TIFF from Photoshop or GIMP"),
    ("a GIMP document", rb"gimp xcf", "export it as PNG or TIFF"),
    ("a PDF document", rb"%PDF", "export its pages as pictures (pdftoppm -png)"),
    ("a PostScript drawing", rb"%!PS|\xc5\xd0\xd3\xc6", "export it as PNG"),
    (
        "a drawing (SVG)",
        rb"\s*(?:<\?xml.{0,2000}?)?(?:<!--.{0,2000}?-->\s*)?(?:<!DOCTYPE svg.{0,500}?)?<svg",
        "export it as PNG",
    ),
    ("a JPEG XL picture", rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", "convert it to PNG (djxl)"),
    ("an OpenEXR picture", rb"\x76\x2f\x31\x01", "convert it to TIFF with floating point"),
    ("a Radiance picture (HDR)", rb"#\?R", "convert it to TIFF with floating point"),
    ("an icon (ICO)", rb"\0\0[\x01\x02]\0[\x01-\x40]\0", TO_PNG),
    ("a DDS texture", rb"DDS ", TO_PNG),
    ("a PAM or PFM picture", rb"P[7Ff]\s", "convert it to PNG or TIFF"),
    (
        "a NIfTI header without its voxels",
        rb"(?:\x5c\x01\0\0|\0\0\x01\x5c).{340}",
        "save both as one .nii.gz",
    ),
    ("a NRRD volume", rb"NRRD\d", VOLUME),
    ("a MetaImage volume (MHA, MHD)", rb"\s*(?:Comment|ObjectType|NDims)\s*=", VOLUME),
    ("a MINC volume or NetCDF file", rb"CDF[\x01\x02\x05]", VOLUME),
    ("an HDF5 file (.h5, MATLAB 7.3, MINC)", rb"\x89HDF\r\n\x1a\n|MATLAB 7.3", ARRAY),
    ("a MATLAB file", rb"MATLAB 5", ARRAY),
    ("a NumPy array", rb"\x93NUMPY", ARRAY),
    ("a Zeiss microscope file (CZI)", rb"ZISRAWFILE", MICROSCOPE),
    ("a Leica microscope file (LIF)", rb"\x70\0\0\0.{4}\x2a", MICROSCOPE),
    ("a Nikon microscope file (ND2)", rb"\xda\xce\xbe\x0a", MICROSCOPE),
    ("a microscope or Office file (OLE)", rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", MICROSCOPE),
    ("a zip", rb"PK[\x03\x05]", "give it the ending .zip, or unpack it"),
    ("packed (gzip)", rb"\x1f\x8b", "unpack it (gunzip)"),
    ("packed (7z, rar, xz or bzip2)", rb"7z\xbc\xaf|Rar!|\xfd7zXZ|BZh", "unpack it"),
    ("a Git LFS pointer", rb"version https://git-lfs", "fetch the file that it stands for (git lfs pull)"),
    ("a web page", rb"\s*<(?:!DOCTYPE\s+html|html|head)", "download it again: the site may have asked for a login"),
    ("an XML file", rb"\s*<\?xml", "put the picture in its place"),
    ("JSON", rb"\s*[{\[]\s*[\"{\[\]}]", "put the picture in its place"),
)
_READ = [(name, re.compile(pattern, re.DOTALL)) for name, pattern in READ]
_OTHERS = [(name, re.compile(pattern, re.DOTALL | re.IGNORECASE), todo) for name, pattern, todo in OTHERS]


def format_of(head: bytes) -> str:
    """The kind of picture by its first HEAD bytes: `png`, `tiff` …; `nifti.gz` for a packed one.

    Raises:
        UserError: it is something else: what, where that is known, and what makes a picture of it.
    """
    head = head[:HEAD]
    if not head:
        raise UserError("is not a picture that can be read: it is empty; download it again")
    if head.startswith(b"\x1f\x8b") and _read_here(_unpacked(head)) == "nifti":
        return "nifti.gz"
    found = _read_here(head)
    # some raw camera pictures begin as a TIFF does
    other = _other(head) if found in ("", "tiff") else None
    if other:
        raise UserError(f"is {other[0]}, which is not read here; {other[1]}")
    if not head.strip(b"\0"):
        raise UserError("holds zeros alone: a download or a copy that was cut off; download it again")
    if not found:
        raise UserError(f"is not a picture that can be read (it begins with {head[:8]!r}); download it again")
    return found


def _read_here(head: bytes) -> str:
    return next((name for name, pattern in _READ if pattern.match(head)), "")


def _other(head: bytes) -> tuple[str, str] | None:
    return next(((name, todo) for name, pattern, todo in _OTHERS if pattern.match(head)), None)


def _unpacked(head: bytes) -> bytes:
    """The beginning of what is packed; blank where it is damaged."""
    try:
        return zlib.decompressobj(31).decompress(head, HEAD)
    except (zlib.error, gzip.BadGzipFile, struct.error):
        return b""
