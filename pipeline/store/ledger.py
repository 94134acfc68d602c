"""submissions/ledger.csv: what was uploaded, when, and the scores it got. A row for each upload; whoever reads may add
the scores of one by hand."""

import math
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.store import disk
from pipeline.store.numbers import number

COLUMNS = ["when", "competition", "run", "file_hash", "out_of_fold", "cross_fitted", "public", "private"]
_SCORES = COLUMNS[4:]


@dataclass(frozen=True)
class Upload:
    """A row of the ledger; scores that are not known are None."""

    when: str
    competition: str
    run: str
    file_hash: str
    out_of_fold: float | None = None
    cross_fitted: float | None = None
    public: float | None = None
    private: float | None = None


def read(path: Path) -> list[list[str]]:
    """The rows so far. Raises UserError for other columns: no row may get lost."""
    if not path.exists():
        return []
    try:
        header, rows = disk.table_of(disk.read_bytes(path), str(path))
    except UserError as error:
        raise UserError(f"{error}; mend or move it, then try again") from error
    if header != COLUMNS:
        raise UserError(f"{path} does not begin with {','.join(COLUMNS)}; mend or move it, then try again")
    return [row for row in rows if row]


def write_row(path: Path, row: dict) -> None:
    """Adds a row, or replaces the same upload's row without a score. Reads again: others upload meanwhile."""
    values = [str("" if value is None else value) for value in row.values()]
    others = [other for other in read(path) if other[:4] != values[:4]]
    disk.write_rows(path, COLUMNS, [*others, values])


def uploads(path: Path, competition: str) -> list[Upload]:
    """Those of a competition, in the order of the file. Raises UserError for a score that is no number."""
    found = []
    for line, row in enumerate(read(path), 2):
        if row[1] == competition:
            scores = {
                name: _score(text, name, f"{path}, row {line}") for name, text in zip(_SCORES, row[4:], strict=True)
            }
            found.append(Upload(*row[:4], **scores))
    return found


def _score(text: str, name: str, where: str) -> float | None:
    if not text.strip():
        return None
    try:
        value = number(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: {name} is '{text}', not a number; mend it, or leave it blank")
    return value
