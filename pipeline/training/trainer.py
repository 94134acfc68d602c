"""Who trains a fold and predicts with it: for networks Keras, for what needs none a module that does not load it."""

from pipeline.models import catalogue
from pipeline.recipe import Recipe
from pipeline.training import backend


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
