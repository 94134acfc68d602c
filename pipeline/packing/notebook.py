"""The notebook that answers on Kaggle: three cells, which say where the pack is, run `infer`, show its first rows."""

import json

from pipeline.store.paths import KAGGLE_INPUT, mounted_at

# where Kaggle looks for what a notebook gives
WORKING = "/kaggle/working"


def cells(competition, limit: str) -> list[str]:
    """Their texts. `limit`: the time that `infer` may take."""
    places = [place.relative_to(KAGGLE_INPUT).as_posix() for place in mounted_at(competition.slug or competition.name)]
    kind = "Datasets" if "/" in competition.slug else "Competitions"
    where = f"""\
# The pack (a data set) and the competition's files, wherever Kaggle has mounted them
from pathlib import Path

INPUT, WORKING = Path("{KAGGLE_INPUT}"), Path("{WORKING}")
PACKS = next(filter(None, (sorted(INPUT.glob("*/" * depth + "pack.json")) for depth in range(1, 5))), [])
DATA = next((INPUT / place for place in {places} if (INPUT / place).is_dir()), None)
assert PACKS, "add the pack to this notebook: Add Input, Datasets"
assert len(PACKS) == 1, f"there are several packs, leave one: {{', '.join(str(path.parent) for path in PACKS)}}"
assert DATA, "add the competition to this notebook: Add Input, {kind}"
PACK = PACKS[0].parent
print(PACK, DATA)"""
    infer = f"""\
# Every test picture there is now; in the rerun Kaggle puts the hidden ones in their place
import os
import subprocess
import sys

paths = os.pathsep.join([str(PACK), str(PACK / "packages")])
words = ["{competition.name}", "infer", "--data", str(DATA), "--root", str(WORKING), "--time-limit", "{limit}"]
# -B: the pack cannot be written into; -P: no file of the working folder is taken for one of the pack
command = [sys.executable, "-B", "-P", "-m", "pipeline", *words]
subprocess.run(command, check=True, env={{**os.environ, "PYTHONPATH": paths}})"""
    form = competition.format
    show = f"""\
# The first rows
import pandas

pandas.read_csv(WORKING / "submission{form.suffix}").head()"""
    if form.files:
        show = f"""\
# The first files
import zipfile

zipfile.ZipFile(WORKING / "submission{form.suffix}").namelist()[:5]"""
    return [where, infer, show]


def text(competition, limit: str) -> str:
    """The .ipynb."""
    return of(cells(competition, limit))


def of(texts: list[str], about: str = "") -> str:
    """An .ipynb of cells of code, below a cell for people where there is something to say."""
    found = [{"cell_type": "markdown", "id": "about", "metadata": {}, "source": about}] if about else []
    found += [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{number}",
            "metadata": {},
            "outputs": [],
            "source": cell.splitlines(keepends=True),
        }
        for number, cell in enumerate(texts)
    ]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": found, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def read(content: str, where: str) -> list[str]:
    """The texts of the cells of code of a notebook. Raises ValueError where it is none."""
    found = json.loads(content)
    cells = found.get("cells") if isinstance(found, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise ValueError(f"{where} has no list of cells")
    return [_source(cell, where) for cell in cells if cell.get("cell_type") == "code"]


def _source(cell: dict, where: str) -> str:
    lines = cell.get("source", "")
    lines = [lines] if isinstance(lines, str) else lines
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise ValueError(f"{where} has a cell whose source is no text")
    return "".join(lines)
