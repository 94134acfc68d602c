"""The fields of a csv with run lengths, the pictures that they are of, and their masks as flat arrays."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.store.dialect import Format, Runs


@dataclass(frozen=True)
class Fields:
    """The fields of a csv that are not empty.

    Attributes:
        texts: them. images: of which image each is. numbers: its row in the file.
        size: an image's name -> (height, width). look: -> H x W, its grey values.
        where: the file.
    """

    texts: list[str]
    images: list[str]
    numbers: list[int]
    size: Callable[[str], tuple[int, int]]
    look: Callable[[str], np.ndarray]
    where: str


def pixels_of(runs: Runs, fields: Fields, sizes: dict) -> np.ndarray:
    """Of each object the pixels of its picture; 0 where that is not known. All are known where all seen are alike."""
    areas = {name: height * width for name, (height, width) in sizes.items()}
    unknown = min(areas.values()) if len({*areas.values()}) == 1 else 0
    of_field = np.array([areas.get(name, unknown) for name in fields.images], np.int64)
    return of_field[runs.of_text]


def by_image(fields: Fields, runs: Runs, sizes: dict) -> Iterator[tuple[str, Runs]]:
    """The name of each image whose size is known, and its runs as those of one object."""
    rows_of: dict[str, list[int]] = {name: [] for name in sizes}
    for row, index in enumerate(runs.of_text):
        if fields.images[index] in rows_of:
            rows_of[fields.images[index]].append(row)
    bounds = np.searchsorted(runs.rows, np.arange(len(runs.of_text) + 1))
    for name, rows in rows_of.items():
        taken = np.concatenate([np.arange(bounds[row], bounds[row + 1]) for row in rows]) if rows else []
        if len(taken):
            yield (
                name,
                Runs(np.zeros(len(taken), np.int64), runs.starts[taken], runs.lengths[taken], np.zeros(1, np.int64)),
            )


def mask_of(dialect: Format, runs: Runs, height: int, width: int) -> np.ndarray:
    """H x W bool, from runs counted from 1 in the order of the dialect; those outside of the picture are cut."""
    # objects of one image may share pixels: each pixel counts once
    flat = np.zeros(height * width + 1, np.int32)
    np.add.at(flat, np.clip(runs.starts - 1, 0, height * width), 1)
    np.add.at(flat, np.clip(runs.starts - 1 + runs.lengths, 0, height * width), -1)
    inside = np.cumsum(flat[:-1]) > 0
    return inside.reshape(width, height).T if dialect.order == "down" else inside.reshape(height, width)
