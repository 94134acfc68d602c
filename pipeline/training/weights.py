"""What may be taken for weights: whole files and numbers that are finite. No Keras."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.recipe import Recipe
from pipeline.store import records
from pipeline.store.disk import refuse_no_file
from pipeline.store.prepared import Prepared
from pipeline.store.scaling import Scaling

NAME = "model.weights.h5"


def are_finite(arrays: Iterable[np.ndarray]) -> bool:
    """Whether no number in arrays of any type is NaN or infinite."""
    return all(array.dtype.kind not in "fc" or bool(np.isfinite(array).all()) for array in arrays)


def check_file(path: Path) -> None:
    """Raises UserError unless a file of weights can be read to its end and all of its numbers are finite."""
    import h5py

    refuse_no_file(path)
    finite: list[bool] = []
    try:
        with h5py.File(path, "r") as file:
            # what it returns would end the visit
            file.visititems(lambda _, item: finite.append(_is_finite(item)) if _holds_numbers(item) else None)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} holds no weights, or is damaged ({_line(error)}); train the fold with --again"
        ) from error
    if not all(finite):
        raise UserError(
            f"{path} holds weights that are NaN or infinite; train the fold with --again, with --precision float32 or "
            "a lower --learning-rate"
        )


def scaling_of(path: Path, prepared: Prepared) -> Scaling | None:
    """How what is learnt in a file sees the images; of weights from elsewhere, as what is learnt now does. Raises
    UserError where its record was edited."""
    record = records.read_record(path)
    return prepared.scaling_of(record["inputs"], records.record_path(path)) if record else prepared.scaling


def remedy(recipe: Recipe, precision: str) -> str:
    """What to try where numbers overflow in a training in this precision."""
    slower = f"a lower --learning-rate than {recipe.learning_rate:g}"
    return f"try {slower}" if precision == "float32" else f"try --precision float32 (it is {precision}), or {slower}"


def _is_finite(item) -> bool:
    """Of what lies in a file. Raises ValueError for what Keras would take half of."""
    if item.dtype.kind == "c":
        raise ValueError(f"{item.name} is of complex numbers")
    return are_finite([item[()]])


def _holds_numbers(item) -> bool:
    return hasattr(item, "dtype")


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
