"""`data/<c>/prepared/extra.csv`: the numbers that are known of images beside their pixels (`RawImage.extra`)."""

import math
from pathlib import Path

from pipeline.store.disk import read_rows
from pipeline.store.numbers import number


def read(folder: Path) -> dict[str, dict[str, float]]:
    """id -> name -> number, NaN where none is written; empty where the prepared folder has no such file."""
    path = folder / "extra.csv"
    if not path.exists():
        return {}
    return {row.pop("id"): {name: _number(text) for name, text in row.items()} for row in read_rows(path, "id")}


def _number(text: str | None) -> float:
    try:
        return number(text or "nan")
    except ValueError:
        return math.nan
