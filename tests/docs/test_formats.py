"""The table of formats and layouts: every row is a test that is there."""

import re

import pytest

from tests.start import ROOT

PAGE = ROOT / "docs" / "reference" / "formats-and-layouts.md"
ROWS = [line.split("|")[1:-1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
ROWS = [row for row in ROWS if row[0].strip() != "what"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip()[:40])
def test_every_row_names_a_test(row):
    path, name = re.fullmatch(r"`(.+\.py)::(test_\w+)`", row[-1].strip()).groups()
    assert re.search(rf"^def {name}\(", (ROOT / "tests" / path).read_text(encoding="utf-8"), re.M)


def test_rows_are_many():
    assert len(ROWS) > 40
