"""What the README says is true: its files exist, its options are known, its recipes are there."""

import re

from pipeline.command import names, options
from tests.start import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_file_it_names_is_there():
    named = re.findall(r"`((?:pipeline|benchmarks|tests|docs)/[\w./-]*)`", README)
    linked = re.findall(r"\]\(((?!http)[^)]+)\)", README)
    assert len(named) > 8 and len(linked) >= 2
    missing = [name for name in {*named, *linked} if not (ROOT / name).exists()]
    assert missing == []


def test_every_command_it_shows_parses():
    commands = re.findall(r"^(?:PYTHON=\w+ )?\./run\.sh(.*)$", README, flags=re.MULTILINE)
    assert len(commands) > 8
    for line in commands:
        words = re.sub(r"  +.*|#.*", "", line.replace('"..."', "text")).split()
        if words and words[0] != "test":
            given = options.parse(words)
            # `mine` is the one that `new` makes
            assert given.words[0] in {*names.competitions(), "new", "mine"}, line
            known = {*names.stages(), *names.tools(), "FILE.csv", "mine", "~/data/mine"}
            assert set(given.words[1:]) <= known, line


def test_the_table_of_recipes_names_those_that_exist():
    for name in names.competitions():
        recipes = names.competition(name).recipes
        for recipe in recipes:
            assert f"`{recipe}`" in README
