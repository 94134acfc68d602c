"""What may be taken for weights: whole files and numbers that are finite. No Keras."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.recipe import Recipe

NAME = "model.weights.h5"


def are_finite(arrays: Iterable[np.ndarray]) -> bool:
    """Whether no number in arrays of any type is NaN or infinite."""
    return all(bool(np.isfinite(array).all()) for array in arrays)


def check_file(path: Path) -> None:
    """Raises UserError unless a file of weights can be read to its end and all of its numbers are finite."""
    import h5py

    arrays = []
    try:
        with h5py.File(path, "r") as file:
            # its return value ends the visit, so nothing may be returned
            file.visititems(lambda _, item: arrays.append(_is_finite(item)) if isinstance(item, h5py.Dataset) else None)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no file of weights, or damaged ({_line(error)}); train the fold with --again"
        ) from error
    if not all(arrays):
        raise UserError(
            f"{path} holds weights that are NaN or infinite; train the fold with --again, with --precision float32 or "
            "a lower --learning-rate"
        )


def remedy(recipe: Recipe, precision: str) -> str:
    """What to try where numbers overflow in a training in this precision."""
    slower = f"a lower --learning-rate than {recipe.learning_rate:g}"
    return f"try {slower}" if precision == "float32" else f"try --precision float32 (it is {precision}), or {slower}"


def _is_finite(item) -> bool:
    values = item[()]
    return values.dtype.kind not in "fc" or bool(np.isfinite(values).all())


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
