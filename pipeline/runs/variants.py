"""Variants of a recipe from words: `late_loss=lovasz,late_share=0.5` is the recipe with these fields changed."""

from dataclasses import dataclass, fields, replace

from pipeline import recipe as recipes
from pipeline.errors import UserError
from pipeline.recipe import Recipe
from pipeline.runs.identity import with_absolute_weights

# with others the held-out images are others, too
OF_FOLDS = ("folds", "split", "trained_folds")
_SWITCHES = {"true": True, "on": True, "false": False, "off": False}


@dataclass(frozen=True)
class Variant:
    """A changed recipe, and the word it was asked for with."""

    label: str
    recipe: Recipe


def parse(words: tuple[str, ...], base: Recipe) -> list[Variant]:
    """The base changed by each word: `field=value[,field=value…]`, fields spelt with underscores or dashes.

    Raises UserError, naming the word: no such field, a value that is none of it, a field of the folds, or a recipe
    that is the base or another variant again.
    """
    found: list[Variant] = []
    for word in words:
        recipe = _changed(word, base)
        same = [variant.label for variant in found if variant.recipe == recipe]
        if recipe == base:
            raise UserError(f"--fields {word} changes nothing: that is the recipe it is compared with; leave it out")
        if same:
            raise UserError(f"--fields {word} is the same recipe as {same[0]}; leave one of them out")
        found.append(Variant(word, recipe))
    return found


def _changed(word: str, base: Recipe) -> Recipe:
    changes: dict = {}
    for part in word.split(","):
        name, value = _parsed(part, word)
        if name in changes:
            raise UserError(f"--fields {word} gives {name} twice; give it once")
        changes[name] = value
    try:
        return replace(base, **with_absolute_weights(changes))
    except UserError as error:
        raise UserError(f"--fields {word}: {error}") from error


def _parsed(part: str, word: str) -> tuple[str, object]:
    """`late-loss=dice` -> ("late_loss", "dice"), the value as the command line reads that option's."""
    spelt, sign, text = part.partition("=")
    name = spelt.strip().replace("-", "_")
    if not sign:
        raise UserError(f"--fields {word}: '{part}' is not field=value, as in late_loss=lovasz,late_share=0.5")
    kinds = {field.name: type(field.default) for field in fields(Recipe)}
    if name not in kinds:
        raise UserError(f"--fields {word}: '{spelt}' is no recipe field; ./run.sh --help fields lists them")
    if name == "budget":
        raise UserError(f"--fields {word}: a budget picks other epochs for each variant: give epochs=N")
    if name in OF_FOLDS:
        raise UserError(
            f"--fields {word}: with other {name} other images are held out, and nothing can be compared; give "
            f"{recipes.option(name)} for all of them"
        )
    return name, _value(text, kinds[name], word)


def _value(text: str, kind: type, word: str):
    if kind is bool:
        if text.lower() not in _SWITCHES:
            raise UserError(f"--fields {word}: '{text}' is neither true (on) nor false (off)")
        return _SWITCHES[text.lower()]
    try:
        return kind(text)
    except ValueError as error:
        raise UserError(f"--fields {word}: '{text}' is not of type {kind.__name__}") from error
