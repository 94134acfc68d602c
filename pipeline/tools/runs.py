"""[--csv FILE.csv] -> runs/<c>/runs.csv, runs.html: every run, its scores and what differs, best first.

    ./run.sh tgs runs
    ./run.sh tgs runs --csv ~/table.csv

Sorted by cross-fitted score (± one standard error); beside it the IoU of the pixels as decoded, the minutes of
learning, public and private scores where the run was uploaded, and of the recipes only the fields in which runs differ.
Below stand the runs that have no score that is true today, with why: not trained, not tuned, stale, a recipe that
cannot be read. Of a run that was brought from elsewhere the fields are not known: "?".

Nothing is tuned or trained. What a run lacks of its kept scores (one that was tuned by an earlier version) is counted
once, and kept.
"""

from pathlib import Path

from pipeline.errors import UserError
from pipeline.reporting.runs import facts, page
from pipeline.reporting.runs.facts import Standing
from pipeline.reporting.shared.page import put_rows, put_text
from pipeline.runs import every, trained, tuned
from pipeline.runs.identity import absolute
from pipeline.runs.job import Job
from pipeline.stages import tune
from pipeline.store import disk, ledger

OF_EVERY_RUN = True


def run(job: Job | None, words: list[str], csv: Path | None = None) -> int:
    """Writes and prints the table. Raises UserError: words, no run at all, or a FILE.csv that is there."""
    if job is None or words:
        raise UserError("runs wants a competition and nothing more: ./run.sh tgs runs [--csv FILE.csv]")
    found = every.found(job)
    if not found:
        raise UserError(f"there is no run of {job.competition.name} yet: ./run.sh {job.competition.name} train")
    if csv is not None:
        _refuse_taken(csv, job.again)
    uploads = ledger.uploads(job.store.ledger, job.competition.name)
    rows = facts.rows(standings(found, uploads), every.differing(found))
    for line in page.text(job, rows):
        job.say(line)
    titles, cells = page.table(rows)
    places = [
        put_rows(job, job.store.runs / "runs.csv", titles, cells),
        put_text(job, job.store.runs / "runs.html", page.render(job, rows)),
    ]
    if csv is not None:
        disk.write_rows(csv, titles, cells)
        places.append(str(csv))
    job.say(", ".join(places))
    return 0


def _refuse_taken(path: Path, again: bool) -> None:
    """Raises UserError where a table cannot get this name."""
    there = absolute(path)
    disk.refuse_no_file(there)
    if there.exists() and not again:
        raise UserError(f"{path} is there; give another name, delete it, or replace it with --again")


def standings(found: list[every.Run], uploads: list[ledger.Upload]) -> list[Standing]:
    """What is true of these runs today."""
    return [_standing(run, uploads) for run in every.one_by_one(found)]


def _standing(run: every.Run, uploads: list[ledger.Upload]) -> Standing:
    upload = next((one for one in reversed(uploads) if one.run == run.name and one.public is not None), None)
    if run.job is None:
        return Standing(run, {}, run.trouble, upload=upload)
    content, why = tuned.standing(run.job)
    folds = content.get("folds", [])
    minutes = trained.minutes([run.job.store.fold(fold) / "history.csv" for fold in folds]) if folds else None
    overlap = float(tune.cross_fitted(run.job).overlap.mean()) if content and not why else None
    return Standing(run, content, why, overlap, minutes, upload)
