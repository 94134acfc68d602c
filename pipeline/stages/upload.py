"""submissions/<c>-<run>.csv -> Kaggle, submissions/ledger.csv: validated, submitted, its score noted."""

from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import UserError
from pipeline.kaggle import site
from pipeline.runs import trained
from pipeline.runs.job import Job
from pipeline.store import disk, records, submission

READS = ("submit",)
# an upload costs one of the day's few submissions: never a side effect
ONLY_NAMED = True
COLUMNS = ["when", "competition", "run", "file_hash", "out_of_fold", "cross_fitted", "public", "private"]


def is_current(job: Job) -> bool:
    """Never: what is asked for is done."""
    return False


def run(job: Job, named: bool = False, timeout: float = 900, every: float = 10) -> None:
    """Uploads the run's submission and waits for its score.

    The ledger row is written as soon as Kaggle has the file, and again with the score: whatever happens while
    waiting, the upload is written down.

    Raises:
        UserError: not a Kaggle competition, an invalid file, a broken ledger, or what `kaggle.site` says.
    """
    competition, path = job.competition, job.store.submission
    submission.validate_file(path, competition.format, trained.expected(job))
    read_ledger(job.store.ledger)
    row = _row(job, path)
    message = message_of(row, job.message)
    reference = site.submit(competition.slug, path, message, competition.page)
    write_row(job.store.ledger, row)
    job.say(f"{job.store.shown(path)} is with Kaggle: {message}")
    slug, page = competition.slug, competition.page
    scores = site.wait_for_score(slug, reference, message, page, timeout=timeout, every=every)
    ledger = job.store.shown(job.store.ledger)
    if scores is None:
        job.say(f"no score after {timeout / 60:.0f} minutes: see {page}, and fill it in in {ledger}")
        return
    row["public"], row["private"] = scores
    write_row(job.store.ledger, row)
    private = f", private {row['private']}" if row["private"] else ""
    job.say(f"public {row['public'] or 'not shown'}{private}; written to {ledger}")


def needs(job: Job) -> tuple[str, ...]:
    return ("kaggle",)


def refuse(job: Job) -> None:
    """Raises UserError where Kaggle takes no submissions: not there, or only a data set."""
    name, slug = job.competition.name, job.competition.slug
    if not job.competition.uploads or not slug or "/" in slug:
        raise UserError(
            f"{name}: Kaggle takes no submissions for it, nothing is uploaded; its scores are in the report "
            f"({job.store.shown(job.store.report)})"
        )


def message_of(row: dict, words: str = "") -> str:
    """What Kaggle shows beside the submission: the user's words, then always run and out-of-fold score."""
    parts = [f"run {row['run']}"]
    for key, name in (("out_of_fold", "out-of-fold"), ("cross_fitted", "cross-fitted")):
        value = row[key]
        parts.append(f"{name} unknown" if value is None else f"{name} {value:.4f}")
    # one line, as Kaggle's list has room for
    words = " ".join(words.split())
    return f"{words} | {', '.join(parts)}" if words else ", ".join(parts)


def read_ledger(path: Path) -> list[list[str]]:
    """The rows so far. Raises UserError for other columns (asked before the upload: no row may get lost)."""
    if not path.exists():
        return []
    try:
        header, rows = disk.table_of(disk.read_bytes(path), str(path))
    except UserError as error:
        raise UserError(f"{error}; mend or move it, then upload again") from error
    if header != COLUMNS:
        raise UserError(f"{path} does not begin with {','.join(COLUMNS)}; mend or move it, then upload again")
    return [row for row in rows if row]


def write_row(path: Path, row: dict) -> None:
    """Adds a row, or replaces the same upload's row without a score. Reads again: others upload meanwhile."""
    values = [str("" if value is None else value) for value in row.values()]
    others = [other for other in read_ledger(path) if other[:4] != values[:4]]
    disk.write_rows(path, COLUMNS, [*others, values])


def _row(job: Job, path: Path) -> dict:
    """The ledger's row before there is a score; values are blank where there are none."""
    # a score belongs to the file only as long as both are as they were written
    ours = records.read_record(job.store.thresholds) and records.read_record(path)
    found = disk.read_json(job.store.thresholds) if ours else {}
    scores = {key: found.get(key) for key in ("oof", "cross_fitted")}
    return {
        "when": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "competition": job.competition.name,
        "run": job.store.run,
        "file_hash": disk.file_hash(path),
        "out_of_fold": scores["oof"],
        "cross_fitted": scores["cross_fitted"],
        "public": "",
        "private": "",
    }
