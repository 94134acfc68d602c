"""The order of the pages: kinds, the index, the README's length, what is generated, what is drawn."""

import ast
import importlib.util
import json
import re

import pytest

from tests.docs.markdown import PAGES, Page
from tests.start import ROOT

DOCS = ROOT / "docs"
KINDS = {"start", "how-to", "reference", "explanation"}
LONGEST_README = 130
README = Page(ROOT / "README.md")


def test_the_readme_is_short():
    assert len(README.text.splitlines()) <= LONGEST_README


def test_every_page_is_of_one_of_the_four_kinds():
    assert {path.name for path in DOCS.iterdir() if path.is_dir() and path.name != "__pycache__"} == KINDS
    beside = {path.name for path in DOCS.glob("*.md")}
    assert beside == {"README.md", "log.md"}
    for kind in KINDS:
        assert list((DOCS / kind).glob("*.md")), kind
        assert not [path for path in (DOCS / kind).iterdir() if path.is_dir()], kind


def test_the_index_links_every_page():
    linked = {(DOCS / link).resolve() for link in Page(DOCS / "README.md").links()}
    assert [page.name for page in PAGES if DOCS in page.path.parents and page.path not in linked] == ["docs/README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_begins_with_what_it_is(page):
    if page.path.parent.name not in ("folds", "submissions"):
        assert re.match(r"# \S.*\n\n(?:    )?\S", page.text)


def _generate():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_pages_are_what_the_code_says():
    pages = _generate().PAGES
    assert len(pages) >= 4
    for name, page in pages.items():
        written = (DOCS / "reference" / name).read_text(encoding="utf-8")
        assert written == page(), f"docs/reference/{name} is not of today: .venv/bin/python docs/generate.py"


def test_the_scores_in_the_readme_are_those_of_the_benchmarks():
    rows = re.findall(r"^\| `.*?\((benchmarks/[\w/]+)/README\.md\).*$", README.text, flags=re.MULTILINE)
    assert len(rows) >= 6
    for folder in rows:
        (line,) = [line for line in README.text.splitlines() if line.startswith("| `") and f"({folder}/" in line]
        found = json.loads((ROOT / folder / "thresholds.json").read_text(encoding="utf-8"))
        shown = [_shown(found["cross_fitted"], found["standard_error"], digits) for digits in (2, 3)]
        assert any(text in line for text in shown), f"{line}: {shown}"
        assert f"{found['oof_at_half']:.3f}".lstrip("0") in line, line


def _shown(score: float, error: float, digits: int) -> str:
    return f"{score:.{digits}f} ± {error:.{digits}f}".replace("0.", ".")


def test_imports_point_down_in_the_drawing_of_the_house():
    (drawing,) = Page(DOCS / "explanation" / "house.md").blocks("text")
    level = {room: number for number, line in enumerate(drawing.splitlines()) for room in line.split()}
    package = ROOT / "pipeline"
    rooms = {path.name for path in package.iterdir() if any(path.glob("*.py"))}
    assert rooms <= level.keys()
    for path in package.rglob("*.py"):
        own = path.relative_to(package).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if own in level and isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipeline"):
                for other in _rooms_of(node):
                    assert other == own or level[own] < level[other], f"{path.name}: {own} imports {other}"


def _rooms_of(node: ast.ImportFrom) -> set[str]:
    """`from pipeline.store import disk` -> store; `from pipeline import recipe` -> recipe."""
    parts = node.module.split(".")
    return {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}


def test_the_table_of_the_house_has_every_room():
    rooms = {path.name for path in (ROOT / "pipeline").iterdir() if any(path.glob("*.py"))}
    named = set(re.findall(r"^\| `(\w+)/` \|", (DOCS / "explanation" / "house.md").read_text(), flags=re.MULTILINE))
    assert named == rooms
