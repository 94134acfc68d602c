"""Recipes: defaults, named recipes, the command line over both, and the name a run gets."""

import importlib
from dataclasses import asdict, fields, replace
from types import SimpleNamespace

import pytest

from pipeline import recipe as recipes
from pipeline.command import names
from pipeline.errors import UserError
from pipeline.recipe import Recipe
from pipeline.runs import identity
from pipeline.store.disk import write_json
from pipeline.store.paths import Store

NAMES = names.competitions()
DEFAULTS = asdict(Recipe())


def recipes_of(name):
    return importlib.import_module(f"pipeline.competitions.{name}").competition.recipes


EVERY_RECIPE = [(name, recipe) for name in NAMES for recipe in recipes_of(name)]


def test_the_command_line_overrides_a_named_recipe_and_that_the_defaults():
    named = {"width": 8, "epochs": 2}
    assert recipes.resolve({}, {}) == Recipe()
    assert recipes.resolve(named, {}) == replace(Recipe(), width=8, epochs=2)
    assert recipes.resolve(named, {"epochs": 7, "tta": False}) == replace(Recipe(), width=8, epochs=7, tta=False)


def test_differences_are_the_fields_that_differ_with_their_values():
    assert recipes.differences(Recipe(), Recipe()) == {}
    mine = replace(Recipe(), epochs=3, late_loss="lovasz", flip=False)
    assert recipes.differences(mine, Recipe()) == {"epochs": 3, "late_loss": "lovasz", "flip": False}
    assert recipes.differences(Recipe(), mine) == {name: DEFAULTS[name] for name in ("epochs", "late_loss", "flip")}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "quick"),
        ({"epochs": 3}, "quick-epochs-3"),
        ({"loss": "dice", "epochs": 3}, "quick-epochs-3-loss-dice"),
        ({"batch_size": 4}, "quick-batch-size-4"),
        ({"learning_rate": 0.01}, "quick-learning-rate-0.01"),
        ({"tta": False}, "quick-tta-false"),
        ({"late_loss": "lovasz"}, "quick-late-loss-lovasz"),
    ],
)
def test_a_run_is_named_after_its_recipe_and_what_differs_from_it(changes, name):
    assert recipes.run_name("quick", replace(Recipe(), **changes), Recipe()) == name


def test_a_blank_field_that_was_not_blank_is_none_in_the_name():
    named = replace(Recipe(), late_loss="lovasz")
    assert recipes.run_name("quick", Recipe(), named) == "quick-late-loss-none"


# known by models/catalogue.py or by what is on the disk, not by the recipe; and a time
ELSEWHERE = {
    "model": ["unet2015"],
    "encoder": ["resnet50"],
    "weights": ["imagenet", "/somewhere/resnet50_notop.h5"],
    "pseudo": ["quick"],
    "budget": ["45m", "1.5h"],
    "tta_scales": ["0.9", "0.9+1.25"],
    "loss": ["bce", "bce+dice+lovasz"],
    "late_loss": ["lovasz"],
    "augment": ["blur=1.5"],
}


def other_values(field):
    """Values of a field that are allowed and not its default."""
    if field.name in ELSEWHERE:
        return ELSEWHERE[field.name]
    if isinstance(field.default, bool):
        return [not field.default]
    if field.name in recipes._CHOICES:
        return [value for value in recipes._CHOICES[field.name] if value != field.default]
    low, high = recipes._RANGES[field.name]
    if field.name == "non_empty":
        # wants a crop beside it
        return []
    return [kind for kind in (type(field.default)(low), type(field.default)(high)) if kind != field.default]


def test_every_change_of_a_single_field_gives_a_run_a_name_of_its_own_that_can_name_a_folder():
    changed = [replace(Recipe(), **{f.name: value}) for f in fields(Recipe) for value in other_values(f)]
    names = [recipes.run_name("default", recipe, Recipe()) for recipe in changed]
    assert len(set(names)) == len(names) > len(fields(Recipe))
    assert all(not set(name) & set("/\\ \0") and name.startswith("default-") for name in names)


@pytest.mark.parametrize("field", fields(Recipe), ids=lambda field: field.name)
def test_every_field_has_bounds_or_choices_and_its_default_is_within(field):
    limited = [field.name in known for known in (recipes._CHOICES, recipes._RANGES, ELSEWHERE)]
    assert isinstance(field.default, bool) or sum(limited) == 1
    assert isinstance(field.default, (bool, int, float, str))


