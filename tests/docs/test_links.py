"""What pages point at is there: links, files, modules."""

import re
from pathlib import Path

import pytest

from tests.docs.markdown import PAGES
from tests.start import ROOT

PLACES = r"(?:pipeline|benchmarks|tests|docs)/[\w./-]*"
# what `new` writes
MADE = "pipeline/competitions/mine.py"
FILES = {path.name for folder in ("pipeline", "benchmarks", "tests", "docs") for path in (ROOT / folder).rglob("*.*")}


def test_enough_is_pointed_at():
    assert sum(len(page.links()) for page in PAGES) > 120
    assert len({span for page in PAGES for span in page.spans() if re.fullmatch(PLACES, span)}) > 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    assert [link for link in page.links() if not _leads_somewhere(page.path, link)] == []


def _leads_somewhere(path: Path, link: str) -> bool:
    """A file that is there, and behind `#` one of its headings."""
    name, _, heading = link.partition("#")
    target = path.parent / name if name else path
    if not target.exists() or not heading:
        return target.exists()
    titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return heading in {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_it_names_is_there(page):
    named = {span for span in page.spans() if re.fullmatch(PLACES, span)} - page.adds().keys() - {MADE}
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_it_names_without_its_folder_is_somewhere(page):
    named = {span.rpartition("/")[2] for span in page.spans() if re.fullmatch(r"(?:\w+/)*\w+\.(?:py|svg|sh)", span)}
    written = {path.rpartition("/")[2] for path in page.adds()}
    assert named - FILES - written - {"mine.py", "run.sh"} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_benchmark_it_starts_is_there(page):
    for module in re.findall(r"python -m (benchmarks[\w.]*)", page.text):
        place = ROOT.joinpath(*module.split("."))
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module
