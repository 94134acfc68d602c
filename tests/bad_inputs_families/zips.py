"""Zips, well made and badly."""

import io
import zipfile


def zipped(files: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files, the same at every call."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, packing)
    return file.getvalue()


def locked(content: bytes) -> bytes:
    """A zip whose files say that they want a password."""
    changed = bytearray(content)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = changed.find(mark)
        while start >= 0:
            changed[start + place] |= 1
            start = changed.find(mark, start + 4)
    return bytes(changed)


def packed_by(content: bytes, method: int) -> bytes:
    """A zip whose files say that they are packed in another way."""
    changed = bytearray(content)
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = changed.find(mark)
        while start >= 0:
            changed[start + place : start + place + 2] = method.to_bytes(2, "little")
            start = changed.find(mark, start + 4)
    return bytes(changed)


def claiming(content: bytes, size: int) -> bytes:
    """A zip whose table of contents says that its files are of this size."""
    changed = bytearray(content)
    start = changed.find(b"PK\x01\x02")
    while start >= 0:
        changed[start + 24 : start + 28] = size.to_bytes(4, "little")
        start = changed.find(b"PK\x01\x02", start + 4)
    return bytes(changed)
