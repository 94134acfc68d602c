"""Arrays as a notebook has them -> what tasks work on: pictures one by one, H x W x layers, probabilities in uint8."""

from collections.abc import Sequence

import numpy as np

from pipeline.errors import UserError, one_line
from pipeline.imaging.tiles import stored
from pipeline.tasks.label_values import comes_back, largest_label
from pipeline.tasks.task import Task

ROUNDING = 1e-6  # that float32 leaves of a mean of probabilities
# what str() writes of a missing value
MISSING = ("", "nan", "NaN", "NaT", "<NA>", "None")


def each(values, what: str) -> list:
    """What was given, one by one: of a list, an array, a column, whatever can be gone through in order.

    Raises UserError for what cannot: a number, None, a dict, a set.
    """
    if getattr(values, "ndim", 1) == 2 and hasattr(values, "to_numpy"):
        # a pandas.DataFrame goes through the names of its columns
        values = values.to_numpy()
    try:
        if not isinstance(values, (dict, set, frozenset)):
            return list(iter(values))
    except TypeError as error:
        if hasattr(values, "__next__"):  # a generator's own mistake
            raise
        raise _not_several(values, what) from error
    raise _not_several(values, what)


def _not_several(values, what: str) -> UserError:
    said = "None" if values is None else f"one {type(values).__name__}"
    return UserError(f"{what}: {said} was given; wanted is a list or an array")


def array(values, where: str) -> np.ndarray:
    """Numbers or bool, of any shape; of dtype object, too, where it holds such alone.

    Raises UserError for texts, what is missing, rows of several lengths.
    """
    try:
        found = np.asarray(values)
        found = np.array(found.tolist()) if found.dtype == object else found
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(one_line(f"{where}: no numpy array can be made of it ({error}); give arrays")) from error
    if found.dtype.kind not in "biuf":
        raise UserError(f"{where}: its dtype is {found.dtype}; wanted are numbers or bool")
    return found


def pictures(values, layers: int, what: str) -> list[np.ndarray]:
    """H x W x layers each, from N x H x W, N x H x W x layers, one H x W, or a sequence of such of several sizes.

    Raises UserError for other shapes, and for what holds no numbers.
    """
    if getattr(values, "ndim", 0) == 2:
        values = [values]
    found = [array(one, f"{what}, picture {i}") for i, one in enumerate(each(values, what))]
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

    Raises UserError for anything outside by more than ROUNDING.
    """
    return [_stored(one, i) for i, one in enumerate(pictures(values, outputs, "probabilities"))]


def _stored(one: np.ndarray, i: int) -> np.ndarray:
    if one.dtype == np.uint8:
        return one
    if not np.issubdtype(one.dtype, np.floating):
        raise UserError(f"probabilities, picture {i}: {one.dtype}; wanted is floating point 0..1, or uint8 0..255")
    if not np.isfinite(one).all():
        raise UserError(f"probabilities, picture {i}: holds numbers that are not finite")
    least, most = float(one.min()), float(one.max())
    if least < -ROUNDING or most > 1 + ROUNDING:
        raise UserError(
            f"probabilities, picture {i}: {least:.8g} to {most:.8g}; wanted is 0..1 (logits: 1 / (1 + exp(-x)))"
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
    """A word for each of `count` pictures, blank where the value is missing, or None; a column N x 1 is a vector.

    Raises UserError for another number of them.
    """
    if values is None:
        return None
    found = np.array([_word(value) for value in each(values, what)], dtype=object)
    if len(found) != count:
        raise UserError(f"{what}: {len(found)} for {count} pictures")
    return found


def _word(value) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    elif not isinstance(value, np.generic) and getattr(value, "shape", None) in ((), (1,)):
        value = value.item()
    word = str(value)
    is_missing = not word.strip() if isinstance(value, str) else word in MISSING
    return "" if is_missing else word


def _are_missing(found: np.ndarray) -> np.ndarray:
    """Of words, which stand for nothing (an array of texts holds `nan` where a value was missing): bool."""
    return np.array([word.strip() in MISSING for word in found], bool)


def groups(values, count: int) -> np.ndarray | None:
    """The name of the group of each of `count` pictures, or None where there are none. A picture whose group is missing
    (blank, NaN, None) is a group of its own. Raises UserError for another number of them."""
    found = words(values, count, "groups")
    if found is None or (missing := _are_missing(found)).all():
        return None
    taken = set(found)
    for i in np.flatnonzero(missing):
        found[i] = _alone(i, taken)
    return found


def _alone(i: int, taken: set[str]) -> str:
    found = f"picture {i}"
    while found in taken:
        found += "'"
    return found


def folds(values, count: int) -> np.ndarray | None:
    """The number 0, 1, … of the fold of each of `count` pictures, or None. Raises UserError for another number of them,
    where a fold is missing, and for the fold -1, which every network learns."""
    found = words(values, count, "folds")
    if found is None:
        return None
    missing = np.flatnonzero(_are_missing(found))
    if len(missing):
        raise UserError(f"folds: {len(missing)} picture(s) have none, first picture {missing[0]}; leave these out")
    learnt = sum(map(_is_learnt, found))
    if learnt:
        raise UserError(f"folds: {learnt} picture(s) are of fold -1, which every network learns; leave these out")
    return np.unique([word.strip() for word in found], return_inverse=True)[1]


def _is_learnt(fold: str) -> bool:
    try:
        return float(fold) == -1
    except ValueError:
        return False


def refuse_split_groups(groups: np.ndarray | None, of_images: np.ndarray | None) -> None:
    """Raises UserError where pictures of one group are of several folds: thresholds would be chosen on what they are
    scored on."""
    if groups is None or of_images is None:
        return
    first: dict[str, int] = {}
    for group, fold in zip(groups, of_images, strict=True):
        if first.setdefault(group, fold) != fold:
            raise UserError(f"folds: the group {group} is in several of them; leave groups= out if that is meant")


def ids(values, count: int | None = None) -> list[str]:
    """The ids of `count` pictures, or of as many as there are.

    Raises UserError for another number, one that is missing, or one that is there twice.
    """
    values = each(list(values) if isinstance(values, dict) else values, "ids")
    found = words(values, len(values) if count is None else count, "ids").tolist()
    if "" in found:
        raise UserError(f"ids: picture {found.index('')} has none; give each picture its id")
    if len(set(found)) < len(found):
        twice = next(name for i, name in enumerate(found) if name in found[:i])
        raise UserError(f"ids: {twice} is there twice")
    return found


def sizes(values, count: int) -> np.ndarray:
    """count x 2, (height, width), from one size for all or one for each. Raises UserError for other shapes."""
    wanted = UserError(f"sizes: wanted is (height, width), for all or for each of the {count} pictures")
    try:
        found = array(values, "sizes")
    except UserError as error:
        raise wanted from error
    if found.shape == (2,):
        found = np.tile(found, (count, 1))
    if found.shape != (count, 2) or not np.issubdtype(found.dtype, np.integer) or (found < 1).any():
        raise wanted
    return found
