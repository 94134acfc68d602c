"""Which way up a picture is to be shown: the orientation tag that cameras write (EXIF, TIFF tag 274), 1 to 8."""

import struct

import numpy as np

TAG = 274


def turned(picture: np.ndarray, orientation: int) -> np.ndarray:
    """H x W x C as it is to be seen; 5 to 8 exchange height and width (EXIF 2.3, 4.6.4)."""
    if orientation in (5, 6, 7, 8):
        picture = picture.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    return picture if orientation == 1 else np.ascontiguousarray(picture).view(type(picture))


def known(value) -> int:
    """1 for what is no orientation."""
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 1


def of_exif(block: bytes) -> int:
    """Of a block of EXIF, with or without the word before it; 1 where it says nothing that can be read."""
    block = block.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if not order:
        return 1
    try:
        (place,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, place)
        for entry in range(place + 2, place + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", block, entry)
            if tag == TAG:
                form = {1: "B", 3: "H", 4: "I"}.get(kind, "H")
                return known(struct.unpack_from(f"{order}{form}", block, entry + 8)[0])
    except struct.error:
        pass
    return 1