@pytest.mark.parametrize("name", recipes._CHOICES)
def test_an_unknown_word_is_refused_naming_the_option_and_what_is_known(name):
    with pytest.raises(UserError) as found:
        recipes.resolve({}, {name: "nonsense"})
    message = str(found.value)
    assert message.startswith(f"{recipes.option(name)} is 'nonsense'; known are: ")
    assert all((choice or "''") in message for choice in recipes._CHOICES[name])
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("name", recipes._RANGES)
def test_a_number_out_of_range_is_refused_naming_the_option(name):
    low, high = recipes._RANGES[name]
    for value in (low - 1, high + 1):
        with pytest.raises(UserError, match=f"^{recipes.option(name)} is .*; it must be from {low} to ") as found:
            recipes.resolve({}, {name: type(DEFAULTS[name])(value)})
        assert len(str(found.value).splitlines()) == 1
    for value in (float("nan"), float("inf"), -float("inf"), "3", None):
        with pytest.raises(UserError, match=f"^{recipes.option(name)} is "):
            recipes.resolve({}, {name: value})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"neighbours": 1, "slices": 4}, "leave --neighbours at 0"),
        ({"hue": 10.0, "neighbours": 1}, "pictures in colour"),
        ({"to_grey": 0.5, "slices": 4}, "pictures in colour"),
        ({"non_empty": 0.5}, "give a --crop"),
        ({"pseudo": "quick", "slices": 4}, "leave one of them out"),
        ({"fit": "resize", "size": 0}, "needs a --size"),
        ({"fit": "double", "crop": 64}, "leave out --crop"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(fields, words):
    with pytest.raises(UserError, match=words):
        recipes.resolve({}, fields)


@pytest.mark.parametrize(
    "text", ["0.9,1.25", "1", "0.9+1", "0.9+0.9", "0.9+0.90", "5", "0.2", "nan", "0.9++1.25", "inf"]
)
def test_scales_that_cannot_be_are_refused_with_an_example(text):
    with pytest.raises(UserError, match=r"--tta-scales is .* as in 0\.9\+1\.25"):
        recipes.resolve({}, {"tta_scales": text})


def test_scales_are_numbers():
    assert recipes.scales("0.9 + 1.25") == (0.9, 1.25) and recipes.scales("2") == (2.0,) and recipes.scales("") == ()


def test_a_run_is_named_after_a_file_of_weights_without_its_folders():
    named = recipes.resolve({}, {})
    mine = replace(named, encoder="resnet50", weights="/kaggle/input/weights/resnet50_notop.h5")
    assert recipes.run_name("default", mine, named) == "default-encoder-resnet50-weights-resnet50_notop.h5"


def test_an_option_is_the_field_with_dashes():
    assert recipes.option("late_loss") == "--late-loss"


def test_a_saved_recipe_comes_back_and_fields_it_lacks_get_their_defaults():
    mine = replace(Recipe(), epochs=3, flip=False, late_loss="dice")
    assert recipes.from_json(recipes.to_json(mine), "recipe.json") == mine
    assert recipes.from_json({"epochs": 3}, "recipe.json") == replace(Recipe(), epochs=3)


def test_a_saved_recipe_with_unknown_fields_is_refused_naming_them_and_the_file():
    with pytest.raises(UserError, match=r"recipe\.json .*: epoks, wide;") as found:
        recipes.from_json({"wide": 3, "epoks": 3, "epochs": 3}, "recipe.json")
    assert len(str(found.value).splitlines()) == 1


@pytest.mark.parametrize("content", [{"epochs": "ten"}, {"epochs": None}, {"learning_rate": [1]}, {"loss": 3}])
def test_a_saved_recipe_with_a_value_of_another_kind_is_refused(content):
    with pytest.raises(UserError):
        recipes.from_json(content, "recipe.json")


@pytest.mark.parametrize("name", NAMES)
def test_every_competition_has_smoke_quick_and_default_and_says_what_each_recipe_costs(name):
    chosen = names.competition(name)
    assert {"smoke", "quick", "default"} <= set(chosen.recipes)
    assert set(chosen.costs) == set(chosen.recipes)
    assert all(cost.strip() for cost in chosen.costs.values())


@pytest.mark.parametrize(("name", "recipe"), EVERY_RECIPE)
def test_every_named_recipe_resolves_and_lists_only_what_differs(name, recipe):
    named = recipes_of(name)[recipe]
    resolved = recipes.resolve(named, {})
    assert recipes.differences(resolved, Recipe()) == named


@pytest.mark.parametrize("name", NAMES)
def test_smoke_is_a_few_steps_of_one_or_two_folds(name):
    smoke = recipes.resolve(recipes_of(name)["smoke"], {})
    assert 1 <= smoke.trained_folds <= 2
    assert 1 <= smoke.steps <= 10 and smoke.epochs <= 3


SHAPES = SimpleNamespace(name="shapes", recipes={"quick": {"epochs": 36}, "smoke": {"epochs": 2}, "default": {}})


def save(root, run, recipe_name, **changes) -> Recipe:
    recipe = recipes.resolve(SHAPES.recipes[recipe_name], changes)
    write_json(Store(root, "shapes", run).recipe, {"recipe": recipe_name, **recipes.to_json(recipe)})
    return recipe


def resolve_run(root, run, recipe_name, overrides):
    return identity.resolve_run(SHAPES, root, run, recipe_name, overrides)


def test_the_name_of_a_new_run_follows_from_its_fields_unless_it_is_given(tmp_path):
    asked = replace(Recipe(), epochs=3)
    assert resolve_run(tmp_path, None, "quick", {"epochs": 3}) == ("quick-epochs-3", "quick", asked)
    assert resolve_run(tmp_path, None, "quick", {"epochs": 36})[0] == "quick"
    assert resolve_run(tmp_path, None, None, {}) == ("default", "default", Recipe())
    assert resolve_run(tmp_path, "mine", "quick", {"epochs": 3}) == ("mine", "quick", asked)


def test_the_recipe_of_a_run_is_the_one_saved_in_it(tmp_path):
    saved = save(tmp_path, "mine", "quick", epochs=3)
    for recipe_name, overrides in [(None, {}), (None, {"epochs": 3}), ("quick", {"epochs": 3})]:
        assert resolve_run(tmp_path, "mine", recipe_name, overrides) == ("mine", "quick", saved)


@pytest.mark.parametrize(
    ("recipe_name", "overrides", "says"),
    [
        (None, {"epochs": 4}, "--epochs 3, not 4"),
        ("quick", {"epochs": 4}, "--epochs 3, not 4"),
        ("quick", {}, "--epochs 3, not 36"),
        ("smoke", {"epochs": 3}, "--recipe quick, not smoke"),
        (None, {"tta": False}, "--tta True, not False"),
        (None, {"late_loss": "dice"}, "--late-loss '', not dice"),
    ],
)
def test_what_does_not_agree_with_the_saved_recipe_is_refused_naming_the_field(tmp_path, recipe_name, overrides, says):
    save(tmp_path, "mine", "quick", epochs=3)
    with pytest.raises(UserError, match=says) as found:
        resolve_run(tmp_path, "mine", recipe_name, overrides)
    assert "'mine'" in str(found.value)
    assert len(str(found.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"epochs": "60"}, "--epochs is '60'; it must be of type int; mend it, or start a new run with --run NAME"),
        ({"block": "odd"}, "--block is 'odd'; known are: "),
        ({"model": "odd"}, "odd"),
    ],
)
def test_of_a_saved_recipe_that_cannot_be_the_file_is_named(tmp_path, changes, says):
    path = Store(tmp_path, "shapes", "mine").recipe
    write_json(path, {"recipe": "quick", **recipes.to_json(Recipe()), **changes})
    with pytest.raises(UserError) as found:
        resolve_run(tmp_path, "mine", None, {})
    assert str(found.value).startswith(f"{path}: ") and says in str(found.value)


def test_an_unknown_recipe_is_refused_naming_those_there_are(tmp_path):
    with pytest.raises(UserError, match="'fast' is no recipe of shapes; known are: quick, smoke, default"):
        resolve_run(tmp_path, None, "fast", {})


def test_an_answers_stride_is_one_that_an_encoder_passes():
    assert Recipe(answer_stride=8).answer_stride == 8
    with pytest.raises(UserError, match="--answer-stride is 3; it must be 1, 2, 4 or 8"):
        Recipe(answer_stride=3)
