"""A drawn data set of three exclusive classes: pictures in a folder, masks with a palette in another.

Stripes of sky over ground with a box on it, as seen from drives that differ in their light; the name of a picture
says the drive.
"""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np

COLOURS = {"sky": (70, 130, 180), "ground": (128, 64, 128), "box": (220, 20, 60)}
HEIGHT, WIDTH = 48, 64


def write(folder: Path, drives: int = 4, frames: int = 6) -> None:
    """images/driveD_NN.png, 48 x 64 x 3, and masks/driveD_NN.png with a palette of three colours."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for drive in range(drives):
        for frame in range(frames):
            image, ids = draw((drive, frame))
            name = f"drive{drive}_{frame:02}.png"
            cv2.imwrite(str(folder / "images" / name), image[..., ::-1])
            (folder / "masks" / name).write_bytes(palette_png(ids, list(COLOURS.values())))


def draw(seed: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A picture H x W x 3 (red, green, blue) and its class numbers H x W, both uint8, from (drive, frame)."""
    generator = np.random.default_rng(seed)
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    horizon = int(generator.integers(16, 32))
    ids[horizon:] = 1
    left, width = int(generator.integers(0, 40)), int(generator.integers(8, 24))
    ids[horizon - 8 : horizon + 8, left : left + width] = 2
    paint = np.array([(150, 180, 220), (90, 90, 80), (160, 60, 50)], float)
    light = np.random.default_rng(seed[0]).uniform(0.8, 1.1)
    image = paint[ids] * light + generator.normal(0, 12, (HEIGHT, WIDTH, 3))
    return np.rint(image).clip(0, 255).astype(np.uint8), ids


def palette_png(ids: np.ndarray, colours: list[tuple[int, int, int]]) -> bytes:
    """A PNG of 8 bits with a palette, which OpenCV reads but does not write (PNG specification, 11.2)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", ids.shape[1], ids.shape[0], 8, 3, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in ids.astype(np.uint8))
    table = np.array(colours, np.uint8).tobytes()
    content = chunk(b"IHDR", header) + chunk(b"PLTE", table) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b"")
