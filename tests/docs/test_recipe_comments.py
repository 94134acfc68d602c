"""Above each recipe of a competition stand its command, what it costs, and its score (or that it is not measured)."""

import re

import pytest

from pipeline.command import names
from pipeline.recipe import SMOKE
from tests.start import ROOT

RECIPES = [
    (name, recipe)
    for name in names.competitions()
    for recipe, fields in names.competition(name).recipes.items()
    # the one of recipe.py is the same everywhere
    if fields != SMOKE
]


def above(name: str, recipe: str) -> str:
    """The block of comment lines that shows the command of a recipe; blank where there is none."""
    text = (ROOT / "pipeline" / "competitions" / f"{name}.py").read_text(encoding="utf-8")
    command = f"# ./run.sh {name}" + ("" if recipe == "default" else f" --recipe {recipe}")
    blocks = re.findall(r"(?:^#.*\n)+(?=[A-Z_0-9]+ = )", text, flags=re.MULTILINE)
    return next((block for block in blocks if command in block.splitlines()), "")


def test_a_recipe_without_a_comment_is_seen():
    assert above("tgs", "huge") == ""
    assert len(RECIPES) > 15


@pytest.mark.parametrize(("name", "recipe"), RECIPES, ids=lambda word: word)
def test_a_recipe_says_its_command_its_cost_and_its_score(name, recipe):
    block = above(name, recipe)
    assert block, f"no comment with the command of {recipe} above a recipe of {name}"
    assert re.search(r"GPU|2 cores", block)
    assert re.search(r"not measured|\.\d+ ± \.\d+ .*\(n = \d+", block.replace("\n# ", " "))
