"""FILE.csv -> is it a valid submission? Any csv from anywhere; says what it holds."""

from pathlib import Path

from pipeline.command import order
from pipeline.errors import UserError
from pipeline.runs import trained
from pipeline.runs.identity import absolute
from pipeline.store import submission


def run(job, words: list[str]) -> int:
    """Prints what the submission holds and returns 0. Raises UserError naming the first thing that is wrong."""
    if job is None or len(words) != 1:
        raise UserError("check wants a competition and one file: ./run.sh tgs check FILE.csv")
    path = Path(words[0])
    absolute(path)
    if not path.is_file():
        raise UserError(f"{path} is no file; name a csv")
    order.bring_up_to_date(job, "prepare")
    job.prepared.check_arrays()
    summary = submission.validate_file(path, job.competition.format, trained.expected(job))
    job.say(
        f"{path}: valid, {summary.rows} rows of {summary.images} images, {summary.empty:.1%} empty, "
        f"{summary.area:.0f} pixels in a mask that is not"
    )
    return 0
