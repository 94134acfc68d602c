"""What networks and encoders there are, and what cannot be asked of them. Knows them without loading Keras: a file of
`models/` with `build` and `frame` is a network, a file of `models/encoders/` with a function `features` an encoder."""

from pathlib import Path

from pipeline import source
from pipeline.errors import UserError
from pipeline.recipe import Recipe, option

# not a network: nothing is trained, so Keras is not needed either
CLASSICAL = "classical"
# not an encoder but a table of many
APPLICATIONS = "keras_applications"


def networks() -> list[str]:
    return [
        name for name in source.modules("models") if {"build", "frame"} <= source.functions(f"models/{name}").keys()
    ]


def models() -> list[str]:
    """What --model can be."""
    return [*networks(), CLASSICAL]


def of_applications() -> list[str]:
    return list(source.constant(f"models/encoders/{APPLICATIONS}", "NETWORKS"))


def encoders() -> list[str]:
    """What --encoder can be."""
    own = [name for name in source.modules("models/encoders") if name != APPLICATIONS]
    return [*own, *of_applications()]


def _take_encoders() -> list[str]:
    return [name for name in networks() if source.constant(f"models/{name}", "TAKES_ENCODER", False)]


def is_network(recipe: Recipe) -> bool:
    """Whether the recipe's model is trained by Keras."""
    return recipe.model != CLASSICAL


def check(recipe: Recipe) -> None:
    """Raises UserError where a recipe asks for a network that there is not, or for what its network cannot do."""
    for field, known in (("model", models()), ("encoder", ["", *encoders()])):
        value = getattr(recipe, field)
        if value not in known:
            raise UserError(f"{option(field)} is '{value}'; known are: {', '.join(name for name in known if name)}")
    if recipe.encoder and recipe.model not in _take_encoders():
        raise UserError(f"--model {recipe.model} has no place for an --encoder; {' and '.join(_take_encoders())} have")
    if recipe.slices == 1 and source.constant(f"models/{recipe.model}", "OF_VOLUMES", False):
        raise UserError(f"--model {recipe.model} wants several slices of a volume: give --slices, for example 8")
    if not is_network(recipe) and (recipe.slices > 1 or recipe.neighbours):
        raise UserError(f"--model {recipe.model} looks at single images: leave out --slices and --neighbours")
    if not is_network(recipe) and recipe.pseudo:
        raise UserError(f"--model {recipe.model} learns nothing from pseudo-labels: leave out --pseudo")
    if not is_network(recipe) and recipe.budget:
        raise UserError(f"--model {recipe.model} has no epochs that a --budget could pick: leave it out")
    if recipe.weights != "none" and not recipe.encoder:
        raise UserError("--weights are of an --encoder, and none is given")
    own = recipe.encoder and recipe.encoder not in of_applications()
    if recipe.weights != "none" and own and "start" not in source.functions(f"models/encoders/{recipe.encoder}"):
        raise UserError(f"--encoder {recipe.encoder} begins with no weights from elsewhere: leave out --weights")


def check_weights_file(encoder: str, path: Path) -> None:
    """Raises UserError where the file that an encoder is to begin with is not there."""
    if not path.is_file():
        raise UserError(f"--weights {path} is no file; give one with weights of {encoder}, or imagenet, or none")
