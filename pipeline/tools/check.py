"""FILE.csv [--write FIXED.csv] -> is it a valid submission? Any csv, .csv.gz or .zip; how to mend it.

What is mended without guessing (the order of rows, missing ones as empty, an index column that pandas wrote, what is
empty in other words; in a zip of volumes a folder around them, other types of whole numbers) is written into FIXED.csv
(FIXED.zip), where the rest is valid.
"""

from pathlib import Path

from pipeline.command import order
from pipeline.errors import UserError
from pipeline.runs import trained
from pipeline.runs.identity import absolute
from pipeline.store import answer_file, disk, submission


def run(job, words: list[str], write: Path | None = None) -> int:
    """Prints what the submission holds and returns 0; with `write` its mended form is that file.

    Raises UserError naming the first thing that is wrong, and what of it can be mended.
    """
    if job is None or len(words) != 1:
        raise UserError("check wants a competition and one file: ./run.sh tgs check FILE.csv [--write FIXED.csv]")
    path = Path(words[0])
    absolute(path)
    if not path.is_file():
        raise UserError(f"{path} is no file; name a {job.competition.format.suffix[1:]}")
    order.bring_up_to_date(job, "prepare")
    job.prepared.check_arrays()
    expected = trained.expected(job)
    if write is not None:
        return _mend(job, path, write, expected)
    try:
        found = answer_file.opened(path, job.competition.format)
        summary = found.validate(expected)
    except UserError as error:
        raise UserError(f"{error}{_way_on(job, path, expected)}") from error
    job.say(f"{found.where}: {_said(summary)}")
    return 0


def _said(summary: submission.Summary) -> str:
    return f"valid, {summary}, {summary.empty:.1%} empty, {summary.area:.0f} pixels in a mask that is not"


def _way_on(job, path: Path, expected: submission.Expected) -> str:
    """What can be done about an invalid file, for the end of its error; blank where nothing is known."""
    form = job.competition.format
    try:
        found = answer_file.mended(path, form, expected)
    except UserError:
        other = answer_file.counted_from_other(path, form, expected)
        return f"; {other}" if other else ""
    program = f"./run.sh {job.competition.name} check {path} --write FIXED{form.suffix}"
    return f"; {program} would mend it ({', '.join(found.done)})"


def _mend(job, path: Path, target: Path, expected: submission.Expected) -> int:
    absolute(target)
    if target.exists():
        raise UserError(f"{target} is there; give another name for the mended file, or delete it")
    found = answer_file.mended(path, job.competition.format, expected)
    with disk.atomic(target) as part:
        found.write(part)
    job.say(f"{path}: {', '.join(found.done) or 'nothing to mend'}")
    job.say(f"{target}: {_said(found.summary)}")
    return 0
