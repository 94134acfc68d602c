"""Who trains a fold and predicts with it: for networks Keras, for what needs none a module that does not load it."""

from pipeline.competition import Competition
from pipeline.models import catalogue
from pipeline.prepared import Prepared
from pipeline.recipe import Recipe
from pipeline.training import backend
from pipeline.training.budget import Pace
from pipeline.training.plan import FoldPlan


def of(recipe: Recipe):
    """The module for a recipe's model: it has `train_fold`, `predict_held_out`, `write_predictions`, `environment`.

    Raises UserError when Keras or a backend is missing.
    """
    if not catalogue.is_network(recipe):
        from pipeline.training import fit_classical

        return fit_classical
    backend.choose()
    from pipeline.training import fit

    return fit


def pace_of(plan: FoldPlan, prepared: Prepared, competition: Competition, recipe: Recipe) -> Pace:
    """How long the parts of a fold of a network take on this machine, measured.

    Raises UserError when Keras or a backend is missing, or the recipe does not fit the competition.
    """
    backend.choose()
    from pipeline.training import pace

    return pace.measured(plan, prepared, competition, recipe)
