"""One fold on several devices: each batch is spread over them (`keras.distribution.DataParallel`), with JAX alone.

The batch is that of the recipe, whatever the devices, and so are its steps and their learning rates: each device has
its share of the images, and statistics, loss and gradient are of all of them. Predictions are spread in the same way.
Weights and checkpoints do not know of it: a fold may go on with another number of devices.
"""

import os
import sys

from pipeline.errors import UserError
from pipeline.models import catalogue
from pipeline.recipe import Recipe
from pipeline.training import backend, hardware


def check(recipe: Recipe, devices: int) -> None:
    """Raises UserError where batches cannot be spread over so many devices, as far as can be told without Keras."""
    if devices == 1:
        return
    if not catalogue.is_network(recipe):
        raise UserError(f"--devices {devices}: --model {recipe.model} computes on no device; leave it out")
    if backend.chosen() != "jax":
        raise UserError(
            f"--devices {devices} is of JAX, and the backend is {backend.chosen()}: set KERAS_BACKEND=jax, or give "
            "--jobs, which trains folds beside each other with any backend"
        )
    if recipe.batch_size % devices:
        lower = recipe.batch_size // devices * devices
        fitting = [str(size) for size in (lower, lower + devices) if size]
        raise UserError(
            f"--devices {devices} takes equal shares of a batch, and --batch-size {recipe.batch_size} has none; give "
            f"--batch-size {' or '.join(fitting)}"
        )
    if hardware.gpus() and devices > len(hardware.gpus()):
        raise _too_many(devices, len(hardware.gpus()), "GPU")


def spread(devices: int) -> None:
    """What Keras makes from now on is on so many devices; with 1 as it is without. Keras is loaded already.

    Raises UserError where JAX sees fewer.
    """
    import keras

    if devices == 1:
        if keras.distribution.distribution() is not None:
            keras.distribution.set_distribution(None)
        return
    found = keras.distribution.list_devices()
    if devices > len(found):
        raise _too_many(devices, len(found), f"{found[0].partition(':')[0].upper()} device")
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=found[:devices]))


def shared(count: int) -> int:
    """So many pictures, or as many more as it takes for each device to have the same number of them."""
    devices = in_use()
    return -(-count // devices) * devices


def in_use() -> int:
    """Over how many devices batches are spread now; 1 where Keras is not loaded."""
    if "keras" not in sys.modules:
        return 1
    import keras

    found = keras.distribution.distribution()
    return found.device_mesh.devices.size if found is not None else 1


def _too_many(devices: int, there: int, what: str) -> UserError:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    why = f" (CUDA_VISIBLE_DEVICES is {visible})" if visible else ""
    found = f"there are {there} {what}s" if there > 1 else f"there is {there} {what}"
    return UserError(f"--devices {devices}: {found}{why}; give --devices {there}")
