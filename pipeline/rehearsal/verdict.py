"""What Kaggle would say of a notebook that ran on the hidden test part, and why."""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.rehearsal.sandbox import Ended
from pipeline.store import answer_file, disk
from pipeline.store.dialect import Format
from pipeline.store.submission import Expected

PASS = "PASS"
# what is seen of a cause -> what it is
CAUSES = {
    r"name resolution|Network is unreachable|Name or service not known|Failed to establish a new connection|"
    r"nodename nor servname|Could not resolve host": "it wants the internet, which is off",
    r"Read-only file system": "it writes into /kaggle/input, which is read-only",
    r"No space left on device": "it fills the disk",
}


@dataclass(frozen=True)
class Verdict:
    """Attributes: words: Kaggle's, or PASS; why: in a line."""

    words: str
    why: str


def of(ended: Ended, output: Path, form: Format, expected: Expected, limit: float) -> Verdict:
    """By how the notebook ended, and by its submission."""
    if ended.over:
        return Verdict("Notebook Timeout", f"it was not done after {limit:.0f} s")
    if ended.status:
        if ended.out_of_memory:
            return Verdict("Notebook Exceeded Memory", _last(ended.said) or "it was ended by the system")
        return Verdict("Notebook Threw Exception", _cause(ended.said))
    if not output.is_file():
        others = sorted(path.name for path in output.parent.iterdir())
        there = f", but {', '.join(others[:3])}" if others else ""
        return Verdict("Submission CSV Not Found", f"it ended without {output.name} in /kaggle/working{there}")
    return _of_submission(output, form, expected)


def _of_submission(output: Path, form: Format, expected: Expected) -> Verdict:
    if not form.files:
        try:
            header, _ = disk.table_of(output.read_bytes(), output.name)
            wrong = "" if header == form.columns else f"columns {','.join(header)[:80]}, not {','.join(form.columns)}"
        except UserError as error:
            wrong = str(error)
        if wrong:
            return Verdict("Submission Format Error", wrong)
    try:
        summary = answer_file.validate(output, form, expected, output.name)
    except UserError as error:
        return Verdict("Submission Scoring Error", str(error))
    return Verdict(PASS, f"{summary}, {summary.empty:.1%} empty")


def _cause(said: str) -> str:
    found = next((words for pattern, words in CAUSES.items() if re.search(pattern, said)), "")
    line = _last(said)
    return f"{found}: {line}" if found else line


def _last(said: str) -> str:
    """The line in which it says what is wrong: ours, else the last one."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith("error: ")]
    return (ours or lines or [""])[-1][:300]
