"""Everything a killed training needs to go on as if nothing had happened, in one file.

One file, because two can disagree after a kill. The finished epoch is stored and never derived from the optimizer's
count, which under float16 leaves out skipped steps.
"""

import hashlib
import json
import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np

from pipeline.errors import UserError
from pipeline.recipe import completed
from pipeline.store.disk import atomic
from pipeline.training import weights

# what reading a file that is another one, or damaged, can end in
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
)


def arrays_of(learner) -> list[np.ndarray]:
    """Everything that learning changes, network and optimizer (with its moving averages), copied from the device."""
    return [keras.ops.convert_to_numpy(value) for value in _variables(learner)]


def are_finite(learner, arrays: list[np.ndarray]) -> bool:
    """Whether none of them, as `arrays_of` gives them, holds a number that is NaN or infinite."""
    # the scale of a loss is doubled until it overflows: that ends in a step that is skipped, in nothing else
    variables = zip(_variables(learner), arrays, strict=True)
    return weights.are_finite(array for variable, array in variables if variable.name != "dynamic_scale")


def save(path: Path, arrays: list[np.ndarray], epoch: int, inputs: dict) -> None:
    """What `arrays_of` gives, the number of finished epochs, and what they were made from."""
    named = {f"v{i}": array for i, array in enumerate(arrays)}
    with atomic(path) as part, part.open("wb") as file:
        np.savez(file, epoch=epoch, inputs=json.dumps(inputs, sort_keys=True), **named)


def load(path: Path, learner, inputs: dict) -> int:
    """Restores a checkpoint; returns the finished epochs, 0 when there is none that fits.

    One fits when it was made from these inputs and by a network of the same build (the code may have changed).
    Raises UserError when all that differs are the predictions that pseudo-labels come from, or the file is damaged.
    """
    if not path.exists():
        return 0
    epoch, made_from, arrays = _read(path)
    variables = _variables(learner)
    same_build = [array.shape for array in arrays] == [tuple(variable.shape) for variable in variables]
    wanted = json.loads(json.dumps(inputs))
    for content in (made_from, wanted):
        # a field that did not exist then has its default now
        content["recipe"] = completed(content.get("recipe", {}))
    if made_from != wanted and made_from == {**wanted, "pseudo": made_from.get("pseudo")}:
        raise UserError(
            f"{path} has learnt from other predictions of the run that --pseudo names than are there now; bring those "
            "back, or train the fold from its start with --again"
        )
    if made_from != wanted or not same_build:
        return 0
    epochs = wanted["recipe"]["epochs"]
    if not 1 <= epoch <= epochs:
        raise _damaged(path, f"it has finished epoch {epoch} of {epochs}")
    if not are_finite(learner, arrays):
        raise _damaged(path, "what it has learnt is NaN or infinite")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return epoch


def _read(path: Path) -> tuple[int, dict, list[np.ndarray]]:
    """(epoch, inputs, arrays). Raises UserError unless it is a file that `save` wrote."""
    if not path.is_file():
        raise _damaged(path, "it is no file")
    try:
        with np.load(path) as saved:
            epoch, made_from = saved["epoch"], json.loads(str(saved["inputs"]))
            arrays = [saved[f"v{i}"] for i in range(len(saved.files) - 2)]
    except _UNREADABLE as error:
        raise _damaged(path, str(error)) from error
    if epoch.shape or epoch.dtype.kind not in "iu":
        raise _damaged(path, "its epoch is no whole number")
    if not isinstance(made_from, dict) or not isinstance(made_from.get("recipe", {}), dict):
        raise _damaged(path, "it does not say what it was made from")
    if any(array.dtype.kind not in "fiubV" for array in arrays):
        raise _damaged(path, "it holds what is no number")
    return int(epoch), made_from, arrays


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path} is damaged ({why}); delete it to train the fold from its start")


def set_randomness(learner, seed: int, fold: int, epoch: int) -> None:
    """Sets every seed generator (augmentation, dropout) from (seed, fold, epoch), so that an epoch repeats itself."""
    generators = [variable for variable in learner.variables if "seed_generator_state" in variable.path]
    for i, variable in enumerate(generators):
        digest = hashlib.sha256(f"{seed} {fold} {epoch} {i}".encode()).digest()
        # 31 bits: PyTorch's generator state is signed
        words = np.frombuffer(digest[:8], "<u4") & 0x7FFFFFFF
        variable.assign(words.astype(str(variable.dtype)))


def averaged_weights(learner) -> list[np.ndarray]:
    """The network's weights in `get_weights` order, the trainable ones replaced by their moving average."""
    optimizer = getattr(learner.optimizer, "inner_optimizer", learner.optimizer)
    averages = {}
    if optimizer.use_ema:
        pairs = zip(learner.trainable_variables, optimizer._model_variables_moving_average, strict=True)
        averages = {variable.path: average for variable, average in pairs}
    weights = [averages.get(weight.path, weight) for weight in learner.network.weights]
    return [keras.ops.convert_to_numpy(weight) for weight in weights]


def _variables(learner) -> list:
    return [*learner.network.variables, *learner.optimizer.variables]
