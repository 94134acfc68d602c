"""Arrays as a notebook has them -> what tasks work on: pictures one by one, H x W x layers, probabilities in uint8."""

from collections.abc import Sequence

import numpy as np

from pipeline.errors import UserError
from pipeline.imaging.tiles import stored
from pipeline.tasks.label_values import comes_back, largest_label
from pipeline.tasks.task import Task


def pictures(values, layers: int, what: str) -> list[np.ndarray]:
    """H x W x layers each, from N x H x W, N x H x W x layers, one H x W, or a sequence of such of several sizes.

    Raises UserError for other shapes.
    """
    if isinstance(values, np.ndarray) and values.ndim == 2:
        values = values[None]
    found = [np.asarray(one) for one in values]
    if not found:
        raise UserError(f"{what} holds no picture")
    found = [one[..., None] if one.ndim == 2 and layers == 1 else one for one in found]
    odd = next((i for i, one in enumerate(found) if one.ndim != 3 or one.shape[2] != layers or one.size == 0), None)
    if odd is not None:
        shape = "H x W" if layers == 1 else f"H x W x {layers}"
        raise UserError(f"{what}, picture {odd}: its shape is {found[odd].shape}; wanted is {shape}")
    return found


def labels(values, task: Task, what: str) -> list[np.ndarray]:
    """H x W x layers whole numbers each: those that the task decodes to. Of bool, and of one class that is 1 or any
    other number but 0, the class. Raises UserError for others."""
    top, words = largest_label(task)
    found = pictures(values, task.layers, what)
    for i, one in enumerate(found):
        where = f"{what}, picture {i}"
        if one.dtype == bool:
            found[i] = one.astype(np.uint8) * np.uint8(top if task.activation == "sigmoid" and not task.objects else 1)
            continue
        if not np.issubdtype(one.dtype, np.integer):
            if not np.isfinite(one).all() or (one != np.rint(one)).any():
                raise UserError(f"{where}: holds numbers that are not whole; probabilities go into tune")
            one = found[i] = one.astype(np.int64)
        odd = np.unique(one[(one > top) | (one < 0)])
        wrong = [value for value in odd if value < 0 or (top > 1 and not comes_back(int(value), task))]
        if wrong:
            raise UserError(f"{where}: holds {wrong[0]}; there can be {words}")
        if hasattr(task, "labels_in_words") and one.max() == 1 < top:
            raise UserError(f"{where}: holds 0 and 1; there can be {words}. Masks of yes and no: masks.astype(bool)")
    return found


def probabilities(values, outputs: int) -> list[np.ndarray]:
    """H x W x outputs uint8 each, from 0..1 floating point (rounded to 1/255) or uint8 0..255.

    Raises UserError for anything outside.
    """
    return [_stored(one, i) for i, one in enumerate(pictures(values, outputs, "probabilities"))]


def _stored(one: np.ndarray, i: int) -> np.ndarray:
    if one.dtype == np.uint8:
        return one
    if not np.issubdtype(one.dtype, np.floating):
        raise UserError(f"probabilities, picture {i}: {one.dtype}; wanted is floating point 0..1, or uint8 0..255")
    if not np.isfinite(one).all():
        raise UserError(f"probabilities, picture {i}: holds numbers that are not finite")
    if one.min() < 0 or one.max() > 1:
        raise UserError(
            f"probabilities, picture {i}: {one.min():g} to {one.max():g}; wanted is 0..1 (logits: 1 / (1 + exp(-x)))"
        )
    # in half precision a product would be rounded twice
    return stored(one.astype(np.float32) if one.dtype == np.float16 else one)


def alike(first: Sequence[np.ndarray], second: Sequence[np.ndarray], names: tuple[str, str]) -> None:
    """Raises UserError where two do not hold as many pictures, of the same sizes."""
    if len(first) != len(second):
        raise UserError(f"{names[0]} holds {len(first)} pictures, {names[1]} {len(second)}")
    for i, (one, other) in enumerate(zip(first, second, strict=True)):
        if one.shape[:2] != other.shape[:2]:
            raise UserError(f"picture {i} is {one.shape[:2]} in {names[0]}, {other.shape[:2]} in {names[1]}")


def words(values, count: int, what: str) -> np.ndarray | None:
    """A word for each of `count` pictures, or None. Raises UserError for another number of them."""
    if values is None:
        return None
    found = np.array([str(value) for value in values], dtype=object)
    if len(found) != count:
        raise UserError(f"{what}: {len(found)} for {count} pictures")
    return found


def folds(values, count: int) -> np.ndarray | None:
    """The number 0, 1, … of the fold of each of `count` pictures, or None. Raises UserError for another number of them,
    and for the fold -1, which every network learns."""
    found = words(values, count, "folds")
    if found is None:
        return None
    learnt = int(np.isin(found, ("-1", "-1.0")).sum())
    if learnt:
        raise UserError(f"folds: {learnt} picture(s) are of fold -1, which every network learns; leave these out")
    return np.unique(found, return_inverse=True)[1]


def refuse_split_groups(groups: np.ndarray | None, of_images: np.ndarray | None) -> None:
    """Raises UserError where pictures of one group are of several folds: thresholds would be chosen on what they are
    scored on."""
    if groups is None or of_images is None:
        return
    first: dict[str, int] = {}
    for group, fold in zip(groups, of_images, strict=True):
        if first.setdefault(group, fold) != fold:
            raise UserError(f"folds: the group {group} is in several of them; leave groups= out if that is meant")


def ids(values, count: int) -> list[str]:
    """The ids of `count` pictures. Raises UserError for another number, or one that is there twice."""
    found = words(values, count, "ids").tolist()
    if len(set(found)) < len(found):
        twice = next(name for i, name in enumerate(found) if name in found[:i])
        raise UserError(f"ids: {twice} is there twice")
    return found


def sizes(values, count: int) -> np.ndarray:
    """count x 2, (height, width), from one size for all or one for each. Raises UserError for other shapes."""
    found = np.asarray(values)
    if found.shape == (2,):
        found = np.tile(found, (count, 1))
    if found.shape != (count, 2) or not np.issubdtype(found.dtype, np.integer) or (found < 1).any():
        raise UserError(f"sizes: wanted is (height, width), for all or for each of the {count} pictures")
    return found
