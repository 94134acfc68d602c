"""What a network is given to learn of labels: the channels of the task, or the numbers of the objects themselves."""

import numpy as np

from pipeline.imaging.sizes import resized, scaled_size, to_network
from pipeline.models import catalogue
from pipeline.recipe import Recipe

MEASURED, BATCHES = 500, 16  # objects that are enough to know their sizes, and batches that are looked at, at most


def of(recipe: Recipe, task):
    """The form in which the recipe's network learns."""
    return Numbers(task, recipe.objects) if catalogue.finds_objects(recipe) else Channels(task)


class Channels:
    """Shares of classes, or what else a task draws in channels: H x W x K uint8."""

    def __init__(self, task):
        self.target = task.target

    def framed(self, picture: np.ndarray, inner: tuple[int, int], fit: str, margin: int) -> np.ndarray:
        return to_network(picture, inner, fit, margin)

    def resized(self, picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        return resized(picture, shape)

    def finished(self, picture: np.ndarray, is_mirrored: bool) -> np.ndarray:
        return picture

    def introduce(self, network, batches) -> None:
        """Nothing of it must be known before a network learns."""


class Numbers:
    """Numbers of objects, H x W x 1 uint16: never mixed when a picture changes its size, 1, 2, … in the end.

    Args: most: objects of a picture; where there are more, the largest are taken and the others are background.
    """

    def __init__(self, task, most: int):
        self.task, self.most = task, most

    def target(self, labels: np.ndarray) -> np.ndarray:
        return np.asarray(self.task.apart(labels), np.uint16)[..., None]

    def framed(self, picture: np.ndarray, inner: tuple[int, int], fit: str, margin: int) -> np.ndarray:
        size = scaled_size(picture.shape[:2], inner, fit)
        return to_network(self.resized(picture, size), inner, "pad", margin)

    def resized(self, picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Of each pixel the one whose middle is nearest to its own."""
        rows, columns = (
            ((np.arange(side) + 0.5) * length / side).astype(int)
            for side, length in zip(shape, picture.shape[:2], strict=True)
        )
        return picture[rows[:, None], columns]

    def finished(self, picture: np.ndarray, is_mirrored: bool) -> np.ndarray:
        """Numbered anew. Where a picture is mirrored at its borders, an object and its image that do not touch are two;
        elsewhere one of several parts stays one."""
        from skimage.measure import label

        numbers = np.asarray(picture)[..., 0]
        places = label(numbers, connectivity=2) if is_mirrored else np.unique(numbers, return_inverse=True)[1]
        # without a background the smallest number is an object
        places = np.where(numbers == 0, 0, places.reshape(numbers.shape) + 1)
        areas = np.bincount(places.ravel())
        areas[0] = 0
        largest = np.sort(np.argsort(-areas, kind="stable")[: min(self.most, np.count_nonzero(areas))])
        new = np.zeros(len(areas), np.uint16)
        new[largest] = np.arange(1, len(largest) + 1)
        return new[places][..., None]

    def introduce(self, network, batches) -> None:
        """Tells a network how large the objects are in what it will see, and its user what is left out."""
        sizes: list[tuple[int, int]] = []
        windows = full = 0
        for step in range(min(BATCHES, batches.steps)):
            for numbers in batches(step)["target"]:
                found = sizes_of(numbers[..., 0])
                sizes, windows, full = sizes + found, windows + 1, full + (len(found) >= self.most)
            if len(sizes) >= MEASURED:
                break
        print(f"{network.name} learns by losses of its own: --loss {batches.recipe.loss} is not used", flush=True)
        if full:
            print(
                f"{full} of {windows} windows looked at hold --objects {self.most} or more: the largest are learnt, "
                "others as background; give more, or a smaller --crop",
                flush=True,
            )
        network.measure(np.array(sizes, float).reshape(-1, 2))


def sizes_of(numbers: np.ndarray) -> list[tuple[int, int]]:
    """Height and width of the box of each object of an H x W map of numbers."""
    from skimage.measure import regionprops

    boxes = (region.bbox for region in regionprops(numbers.astype(np.int32)))
    return [(bottom - top, right - left) for top, left, bottom, right in boxes]
