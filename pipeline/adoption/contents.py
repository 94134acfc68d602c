"""Which array of a file is what, by its name and its form: the predictions, their ids, the scores of objects."""

from pipeline.adoption import words
from pipeline.adoption.arrays import Arrays
from pipeline.errors import UserError, shown

# of arrays of one kind the first that is called so is meant (nnU-Net's --npz: probabilities, before softmax)
_MEANT = ("probabilities", "softmax", "predictions", "preds", "pred", "probs", "outputs", "logits", "masks", "labels")
# axes of many pictures in one array, and of one
MANY, ONE = 3, 2


def by_role(keys: list[str]) -> dict[str, list[str]]:
    """The arrays whose names say a role, by that; masks alone say none beside predictions without a role."""
    found = {role: [key for key in keys if words.role_of(key) == role] for role in (words.OOF, words.TEST)}
    called = {key: words.array_called(_last(key)) for key in keys}
    is_told = not any(called[key] == words.PREDICTED and not words.role_of(key) for key in keys)
    odd = () if is_told else (words.MASKS, words.BESIDE)
    return {role: own for role, own in found.items() if any(called[key] not in odd for key in own)}


def refuse_one_picture(arrays: Arrays, key: str) -> None:
    """Raises UserError for an array that is not N x H x W (x C), or of no picture."""
    shape = arrays[key].shape
    if len(shape) < 3:
        sides = " x ".join(map(str, shape)) or "one number"
        raise UserError(f"{arrays.where(key)} is an array of {sides}, not of many pictures (N x H x W)")
    if not shape[0]:
        raise UserError(f"{arrays.where(key)} is an array of no pictures; write the predictions again, or remove it")


def meant(arrays: Arrays, keys: list[str], axes: int, scores: str) -> str:
    """The one array that is the predictions: one that is called so, else one that has the axes of pictures; masks and
    labels last, which may be the truth; floats before whole numbers.

    Args: axes: of pictures. scores: the array of the scores of objects, which labels have and the truth has not.

    Raises UserError where that is not told.
    """
    if len(keys) == 1:
        return keys[0]
    called = {key: words.array_called(_last(key)) for key in keys}
    forms = {key: arrays.form(key) for key in keys}
    named = [key for key in keys if called[key] == words.PREDICTED]
    is_scored = bool(scores) and len(arrays.form(scores)[0]) == axes - 1
    fitting = [key for key in keys if len(forms[key][0]) >= axes and forms[key][1].kind in "uibf"]
    kinds = [
        [key for key in named if key in fitting] or named,
        [key for key in fitting if is_scored and words.holds_labels(_last(key))],
        [key for key in fitting if not called[key]],
        [key for key in fitting if called[key] == words.MASKS],
    ]
    found = next(filter(None, kinds), [])
    found = [key for key in found if forms[key][1].kind == "f"] or found
    known = [key for word in _MEANT for key in found if _last(key) == word]
    chosen = known[:1] or found
    if len(chosen) != 1:
        what = f"the arrays {shown(chosen or keys)}" if keys else "ids alone"
        raise UserError(f"{arrays.path} holds {what}; save the predictions as 'predictions' (and their ids as 'ids')")
    return chosen[0]


def _last(key: str) -> str:
    """What an array of a h5 is called, without its groups."""
    return key.rpartition("/")[2]


def is_scores(arrays: Arrays, key: str, axes: int) -> bool:
    """Whether an array is called scores, and is none of pictures."""
    return "scores" in words.tokens_of(key) and len(arrays.form(key)[0]) < axes


def scores_of(arrays: Arrays, role: str, axes: int) -> str:
    """The key of the scores of objects; blank where there are none."""
    keys = [key for key in arrays.keys if is_scores(arrays, key, axes)]
    return next((key for key in keys if words.role_of(key) in ("", role)), "")


def ids_of(arrays: Arrays, role: str, keys: list[str], count: int) -> str:
    """The array of ids within the file, or blank: of several (`class_names`, `ids`) the one that has as many."""
    own = [key for key in keys if words.role_of(key) == role] or [key for key in keys if not words.role_of(key)]
    fitting = [key for key in own if arrays[key].shape == (count,)] if len(own) > 1 else own
    return (fitting or own or [""])[0]
