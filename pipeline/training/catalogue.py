"""What losses and augmentations there are, known without loading Keras: a function in their file is one."""

from dataclasses import dataclass, fields

from pipeline import source
from pipeline.errors import UserError
from pipeline.recipe import Recipe, option, parts


@dataclass(frozen=True)
class Loss:
    """Attributes:
    meaning: in a line.
    like: what a task that can learn by this one names in `Task.losses`.
    """

    meaning: str
    like: str


# those that a task names
BASIC = ("bce", "ce", "dice", "lovasz")
# what a loss may take beside logits and target
GIVEN = ("probabilities", "pixel_weights", "class_weights")


def losses() -> dict[str, Loss]:
    """Of training/losses.py: the functions of (logits, target). Raises UserError for one that asks for what there is
    not."""
    found = source.functions("training/losses", "logits", "target")
    for name, function in found.items():
        if other := [parameter for parameter in function.parameters[2:] if parameter not in GIVEN]:
            raise UserError(
                f"pipeline/training/losses.py: {name} takes '{other[0]}'; beside logits and target there are "
                f"{', '.join(GIVEN)}"
            )
    return {name: Loss(function.meaning, _like(name, function)) for name, function in found.items()}


def _like(name: str, function: source.Function) -> str:
    """Its own name, what it is marked with, or what its parameters tell: probabilities there are in every task."""
    by_parameters = "dice" if "probabilities" in function.parameters else "bce"
    return function.marks.get("like", name if name in BASIC else by_parameters)


def augmentations() -> dict[str, source.Function]:
    """Of training/augmentations.py, in the order in which they act."""
    return {
        **source.functions("training/augmentations", "coordinates", "amount"),
        **source.functions("training/augmentations", "image", "amount"),
    }


def has_field(augmentation: str) -> bool:
    """Whether its amount is a recipe field of that name, and not given by --augment."""
    return augmentation in {field.name for field in fields(Recipe)}


def amounts(recipe: Recipe) -> dict[str, float]:
    """How much of each augmentation a recipe asks for; 0 is off."""
    asked = {name: float(amount) for name, amount in parts(recipe.augment, "=")}
    return {name: getattr(recipe, name) if has_field(name) else asked.get(name, 0.0) for name in augmentations()}


def check(recipe: Recipe) -> None:
    """Raises UserError where a recipe names a loss or an augmentation that there is not."""
    for field in ("loss", "late_loss"):
        _check_loss(field, getattr(recipe, field))
    known = augmentations()
    for name, amount in parts(recipe.augment, "="):
        if name in known and has_field(name):
            raise UserError(f"--augment {recipe.augment}: '{name}' has an option of its own: {option(name)} {amount}")
        if name not in known:
            others = ", ".join(other for other in known if not has_field(other)) or "none yet"
            raise UserError(
                f"--augment {recipe.augment}: '{name}' is no augmentation; known are: {others} (a function of "
                "pipeline/training/augmentations.py is one)"
            )
        if not _is_amount(amount):
            raise UserError(f"--augment {recipe.augment}: write {name}=AMOUNT with a number above 0")


def _check_loss(field: str, text: str) -> None:
    names, known = [name for name, _ in parts(text)], losses()
    unknown = [name for name in names if name not in known]
    if unknown or (not names and (field == "loss" or text)):
        name = unknown[0] if unknown else ""
        raise UserError(
            f"{option(field)} '{text}': '{name}' is no loss; known are: {', '.join(known)}, and sums of them, as in "
            "bce+dice"
        )
    if len(set(names)) < len(names):
        raise UserError(f"{option(field)} {text} names a loss twice; name it once")


def _is_amount(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False
