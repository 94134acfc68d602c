"""Every command that a page shows is one: its words, options, recipes and fields are there."""

import json
import re

import pytest

from pipeline import recipe as recipes
from pipeline.command import help, names, options
from pipeline.errors import UserError
from pipeline.recipe import Recipe
from pipeline.runs import identity, tuning, variants
from tests.docs.markdown import PAGES, Page
from tests.start import ROOT

WITH_COMMANDS = [page for page in PAGES if page.commands()]
# what `new` makes, and what stands for any competition
MADE = {"mine", "NAME", "COMPETITION"}
RECIPES_OF_NEW = {"smoke", "quick", "default"}
# what else a reader is told to type
OTHER_COMMANDS = ("cp ",)


def check(page: Page, arguments: list[str]) -> None:
    """Raises AssertionError or UserError where the command is none."""
    if arguments[:1] == ["test"]:
        assert arguments[1:] in ([], ["fast"], ["-m", "torch"])
        return
    if not arguments or "--help" in arguments:
        words = [word for word in arguments if word not in ("--help", "TOPIC")]
        assert help.text([word for word in words if word not in added(page, "")])
        return
    given = options.parse(arguments)
    first, *words = given.words
    if first in ("new", *MADE - {"mine"}) and first not in names.competitions():
        assert first != "new" or 1 <= len(words) <= 5
    else:
        assert first in {*names.competitions(), *MADE}, f"{first} is no competition"
    if first != "new" and "[options]" not in words:
        assert_steps(page, words)
        assert_recipe(page, first, given)


def assert_steps(page: Page, words: list[str]) -> None:
    if words[:1] == ["check"]:
        assert len(words) == 2 and words[1].endswith((".csv", ".zip")), "check wants one csv, or zip"
        return
    if words and words[0] in ("compare", "picks", "blend"):
        # the other words are runs
        assert words[0] == "picks" or len(words) == 3 or (len(words) > 3 and words[0] == "blend"), "two runs are wanted"
        return
    if words[:1] == ["adopt"]:
        assert len(words) == 2, "adopt wants one folder or file"
        return
    known = {*names.stages(), *names.tools(), *added(page, "stages"), *added(page, "tools")}
    assert set(words) <= known, f"{set(words) - known} is neither a stage nor a tool"


def assert_recipe(page: Page, competition: str, given) -> None:
    known = names.competition(competition).recipes if competition in names.competitions() else RECIPES_OF_NEW
    name = given.recipe or "default"
    assert name in known, f"{name} is no recipe of {competition}"
    named = known[name] if competition in names.competitions() else {}
    chosen = {field: value for field in recipes.explained() if (value := getattr(given, field)) is not None}
    resolved = recipes.resolve(named, chosen)
    if not page.path.name.startswith("add-"):
        # such a page names the part that it adds
        identity.check(resolved)
    if given.fields and given.fields != ["FIELD=VALUE"]:
        variants.parse(tuple(given.fields), resolved)


def added(page: Page, room: str) -> set[str]:
    """The words that a page's own files would be."""
    return {path.rpartition("/")[2].removesuffix(".py") for path in page.adds() if f"/{room}" in path}


def test_enough_pages_show_commands():
    assert len(WITH_COMMANDS) > 30
    assert sum(len(page.commands()) for page in PAGES) > 65


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.name)
def test_every_command_it_shows_is_one(page):
    for arguments in page.commands():
        try:
            check(page, arguments)
        except Exception as error:
            raise AssertionError(f"./run.sh {' '.join(arguments)}: {error}") from error


@pytest.mark.parametrize(
    "wrong",
    [
        "tsg",
        "tgs tuen",
        "tgs --recipe quik",
        "tgs --epoch 3",
        "tgs --loss dize",
        "tgs --model unit",
        "camvid --recipe best",
        "tgs check",
        "tgs compare quick",
        "tgs blend quick",
        "tgs runs --public 3",
        "test slow",
        "--help colours",
        "tgs ablate --fields widht=3",
    ],
)
def test_the_check_of_commands_sees_what_is_wrong(wrong):
    with pytest.raises((AssertionError, UserError)):
        check(Page(ROOT / "README.md"), wrong.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_block_to_type_holds_nothing_else(page):
    for line in "".join(page.blocks("bash")).splitlines():
        assert re.match(r"(?:[A-Z_]+=\S+ )*\./run\.sh\b", line) or line.startswith(OTHER_COMMANDS), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_it_names_is_one(page):
    known = {option for action in options.parser()._actions for option in action.option_strings} | {"--help"}
    named = {match[0] for span in page.spans() if (match := re.match(r"--[a-z][a-z-]*", span))}
    # the page on augmentations gives one an option of its own
    wrong = named - known - ({"--cutout"} if page.path.name == "add-an-augmentation.md" else set())
    assert wrong == set()


def test_every_field_that_a_variant_names_is_one():
    fields = set(recipes.to_json(Recipe()))
    page = Page(ROOT / "docs" / "how-to" / "compare-two-settings.md")
    named = {match[1] for span in page.spans() for match in re.finditer(r"(?:^|,| )([a-z_]+)=", span)}
    assert len(named) >= 3 and named <= fields


def test_the_thresholds_it_shows_are_thresholds(tmp_path):
    (block,) = Page(ROOT / "docs" / "how-to" / "thresholds-by-hand.md").blocks("json")
    path = tmp_path / "thresholds.json"
    path.write_text(block, encoding="utf-8")
    content, rules = tuning.read_thresholds(path, ("salt",))
    assert list(content) == ["thresholds"] and rules[0].min_area == json.loads(block)["thresholds"][0]["min_area"]
