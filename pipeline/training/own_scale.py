"""At which scale a picture is seen so that its objects are about as large as a network knows them best."""

from collections.abc import Callable

import numpy as np

from pipeline.imaging.thickness import typical_radius
from pipeline.recipe import Recipe
from pipeline.tasks.task import Task

# halvings and doublings of the radius that are followed: beyond them there is little to see, or little of it
MOST = 2


def of(recipe: Recipe, task: Task) -> Callable[[np.ndarray], float] | None:
    """What says how many times as large a picture is to be seen, from H x W x K uint8 probabilities of it as it is;
    None where the recipe sees all as they are.

    For each halving of the objects' radius below the recipe's the picture is seen larger by the root of 2: less than it
    would take, because a network has learnt small ones, too. In such steps, so that few sizes are compiled.
    """
    if not (recipe.tta and recipe.object_radius):
        return None
    plain = task.plain_thresholds()

    def scale(probabilities: np.ndarray) -> float:
        radius = typical_radius(task.filled(task.decode(probabilities, plain)))
        halvings = round(np.log2(recipe.object_radius / radius)) if radius else 0
        return 2 ** (float(np.clip(halvings, -MOST, MOST)) / 2)

    return scale
