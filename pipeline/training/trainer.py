"""Who trains a fold and predicts with it: for networks Keras, for what needs none a module that does not load it."""

import sys

import numpy as np

from pipeline.competition import Competition
from pipeline.models import catalogue
from pipeline.recipe import Recipe
from pipeline.store.prepared import Prepared
from pipeline.training import backend, parallel
from pipeline.training.budget import Pace
from pipeline.training.plan import FoldPlan, check_held_out, check_loss


def of(recipe: Recipe, devices: int = 1):
    """The module for a recipe's model: it has `train_fold`, `predict_held_out`, `write_predictions`, `answering` with
    `flips_for` and `scales_for`, `environment`.

    What it makes from now on spreads its batches over so many devices. Raises UserError when Keras or a backend is
    missing, or so many devices are.
    """
    parallel.check(recipe, devices)
    if not catalogue.is_network(recipe):
        from pipeline.training import fit_classical

        return fit_classical
    backend.choose()
    parallel.spread(devices)
    from pipeline.training import fit

    return fit


def packages(recipe: Recipe) -> tuple[str, ...]:
    """The modules that a recipe's model needs. Raises UserError when no backend is there at all."""
    return ("keras", backend.chosen()) if catalogue.is_network(recipe) else ()


def check_weights(recipe: Recipe) -> None:
    """Raises UserError where the weights that an encoder is to begin with are not there."""
    catalogue.weights_file(recipe)


def pace_of(plan: FoldPlan, prepared: Prepared, competition: Competition, recipe: Recipe, devices: int = 1) -> Pace:
    """How long the parts of a fold of a network take on this machine, measured.

    Raises UserError as `of`, or when the recipe does not fit the competition.
    """
    of(recipe, devices)
    from pipeline.training import pace

    return pace.measured(plan, prepared, competition, recipe)


def check(plan: FoldPlan, prepared: Prepared, competition: Competition, recipe: Recipe, devices: int = 1) -> None:
    """Raises UserError where a fold cannot be trained, as far as that can be told without Keras."""
    parallel.check(recipe, devices)
    if not catalogue.is_network(recipe):
        competition.task.of_one(np.zeros((8, 8), np.uint8))
        return
    check_loss(recipe, competition)
    check_held_out(plan, prepared.view(recipe.neighbours, recipe.slices), prepared.table["id"])
    check_weights(recipe)


def averages(recipe: Recipe) -> bool:
    """Whether predictions are averaged over flips (and scales)."""
    return recipe.tta and catalogue.is_network(recipe)


def seeks_scale(recipe: Recipe) -> bool:
    """Whether a look at each picture as it is comes before the others, and says at which scale it is seen."""
    return averages(recipe) and recipe.object_radius > 0


def release() -> None:
    """Lets go of what Keras keeps of networks that nobody needs any more; where it was never loaded, nothing.

    Without it a fold that is trained after others differs in its last digits from the same fold trained by itself
    (seen with TensorFlow), because Keras goes on counting layers and keeps compiled steps.
    """
    if "keras" in sys.modules:
        backend.release()
