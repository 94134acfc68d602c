"""Batch statistics, taken again: how a finished network normalises, measured on pictures as it will meet them.

While it learns a network follows the means and variances of augmented pictures, with weights that still change. The
weights that are kept are averages, and predict plain pictures. As for the averages of SWA (Izmailov et al. 2018,
arXiv:1803.05407) their statistics are taken anew: the mean over batches that are seen once, without augmentation.

`auto` does so with an encoder alone. The house's own U-Net does not mind (demo, recipe quick, fold 0, the same weights
with both statistics: -.003 ± .006 of .838, n = 107), and a prediction of a thousand images is not free.
"""

import contextlib
import math

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from pipeline.models import fast_layers
from pipeline.recipe import Recipe
from pipeline.training.batches import Batches

IMAGES = 1000  # at most


def renew(network: keras.Model, batches: Batches, window: tuple[int, int], recipe: Recipe, title: str) -> None:
    """Gives each batch normalisation of a network the means and variances of what enters it; without one nothing is
    done.

    The same network, batches and recipe give the same statistics, however often a training was killed before.

    Args:
        batches: of what the fold learns from; at most an epoch of them.
        window: height and width of what the network sees of them.
    """
    normalizations = [
        layer for layer in fast_layers.within(network) if isinstance(layer, keras.layers.BatchNormalization)
    ]
    count = batches_of(recipe, batches.steps)
    if not normalizations or not count:
        return
    variables = [variable for layer in normalizations for variable in (layer.moving_mean, layer.moving_variance)]
    sums = [np.zeros(variable.shape) for variable in variables]
    with _following(normalizations, network):
        for step in tqdm(range(count), title, disable=None, leave=False):
            network(_seen(batches, step, window), training=True)
            for total, variable in zip(sums, variables, strict=True):
                total += ops.convert_to_numpy(variable)
    for variable, total in zip(variables, sums, strict=True):
        variable.assign((total / count).astype("float32"))


def batches_of(recipe: Recipe, steps: int) -> int:
    """How many batches that takes, where an epoch has so many steps."""
    if recipe.renew_statistics == "off" or (recipe.renew_statistics == "auto" and not recipe.encoder):
        return 0
    return min(steps, math.ceil(IMAGES / (recipe.batch_size * recipe.slices)))


def _seen(batches: Batches, step: int, window: tuple[int, int]):
    """The pictures of a batch in 0..1 of their range; of what zooming may show around the window its middle."""
    image = batches(step)["image"]
    top, left = ((length - side) // 2 for length, side in zip(image.shape[1:3], window, strict=True))
    image = image[:, top : top + window[0], left : left + window[1]]
    return ops.convert_to_tensor(image.astype("float32") / np.float32(batches.view.info["range"]))


@contextlib.contextmanager
def _following(normalizations: list, network: keras.Model):
    """Inside, what a call with `training` leaves as statistics are those of its batch alone, and nothing is dropped:
    at random, and as no prediction does."""
    dropouts = [layer for layer in fast_layers.within(network) if isinstance(layer, keras.layers.Dropout)]
    kept = [(layer, "momentum", layer.momentum) for layer in normalizations]
    kept += [(layer, "rate", layer.rate) for layer in dropouts]
    for layer, name, _ in kept:
        setattr(layer, name, 0.0)
    try:
        yield
    finally:
        for layer, name, value in kept:
            setattr(layer, name, value)
