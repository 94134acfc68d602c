"""The name and the recipe of a run: what is asked for, or what is saved in the run that is there."""

from pathlib import Path

from pipeline import recipe as recipes
from pipeline.errors import UserError
from pipeline.models import catalogue as models
from pipeline.recipe import Recipe
from pipeline.store.disk import read_json
from pipeline.store.paths import Store
from pipeline.training import catalogue as training


def resolve_run(chosen, root: Path, run: str | None, recipe_name: str | None, overrides: dict):
    """(run name, recipe name, recipe). Raises UserError when what is asked contradicts the saved run."""
    name = recipe_name or "default"
    if name not in chosen.recipes:
        raise UserError(f"'{name}' is no recipe of {chosen.name}; known are: {', '.join(chosen.recipes)}")
    _refuse_both(overrides.get("budget", ""), overrides)
    _refuse_long(run or "")
    if run and not recipe_name and (path := Store(root, chosen.name, run).recipe).exists():
        # of a run that is there only what is given must agree: the recipe is its own
        saved_name, saved = saved_in(path)
        _refuse_other(run, saved, overrides)
        return run, saved_name, saved
    asked = recipes.resolve(chosen.recipes[name], overrides)
    _refuse_both(asked.budget, overrides)
    check(asked)
    run_name = run or recipes.run_name(name, asked, recipes.resolve(chosen.recipes[name], {}))
    _refuse_long(run_name)
    path = Store(root, chosen.name, run_name).recipe
    if not path.exists():
        return run_name, name, asked
    saved_name, saved = saved_in(path)
    if recipe_name and saved_name != recipe_name:
        raise UserError(
            f"run '{run_name}' was made with --recipe {saved_name}, not {recipe_name}; give another --run NAME"
        )
    _refuse_other(run_name, saved, _asked_of(saved, asked))
    return run_name, saved_name, saved


def _refuse_long(name: str) -> None:
    if len(name.encode()) > 200:
        raise UserError(f"the run's name '{name[:60]}…' is too long for a file; give a shorter one with --run NAME")


def check(recipe: Recipe) -> None:
    """Raises UserError where a recipe names a network, an encoder, a loss or an augmentation that there is not."""
    models.check(recipe)
    training.check(recipe)


def _refuse_both(budget: str, overrides: dict) -> None:
    if budget and "epochs" in overrides:
        raise UserError(f"--budget {budget} picks the epochs: leave out --epochs, or switch it off with --budget ''")


def _asked_of(saved: Recipe, asked: Recipe) -> dict:
    """The fields in which a saved recipe must agree: with a budget not the epochs, which were found as it was saved;
    with just these epochs not the budget."""
    left_out = "epochs" if asked.budget else "budget" if asked.epochs == saved.epochs else ""
    return {field: value for field, value in recipes.to_json(asked).items() if field != left_out}


def saved_in(path: Path) -> tuple[str, Recipe]:
    """The name and the fields of a run's recipe. Raises UserError where it asks for what there is not."""
    content = read_json(path)
    name = content.pop("recipe", "default")
    if not isinstance(name, str):
        raise UserError(f"{path}: recipe is {name!r}, not a name; mend it, or start a new run with --run NAME")
    saved = recipes.from_json(content, str(path))
    try:
        check(saved)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return name, saved


def _refuse_other(run: str, saved: Recipe, given: dict) -> None:
    """Raises UserError for the first of the given fields that is another in the saved recipe."""
    for field, value in given.items():
        was = getattr(saved, field)
        if value != was:
            raise UserError(
                f"run '{run}' was made with {recipes.option(field)} {in_words(was)}, not {in_words(value)}; "
                "give another --run NAME"
            )


def with_absolute_weights(overrides: dict) -> dict:
    """The fields with the whole path of a file of weights: the same file wherever the next command is typed."""
    weights = overrides.get("weights", "")
    return {**overrides, "weights": str(absolute(Path(weights)))} if "/" in weights else overrides


def absolute(path: Path) -> Path:
    """The whole path of what a user names. Raises UserError where it cannot be one."""
    try:
        found = path.expanduser().resolve()
        # too long a name shows when it is looked for
        found.exists()
        return found
    except (RuntimeError, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be a path: {error}") from error


def in_words(value) -> str:
    """A field's value in a message, where a blank one must be seen."""
    return "''" if value == "" else str(value)
