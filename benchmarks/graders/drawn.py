"""Masks to be found, and answers to them: right ones, wrong ones, and those on which metrics like to differ."""

from collections.abc import Iterator

import cv2
import numpy as np

COVERAGES = (0.0, 0.3, 0.004, 0.6, 1.0, 0.08, 0.85, 0.0, 0.02, 0.45)
SIDE = 20  # of a rectangle; its area is a multiple of 20, so that IoU can be exactly .5, .55 …
NEAR, BLOBS, NOISE = (0.001, 0.01, 0.05, 0.15), (0.01, 0.2, 0.55, 0.9), (0.001, 0.03, 0.5, 0.95)
SUBMISSIONS = 8 + len(NEAR) + len(BLOBS) + len(NOISE)


def truth(random: np.random.Generator, sizes: list[tuple[int, int]], layers: int, empty: bool) -> list[np.ndarray]:
    """A mask H x W x layers, bool, for each size: some without pixels unless `empty` is False, one full, one an exact
    rectangle, the others blobs."""
    coverages = [share for share in COVERAGES if share or empty]
    found = [
        np.stack([blob(random, size, coverages[(i + 3 * k) % len(coverages)]) for k in range(layers)], axis=-1)
        for i, size in enumerate(sizes)
    ]
    found[-1] = np.zeros_like(found[-1])
    found[-1][2 : 2 + SIDE, 3 : 3 + SIDE] = True
    return found


def blob(random: np.random.Generator, size: tuple[int, int], coverage: float) -> np.ndarray:
    """A smooth mask H x W, bool, of about this coverage; of 0 and 1 exactly."""
    field = cv2.GaussianBlur(random.normal(0, 1, size).astype(np.float32), (0, 0), max(1.0, min(size) / 12))
    return field < np.quantile(field, coverage) if coverage < 1 else np.ones(size, bool)


def answers(random: np.random.Generator, masks: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """SUBMISSIONS lists of masks like `masks`."""
    yield [mask.copy() for mask in masks]
    yield [np.zeros_like(mask) for mask in masks]
    yield [np.ones_like(mask) for mask in masks]
    yield [_one_pixel_off(random, mask) for mask in masks]
    yield [np.roll(mask, 1, axis=0) for mask in masks]
    yield [np.roll(mask, 1, axis=1) for mask in masks]
    yield [_part(mask, (10 + i % 10) / 20) for i, mask in enumerate(masks)]
    yield [mask if i % 2 else np.zeros_like(mask) for i, mask in enumerate(masks)]
    yield from ([mask ^ (random.random(mask.shape) < share) for mask in masks] for share in NEAR)
    for share in BLOBS:
        yield [
            np.stack([blob(random, mask.shape[:2], share) for _ in range(mask.shape[-1])], axis=-1) for mask in masks
        ]
    yield from ([random.random(mask.shape) < share for mask in masks] for share in NOISE)


def _one_pixel_off(random: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """Another value at one place of each layer."""
    found = mask.copy()
    row, column = random.integers(0, mask.shape[0]), random.integers(0, mask.shape[1])
    found[row, column] = ~found[row, column]
    return found


def _part(mask: np.ndarray, share: float) -> np.ndarray:
    """The first pixels of each layer, this share of them."""
    found = np.zeros_like(mask)
    for k in range(mask.shape[-1]):
        places = np.argwhere(mask[..., k])
        rows, columns = places[: round(share * len(places))].T
        found[rows, columns, k] = True
    return found
