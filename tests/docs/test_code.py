"""The Python that pages show: it is Python, and what it imports from here is here."""

import ast

import pytest

from tests.docs.markdown import PAGES
from tests.start import ROOT

WITH_CODE = [page for page in PAGES if page.blocks("python")]


def missing(code: str) -> list[str]:
    """What a piece of code imports from the pipeline that is not there."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pipeline":
            found += [f"{node.module}.{alias.name}" for alias in node.names if not _is_there(node.module, alias.name)]
    return found


def _is_there(module: str, name: str) -> bool:
    place = ROOT.joinpath(*module.split("."))
    file = place.with_suffix(".py") if place.with_suffix(".py").exists() else place / "__init__.py"
    if (place / f"{name}.py").exists() or (place / name).is_dir():
        return True
    defined = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body if file.exists() else ():
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, ast.Assign):
            defined |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return name in defined


def test_what_is_missing_is_seen():
    code = "from pipeline.recipe import Recipe, Receipt\nfrom pipeline.store import disk, desk\nimport numpy"
    assert missing(code) == ["pipeline.recipe.Receipt", "pipeline.store.desk"]
    assert missing("from pipeline.nowhere import a") == ["pipeline.nowhere.a"]


def test_the_pages_of_parts_show_some():
    names = {page.path.stem for page in WITH_CODE}
    added = {path.stem for path in (ROOT / "docs" / "how-to").glob("add-*.md")}
    assert len(added) >= 7 and added <= names


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.name)
def test_every_block_of_it_is_python_and_imports_what_there_is(page):
    for block in page.blocks("python"):
        assert missing(block) == []


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.name)
def test_no_file_that_it_tells_to_write_is_there_already(page):
    assert [path for path in page.adds() if (ROOT / path).exists()] == []
